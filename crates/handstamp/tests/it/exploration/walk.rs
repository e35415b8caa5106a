//! The walk itself: breadth first, each world once.
#![expect(
    clippy::indexing_slicing,
    reason = "a wrong index is a mistake in this test, and should stop it"
)]

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::rules::Rules;
use super::world::{Step, Stop, World};

/// How a walk ended.
#[derive(Debug)]
pub(crate) struct Walk {
    pub(crate) states: usize,
    pub(crate) steps: usize,
    /// The shortest way to something wrong, if there is one.
    pub(crate) wrong: Option<(Vec<Step>, String)>,
}

/// Walks through all worlds that can follow from `start`, nearest first, until there are no more or one is wrong.
pub(crate) fn walk(start: World, rules: &Rules, holds: fn(&World) -> bool) -> Walk {
    let mut found: Vec<(World, usize, Step)> = vec![(start.clone(), 0, Step::Tick)];
    let mut known = HashMap::from([(start, 0)]);
    let (mut at, mut steps) = (0, 0);
    let mut wrong = None;
    'walk: while at < found.len() {
        let world = found[at].0.clone();
        for step in world.steps(rules) {
            steps += 1;
            let why = match world.after(step, rules) {
                Ok(next) if !holds(&next) => "what must hold does not".to_owned(),
                Ok(next) => {
                    if let Entry::Vacant(place) = known.entry(next) {
                        found.push((place.key().clone(), at, step));
                        place.insert(found.len() - 1);
                    }
                    continue;
                }
                Err(Stop::Outside) => continue,
                Err(Stop::Wrong(why)) => why,
            };
            let mut way = vec![step];
            let mut back = at;
            while back != 0 {
                way.push(found[back].2);
                back = found[back].1;
            }
            way.reverse();
            wrong = Some((way, why));
            break 'walk;
        }
        at += 1;
    }
    Walk {
        states: found.len(),
        steps,
        wrong,
    }
}

/// What happens along `way`, for reading.
pub(crate) fn story(start: &World, rules: &Rules, way: &[Step]) -> Vec<String> {
    let mut world = start.clone();
    let mut lines = Vec::new();
    for step in way {
        let about = match step {
            Step::Arrive(at) | Step::ArriveTwice(at) | Step::Lose(at) => {
                format!("{:?}", world.messages[*at])
            }
            Step::Ask { jar } | Step::Use { jar } => {
                format!("{:?}", world.jars[usize::from(*jar)])
            }
            Step::Tick | Step::Revoke => String::new(),
        };
        lines.push(format!("{step:?} {about}"));
        match world.after(*step, rules) {
            Ok(next) => world = next,
            Err(stop) => lines.push(format!("=> {stop:?}; {:?}", world.record)),
        }
    }
    lines
}

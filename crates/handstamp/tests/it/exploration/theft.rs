//! Two parties that hold the same token, each exchange whole, more than the window between one's and the other's.
#![expect(
    clippy::indexing_slicing,
    reason = "a wrong index is a mistake in this test, and should stop it"
)]

use std::collections::{HashSet, VecDeque};

use handstamp::rotation::Policy;

use super::rules::Rules;
use super::world::{Stop, World};

/// What one of the two does.
#[derive(Debug, Clone, Copy)]
enum Act {
    Refresh { answered: bool },
    UseAccess,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Theft {
    world: World,
    /// How many refreshes of each have been answered, up to two.
    answered: [u8; 2],
    last: Option<usize>,
}

/// Walks through everything two parties can do. Answers the number of states, how often reuse was reported, and the largest
/// number of refreshes both had answered without a report.
fn walk(policy: Policy) -> (usize, usize, u8) {
    let rules = Rules {
        policy,
        jars: 2,
        rest: 0,
        ..Rules::ONE_JAR
    };
    let start = Theft {
        world: World::new(&rules),
        answered: [0, 0],
        last: None,
    };
    let mut known = HashSet::from([start.clone()]);
    let mut queue = VecDeque::from([start]);
    let (mut reports, mut both) = (0, 0);
    while let Some(theft) = queue.pop_front() {
        both = both.max(theft.answered[0].min(theft.answered[1]));
        let acts = [
            Act::Refresh { answered: true },
            Act::Refresh { answered: false },
            Act::UseAccess,
        ];
        for (jar, number) in [(0, 0_u8), (1, 1)] {
            for act in acts {
                // One's own requests may follow each other at any distance.
                let other_was_last = theft.last.is_some_and(|last| last != jar);
                for pause in if other_was_last {
                    rules.window..=rules.window
                } else {
                    0..=rules.window
                } {
                    let mut next = theft.clone();
                    next.world.wait(pause, &rules);
                    next.last = Some(jar);
                    let done = match act {
                        Act::Refresh { answered } => {
                            next.answered[jar] = (next.answered[jar] + u8::from(answered)).min(2);
                            next.world.refresh(number, answered, &rules)
                        }
                        Act::UseAccess => next.world.use_access(number, &rules),
                    };
                    match done {
                        Ok(()) => {
                            if known.insert(next.clone()) {
                                queue.push_back(next);
                            }
                        }
                        Err(Stop::Wrong(why)) => {
                            assert!(why.contains("Reuse"), "{why}");
                            reports += 1;
                        }
                        Err(Stop::Outside) => {}
                    }
                }
            }
        }
    }
    (known.len(), reports, both)
}

/// T: of two that hold the same token and act more than the window apart, never have both had two refreshes answered. Answers
/// may be lost, access tokens used or not: whoever comes second is reported at its second refresh at the latest.
#[test]
fn the_second_holder_is_reported_at_its_second_refresh_at_the_latest() {
    let (states, reports, both) = walk(Policy::ConfirmOnUse);
    println!("theft, confirm on use: {states} states, {reports} reports");
    assert_eq!(both, 1);
    assert!(reports > 0);
}

/// T for the other policy is stronger: the second one's first refresh is refused.
#[test]
fn rotating_at_once_reports_the_second_holder_at_its_first_refresh() {
    let (states, reports, both) = walk(Policy::RotateAtOnce);
    println!("theft, rotate at once: {states} states, {reports} reports");
    assert_eq!(both, 0);
    assert!(reports > 0);
}

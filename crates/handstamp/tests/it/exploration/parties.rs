//! Whole exchanges, and worlds to begin with, for walks of their own kind.
#![expect(
    clippy::indexing_slicing,
    reason = "a wrong index is a mistake in this test, and should stop it"
)]

use super::rules::Rules;
use super::world::{Message, Stop, World};

impl World {
    /// Each of the jars has sent its first token, and nobody sends anything more.
    pub(crate) fn all_presenting(rules: &Rules) -> Self {
        let mut world = Self::new(rules);
        for jar in 0..rules.jars {
            world.messages.push(Message::Request {
                jar,
                token: 0,
                age: 0,
            });
        }
        world
    }

    /// Whether all that was made from the first token is one token.
    pub(crate) fn has_one_lineage(&self) -> bool {
        let in_jars = self.jars.iter().map(|jar| jar.token);
        let on_the_way = self.messages.iter().filter_map(|message| match message {
            Message::Answer { token, .. } => Some(*token),
            _ => None,
        });
        let mut made = in_jars
            .chain(on_the_way)
            .filter(|token| self.parents[usize::from(*token)].is_some());
        let first = made.next();
        made.all(|token| Some(token) == first)
    }

    /// A whole refresh at once. An answer that is not `delivered` is lost on its way back.
    pub(crate) fn refresh(&mut self, jar: u8, delivered: bool, rules: &Rules) -> Result<(), Stop> {
        let token = self.jars[usize::from(jar)].token;
        self.decide(jar, token, 0, rules)?;
        while let Some(message) = self.messages.pop() {
            if delivered || matches!(message, Message::Write { .. }) {
                self.arrive(message, rules)?;
            }
        }
        self.rename();
        Ok(())
    }

    /// A whole use of a jar's access token at once.
    pub(crate) fn use_access(&mut self, jar: u8, rules: &Rules) -> Result<(), Stop> {
        let token = self.jars[usize::from(jar)].token;
        self.arrive(Message::Use { token, age: 0 }, rules)?;
        self.rename();
        Ok(())
    }

    /// `ticks` go by.
    pub(crate) fn wait(&mut self, ticks: u8, rules: &Rules) {
        for _ in 0..ticks {
            assert!(self.tick(rules), "nobody is bound to keep in step here");
        }
    }
}

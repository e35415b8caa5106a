//! Giving names out again, so that worlds that are the same but for names are the same.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a wrong index or an empty option is a mistake in this test, and should stop it"
)]

use super::names::{COUNT, GONE, Token};
use super::world::{Message, World};

impl World {
    pub(super) fn fresh_name(&self) -> Token {
        let live = self.live();
        (0..GONE).find(|name| !live.contains(name)).unwrap()
    }

    /// All tokens that can still be presented, or that the record knows.
    pub(super) fn live(&self) -> Vec<Token> {
        let mut live = Vec::with_capacity(16);
        if let Some(record) = &self.record {
            live.push(record.current);
            live.extend(record.child.map(|(token, _)| token));
            live.extend(record.previous.map(|(token, _)| token));
        }
        live.extend(self.jars.iter().map(|jar| jar.token));
        live.extend(self.messages.iter().map(|message| match *message {
            Message::Request { token, .. }
            | Message::Write { token, .. }
            | Message::Answer { token, .. }
            | Message::Use { token, .. } => token,
        }));
        live
    }

    /// Gives the tokens the names they would have in any other world that is the same but for names.
    pub(super) fn rename(&mut self) {
        self.messages.sort_unstable();
        let mut names = [GONE; COUNT];
        let mut count = 0;
        for token in self.live() {
            let name = &mut names[usize::from(token)];
            if *name == GONE {
                *name = count;
                count += 1;
            }
        }
        let new = |token: Token| names[usize::from(token)];
        let mut parents = vec![None; COUNT];
        let mut asked = vec![None; COUNT];
        for old in 0..GONE {
            if new(old) != GONE {
                parents[usize::from(new(old))] = self.parents[usize::from(old)].map(new);
                asked[usize::from(new(old))] = self.asked[usize::from(old)];
            }
        }
        (self.parents, self.asked) = (parents, asked);
        if let Some(record) = &mut self.record {
            record.current = new(record.current);
            for (token, _) in record.child.iter_mut().chain(&mut record.previous) {
                *token = new(*token);
            }
        }
        for jar in &mut self.jars {
            jar.token = new(jar.token);
        }
        for message in &mut self.messages {
            match message {
                Message::Request { token, .. }
                | Message::Write { token, .. }
                | Message::Answer { token, .. }
                | Message::Use { token, .. } => *token = new(*token),
            }
        }
        self.messages.sort_unstable();
    }
}

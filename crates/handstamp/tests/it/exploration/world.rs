//! A world small enough to be walked through completely: one session's record, the jars its clients keep tokens in, and the
//! messages under way. Ages instead of times and names that are given out again make it finite, so the walk ends by itself:
//! what it finds to be true is true of executions of any length.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a wrong index or an empty option is a mistake in this test, and should stop it"
)]

use handstamp::rotation::{Child, Current, Decision, Presented, confirm, decide};

use super::names::*;
use super::rules::Rules;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Jar {
    pub(super) token: Token,
    /// Since when, as far as that matters.
    pub(super) held: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Message {
    /// A refresh token on its way to a server.
    Request { jar: u8, token: Token, age: u8 },
    /// A server has read the record, decided on a write, and not yet written. `stale`: the record has changed since.
    Write {
        jar: u8,
        token: Token,
        age: u8,
        read: u8,
        change: Change,
        stale: bool,
    },
    /// New tokens on their way to a jar.
    Answer { jar: u8, token: Token, age: u8 },
    /// An access token on its way to a server.
    Use { token: Token, age: u8 },
}

/// A decision that needs a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Change {
    MakeChild,
    RenewChild(Token),
    ConfirmAndMakeChild,
    Replace,
}

/// What can happen next. Numbers are places in the list of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// A client sends its refresh token.
    Ask { jar: u8 },
    /// A client uses its access token.
    Use { jar: u8 },
    /// The message arrives; what it was is not under way any more.
    Arrive(usize),
    /// The request arrives, and will once more.
    ArriveTwice(usize),
    /// The message is lost; for a write, the server stops before it.
    Lose(usize),
    /// Time goes on.
    Tick,
    /// The session is ended.
    Revoke,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct World {
    /// None once revoked.
    pub(super) record: Option<Record>,
    pub(super) jars: Vec<Jar>,
    pub(super) messages: Vec<Message>,
    /// What each named token was made from.
    pub(super) parents: Vec<Option<Token>>,
    /// How long ago a request with the token was first decided, where that matters.
    pub(super) asked: Vec<Option<u8>>,
}

/// Why a world has no successor by a step.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The premise excludes it.
    Outside,
    /// A client that should have been served was not; or something else went wrong.
    Wrong(String),
}

impl World {
    /// A new session, its first token in each jar.
    pub(crate) fn new(rules: &Rules) -> Self {
        let jar = Jar {
            token: 0,
            held: rules.rest,
        };
        Self {
            record: Some(Record {
                current: 0,
                nonce_known: false,
                child: None,
                previous: None,
            }),
            jars: vec![jar; usize::from(rules.jars)],
            messages: Vec::new(),
            parents: vec![None; COUNT],
            asked: vec![None; COUNT],
        }
    }

    pub(super) fn steps(&self, rules: &Rules) -> Vec<Step> {
        let mut steps = vec![Step::Tick];
        let uses = (self.messages.iter())
            .filter(|message| matches!(message, Message::Use { .. }))
            .count();
        let refreshes = self.messages.len() - uses;
        for (at, jar) in self.jars.iter().enumerate() {
            let number = u8::try_from(at).unwrap();
            if rules.asks && jar.held >= rules.rest && refreshes < rules.refreshes {
                steps.push(Step::Ask { jar: number });
            }
            if self.parents[usize::from(jar.token)].is_some() && uses < rules.uses {
                steps.push(Step::Use { jar: number });
            }
        }
        for (at, message) in self.messages.iter().enumerate() {
            steps.push(Step::Lose(at));
            steps.push(Step::Arrive(at));
            if rules.asks
                && matches!(message, Message::Request { .. })
                && refreshes < rules.refreshes
            {
                steps.push(Step::ArriveTwice(at));
            }
        }
        if rules.revocation && self.record.is_some() {
            steps.push(Step::Revoke);
        }
        steps
    }

    /// The world after `step`.
    pub(super) fn after(&self, step: Step, rules: &Rules) -> Result<Self, Stop> {
        let mut next = self.clone();
        match step {
            Step::Ask { jar } => next.messages.push(Message::Request {
                jar,
                token: self.jars[usize::from(jar)].token,
                age: 0,
            }),
            Step::Use { jar } => next.messages.push(Message::Use {
                token: self.jars[usize::from(jar)].token,
                age: 0,
            }),
            Step::Lose(at) => drop(next.messages.remove(at)),
            Step::Arrive(at) => {
                let message = next.messages.remove(at);
                next.arrive(message, rules)?;
            }
            Step::ArriveTwice(at) => next.arrive(self.messages[at], rules)?,
            Step::Tick => {
                if !next.tick(rules) {
                    return Err(Stop::Outside);
                }
            }
            Step::Revoke => {
                next.record = None;
                next.changed();
            }
        }
        if self.record.is_none() && next.record.is_some() {
            return Err(Stop::Wrong("a revoked session came back".to_owned()));
        }
        next.rename();
        Ok(next)
    }

    pub(super) fn arrive(&mut self, message: Message, rules: &Rules) -> Result<(), Stop> {
        match message {
            Message::Request { jar, token, age } => self.decide(jar, token, age, rules),
            Message::Write {
                jar,
                token,
                age,
                read,
                change,
                stale,
            } => match self.record {
                Some(record) if !stale || !rules.guarded => {
                    self.write(record, jar, token, read, change, rules);
                    Ok(())
                }
                // The guard: nothing is written. The server reads and decides anew, if the client still waits.
                _ if age <= rules.request_leg => self.decide(jar, token, age, rules),
                _ => Ok(()),
            },
            Message::Answer { jar, token, .. } => {
                self.jars[usize::from(jar)] = Jar { token, held: 0 };
                Ok(())
            }
            Message::Use { token, .. } => {
                if let Some(record) = self.record
                    && let Some(parent) = self.parents[usize::from(token)]
                    && let Some(next) = confirm(
                        &record.real(),
                        HASHES[usize::from(token)].1,
                        HASHES[usize::from(parent)].1,
                        NOW,
                    )
                {
                    self.record = Some(Record::of(&next, rules.window));
                    self.changed();
                }
                Ok(())
            }
        }
    }

    fn presented(&self, token: Token) -> Presented {
        let (hash, _, nonce) = HASHES[usize::from(token)];
        let parent = self.parents[usize::from(token)];
        Presented {
            hash,
            nonce,
            parent: parent.map(|parent| HASHES[usize::from(parent)].0),
        }
    }

    fn decision(&self, record: Record, token: Token, rules: &Rules) -> Decision {
        let window = TICK * u32::from(rules.window);
        decide(
            &record.real(),
            &self.presented(token),
            NOW,
            window,
            rules.policy,
        )
    }

    /// A server reads the record and decides. What needs no write is answered.
    pub(super) fn decide(
        &mut self,
        jar: u8,
        token: Token,
        age: u8,
        rules: &Rules,
    ) -> Result<(), Stop> {
        let Some(record) = self.record else {
            return Ok(());
        };
        let asked = &mut self.asked[usize::from(token)];
        if rules.in_step.is_some() {
            *asked = asked.or(Some(0));
        }
        let answer = match self.decision(record, token, rules) {
            Decision::RepeatChild { nonce, .. } => {
                let again = by_nonce(nonce);
                assert_eq!(record.child.map(|(child, _)| child), Some(again));
                assert_eq!(self.parents[usize::from(again)], Some(token));
                again
            }
            Decision::RenewChild { nonce } => {
                self.plan(jar, token, age, Change::RenewChild(by_nonce(nonce)));
                return Ok(());
            }
            Decision::RepeatCurrent { nonce, parent, .. } => {
                let again = by_nonce(nonce);
                assert_eq!(record.current, again);
                let from = self.parents[usize::from(again)].unwrap();
                assert_eq!(HASHES[usize::from(from)].0, parent, "not to be made again");
                again
            }
            Decision::MakeChild => {
                self.plan(jar, token, age, Change::MakeChild);
                return Ok(());
            }
            Decision::ConfirmAndMakeChild => {
                self.plan(jar, token, age, Change::ConfirmAndMakeChild);
                return Ok(());
            }
            Decision::Replace => {
                self.plan(jar, token, age, Change::Replace);
                return Ok(());
            }
            refused @ (Decision::Superseded | Decision::Reuse(_)) => {
                let wrong = format!("an honest client got {refused:?}");
                return Err(Stop::Wrong(wrong));
            }
        };
        self.messages.push(Message::Answer {
            jar,
            token: answer,
            age: 0,
        });
        Ok(())
    }

    fn plan(&mut self, jar: u8, token: Token, age: u8, change: Change) {
        self.messages.push(Message::Write {
            jar,
            token,
            age,
            read: 0,
            change,
            stale: false,
        });
    }

    /// The guarded write of what was decided `read` ticks ago.
    fn write(
        &mut self,
        record: Record,
        jar: u8,
        token: Token,
        read: u8,
        change: Change,
        rules: &Rules,
    ) {
        let made = match change {
            Change::RenewChild(again) => again,
            _ => self.fresh_name(),
        };
        self.parents[usize::from(made)] = Some(token);
        let at = ago(read);
        let (_, hash, nonce) = HASHES[usize::from(made)];
        let child = Child {
            hash,
            nonce,
            given_at: at,
        };
        let presented = Current {
            hash: HASHES[usize::from(token)].1,
            nonce: Some(HASHES[usize::from(token)].2),
        };
        let rotation = record.real();
        let next = match change {
            Change::MakeChild | Change::RenewChild(_) => rotation.with_child(child),
            Change::ConfirmAndMakeChild => rotation.confirmed(presented, at).with_child(child),
            Change::Replace => {
                let made = Current {
                    hash,
                    nonce: Some(nonce),
                };
                rotation.replaced(presented.hash, made, at)
            }
        };
        self.record = Some(Record::of(&next, rules.window));
        self.changed();
        if read <= rules.answer_leg {
            self.messages.push(Message::Answer {
                jar,
                token: made,
                age: read,
            });
        }
    }

    /// The record is another now: writes decided before will be lost.
    fn changed(&mut self) {
        for message in &mut self.messages {
            if let Message::Write { stale, .. } = message {
                *stale = true;
            }
        }
    }

    /// Everything gets older. Says whether the premise still holds.
    pub(super) fn tick(&mut self, rules: &Rules) -> bool {
        let older = |age: &mut u8, limit: u8| *age = (*age + 1).min(limit);
        if let Some(record) = &mut self.record {
            for (_, age) in record.child.iter_mut().chain(&mut record.previous) {
                older(age, rules.window);
            }
        }
        for jar in &mut self.jars {
            older(&mut jar.held, rules.rest);
        }
        let late = rules.request_leg.max(rules.answer_leg).max(rules.window) + 1;
        for message in &mut self.messages {
            match message {
                Message::Write { age, read, .. } => {
                    older(age, late);
                    older(read, late);
                }
                Message::Request { age, .. }
                | Message::Answer { age, .. }
                | Message::Use { age, .. } => older(age, late),
            }
        }
        self.messages.retain(|message| match message {
            Message::Request { age, .. } | Message::Use { age, .. } => *age <= rules.request_leg,
            Message::Answer { age, .. } => *age <= rules.answer_leg,
            // A server may write long after its client has gone.
            Message::Write { .. } => true,
        });
        if let Some(limit) = rules.in_step {
            for age in self.asked.iter_mut().flatten() {
                older(age, limit);
            }
            let lags = |jar: &Jar| self.asked[usize::from(jar.token)] == Some(limit);
            return !self.jars.iter().any(lags);
        }
        true
    }
}

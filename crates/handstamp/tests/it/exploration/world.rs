//! A world small enough to be walked through completely: one session's record, the jars its clients keep tokens in, and the
//! messages under way. Ages instead of times and names that are given out again make it finite, so the walk ends by itself:
//! what it finds to be true is true of executions of any length.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a wrong index or an empty option is a mistake in this test, and should stop it"
)]

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::LazyLock;
use std::time::Duration;

use handstamp::clock::UnixMillis;
use handstamp::rotation::{
    Child, Current, Decision, Policy, Presented, Previous, Rotation, confirm, decide,
};
use handstamp::token::{Hash1, Hash2, Nonce};

/// A refresh token's name. Names of tokens that nobody can present any more are given out again.
pub(crate) type Token = u8;

const NAMES: u8 = 24;
const COUNT: usize = 24;
/// Stands for all parents that nobody can present and the record does not know any more.
const GONE: Token = NAMES - 1;
const TICK: Duration = Duration::from_secs(1);
const NOW: UnixMillis = UnixMillis::new(1_000_000);

static HASHES: LazyLock<Vec<(Hash1, Hash2, Nonce)>> = LazyLock::new(|| {
    let hashes = (0..NAMES).map(|token| {
        let hash = Hash1::of(&format!("token {token}"));
        (hash, hash.hash2(), Nonce::from_bytes([token; 16]))
    });
    hashes.collect()
});

fn by_hash2(hash: Hash2) -> Token {
    let at = HASHES.iter().position(|(_, known, _)| *known == hash);
    u8::try_from(at.unwrap()).unwrap()
}

fn by_nonce(nonce: Nonce) -> Token {
    nonce.as_bytes()[0]
}

fn ago(age: u8) -> UnixMillis {
    NOW.minus(TICK * u32::from(age))
}

fn age_of(time: UnixMillis) -> u8 {
    u8::try_from(NOW.since(time).as_secs()).unwrap()
}

/// What is assumed of clients and the network; all times in ticks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) policy: Policy,
    /// The grace window.
    pub(crate) window: u8,
    /// How long a request may be under way until the server decides; what takes longer never arrives.
    pub(crate) request_leg: u8,
    /// How long after the decision an answer may arrive; what takes longer is dropped by the client.
    pub(crate) answer_leg: u8,
    /// How long a client keeps a token before it asks for the next.
    pub(crate) rest: u8,
    /// A child is given again only at ages below this; none if the window alone decides.
    pub(crate) repeats: Option<u8>,
    /// If set: every holder of a token has its successor less than so long after anybody's request with it was decided.
    pub(crate) in_step: Option<u8>,
    /// How many clients with stores of their own.
    pub(crate) jars: u8,
    /// How many refreshes (requests and answers) may be under way.
    pub(crate) refreshes: usize,
    /// How many uses of access tokens may be under way.
    pub(crate) uses: usize,
    /// Whether clients send their refresh tokens when they like.
    pub(crate) asks: bool,
    /// Whether the store's guard works. The walk has to notice when it does not.
    pub(crate) guarded: bool,
    /// Whether sessions may be revoked.
    pub(crate) revocation: bool,
}

impl Rules {
    /// One cookie jar, whose client does all that the premise of the first policy allows.
    pub(crate) const ONE_JAR: Self = Self {
        policy: Policy::ConfirmOnUse,
        window: 3,
        request_leg: 1,
        answer_leg: 1,
        rest: 3,
        repeats: Some(1),
        in_step: None,
        jars: 1,
        refreshes: 2,
        uses: 2,
        asks: true,
        guarded: true,
        revocation: false,
    };
}

/// The record, with names for hashes and ages for times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Record {
    current: Token,
    nonce_known: bool,
    child: Option<(Token, u8)>,
    previous: Option<(Token, u8)>,
}

impl Record {
    fn real(self) -> Rotation {
        let hash = |token: Token| HASHES[usize::from(token)].1;
        let nonce = |token: Token| HASHES[usize::from(token)].2;
        Rotation {
            current: Current {
                hash: hash(self.current),
                nonce: self.nonce_known.then(|| nonce(self.current)),
            },
            child: self.child.map(|(token, age)| Child {
                hash: hash(token),
                nonce: nonce(token),
                made_at: ago(age),
            }),
            previous: self.previous.map(|(token, age)| Previous {
                hash: hash(token),
                superseded_at: ago(age),
            }),
            counter: 7,
        }
    }

    fn of(rotation: &Rotation, window: u8) -> Self {
        assert!(rotation.counter > 7, "a change must be counted");
        let current = by_hash2(rotation.current.hash);
        let nonce = rotation.current.nonce.map(by_nonce);
        assert!(nonce.is_none_or(|nonce| nonce == current));
        Self {
            current,
            nonce_known: nonce.is_some(),
            child: rotation.child.as_ref().map(|child| {
                assert_eq!(by_hash2(child.hash), by_nonce(child.nonce));
                (by_nonce(child.nonce), age_of(child.made_at).min(window))
            }),
            previous: (rotation.previous.as_ref()).map(|previous| {
                (
                    by_hash2(previous.hash),
                    age_of(previous.superseded_at).min(window),
                )
            }),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Jar {
    token: Token,
    /// Since when, as far as that matters.
    held: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Message {
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
enum Change {
    MakeChild,
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
    record: Option<Record>,
    jars: Vec<Jar>,
    messages: Vec<Message>,
    /// What each named token was made from.
    parents: Vec<Option<Token>>,
    /// How long ago a request with the token was first decided, where that matters.
    asked: Vec<Option<u8>>,
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

    fn steps(&self, rules: &Rules) -> Vec<Step> {
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
    fn after(&self, step: Step, rules: &Rules) -> Result<Self, Stop> {
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

    fn arrive(&mut self, message: Message, rules: &Rules) -> Result<(), Stop> {
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
    fn decide(&mut self, jar: u8, token: Token, age: u8, rules: &Rules) -> Result<(), Stop> {
        let Some(record) = self.record else {
            return Ok(());
        };
        let asked = &mut self.asked[usize::from(token)];
        if rules.in_step.is_some() {
            *asked = asked.or(Some(0));
        }
        let answer = match self.decision(record, token, rules) {
            Decision::RepeatChild { nonce, made_at } => {
                let (again, age) = (by_nonce(nonce), age_of(made_at));
                if rules.repeats.is_some_and(|limit| age >= limit) {
                    return Err(Stop::Outside);
                }
                assert_eq!(record.child.map(|(child, _)| child), Some(again));
                assert_eq!(self.parents[usize::from(again)], Some(token));
                again
            }
            Decision::RepeatCurrent { nonce, parent, .. } => {
                let again = by_nonce(nonce);
                assert_eq!(record.current, again);
                let from = self.parents[usize::from(again)].unwrap();
                assert_eq!(HASHES[usize::from(from)].0, parent, "not to be made again");
                again
            }
            Decision::MakeChild => return Ok(self.plan(jar, token, age, Change::MakeChild)),
            Decision::ConfirmAndMakeChild => {
                return Ok(self.plan(jar, token, age, Change::ConfirmAndMakeChild));
            }
            Decision::Replace => return Ok(self.plan(jar, token, age, Change::Replace)),
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
        let made = self.fresh_name();
        self.parents[usize::from(made)] = Some(token);
        let at = ago(read);
        let (_, hash, nonce) = HASHES[usize::from(made)];
        let child = Child {
            hash,
            nonce,
            made_at: at,
        };
        let presented = Current {
            hash: HASHES[usize::from(token)].1,
            nonce: Some(HASHES[usize::from(token)].2),
        };
        let rotation = record.real();
        let next = match change {
            Change::MakeChild => rotation.with_child(child),
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
    fn tick(&mut self, rules: &Rules) -> bool {
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

    fn fresh_name(&self) -> Token {
        let live = self.live();
        (0..GONE).find(|name| !live.contains(name)).unwrap()
    }

    /// All tokens that can still be presented, or that the record knows.
    fn live(&self) -> Vec<Token> {
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
    fn rename(&mut self) {
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

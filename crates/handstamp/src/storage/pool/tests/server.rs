//! A server that is not there: it notes what becomes of its connections.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlx::Error;
use sqlx::error::{DatabaseError, ErrorKind};
use tokio::sync::Notify;

use super::super::connections::locked;
use super::super::{
    Access, Driver, Failed, Limits, NoConnection, Pool, Remedy, Source, StorageFault, Work,
    without_a_row,
};

/// What a server is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    /// Connections that are tested turn out to be this.
    Good,
    Dead,
    /// They do not answer at all.
    Silent,
}

#[derive(Clone)]
pub(super) struct Server(pub(super) Arc<State>);

pub(super) struct State {
    mood: Mutex<Mood>,
    is_a_choice: bool,
    /// Who connects is refused, so many times, for this.
    pub(super) refusals: AtomicU32,
    fault: StorageFault,
    pub(super) asked: AtomicU32,
    made: AtomicU32,
    tested: AtomicU32,
    open: AtomicU32,
    pub(super) farewells: AtomicU32,
    /// Whether work that waits may go on, and those that tell that it waits.
    go_on: AtomicBool,
    changed: Notify,
    waiting: AtomicU32,
}

impl Server {
    pub(super) fn new() -> Self {
        Self::that(false, StorageFault::Unavailable)
    }

    pub(super) fn that(is_a_choice: bool, fault: StorageFault) -> Self {
        Self(Arc::new(State {
            mood: Mutex::new(Mood::Good),
            is_a_choice,
            refusals: AtomicU32::new(0),
            fault,
            asked: AtomicU32::new(0),
            made: AtomicU32::new(0),
            tested: AtomicU32::new(0),
            open: AtomicU32::new(0),
            farewells: AtomicU32::new(0),
            go_on: AtomicBool::new(false),
            changed: Notify::new(),
            waiting: AtomicU32::new(0),
        }))
    }

    pub(super) fn pool(&self, connections: u32, acquire: Duration) -> Pool<Fake> {
        let limits = Limits {
            connections,
            acquire,
            statement: None,
        };
        Pool::new(self.clone(), limits).unwrap()
    }

    pub(super) fn is_now(&self, mood: Mood) {
        *locked(&self.0.mood) = mood;
    }

    /// How many connections were made, how often one was tested, and how many are open.
    pub(super) fn seen(&self) -> (u32, u32, u32) {
        let read = |number: &AtomicU32| number.load(Ordering::SeqCst);
        (read(&self.0.made), read(&self.0.tested), read(&self.0.open))
    }

    /// Has so many connections at work at once, and then back in the pool.
    pub(super) async fn warm(&self, pool: &Pool<Fake>, connections: u32) {
        self.0.go_on.store(false, Ordering::SeqCst);
        let tasks: Vec<_> = (0..connections)
            .map(|_| {
                let pool = pool.clone();
                tokio::spawn(async move { pool.run(Access::Read, &Job::Wait).await })
            })
            .collect();
        self.sees_waiting(connections).await;
        self.lets_go_on();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        self.0.waiting.store(0, Ordering::SeqCst);
        self.0.go_on.store(false, Ordering::SeqCst);
    }

    pub(super) async fn sees_waiting(&self, work: u32) {
        while self.0.waiting.load(Ordering::SeqCst) < work {
            tokio::task::yield_now().await;
        }
    }

    pub(super) fn lets_go_on(&self) {
        self.0.go_on.store(true, Ordering::SeqCst);
        self.0.changed.notify_waiters();
    }
}

pub(super) struct Wire {
    number: u32,
    server: Server,
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.server.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Source<Fake> for Server {
    async fn connect(&self, limit: Duration) -> Result<Wire, NoConnection> {
        if limit.is_zero() {
            return Err(NoConnection::new(self.0.fault, "no time left"));
        }
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        let left = self.0.refusals.load(Ordering::SeqCst);
        if left > 0 {
            self.0.refusals.store(left - 1, Ordering::SeqCst);
            if limit < HARDLY {
                return Err(NoConnection::new(StorageFault::Unavailable, "no answer"));
            }
            return Err(NoConnection::new(self.0.fault, "refused"));
        }
        self.0.open.fetch_add(1, Ordering::SeqCst);
        Ok(Wire {
            number: self.0.made.fetch_add(1, Ordering::SeqCst) + 1,
            server: self.clone(),
        })
    }

    async fn is_of_use(&self, _: &mut Wire) -> Result<bool, Error> {
        self.0.tested.fetch_add(1, Ordering::SeqCst);
        let mood = *locked(&self.0.mood);
        match mood {
            Mood::Good => Ok(true),
            Mood::Dead => Err(Error::WorkerCrashed),
            Mood::Silent => std::future::pending().await,
        }
    }

    fn is_a_choice(&self) -> bool {
        self.0.is_a_choice
    }
}

/// Whoever has less time than this left when refused gets no answer at all.
const HARDLY: Duration = Duration::from_secs(1);

pub(super) struct Fake;

impl Driver for Fake {
    const NAME: &'static str = "Fake";
    type Connection = Wire;
    type Source = Server;

    fn reported(_: &dyn DatabaseError, _: Access) -> (Failed, Remedy) {
        let failed = without_a_row(StorageFault::ReadOnly, "takes no writes");
        (failed, Remedy::Elsewhere)
    }

    async fn close(connection: Wire) {
        connection.server.0.farewells.fetch_add(1, Ordering::SeqCst);
    }
}

#[derive(Debug)]
struct TakesNoWrites;

impl fmt::Display for TakesNoWrites {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl StdError for TakesNoWrites {}

impl DatabaseError for TakesNoWrites {
    fn message(&self) -> &'static str {
        "takes no writes"
    }

    fn code(&self) -> Option<Cow<'_, str>> {
        None
    }

    fn as_error(&self) -> &(dyn StdError + Send + Sync + 'static) {
        self
    }

    fn as_error_mut(&mut self) -> &mut (dyn StdError + Send + Sync + 'static) {
        self
    }

    fn into_error(self: Box<Self>) -> Box<dyn StdError + Send + Sync + 'static> {
        self
    }

    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

/// Work; it answers on which connection it was done.
pub(super) enum Job {
    Fine,
    /// Goes on when it is told to.
    Wait,
    Break,
    /// What the first server refuses, and any that is connected to later takes.
    Write,
}

impl Work<Fake> for Job {
    type Outcome = u32;

    async fn run(&self, wire: &mut Wire) -> Result<u32, Error> {
        let state = &wire.server.0;
        match self {
            Self::Write if wire.number <= 3 => {
                return Err(Error::Database(Box::new(TakesNoWrites)));
            }
            Self::Fine | Self::Write => {}
            Self::Wait => {
                let changed = state.changed.notified();
                state.waiting.fetch_add(1, Ordering::SeqCst);
                if !state.go_on.load(Ordering::SeqCst) {
                    changed.await;
                }
            }
            Self::Break => return Err(Error::WorkerCrashed),
        }
        Ok(wire.number)
    }
}

//! The connections to a database server, and the one way to work on them: bounded, tested only when in doubt, tried again where
//! that is safe.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::error::DatabaseError;
use sqlx::{Connection, Database, Error};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout, timeout_at};

use super::StorageFault;
use super::coalesce::Failed;

mod failures;

pub(super) use failures::{NoConnection, may_pass, not_connected, to_connect, told, without_a_row};

/// What a pool has to know of a kind of database.
pub(super) trait Driver: Database {
    /// Where its connections come from.
    type Source: Source<Self>;

    /// What a failure that the server reported means.
    fn reported(error: &dyn DatabaseError, access: Access) -> (Failed, Remedy);
}

/// Where connections come from.
pub(super) trait Source<D: Driver>: Send + Sync + 'static {
    /// Makes one that is of use, within that time.
    fn connect(
        &self,
        limit: Duration,
    ) -> impl Future<Output = Result<D::Connection, NoConnection>> + Send;

    /// Whether the server at the other end answers, and is of use still.
    fn is_of_use(
        &self,
        connection: &mut D::Connection,
    ) -> impl Future<Output = Result<bool, Error>> + Send;

    /// Whether another server than the one that was asked may be of more use.
    fn is_a_choice(&self) -> bool;
}

/// Something to be done on a connection: all of it or nothing, so that it may be done again.
pub(super) trait Work<D: Driver>: Sync {
    type Outcome: Send;

    fn run(
        &self,
        connection: &mut D::Connection,
    ) -> impl Future<Output = Result<Self::Outcome, Error>> + Send;
}

/// Whether a piece of work changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// What is to be done about a failure before anybody is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Nothing was done, because others were at the same rows: once more.
    Repeat,
    /// The connection is of no use any more; another may be.
    Reconnect,
    /// The server takes no writes; another may.
    Elsewhere,
    /// The connection is of no use any more, and it took long to find out.
    GiveUp,
    /// None.
    None,
}

/// How the connections are used.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// How many there are at the most.
    pub(super) connections: u32,
    /// How long a piece of work waits for one.
    pub(super) acquire: Duration,
    /// How long a statement may take before the server gives up.
    pub(super) statement: Option<Duration>,
}

/// The connections. Cheap to clone.
pub(super) struct Pool<D: Driver>(Arc<Inner<D>>);

impl<D: Driver> Clone for Pool<D> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

struct Inner<D: Driver> {
    source: D::Source,
    idle: Mutex<Vec<Held<D>>>,
    /// Whoever has a connection has one of these places.
    places: Semaphore,
    /// How many places there are.
    most: u32,
    /// When a connection was last found broken: those that have been idle since then are to be tested before they are used.
    broken_at: Mutex<Option<Instant>>,
    /// Counts how often all connections were given up; one that was made before such a time is not used again.
    epoch: AtomicU64,
    acquire_timeout: Duration,
    patience: Option<Duration>,
}

struct Held<D: Driver> {
    connection: D::Connection,
    epoch: u64,
    /// When it was last used.
    used: Instant,
    /// When it was last seen that its server is of use.
    checked: Instant,
}

impl<D: Driver> Pool<D> {
    pub(super) fn new(source: D::Source, limits: Limits) -> Self {
        let most = limits.connections.max(1);
        Self(Arc::new(Inner {
            source,
            idle: Mutex::default(),
            places: Semaphore::new(usize::try_from(most).unwrap_or(Semaphore::MAX_PERMITS)),
            most,
            broken_at: Mutex::default(),
            epoch: AtomicU64::new(0),
            acquire_timeout: limits.acquire,
            // The server gives up first, so that an answer says what became of the statement.
            patience: limits.statement.map(|limit| limit.saturating_add(GRACE)),
        }))
    }

    /// Does `work`. What others made fail is done again, and a read whose connection broke.
    pub(super) async fn run<W: Work<D>>(
        &self,
        access: Access,
        work: &W,
    ) -> Result<W::Outcome, Failed> {
        let began = Instant::now();
        let mut attempt = 1;
        loop {
            let (failed, remedy) = match self.once(access, work).await {
                Ok(outcome) => return Ok(outcome),
                Err(failed) => failed,
            };
            let again = match remedy {
                Remedy::Repeat => true,
                Remedy::Reconnect => {
                    access == Access::Read && failed.fault == StorageFault::Unavailable
                }
                // It has refused the statement, so nothing was written.
                Remedy::Elsewhere => self.0.source.is_a_choice(),
                Remedy::GiveUp | Remedy::None => false,
            };
            let late = self.0.patience.is_some_and(|most| began.elapsed() >= most);
            if !again || attempt == ATTEMPTS || late {
                return Err(failed);
            }
            if remedy == Remedy::Repeat {
                step_aside(attempt).await;
            }
            attempt += 1;
        }
    }

    async fn once<W: Work<D>>(
        &self,
        access: Access,
        work: &W,
    ) -> Result<W::Outcome, (Failed, Remedy)> {
        let unsent = |failed| (failed, Remedy::None);
        let until = Instant::now() + self.0.acquire_timeout;
        let _place = self.0.place(until).await.map_err(unsent)?;
        let mut held = self.0.connection(until).await.map_err(unsent)?;
        let run = work.run(&mut held.connection);
        let ran = match self.0.patience {
            Some(patience) => timeout(patience, run).await,
            None => Ok(run.await),
        };
        let (failed, remedy) = match ran {
            Ok(Ok(outcome)) => {
                self.0.keep(held);
                return Ok(outcome);
            }
            Ok(Err(error)) => failures::of_work::<D>(&error, access),
            Err(_) => {
                let failed = failures::lost(format!("{} does not answer", D::NAME), access);
                (failed, Remedy::GiveUp)
            }
        };
        match remedy {
            Remedy::Repeat | Remedy::None => self.0.keep(held),
            Remedy::Reconnect | Remedy::GiveUp => self.0.doubt(),
            Remedy::Elsewhere if self.0.source.is_a_choice() => self.0.give_up_all(),
            // The others are found out one by one; they can still read.
            Remedy::Elsewhere => drop(held),
        }
        Err((failed, remedy))
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.places.is_closed()
    }

    /// Waits until all connections are back, and closes them.
    pub(super) async fn close(&self) {
        let all = self.0.places.acquire_many(self.0.most).await;
        self.0.places.close();
        drop(all);
        let idle = std::mem::take(&mut *locked(&self.0.idle));
        for one in idle {
            // What goes wrong here has no consequences.
            drop(timeout(TEST, one.connection.close()).await);
        }
    }
}

impl<D: Driver> Inner<D> {
    async fn place(&self, until: Instant) -> Result<SemaphorePermit<'_>, Failed> {
        match timeout_at(until, self.places.acquire()).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) => Err(without_a_row(StorageFault::Closed, D::NAME)),
            Err(_) => {
                let why = format!("all connections to {} are in use", D::NAME);
                Err(without_a_row(StorageFault::Busy, why))
            }
        }
    }

    /// A connection that was good a moment ago, or has been tested, or is new.
    async fn connection(&self, until: Instant) -> Result<Held<D>, Failed> {
        let mut attempt = 1;
        loop {
            if let Some(held) = self.idle(until).await {
                return Ok(held);
            }
            let epoch = self.epoch.load(Ordering::SeqCst);
            let left = until.saturating_duration_since(Instant::now());
            match self.source.connect(left).await {
                Ok(connection) => {
                    let now = Instant::now();
                    return Ok(Held {
                        connection,
                        epoch,
                        used: now,
                        checked: now,
                    });
                }
                // Nothing was sent yet, whatever it is.
                Err(why) if !why.may_pass() || soon(LAST_ROUND) >= until => {
                    return Err(why.failed());
                }
                // Somebody may give one back before there is another.
                Err(_) => step_aside(attempt).await,
            }
            attempt += 1;
        }
    }

    async fn idle(&self, until: Instant) -> Option<Held<D>> {
        // By itself, so that the lock is not held while the connection is tested.
        let idle = locked(&self.idle).pop();
        let mut held = idle?;
        if !self.doubts(&held) {
            return Some(held);
        }
        let (test, most) = (self.source.is_of_use(&mut held.connection), soon(TEST));
        match timeout_at(until.min(most), test).await {
            Ok(Ok(true)) => {
                held.checked = Instant::now();
                return Some(held);
            }
            // A caller who had hardly any time left has learned nothing of the others.
            Err(_) if until < most => {}
            // Each of the others might take as long to turn out to be broken.
            Ok(_) | Err(_) => self.give_up_all(),
        }
        None
    }

    fn doubts(&self, held: &Held<D>) -> bool {
        held.used.elapsed() > FRESH
            || locked(&self.broken_at).is_some_and(|broken| broken >= held.used)
            // A primary that has become a standby still answers.
            || (self.source.is_a_choice() && held.checked.elapsed() > FRESH)
    }

    fn keep(&self, mut held: Held<D>) {
        let mut idle = locked(&self.idle);
        // After the store was closed nobody would take it any more.
        if !self.places.is_closed() && held.epoch == self.epoch.load(Ordering::SeqCst) {
            held.used = Instant::now();
            idle.push(held);
        }
        // Those at the beginning are not needed when there is less to do.
        let unused = idle
            .iter()
            .take_while(|one| one.used.elapsed() > UNUSED)
            .count();
        idle.drain(..unused);
    }

    /// A connection turned out to be broken.
    fn doubt(&self) {
        *locked(&self.broken_at) = Some(Instant::now());
    }

    /// Closes all, those in use as soon as they come back.
    fn give_up_all(&self) {
        let mut idle = locked(&self.idle);
        self.epoch.fetch_add(1, Ordering::SeqCst);
        idle.clear();
    }
}

fn soon(span: Duration) -> Instant {
    Instant::now() + span
}

/// None of these locks is held across anything that may fail half-way.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for a moment, another one in each process, so that those who met do not meet again.
async fn step_aside(attempt: u32) {
    let random = RandomState::new().hash_one(attempt);
    let most = 4_u64 << attempt.min(6);
    let pause = Duration::from_millis(1 + random.checked_rem(most).unwrap_or(0));
    #[expect(
        clippy::disallowed_methods,
        reason = "there is no event to wait for: the others do not know of us"
    )]
    tokio::time::sleep(pause).await;
}

/// How often a piece of work is tried at the most.
const ATTEMPTS: u32 = 6;
/// With less time left than this, nobody is asked for a connection once more.
const LAST_ROUND: Duration = Duration::from_millis(300);
/// How long a connection is taken for a good one without being used.
const FRESH: Duration = Duration::from_secs(1);
/// How long a connection is kept that nobody needs.
const UNUSED: Duration = Duration::from_mins(5);
/// How long the test of a connection may take.
const TEST: Duration = Duration::from_secs(2);
/// How much longer than the server we wait for a statement.
const GRACE: Duration = Duration::from_secs(2);

//! The connections, and the one way to run SQL on them.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::query::Query;
use sqlx::{Connection, Postgres};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout, timeout_at};

use super::PostgresOptions;
use super::failures::{self, Access, Remedy};
use super::hosts::Hosts;
use crate::storage::StorageFault;
use crate::storage::coalesce::Failed;

/// A statement with its values.
pub(super) type Bound<'q> = Query<'q, Postgres, PgArguments>;

/// The connections. Cheap to clone.
#[derive(Clone)]
pub(super) struct Database(Arc<Inner>);

struct Inner {
    hosts: Hosts,
    idle: Mutex<Vec<Held>>,
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

struct Held {
    connection: PgConnection,
    epoch: u64,
    /// When it was last used.
    used: Instant,
    /// When it was last seen that its server is what is wanted.
    checked: Instant,
}

impl Database {
    pub(super) fn new(hosts: Hosts, options: &PostgresOptions) -> Self {
        let most = options.max_connections.max(1);
        Self(Arc::new(Inner {
            hosts,
            idle: Mutex::default(),
            places: Semaphore::new(usize::try_from(most).unwrap_or(Semaphore::MAX_PERMITS)),
            most,
            broken_at: Mutex::default(),
            epoch: AtomicU64::new(0),
            acquire_timeout: options.acquire_timeout,
            // The server gives up first, so that an answer says what became of the statement.
            patience: options
                .statement_timeout
                .map(|limit| limit.saturating_add(GRACE)),
        }))
    }

    /// Runs what `statement` makes, and answers its rows. What others made fail is done again, and a read whose connection broke.
    pub(super) async fn rows<'q>(
        &self,
        access: Access,
        statement: impl Fn() -> Bound<'q> + Send + Sync,
    ) -> Result<Vec<PgRow>, Failed> {
        let mut attempt = 1;
        loop {
            let (failed, remedy) = match self.once(access, statement()).await {
                Ok(rows) => return Ok(rows),
                Err(failed) => failed,
            };
            let again = match remedy {
                Remedy::Repeat => true,
                Remedy::Reconnect => {
                    access == Access::Read && failed.fault == StorageFault::Unavailable
                }
                // It has refused the statement, so nothing was written.
                Remedy::Elsewhere => self.0.hosts.are_chosen_from(),
                Remedy::GiveUp | Remedy::None => false,
            };
            if !again || attempt == ATTEMPTS {
                return Err(failed);
            }
            if remedy == Remedy::Repeat {
                step_aside(attempt).await;
            }
            attempt += 1;
        }
    }

    async fn once(
        &self,
        access: Access,
        statement: Bound<'_>,
    ) -> Result<Vec<PgRow>, (Failed, Remedy)> {
        let unsent = |failed| (failed, Remedy::None);
        let until = Instant::now() + self.0.acquire_timeout;
        let _place = self.0.place(until).await.map_err(unsent)?;
        let mut held = self.0.connection(until).await.map_err(unsent)?;
        let run = statement.fetch_all(&mut held.connection);
        let ran = match self.0.patience {
            Some(patience) => timeout(patience, run).await,
            None => Ok(run.await),
        };
        let (failed, remedy) = match ran {
            Ok(Ok(rows)) => {
                self.0.keep(held);
                return Ok(rows);
            }
            Ok(Err(error)) => failures::of_statement(&error, access),
            Err(_) => {
                let failed = failures::lost("PostgreSQL does not answer", access);
                (failed, Remedy::GiveUp)
            }
        };
        match remedy {
            Remedy::Repeat | Remedy::None => self.0.keep(held),
            Remedy::Reconnect | Remedy::GiveUp => self.0.doubt(),
            Remedy::Elsewhere => self.0.give_up_all(),
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

impl Inner {
    async fn place(&self, until: Instant) -> Result<SemaphorePermit<'_>, Failed> {
        let failed = |fault, why| Err(failures::without_a_row(fault, why));
        match timeout_at(until, self.places.acquire()).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) => failed(StorageFault::Closed, "PostgreSQL"),
            Err(_) => failed(
                StorageFault::Busy,
                "all connections to PostgreSQL are in use",
            ),
        }
    }

    /// A connection that was good a moment ago, or has been tested, or is new.
    async fn connection(&self, until: Instant) -> Result<Held, Failed> {
        let mut attempt = 1;
        loop {
            if let Some(held) = self.idle(until).await {
                return Ok(held);
            }
            let epoch = self.epoch.load(Ordering::SeqCst);
            let left = until.saturating_duration_since(Instant::now());
            match self.hosts.connect(left).await {
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
                Err(why) if !why.may_pass || soon(LAST_ROUND) >= until => {
                    return Err(why.failed());
                }
                // Somebody may give one back before there is another.
                Err(_) => step_aside(attempt).await,
            }
            attempt += 1;
        }
    }

    async fn idle(&self, until: Instant) -> Option<Held> {
        // By itself, so that the lock is not held while the connection is tested.
        let idle = locked(&self.idle).pop();
        let mut held = idle?;
        if !self.doubts(&held) {
            return Some(held);
        }
        let test = self.hosts.is_wanted(&mut held.connection);
        if matches!(timeout_at(until.min(soon(TEST)), test).await, Ok(Ok(true))) {
            held.checked = Instant::now();
            return Some(held);
        }
        // Each of the others might take as long to turn out to be broken.
        self.give_up_all();
        None
    }

    fn doubts(&self, held: &Held) -> bool {
        held.used.elapsed() > FRESH
            || locked(&self.broken_at).is_some_and(|broken| broken >= held.used)
            // A primary that has become a standby still answers.
            || (self.hosts.are_chosen_from() && held.checked.elapsed() > FRESH)
    }

    fn keep(&self, mut held: Held) {
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

/// How often a statement is tried at the most.
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

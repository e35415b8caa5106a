//! The connections to a database server, and the one way to work on them: bounded, tested only when in doubt, tried again where
//! that is safe.

use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::error::DatabaseError;
use sqlx::pool::{PoolConnection, PoolOptions};
use sqlx::{Connection, Database, Error};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};

use super::coalesce::Failed;
use super::{StorageError, StorageFault};

/// What a pool has to know of a kind of database.
pub(super) trait Driver: Database {
    /// What a failure that the server reported means.
    fn reported(error: &dyn DatabaseError, access: Access) -> (Failed, Remedy);

    /// Settles on a new connection what a statement may rely on. `limit` is how long one may take.
    fn settle(
        _connection: &mut Self::Connection,
        _limit: Option<Duration>,
    ) -> impl Future<Output = Result<(), Error>> + Send {
        async { Ok(()) }
    }
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
    /// The connection is of no use any more.
    Reconnect,
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
    /// Makes connections, counts and closes them. It would test each one that comes back by a round trip, so good ones are kept
    /// in `idle`, and what goes back to it is closed.
    pool: sqlx::Pool<D>,
    idle: Mutex<Vec<Idle<D>>>,
    /// As many as there may be connections.
    places: Semaphore,
    /// When a connection was last found broken: those that have been idle since then are to be tested before they are used.
    broken_at: Mutex<Option<Instant>>,
    acquire_timeout: Duration,
    patience: Option<Duration>,
}

struct Idle<D: Driver> {
    connection: PoolConnection<D>,
    since: Instant,
}

impl<D: Driver> Pool<D> {
    pub(super) fn new(connect: <D::Connection as Connection>::Options, limits: Limits) -> Self {
        let most = limits.connections.max(1);
        let pool = PoolOptions::<D>::new()
            .max_connections(most)
            .acquire_timeout(limits.acquire)
            .test_before_acquire(false)
            .after_connect(move |connection, _| Box::pin(D::settle(connection, limits.statement)))
            .after_release(|_, _| Box::pin(async { Ok(false) }))
            .connect_lazy_with(connect);
        Self(Arc::new(Inner {
            pool,
            idle: Mutex::default(),
            places: Semaphore::new(usize::try_from(most).unwrap_or(Semaphore::MAX_PERMITS)),
            broken_at: Mutex::default(),
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
                Remedy::None => false,
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
        let _place = self.0.place().await.map_err(unsent)?;
        let mut connection = self.0.connection().await.map_err(unsent)?;
        let run = work.run(&mut connection);
        let ran = match self.0.patience {
            Some(patience) => timeout(patience, run).await,
            None => Ok(run.await),
        };
        let (failed, remedy) = match ran {
            Ok(Ok(outcome)) => {
                self.0.keep(connection);
                return Ok(outcome);
            }
            Ok(Err(error)) => failed::<D>(&error, access),
            Err(_) => {
                let failed = lost(format!("{} does not answer", D::NAME), access);
                (failed, Remedy::Reconnect)
            }
        };
        if remedy == Remedy::Reconnect {
            self.0.let_go(connection);
        } else {
            self.0.keep(connection);
        }
        Err((failed, remedy))
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.places.is_closed()
    }

    /// Waits until all connections are back, and closes them.
    pub(super) async fn close(&self) {
        self.0.places.close();
        locked(&self.0.idle).clear();
        self.0.pool.close().await;
    }
}

impl<D: Driver> Inner<D> {
    async fn place(&self) -> Result<SemaphorePermit<'_>, Failed> {
        match timeout(self.acquire_timeout, self.places.acquire()).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) => Err(without_a_row(StorageFault::Closed, D::NAME)),
            Err(_) => {
                let why = format!("all connections to {} are in use", D::NAME);
                Err(without_a_row(StorageFault::Busy, why))
            }
        }
    }

    /// A connection that was good a moment ago, or has been tested, or is new.
    async fn connection(&self) -> Result<PoolConnection<D>, Failed> {
        loop {
            // By itself, so that the lock is not held while the connection is tested.
            let idle = locked(&self.idle).pop();
            let Some(mut idle) = idle else {
                break;
            };
            let doubtful = idle.since.elapsed() > FRESH
                || locked(&self.broken_at).is_some_and(|broken| broken >= idle.since);
            let tested = !doubtful
                || timeout(TEST, idle.connection.ping())
                    .await
                    .is_ok_and(|answer| answer.is_ok());
            if tested {
                return Ok(idle.connection);
            }
            self.let_go(idle.connection);
        }
        // Nothing was sent yet, whatever it is.
        self.pool.acquire().await.map_err(|error| match error {
            Error::PoolTimedOut => {
                let why = format!("{} takes no connection", D::NAME);
                without_a_row(StorageFault::Unavailable, why)
            }
            error => failed::<D>(&error, Access::Read).0,
        })
    }

    fn keep(&self, connection: PoolConnection<D>) {
        let mut idle = locked(&self.idle);
        // After the store was closed nobody would take it any more.
        if !self.places.is_closed() {
            let since = Instant::now();
            idle.push(Idle { connection, since });
        }
        // Those at the beginning are not needed when there is less to do.
        let unused = idle
            .iter()
            .take_while(|one| one.since.elapsed() > UNUSED)
            .count();
        idle.drain(..unused);
    }

    fn let_go(&self, mut connection: PoolConnection<D>) {
        connection.close_on_drop();
        *locked(&self.broken_at) = Some(Instant::now());
    }
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

/// What the failure of a piece of work means.
fn failed<D: Driver>(error: &Error, access: Access) -> (Failed, Remedy) {
    match error {
        Error::Database(error) => D::reported(&**error, access),
        Error::Io(_) | Error::Tls(_) | Error::Protocol(_) | Error::WorkerCrashed => {
            (lost(error.to_string(), access), Remedy::Reconnect)
        }
        Error::PoolClosed => (without_a_row(StorageFault::Closed, D::NAME), Remedy::None),
        // No statement that may find nothing is asked for one row: this says that it was undone because of others.
        Error::RowNotFound => {
            let failed = without_a_row(StorageFault::Busy, "others change the same rows");
            (failed, Remedy::Repeat)
        }
        // Values that cannot be sent, rows that cannot be read: the driver's words for these may quote them.
        _ => {
            let mut failed = without_a_row(StorageFault::Other, "the driver cannot do that");
            failed.outcome_unknown = access == Access::Write;
            (failed, Remedy::Reconnect)
        }
    }
}

/// What the failure to connect means, where there is nobody to be told but an operator.
pub(super) fn not_connected<D: Driver>(error: &Error, place: &str) -> StorageError {
    let (fault, why) = match error {
        Error::Database(error) => {
            let failed = D::reported(&**error, Access::Read).0;
            (failed.fault, failed.detail.into_owned())
        }
        Error::Io(why) => (StorageFault::Unavailable, why.to_string()),
        Error::Configuration(why) => (StorageFault::Other, why.to_string()),
        Error::Tls(why) => (StorageFault::Other, format!("no encryption: {why}")),
        _ => (StorageFault::Other, error.to_string()),
    };
    StorageError::new(fault, format!("{} at {place}: {why}", D::NAME))
}

/// The connection was lost, or the answer did not come in time.
fn lost(why: impl Into<Cow<'static, str>>, access: Access) -> Failed {
    Failed {
        outcome_unknown: access == Access::Write,
        ..without_a_row(StorageFault::Unavailable, why)
    }
}

/// A failure that has to do with no row, and left nothing written.
pub(super) fn without_a_row(fault: StorageFault, detail: impl Into<Cow<'static, str>>) -> Failed {
    Failed {
        fault,
        outcome_unknown: false,
        detail: detail.into(),
        may_be_one_row: false,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err gives")]
pub(super) fn told(failed: Failed) -> StorageError {
    failed.told()
}

/// How often a piece of work is tried at the most.
const ATTEMPTS: u32 = 6;
/// How long an idle connection is taken for a good one.
const FRESH: Duration = Duration::from_secs(1);
/// How long a connection is kept that nobody needs.
const UNUSED: Duration = Duration::from_mins(5);
/// How long the test of a connection may take.
const TEST: Duration = Duration::from_secs(2);
/// How much longer than the server we wait for a statement.
const GRACE: Duration = Duration::from_secs(2);

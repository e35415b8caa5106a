//! The connections, and the one way to run SQL on them.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::pool::{PoolConnection, PoolOptions};
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgRow};
use sqlx::query::Query;
use sqlx::{Connection, Error, PgPool, Postgres};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout};

use super::PostgresOptions;
use super::failures::{self, Access, Remedy};
use crate::storage::StorageFault;
use crate::storage::coalesce::Failed;

/// A statement with its values.
pub(super) type Bound<'q> = Query<'q, Postgres, PgArguments>;

/// The connections. Cheap to clone.
#[derive(Clone)]
pub(super) struct Database(Arc<Inner>);

struct Inner {
    /// Makes connections, counts and closes them. It would test each one that comes back by a round trip, so good ones are kept
    /// in `idle`, and what goes back to it is closed.
    pool: PgPool,
    idle: Mutex<Vec<Idle>>,
    /// As many as there may be connections.
    places: Semaphore,
    /// When a connection was last found broken: those that have been idle since then are to be tested before they are used.
    broken_at: Mutex<Option<Instant>>,
    acquire_timeout: Duration,
    patience: Option<Duration>,
}

struct Idle {
    connection: PoolConnection<Postgres>,
    since: Instant,
}

impl Database {
    pub(super) fn new(connect: PgConnectOptions, options: &PostgresOptions) -> Self {
        let most = options.max_connections.max(1);
        let pool = PoolOptions::new()
            .max_connections(most)
            .acquire_timeout(options.acquire_timeout)
            .test_before_acquire(false)
            .after_release(|_: &mut PgConnection, _| Box::pin(async { Ok(false) }))
            .connect_lazy_with(connect);
        Self(Arc::new(Inner {
            pool,
            idle: Mutex::default(),
            places: Semaphore::new(usize::try_from(most).unwrap_or(Semaphore::MAX_PERMITS)),
            broken_at: Mutex::default(),
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
                Remedy::None => false,
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
        let _place = self.0.place().await.map_err(unsent)?;
        let mut connection = self.0.connection().await.map_err(unsent)?;
        let run = statement.fetch_all(&mut *connection);
        let ran = match self.0.patience {
            Some(patience) => timeout(patience, run).await,
            None => Ok(run.await),
        };
        let (failed, remedy) = match ran {
            Ok(Ok(rows)) => {
                self.0.keep(connection);
                return Ok(rows);
            }
            Ok(Err(error)) => failures::of_statement(&error, access),
            Err(_) => {
                let failed = failures::lost("PostgreSQL does not answer", access);
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

impl Inner {
    async fn place(&self) -> Result<SemaphorePermit<'_>, Failed> {
        let failed = |fault, why| Err(failures::without_a_row(fault, why));
        match timeout(self.acquire_timeout, self.places.acquire()).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) => failed(StorageFault::Closed, "PostgreSQL"),
            Err(_) => failed(
                StorageFault::Busy,
                "all connections to PostgreSQL are in use",
            ),
        }
    }

    /// A connection that was good a moment ago, or has been tested, or is new.
    async fn connection(&self) -> Result<PoolConnection<Postgres>, Failed> {
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
                let why = "PostgreSQL takes no connection";
                failures::without_a_row(StorageFault::Unavailable, why)
            }
            error => failures::of_statement(&error, Access::Read).0,
        })
    }

    fn keep(&self, connection: PoolConnection<Postgres>) {
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

    fn let_go(&self, mut connection: PoolConnection<Postgres>) {
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

/// How often a statement is tried at the most.
const ATTEMPTS: u32 = 6;
/// How long an idle connection is taken for a good one.
const FRESH: Duration = Duration::from_secs(1);
/// How long a connection is kept that nobody needs.
const UNUSED: Duration = Duration::from_mins(5);
/// How long the test of a connection may take.
const TEST: Duration = Duration::from_secs(2);
/// How much longer than the server we wait for a statement.
const GRACE: Duration = Duration::from_secs(2);

//! The connections, and the one way to run SQL on them.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::pool::{PoolConnection, PoolOptions};
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgRow};
use sqlx::query::Query;
use sqlx::{Connection, Error, PgPool, Postgres};
use tokio::time::{Instant, timeout};

use super::PostgresOptions;
use super::failures::{self, Access, Remedy};
use crate::storage::StorageFault;
use crate::storage::coalesce::Failed;

/// A statement with its values.
pub(super) type Bound<'q> = Query<'q, Postgres, PgArguments>;

/// A pool of connections. Cheap to clone.
#[derive(Clone)]
pub(super) struct Database(Arc<Inner>);

struct Inner {
    pool: PgPool,
    most: u32,
    in_use: AtomicU32,
    patience: Option<Duration>,
    breaks: Arc<Breaks>,
}

/// When a connection was last found broken: those that have been idle since then are to be tested before they are used.
#[derive(Default)]
struct Breaks(Mutex<Option<Instant>>);

impl Breaks {
    fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn within(&self, span: Duration) -> bool {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|at| at.elapsed() <= span)
    }
}

/// A connection, counted while it is held.
struct Held<'d> {
    connection: PoolConnection<Postgres>,
    in_use: &'d AtomicU32,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.in_use.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Database {
    pub(super) fn new(connect: PgConnectOptions, options: &PostgresOptions) -> Self {
        let breaks = Arc::new(Breaks::default());
        let most = options.max_connections.max(1);
        let noted = Arc::clone(&breaks);
        let pool = PoolOptions::new()
            .max_connections(most)
            .acquire_timeout(options.acquire_timeout)
            // A round trip before each statement would double what a step costs. A connection that has not been used for a
            // while costs little to test, and may have been dropped by what lies between.
            .test_before_acquire(false)
            .before_acquire(move |connection: &mut PgConnection, meta| {
                let doubtful = meta.idle_for > FRESH || noted.within(meta.idle_for);
                Box::pin(async move {
                    let alive =
                        !doubtful || matches!(timeout(TEST, connection.ping()).await, Ok(Ok(())));
                    Ok(alive)
                })
            })
            .connect_lazy_with(connect);
        Self(Arc::new(Inner {
            pool,
            most,
            in_use: AtomicU32::new(0),
            // The server gives up first, so that an answer says what became of the statement.
            patience: options
                .statement_timeout
                .map(|limit| limit.saturating_add(GRACE)),
            breaks,
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
        let mut held = self
            .connection()
            .await
            .map_err(|failed| (failed, Remedy::None))?;
        let run = statement.fetch_all(&mut *held.connection);
        let ran = match self.0.patience {
            Some(patience) => timeout(patience, run).await,
            None => Ok(run.await),
        };
        let (failed, remedy) = match ran {
            Ok(Ok(rows)) => return Ok(rows),
            Ok(Err(error)) => failures::of_statement(&error, access),
            Err(_) => {
                let failed = failures::lost("PostgreSQL does not answer", access);
                (failed, Remedy::Reconnect)
            }
        };
        if remedy == Remedy::Reconnect {
            held.connection.close_on_drop();
            self.0.breaks.note();
        }
        Err((failed, remedy))
    }

    async fn connection(&self) -> Result<Held<'_>, Failed> {
        match self.0.pool.acquire().await {
            Ok(connection) => {
                self.0.in_use.fetch_add(1, Ordering::SeqCst);
                Ok(Held {
                    connection,
                    in_use: &self.0.in_use,
                })
            }
            Err(Error::PoolTimedOut) => {
                let busy = self.0.in_use.load(Ordering::SeqCst) >= self.0.most;
                Err(if busy {
                    let why = "all connections to PostgreSQL are in use";
                    failures::without_a_row(StorageFault::Busy, why)
                } else {
                    let why = "PostgreSQL takes no connection";
                    failures::without_a_row(StorageFault::Unavailable, why)
                })
            }
            // Nothing was sent yet, whatever it is.
            Err(error) => Err(failures::of_statement(&error, Access::Read).0),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.pool.is_closed()
    }

    /// Waits until all connections are back, and closes them.
    pub(super) async fn close(&self) {
        self.0.pool.close().await;
    }
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
/// How long the test of a connection may take.
const TEST: Duration = Duration::from_secs(2);
/// How much longer than the server we wait for a statement.
const GRACE: Duration = Duration::from_secs(2);

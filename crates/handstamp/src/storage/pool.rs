//! The connections to a database server, and the one way to work on them: bounded, tested only when in doubt, tried again where
//! that is safe.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{Object, PoolError, QueueMode, Timeouts};
use sqlx::Error;
use sqlx::error::DatabaseError;
use tokio::sync::{RwLock, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

use self::connections::{Connections, TEST, UNTIL, locked};
use super::coalesce::Failed;
use super::{StorageError, StorageFault};

mod connections;
mod failures;

#[cfg(feature = "postgres")]
pub(super) use failures::may_pass;
pub(super) use failures::{NoConnection, not_connected, to_connect, told, without_a_row};

/// What a pool has to know of a kind of database.
pub(super) trait Driver: Sized + 'static {
    /// What it is called.
    const NAME: &'static str;
    type Connection: Send + 'static;
    /// Where its connections come from.
    type Source: Source<Self>;

    /// What a failure that the server reported means.
    fn reported(error: &dyn DatabaseError, access: Access) -> (Failed, Remedy);

    /// Says good-bye to the server. What goes wrong there has no consequences.
    fn close(connection: Self::Connection) -> impl Future<Output = ()> + Send;
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
    connections: deadpool::managed::Pool<Connections<D>>,
    /// Those who write have one of these places as well: when all that write are stuck, there is still a way to read.
    writing: Semaphore,
    /// Whoever is at work reads this: who closes waits for all of them.
    at_work: RwLock<()>,
    /// When connections that nobody needs were last looked for.
    tidied: Mutex<Instant>,
    acquire_timeout: Duration,
    patience: Duration,
}

impl<D: Driver> Pool<D> {
    pub(super) fn new(source: D::Source, limits: Limits) -> Result<Self, StorageError> {
        let most = limits.connections.clamp(1, MOST);
        let connections = deadpool::managed::Pool::builder(Connections::new(source))
            .max_size(usize::try_from(most).unwrap_or(usize::MAX))
            // Those that are not needed when there is less to do stay unused, and can be closed.
            .queue_mode(QueueMode::Lifo)
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|why| StorageError::new(StorageFault::Other, why.to_string()))?;
        Ok(Self(Arc::new(Inner {
            connections,
            writing: Semaphore::new(usize::try_from(most - most / 4).unwrap_or(usize::MAX)),
            at_work: RwLock::default(),
            tidied: Mutex::new(Instant::now()),
            acquire_timeout: limits.acquire,
            // The server gives up first, so that an answer says what became of the statement.
            patience: limits.statement.unwrap_or(SILENCE).saturating_add(GRACE),
        })))
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
                Remedy::Elsewhere => self.0.source().is_a_choice(),
                Remedy::GiveUp | Remedy::None => false,
            };
            let late = began.elapsed() >= self.0.patience;
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
        let _at_work = timeout_at(until, self.0.at_work.read())
            .await
            .map_err(|_| unsent(all_in_use::<D>()))?;
        let _writing = match access {
            Access::Write => match timeout_at(until, self.0.writing.acquire()).await {
                Ok(Ok(place)) => Some(place),
                _ => return Err(unsent(all_in_use::<D>())),
            },
            Access::Read => None,
        };
        let (place, mut connection) = self.0.connection(until).await.map_err(unsent)?;
        let run = work.run(&mut connection);
        let ran = timeout(self.0.patience, run).await;
        let (failed, remedy) = match ran {
            Ok(Ok(outcome)) => {
                self.0.keep(place, connection);
                return Ok(outcome);
            }
            Ok(Err(error)) => failures::of_work::<D>(&error, access),
            Err(_) => {
                let failed = failures::lost(format!("{} does not answer", D::NAME), access);
                (failed, Remedy::GiveUp)
            }
        };
        match remedy {
            Remedy::Repeat | Remedy::None => self.0.keep(place, connection),
            Remedy::Reconnect | Remedy::GiveUp => self.0.connections.manager().doubt(),
            Remedy::Elsewhere if self.0.source().is_a_choice() => {
                self.0.connections.manager().give_up_all();
            }
            // The others are found out one by one; they can still read.
            Remedy::Elsewhere => drop(connection),
        }
        Err((failed, remedy))
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.connections.is_closed()
    }

    /// Waits until all connections are back, and closes them.
    pub(super) async fn close(&self) {
        let _all = self.0.at_work.write().await;
        let idle = self.0.connections.retain(|_, _| false);
        self.0.connections.close();
        for connection in idle.removed.into_iter().filter_map(|one| one.connection) {
            // What goes wrong here has no consequences.
            drop(timeout(TEST, D::close(connection)).await);
        }
    }
}

impl<D: Driver> Inner<D> {
    fn source(&self) -> &D::Source {
        self.connections.manager().source()
    }

    /// A connection that was good a moment ago, or has been tested, or is new; and its place, which is kept as long.
    async fn connection(&self, until: Instant) -> Result<(Place<D>, D::Connection), Failed> {
        let (mut attempt, mut refused) = (1, None);
        loop {
            let waits = Timeouts {
                wait: Some(until.saturating_duration_since(Instant::now())),
                ..Timeouts::new()
            };
            let got = UNTIL.scope(until, self.connections.timeout_get(&waits));
            let why = match got.await {
                Ok(mut place) => {
                    if Instant::now() >= until && self.connections.manager().doubts(&place) {
                        let why = format!("{} does not answer", D::NAME);
                        return Err(without_a_row(StorageFault::Unavailable, why));
                    }
                    match place.connection.take() {
                        Some(connection) => return Ok((place, connection)),
                        None => continue,
                    }
                }
                Err(PoolError::Backend(why)) => why,
                Err(PoolError::Closed) => return Err(without_a_row(StorageFault::Closed, D::NAME)),
                Err(_) => return Err(refused.unwrap_or_else(all_in_use::<D>)),
            };
            // Nothing was sent yet, whatever it is.
            let (passes, failed) = (why.may_pass(), why.failed());
            if !passes {
                return Err(failed);
            }
            // Who was asked with hardly any time left has not shown to be away.
            let failed = match refused.take() {
                Some(before) if failed.fault == StorageFault::Unavailable => before,
                _ => failed,
            };
            if Instant::now() + LAST_ROUND >= until {
                return Err(failed);
            }
            refused = Some(failed);
            // Somebody may give one back before there is another.
            step_aside(attempt).await;
            attempt += 1;
        }
    }

    fn keep(&self, mut place: Place<D>, connection: D::Connection) {
        if self.connections.manager().is_current(&place) {
            place.put_back(connection);
        }
        drop(place);
        let mut tidied = locked(&self.tidied);
        if tidied.elapsed() > TIDY {
            *tidied = Instant::now();
            drop(tidied);
            self.connections.retain(|one, _| one.is_needed());
        }
    }
}

/// Where a connection is kept, and what one has to have to use one.
type Place<D> = Object<Connections<D>>;

fn all_in_use<D: Driver>() -> Failed {
    let why = format!("all connections to {} are in use", D::NAME);
    without_a_row(StorageFault::Busy, why)
}
/// Waits for a moment, another one in each process, so that those who met do not meet again.
pub(super) async fn step_aside(attempt: u32) {
    let random = RandomState::new().hash_one(attempt);
    let most = 4_u64 << attempt.min(6);
    let pause = Duration::from_millis(1 + random.checked_rem(most).unwrap_or(0));
    #[expect(
        clippy::disallowed_methods,
        reason = "there is no event to wait for: the others do not know of us"
    )]
    tokio::time::sleep(pause).await;
}

/// No server takes as many connections; room for all is made at once.
const MOST: u32 = 100_000;
/// How often a piece of work is tried at the most.
const ATTEMPTS: u32 = 6;
/// With less time left than this, nobody is asked for a connection once more.
const LAST_ROUND: Duration = Duration::from_millis(300);
/// How often connections that nobody needs are looked for.
const TIDY: Duration = Duration::from_mins(1);
/// How long a statement may take where the server's own limit is not ours to set: who is silent for as long is not there.
const SILENCE: Duration = Duration::from_mins(1);
/// How much longer than the server we wait for a statement.
const GRACE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;

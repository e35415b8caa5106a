//! Connections as the pool keeps them: how one comes to be, and which of those that were kept may be used again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use deadpool::managed::{Manager, Metrics, RecycleError, RecycleResult};
use tokio::time::{Instant, timeout_at};

use super::{Driver, NoConnection, Source as _};

tokio::task_local! {
    /// Until when the caller waits for a connection.
    pub(super) static UNTIL: Instant;
}

/// Makes connections, and tests those that are in doubt.
pub(super) struct Connections<D: Driver> {
    source: D::Source,
    /// When a connection was last found broken: those that have been idle since then are to be tested before they are used.
    broken_at: Mutex<Option<Instant>>,
    /// Counts how often all connections were given up; one that was made before such a time is not used again.
    epoch: AtomicU64,
}

/// A place in the pool.
pub(super) struct Held<D: Driver> {
    /// While somebody is at work with it, it is theirs: if they go away half-way, it goes with them.
    pub(super) connection: Option<D::Connection>,
    epoch: u64,
    /// When it was last used.
    used: Instant,
    /// When it was last seen that its server is of use.
    checked: Instant,
}

impl<D: Driver> Held<D> {
    pub(super) fn put_back(&mut self, connection: D::Connection) {
        self.connection = Some(connection);
        self.used = Instant::now();
    }

    pub(super) fn is_needed(&self) -> bool {
        self.connection.is_some() && self.used.elapsed() <= UNUSED
    }
}

impl<D: Driver> Connections<D> {
    pub(super) fn new(source: D::Source) -> Self {
        Self {
            source,
            broken_at: Mutex::default(),
            epoch: AtomicU64::new(0),
        }
    }

    pub(super) fn source(&self) -> &D::Source {
        &self.source
    }

    /// Whether it was made since all were given up.
    pub(super) fn is_current(&self, held: &Held<D>) -> bool {
        held.epoch == self.epoch.load(Ordering::SeqCst)
    }

    pub(super) fn doubts(&self, held: &Held<D>) -> bool {
        held.used.elapsed() > FRESH
            || locked(&self.broken_at).is_some_and(|broken| broken >= held.used)
            // A primary that has become a standby still answers.
            || (self.source.is_a_choice() && held.checked.elapsed() > FRESH)
    }

    /// A connection turned out to be broken.
    pub(super) fn doubt(&self) {
        *locked(&self.broken_at) = Some(Instant::now());
    }

    /// None of those that there are is used again: they are closed when somebody looks for one, those in use when they come back.
    pub(super) fn give_up_all(&self) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
    }
}

impl<D: Driver> Manager for Connections<D> {
    type Type = Held<D>;
    type Error = NoConnection;

    async fn create(&self) -> Result<Held<D>, NoConnection> {
        let epoch = self.epoch.load(Ordering::SeqCst);
        let left = UNTIL.get().saturating_duration_since(Instant::now());
        let connection = self.source.connect(left).await?;
        let now = Instant::now();
        Ok(Held {
            connection: Some(connection),
            epoch,
            used: now,
            checked: now,
        })
    }

    /// Only what is in doubt costs a round trip.
    async fn recycle(&self, held: &mut Held<D>, _: &Metrics) -> RecycleResult<NoConnection> {
        if !self.is_current(held) {
            return Err(RecycleError::message("given up"));
        }
        let (doubts, now) = (self.doubts(held), Instant::now());
        let Some(connection) = &mut held.connection else {
            return Err(RecycleError::message("gone with whom it was lent to"));
        };
        let (until, most) = (UNTIL.get(), now + TEST);
        // Whoever has no time left finds nothing out, and does no harm to it.
        if !doubts || until <= now {
            return Ok(());
        }
        let test = self.source.is_of_use(connection);
        match timeout_at(until.min(most), test).await {
            Ok(Ok(true)) => {
                held.checked = Instant::now();
                return Ok(());
            }
            // A caller who had hardly any time left has learned nothing of the others.
            Err(_) if until < most => {}
            // Each of the others might take as long to turn out to be broken.
            Ok(_) | Err(_) => self.give_up_all(),
        }
        Err(RecycleError::message("of no use any more"))
    }
}

/// None of these locks is held across anything that may fail half-way.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long a connection is taken for a good one without being used.
const FRESH: Duration = Duration::from_secs(1);
/// How long a connection is kept that nobody needs.
const UNUSED: Duration = Duration::from_mins(5);
/// How long the test of a connection may take.
pub(super) const TEST: Duration = Duration::from_secs(2);

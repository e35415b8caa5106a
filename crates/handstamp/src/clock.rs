//! Time, as a part that is handed in.

use std::fmt;
use std::time::Duration;

/// A point in time: milliseconds since the Unix epoch, as the wire and the stores carry it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixMillis(i64);

impl UnixMillis {
    /// The latest time there is; what "never" looks like.
    pub const MAX: Self = Self(i64::MAX);

    /// The time that is `millis` ms after the Unix epoch.
    #[must_use]
    pub const fn new(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// This time and `span` more; stops at [`UnixMillis::MAX`].
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(whole_millis(span)))
    }

    /// This time less `span`.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(whole_millis(span)))
    }

    /// How long ago `earlier` was, seen from here. Zero if it is still to come: clocks of several servers differ, and one
    /// may be set back.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Debug for UnixMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

fn whole_millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// Where the engine gets the time from.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The time now.
    fn now(&self) -> UnixMillis;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that asks the machine"
    )]
    fn now(&self) -> UnixMillis {
        match std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH) {
            Ok(since) => UnixMillis(whole_millis(since)),
            Err(before) => UnixMillis(-whole_millis(before.duration())),
        }
    }
}

/// A clock that stands still until it is moved.
#[cfg(feature = "testing")]
#[derive(Debug)]
pub struct ManualClock(std::sync::atomic::AtomicI64);

#[cfg(feature = "testing")]
impl ManualClock {
    /// A clock that shows `start`.
    #[must_use]
    pub fn new(start: UnixMillis) -> Self {
        Self(start.0.into())
    }

    /// Moves the clock on by `span`.
    pub fn advance(&self, span: Duration) {
        self.0
            .fetch_add(whole_millis(span), std::sync::atomic::Ordering::SeqCst);
    }

    /// Sets the clock to `time`, which may be in its past.
    pub fn set(&self, time: UnixMillis) {
        self.0.store(time.0, std::sync::atomic::Ordering::SeqCst);
    }
}

#[cfg(feature = "testing")]
impl Clock for ManualClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(self.0.load(std::sync::atomic::Ordering::SeqCst))
    }
}

//! What an engine does while nobody asks.

use std::time::Duration;

use tokio::time::{Interval, MissedTickBehavior, interval};

use super::{Engine, Failure};

/// How often keys are looked after.
pub const KEYS_EVERY: Duration = Duration::from_secs(5);
/// How often ended sessions are forgotten.
pub const SWEEP_EVERY: Duration = Duration::from_mins(1);
/// How many at a time, so that nobody waits long behind it.
const SWEEP_BATCH: u32 = 500;

/// One of the things that an engine does while nobody asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Chore {
    /// Makes the next signing key in time, and forgets those that verify nothing any more.
    TendKeys,
    /// Forgets sessions that have ended.
    Sweep,
}

impl Engine {
    /// Looks after keys and forgets ended sessions, for ever: `tokio::spawn(engine.clone().upkeep())`. What fails is logged and tried
    /// again at its next turn. Dropping it ends it at once and loses nothing. One of several processes on a store is enough for
    /// the sessions; for the keys each has its own.
    pub async fn upkeep(self) {
        let log = |chore, why: Failure| {
            let why: &dyn std::error::Error = &why;
            tracing::error!(
                ?chore,
                why,
                "a chore was not done; it will be at its next turn"
            );
        };
        self.upkeep_telling(log).await;
    }

    /// The same; `failed` is told what fails.
    pub async fn upkeep_telling(self, failed: impl Fn(Chore, Failure)) {
        let tend = async {
            let mut turns = turns(KEYS_EVERY);
            loop {
                turns.tick().await;
                if let Err(why) = self.tend_keys().await {
                    failed(Chore::TendKeys, why);
                }
            }
        };
        let sweep = async {
            let mut turns = turns(SWEEP_EVERY);
            loop {
                turns.tick().await;
                if let Err(why) = self.sweep_all().await {
                    failed(Chore::Sweep, why);
                }
            }
        };
        let ((), ()) = tokio::join!(tend, sweep);
    }

    /// Forgets all sessions that have ended, some at a time; answers how many.
    ///
    /// # Errors
    /// When the store fails. Those forgotten before stay so.
    pub async fn sweep_all(&self) -> Result<u64, Failure> {
        let mut swept = 0;
        loop {
            let batch = self.sweep(SWEEP_BATCH).await?;
            swept += u64::from(batch);
            if batch < SWEEP_BATCH {
                return Ok(swept);
            }
        }
    }
}

/// Turns that do not catch up with those that were missed.
fn turns(period: Duration) -> Interval {
    let mut turns = interval(period);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    turns
}

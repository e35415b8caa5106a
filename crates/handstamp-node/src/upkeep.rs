//! What an engine does while nobody asks: it looks after keys, and forgets sessions that have ended.

use std::sync::Arc;
use std::time::Duration;

use handstamp::Engine;
use handstamp::engine::Failure;
use napi::Status;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;
use tokio::task::JoinHandle;

use crate::answers::Failed;

/// How often keys are looked after.
const KEYS_EVERY: Duration = Duration::from_secs(5);
/// How often ended sessions are swept, and how many at a time, so that nobody waits long behind it.
const SWEEP_EVERY: Duration = Duration::from_mins(1);
const SWEEP_BATCH: u32 = 500;

/// Who is told of what fails: weak, so that no process stays alive for it; with a bounded queue, as it may not listen for long.
pub(crate) type Listener =
    ThreadsafeFunction<UpkeepFailure, (), UpkeepFailure, Status, false, true, 64>;

/// Something that failed while nobody asked. It is tried again at its next turn, or by the request that needs it.
#[napi(object, object_from_js = false)]
pub struct UpkeepFailure {
    /// `tendKeys` or `sweep`.
    pub operation: String,
    /// Why.
    pub failure: Failed,
}

/// The work under way.
pub(crate) struct Upkeep([JoinHandle<()>; 2]);

impl Upkeep {
    /// Begins it.
    pub(crate) fn start(engine: &Engine, failed: &Arc<Listener>) -> Self {
        let tell = |operation: &'static str| {
            let failed = Arc::clone(failed);
            move |failure: Failure| {
                let told = UpkeepFailure {
                    operation: operation.to_owned(),
                    failure: failure.into(),
                };
                // It fails where nobody is left to be told.
                let _status = failed.call(told, ThreadsafeFunctionCallMode::NonBlocking);
            }
        };
        Self([
            tokio::spawn(tend(engine.clone(), tell("tendKeys"))),
            tokio::spawn(sweep(engine.clone(), tell("sweep"))),
        ])
    }

    /// Leaves it.
    pub(crate) fn stop(&self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

/// Looks after the keys.
async fn tend(engine: Engine, failed: impl Fn(Failure)) {
    let mut turns = every(KEYS_EVERY);
    loop {
        turns.tick().await;
        if let Err(why) = engine.tend_keys().await {
            failed(why);
        }
    }
}

/// Forgets sessions that have ended, a batch at a time.
async fn sweep(engine: Engine, failed: impl Fn(Failure)) {
    let mut turns = every(SWEEP_EVERY);
    loop {
        turns.tick().await;
        loop {
            match engine.sweep(SWEEP_BATCH).await {
                Ok(SWEEP_BATCH) => {}
                Ok(_) => break,
                Err(why) => {
                    failed(why);
                    break;
                }
            }
        }
    }
}

/// Turns that do not catch up with those that were missed.
fn every(period: Duration) -> tokio::time::Interval {
    let mut turns = tokio::time::interval(period);
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    turns
}

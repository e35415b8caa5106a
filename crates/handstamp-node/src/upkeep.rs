//! What an engine does while nobody asks, and who is told of what fails.

use std::sync::Arc;

use handstamp::Engine;
use handstamp::engine::{Chore, Failure};
use napi::Status;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;
use tokio::task::JoinHandle;

use crate::answers::Failed;

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
pub(crate) struct Upkeep(JoinHandle<()>);

impl Upkeep {
    /// Begins it.
    pub(crate) fn start(engine: &Engine, failed: &Arc<Listener>) -> Self {
        let failed = Arc::clone(failed);
        let tell = move |chore: Chore, failure: Failure| {
            let operation = match chore {
                Chore::TendKeys => "tendKeys",
                Chore::Sweep => "sweep",
            };
            let told = UpkeepFailure {
                operation: operation.to_owned(),
                failure: failure.into(),
            };
            // It fails where nobody is left to be told.
            let _status = failed.call(told, ThreadsafeFunctionCallMode::NonBlocking);
        };
        Self(tokio::spawn(engine.clone().upkeep_telling(tell)))
    }

    /// Leaves it.
    pub(crate) fn stop(&self) {
        self.0.abort();
    }
}

//! A clock that can be moved on, for tests: a laptop that was closed for hours need not be waited for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::post;
use handstamp::clock::{Clock, SystemClock, UnixMillis};

/// The machine's clock, and as many seconds as it has been moved on by.
#[derive(Debug, Default)]
pub(crate) struct Movable(AtomicU64);

impl Clock for Movable {
    fn now(&self) -> UnixMillis {
        let moved = Duration::from_secs(self.0.load(Ordering::SeqCst));
        SystemClock.now().plus(moved)
    }
}

/// Who may move the clock may end every session: not for an application that others can reach.
pub(crate) fn routes(clock: Arc<Movable>) -> Router {
    Router::new()
        .route("/clock/{seconds}", post(advance))
        .with_state(clock)
}

async fn advance(State(clock): State<Arc<Movable>>, Path(seconds): Path<u64>) {
    clock.0.fetch_add(seconds, Ordering::SeqCst);
}

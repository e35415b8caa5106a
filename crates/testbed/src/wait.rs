//! Waiting for what somebody else does. Nothing is measured by it: the limit is for what hangs.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Asks until the answer is there; fails after a minute.
///
/// # Errors
/// When asking does, or nothing happens for too long.
pub fn until<T>(what: &str, mut asked: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let begun = now();
    loop {
        if let Some(answer) = asked()? {
            return Ok(answer);
        }
        if begun.elapsed() > LIMIT {
            bail!("waited for too long: {what}");
        }
        pause(Duration::from_millis(20));
    }
}

/// Does nothing for a while.
#[expect(
    clippy::disallowed_methods,
    reason = "other processes are waited for, which give no sign"
)]
pub fn pause(span: Duration) {
    std::thread::sleep(span);
}

/// The time on the machine's own steady clock.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "a limit for what hangs, and figures that are printed"
)]
pub fn now() -> Instant {
    Instant::now()
}

const LIMIT: Duration = Duration::from_mins(1);

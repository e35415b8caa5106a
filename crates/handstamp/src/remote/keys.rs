//! The server's public keys, kept for as long as it says.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use reqwest::Method;
use tokio::sync::Mutex;

use super::error::{Fault, RemoteError};
use super::key_set::{self, KeyMap};
use super::link::{Ask, Effect, Link, Operation};
use crate::clock::UnixMillis;

/// How long after a look for an unknown key tokens that name one are refused without another look; and how long after a look
/// that failed none is taken.
pub(super) const COOL_DOWN: Duration = Duration::from_secs(1);
/// How long after their time keys are used on while the server cannot be asked. Then no token is good any more: a key that was
/// taken out of use must not live on because somebody keeps the server from saying so.
pub(super) const OVERTIME: Duration = Duration::from_mins(5);

const KEYS: Operation = Operation {
    method: Method::GET,
    path: "/.well-known/jwks.json",
    effect: Effect::Reads,
    name: "for its keys",
    is_public: true,
};

/// The keys as of one answer.
#[derive(Debug)]
pub(super) struct Ring {
    pub(super) keys: KeyMap,
    asked_at: UnixMillis,
    fresh_until: UnixMillis,
}

/// What is known. Read without a lock; another takes its place when a look has ended.
#[derive(Debug, Default)]
struct Known {
    ring: Option<Arc<Ring>>,
    /// What came of the last look, if it failed, and when that was.
    failed: Option<(UnixMillis, RemoteError)>,
    /// When a token by an unknown key last made somebody look.
    unknown_at: Option<UnixMillis>,
    /// How many looks have ended.
    looks: u64,
}

impl Known {
    /// The keys that can be used now without a look at the server's.
    fn usable(&self, now: UnixMillis) -> Option<&Arc<Ring>> {
        let fresh = self
            .ring
            .as_ref()
            .filter(|ring| ring.is_good(now, Duration::ZERO));
        fresh.or_else(|| self.late(now).filter(|_| self.pauses(now).is_some()))
    }

    /// The keys whose time is over, but not for long, and that nobody could ask for again.
    fn late(&self, now: UnixMillis) -> Option<&Arc<Ring>> {
        let ring = self.ring.as_ref().filter(|_| self.failed.is_some());
        ring.filter(|ring| ring.is_good(now, OVERTIME))
    }

    /// Why no look is taken now, if that is because the last one failed.
    fn pauses(&self, now: UnixMillis) -> Option<&RemoteError> {
        let (at, error) = self.failed.as_ref()?;
        is_soon_after(*at, now).then_some(error)
    }
}

impl Ring {
    /// Whether the keys may be used at `now`, or were so at the most `overtime` ago. Where the clock was set back, nobody knows.
    fn is_good(&self, now: UnixMillis, overtime: Duration) -> bool {
        self.asked_at <= now && now < self.fresh_until.plus(overtime)
    }
}

fn is_soon_after(then: UnixMillis, now: UnixMillis) -> bool {
    then <= now && now.since(then) < COOL_DOWN
}

#[derive(Debug, Default)]
pub(super) struct Keys {
    known: ArcSwap<Known>,
    /// Held during a look.
    looking: Mutex<()>,
}

impl Keys {
    /// The keys, if the server need not be asked for them.
    pub(super) fn held(&self, now: UnixMillis) -> Option<Arc<Ring>> {
        self.known.load().usable(now).cloned()
    }

    /// The keys, asked for if need be.
    pub(super) async fn ring(&self, link: &Link) -> Result<Arc<Ring>, RemoteError> {
        let now = link.clock.now();
        let known = self.known.load_full();
        if let Some(ring) = known.usable(now) {
            return Ok(Arc::clone(ring));
        }
        if let Some(error) = known.pauses(now) {
            return Err(error.clone());
        }
        // While one looks whether the server is back, the others go on with what they have.
        if let Some(ring) = known.late(now)
            && self.looking.try_lock().is_err()
        {
            return Ok(Arc::clone(ring));
        }
        let known = self.look(link, known.looks, false).await;
        let now = link.clock.now();
        match (known.usable(now), &known.failed, &known.ring) {
            (Some(ring), _, _) | (None, None, Some(ring)) => Ok(Arc::clone(ring)),
            (None, Some((_, error)), _) => Err(error.clone()),
            (None, None, None) => Err(RemoteError::new(KEYS.name, "", Fault::Away)),
        }
    }

    /// The keys as they are now, if there may be others than `tried`: a token that was at hand since `began` names one that is
    /// not among these. Whoever makes up ids makes somebody look once in [`COOL_DOWN`].
    pub(super) async fn newer(
        &self,
        link: &Link,
        tried: &Arc<Ring>,
        began: UnixMillis,
    ) -> Result<Option<Arc<Ring>>, RemoteError> {
        if tried.asked_at >= began {
            return Ok(None);
        }
        let others = |known: &Known| {
            let ring = known.ring.as_ref();
            ring.filter(|ring| !Arc::ptr_eq(ring, tried)).cloned()
        };
        let known = self.known.load_full();
        if let Some(ring) = others(&known) {
            return Ok(Some(ring));
        }
        let now = link.clock.now();
        if let Some(error) = known.pauses(now) {
            return Err(error.clone());
        }
        if known.unknown_at.is_some_and(|at| is_soon_after(at, now)) {
            return Ok(None);
        }
        let known = self.look(link, known.looks, true).await;
        match &known.failed {
            Some((_, error)) => Err(error.clone()),
            None => Ok(others(&known)),
        }
    }

    /// Asks the server, one caller at a time; who waited for another's look, because it has seen but `seen` of them end, makes do
    /// with what came of that.
    async fn look(&self, link: &Link, seen: u64, for_unknown: bool) -> Arc<Known> {
        let _looking = self.looking.lock().await;
        let known = self.known.load_full();
        if known.looks != seen {
            return known;
        }
        let asked_at = link.clock.now();
        let answer = link.send(&KEYS, Ask::default()).await;
        let (ring, failed) = match answer.and_then(|answer| key_set::read(&answer)) {
            Ok((keys, max_age)) => {
                let ring = Ring {
                    keys,
                    asked_at,
                    fresh_until: asked_at.plus(max_age.max(COOL_DOWN)),
                };
                (Some(Arc::new(ring)), None)
            }
            Err(error) => {
                tracing::warn!(error = error.chain(), "keys were not read again");
                (known.ring.clone(), Some((link.clock.now(), error)))
            }
        };
        let known = Arc::new(Known {
            ring,
            failed,
            unknown_at: if for_unknown {
                Some(asked_at)
            } else {
                known.unknown_at
            },
            looks: known.looks.wrapping_add(1),
        });
        self.known.store(Arc::clone(&known));
        known
    }
}

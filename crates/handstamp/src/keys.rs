//! An app's keys: the ring of signing keys, and the key of its refresh tokens.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::UnixMillis;
use crate::id::AppId;
use crate::jws::SigningKey;
use crate::storage::{KeyKind, StorageError, StoredKey};
use crate::token::refresh::RefreshKey;

pub(crate) mod rings;

/// How long a new signing key is known to every server before it signs.
pub const OVERLAP: Duration = Duration::from_mins(1);

/// One signing key of the ring.
#[derive(Debug)]
pub(crate) struct RingKey {
    pub(crate) key: SigningKey,
    pub(crate) created_at: UnixMillis,
    pub(crate) generation: u32,
}

/// When keys follow each other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyLife {
    /// How long a key signs.
    pub(crate) interval: Duration,
    /// How long the tokens it signed live at the most.
    pub(crate) token_validity: Duration,
}

impl KeyLife {
    /// How long a key verifies: the tokens of its last moment have to run out, with as much again to spare.
    pub(crate) fn lifetime(self) -> Duration {
        self.interval
            .saturating_add(self.token_validity.saturating_mul(2))
    }
}

/// All keys of one app that are of use, as of one look at the store.
#[derive(Debug)]
pub(crate) struct KeyRing {
    /// Newest first.
    signing: Vec<Arc<RingKey>>,
    refresh: RefreshKey,
}

/// What a look at the store found missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) kind: KeyKind,
    pub(crate) generation: u32,
}

impl KeyRing {
    /// Reads the ring from the app's stored keys, or says which key has to be made first.
    pub(crate) fn read(
        app: &AppId,
        stored: &[StoredKey],
        known: Option<&Self>,
        now: UnixMillis,
        life: KeyLife,
    ) -> Result<Result<Self, Wanted>, StorageError> {
        let newest = |kind| {
            stored
                .iter()
                .filter(|key| key.kind == kind)
                .max_by_key(|key| key.generation)
        };
        let Some(refresh) = newest(KeyKind::Refresh) else {
            return Ok(Err(Wanted {
                kind: KeyKind::Refresh,
                generation: 1,
            }));
        };
        let secret = refresh.material.as_slice().try_into();
        let secret = secret.map_err(|_| {
            StorageError::inconsistent("keys.material", "a refresh key is not 32 bytes long")
        })?;
        let refresh = RefreshKey::new(refresh.generation, secret, app.clone());

        let mut signing = Vec::new();
        for key in stored
            .iter()
            .filter(|key| key.kind == KeyKind::Signing && is_alive(key.created_at, now, life))
        {
            let already = known.and_then(|ring| {
                ring.signing
                    .iter()
                    .find(|held| held.generation == key.generation)
            });
            signing.push(match already {
                Some(held) if held.created_at == key.created_at => Arc::clone(held),
                _ => Arc::new(RingKey {
                    key: SigningKey::from_pkcs8(&key.material)
                        .map_err(|why| StorageError::inconsistent("keys.material", why))?,
                    created_at: key.created_at,
                    generation: key.generation,
                }),
            });
        }
        signing.sort_by_key(|key| std::cmp::Reverse(key.generation));
        let ring = Self { signing, refresh };
        if ring.is_due(now, life) {
            let last = newest(KeyKind::Signing).map_or(0, |key| key.generation);
            return Ok(Err(Wanted {
                kind: KeyKind::Signing,
                generation: last.saturating_add(1),
            }));
        }
        Ok(Ok(ring))
    }

    /// Whether the newest signing key needs a successor: from [`OVERLAP`] before it stops signing.
    pub(crate) fn is_due(&self, now: UnixMillis, life: KeyLife) -> bool {
        self.signing
            .first()
            .is_none_or(|newest| now.plus(OVERLAP) > newest.created_at.plus(life.interval))
    }

    /// The key that signs at `now`; none if all are past their time. A new key waits while its predecessor is good, so that
    /// whoever fetches keys has it before the first signature made with it.
    pub(crate) fn signer(&self, now: UnixMillis, life: KeyLife) -> Option<&RingKey> {
        let signs = |key: &RingKey| now < key.created_at.plus(life.interval);
        let mut keys = self.signing.iter().map(Arc::as_ref);
        let (newest, second) = (keys.next()?, keys.next());
        match second {
            Some(second) if now < newest.created_at.plus(OVERLAP) && signs(second) => Some(second),
            _ => Some(newest).filter(|newest| signs(newest)),
        }
    }

    /// The keys whose tokens can still be alive, newest first.
    pub(crate) fn verifiers(
        &self,
        now: UnixMillis,
        life: KeyLife,
    ) -> impl Iterator<Item = &SigningKey> {
        self.signing
            .iter()
            .filter(move |key| is_alive(key.created_at, now, life))
            .map(|key| &key.key)
    }

    /// The key that makes and opens refresh tokens.
    pub(crate) fn refresh(&self) -> &RefreshKey {
        &self.refresh
    }
}

fn is_alive(created_at: UnixMillis, now: UnixMillis, life: KeyLife) -> bool {
    created_at.plus(life.lifetime()) >= now
}

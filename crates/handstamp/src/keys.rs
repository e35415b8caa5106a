//! An app's keys: the rings of signing keys, and the key of its refresh tokens.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::UnixMillis;
use crate::id::AppId;
use crate::jws::{Algorithm, SigningKey, VerifyingKey};
use crate::storage::{KeyKind, StorageError, StoredKey};
use crate::token::access::{Keyring, NamedKey};
use crate::token::refresh::RefreshKey;

pub(crate) mod rings;

/// How long a new signing key is known to every server before it signs.
pub const OVERLAP: Duration = Duration::from_mins(1);

/// One signing key of the ring.
#[derive(Debug)]
pub(crate) struct RingKey {
    pub(crate) kind: KeyKind,
    pub(crate) id: String,
    pub(crate) key: SigningKey,
    pub(crate) created_at: UnixMillis,
    generation: u32,
}

impl RingKey {
    fn read(stored: &StoredKey, algorithm: Algorithm) -> Result<Self, StorageError> {
        let key = SigningKey::from_pkcs8(algorithm, &stored.material)
            .map_err(|why| StorageError::inconsistent("keys.material", why))?;
        // SDKs tell by the first letter which of the two kinds signed. Two algorithms may have made keys in one millisecond.
        let letter = if matches!(stored.kind, KeyKind::Static(_)) {
            's'
        } else {
            'd'
        };
        let suffix = match algorithm {
            Algorithm::Rs256 => "",
            Algorithm::Es256 => "-es256",
            Algorithm::EdDsa => "-eddsa",
        };
        Ok(Self {
            kind: stored.kind,
            id: format!("{letter}-{}{suffix}", stored.created_at.as_millis()),
            key,
            created_at: stored.created_at,
            generation: stored.generation,
        })
    }

    pub(crate) fn named(&self) -> NamedKey<'_> {
        NamedKey {
            id: &self.id,
            key: &self.key,
        }
    }
}

/// When keys follow each other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KeyLife {
    /// How long a dynamic key signs.
    pub(crate) interval: Duration,
    /// How long the tokens it signed live at the most.
    pub(crate) token_validity: Duration,
}

impl KeyLife {
    /// How long a new key is known before it signs: [`OVERLAP`], or less where keys follow each other fast.
    pub(crate) fn overlap(self) -> Duration {
        OVERLAP.min(self.interval / 5)
    }

    /// How long a dynamic key verifies: the tokens of its last moment have to run out, with as much again to spare.
    pub(crate) fn lifetime(self) -> Duration {
        self.interval
            .saturating_add(self.token_validity.saturating_mul(2))
    }
}

/// All keys of one app that are of use, as of one look at the store.
#[derive(Debug)]
pub(crate) struct KeyRing {
    /// Dynamic ones first, newest first.
    signing: Vec<Arc<RingKey>>,
    refresh: RefreshKey,
    /// Whether the store has keys that verify nothing any more.
    pub(crate) has_dead: bool,
}

/// What a look at the store found missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) kind: KeyKind,
    pub(crate) generation: u32,
}

impl KeyRing {
    /// Reads the ring from the app's stored keys, or says which key has to be made first so that there is one of kind `need`.
    pub(crate) fn read(
        app: &AppId,
        stored: &[StoredKey],
        known: Option<&Self>,
        now: UnixMillis,
        life: KeyLife,
        need: KeyKind,
    ) -> Result<Result<Self, Wanted>, StorageError> {
        let newest = |kind| {
            stored
                .iter()
                .filter(|key| key.kind == kind)
                .max_by_key(|key| key.generation)
        };
        let missing = |kind| Wanted {
            kind,
            generation: newest(kind)
                .map_or(0, |key| key.generation)
                .saturating_add(1),
        };
        let Some(refresh) = newest(KeyKind::Refresh) else {
            return Ok(Err(missing(KeyKind::Refresh)));
        };
        let secret = refresh.material.as_slice().try_into();
        let secret = secret.map_err(|_| {
            StorageError::inconsistent("keys.material", "a refresh key is not 32 bytes long")
        })?;
        let refresh = RefreshKey::new(refresh.generation, secret, app.clone());

        let mut signing = Vec::new();
        for key in stored {
            let Some(algorithm) = key
                .kind
                .algorithm()
                .filter(|_| is_alive(key.kind, key.created_at, now, life))
            else {
                continue;
            };
            let same = |held: &&Arc<RingKey>| {
                (held.kind, held.generation, held.created_at)
                    == (key.kind, key.generation, key.created_at)
            };
            signing.push(
                match known.and_then(|ring| ring.signing.iter().find(same)) {
                    Some(held) => Arc::clone(held),
                    None => Arc::new(RingKey::read(key, algorithm)?),
                },
            );
        }
        signing.sort_by_key(|key| {
            (
                matches!(key.kind, KeyKind::Static(_)),
                Reverse((key.created_at, key.generation)),
            )
        });
        let stored_to_sign = stored.iter().filter(|key| key.kind != KeyKind::Refresh);
        let ring = Self {
            has_dead: stored_to_sign.count() > signing.len(),
            signing,
            refresh,
        };
        if ring.is_due(need, now, life) {
            return Ok(Err(missing(need)));
        }
        Ok(Ok(ring))
    }

    /// Whether a key of that kind has to be made: there is none, or the newest dynamic one needs a successor, which is from
    /// [`KeyLife::overlap`] before it stops signing.
    pub(crate) fn is_due(&self, kind: KeyKind, now: UnixMillis, life: KeyLife) -> bool {
        let newest = self.of_kind(kind).next();
        match kind {
            KeyKind::Refresh => false,
            KeyKind::Static(_) => newest.is_none(),
            KeyKind::Dynamic(_) => newest.is_none_or(|newest| {
                now.plus(life.overlap()) > newest.created_at.plus(life.interval)
            }),
        }
    }

    /// The kinds of signing keys that are in use.
    pub(crate) fn kinds(&self) -> Vec<KeyKind> {
        let mut kinds: Vec<_> = self.signing.iter().map(|key| key.kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }

    /// The key of that kind that signs at `now`; none if all are past their time. A new key waits while its predecessor is
    /// good, so that whoever fetches keys has it before the first signature made with it.
    pub(crate) fn signer(&self, kind: KeyKind, now: UnixMillis, life: KeyLife) -> Option<&RingKey> {
        let mut keys = self.of_kind(kind);
        let (newest, second) = (keys.next()?, keys.next());
        if matches!(kind, KeyKind::Static(_)) {
            return Some(newest);
        }
        let signs = |key: &RingKey| now < key.created_at.plus(life.interval);
        match second {
            Some(second) if now < newest.created_at.plus(life.overlap()) && signs(second) => {
                Some(second)
            }
            _ => Some(newest).filter(|newest| signs(newest)),
        }
    }

    /// The keys whose tokens can still be alive: dynamic ones first, newest first.
    pub(crate) fn verifiers(
        &self,
        now: UnixMillis,
        life: KeyLife,
    ) -> impl Iterator<Item = &RingKey> {
        let keys = self.signing.iter().map(Arc::as_ref);
        keys.filter(move |key| is_alive(key.kind, key.created_at, now, life))
    }

    /// The same, to open tokens by.
    pub(crate) fn verifying(&self, now: UnixMillis, life: KeyLife) -> Verifying<'_> {
        Verifying {
            ring: self,
            now,
            life,
        }
    }

    /// The key that makes and opens refresh tokens.
    pub(crate) fn refresh(&self) -> &RefreshKey {
        &self.refresh
    }

    fn of_kind(&self, kind: KeyKind) -> impl Iterator<Item = &RingKey> {
        self.signing
            .iter()
            .map(Arc::as_ref)
            .filter(move |key| key.kind == kind)
    }
}

/// A ring at one moment.
pub(crate) struct Verifying<'r> {
    ring: &'r KeyRing,
    now: UnixMillis,
    life: KeyLife,
}

impl Keyring for Verifying<'_> {
    fn find(&self, id: &str) -> Option<&VerifyingKey> {
        let mut keys = self.ring.verifiers(self.now, self.life);
        keys.find(|key| key.id == id).map(|key| key.key.verifying())
    }

    fn all(&self) -> impl Iterator<Item = &VerifyingKey> {
        let keys = self.ring.verifiers(self.now, self.life);
        keys.map(|key| key.key.verifying())
    }
}

fn is_alive(kind: KeyKind, created_at: UnixMillis, now: UnixMillis, life: KeyLife) -> bool {
    matches!(kind, KeyKind::Static(_)) || created_at.plus(life.lifetime()) >= now
}

//! The engine: the parts it is made of, and what it can be asked. Each request is one file.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::{Clock, SystemClock, UnixMillis};
use crate::config::Config;
use crate::entropy::{Entropy, SystemEntropy};
use crate::id::{AppId, Invalid, SessionHandle, UserId};
use crate::json::JsonObject;
use crate::jws::{Algorithm, KeyError, KeySource, SystemKeySource};
use crate::keys::rings::KeyRings;
use crate::keys::{KeyRing, RingKey};
use crate::storage::{KeyKind, Storage, StorageError};
use crate::token::access::{self, AccessClaims, TokenFormat};
use crate::token::refresh::RefreshToken;
use crate::token::{Hash1, Secret};

mod background;
mod create;
mod data;
mod failure;
mod jwk_set;
mod jwt;
mod payload;
mod refresh;
mod revoke;
mod signature;
mod upkeep;
mod verify;

pub use background::{Chore, KEYS_EVERY, SWEEP_EVERY};
pub use create::Create;
pub use failure::Failure;
pub use jwk_set::JwkSet;
pub use jwt::{CreateJwt, KeySet, PublishedKey};
pub use payload::{Regenerate, Regenerated};
pub use refresh::{KeyChoice, OnReuse, Refresh, RefreshRefused, Refreshed};
#[cfg(feature = "remote")]
pub(crate) use signature::judge;
pub use signature::{Confirmation, SignatureCheck};
pub use upkeep::PublicSigningKey;
#[cfg(feature = "remote")]
pub(crate) use verify::Used;
pub use verify::{AntiCsrf, TryRefresh, Verification, Verified, Verify, VerifyRefused};

/// What an engine is made of. Everything it does not compute by itself comes from here.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Where sessions and keys are kept.
    pub storage: Arc<dyn Storage>,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where randomness comes from.
    pub entropy: Arc<dyn Entropy>,
    /// Where new signing keys come from.
    pub keys: Arc<dyn KeySource>,
}

impl Parts {
    /// The machine's own clock, randomness and keys over `storage`.
    #[must_use]
    pub fn with_storage(storage: impl Storage + 'static) -> Self {
        Self::with_shared_storage(Arc::new(storage))
    }

    /// The same over a storage that is chosen at run time, or that others use as well.
    #[must_use]
    pub fn with_shared_storage(storage: Arc<dyn Storage>) -> Self {
        Self {
            storage,
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            keys: Arc::new(SystemKeySource),
        }
    }
}

/// Makes, checks, renews and ends sessions. Cheap to clone; all clones are one engine. Any number of engines, in any number of
/// processes, work on one store.
#[derive(Debug, Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    parts: Parts,
    config: Config,
    rings: KeyRings,
}

impl Engine {
    /// An engine over `parts`. Its first request reads the app's keys, and makes them if there are none; call
    /// [`Engine::prepare`] to have that done before.
    #[must_use]
    pub fn new(parts: Parts, config: Config) -> Self {
        Self {
            inner: Arc::new(Inner {
                parts,
                config,
                rings: KeyRings::default(),
            }),
        }
    }

    /// What the engine goes by.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.inner.config
    }

    fn storage(&self) -> &dyn Storage {
        &*self.inner.parts.storage
    }

    pub(crate) fn now(&self) -> UnixMillis {
        self.inner.parts.clock.now()
    }

    async fn ring(&self, app: &AppId, need: KeyKind) -> Result<Arc<KeyRing>, Failure> {
        let Inner {
            parts,
            config,
            rings,
        } = &*self.inner;
        rings.ring(parts, app, config.key_life(), need).await
    }

    /// The kind of key that signs access tokens of `format`. Formats that are no JWTs are checked by clients that know RSA only.
    fn key_kind(&self, format: TokenFormat, is_static: bool) -> KeyKind {
        let algorithm = if format.is_jwt() {
            self.config().signing_algorithm()
        } else {
            Algorithm::Rs256
        };
        if is_static {
            KeyKind::Static(algorithm)
        } else {
            KeyKind::Dynamic(algorithm)
        }
    }

    /// When an idle session that is used at `now` ends.
    fn idle_end(&self, now: UnixMillis) -> UnixMillis {
        now.plus(self.inner.config.refresh_token_validity())
    }

    fn mint(
        &self,
        ring: &KeyRing,
        claims: &AccessClaims,
        form: Form,
    ) -> Result<AccessToken, Failure> {
        let signer = self.signer(
            ring,
            self.key_kind(form.format, form.static_key),
            claims.created_at,
        )?;
        Ok(AccessToken {
            token: access::mint(claims, form.format, signer.named())?,
            expires_at: access::rounded(claims.expires_at, form.format),
            created_at: access::rounded(claims.created_at, form.format),
        })
    }

    fn signer<'r>(
        &self,
        ring: &'r KeyRing,
        kind: KeyKind,
        now: UnixMillis,
    ) -> Result<&'r RingKey, Failure> {
        let signer = ring.signer(kind, now, self.config().key_life());
        Ok(signer.ok_or_else(|| KeyError::new("is missing", "none may sign any more"))?)
    }

    /// How long an access token is to live that is made now: as long as was asked for, or as configured and a little less, by
    /// chance, so that clients that came together do not come back together.
    fn access_validity(&self, asked: Option<Duration>) -> Result<Duration, Failure> {
        let (validity, jitter) = (
            self.config().access_token_validity(),
            self.config().access_token_jitter(),
        );
        if let Some(asked) = asked {
            return Ok(asked.min(validity));
        }
        if jitter == 0.0 {
            return Ok(validity);
        }
        let mut random = [0; 4];
        self.inner.parts.entropy.fill(&mut random)?;
        let share = f64::from(u32::from_be_bytes(random)) / f64::from(u32::MAX);
        Ok(validity.mul_f64(1.0 - share * jitter))
    }

    /// Whether `payload` can be said by tokens of `format`, and will be read again.
    pub(crate) fn check_payload(payload: &JsonObject, format: TokenFormat) -> Result<(), Error> {
        if payload.as_str().len() > access::MAX_PAYLOAD {
            let limit = access::MAX_PAYLOAD;
            return Err(Invalid::new(
                "JWT payload",
                format!("must be at most {limit} bytes of JSON"),
            )
            .into());
        }
        if format.allows(payload) {
            Ok(())
        } else {
            Err(Error::ProtectedClaim)
        }
    }
}

/// In what form an access token is made, and by what kind of key.
#[derive(Debug, Clone, Copy)]
struct Form {
    format: TokenFormat,
    static_key: bool,
}

/// A session as its client may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionView {
    /// Its name.
    pub handle: SessionHandle,
    /// Whose it is.
    pub user_id: UserId,
    /// The JWT payload.
    pub jwt_payload: JsonObject,
}

/// An access token, newly made.
#[derive(Debug, Clone)]
pub struct AccessToken {
    /// The token.
    pub token: Secret,
    /// When it ends.
    pub expires_at: UnixMillis,
    /// When it was made.
    pub created_at: UnixMillis,
}

/// All that a client gets at creation and at each refresh.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The session.
    pub session: SessionView,
    /// The access token.
    pub access: AccessToken,
    /// The refresh token, with the anti-CSRF token and what else is derived from it.
    pub refresh: RefreshToken,
    /// When the refresh token ends unless it is used before.
    pub refresh_expires_at: UnixMillis,
    /// When the refresh token was made.
    pub refresh_created_at: UnixMillis,
}

/// The claims of the access token that goes with `refresh`.
fn claims(
    view: &SessionView,
    refresh: &RefreshToken,
    parent_hash: Option<Hash1>,
    created_at: UnixMillis,
    expires_at: UnixMillis,
) -> AccessClaims {
    AccessClaims {
        handle: view.handle.clone(),
        user_id: view.user_id.clone(),
        refresh_hash: refresh.hash(),
        parent_hash,
        payload: view.jwt_payload.clone(),
        anti_csrf: refresh.anti_csrf().cloned(),
        expires_at,
        created_at,
    }
}

/// Why an engine did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request cannot be met as it stands; nothing was written.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The JWT payload has a member that the access token itself needs; nothing was written.
    #[error("JWT payload must not have a member that access tokens need for themselves")]
    ProtectedClaim,
    /// Something that the engine depends on failed. Never a statement about the session.
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl From<StorageError> for Error {
    fn from(error: StorageError) -> Self {
        Self::Failure(error.into())
    }
}

//! JWTs that are no access tokens, and the keys that others verify by.

use std::time::Duration;

use super::{Engine, Failure};
use crate::clock::UnixMillis;
use crate::id::AppId;
use crate::json::JsonObject;
use crate::jws::{Algorithm, Jwk};
use crate::storage::KeyKind;
use crate::token::Secret;
use crate::token::access;

/// What a JWT is to say.
#[derive(Debug, Clone)]
pub struct CreateJwt {
    /// In which app.
    pub app: AppId,
    /// Its members. `iat` and `exp` are the engine's.
    pub payload: JsonObject,
    /// `iss`, if the payload has none.
    pub issuer: String,
    /// How long it is to be good.
    pub validity: Duration,
    /// Whether the app's static key signs; a dynamic one otherwise.
    pub static_key: bool,
}

/// The keys that an app's tokens are verified by.
#[derive(Debug, Clone)]
pub struct KeySet {
    /// Dynamic ones first, newest first.
    pub keys: Vec<PublishedKey>,
    /// How long this can be kept: until the next key is made.
    pub max_age: Duration,
}

/// A key that tokens are verified by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedKey {
    /// What tokens name it by.
    pub id: String,
    /// How it signs.
    pub algorithm: Algorithm,
    /// The key.
    pub jwk: Jwk,
    /// The same, as standard Base64 of its SubjectPublicKeyInfo (DER).
    pub public_key: String,
    /// Whether others take its place after a time.
    pub is_dynamic: bool,
    /// When it was made.
    pub created_at: UnixMillis,
    /// When the last of its tokens has run out; [`UnixMillis::MAX`] for a static key.
    pub expires_at: UnixMillis,
}

impl Engine {
    /// Signs a JWT.
    ///
    /// # Errors
    /// When the store or the keys fail.
    pub async fn create_jwt(&self, ask: &CreateJwt) -> Result<Secret, Failure> {
        let algorithm = Algorithm::Rs256;
        let kind = if ask.static_key {
            KeyKind::Static(algorithm)
        } else {
            KeyKind::Dynamic(algorithm)
        };
        let ring = self.ring(&ask.app, kind).await?;
        let now = self.now();
        let signer = self.signer(&ring, kind, now)?;
        let end = now.plus(ask.validity);
        Ok(access::mint_jwt(
            &ask.payload,
            &ask.issuer,
            now,
            end,
            signer.named(),
        )?)
    }

    /// The keys that tokens may be signed by now, the next ones included. What is missing is made.
    ///
    /// # Errors
    /// When the store or the keys fail.
    pub async fn key_set(&self, app: &AppId) -> Result<KeySet, Failure> {
        let config = self.config();
        let (life, dynamic) = (
            config.key_life(),
            KeyKind::Dynamic(config.signing_algorithm()),
        );
        // Whoever keeps what is published is to know the keys as well that are used now and then only: static ones, and those
        // of RSA, which sign older forms of tokens and other JWTs whatever is set.
        self.ring(app, KeyKind::Static(Algorithm::Rs256)).await?;
        self.ring(app, KeyKind::Static(config.signing_algorithm()))
            .await?;
        self.ring(app, KeyKind::Dynamic(Algorithm::Rs256)).await?;
        let ring = self.ring(app, dynamic).await?;
        let now = self.now();
        let keys: Vec<_> = ring
            .verifiers(now, life)
            .map(|key| PublishedKey {
                id: key.id.clone(),
                algorithm: key.key.algorithm(),
                jwk: key.key.jwk().clone(),
                public_key: key.key.public_key().to_owned(),
                is_dynamic: key.kind.is_dynamic(),
                created_at: key.created_at,
                expires_at: if key.kind.is_dynamic() {
                    key.created_at.plus(life.lifetime())
                } else {
                    UnixMillis::MAX
                },
            })
            .collect();
        // Each algorithm's keys follow each other by themselves: the first of the next ones counts.
        let newest = |of: Algorithm| {
            let dynamic = keys
                .iter()
                .filter(|key| key.is_dynamic && key.algorithm == of);
            dynamic.map(|key| key.created_at).max()
        };
        let first_due = Algorithm::ALL.into_iter().filter_map(newest).min();
        let next_made = first_due
            .unwrap_or(now)
            .plus(life.interval)
            .minus(life.overlap());
        Ok(KeySet {
            keys,
            max_age: next_made.since(now).max(Duration::from_secs(1)),
        })
    }
}

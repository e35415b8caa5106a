//! What has to be done now and then, and what others need to know of the keys.

use std::time::Duration;

use super::{Engine, Failure};
use crate::clock::UnixMillis;
use crate::id::AppId;
use crate::storage::KeyKind;
use crate::token::access::TokenFormat;

/// The public half of the key that signs now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicSigningKey {
    /// Standard Base64 of the SubjectPublicKeyInfo (DER).
    pub public_key: String,
    /// Until when it signs; whoever checks signatures by it should ask again then.
    pub expires_at: UnixMillis,
}

impl Engine {
    /// Reads the app's keys, and makes them if there are none, so that the first request does not have to wait for that.
    ///
    /// # Errors
    /// When the store or the keys fail.
    pub async fn prepare(&self, app: &AppId) -> Result<(), Failure> {
        self.ring(app, KeyKind::Dynamic(self.config().signing_algorithm()))
            .await
            .map(drop)
    }

    /// The RSA key that signs now: the app's static one, or the dynamic one whose turn it is.
    ///
    /// # Errors
    /// When the store or the keys fail.
    pub async fn signing_key(
        &self,
        app: &AppId,
        static_key: bool,
    ) -> Result<PublicSigningKey, Failure> {
        let kind = self.key_kind(TokenFormat::V1, static_key);
        let ring = self.ring(app, kind).await?;
        let now = self.now();
        let signer = self.signer(&ring, kind, now)?;
        Ok(PublicSigningKey {
            public_key: signer.key.public_key().to_owned(),
            expires_at: if static_key {
                now.plus(TEN_YEARS)
            } else {
                signer.created_at.plus(self.config().signing_key_interval())
            },
        })
    }

    /// Makes the next signing key of every app in use when its time comes, and forgets those that verify nothing any more.
    /// Call it every few seconds; requests do without, but then one of them waits for the new key.
    ///
    /// # Errors
    /// When the store or the keys fail.
    pub async fn tend_keys(&self) -> Result<(), Failure> {
        self.inner
            .rings
            .tend(&self.inner.parts, self.config().key_life())
            .await
    }

    /// Forgets up to `limit` ended sessions; answers how many. Fewer than `limit` means that no more are left.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sweep(&self, limit: u32) -> Result<u32, Failure> {
        Ok(self.storage().sweep(self.now(), limit).await?)
    }

    /// Asks the store something, to see that it answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), Failure> {
        Ok(self.storage().ping().await?)
    }

    /// Finishes the writes under way and lets the store go. Requests fail from then on.
    pub async fn close(&self) {
        self.storage().close().await;
    }
}

/// How long clients are told that a static key signs.
const TEN_YEARS: Duration = Duration::from_hours(10 * 365 * 24);

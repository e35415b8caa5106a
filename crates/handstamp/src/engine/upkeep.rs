//! What has to be done now and then, and what others need to know of the keys.

use super::{Engine, Failure};
use crate::clock::UnixMillis;
use crate::id::AppId;
use crate::jws::KeyError;

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
        self.ring(app).await.map(drop)
    }

    /// The key that signs now.
    ///
    /// # Errors
    /// When the store or the keys fail.
    pub async fn signing_key(&self, app: &AppId) -> Result<PublicSigningKey, Failure> {
        let ring = self.ring(app).await?;
        let signer = ring.signer(self.now(), self.config().key_life());
        let signer = signer.ok_or_else(|| KeyError::new("is missing", "none may sign any more"))?;
        Ok(PublicSigningKey {
            public_key: signer.key.public_key().to_owned(),
            expires_at: signer.created_at.plus(self.config().signing_key_interval()),
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

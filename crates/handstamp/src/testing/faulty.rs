//! A store that fails and dawdles by seed.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::clock::UnixMillis;
use crate::id::{AppId, SessionHandle, TenantId, UserId};
use crate::json::JsonObject;
use crate::session::{Session, SessionData};
use crate::storage::{
    Confirm, DataWrite, Guarded, Renewal, Storage, StorageError, StorageFault, StoredKey,
    TenantRecord,
};

/// How often a [`Faulty`] store does what. Rates are in per mille of the steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Faults {
    /// How often a step yields at the most before it, and again after it, so that others come between.
    pub yields: u32,
    /// The step is not done, and fails.
    pub before: u32,
    /// The step is done, and fails all the same; for a write, the outcome is unknown.
    pub after: u32,
}

impl Faults {
    /// No failures; steps of several tasks mix.
    pub const YIELDS: Self = Self {
        yields: 4,
        before: 0,
        after: 0,
    };
}

/// A store whose steps are delayed and fail as a seed says. The order in which the tasks of a current-thread runtime go on is
/// then a function of the seed, too: *deterministic replay proves nothing about races; seeded interleaving does.*
pub struct Faulty<S> {
    inner: S,
    stream: Mutex<ChaCha20Rng>,
    faults: Mutex<Faults>,
    failed: AtomicU32,
}

impl<S: fmt::Debug> fmt::Debug for Faulty<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faulty")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl<S: Storage> Faulty<S> {
    /// `inner`, disturbed as `seed` and `faults` say.
    #[must_use]
    pub fn new(inner: S, seed: u64, faults: Faults) -> Self {
        Self {
            inner,
            stream: ChaCha20Rng::seed_from_u64(seed).into(),
            faults: faults.into(),
            failed: AtomicU32::new(0),
        }
    }

    /// From now on disturbed as `faults` say.
    pub fn set_faults(&self, faults: Faults) {
        *self.faults.lock().unwrap_or_else(PoisonError::into_inner) = faults;
    }

    /// How many steps have failed on purpose.
    pub fn failed(&self) -> u32 {
        self.failed.load(Ordering::SeqCst)
    }

    fn draw(&self, below: u32) -> u32 {
        let drawn = self
            .stream
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .next_u32();
        drawn.checked_rem(below).unwrap_or(0)
    }

    /// Before a step or after it: lets others go first, then fails or does not.
    async fn disturb(&self, rate: impl Fn(Faults) -> u32) -> Result<(), StorageError> {
        let faults = *self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..self.draw(faults.yields.saturating_add(1)) {
            tokio::task::yield_now().await;
        }
        if self.draw(1000) < rate(faults) {
            self.failed.fetch_add(1, Ordering::SeqCst);
            return Err(StorageError::new(
                StorageFault::Unavailable,
                "failed on purpose",
            ));
        }
        Ok(())
    }
}

#[async_trait]
impl<S: Storage> Storage for Faulty<S> {
    async fn insert(
        &self,
        app: &AppId,
        session: &Session,
        data: &JsonObject,
    ) -> Result<Guarded, StorageError> {
        self.disturb(|faults| faults.before).await?;
        let done = self.inner.insert(app, session, data).await?;
        self.disturb(|faults| faults.after)
            .await
            .map_err(StorageError::with_outcome_unknown)?;
        Ok(done)
    }

    async fn session(
        &self,
        app: &AppId,
        handle: &SessionHandle,
    ) -> Result<Option<Session>, StorageError> {
        self.disturb(|faults| faults.before).await?;
        let done = self.inner.session(app, handle).await?;
        self.disturb(|faults| faults.after).await?;
        Ok(done)
    }

    async fn rotate(
        &self,
        app: &AppId,
        handle: &SessionHandle,
        expected: u64,
        next: &Renewal,
    ) -> Result<Guarded, StorageError> {
        self.disturb(|faults| faults.before).await?;
        let done = self.inner.rotate(app, handle, expected, next).await?;
        self.disturb(|faults| faults.after)
            .await
            .map_err(StorageError::with_outcome_unknown)?;
        Ok(done)
    }

    async fn confirm(
        &self,
        app: &AppId,
        handle: &SessionHandle,
        step: Confirm,
    ) -> Result<Option<Session>, StorageError> {
        self.disturb(|faults| faults.before).await?;
        let done = self.inner.confirm(app, handle, step).await?;
        self.disturb(|faults| faults.after)
            .await
            .map_err(StorageError::with_outcome_unknown)?;
        Ok(done)
    }

    async fn session_data(
        &self,
        app: &AppId,
        handle: &SessionHandle,
    ) -> Result<Option<SessionData>, StorageError> {
        self.disturb(|faults| faults.before).await?;
        let done = self.inner.session_data(app, handle).await?;
        self.disturb(|faults| faults.after).await?;
        Ok(done)
    }

    async fn write_session_data(
        &self,
        app: &AppId,
        handle: &SessionHandle,
        data: &JsonObject,
        expected: Option<u64>,
        now: UnixMillis,
    ) -> Result<DataWrite, StorageError> {
        self.disturb(|faults| faults.before).await?;
        let done = self
            .inner
            .write_session_data(app, handle, data, expected, now)
            .await?;
        self.disturb(|faults| faults.after)
            .await
            .map_err(StorageError::with_outcome_unknown)?;
        Ok(done)
    }

    async fn revoke(
        &self,
        app: &AppId,
        handles: &[SessionHandle],
    ) -> Result<Vec<SessionHandle>, StorageError> {
        self.disturb(|faults| faults.before).await?;
        let done = self.inner.revoke(app, handles).await?;
        self.disturb(|faults| faults.after)
            .await
            .map_err(StorageError::with_outcome_unknown)?;
        Ok(done)
    }

    async fn revoke_user(
        &self,
        app: &AppId,
        tenant: Option<&TenantId>,
        user: &UserId,
        now: UnixMillis,
    ) -> Result<Vec<SessionHandle>, StorageError> {
        self.disturb(|faults| faults.before).await?;
        let done = self.inner.revoke_user(app, tenant, user, now).await?;
        self.disturb(|faults| faults.after)
            .await
            .map_err(StorageError::with_outcome_unknown)?;
        Ok(done)
    }

    async fn handles_of_user(
        &self,
        app: &AppId,
        tenant: Option<&TenantId>,
        user: &UserId,
        now: UnixMillis,
    ) -> Result<Vec<SessionHandle>, StorageError> {
        self.disturb(|faults| faults.before).await?;
        let done = self.inner.handles_of_user(app, tenant, user, now).await?;
        self.disturb(|faults| faults.after).await?;
        Ok(done)
    }

    async fn sweep(&self, now: UnixMillis, limit: u32) -> Result<u32, StorageError> {
        self.disturb(|faults| faults.before).await?;
        let done = self.inner.sweep(now, limit).await?;
        self.disturb(|faults| faults.after)
            .await
            .map_err(StorageError::with_outcome_unknown)?;
        Ok(done)
    }

    async fn keys(&self, app: &AppId) -> Result<Vec<StoredKey>, StorageError> {
        self.disturb(|faults| faults.before).await?;
        let done = self.inner.keys(app).await?;
        self.disturb(|faults| faults.after).await?;
        Ok(done)
    }

    async fn add_key(&self, app: &AppId, key: &StoredKey) -> Result<Guarded, StorageError> {
        self.disturb(|faults| faults.before).await?;
        let done = self.inner.add_key(app, key).await?;
        self.disturb(|faults| faults.after)
            .await
            .map_err(StorageError::with_outcome_unknown)?;
        Ok(done)
    }

    async fn retire_keys(
        &self,
        app: &AppId,
        created_before: UnixMillis,
    ) -> Result<u32, StorageError> {
        self.disturb(|faults| faults.before).await?;
        let done = self.inner.retire_keys(app, created_before).await?;
        self.disturb(|faults| faults.after)
            .await
            .map_err(StorageError::with_outcome_unknown)?;
        Ok(done)
    }

    async fn write_jwt_payload(
        &self,
        app: &AppId,
        handle: &SessionHandle,
        payload: &JsonObject,
        now: UnixMillis,
    ) -> Result<bool, StorageError> {
        self.disturb(|faults| faults.before).await?;
        let done = self
            .inner
            .write_jwt_payload(app, handle, payload, now)
            .await?;
        self.disturb(|faults| faults.after)
            .await
            .map_err(StorageError::with_outcome_unknown)?;
        Ok(done)
    }

    async fn put_tenant(
        &self,
        tenant: &TenantRecord,
        before: Option<&JsonObject>,
    ) -> Result<Guarded, StorageError> {
        self.disturb(|faults| faults.before).await?;
        let done = self.inner.put_tenant(tenant, before).await?;
        self.disturb(|faults| faults.after)
            .await
            .map_err(StorageError::with_outcome_unknown)?;
        Ok(done)
    }

    async fn tenants(&self) -> Result<Vec<TenantRecord>, StorageError> {
        self.disturb(|faults| faults.before).await?;
        let done = self.inner.tenants().await?;
        self.disturb(|faults| faults.after).await?;
        Ok(done)
    }

    async fn remove_tenant(&self, app: &AppId, tenant: &TenantId) -> Result<bool, StorageError> {
        self.disturb(|faults| faults.before).await?;
        let done = self.inner.remove_tenant(app, tenant).await?;
        self.disturb(|faults| faults.after)
            .await
            .map_err(StorageError::with_outcome_unknown)?;
        Ok(done)
    }

    async fn remove_app(&self, app: &AppId) -> Result<bool, StorageError> {
        self.disturb(|faults| faults.before).await?;
        let done = self.inner.remove_app(app).await?;
        self.disturb(|faults| faults.after)
            .await
            .map_err(StorageError::with_outcome_unknown)?;
        Ok(done)
    }

    async fn ping(&self) -> Result<(), StorageError> {
        self.disturb(|faults| faults.before).await?;
        self.inner.ping().await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

//! A store that counts.

use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;

use crate::clock::UnixMillis;
use crate::id::{AppId, SessionHandle, TenantId, UserId};
use crate::json::JsonObject;
use crate::rotation::Rotation;
use crate::session::{Session, SessionData};
use crate::storage::{Confirm, DataWrite, Guarded, Storage, StorageError, StoredKey};

/// A store that counts its steps.
#[derive(Debug)]
pub struct Counting<S> {
    inner: S,
    reads: AtomicU64,
    writes: AtomicU64,
}

impl<S: Storage> Counting<S> {
    /// `inner`, counted from zero.
    #[must_use]
    pub fn new(inner: S) -> Self {
        Self {
            inner,
            reads: AtomicU64::new(0),
            writes: AtomicU64::new(0),
        }
    }

    /// How many steps have read, and how many were writes, since this was last asked. A conditional write that wrote nothing
    /// is one all the same.
    pub fn take(&self) -> (u64, u64) {
        (
            self.reads.swap(0, Ordering::SeqCst),
            self.writes.swap(0, Ordering::SeqCst),
        )
    }
}

#[async_trait]
impl<S: Storage> Storage for Counting<S> {
    async fn insert(
        &self,
        app: &AppId,
        session: &Session,
        data: &JsonObject,
    ) -> Result<Guarded, StorageError> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.inner.insert(app, session, data).await
    }

    async fn session(
        &self,
        app: &AppId,
        handle: &SessionHandle,
    ) -> Result<Option<Session>, StorageError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.inner.session(app, handle).await
    }

    async fn rotate(
        &self,
        app: &AppId,
        handle: &SessionHandle,
        expected: u64,
        next: &Rotation,
        expires_at: UnixMillis,
    ) -> Result<Guarded, StorageError> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.inner
            .rotate(app, handle, expected, next, expires_at)
            .await
    }

    async fn confirm(
        &self,
        app: &AppId,
        handle: &SessionHandle,
        step: Confirm,
    ) -> Result<Option<Session>, StorageError> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.inner.confirm(app, handle, step).await
    }

    async fn session_data(
        &self,
        app: &AppId,
        handle: &SessionHandle,
    ) -> Result<Option<SessionData>, StorageError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.inner.session_data(app, handle).await
    }

    async fn write_session_data(
        &self,
        app: &AppId,
        handle: &SessionHandle,
        data: &JsonObject,
        expected: Option<u64>,
        now: UnixMillis,
    ) -> Result<DataWrite, StorageError> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.inner
            .write_session_data(app, handle, data, expected, now)
            .await
    }

    async fn revoke(
        &self,
        app: &AppId,
        handles: &[SessionHandle],
    ) -> Result<Vec<SessionHandle>, StorageError> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.inner.revoke(app, handles).await
    }

    async fn revoke_user(
        &self,
        app: &AppId,
        tenant: Option<&TenantId>,
        user: &UserId,
    ) -> Result<Vec<SessionHandle>, StorageError> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.inner.revoke_user(app, tenant, user).await
    }

    async fn handles_of_user(
        &self,
        app: &AppId,
        tenant: Option<&TenantId>,
        user: &UserId,
        now: UnixMillis,
    ) -> Result<Vec<SessionHandle>, StorageError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.inner.handles_of_user(app, tenant, user, now).await
    }

    async fn sweep(&self, now: UnixMillis, limit: u32) -> Result<u32, StorageError> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.inner.sweep(now, limit).await
    }

    async fn keys(&self, app: &AppId) -> Result<Vec<StoredKey>, StorageError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.inner.keys(app).await
    }

    async fn add_key(&self, app: &AppId, key: &StoredKey) -> Result<Guarded, StorageError> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.inner.add_key(app, key).await
    }

    async fn retire_keys(
        &self,
        app: &AppId,
        created_before: UnixMillis,
    ) -> Result<u32, StorageError> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.inner.retire_keys(app, created_before).await
    }

    async fn ping(&self) -> Result<(), StorageError> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        self.inner.ping().await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

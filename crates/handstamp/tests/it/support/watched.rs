//! A store in memory that writes down what it is asked, and fails when told.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use async_trait::async_trait;
use handstamp::clock::UnixMillis;
use handstamp::session::{Session, SessionData};
use handstamp::storage::memory::MemoryStorage;
use handstamp::storage::{
    Confirm, DataWrite, Guarded, Renewal, Storage, StorageError, StorageFault, StoredKey,
    TenantRecord,
};
use handstamp::{AppId, JsonObject, SessionHandle, TenantId, UserId};

#[derive(Debug, Default)]
pub(crate) struct Watched {
    /// The store itself, for looking at it unseen.
    pub(crate) inner: MemoryStorage,
    calls: Mutex<Vec<&'static str>>,
    fails: AtomicBool,
}

impl Watched {
    /// What was asked since the last look.
    pub(crate) fn calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    /// From now on everything fails, or works again.
    pub(crate) fn fail(&self, fails: bool) {
        self.fails.store(fails, SeqCst);
    }

    async fn asked(&self, what: &'static str) -> Result<&MemoryStorage, StorageError> {
        self.calls.lock().unwrap().push(what);
        // As a database is slower than its callers: others get to ask as well before this is done.
        tokio::task::yield_now().await;
        if self.fails.load(SeqCst) {
            return Err(StorageError::new(StorageFault::Unavailable, "as told"));
        }
        Ok(&self.inner)
    }
}

#[async_trait]
impl Storage for Watched {
    async fn insert(
        &self,
        app: &AppId,
        session: &Session,
        data: &JsonObject,
    ) -> Result<Guarded, StorageError> {
        self.asked("insert").await?.insert(app, session, data).await
    }

    async fn session(
        &self,
        app: &AppId,
        handle: &SessionHandle,
    ) -> Result<Option<Session>, StorageError> {
        self.asked("session").await?.session(app, handle).await
    }

    async fn rotate(
        &self,
        app: &AppId,
        handle: &SessionHandle,
        expected: u64,
        next: &Renewal,
    ) -> Result<Guarded, StorageError> {
        let inner = self.asked("rotate").await?;
        inner.rotate(app, handle, expected, next).await
    }

    async fn confirm(
        &self,
        app: &AppId,
        handle: &SessionHandle,
        step: Confirm,
    ) -> Result<Option<Session>, StorageError> {
        self.asked("confirm")
            .await?
            .confirm(app, handle, step)
            .await
    }

    async fn session_data(
        &self,
        app: &AppId,
        handle: &SessionHandle,
    ) -> Result<Option<SessionData>, StorageError> {
        self.asked("session_data")
            .await?
            .session_data(app, handle)
            .await
    }

    async fn write_session_data(
        &self,
        app: &AppId,
        handle: &SessionHandle,
        data: &JsonObject,
        expected: Option<u64>,
        now: UnixMillis,
    ) -> Result<DataWrite, StorageError> {
        let inner = self.asked("write_session_data").await?;
        inner
            .write_session_data(app, handle, data, expected, now)
            .await
    }

    async fn revoke(
        &self,
        app: &AppId,
        handles: &[SessionHandle],
    ) -> Result<Vec<SessionHandle>, StorageError> {
        self.asked("revoke").await?.revoke(app, handles).await
    }

    async fn revoke_user(
        &self,
        app: &AppId,
        tenant: Option<&TenantId>,
        user: &UserId,
        now: UnixMillis,
    ) -> Result<Vec<SessionHandle>, StorageError> {
        self.asked("revoke_user")
            .await?
            .revoke_user(app, tenant, user, now)
            .await
    }

    async fn handles_of_user(
        &self,
        app: &AppId,
        tenant: Option<&TenantId>,
        user: &UserId,
        now: UnixMillis,
    ) -> Result<Vec<SessionHandle>, StorageError> {
        let inner = self.asked("handles_of_user").await?;
        inner.handles_of_user(app, tenant, user, now).await
    }

    async fn sweep(&self, now: UnixMillis, limit: u32) -> Result<u32, StorageError> {
        self.asked("sweep").await?.sweep(now, limit).await
    }

    async fn keys(&self, app: &AppId) -> Result<Vec<StoredKey>, StorageError> {
        self.asked("keys").await?.keys(app).await
    }

    async fn add_key(&self, app: &AppId, key: &StoredKey) -> Result<Guarded, StorageError> {
        self.asked("add_key").await?.add_key(app, key).await
    }

    async fn retire_keys(
        &self,
        app: &AppId,
        created_before: UnixMillis,
    ) -> Result<u32, StorageError> {
        self.asked("retire_keys")
            .await?
            .retire_keys(app, created_before)
            .await
    }

    async fn write_jwt_payload(
        &self,
        app: &AppId,
        handle: &SessionHandle,
        payload: &JsonObject,
        now: UnixMillis,
    ) -> Result<bool, StorageError> {
        let inner = self.asked("write_jwt_payload").await?;
        inner.write_jwt_payload(app, handle, payload, now).await
    }

    async fn put_tenant(
        &self,
        tenant: &TenantRecord,
        before: Option<&JsonObject>,
    ) -> Result<Guarded, StorageError> {
        self.asked("put_tenant")
            .await?
            .put_tenant(tenant, before)
            .await
    }

    async fn tenants(&self) -> Result<Vec<TenantRecord>, StorageError> {
        self.asked("tenants").await?.tenants().await
    }

    async fn remove_tenant(&self, app: &AppId, tenant: &TenantId) -> Result<bool, StorageError> {
        self.asked("remove_tenant")
            .await?
            .remove_tenant(app, tenant)
            .await
    }

    async fn remove_app(&self, app: &AppId) -> Result<bool, StorageError> {
        self.asked("remove_app").await?.remove_app(app).await
    }

    async fn ping(&self) -> Result<(), StorageError> {
        self.asked("ping").await?.ping().await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

impl Watched {
    /// Takes over the keys of another store, and one session in the state it is given in.
    pub(crate) async fn adopt(&self, other: &Self, session: &Session) {
        for key in other.inner.keys(&AppId::PUBLIC).await.unwrap() {
            let added = self.inner.add_key(&AppId::PUBLIC, &key).await.unwrap();
            assert_eq!(added, Guarded::Written);
        }
        let data = JsonObject::empty();
        let inserted = self.inner.insert(&AppId::PUBLIC, session, &data).await;
        assert_eq!(inserted.unwrap(), Guarded::Written);
    }
}

//! Sessions in memory: the model the other stores are held against, for tests and for processes whose sessions may go with them.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::{
    Confirm, DataWrite, Guarded, Renewal, Storage, StorageError, StorageFault, StoredKey,
    TenantRecord,
};
use crate::clock::UnixMillis;
use crate::id::{AppId, SessionHandle, TenantId, UserId};
use crate::json::JsonObject;
use crate::rotation;
use crate::session::{Session, SessionData};

/// A [`Storage`] that forgets everything when it goes.
#[derive(Debug, Default)]
pub struct MemoryStorage(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    sessions: HashMap<(AppId, SessionHandle), Row>,
    keys: HashMap<AppId, Vec<StoredKey>>,
    tenants: HashMap<(AppId, TenantId), TenantRecord>,
    closed: bool,
}

#[derive(Debug)]
struct Row {
    session: Session,
    data: JsonObject,
    version: u64,
}

impl MemoryStorage {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> Result<MutexGuard<'_, State>, StorageError> {
        // Each step below leaves the state whole even if it panics, so a poisoned lock is no reason to stop.
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            Err(StorageError::new(StorageFault::Closed, "memory"))
        } else {
            Ok(state)
        }
    }
}

impl State {
    fn row(&mut self, app: &AppId, handle: &SessionHandle) -> Option<&mut Row> {
        self.sessions.get_mut(&(app.clone(), handle.clone()))
    }

    fn handles(
        &self,
        app: &AppId,
        tenant: Option<&TenantId>,
        matches: impl Fn(&Session) -> bool,
    ) -> Vec<SessionHandle> {
        let in_scope = |of: &AppId, handle: &SessionHandle| {
            of == app && tenant.is_none_or(|tenant| handle.tenant() == tenant)
        };
        let rows = self
            .sessions
            .iter()
            .filter(|((of, handle), row)| in_scope(of, handle) && matches(&row.session));
        rows.map(|((_, handle), _)| handle.clone()).collect()
    }

    fn forget(&mut self, app: &AppId, handles: &[SessionHandle]) -> Vec<SessionHandle> {
        let mut forget = |handle: &&SessionHandle| {
            self.sessions
                .remove(&(app.clone(), (*handle).clone()))
                .is_some()
        };
        handles
            .iter()
            .filter(|handle| forget(handle))
            .cloned()
            .collect()
    }
}

#[async_trait]
impl Storage for MemoryStorage {
    async fn insert(
        &self,
        app: &AppId,
        session: &Session,
        data: &JsonObject,
    ) -> Result<Guarded, StorageError> {
        use std::collections::hash_map::Entry;
        match self
            .state()?
            .sessions
            .entry((app.clone(), session.handle.clone()))
        {
            Entry::Occupied(_) => Ok(Guarded::Lost),
            Entry::Vacant(place) => {
                place.insert(Row {
                    session: session.clone(),
                    data: data.clone(),
                    version: 1,
                });
                Ok(Guarded::Written)
            }
        }
    }

    async fn session(
        &self,
        app: &AppId,
        handle: &SessionHandle,
    ) -> Result<Option<Session>, StorageError> {
        Ok(self
            .state()?
            .row(app, handle)
            .map(|row| row.session.clone()))
    }

    async fn rotate(
        &self,
        app: &AppId,
        handle: &SessionHandle,
        expected: u64,
        next: &Renewal,
    ) -> Result<Guarded, StorageError> {
        match self.state()?.row(app, handle) {
            Some(row) if row.session.rotation.counter == expected => {
                row.session.rotation = next.rotation.clone();
                row.session.expires_at = next.expires_at;
                row.session.static_key = next.static_key;
                Ok(Guarded::Written)
            }
            _ => Ok(Guarded::Lost),
        }
    }

    async fn confirm(
        &self,
        app: &AppId,
        handle: &SessionHandle,
        step: Confirm,
    ) -> Result<Option<Session>, StorageError> {
        let mut state = self.state()?;
        let Some(row) = state
            .row(app, handle)
            .filter(|row| row.session.is_alive(step.now))
        else {
            return Ok(None);
        };
        let Some(next) =
            rotation::confirm(&row.session.rotation, step.child, step.parent, step.now)
        else {
            return Ok(None);
        };
        row.session.rotation = next;
        row.session.expires_at = step.expires_at.min(row.session.ends_at);
        Ok(Some(row.session.clone()))
    }

    async fn session_data(
        &self,
        app: &AppId,
        handle: &SessionHandle,
    ) -> Result<Option<SessionData>, StorageError> {
        Ok(self.state()?.row(app, handle).map(|row| SessionData {
            data: row.data.clone(),
            version: row.version,
            expires_at: row.session.expires_at,
        }))
    }

    async fn write_session_data(
        &self,
        app: &AppId,
        handle: &SessionHandle,
        data: &JsonObject,
        expected: Option<u64>,
        now: UnixMillis,
    ) -> Result<DataWrite, StorageError> {
        let mut state = self.state()?;
        let Some(row) = state
            .row(app, handle)
            .filter(|row| row.session.is_alive(now))
        else {
            return Ok(DataWrite::Missing);
        };
        if expected.is_some_and(|expected| expected != row.version) {
            return Ok(DataWrite::Conflict);
        }
        row.data = data.clone();
        row.version += 1;
        Ok(DataWrite::Written(row.version))
    }

    async fn write_jwt_payload(
        &self,
        app: &AppId,
        handle: &SessionHandle,
        payload: &JsonObject,
        now: UnixMillis,
    ) -> Result<bool, StorageError> {
        let mut state = self.state()?;
        let row = state
            .row(app, handle)
            .filter(|row| row.session.is_alive(now));
        Ok(row
            .map(|row| row.session.jwt_payload = payload.clone())
            .is_some())
    }

    async fn revoke(
        &self,
        app: &AppId,
        handles: &[SessionHandle],
    ) -> Result<Vec<SessionHandle>, StorageError> {
        Ok(self.state()?.forget(app, handles))
    }

    async fn revoke_user(
        &self,
        app: &AppId,
        tenant: Option<&TenantId>,
        user: &UserId,
        now: UnixMillis,
    ) -> Result<Vec<SessionHandle>, StorageError> {
        let mut state = self.state()?;
        let of_user = |session: &Session| session.user_id == *user;
        let alive = state.handles(app, tenant, |one| of_user(one) && one.is_alive(now));
        let all = state.handles(app, tenant, of_user);
        state.forget(app, &all);
        Ok(alive)
    }

    async fn handles_of_user(
        &self,
        app: &AppId,
        tenant: Option<&TenantId>,
        user: &UserId,
        now: UnixMillis,
    ) -> Result<Vec<SessionHandle>, StorageError> {
        Ok(self.state()?.handles(app, tenant, |session| {
            session.user_id == *user && session.is_alive(now)
        }))
    }

    async fn sweep(&self, now: UnixMillis, limit: u32) -> Result<u32, StorageError> {
        let mut state = self.state()?;
        let ended = state
            .sessions
            .iter()
            .filter(|(_, row)| !row.session.is_alive(now))
            .map(|(key, _)| key.clone());
        let ended: Vec<_> = ended
            .take(usize::try_from(limit).unwrap_or(usize::MAX))
            .collect();
        for key in &ended {
            state.sessions.remove(key);
        }
        Ok(u32::try_from(ended.len()).unwrap_or(limit))
    }

    async fn keys(&self, app: &AppId) -> Result<Vec<StoredKey>, StorageError> {
        Ok(self.state()?.keys.get(app).cloned().unwrap_or_default())
    }

    async fn add_key(&self, app: &AppId, key: &StoredKey) -> Result<Guarded, StorageError> {
        let mut state = self.state()?;
        let keys = state.keys.entry(app.clone()).or_default();
        if keys
            .iter()
            .any(|held| held.kind == key.kind && held.generation == key.generation)
        {
            return Ok(Guarded::Lost);
        }
        keys.push(key.clone());
        Ok(Guarded::Written)
    }

    async fn retire_keys(
        &self,
        app: &AppId,
        created_before: UnixMillis,
    ) -> Result<u32, StorageError> {
        let mut state = self.state()?;
        let keys = state.keys.entry(app.clone()).or_default();
        let newest = |kind, keys: &[StoredKey]| {
            keys.iter()
                .filter(|key| key.kind == kind)
                .map(|key| key.generation)
                .max()
        };
        let before = keys.len();
        let all = keys.clone();
        keys.retain(|key| {
            !key.kind.is_dynamic()
                || key.created_at >= created_before
                || Some(key.generation) == newest(key.kind, &all)
        });
        Ok(u32::try_from(before - keys.len()).unwrap_or(u32::MAX))
    }

    async fn put_tenant(
        &self,
        tenant: &TenantRecord,
        before: Option<&JsonObject>,
    ) -> Result<Guarded, StorageError> {
        use std::collections::hash_map::Entry;
        let mut state = self.state()?;
        let name = (tenant.app.clone(), tenant.tenant.clone());
        match (state.tenants.entry(name), before) {
            (Entry::Occupied(mut held), Some(before)) if held.get().config == *before => {
                held.get_mut().config = tenant.config.clone();
            }
            (Entry::Vacant(place), None) => {
                place.insert(tenant.clone());
            }
            (Entry::Occupied(_), _) | (Entry::Vacant(_), Some(_)) => return Ok(Guarded::Lost),
        }
        Ok(Guarded::Written)
    }

    async fn tenants(&self) -> Result<Vec<TenantRecord>, StorageError> {
        Ok(self.state()?.tenants.values().cloned().collect())
    }

    async fn remove_tenant(&self, app: &AppId, tenant: &TenantId) -> Result<bool, StorageError> {
        let mut state = self.state()?;
        state
            .sessions
            .retain(|(of, handle), _| of != app || handle.tenant() != tenant);
        Ok(state
            .tenants
            .remove(&(app.clone(), tenant.clone()))
            .is_some())
    }

    async fn remove_app(&self, app: &AppId) -> Result<bool, StorageError> {
        let mut state = self.state()?;
        state.sessions.retain(|(of, _), _| of != app);
        state.keys.remove(app);
        let was_there = state.tenants.contains_key(&(app.clone(), TenantId::PUBLIC));
        state.tenants.retain(|(of, _), _| of != app);
        Ok(was_there)
    }

    async fn ping(&self) -> Result<(), StorageError> {
        self.state().map(drop)
    }

    async fn close(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
    }
}

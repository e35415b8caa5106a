//! Sessions in one file, by SQLite.
//!
//! One thread writes and takes the writes that are waiting into one transaction; a few others read. Every answer comes after
//! the commit. Several processes may have the same file open, on one machine.
//!
//! `rusqlite` is accepted in a range of versions, because a program can hold one SQLite only.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_channel::Sender;
use async_trait::async_trait;
use tokio::sync::{Mutex, oneshot};

use self::statements::Statements;
use self::threads::{Read, Thread};
use self::writer::{Job, stopped};
use super::{
    Confirm, DataWrite, Guarded, Renewal, Storage, StorageError, StorageFault, StoredKey,
    TenantRecord,
};
use crate::clock::UnixMillis;
use crate::id::{AppId, SessionHandle, TenantId, UserId};
use crate::json::JsonObject;
use crate::session::{Session, SessionData};

mod registry;
mod rows;
mod schema;
mod statements;
mod steps;
mod threads;
mod writer;

#[cfg(test)]
mod tests;

/// How [`SqliteStorage`] uses its file.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SqliteOptions {
    /// What an answer promises. Default [`Synchronous::Full`].
    pub synchronous: Synchronous,
    /// How many threads read; at least one does. Default 2.
    pub readers: usize,
    /// How long to wait for another process that holds the file's lock, before the write fails with [`StorageFault::Busy`].
    /// Default 5 s.
    pub busy_timeout: Duration,
    /// How large the file may become, the log beside it not counted, before writes fail with [`StorageFault::Full`].
    /// Default: as large as the disk allows.
    pub max_bytes: Option<u64>,
}

/// What the answer to a write promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Synchronous {
    /// The write survives a power cut: the disk has confirmed it.
    Full,
    /// The write survives the end of the process, but the last ones before a power cut or a crash of the operating system may
    /// be undone. Sessions that were handed out are then unknown, revoked ones are back, and a client whose last refresh is
    /// undone holds a token that the store has not heard of. The file stays sound. Faster on slow disks only: with many
    /// writes at once they share one confirmation anyway.
    Normal,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            synchronous: Synchronous::Full,
            readers: 2,
            busy_timeout: Duration::from_secs(5),
            max_bytes: None,
        }
    }
}

/// A [`Storage`] in one file.
pub struct SqliteStorage {
    path: PathBuf,
    writes: Sender<Box<dyn Job>>,
    reads: Sender<Read>,
    threads: Mutex<Vec<Thread>>,
}

impl SqliteStorage {
    /// Opens the file at `path`, or makes it, readable for its owner only. Waits for the disk, and for other processes that
    /// are doing the same.
    ///
    /// # Errors
    /// When that fails, or the file is not one of ours, or was written by a newer version.
    pub fn open(path: &Path) -> Result<Self, StorageError> {
        Self::open_with(path, &SqliteOptions::default())
    }

    /// The same, otherwise than by default.
    ///
    /// # Errors
    /// See [`SqliteStorage::open`].
    pub fn open_with(path: &Path, options: &SqliteOptions) -> Result<Self, StorageError> {
        let path = schema::whole_path(path)?;
        let connection = schema::open_writer(&path, options)?;
        let (writes, queue) = async_channel::bounded(WRITES);
        let serve = move |connection: &_| writer::serve(connection, &queue);
        let mut threads = vec![Thread::start("handstamp-write", connection, serve)?];

        let (reads, queue) = async_channel::bounded::<Read>(READS);
        for _ in 0..options.readers.max(1) {
            let queue = queue.clone();
            let connection = schema::open_reader(&path, options)?;
            let serve = move |connection: &_| threads::serve_reads(connection, &queue);
            threads.push(Thread::start("handstamp-read", connection, serve)?);
        }
        Ok(Self {
            path,
            writes,
            reads,
            threads: Mutex::new(threads),
        })
    }

    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Statements<'_>) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let (job, outcome) = writer::job(work);
        self.writes.send(job).await.map_err(|_| closed())?;
        outcome.await.unwrap_or_else(|_| Err(stopped()))
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Statements<'_>) -> Result<T, StorageError> + Send + 'static,
    ) -> Result<T, StorageError> {
        let (caller, outcome) = oneshot::channel();
        let read: Read = Box::new(move |db| drop(caller.send(work(db))));
        self.reads.send(read).await.map_err(|_| closed())?;
        outcome.await.unwrap_or_else(|_| {
            let why = "the read stopped half-way";
            Err(StorageError::new(StorageFault::Other, why))
        })
    }
}

impl fmt::Debug for SqliteStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStorage")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Storage for SqliteStorage {
    async fn insert(
        &self,
        app: &AppId,
        session: &Session,
        data: &JsonObject,
    ) -> Result<Guarded, StorageError> {
        let (app, session, data) = (app.clone(), session.clone(), data.clone());
        self.write(move |db| steps::insert(db, &app, &session, &data))
            .await
    }

    async fn session(
        &self,
        app: &AppId,
        handle: &SessionHandle,
    ) -> Result<Option<Session>, StorageError> {
        let (app, handle) = (app.clone(), handle.clone());
        self.read(move |db| steps::session(db, &app, &handle)).await
    }

    async fn rotate(
        &self,
        app: &AppId,
        handle: &SessionHandle,
        expected: u64,
        next: &Renewal,
    ) -> Result<Guarded, StorageError> {
        let (app, handle, next) = (app.clone(), handle.clone(), next.clone());
        self.write(move |db| steps::rotate(db, &app, &handle, expected, &next))
            .await
    }

    async fn confirm(
        &self,
        app: &AppId,
        handle: &SessionHandle,
        step: Confirm,
    ) -> Result<Option<Session>, StorageError> {
        let (app, handle) = (app.clone(), handle.clone());
        self.write(move |db| steps::confirm(db, &app, &handle, step))
            .await
    }

    async fn session_data(
        &self,
        app: &AppId,
        handle: &SessionHandle,
    ) -> Result<Option<SessionData>, StorageError> {
        let (app, handle) = (app.clone(), handle.clone());
        self.read(move |db| steps::session_data(db, &app, &handle))
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
        let (app, handle, data) = (app.clone(), handle.clone(), data.clone());
        self.write(move |db| steps::write_session_data(db, &app, &handle, &data, expected, now))
            .await
    }

    async fn revoke(
        &self,
        app: &AppId,
        handles: &[SessionHandle],
    ) -> Result<Vec<SessionHandle>, StorageError> {
        let (app, handles) = (app.clone(), handles.to_vec());
        self.write(move |db| steps::revoke(db, &app, handles)).await
    }

    async fn revoke_user(
        &self,
        app: &AppId,
        tenant: Option<&TenantId>,
        user: &UserId,
        now: UnixMillis,
    ) -> Result<Vec<SessionHandle>, StorageError> {
        let (app, tenant, user) = (app.clone(), tenant.cloned(), user.clone());
        self.write(move |db| steps::revoke_user(db, &app, tenant.as_ref(), &user, now))
            .await
    }

    async fn handles_of_user(
        &self,
        app: &AppId,
        tenant: Option<&TenantId>,
        user: &UserId,
        now: UnixMillis,
    ) -> Result<Vec<SessionHandle>, StorageError> {
        let (app, tenant, user) = (app.clone(), tenant.cloned(), user.clone());
        self.read(move |db| steps::handles_of_user(db, &app, tenant.as_ref(), &user, now))
            .await
    }

    async fn sweep(&self, now: UnixMillis, limit: u32) -> Result<u32, StorageError> {
        self.write(move |db| steps::sweep(db, now, limit)).await
    }

    async fn keys(&self, app: &AppId) -> Result<Vec<StoredKey>, StorageError> {
        let app = app.clone();
        self.read(move |db| registry::keys(db, &app)).await
    }

    async fn add_key(&self, app: &AppId, key: &StoredKey) -> Result<Guarded, StorageError> {
        let (app, key) = (app.clone(), key.clone());
        self.write(move |db| registry::add_key(db, &app, &key))
            .await
    }

    async fn retire_keys(
        &self,
        app: &AppId,
        created_before: UnixMillis,
    ) -> Result<u32, StorageError> {
        let app = app.clone();
        self.write(move |db| registry::retire_keys(db, &app, created_before))
            .await
    }

    async fn write_jwt_payload(
        &self,
        app: &AppId,
        handle: &SessionHandle,
        payload: &JsonObject,
        now: UnixMillis,
    ) -> Result<bool, StorageError> {
        let (app, handle, payload) = (app.clone(), handle.clone(), payload.clone());
        self.write(move |db| steps::write_jwt_payload(db, &app, &handle, &payload, now))
            .await
    }

    async fn put_tenant(
        &self,
        tenant: &TenantRecord,
        before: Option<&JsonObject>,
    ) -> Result<Guarded, StorageError> {
        let (tenant, before) = (tenant.clone(), before.cloned());
        self.write(move |db| registry::put_tenant(db, &tenant, before.as_ref()))
            .await
    }

    async fn tenants(&self) -> Result<Vec<TenantRecord>, StorageError> {
        self.read(registry::tenants).await
    }

    async fn remove_tenant(&self, app: &AppId, tenant: &TenantId) -> Result<bool, StorageError> {
        let (app, tenant) = (app.clone(), tenant.clone());
        self.write(move |db| registry::remove_tenant(db, &app, &tenant))
            .await
    }

    async fn remove_app(&self, app: &AppId) -> Result<bool, StorageError> {
        let app = app.clone();
        self.write(move |db| registry::remove_app(db, &app)).await
    }

    async fn ping(&self) -> Result<(), StorageError> {
        self.read(steps::ping).await
    }

    async fn close(&self) {
        // What is queued is still served; then the threads end.
        self.writes.close();
        self.reads.close();
        let mut threads = self.threads.lock().await;
        while let Some(thread) = threads.last_mut() {
            thread.ended().await;
            if let Some(thread) = threads.pop() {
                thread.join();
            }
        }
    }
}

fn closed() -> StorageError {
    StorageError::new(StorageFault::Closed, "SQLite")
}

/// How many writes wait at the most; more wait for a place.
const WRITES: usize = 1024;
/// How many reads wait at the most.
const READS: usize = 256;

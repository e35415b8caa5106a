//! Sessions in PostgreSQL, for any number of servers on one database. Version 12 or newer.
//!
//! Each step is one statement, and so one round trip and one transaction. Concurrent steps of one kind go together in one
//! statement over arrays, which saves most of the round trips and most of the waiting for the disk; each caller gets the outcome
//! of its own. No step needs more than `READ COMMITTED`, a sequence, an advisory lock or a listening connection. A pooler that works
//! by transaction has to keep track of prepared statements.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use self::batches::{
    Confirmation, Insert, ReadData, ReadSession, Revoke, Rotate, Rotated, WriteData, WritePayload,
};
use self::database::Database;
use super::coalesce::{Bounds, Coalescer, Place, closed};
use super::work::{NewData, NewPayload};
use super::{Confirm, DataWrite, Guarded, Renewal, Storage, StorageError, StoredKey, TenantRecord};
use crate::clock::UnixMillis;
use crate::id::{AppId, SessionHandle, TenantId, UserId};
use crate::json::JsonObject;
use crate::session::{Session, SessionData};

mod address;
mod batches;
mod database;
mod failures;
mod hosts;
mod registry;
mod schema;
mod steps;
mod uuids;

/// How [`PostgresStorage`] uses its database.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PostgresOptions {
    /// How many connections there are at the most; at least one. Few are enough, because steps share statements. Default 8.
    pub max_connections: u32,
    /// How long a step waits for a connection, to a server that may come back meanwhile. Default 5 s.
    pub acquire_timeout: Duration,
    /// How long a statement may take before the server gives up; `None` leaves that, and what is said to the planner, to the
    /// server's own settings, for a pooler that takes none. Default 10 s.
    pub statement_timeout: Option<Duration>,
    /// How many statements of one kind are under way at the most; at least one. Default 2.
    pub lanes: usize,
    /// How many steps share a statement at the most; at least one. Default 128.
    pub batch: usize,
    /// The schema that the tables are in; made if it is missing. The address may name it, too. Default: the first of the
    /// connection's `search_path`.
    pub schema: Option<String>,
    /// Whether a schema that is missing or older is brought up to date; it is refused otherwise. Default `true`.
    pub auto_migrate: bool,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self {
            max_connections: 8,
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Some(Duration::from_secs(10)),
            lanes: 2,
            batch: 128,
            schema: None,
            auto_migrate: true,
        }
    }
}

/// A [`Storage`] in a PostgreSQL database.
pub struct PostgresStorage {
    place: String,
    database: Database,
    inserts: Coalescer<Insert>,
    rotations: Coalescer<Rotate>,
    confirmations: Coalescer<Confirmation>,
    data_writes: Coalescer<WriteData>,
    payload_writes: Coalescer<WritePayload>,
    revocations: Coalescer<Revoke>,
    sessions: Coalescer<ReadSession>,
    data: Coalescer<ReadData>,
}

impl PostgresStorage {
    /// Connects to the database at `url`, `postgres://USER:PASSWORD@HOST:PORT/DATABASE?NAME=VALUE`, and looks at its schema.
    ///
    /// Among the names are `sslmode`, `sslrootcert`, `application_name`, `options` and our own `schema`, which goes before that
    /// of `options`. A host that begins with `%2F`, or `?host=/FOLDER`, is a folder with a socket.
    ///
    /// There may be several hosts, `HOST:PORT,HOST:PORT`, of which the one is used that takes writes, now and after each
    /// failover; `target_session_attrs` may be `read-write` (which several hosts imply), `primary` or `any`.
    ///
    /// Its steps are done by tasks of the runtime that this is called in.
    ///
    /// # Errors
    /// When that fails, or the schema is not ours, or was made by a newer version.
    pub async fn connect(url: &str, options: &PostgresOptions) -> Result<Self, StorageError> {
        let mut options = options.clone();
        let hosts = address::parse(url, &mut options)?;
        let place = hosts.to_string();
        schema::prepare(&hosts, &options).await?;

        let database = Database::new(hosts, &options)?;
        let bounds = Bounds {
            lanes: options.lanes,
            batch: options.batch,
            waiting: WAITING,
        };
        Ok(Self {
            place,
            inserts: Coalescer::start(Insert(database.clone()), bounds),
            rotations: Coalescer::start(Rotate(database.clone()), bounds),
            confirmations: Coalescer::start(Confirmation(database.clone()), bounds),
            data_writes: Coalescer::start(WriteData(database.clone()), bounds),
            payload_writes: Coalescer::start(WritePayload(database.clone()), bounds),
            revocations: Coalescer::start(Revoke(database.clone()), bounds),
            sessions: Coalescer::start(ReadSession(database.clone()), bounds),
            data: Coalescer::start(ReadData(database.clone()), bounds),
            database,
        })
    }

    /// Brings the schema in the database at `url` up to date, and does nothing else.
    ///
    /// # Errors
    /// When that fails, or the schema was made by a newer version.
    pub async fn migrate(url: &str, options: &PostgresOptions) -> Result<(), StorageError> {
        let mut options = options.clone();
        options.auto_migrate = true;
        let hosts = address::parse(url, &mut options)?;
        schema::prepare(&hosts, &options).await
    }
}

impl fmt::Debug for PostgresStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStorage")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Storage for PostgresStorage {
    async fn insert(
        &self,
        app: &AppId,
        session: &Session,
        data: &JsonObject,
    ) -> Result<Guarded, StorageError> {
        let place = Place::new(app, &session.handle);
        let work = (session.clone(), data.clone());
        self.inserts.take(place, work).await
    }

    async fn session(
        &self,
        app: &AppId,
        handle: &SessionHandle,
    ) -> Result<Option<Session>, StorageError> {
        let read = self.sessions.take(Place::new(app, handle), ());
        read.await?.transpose()
    }

    async fn rotate(
        &self,
        app: &AppId,
        handle: &SessionHandle,
        expected: u64,
        next: &Renewal,
    ) -> Result<Guarded, StorageError> {
        let work = Rotated {
            expected,
            next: next.clone(),
        };
        self.rotations.take(Place::new(app, handle), work).await
    }

    async fn confirm(
        &self,
        app: &AppId,
        handle: &SessionHandle,
        step: Confirm,
    ) -> Result<Option<Session>, StorageError> {
        let confirmed = self.confirmations.take(Place::new(app, handle), step);
        confirmed.await?.transpose()
    }

    async fn session_data(
        &self,
        app: &AppId,
        handle: &SessionHandle,
    ) -> Result<Option<SessionData>, StorageError> {
        let read = self.data.take(Place::new(app, handle), ());
        read.await?.transpose()
    }

    async fn write_session_data(
        &self,
        app: &AppId,
        handle: &SessionHandle,
        data: &JsonObject,
        expected: Option<u64>,
        now: UnixMillis,
    ) -> Result<DataWrite, StorageError> {
        let work = NewData {
            data: data.clone(),
            expected,
            now,
        };
        let written = self.data_writes.take(Place::new(app, handle), work);
        written.await?.unwrap_or(Ok(DataWrite::Missing))
    }

    async fn revoke(
        &self,
        app: &AppId,
        handles: &[SessionHandle],
    ) -> Result<Vec<SessionHandle>, StorageError> {
        self.revocations.take_all(app, handles).await
    }

    async fn revoke_user(
        &self,
        app: &AppId,
        tenant: Option<&TenantId>,
        user: &UserId,
        now: UnixMillis,
    ) -> Result<Vec<SessionHandle>, StorageError> {
        steps::revoke_user(&self.database, app, tenant, user, now).await
    }

    async fn handles_of_user(
        &self,
        app: &AppId,
        tenant: Option<&TenantId>,
        user: &UserId,
        now: UnixMillis,
    ) -> Result<Vec<SessionHandle>, StorageError> {
        steps::handles_of_user(&self.database, app, tenant, user, now).await
    }

    async fn sweep(&self, now: UnixMillis, limit: u32) -> Result<u32, StorageError> {
        if self.database.is_closed() {
            return Err(closed());
        }
        steps::sweep(&self.database, now, limit).await
    }

    async fn keys(&self, app: &AppId) -> Result<Vec<StoredKey>, StorageError> {
        registry::keys(&self.database, app).await
    }

    async fn add_key(&self, app: &AppId, key: &StoredKey) -> Result<Guarded, StorageError> {
        registry::add_key(&self.database, app, key).await
    }

    async fn retire_keys(
        &self,
        app: &AppId,
        created_before: UnixMillis,
    ) -> Result<u32, StorageError> {
        registry::retire_keys(&self.database, app, created_before).await
    }

    async fn write_jwt_payload(
        &self,
        app: &AppId,
        handle: &SessionHandle,
        payload: &JsonObject,
        now: UnixMillis,
    ) -> Result<bool, StorageError> {
        let work = NewPayload {
            payload: payload.clone(),
            now,
        };
        self.payload_writes
            .take(Place::new(app, handle), work)
            .await
    }

    async fn put_tenant(
        &self,
        tenant: &TenantRecord,
        before: Option<&JsonObject>,
    ) -> Result<Guarded, StorageError> {
        registry::put_tenant(&self.database, tenant, before).await
    }

    async fn tenants(&self) -> Result<Vec<TenantRecord>, StorageError> {
        registry::tenants(&self.database).await
    }

    async fn remove_tenant(&self, app: &AppId, tenant: &TenantId) -> Result<bool, StorageError> {
        registry::remove_tenant(&self.database, app, tenant).await
    }

    async fn remove_app(&self, app: &AppId) -> Result<bool, StorageError> {
        registry::remove_app(&self.database, app).await
    }

    async fn ping(&self) -> Result<(), StorageError> {
        steps::ping(&self.database).await
    }

    async fn close(&self) {
        // What was taken is still done; then the connections go.
        self.inserts.close().await;
        self.rotations.close().await;
        self.confirmations.close().await;
        self.data_writes.close().await;
        self.payload_writes.close().await;
        self.revocations.close().await;
        self.sessions.close().await;
        self.data.close().await;
        self.database.close().await;
    }
}

/// How many steps wait in a lane at the most; more wait for a place.
const WAITING: usize = 512;

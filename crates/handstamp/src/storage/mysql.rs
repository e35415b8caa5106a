//! Sessions in MySQL or MariaDB, for any number of servers on one database. MySQL 8.0.16 or MariaDB 10.6, or newer.
//!
//! A step that comes alone is one statement where that can be: its guard is in the WHERE, and the number of rows that were found says
//! whether it held. Concurrent steps of one kind go together in one statement, or in one transaction of few statements. There is
//! nothing in it that only one of the two databases knows, no sequence, and nothing that needs more than `READ COMMITTED`.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use self::batches::{Insert, ReadData, ReadSession};
use self::data::WriteData;
use self::database::Database;
use self::payloads::WritePayload;
use self::revocations::Revoke;
use self::rotations::{Rotate, Rotated};
use super::coalesce::{Bounds, Coalescer, Place, closed};
use super::work::{NewData, NewPayload};
use super::{
    Confirm, DataWrite, Guarded, Renewal, Storage, StorageError, StorageFault, StoredKey,
    TenantRecord,
};
use crate::clock::UnixMillis;
use crate::id::{AppId, SessionHandle, TenantId, UserId};
use crate::json::JsonObject;
use crate::rotation;
use crate::session::{Session, SessionData};

mod address;
mod asked;
mod batches;
mod data;
mod database;
mod failures;
mod payloads;
mod registry;
mod revocations;
mod rotations;
mod schema;
mod steps;

/// How [`MySqlStorage`] uses its database.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MySqlOptions {
    /// How many connections there are at the most; at least one. Few are enough, because steps share statements. Default 8.
    pub max_connections: u32,
    /// How long a step waits for a connection. Default 5 s.
    pub acquire_timeout: Duration,
    /// How long a statement may take before the server gives up; `None` leaves that to the server's own settings. MySQL, unlike
    /// MariaDB, knows such a limit for reading and for waiting behind others only. Default 10 s.
    pub statement_timeout: Option<Duration>,
    /// How many statements of one kind are under way at the most; at least one. Default 2.
    pub lanes: usize,
    /// How many steps share a statement at the most; at least one. Default 128.
    pub batch: usize,
    /// Whether a schema that is missing or older is brought up to date; it is refused otherwise. Default `true`.
    pub auto_migrate: bool,
}

impl Default for MySqlOptions {
    fn default() -> Self {
        Self {
            max_connections: 8,
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Some(Duration::from_secs(10)),
            lanes: 2,
            batch: 128,
            auto_migrate: true,
        }
    }
}

/// A [`Storage`] in a MySQL or MariaDB database.
pub struct MySqlStorage {
    place: String,
    database: Database,
    inserts: Coalescer<Insert>,
    rotations: Coalescer<Rotate>,
    data_writes: Coalescer<WriteData>,
    payload_writes: Coalescer<WritePayload>,
    revocations: Coalescer<Revoke>,
    sessions: Coalescer<ReadSession>,
    data: Coalescer<ReadData>,
}

impl MySqlStorage {
    /// Connects to the database at `url`, `mysql://USER:PASSWORD@HOST:PORT/DATABASE?NAME=VALUE`, and looks at its schema. The
    /// database has to be there.
    ///
    /// Among the names are `ssl-mode` (`DISABLED`, `PREFERRED`, `REQUIRED`, `VERIFY_CA`, `VERIFY_IDENTITY`), `ssl-ca` and `socket`.
    /// `mariadb://` means the same.
    ///
    /// Its steps are done by tasks of the runtime that this is called in.
    ///
    /// # Errors
    /// When that fails, or the schema is not ours, or was made by a newer version.
    pub async fn connect(url: &str, options: &MySqlOptions) -> Result<Self, StorageError> {
        let connect = address::parse(url)?;
        let place = address::place(&connect);
        let server = schema::prepare(&connect, &place, options).await?;

        let database = Database::new(connect, options, server.most_bytes)?;
        let bounds = Bounds {
            lanes: options.lanes,
            batch: options.batch,
            waiting: WAITING,
        };
        Ok(Self {
            place,
            inserts: Coalescer::start(Insert(database.clone()), bounds),
            rotations: Coalescer::start(Rotate(database.clone()), bounds),
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
    pub async fn migrate(url: &str, options: &MySqlOptions) -> Result<(), StorageError> {
        let mut options = options.clone();
        options.auto_migrate = true;
        let connect = address::parse(url)?;
        schema::prepare(&connect, &address::place(&connect), &options)
            .await
            .map(drop)
    }

    /// Refuses what the server would hang up at.
    fn fits(&self, bytes: usize) -> Result<(), StorageError> {
        if bytes <= self.database.most_bytes {
            return Ok(());
        }
        let why = "the server's max_allowed_packet is too small for this value";
        Err(StorageError::new(StorageFault::Other, why))
    }
}

impl fmt::Debug for MySqlStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MySqlStorage")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Storage for MySqlStorage {
    async fn insert(
        &self,
        app: &AppId,
        session: &Session,
        data: &JsonObject,
    ) -> Result<Guarded, StorageError> {
        let bytes = session.jwt_payload.as_str().len();
        self.fits(bytes.saturating_add(data.as_str().len()))?;
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
        let read = read.await?.transpose()?;
        Ok(read.map(|(session, _)| session))
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
            payload_version: None,
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
        let place = Place::new(app, handle);
        // It has to answer the session, which no UPDATE does: so it reads it, and writes if it still is as it was read.
        for _ in 0..CONFIRM_ATTEMPTS {
            let read = self.sessions.take(place.clone(), ()).await?.transpose()?;
            let Some((mut session, payload_version)) = read else {
                return Ok(None);
            };
            let confirmed = rotation::confirm(&session.rotation, step.child, step.parent, step.now);
            let Some(rotation) = confirmed.filter(|_| session.is_alive(step.now)) else {
                return Ok(None);
            };
            let next = Renewal {
                rotation,
                expires_at: step.expires_at.min(session.ends_at),
                static_key: session.static_key,
            };
            let work = Rotated {
                expected: session.rotation.counter,
                payload_version: Some(payload_version),
                next: next.clone(),
            };
            if self.rotations.take(place.clone(), work).await? == Guarded::Written {
                session.rotation = next.rotation;
                session.expires_at = next.expires_at;
                return Ok(Some(session));
            }
        }
        let why = "others change the same session all the time";
        Err(StorageError::new(StorageFault::Busy, why))
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
        self.fits(data.as_str().len())?;
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
        // Those that are there now: whoever signs in meanwhile has come after it.
        let found = steps::of_user(&self.database, app, tenant, user, None).await?;
        let all: Vec<_> = found.iter().map(|(handle, _)| handle.clone()).collect();
        let mut revoked = self.revocations.take_all(app, &all).await?;
        let ended = found
            .into_iter()
            .filter(|(_, expires_at)| *expires_at <= now);
        let ended: HashSet<_> = ended.map(|(handle, _)| handle).collect();
        revoked.retain(|handle| !ended.contains(handle));
        Ok(revoked)
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
        self.fits(payload.as_str().len())?;
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
/// How often a confirmation reads again because another write came between. Each time somebody has got further.
const CONFIRM_ATTEMPTS: u32 = 100;

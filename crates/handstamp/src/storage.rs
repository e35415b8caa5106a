//! The contract between the engine and a database.

use std::fmt;

use async_trait::async_trait;
use zeroize::Zeroizing;

use crate::clock::UnixMillis;
use crate::id::{AppId, SessionHandle, TenantId, UserId};
use crate::json::JsonObject;
use crate::jws::Algorithm;
use crate::rotation::Rotation;
use crate::session::{Session, SessionData};
use crate::token::Hash2;

#[cfg(any(feature = "mysql", feature = "postgres"))]
mod coalesce;
#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
pub mod memory;
#[cfg(feature = "mysql")]
pub mod mysql;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod parameters;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod pool;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod rows;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod versions;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod work;

pub use error::{StorageError, StorageFault};

/// A place where sessions and keys are kept.
///
/// Each method is **one atomic step**, and what it answers is durable when it answers. A write that depends on what was read
/// carries what it depends on and answers [`Guarded::Lost`] when that has changed; the caller reads again and decides again.
/// Time is an argument: a database's own clock is never asked. Absence is an answer, not an error. Apps do not see each other;
/// a handle names its tenant, so tenants do not either.
///
/// To add a database, implement this and pass [`conformance`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no store of sessions",
    label = "does not implement `Storage`",
    note = "a store is opened first: `SqliteStorage::open(path)`, `PostgresStorage::connect(url, &options)`, `MemoryStorage::new()`"
)]
#[async_trait]
pub trait Storage: Send + Sync + fmt::Debug {
    /// Keeps a new session. An existing one of the same handle is left as it is: [`Guarded::Lost`].
    async fn insert(
        &self,
        app: &AppId,
        session: &Session,
        data: &JsonObject,
    ) -> Result<Guarded, StorageError>;

    /// The session, ended or not, as long as it has not been revoked or swept.
    async fn session(
        &self,
        app: &AppId,
        handle: &SessionHandle,
    ) -> Result<Option<Session>, StorageError>;

    /// Replaces what a refresh changes in a session, if its rotation counter still is `expected`. The new end is not after the
    /// session's absolute one; a store may refuse it if it is.
    async fn rotate(
        &self,
        app: &AppId,
        handle: &SessionHandle,
        expected: u64,
        next: &Renewal,
    ) -> Result<Guarded, StorageError>;

    /// Does what [`crate::rotation::confirm`] says, if the session is alive and it says anything, and moves the session's end
    /// to `step.expires_at` or its absolute end. Answers the session as it is then; `None` if nothing was done.
    async fn confirm(
        &self,
        app: &AppId,
        handle: &SessionHandle,
        step: Confirm,
    ) -> Result<Option<Session>, StorageError>;

    /// The session's data, with the session's end.
    async fn session_data(
        &self,
        app: &AppId,
        handle: &SessionHandle,
    ) -> Result<Option<SessionData>, StorageError>;

    /// Overwrites the data of a session that is alive at `now`; with `expected`, only if that is its version.
    async fn write_session_data(
        &self,
        app: &AppId,
        handle: &SessionHandle,
        data: &JsonObject,
        expected: Option<u64>,
        now: UnixMillis,
    ) -> Result<DataWrite, StorageError>;

    /// Overwrites the JWT payload of a session that is alive at `now`; answers whether there was one.
    async fn write_jwt_payload(
        &self,
        app: &AppId,
        handle: &SessionHandle,
        payload: &JsonObject,
        now: UnixMillis,
    ) -> Result<bool, StorageError>;

    /// Forgets sessions; answers those that were there.
    async fn revoke(
        &self,
        app: &AppId,
        handles: &[SessionHandle],
    ) -> Result<Vec<SessionHandle>, StorageError>;

    /// Forgets all sessions of a user, in one tenant or in all; answers those that were alive at `now`. Those that had ended go as
    /// well, and nobody is told of them.
    async fn revoke_user(
        &self,
        app: &AppId,
        tenant: Option<&TenantId>,
        user: &UserId,
        now: UnixMillis,
    ) -> Result<Vec<SessionHandle>, StorageError>;

    /// The user's sessions that are alive at `now`, in one tenant or in all, in no particular order.
    async fn handles_of_user(
        &self,
        app: &AppId,
        tenant: Option<&TenantId>,
        user: &UserId,
        now: UnixMillis,
    ) -> Result<Vec<SessionHandle>, StorageError>;

    /// Forgets up to `limit` sessions of all apps that have ended by `now`. Fewer than `limit` means that no more are left but such
    /// as others are at work with at the moment, which are for the next time.
    async fn sweep(&self, now: UnixMillis, limit: u32) -> Result<u32, StorageError>;

    /// The app's keys, in no particular order.
    async fn keys(&self, app: &AppId) -> Result<Vec<StoredKey>, StorageError>;

    /// Keeps a new key. One of the same kind and generation is left as it is: [`Guarded::Lost`]. That is how servers that
    /// start at the same moment agree.
    async fn add_key(&self, app: &AppId, key: &StoredKey) -> Result<Guarded, StorageError>;

    /// Forgets the app's dynamic keys made before `created_before`, but never the one of the highest generation of its kind;
    /// answers how many.
    async fn retire_keys(
        &self,
        app: &AppId,
        created_before: UnixMillis,
    ) -> Result<u32, StorageError>;

    /// Keeps a new tenant of an app, or with `before` overwrites its configuration if it still is that: [`Guarded::Lost`] if
    /// there is one already, or it is another. An app is there when its tenant `public` is; nothing else asks for either.
    async fn put_tenant(
        &self,
        tenant: &TenantRecord,
        before: Option<&JsonObject>,
    ) -> Result<Guarded, StorageError>;

    /// The tenants of all apps, in no particular order.
    async fn tenants(&self) -> Result<Vec<TenantRecord>, StorageError>;

    /// Forgets a tenant with its sessions; answers whether it was there. Those may go some at a time before it does: after a failure
    /// it may be there with fewer of them, and is to be removed again.
    async fn remove_tenant(&self, app: &AppId, tenant: &TenantId) -> Result<bool, StorageError>;

    /// Forgets an app with its tenants, sessions and keys; answers whether it was there. The sessions may go as those of a tenant do.
    async fn remove_app(&self, app: &AppId) -> Result<bool, StorageError>;

    /// Reads something, to see that the database answers.
    async fn ping(&self) -> Result<(), StorageError>;

    /// Finishes the writes under way and lets the database go. Later calls fail.
    async fn close(&self);
}

/// What became of a conditional write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Guarded {
    /// It is done, and durable.
    Written,
    /// Somebody was there first; nothing was written.
    Lost,
}

/// What a refresh changes in a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Renewal {
    /// Its refresh tokens.
    pub rotation: Rotation,
    /// When it ends unless it is used before.
    pub expires_at: UnixMillis,
    /// See [`Session::static_key`].
    pub static_key: bool,
}

/// A tenant of an app, as stores keep it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantRecord {
    /// The app.
    pub app: AppId,
    /// The tenant; `public` stands for the app itself.
    pub tenant: TenantId,
    /// When it was first kept.
    pub created_at: UnixMillis,
    /// Whatever was said of it.
    pub config: JsonObject,
}

/// What became of a write of session data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum DataWrite {
    /// It is done, and durable; the data has this version now.
    Written(u64),
    /// The data has another version than the one expected; nothing was written.
    Conflict,
    /// There is no such session that is alive.
    Missing,
}

/// The confirmation of a refresh token by the use of its access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confirm {
    /// The token that turned out to be in use.
    pub child: Hash2,
    /// The token it was made from.
    pub parent: Hash2,
    /// When.
    pub now: UnixMillis,
    /// The session's new end.
    pub expires_at: UnixMillis,
}

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyKind {
    /// Signs access tokens; followed by another after a time. PKCS#8 DER.
    Dynamic(Algorithm),
    /// Signs access tokens for ever. PKCS#8 DER.
    Static(Algorithm),
    /// Makes and opens refresh tokens. 32 bytes.
    Refresh,
}

impl KeyKind {
    /// All of them, with the names that stores use.
    const NAMES: [(Self, &'static str); 7] = [
        (Self::Dynamic(Algorithm::Rs256), "dynamic-rs256"),
        (Self::Dynamic(Algorithm::Es256), "dynamic-es256"),
        (Self::Dynamic(Algorithm::EdDsa), "dynamic-eddsa"),
        (Self::Static(Algorithm::Rs256), "static-rs256"),
        (Self::Static(Algorithm::Es256), "static-es256"),
        (Self::Static(Algorithm::EdDsa), "static-eddsa"),
        (Self::Refresh, "refresh"),
    ];

    /// The name that stores use.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::NAMES
            .iter()
            .find(|(kind, _)| *kind == self)
            .map_or("", |(_, name)| name)
    }

    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES
            .iter()
            .find(|(_, known)| *known == name)
            .map(|(kind, _)| *kind)
    }

    /// How a key of this kind signs, if it does.
    #[must_use]
    pub const fn algorithm(self) -> Option<Algorithm> {
        match self {
            Self::Dynamic(algorithm) | Self::Static(algorithm) => Some(algorithm),
            Self::Refresh => None,
        }
    }

    /// Whether others take its place after a time.
    #[must_use]
    pub const fn is_dynamic(self) -> bool {
        matches!(self, Self::Dynamic(_))
    }
}

/// A key as stores keep it.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredKey {
    /// What it is for.
    pub kind: KeyKind,
    /// 1 for the first of its kind; each successor counts one up.
    pub generation: u32,
    /// When it was made.
    pub created_at: UnixMillis,
    /// The secret.
    pub material: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for StoredKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredKey")
            .field("kind", &self.kind)
            .field("generation", &self.generation)
            .field("created_at", &self.created_at)
            .finish_non_exhaustive()
    }
}

//! The contract between the engine and a database.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

use async_trait::async_trait;
use zeroize::Zeroizing;

use crate::clock::UnixMillis;
use crate::id::{AppId, SessionHandle, TenantId, UserId};
use crate::json::JsonObject;
use crate::rotation::Rotation;
use crate::session::{Session, SessionData};
use crate::token::Hash2;

#[cfg(feature = "postgres")]
mod coalesce;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod memory;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "sqlite")]
pub mod sqlite;

/// A place where sessions and keys are kept.
///
/// Each method is **one atomic step**, and what it answers is durable when it answers. A write that depends on what was read
/// carries what it depends on and answers [`Guarded::Lost`] when that has changed; the caller reads again and decides again.
/// Time is an argument: a database's own clock is never asked. Absence is an answer, not an error. Apps do not see each other;
/// a handle names its tenant, so tenants do not either.
///
/// To add a database, implement this and pass [`conformance`].
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

    /// Replaces the session's rotation record and its end, if its counter still is `expected`. The new end is not later than
    /// the session's absolute one; a store may refuse it otherwise.
    async fn rotate(
        &self,
        app: &AppId,
        handle: &SessionHandle,
        expected: u64,
        next: &Rotation,
        expires_at: UnixMillis,
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

    /// Forgets sessions; answers those that were there.
    async fn revoke(
        &self,
        app: &AppId,
        handles: &[SessionHandle],
    ) -> Result<Vec<SessionHandle>, StorageError>;

    /// Forgets all sessions of a user, in one tenant or in all; answers those that were there.
    async fn revoke_user(
        &self,
        app: &AppId,
        tenant: Option<&TenantId>,
        user: &UserId,
    ) -> Result<Vec<SessionHandle>, StorageError>;

    /// The user's sessions that are alive at `now`, in one tenant or in all, in no particular order.
    async fn handles_of_user(
        &self,
        app: &AppId,
        tenant: Option<&TenantId>,
        user: &UserId,
        now: UnixMillis,
    ) -> Result<Vec<SessionHandle>, StorageError>;

    /// Forgets up to `limit` sessions of all apps that have ended by `now`. Fewer than `limit` means that no more are left.
    async fn sweep(&self, now: UnixMillis, limit: u32) -> Result<u32, StorageError>;

    /// The app's keys, in no particular order.
    async fn keys(&self, app: &AppId) -> Result<Vec<StoredKey>, StorageError>;

    /// Keeps a new key. One of the same kind and generation is left as it is: [`Guarded::Lost`]. That is how servers that
    /// start at the same moment agree.
    async fn add_key(&self, app: &AppId, key: &StoredKey) -> Result<Guarded, StorageError>;

    /// Forgets the app's signing keys made before `created_before`, but never the newest one; answers how many.
    async fn retire_keys(
        &self,
        app: &AppId,
        created_before: UnixMillis,
    ) -> Result<u32, StorageError>;

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
    Signing,
    /// Makes and opens refresh tokens. 32 bytes.
    Refresh,
}

impl KeyKind {
    /// The name that stores use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Signing => "signing",
            Self::Refresh => "refresh",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Signing, Self::Refresh]
            .into_iter()
            .find(|kind| kind.as_str() == name)
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

/// A database did not do its part. Says whether the write may have happened all the same, and whether trying again makes sense.
#[derive(Debug)]
pub struct StorageError {
    fault: StorageFault,
    outcome_unknown: bool,
    detail: Cow<'static, str>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// The kinds of [`StorageError`], as far as an operator acts on them differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StorageFault {
    /// Not reached, or lost on the way.
    Unavailable,
    /// Held up by others for too long.
    Busy,
    /// No space left.
    Full,
    /// Not to be written to.
    ReadOnly,
    /// What is stored contradicts itself or the schema.
    Inconsistent,
    /// Not one of ours, or of a version that is not known here.
    Unsuitable,
    /// The store has been closed.
    Closed,
    /// Anything else.
    Other,
}

impl StorageError {
    /// A fault that left nothing written.
    #[must_use]
    pub fn new(fault: StorageFault, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            fault,
            outcome_unknown: false,
            detail: detail.into(),
            source: None,
        }
    }

    /// A stored value that cannot be: `place` is `table.column`.
    #[must_use]
    pub fn inconsistent(place: &'static str, why: impl fmt::Display) -> Self {
        Self::new(StorageFault::Inconsistent, format!("{place}: {why}"))
    }

    /// The same, with its cause.
    #[must_use]
    pub fn because(self, source: impl StdError + Send + Sync + 'static) -> Self {
        Self {
            source: Some(Box::new(source)),
            ..self
        }
    }

    /// The same, but the write may have happened.
    #[must_use]
    pub fn with_outcome_unknown(self) -> Self {
        Self {
            outcome_unknown: true,
            ..self
        }
    }

    /// What kind of fault it is.
    #[must_use]
    pub fn fault(&self) -> StorageFault {
        self.fault
    }

    /// Whether the write may have happened although it was not acknowledged.
    #[must_use]
    pub fn is_outcome_unknown(&self) -> bool {
        self.outcome_unknown
    }

    /// Whether the same call may succeed later without anybody mending anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self.fault, StorageFault::Unavailable | StorageFault::Busy)
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fault = match self.fault {
            StorageFault::Unavailable => "the database is not available",
            StorageFault::Busy => "the database is busy",
            StorageFault::Full => "the database has no space left",
            StorageFault::ReadOnly => "the database is read-only",
            StorageFault::Inconsistent => "the database contradicts itself",
            StorageFault::Unsuitable => "the database cannot be used",
            StorageFault::Closed => "the database has been closed",
            StorageFault::Other => "the database failed",
        };
        write!(f, "{fault}: {}", self.detail)?;
        if self.outcome_unknown {
            f.write_str(" (the write may have happened)")?;
        }
        Ok(())
    }
}

impl StdError for StorageError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match &self.source {
            Some(source) => Some(&**source),
            None => None,
        }
    }
}

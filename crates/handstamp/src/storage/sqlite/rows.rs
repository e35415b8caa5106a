//! Rows, and what they mean. What a row contradicts itself in is named by table and column, never by value.

use rusqlite::Row;
use rusqlite::types::FromSql;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::clock::UnixMillis;
use crate::id::{AppId, SessionHandle, TenantId, UserId};
use crate::json::JsonObject;
use crate::rotation::{Child, Current, Previous, Rotation};
use crate::session::{Session, SessionData};
use crate::storage::{KeyKind, StorageError, StoredKey, TenantRecord};
use crate::token::{Hash2, Nonce};

/// The columns that [`session`] reads, in its order.
macro_rules! session_columns {
    () => {
        "tenant, handle, user_id, jwt_payload, created_at, expires_at, ends_at, static_key, current_hash, \
         current_nonce, child_hash, child_nonce, child_given_at, previous_hash, \
         previous_superseded_at, counter"
    };
}
pub(super) use session_columns;

pub(super) fn session(row: &Row<'_>) -> Result<Session, StorageError> {
    let mut columns = Columns::of(row);
    Ok(Session {
        handle: columns.handle()?,
        user_id: UserId::parse(&columns.text("sessions.user_id")?)
            .map_err(|why| StorageError::inconsistent("sessions.user_id", why))?,
        jwt_payload: columns.object("sessions.jwt_payload")?,
        created_at: columns.time("sessions.created_at")?,
        expires_at: columns.time("sessions.expires_at")?,
        ends_at: columns.time("sessions.ends_at")?,
        static_key: columns.next("sessions.static_key")?,
        rotation: columns.rotation()?,
    })
}

/// `tenant, handle`
pub(super) fn handle(row: &Row<'_>) -> Result<SessionHandle, StorageError> {
    Columns::of(row).handle()
}

/// `tenant, handle, expires_at`
pub(super) fn handle_and_end(row: &Row<'_>) -> Result<(SessionHandle, UnixMillis), StorageError> {
    let mut columns = Columns::of(row);
    Ok((columns.handle()?, columns.time("sessions.expires_at")?))
}

/// `expires_at, version, data`; the last two are null if their row is missing.
pub(super) fn session_data(row: &Row<'_>) -> Result<SessionData, StorageError> {
    let mut columns = Columns::of(row);
    let expires_at = columns.time("sessions.expires_at")?;
    let version = columns.data_version()?;
    Ok(SessionData {
        data: columns.object("session_data.data")?,
        version,
        expires_at,
    })
}

/// `app, tenant, created_at, config`
pub(super) fn tenant(row: &Row<'_>) -> Result<TenantRecord, StorageError> {
    let mut columns = Columns::of(row);
    Ok(TenantRecord {
        app: AppId::parse(&columns.text("tenants.app")?)
            .map_err(|why| StorageError::inconsistent("tenants.app", why))?,
        tenant: TenantId::parse(&columns.text("tenants.tenant")?)
            .map_err(|why| StorageError::inconsistent("tenants.tenant", why))?,
        created_at: columns.time("tenants.created_at")?,
        config: columns.object("tenants.config")?,
    })
}

/// `kind, generation, created_at, material`
pub(super) fn key(row: &Row<'_>) -> Result<StoredKey, StorageError> {
    let mut columns = Columns::of(row);
    let kind = KeyKind::from_name(&columns.text("keys.kind")?)
        .ok_or_else(|| StorageError::inconsistent("keys.kind", "is not a kind of key"))?;
    let generation = columns.next::<i64>("keys.generation")?;
    Ok(StoredKey {
        kind,
        generation: u32::try_from(generation)
            .map_err(|_| StorageError::inconsistent("keys.generation", OUT_OF_RANGE))?,
        created_at: columns.time("keys.created_at")?,
        material: Zeroizing::new(columns.next("keys.material")?),
    })
}

/// `id, version`; the latter is null if the data's row is missing.
pub(super) fn data_version(row: &Row<'_>) -> Result<(i64, u64), StorageError> {
    let mut columns = Columns::of(row);
    Ok((columns.next("sessions.id")?, columns.data_version()?))
}

/// A number of ours for a column. What is too large is negative there, which no column holds.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(-1)
}

fn unsigned(place: &'static str, number: i64) -> Result<u64, StorageError> {
    u64::try_from(number).map_err(|_| StorageError::inconsistent(place, OUT_OF_RANGE))
}

/// Takes the columns of a row one after the other.
struct Columns<'r, 's> {
    row: &'r Row<'s>,
    next: usize,
}

impl<'r, 's> Columns<'r, 's> {
    fn of(row: &'r Row<'s>) -> Self {
        Self { row, next: 0 }
    }

    fn next<T: FromSql>(&mut self, place: &'static str) -> Result<T, StorageError> {
        let index = self.next;
        self.next += 1;
        self.row
            .get(index)
            .map_err(|why| StorageError::inconsistent(place, "is of another type").because(why))
    }

    fn text(&mut self, place: &'static str) -> Result<Box<str>, StorageError> {
        self.next(place)
    }

    fn object(&mut self, place: &'static str) -> Result<JsonObject, StorageError> {
        JsonObject::parse(&self.text(place)?).map_err(|why| StorageError::inconsistent(place, why))
    }

    fn time(&mut self, place: &'static str) -> Result<UnixMillis, StorageError> {
        self.next(place).map(UnixMillis::new)
    }

    fn bytes<const N: usize>(
        &mut self,
        place: &'static str,
    ) -> Result<Option<[u8; N]>, StorageError> {
        let bytes = self.next::<Option<Vec<u8>>>(place)?;
        let sized = bytes.map(<[u8; N]>::try_from).transpose();
        sized.map_err(|_| StorageError::inconsistent(place, "is of another length"))
    }

    fn handle(&mut self) -> Result<SessionHandle, StorageError> {
        let tenant = TenantId::parse(&self.text("sessions.tenant")?)
            .map_err(|why| StorageError::inconsistent("sessions.tenant", why))?;
        let id = present("sessions.handle", self.bytes("sessions.handle")?)?;
        Ok(SessionHandle::new(tenant, Uuid::from_bytes(id)))
    }

    fn data_version(&mut self) -> Result<u64, StorageError> {
        let version = self.next("session_data.version")?;
        unsigned(
            "session_data.version",
            present("session_data.session_id", version)?,
        )
    }

    fn rotation(&mut self) -> Result<Rotation, StorageError> {
        let hash = self.bytes("sessions.current_hash")?;
        let current = Current {
            hash: Hash2::from_bytes(present("sessions.current_hash", hash)?),
            nonce: self.bytes("sessions.current_nonce")?.map(Nonce::from_bytes),
        };
        Ok(Rotation {
            current,
            child: self.child()?,
            previous: self.previous()?,
            counter: unsigned("sessions.counter", self.next("sessions.counter")?)?,
        })
    }

    fn child(&mut self) -> Result<Option<Child>, StorageError> {
        let hash = self.bytes("sessions.child_hash")?;
        let nonce = self.bytes("sessions.child_nonce")?;
        let given_at = self.next::<Option<i64>>("sessions.child_given_at")?;
        match (hash, nonce, given_at) {
            (None, None, None) => Ok(None),
            (Some(hash), Some(nonce), Some(given_at)) => Ok(Some(Child {
                hash: Hash2::from_bytes(hash),
                nonce: Nonce::from_bytes(nonce),
                given_at: UnixMillis::new(given_at),
            })),
            _ => Err(StorageError::inconsistent("sessions.child_hash", HALF)),
        }
    }

    fn previous(&mut self) -> Result<Option<Previous>, StorageError> {
        let hash = self.bytes("sessions.previous_hash")?;
        let superseded_at = self.next::<Option<i64>>("sessions.previous_superseded_at")?;
        match (hash, superseded_at) {
            (None, None) => Ok(None),
            (Some(hash), Some(superseded_at)) => Ok(Some(Previous {
                hash: Hash2::from_bytes(hash),
                superseded_at: UnixMillis::new(superseded_at),
            })),
            _ => Err(StorageError::inconsistent("sessions.previous_hash", HALF)),
        }
    }
}

fn present<T>(place: &'static str, value: Option<T>) -> Result<T, StorageError> {
    value.ok_or_else(|| StorageError::inconsistent(place, "is missing"))
}

const OUT_OF_RANGE: &str = "is out of range";
const HALF: &str = "is there without what belongs to it, or the other way round";

//! Rows, and what they mean. What a row contradicts itself in is named by table and column, never by value.

use std::collections::HashSet;

use sqlx::postgres::PgRow;
use sqlx::{Decode, Postgres, Row, Type};
use zeroize::Zeroizing;

use super::uuids::Id;
use crate::clock::UnixMillis;
use crate::id::{AppId, SessionHandle, TenantId, UserId};
use crate::json::JsonObject;
use crate::rotation::{Child, Current, Previous, Rotation};
use crate::session::{Session, SessionData};
use crate::storage::coalesce::Failed;
use crate::storage::{DataWrite, KeyKind, StorageError, StorageFault, StoredKey, TenantRecord};
use crate::token::{Hash2, Nonce};

/// The columns that [`session`] reads, in its order, of the table that goes by `s`.
macro_rules! session_columns {
    () => {
        "s.tenant, s.handle, s.user_id, s.jwt_payload, s.created_at, s.expires_at, s.ends_at, \
         s.static_key, s.current_hash, s.current_nonce, s.child_hash, s.child_nonce, s.child_given_at, \
         s.previous_hash, s.previous_superseded_at, s.counter"
    };
}
pub(super) use session_columns;

/// What a row that was read means: each its own failure.
pub(super) type Meaning<T> = Result<T, StorageError>;

pub(super) fn session(columns: &mut Columns<'_>) -> Meaning<Session> {
    Ok(Session {
        handle: columns.handle()?,
        user_id: UserId::parse(columns.text("handstamp_sessions.user_id")?)
            .map_err(|why| StorageError::inconsistent("handstamp_sessions.user_id", why))?,
        jwt_payload: columns.json("handstamp_sessions.jwt_payload")?,
        created_at: columns.time("handstamp_sessions.created_at")?,
        expires_at: columns.time("handstamp_sessions.expires_at")?,
        ends_at: columns.time("handstamp_sessions.ends_at")?,
        static_key: columns.next("handstamp_sessions.static_key")?,
        rotation: columns.rotation()?,
    })
}

/// `tenant, handle`
pub(super) fn handle(row: &PgRow) -> Meaning<SessionHandle> {
    Columns::of(row).handle()
}

/// `expires_at, data_version, data`
pub(super) fn session_data(columns: &mut Columns<'_>) -> Meaning<SessionData> {
    let expires_at = columns.time("handstamp_sessions.expires_at")?;
    let version = columns.unsigned("handstamp_sessions.data_version")?;
    Ok(SessionData {
        data: columns.json("handstamp_sessions.data")?,
        version,
        expires_at,
    })
}

/// The new `data_version`, if it was written.
pub(super) fn data_write(columns: &mut Columns<'_>) -> Meaning<DataWrite> {
    let place = "handstamp_sessions.data_version";
    match columns.next::<Option<i64>>(place)? {
        Some(version) => Ok(DataWrite::Written(unsigned(place, version)?)),
        None => Ok(DataWrite::Conflict),
    }
}

/// `app, tenant, created_at, config`
pub(super) fn tenant(row: &PgRow) -> Meaning<TenantRecord> {
    let mut columns = Columns::of(row);
    Ok(TenantRecord {
        app: AppId::parse(columns.text("handstamp_tenants.app")?)
            .map_err(|why| StorageError::inconsistent("handstamp_tenants.app", why))?,
        tenant: TenantId::parse(columns.text("handstamp_tenants.tenant")?)
            .map_err(|why| StorageError::inconsistent("handstamp_tenants.tenant", why))?,
        created_at: columns.time("handstamp_tenants.created_at")?,
        config: columns.json("handstamp_tenants.config")?,
    })
}

/// The truth in the only row.
pub(super) fn flag(rows: &[PgRow]) -> Meaning<bool> {
    let row = rows.first();
    let mut columns = Columns::of(row.ok_or_else(|| StorageError::inconsistent("flag", MISSING))?);
    columns.next("flag")
}

/// `kind, generation, created_at, material`
pub(super) fn key(row: &PgRow) -> Meaning<StoredKey> {
    let mut columns = Columns::of(row);
    let kind = KeyKind::from_name(columns.text("handstamp_keys.kind")?)
        .ok_or_else(|| StorageError::inconsistent("handstamp_keys.kind", "is not a kind of key"))?;
    let generation = columns.next::<i64>("handstamp_keys.generation")?;
    Ok(StoredKey {
        kind,
        generation: u32::try_from(generation)
            .map_err(|_| StorageError::inconsistent("handstamp_keys.generation", OUT_OF_RANGE))?,
        created_at: columns.time("handstamp_keys.created_at")?,
        material: Zeroizing::new(columns.next("handstamp_keys.material")?),
    })
}

/// The numbers in the only row.
pub(super) fn counts(rows: &[PgRow]) -> Meaning<(u32, u32)> {
    let row = rows.first();
    let mut columns = Columns::of(row.ok_or_else(|| StorageError::inconsistent("count", MISSING))?);
    let mut count = || {
        let count = columns.next::<i64>("count")?;
        u32::try_from(count).map_err(|_| StorageError::inconsistent("count", OUT_OF_RANGE))
    };
    Ok((count()?, count()?))
}

/// A number of ours for a column. What is too large is negative there, which no column holds.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(-1)
}

fn unsigned(place: &'static str, number: i64) -> Meaning<u64> {
    u64::try_from(number).map_err(|_| StorageError::inconsistent(place, OUT_OF_RANGE))
}

/// Puts what rows mean to where they were asked for: their first column says which of `asked` they belong to, from 1.
pub(super) fn in_order<T>(
    rows: &[PgRow],
    asked: usize,
    read: impl Fn(&mut Columns<'_>) -> Meaning<T>,
) -> Result<Vec<Option<Meaning<T>>>, Failed> {
    let mut answers: Vec<_> = (0..asked).map(|_| None).collect();
    for row in rows {
        let mut columns = Columns::of(row);
        let number = columns.next::<i64>("ordinality").unwrap_or(0);
        let number = usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX);
        match answers.get_mut(number) {
            Some(answer) => *answer = Some(read(&mut columns)),
            None => return Err(astray()),
        }
    }
    Ok(answers)
}

/// `app, tenant, handle` of each row.
pub(super) fn places(rows: &[PgRow]) -> Result<HashSet<(&str, &str, Id)>, Failed> {
    let place = |row| {
        let mut columns = Columns::of(row);
        let app = columns.text("handstamp_sessions.app")?;
        let tenant = columns.text("handstamp_sessions.tenant")?;
        Ok((app, tenant, columns.next("handstamp_sessions.handle")?))
    };
    let places: Meaning<_> = rows.iter().map(place).collect();
    places.map_err(|_| astray())
}

/// An answer that nobody asked for.
fn astray() -> Failed {
    Failed {
        fault: StorageFault::Other,
        outcome_unknown: true,
        detail: "PostgreSQL answers what was not asked".into(),
        may_be_one_row: false,
    }
}

/// Takes the columns of a row one after the other.
pub(super) struct Columns<'r> {
    row: &'r PgRow,
    next: usize,
}

impl<'r> Columns<'r> {
    fn of(row: &'r PgRow) -> Self {
        Self { row, next: 0 }
    }

    fn next<T: Decode<'r, Postgres> + Type<Postgres>>(
        &mut self,
        place: &'static str,
    ) -> Meaning<T> {
        let index = self.next;
        self.next += 1;
        let read = self.row.try_get(index);
        read.map_err(|_| StorageError::inconsistent(place, "is of another type"))
    }

    fn text(&mut self, place: &'static str) -> Meaning<&'r str> {
        self.next(place)
    }

    fn json(&mut self, place: &'static str) -> Meaning<JsonObject> {
        let text: &str = self.next(place)?;
        JsonObject::parse(text).map_err(|why| StorageError::inconsistent(place, why))
    }

    fn time(&mut self, place: &'static str) -> Meaning<UnixMillis> {
        self.next(place).map(UnixMillis::new)
    }

    fn unsigned(&mut self, place: &'static str) -> Meaning<u64> {
        unsigned(place, self.next(place)?)
    }

    fn bytes<const N: usize>(&mut self, place: &'static str) -> Meaning<Option<[u8; N]>> {
        let bytes = self.next::<Option<&[u8]>>(place)?;
        let sized = bytes.map(<[u8; N]>::try_from).transpose();
        sized.map_err(|_| StorageError::inconsistent(place, "is of another length"))
    }

    fn handle(&mut self) -> Meaning<SessionHandle> {
        let tenant = TenantId::parse(self.text("handstamp_sessions.tenant")?)
            .map_err(|why| StorageError::inconsistent("handstamp_sessions.tenant", why))?;
        let id = self.next::<Id>("handstamp_sessions.handle")?.0;
        Ok(SessionHandle::new(tenant, id))
    }

    fn rotation(&mut self) -> Meaning<Rotation> {
        let hash = self
            .bytes("handstamp_sessions.current_hash")?
            .ok_or_else(|| {
                StorageError::inconsistent("handstamp_sessions.current_hash", MISSING)
            })?;
        let nonce = self.bytes("handstamp_sessions.current_nonce")?;
        Ok(Rotation {
            current: Current {
                hash: Hash2::from_bytes(hash),
                nonce: nonce.map(Nonce::from_bytes),
            },
            child: self.child()?,
            previous: self.previous()?,
            counter: self.unsigned("handstamp_sessions.counter")?,
        })
    }

    fn child(&mut self) -> Meaning<Option<Child>> {
        let hash = self.bytes("handstamp_sessions.child_hash")?;
        let nonce = self.bytes("handstamp_sessions.child_nonce")?;
        let given_at = self.next::<Option<i64>>("handstamp_sessions.child_given_at")?;
        match (hash, nonce, given_at) {
            (None, None, None) => Ok(None),
            (Some(hash), Some(nonce), Some(given_at)) => Ok(Some(Child {
                hash: Hash2::from_bytes(hash),
                nonce: Nonce::from_bytes(nonce),
                given_at: UnixMillis::new(given_at),
            })),
            _ => Err(StorageError::inconsistent(
                "handstamp_sessions.child_hash",
                HALF,
            )),
        }
    }

    fn previous(&mut self) -> Meaning<Option<Previous>> {
        let hash = self.bytes("handstamp_sessions.previous_hash")?;
        let superseded_at =
            self.next::<Option<i64>>("handstamp_sessions.previous_superseded_at")?;
        match (hash, superseded_at) {
            (None, None) => Ok(None),
            (Some(hash), Some(superseded_at)) => Ok(Some(Previous {
                hash: Hash2::from_bytes(hash),
                superseded_at: UnixMillis::new(superseded_at),
            })),
            _ => Err(StorageError::inconsistent(
                "handstamp_sessions.previous_hash",
                HALF,
            )),
        }
    }
}

const MISSING: &str = "is missing";
const OUT_OF_RANGE: &str = "is out of range";
const HALF: &str = "is there without what belongs to it, or the other way round";

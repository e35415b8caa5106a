//! Rows, and what they mean. What a row contradicts itself in is named by table and column, never by value.

#[cfg(feature = "postgres")]
use std::collections::HashSet;

use sqlx::Error;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::coalesce::Failed;
use super::pool::Access;
use super::{DataWrite, KeyKind, StorageError, StorageFault, StoredKey, TenantRecord};
use crate::clock::UnixMillis;
use crate::id::{AppId, SessionHandle, TenantId, UserId};
use crate::json::JsonObject;
use crate::rotation::{Child, Current, Previous, Rotation};
use crate::session::{Session, SessionData};
use crate::token::{Hash2, Nonce};

/// The columns of a row as a driver gives them, by number. An error is for one of another type.
pub(super) trait Cells {
    fn integer(&self, index: usize) -> Result<Option<i64>, Error>;
    fn flag(&self, index: usize) -> Result<bool, Error>;
    fn text(&self, index: usize) -> Result<&str, Error>;
    fn bytes(&self, index: usize) -> Result<Option<&[u8]>, Error>;
    fn uuid(&self, index: usize) -> Result<Uuid, Error>;
}

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

pub(super) fn session(columns: &mut Columns<'_, impl Cells>) -> Meaning<Session> {
    Ok(Session {
        handle: columns.handle()?,
        user_id: UserId::parse(columns.text("handstamp_sessions.user_id")?)
            .map_err(|why| StorageError::inconsistent("handstamp_sessions.user_id", why))?,
        jwt_payload: columns.json("handstamp_sessions.jwt_payload")?,
        created_at: columns.time("handstamp_sessions.created_at")?,
        expires_at: columns.time("handstamp_sessions.expires_at")?,
        ends_at: columns.time("handstamp_sessions.ends_at")?,
        static_key: columns.flag("handstamp_sessions.static_key")?,
        rotation: columns.rotation()?,
    })
}

/// The same, and `payload_version`.
#[cfg(feature = "mysql")]
pub(super) fn session_and_payload_version(
    columns: &mut Columns<'_, impl Cells>,
) -> Meaning<(Session, u64)> {
    let session = session(columns)?;
    let version = columns.unsigned("handstamp_sessions.payload_version")?;
    Ok((session, version))
}

/// `data_version`
#[cfg(feature = "mysql")]
pub(super) fn data_version(row: &impl Cells) -> Meaning<i64> {
    Columns::of(row).integer("handstamp_sessions.data_version")
}

/// `tenant, handle, expires_at`
#[cfg(feature = "mysql")]
pub(super) fn handle_and_end(row: &impl Cells) -> Meaning<(SessionHandle, UnixMillis)> {
    let mut columns = Columns::of(row);
    let handle = columns.handle()?;
    Ok((handle, columns.time("handstamp_sessions.expires_at")?))
}

/// `tenant, handle`
#[cfg(feature = "postgres")]
pub(super) fn handle(row: &impl Cells) -> Meaning<SessionHandle> {
    Columns::of(row).handle()
}

/// `expires_at, data_version, data`
pub(super) fn session_data(columns: &mut Columns<'_, impl Cells>) -> Meaning<SessionData> {
    let expires_at = columns.time("handstamp_sessions.expires_at")?;
    let version = columns.unsigned("handstamp_sessions.data_version")?;
    Ok(SessionData {
        data: columns.json("handstamp_sessions.data")?,
        version,
        expires_at,
    })
}

/// The new `data_version`, if it was written.
pub(super) fn data_write(columns: &mut Columns<'_, impl Cells>) -> Meaning<DataWrite> {
    let place = "handstamp_sessions.data_version";
    match columns.perhaps(place)? {
        Some(version) => Ok(DataWrite::Written(unsigned(place, version)?)),
        None => Ok(DataWrite::Conflict),
    }
}

/// `app, tenant, created_at, config`
pub(super) fn tenant(row: &impl Cells) -> Meaning<TenantRecord> {
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
#[cfg(feature = "postgres")]
pub(super) fn flag(rows: &[impl Cells]) -> Meaning<bool> {
    let row = rows.first();
    let mut columns = Columns::of(row.ok_or_else(|| StorageError::inconsistent("flag", MISSING))?);
    columns.flag("flag")
}

/// `kind, generation, created_at, material`
pub(super) fn key(row: &impl Cells) -> Meaning<StoredKey> {
    let mut columns = Columns::of(row);
    let kind = KeyKind::from_name(columns.text("handstamp_keys.kind")?)
        .ok_or_else(|| StorageError::inconsistent("handstamp_keys.kind", "is not a kind of key"))?;
    let generation = columns.integer("handstamp_keys.generation")?;
    Ok(StoredKey {
        kind,
        generation: u32::try_from(generation)
            .map_err(|_| StorageError::inconsistent("handstamp_keys.generation", OUT_OF_RANGE))?,
        created_at: columns.time("handstamp_keys.created_at")?,
        material: columns.material()?,
    })
}

/// The numbers in the only row.
#[cfg(feature = "postgres")]
pub(super) fn counts(rows: &[impl Cells]) -> Meaning<(u32, u32)> {
    let row = rows.first();
    let mut columns = Columns::of(row.ok_or_else(|| StorageError::inconsistent("count", MISSING))?);
    let mut count = || {
        let count = columns.integer("count")?;
        u32::try_from(count).map_err(|_| StorageError::inconsistent("count", OUT_OF_RANGE))
    };
    Ok((count()?, count()?))
}

fn unsigned(place: &'static str, number: i64) -> Meaning<u64> {
    u64::try_from(number).map_err(|_| StorageError::inconsistent(place, OUT_OF_RANGE))
}

/// What a row means that a write brought back: it stays written if nobody can read it.
pub(super) fn of_write<T>(meaning: Meaning<T>) -> Meaning<T> {
    meaning.map_err(StorageError::with_outcome_unknown)
}

/// Puts what rows mean to where they were asked for: their first column says which of `asked` they belong to, from 1.
pub(super) fn in_order<R: Cells, T>(
    rows: &[R],
    access: Access,
    asked: usize,
    read: impl Fn(&mut Columns<'_, R>) -> Meaning<T>,
) -> Result<Vec<Option<Meaning<T>>>, Failed> {
    let mut answers: Vec<_> = (0..asked).map(|_| None).collect();
    for row in rows {
        let mut columns = Columns::of(row);
        let number = columns.integer("ordinality").unwrap_or(0);
        let number = usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX);
        match answers.get_mut(number) {
            Some(answer) => {
                let meaning = read(&mut columns);
                *answer = Some(match access {
                    Access::Read => meaning,
                    Access::Write => of_write(meaning),
                });
            }
            None => return Err(astray(access)),
        }
    }
    Ok(answers)
}

/// `app, tenant, handle` of each row that was written.
#[cfg(feature = "postgres")]
pub(super) fn places(rows: &[impl Cells]) -> Result<HashSet<(&str, &str, Uuid)>, Failed> {
    let place = |row| {
        let mut columns = Columns::of(row);
        let app = columns.text("handstamp_sessions.app")?;
        let tenant = columns.text("handstamp_sessions.tenant")?;
        Ok((app, tenant, columns.uuid("handstamp_sessions.handle")?))
    };
    let places: Meaning<_> = rows.iter().map(place).collect();
    places.map_err(|_| astray(Access::Write))
}

/// An answer that nobody asked for.
fn astray(access: Access) -> Failed {
    Failed {
        fault: StorageFault::Other,
        outcome_unknown: access == Access::Write,
        detail: "the database answers what was not asked".into(),
        may_be_one_row: false,
    }
}

/// Takes the columns of a row one after the other.
pub(super) struct Columns<'r, R> {
    row: &'r R,
    next: usize,
}

impl<'r, R: Cells> Columns<'r, R> {
    pub(super) fn of(row: &'r R) -> Self {
        Self { row, next: 0 }
    }

    fn next<T>(
        &mut self,
        place: &'static str,
        read: impl Fn(&'r R, usize) -> Result<T, Error>,
    ) -> Meaning<T> {
        let index = self.next;
        self.next += 1;
        read(self.row, index).map_err(|_| StorageError::inconsistent(place, "is of another type"))
    }

    fn perhaps(&mut self, place: &'static str) -> Meaning<Option<i64>> {
        self.next(place, R::integer)
    }

    fn integer(&mut self, place: &'static str) -> Meaning<i64> {
        self.perhaps(place)?
            .ok_or_else(|| StorageError::inconsistent(place, MISSING))
    }

    fn flag(&mut self, place: &'static str) -> Meaning<bool> {
        self.next(place, R::flag)
    }

    fn text(&mut self, place: &'static str) -> Meaning<&'r str> {
        self.next(place, R::text)
    }

    fn uuid(&mut self, place: &'static str) -> Meaning<Uuid> {
        self.next(place, R::uuid)
    }

    fn json(&mut self, place: &'static str) -> Meaning<JsonObject> {
        JsonObject::parse(self.text(place)?).map_err(|why| StorageError::inconsistent(place, why))
    }

    fn time(&mut self, place: &'static str) -> Meaning<UnixMillis> {
        self.integer(place).map(UnixMillis::new)
    }

    fn unsigned(&mut self, place: &'static str) -> Meaning<u64> {
        unsigned(place, self.integer(place)?)
    }

    fn bytes<const N: usize>(&mut self, place: &'static str) -> Meaning<Option<[u8; N]>> {
        let bytes = self.next(place, R::bytes)?;
        let sized = bytes.map(<[u8; N]>::try_from).transpose();
        sized.map_err(|_| StorageError::inconsistent(place, "is of another length"))
    }

    fn handle(&mut self) -> Meaning<SessionHandle> {
        let tenant = TenantId::parse(self.text("handstamp_sessions.tenant")?)
            .map_err(|why| StorageError::inconsistent("handstamp_sessions.tenant", why))?;
        let id = self.uuid("handstamp_sessions.handle")?;
        Ok(SessionHandle::new(tenant, id))
    }

    fn material(&mut self) -> Meaning<Zeroizing<Vec<u8>>> {
        let place = "handstamp_keys.material";
        let material = self.next(place, R::bytes)?;
        let material = material.ok_or_else(|| StorageError::inconsistent(place, MISSING))?;
        Ok(Zeroizing::new(material.to_vec()))
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
        let given_at = self.perhaps("handstamp_sessions.child_given_at")?;
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
        let superseded_at = self.perhaps("handstamp_sessions.previous_superseded_at")?;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A row that holds numbers.
    struct Numbers(Vec<i64>);

    impl Cells for Numbers {
        fn integer(&self, index: usize) -> Result<Option<i64>, Error> {
            let number = self.0.get(index).copied();
            number.map(Some).ok_or(Error::RowNotFound)
        }

        fn flag(&self, _: usize) -> Result<bool, Error> {
            Err(Error::RowNotFound)
        }

        fn text(&self, _: usize) -> Result<&str, Error> {
            Err(Error::RowNotFound)
        }

        fn bytes(&self, _: usize) -> Result<Option<&[u8]>, Error> {
            Err(Error::RowNotFound)
        }

        fn uuid(&self, _: usize) -> Result<Uuid, Error> {
            Err(Error::RowNotFound)
        }
    }

    #[test]
    fn what_cannot_be_read_leaves_the_outcome_of_a_write_open() {
        for (access, open) in [(Access::Read, false), (Access::Write, true)] {
            // Of three that were asked for the second is there, and cannot be.
            let rows = [Numbers(vec![2, -1])];
            let read = in_order(&rows, access, 3, data_write).unwrap();
            let [None, Some(Err(error)), None] = read.as_slice() else {
                panic!("{read:?}")
            };
            assert_eq!(error.is_outcome_unknown(), open);
            for number in [0, 4, i64::MIN] {
                let rows = [Numbers(vec![number, 1])];
                let failed = in_order(&rows, access, 3, data_write).unwrap_err();
                assert_eq!(failed.outcome_unknown, open, "{number}");
            }
        }
    }
}

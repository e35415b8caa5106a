//! The steps about one session, each kind as a statement over many. What comes alone, as most does, goes by a statement of its own.
//!
//! There is no RETURNING that both MySQL and MariaDB know. Of one row, the number of rows that were found says whether its guard
//! held. Of many, a transaction locks those whose guards hold, so that they go on to hold, and then writes them.

use std::collections::BTreeSet;

use sqlx::mysql::MySqlRow;
use sqlx::{Error, MySql, Row as _, Transaction, query};

use super::asked::{Asked, asked};
use super::database::{Bound, Database, Steps, Together, overtaken};
use crate::json::JsonObject;
use crate::rotation::Rotation;
use crate::session::{Session, SessionData};
use crate::storage::Guarded;
use crate::storage::coalesce::{Failed, Place, Statement};
use crate::storage::pool::Access;
use crate::storage::rows::{self, Meaning, session_columns};
use crate::storage::work::{bytes, guarded, nonce, signed};

/// Binds `app, tenant, handle`.
pub(super) fn bind_place<'q>(bound: Bound<'q>, place: &'q Place) -> Bound<'q> {
    bound
        .bind(place.app.as_str().as_bytes())
        .bind(place.handle.tenant().as_str().as_bytes())
        .bind(place.handle.id().as_bytes().to_vec())
}

/// Binds the columns of a rotation record.
pub(super) fn bind_rotation<'q>(bound: Bound<'q>, rotation: &'q Rotation) -> Bound<'q> {
    let (child, previous) = (rotation.child.as_ref(), rotation.previous.as_ref());
    bound
        .bind(bytes(&rotation.current.hash))
        .bind(rotation.current.nonce.as_ref().map(nonce))
        .bind(child.map(|child| bytes(&child.hash)))
        .bind(child.map(|child| nonce(&child.nonce)))
        .bind(child.map(|child| child.given_at.as_millis()))
        .bind(previous.map(|previous| bytes(&previous.hash)))
        .bind(previous.map(|previous| previous.superseded_at.as_millis()))
        .bind(signed(rotation.counter))
}

/// The same for a batch.
pub(super) fn ask_rotation(asked: &mut Asked, rotation: &Rotation) {
    let (child, previous) = (rotation.child.as_ref(), rotation.previous.as_ref());
    asked.hex("current_hash", Some(bytes(&rotation.current.hash)));
    asked.hex("current_nonce", rotation.current.nonce.as_ref().map(nonce));
    asked.hex("child_hash", child.map(|child| bytes(&child.hash)));
    asked.hex("child_nonce", child.map(|child| nonce(&child.nonce)));
    asked.number(
        "child_given_at",
        child.map(|child| child.given_at.as_millis()),
    );
    asked.hex(
        "previous_hash",
        previous.map(|previous| bytes(&previous.hash)),
    );
    asked.number(
        "previous_superseded_at",
        previous.map(|previous| previous.superseded_at.as_millis()),
    );
    asked.number("counter", signed(rotation.counter));
}

pub(super) struct Insert(pub(super) Database);

impl Statement for Insert {
    type Work = (Session, JsonObject);
    type Outcome = Guarded;
    const ONE_PER_SESSION: bool = true;

    fn bytes((session, data): &Self::Work) -> usize {
        let payload = session.jwt_payload.as_str().len();
        payload.saturating_add(data.as_str().len())
    }

    async fn run(&self, batch: &[(Place, Self::Work)]) -> Result<Vec<Guarded>, Failed> {
        if let [(place, (session, data))] = batch {
            let inserted = self.0.inserted(|| {
                let bound = bind_place(query(INSERT), place)
                    .bind(session.user_id.as_str().as_bytes())
                    .bind(session.jwt_payload.as_str())
                    .bind(data.as_str())
                    .bind(session.created_at.as_millis())
                    .bind(session.expires_at.as_millis())
                    .bind(session.expires_at.as_millis())
                    .bind(session.ends_at.as_millis())
                    .bind(session.static_key);
                bind_rotation(bound, &session.rotation)
            });
            return Ok(vec![guarded(inserted.await?)]);
        }
        // Handles are random. Where one of many is there already, the statement fails, and each goes by itself.
        let asked = Asked::for_each(batch, self.0.most_bytes, |asked, (session, data)| {
            asked.text("user_id", session.user_id.as_str());
            asked.text("jwt_payload", session.jwt_payload.as_str());
            asked.text("data", data.as_str());
            asked.number("created_at", session.created_at.as_millis());
            asked.number("expires_at", session.expires_at.as_millis());
            asked.number("ends_at", session.ends_at.as_millis());
            asked.number("static_key", i64::from(session.static_key));
            ask_rotation(asked, &session.rotation);
        })?;
        self.0.count(|| asked.bind(INSERT_MANY)).await?;
        Ok(batch.iter().map(|_| Guarded::Written).collect())
    }
}

pub(super) const INSERT: &str = "INSERT INTO handstamp_sessions (
         app, tenant, handle, user_id, jwt_payload, data, created_at, expires_at, sweep_at, ends_at,
         static_key, current_hash, current_nonce, child_hash, child_nonce, child_given_at,
         previous_hash, previous_superseded_at, counter, data_version, payload_version)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, 1)";

pub(super) const INSERT_MANY: &str = concat!(
    "INSERT INTO handstamp_sessions (
         app, tenant, handle, user_id, jwt_payload, data, created_at, expires_at, sweep_at, ends_at,
         static_key, current_hash, current_nonce, child_hash, child_nonce, child_given_at,
         previous_hash, previous_superseded_at, counter, data_version, payload_version)
     SELECT
         app, tenant, UNHEX(handle), user_id, jwt_payload, data, created_at, expires_at, expires_at, ends_at,
         static_key, UNHEX(current_hash), UNHEX(current_nonce), UNHEX(child_hash), UNHEX(child_nonce), child_given_at,
         UNHEX(previous_hash), previous_superseded_at, counter, 1, 1
     FROM ",
    asked!(
        @table,
        "user_id VARCHAR(128) CHARACTER SET utf8mb4 PATH '$.user_id'",
        "jwt_payload LONGTEXT CHARACTER SET utf8mb4 PATH '$.jwt_payload'",
        "data LONGTEXT CHARACTER SET utf8mb4 PATH '$.data'",
        "created_at BIGINT PATH '$.created_at'",
        "expires_at BIGINT PATH '$.expires_at'",
        "ends_at BIGINT PATH '$.ends_at'",
        "static_key BIGINT PATH '$.static_key'",
        "current_hash VARCHAR(64) CHARACTER SET utf8mb4 PATH '$.current_hash'",
        "current_nonce VARCHAR(32) CHARACTER SET utf8mb4 PATH '$.current_nonce'",
        "child_hash VARCHAR(64) CHARACTER SET utf8mb4 PATH '$.child_hash'",
        "child_nonce VARCHAR(32) CHARACTER SET utf8mb4 PATH '$.child_nonce'",
        "child_given_at BIGINT PATH '$.child_given_at'",
        "previous_hash VARCHAR(64) CHARACTER SET utf8mb4 PATH '$.previous_hash'",
        "previous_superseded_at BIGINT PATH '$.previous_superseded_at'",
        "counter BIGINT PATH '$.counter'"
    )
);

/// A session, and the version of its payload.
pub(super) struct ReadSession(pub(super) Database);

impl Statement for ReadSession {
    type Work = ();
    type Outcome = Option<Meaning<(Session, u64)>>;
    const ONE_PER_SESSION: bool = false;

    async fn run(&self, batch: &[(Place, ())]) -> Result<Vec<Self::Outcome>, Failed> {
        let found = read(&self.0, batch, SESSION, SESSIONS).await?;
        rows::in_order(
            &found,
            Access::Read,
            batch.len(),
            rows::session_and_payload_version,
        )
    }
}

pub(super) const SESSION: &str = concat!(
    "SELECT 1, ",
    session_columns!(),
    ", s.payload_version FROM handstamp_sessions AS s WHERE s.app = ? AND s.tenant = ? AND s.handle = ?"
);

pub(super) const SESSIONS: &str = concat!(
    "SELECT asked.number, ",
    session_columns!(),
    ", s.payload_version FROM ",
    asked!()
);

pub(super) struct ReadData(pub(super) Database);

impl Statement for ReadData {
    type Work = ();
    type Outcome = Option<Meaning<SessionData>>;
    const ONE_PER_SESSION: bool = false;

    async fn run(&self, batch: &[(Place, ())]) -> Result<Vec<Self::Outcome>, Failed> {
        let found = read(&self.0, batch, SESSION_DATA, SESSIONS_DATA).await?;
        rows::in_order(&found, Access::Read, batch.len(), rows::session_data)
    }
}

pub(super) const SESSION_DATA: &str =
    "SELECT 1, s.expires_at, s.data_version, s.data FROM handstamp_sessions AS s
     WHERE s.app = ? AND s.tenant = ? AND s.handle = ?";

pub(super) const SESSIONS_DATA: &str = concat!(
    "SELECT asked.number, s.expires_at, s.data_version, s.data FROM ",
    asked!()
);

async fn read(
    database: &Database,
    batch: &[(Place, ())],
    one: &'static str,
    many: &'static str,
) -> Result<Vec<MySqlRow>, Failed> {
    if let [(place, ())] = batch {
        let found = database.rows(Access::Read, || bind_place(query(one), place));
        return found.await;
    }
    let asked = Asked::for_each(batch, database.most_bytes, |_, ()| {})?;
    database.rows(Access::Read, || asked.bind(many)).await
}

/// Locks those of `asked` that `hold` finds, and then has `write` write them, all in one transaction. Answers for each number up to
/// `most` whether it was one of them.
pub(super) async fn hold_and_write(
    database: &Database,
    asked: &[Asked],
    (hold, write): (&'static str, &'static str),
    most: usize,
) -> Result<Vec<bool>, Failed> {
    let work = Together(HoldAndWrite { asked, hold, write });
    let written = database.run(Access::Write, &work).await?;
    let numbers = (1..).take(most);
    Ok(numbers.map(|number| written.contains(&number)).collect())
}

struct HoldAndWrite<'a> {
    asked: &'a [Asked],
    hold: &'static str,
    write: &'static str,
}

impl Steps for HoldAndWrite<'_> {
    type Outcome = BTreeSet<i64>;

    async fn steps(
        &self,
        transaction: &mut Transaction<'_, MySql>,
    ) -> Result<BTreeSet<i64>, Error> {
        let mut all = BTreeSet::new();
        for asked in self.asked {
            let held = asked.bind(self.hold).fetch_all(&mut **transaction).await?;
            let mut held = numbers(&held)?;
            if !held.is_empty() {
                let written = asked.bind(self.write).execute(&mut **transaction).await?;
                all_of(written.rows_affected(), &held)?;
            }
            all.append(&mut held);
        }
        Ok(all)
    }
}

/// The first column of each row.
fn numbers(rows: &[MySqlRow]) -> Result<BTreeSet<i64>, Error> {
    rows.iter().map(|row| row.try_get(0)).collect()
}

/// Rows that were locked and written have to be the same.
pub(super) fn all_of(written: u64, held: &BTreeSet<i64>) -> Result<(), Error> {
    if u64::try_from(held.len()) == Ok(written) {
        Ok(())
    } else {
        Err(overtaken())
    }
}

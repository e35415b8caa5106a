//! The steps about one session, each kind as a statement over arrays: one element for each session.
//!
//! A guard is part of the statement's WHERE, so that PostgreSQL looks at it again when it had to wait for another's write. What
//! RETURNING or SELECT bring back says by number to whom it belongs.

use sqlx::query;

use super::database::{Bound, Database};
use super::uuids::Id;
use crate::json::JsonObject;
use crate::rotation::Rotation;
use crate::session::{Session, SessionData};
use crate::storage::coalesce::{Failed, Place, Statement};
use crate::storage::pool::Access;
use crate::storage::rows::{self, Meaning, session_columns};
use crate::storage::work::{NewData, NewPayload, bytes, guarded, nonce, signed};
use crate::storage::{Confirm, DataWrite, Guarded, Renewal};

/// A value of each element of a batch, as PostgreSQL takes an array.
fn each<'b, W, T>(batch: &'b [(Place, W)], value: impl Fn(&'b W) -> T) -> Vec<T> {
    batch.iter().map(|(_, work)| value(work)).collect()
}

/// Binds `app[]`, `tenant[]` and `handle[]`, which every statement begins with.
fn about<'q, W>(sql: &'static str, batch: &'q [(Place, W)]) -> Bound<'q> {
    let of = |name: fn(&'q Place) -> &'q str| batch.iter().map(|(place, _)| name(place)).collect();
    let apps: Vec<&str> = of(|place| place.app.as_str());
    let tenants: Vec<&str> = of(|place| place.handle.tenant().as_str());
    let handles: Vec<Id> = batch
        .iter()
        .map(|(place, _)| Id(place.handle.id()))
        .collect();
    query(sql).bind(apps).bind(tenants).bind(handles)
}

/// Binds the columns of a rotation record.
fn bind_rotation<'q, W>(
    bound: Bound<'q>,
    batch: &'q [(Place, W)],
    of: impl Fn(&'q W) -> &'q Rotation,
) -> Bound<'q> {
    let child = |work| of(work).child.as_ref();
    let previous = |work| of(work).previous.as_ref();
    bound
        .bind(each(batch, |work| bytes(&of(work).current.hash)))
        .bind(each(batch, |work| {
            of(work).current.nonce.as_ref().map(nonce)
        }))
        .bind(each(batch, |work| {
            child(work).map(|child| bytes(&child.hash))
        }))
        .bind(each(batch, |work| {
            child(work).map(|child| nonce(&child.nonce))
        }))
        .bind(each(batch, |work| {
            child(work).map(|child| child.given_at.as_millis())
        }))
        .bind(each(batch, |work| {
            previous(work).map(|previous| bytes(&previous.hash))
        }))
        .bind(each(batch, |work| {
            previous(work).map(|previous| previous.superseded_at.as_millis())
        }))
        .bind(each(batch, |work| signed(of(work).counter)))
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
        let inserted = self.0.rows(Access::Write, || {
            let bound = about(INSERT, batch)
                .bind(each(batch, |(session, _)| session.user_id.as_str()))
                .bind(each(batch, |(session, _)| session.jwt_payload.as_str()))
                .bind(each(batch, |(_, data)| data.as_str()))
                .bind(each(batch, |(session, _)| session.created_at.as_millis()))
                .bind(each(batch, |(session, _)| session.expires_at.as_millis()))
                .bind(each(batch, |(session, _)| session.ends_at.as_millis()))
                .bind(each(batch, |(session, _)| session.static_key));
            bind_rotation(bound, batch, |(session, _)| &session.rotation)
        });
        let inserted = inserted.await?;
        let inserted = rows::places(&inserted)?;
        let known = |place: &Place| {
            inserted.contains(&(
                place.app.as_str(),
                place.handle.tenant().as_str(),
                place.handle.id(),
            ))
        };
        let outcomes = batch.iter().map(|(place, _)| guarded(known(place)));
        Ok(outcomes.collect())
    }
}

// RETURNING knows nothing of the arrays here, so it names the session.
pub(super) const INSERT: &str = "INSERT INTO handstamp_sessions (
         app, tenant, handle, user_id, jwt_payload, data, data_version, created_at, expires_at, sweep_at, ends_at,
         static_key, current_hash, current_nonce, child_hash, child_nonce, child_given_at,
         previous_hash, previous_superseded_at, counter)
     SELECT
         app, tenant, handle, user_id, jwt_payload, data, 1, created_at, expires_at, expires_at, ends_at,
         static_key, current_hash, current_nonce, child_hash, child_nonce, child_given_at,
         previous_hash, previous_superseded_at, counter
     FROM unnest($1::text[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::text[],
         $7::bigint[], $8::bigint[], $9::bigint[], $10::boolean[], $11::bytea[], $12::bytea[], $13::bytea[],
         $14::bytea[], $15::bigint[], $16::bytea[], $17::bigint[], $18::bigint[])
     AS asked (app, tenant, handle, user_id, jwt_payload, data, created_at, expires_at, ends_at,
         static_key, current_hash, current_nonce, child_hash, child_nonce, child_given_at,
         previous_hash, previous_superseded_at, counter)
     ON CONFLICT (app, tenant, handle) DO NOTHING
     RETURNING app, tenant, handle";

/// What a rotation is to be, and what it depends on.
pub(super) struct Rotated {
    pub(super) expected: u64,
    pub(super) next: Renewal,
}

pub(super) struct Rotate(pub(super) Database);

impl Statement for Rotate {
    type Work = Rotated;
    type Outcome = Guarded;
    const ONE_PER_SESSION: bool = true;

    async fn run(&self, batch: &[(Place, Rotated)]) -> Result<Vec<Guarded>, Failed> {
        let rotated = self.0.rows(Access::Write, || {
            let bound = about(ROTATE, batch)
                .bind(each(batch, |work| signed(work.expected)))
                .bind(each(batch, |work| work.next.expires_at.as_millis()))
                .bind(each(batch, |work| work.next.static_key));
            bind_rotation(bound, batch, |work| &work.next.rotation)
        });
        let rotated = rows::in_order(&rotated.await?, Access::Write, batch.len(), |_| Ok(()))?;
        Ok(rotated.iter().map(|row| guarded(row.is_some())).collect())
    }
}

pub(super) const ROTATE: &str = "UPDATE handstamp_sessions AS s SET
         current_hash = asked.current_hash, current_nonce = asked.current_nonce,
         child_hash = asked.child_hash, child_nonce = asked.child_nonce, child_given_at = asked.child_given_at,
         previous_hash = asked.previous_hash, previous_superseded_at = asked.previous_superseded_at,
         counter = asked.counter, static_key = asked.static_key, expires_at = asked.expires_at,
         sweep_at = least(s.sweep_at, asked.expires_at)
     FROM unnest($1::text[], $2::text[], $3::uuid[], $4::bigint[], $5::bigint[], $6::boolean[],
         $7::bytea[], $8::bytea[], $9::bytea[], $10::bytea[], $11::bigint[], $12::bytea[], $13::bigint[], $14::bigint[])
     WITH ORDINALITY AS asked (app, tenant, handle, expected, expires_at, static_key,
         current_hash, current_nonce, child_hash, child_nonce, child_given_at,
         previous_hash, previous_superseded_at, counter, number)
     WHERE s.app = asked.app AND s.tenant = asked.tenant AND s.handle = asked.handle
         AND s.counter = asked.expected
     RETURNING asked.number";

pub(super) struct Confirmation(pub(super) Database);

impl Statement for Confirmation {
    type Work = Confirm;
    type Outcome = Option<Meaning<Session>>;
    const ONE_PER_SESSION: bool = true;

    async fn run(&self, batch: &[(Place, Confirm)]) -> Result<Vec<Self::Outcome>, Failed> {
        let confirmed = self.0.rows(Access::Write, || {
            about(CONFIRM, batch)
                .bind(each(batch, |step| bytes(&step.child)))
                .bind(each(batch, |step| bytes(&step.parent)))
                .bind(each(batch, |step| step.now.as_millis()))
                .bind(each(batch, |step| step.expires_at.as_millis()))
        });
        rows::in_order(&confirmed.await?, Access::Write, batch.len(), rows::session)
    }
}

/// [`crate::rotation::confirm`] in one statement: what a `SET` reads is the row as it was.
pub(super) const CONFIRM: &str = concat!(
    "UPDATE handstamp_sessions AS s SET
         previous_hash = s.current_hash, previous_superseded_at = asked.now,
         current_hash = asked.child,
         current_nonce = CASE WHEN s.child_hash = asked.child THEN s.child_nonce END,
         child_hash = NULL, child_nonce = NULL, child_given_at = NULL,
         counter = s.counter + 1, expires_at = least(asked.expires_at, s.ends_at),
         sweep_at = least(s.sweep_at, asked.expires_at, s.ends_at)
     FROM unnest($1::text[], $2::text[], $3::uuid[], $4::bytea[], $5::bytea[], $6::bigint[], $7::bigint[])
     WITH ORDINALITY AS asked (app, tenant, handle, child, parent, now, expires_at, number)
     WHERE s.app = asked.app AND s.tenant = asked.tenant AND s.handle = asked.handle
         AND s.current_hash = asked.parent AND s.expires_at > asked.now
     RETURNING asked.number, ",
    session_columns!()
);

pub(super) struct WriteData(pub(super) Database);

impl Statement for WriteData {
    type Work = NewData;
    type Outcome = Option<Meaning<DataWrite>>;
    const ONE_PER_SESSION: bool = true;

    fn bytes(work: &NewData) -> usize {
        work.data.as_str().len()
    }

    async fn run(&self, batch: &[(Place, NewData)]) -> Result<Vec<Self::Outcome>, Failed> {
        let written = self.0.rows(Access::Write, || {
            about(WRITE_DATA, batch)
                .bind(each(batch, |work| work.data.as_str()))
                .bind(each(batch, |work| work.expected.map(signed)))
                .bind(each(batch, |work| work.now.as_millis()))
        });
        rows::in_order(
            &written.await?,
            Access::Write,
            batch.len(),
            rows::data_write,
        )
    }
}

// What is not written has gone or has another version: only the row as it is when it is locked can tell.
pub(super) const WRITE_DATA: &str = "WITH held AS (
         SELECT s.app, s.tenant, s.handle, s.data_version, asked.data, asked.expected, asked.number
         FROM unnest($1::text[], $2::text[], $3::uuid[], $4::text[], $5::bigint[], $6::bigint[])
             WITH ORDINALITY AS asked (app, tenant, handle, data, expected, now, number)
         JOIN handstamp_sessions AS s
             ON s.app = asked.app AND s.tenant = asked.tenant AND s.handle = asked.handle
                 AND s.expires_at > asked.now
         FOR NO KEY UPDATE OF s),
     written AS (
         UPDATE handstamp_sessions AS s SET data = held.data, data_version = s.data_version + 1
         FROM held
         WHERE s.app = held.app AND s.tenant = held.tenant AND s.handle = held.handle
             AND (held.expected IS NULL OR held.expected = held.data_version)
         RETURNING held.number, s.data_version)
     SELECT held.number, written.data_version FROM held LEFT JOIN written ON written.number = held.number";

pub(super) struct WritePayload(pub(super) Database);

impl Statement for WritePayload {
    type Work = NewPayload;
    /// Whether there was a session that is alive.
    type Outcome = bool;
    const ONE_PER_SESSION: bool = true;

    fn bytes(work: &NewPayload) -> usize {
        work.payload.as_str().len()
    }

    async fn run(&self, batch: &[(Place, NewPayload)]) -> Result<Vec<bool>, Failed> {
        let written = self.0.rows(Access::Write, || {
            about(WRITE_PAYLOAD, batch)
                .bind(each(batch, |work| work.payload.as_str()))
                .bind(each(batch, |work| work.now.as_millis()))
        });
        let written = rows::in_order(&written.await?, Access::Write, batch.len(), |_| Ok(()))?;
        Ok(written.iter().map(Option::is_some).collect())
    }
}

pub(super) const WRITE_PAYLOAD: &str =
    "UPDATE handstamp_sessions AS s SET jwt_payload = asked.payload
     FROM unnest($1::text[], $2::text[], $3::uuid[], $4::text[], $5::bigint[])
     WITH ORDINALITY AS asked (app, tenant, handle, payload, now, number)
     WHERE s.app = asked.app AND s.tenant = asked.tenant AND s.handle = asked.handle
         AND s.expires_at > asked.now
     RETURNING asked.number";

pub(super) struct Revoke(pub(super) Database);

impl Statement for Revoke {
    type Work = ();
    /// Whether it was there.
    type Outcome = bool;
    const ONE_PER_SESSION: bool = true;

    async fn run(&self, batch: &[(Place, ())]) -> Result<Vec<bool>, Failed> {
        let revoked = self.0.rows(Access::Write, || about(REVOKE, batch));
        let revoked = rows::in_order(&revoked.await?, Access::Write, batch.len(), |_| Ok(()))?;
        Ok(revoked.iter().map(Option::is_some).collect())
    }
}

pub(super) const REVOKE: &str = "DELETE FROM handstamp_sessions AS s
     USING unnest($1::text[], $2::text[], $3::uuid[]) WITH ORDINALITY AS asked (app, tenant, handle, number)
     WHERE s.app = asked.app AND s.tenant = asked.tenant AND s.handle = asked.handle
     RETURNING asked.number";

pub(super) struct ReadSession(pub(super) Database);

impl Statement for ReadSession {
    type Work = ();
    type Outcome = Option<Meaning<Session>>;
    const ONE_PER_SESSION: bool = false;

    async fn run(&self, batch: &[(Place, ())]) -> Result<Vec<Self::Outcome>, Failed> {
        let found = self.0.rows(Access::Read, || about(SESSION, batch));
        rows::in_order(&found.await?, Access::Read, batch.len(), rows::session)
    }
}

pub(super) const SESSION: &str = concat!(
    "SELECT asked.number, ",
    session_columns!(),
    " FROM unnest($1::text[], $2::text[], $3::uuid[]) WITH ORDINALITY AS asked (app, tenant, handle, number)
     JOIN handstamp_sessions AS s
         ON s.app = asked.app AND s.tenant = asked.tenant AND s.handle = asked.handle"
);

pub(super) struct ReadData(pub(super) Database);

impl Statement for ReadData {
    type Work = ();
    type Outcome = Option<Meaning<SessionData>>;
    const ONE_PER_SESSION: bool = false;

    async fn run(&self, batch: &[(Place, ())]) -> Result<Vec<Self::Outcome>, Failed> {
        let found = self.0.rows(Access::Read, || about(SESSION_DATA, batch));
        rows::in_order(&found.await?, Access::Read, batch.len(), rows::session_data)
    }
}

pub(super) const SESSION_DATA: &str = "SELECT asked.number, s.expires_at, s.data_version, s.data
     FROM unnest($1::text[], $2::text[], $3::uuid[]) WITH ORDINALITY AS asked (app, tenant, handle, number)
     JOIN handstamp_sessions AS s
         ON s.app = asked.app AND s.tenant = asked.tenant AND s.handle = asked.handle";

//! The steps that go alone, and the text of their statements.

use std::collections::BTreeSet;

use sqlx::mysql::MySqlRow;
use sqlx::{Error, MySql, Transaction, query};

use super::asked::{Asked, asked};
use super::batches::{all_of, bind_place, numbers};
use super::database::{Database, Steps, Together};
use crate::clock::UnixMillis;
use crate::id::{AppId, SessionHandle, TenantId, UserId};
use crate::json::JsonObject;
use crate::storage::StorageError;
use crate::storage::coalesce::Place;
use crate::storage::pool::{Access, told};
use crate::storage::rows;

pub(super) type Answer<T> = Result<T, StorageError>;

pub(super) async fn write_jwt_payload(
    database: &Database,
    place: &Place,
    payload: &JsonObject,
    now: UnixMillis,
) -> Answer<bool> {
    let written = database.count(|| {
        let bound = query(WRITE_JWT_PAYLOAD).bind(payload.as_str());
        bind_place(bound, place).bind(now.as_millis())
    });
    Ok(written.await.map_err(told)? > 0)
}

pub(super) const WRITE_JWT_PAYLOAD: &str = "UPDATE handstamp_sessions
     SET jwt_payload = ?, payload_version = payload_version + 1
     WHERE app = ? AND tenant = ? AND handle = ? AND expires_at > ?";

pub(super) async fn revoke(
    database: &Database,
    app: &AppId,
    handles: &[SessionHandle],
) -> Answer<Vec<SessionHandle>> {
    // As batches do, so that nobody waits in a circle.
    let handles: BTreeSet<_> = handles.iter().collect();
    let handles: Vec<_> = handles
        .into_iter()
        .map(|handle| (Place::new(app, handle), ()))
        .collect();
    if handles.is_empty() {
        return Ok(Vec::new());
    }
    if let [(place, ())] = handles.as_slice() {
        let revoked = database.count(|| bind_place(query(REVOKE), place));
        let revoked = revoked.await.map_err(told)? > 0;
        let handle = revoked.then(|| place.handle.clone());
        return Ok(handle.into_iter().collect());
    }
    let asked: Result<Vec<_>, _> = handles
        .chunks(REVOKED_AT_ONCE)
        .map(|some| Asked::for_each(some, database.most_bytes, |_, ()| {}))
        .collect();
    let work = Together(RevokeMany(asked.map_err(told)?));
    let revoked = database.run(Access::Write, &work).await.map_err(told)?;
    let mut gone = Vec::new();
    for (some, revoked) in handles.chunks(REVOKED_AT_ONCE).zip(revoked) {
        let some = (1..).zip(some);
        let some = some.filter(|(number, _)| revoked.contains(number));
        gone.extend(some.map(|(_, (place, ()))| place.handle.clone()));
    }
    Ok(gone)
}

/// How many sessions one statement names.
const REVOKED_AT_ONCE: usize = 1_000;

struct RevokeMany(Vec<Asked>);

impl Steps for RevokeMany {
    type Outcome = Vec<BTreeSet<i64>>;

    async fn steps(
        &self,
        transaction: &mut Transaction<'_, MySql>,
    ) -> Result<Self::Outcome, Error> {
        let mut all = Vec::new();
        for asked in &self.0 {
            let held = asked.bind(HOLD_MANY).fetch_all(&mut **transaction).await?;
            let held = numbers(&held)?;
            if !held.is_empty() {
                let gone = asked.bind(DELETE_MANY).execute(&mut **transaction).await?;
                all_of(gone.rows_affected(), &held)?;
            }
            all.push(held);
        }
        Ok(all)
    }
}

pub(super) const REVOKE: &str =
    "DELETE FROM handstamp_sessions WHERE app = ? AND tenant = ? AND handle = ?";

pub(super) const HOLD_MANY: &str = concat!("SELECT asked.number FROM ", asked!(), " FOR UPDATE");

pub(super) const DELETE_MANY: &str = concat!("DELETE s FROM ", asked!());

/// Those that are there when it begins: whoever signs in meanwhile has come after it.
pub(super) async fn revoke_user(
    database: &Database,
    app: &AppId,
    tenant: Option<&TenantId>,
    user: &UserId,
) -> Answer<Vec<SessionHandle>> {
    let found = of_user(database, app, tenant, user, None).await?;
    revoke(database, app, &found).await
}

pub(super) async fn handles_of_user(
    database: &Database,
    app: &AppId,
    tenant: Option<&TenantId>,
    user: &UserId,
    now: UnixMillis,
) -> Answer<Vec<SessionHandle>> {
    of_user(database, app, tenant, user, Some(now)).await
}

async fn of_user(
    database: &Database,
    app: &AppId,
    tenant: Option<&TenantId>,
    user: &UserId,
    now: Option<UnixMillis>,
) -> Answer<Vec<SessionHandle>> {
    let found = database.rows(Access::Read, || {
        query(OF_USER)
            .bind(app.as_str().as_bytes())
            .bind(user.as_str().as_bytes())
            .bind(tenant.map(|tenant| tenant.as_str().as_bytes()))
            .bind(now.map(UnixMillis::as_millis))
    });
    let found = found.await.map_err(told)?;
    found.iter().map(rows::handle).collect()
}

pub(super) const OF_USER: &str = "SELECT tenant, handle FROM handstamp_sessions
     WHERE app = ? AND user_id = ? AND tenant = COALESCE(?, tenant) AND COALESCE(expires_at > ?, TRUE)";

/// Looks at rows that are due until it has deleted as many as it may, or no more are due. Rows that somebody is working on are
/// left for the next time.
pub(super) async fn sweep(database: &Database, now: UnixMillis, limit: u32) -> Answer<u32> {
    let mut swept = 0;
    while swept < limit {
        let most = (limit - swept).min(SWEEP_AT_ONCE);
        let work = Together(Sweep {
            now,
            most,
            most_bytes: database.most_bytes,
        });
        let looked = database.run(Access::Write, &work).await.map_err(told)?;
        let (due, gone) = looked?;
        swept += gone;
        if due < most {
            break;
        }
    }
    Ok(swept)
}

/// How many rows one statement of a sweep takes, so that nobody waits long behind it.
const SWEEP_AT_ONCE: u32 = 500;

struct Sweep {
    now: UnixMillis,
    most: u32,
    most_bytes: usize,
}

impl Steps for Sweep {
    /// How many were due, and how many of them have gone.
    type Outcome = Answer<(u32, u32)>;

    async fn steps(
        &self,
        transaction: &mut Transaction<'_, MySql>,
    ) -> Result<Self::Outcome, Error> {
        let due = query(DUE)
            .bind(self.now.as_millis())
            .bind(self.most)
            .fetch_all(&mut **transaction);
        let due = due.await?;
        let (ended, alive) = match self.sorted(&due) {
            Ok(sorted) => sorted,
            // Nothing was written.
            Err(error) => return Ok(Err(error)),
        };
        for (sql, asked) in [(DELETE_MANY, &ended), (PUT_OFF, &alive)] {
            if let Some(asked) = &asked.rows {
                asked.bind(sql).execute(&mut **transaction).await?;
            }
        }
        let due = u32::try_from(due.len()).unwrap_or(u32::MAX);
        Ok(Ok((due, ended.count)))
    }
}

/// Some of the rows that were due.
struct Batch {
    rows: Option<Asked>,
    count: u32,
}

impl Sweep {
    /// Those that have ended, and those that live on.
    fn sorted(&self, due: &[MySqlRow]) -> Answer<(Batch, Batch)> {
        let (mut ended, mut alive) = (Vec::new(), Vec::new());
        for row in due {
            let (place, expires_at) = rows::swept(row)?;
            if expires_at <= self.now {
                ended.push((place, ()));
            } else {
                alive.push((place, ()));
            }
        }
        Ok((self.batch(&ended)?, self.batch(&alive)?))
    }

    fn batch(&self, places: &[(Place, ())]) -> Answer<Batch> {
        let asked = Asked::for_each(places, self.most_bytes, |_, ()| {}).map_err(told)?;
        Ok(Batch {
            rows: (!places.is_empty()).then_some(asked),
            count: u32::try_from(places.len()).unwrap_or(u32::MAX),
        })
    }
}

pub(super) const DUE: &str = "SELECT app, tenant, handle, expires_at FROM handstamp_sessions
     WHERE sweep_at <= ? ORDER BY sweep_at LIMIT ? FOR UPDATE SKIP LOCKED";

pub(super) const PUT_OFF: &str = concat!("UPDATE ", asked!(), " SET s.sweep_at = s.expires_at");

pub(super) async fn ping(database: &Database) -> Answer<()> {
    let read = database.rows(Access::Read, || query(PING));
    read.await.map(drop).map_err(told)
}

// Of a table that stays small: the first row of another may stand behind many that were deleted.
const PING: &str = "SELECT MAX(version) FROM handstamp_schema";

//! The steps that go alone, and the text of their statements.

use sqlx::{Error, MySql, Row as _, Transaction, query};

use super::asked::{Asked, asked_by_keys};
use super::database::{Database, Steps, Together};
use crate::clock::UnixMillis;
use crate::id::{AppId, SessionHandle, TenantId, UserId};
use crate::storage::StorageError;
use crate::storage::pool::{Access, told};
use crate::storage::rows;

pub(super) type Answer<T> = Result<T, StorageError>;

pub(super) async fn handles_of_user(
    database: &Database,
    app: &AppId,
    tenant: Option<&TenantId>,
    user: &UserId,
    now: UnixMillis,
) -> Answer<Vec<SessionHandle>> {
    let alive = of_user(database, app, tenant, user, Some(now)).await?;
    Ok(alive.into_iter().map(|(handle, _)| handle).collect())
}

/// With their ends; only those that are alive `at` a time, if there is one.
pub(super) async fn of_user(
    database: &Database,
    app: &AppId,
    tenant: Option<&TenantId>,
    user: &UserId,
    at: Option<UnixMillis>,
) -> Answer<Vec<(SessionHandle, UnixMillis)>> {
    let found = database.rows(Access::Read, || {
        query(OF_USER)
            .bind(app.as_str().as_bytes())
            .bind(user.as_str().as_bytes())
            .bind(tenant.map(|tenant| tenant.as_str().as_bytes()))
            .bind(at.map(UnixMillis::as_millis))
    });
    let found = found.await.map_err(told)?;
    found.iter().map(rows::handle_and_end).collect()
}

pub(super) const OF_USER: &str = "SELECT tenant, handle, expires_at FROM handstamp_sessions
     WHERE app = ? AND user_id = ? AND tenant = COALESCE(?, tenant) AND COALESCE(expires_at > ?, TRUE)";

/// Looks at rows that are due until it has deleted as many as it may, or no more are due. Rows that somebody is working on are
/// left for the next time.
pub(super) async fn sweep(database: &Database, now: UnixMillis, limit: u32) -> Answer<u32> {
    let mut swept = 0;
    while swept < limit {
        let most = (limit - swept).min(SWEEP_AT_ONCE);
        let work = Together(Sweep { now, most });
        let (due, gone) = database.run(Access::Write, &work).await.map_err(told)?;
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
}

impl Steps for Sweep {
    /// How many were due, and how many of them have gone.
    type Outcome = (u32, u32);

    async fn steps(&self, transaction: &mut Transaction<'_, MySql>) -> Result<(u32, u32), Error> {
        let due = query(DUE)
            .bind(self.now.as_millis())
            .bind(self.most)
            .fetch_all(&mut **transaction);
        let due = due.await?;
        let (mut ended, mut alive) = (Vec::new(), Vec::new());
        for row in &due {
            // As bytes: a row that means nothing to us any more must not keep the others from being swept, nor itself.
            let key: [&[u8]; 3] = [row.try_get(0)?, row.try_get(1)?, row.try_get(2)?];
            if row.try_get::<i64, _>(3)? <= self.now.as_millis() {
                ended.push(key);
            } else {
                alive.push(key);
            }
        }
        for (sql, keys) in [(DELETE_DUE, &ended), (PUT_OFF, &alive)] {
            if !keys.is_empty() {
                let asked = Asked::by_keys(keys);
                asked.bind(sql).execute(&mut **transaction).await?;
            }
        }
        let count = |rows| u32::try_from(rows).unwrap_or(u32::MAX);
        Ok((count(due.len()), count(ended.len())))
    }
}

pub(super) const DUE: &str = "SELECT app, tenant, handle, expires_at FROM handstamp_sessions
     WHERE sweep_at <= ? ORDER BY sweep_at LIMIT ? FOR UPDATE SKIP LOCKED";

pub(super) const DELETE_DUE: &str = concat!("DELETE s FROM ", asked_by_keys!());

pub(super) const PUT_OFF: &str = concat!(
    "UPDATE ",
    asked_by_keys!(),
    " SET s.sweep_at = s.expires_at"
);

pub(super) async fn ping(database: &Database) -> Answer<()> {
    let read = database.rows(Access::Read, || query(PING));
    read.await.map(drop).map_err(told)
}

// Of a table that stays small: the first row of another may stand behind many that were deleted.
const PING: &str = "SELECT MAX(version) FROM handstamp_schema";

//! The steps that go alone, and the text of their statements.

use sqlx::query;

use super::database::Database;
use crate::clock::UnixMillis;
use crate::id::{AppId, SessionHandle, TenantId, UserId};
use crate::storage::StorageError;
use crate::storage::pool::{Access, told};
use crate::storage::rows;

pub(super) type Answer<T> = Result<T, StorageError>;

pub(super) async fn revoke_user(
    database: &Database,
    app: &AppId,
    tenant: Option<&TenantId>,
    user: &UserId,
    now: UnixMillis,
) -> Answer<Vec<SessionHandle>> {
    let revoked = database.rows(Access::Write, || {
        query(REVOKE_USER)
            .bind(app.as_str())
            .bind(user.as_str())
            .bind(tenant.map(TenantId::as_str))
            .bind(now.as_millis())
    });
    revoked
        .await
        .map_err(told)?
        .iter()
        .map(|row| rows::of_write(rows::handle(row)))
        .collect()
}

// Locked in the order in which batches lock, and found before that: as long as nobody has counted the rows, an index that has them
// in this order would be read for all of the app.
pub(super) const REVOKE_USER: &str = "WITH theirs AS MATERIALIZED (
         SELECT app, tenant, handle FROM handstamp_sessions
         WHERE app = $1 AND user_id = $2 AND ($3::text IS NULL OR tenant = $3)),
     held AS (
         SELECT s.app, s.tenant, s.handle FROM theirs
         JOIN handstamp_sessions AS s
             ON s.app = theirs.app AND s.tenant = theirs.tenant AND s.handle = theirs.handle
         ORDER BY s.app, s.tenant, s.handle
         FOR UPDATE OF s),
     gone AS (
         DELETE FROM handstamp_sessions AS s USING held
         WHERE s.app = held.app AND s.tenant = held.tenant AND s.handle = held.handle
         RETURNING s.tenant, s.handle, s.expires_at)
     SELECT tenant, handle FROM gone WHERE expires_at > $4";

pub(super) async fn handles_of_user(
    database: &Database,
    app: &AppId,
    tenant: Option<&TenantId>,
    user: &UserId,
    now: UnixMillis,
) -> Answer<Vec<SessionHandle>> {
    let found = database.rows(Access::Read, || {
        query(HANDLES_OF_USER)
            .bind(app.as_str())
            .bind(user.as_str())
            .bind(tenant.map(TenantId::as_str))
            .bind(now.as_millis())
    });
    found
        .await
        .map_err(told)?
        .iter()
        .map(rows::handle)
        .collect()
}

pub(super) const HANDLES_OF_USER: &str = "SELECT tenant, handle FROM handstamp_sessions
     WHERE app = $1 AND user_id = $2 AND ($3::text IS NULL OR tenant = $3) AND expires_at > $4";

/// Looks at rows that are due until it has deleted as many as it may, or no more are due. Rows that somebody is working on are
/// left for the next time.
pub(super) async fn sweep(database: &Database, now: UnixMillis, limit: u32) -> Answer<u32> {
    let mut swept = 0;
    while swept < limit {
        let most = (limit - swept).min(SWEEP_AT_ONCE);
        let looked = database.rows(Access::Write, || {
            query(SWEEP).bind(now.as_millis()).bind(i64::from(most))
        });
        let (due, gone) = rows::of_write(rows::counts(&looked.await.map_err(told)?))?;
        swept += gone;
        if due < most {
            break;
        }
    }
    Ok(swept)
}

/// How many rows one statement of a sweep takes, so that nobody waits long behind it.
const SWEEP_AT_ONCE: u32 = 500;

pub(super) const SWEEP: &str = "WITH due AS (
         SELECT app, tenant, handle, expires_at FROM handstamp_sessions
         WHERE sweep_at <= $1 ORDER BY sweep_at LIMIT $2
         FOR UPDATE SKIP LOCKED),
     put_off AS (
         UPDATE handstamp_sessions AS s SET sweep_at = s.expires_at FROM due
         WHERE s.app = due.app AND s.tenant = due.tenant AND s.handle = due.handle AND due.expires_at > $1),
     gone AS (
         DELETE FROM handstamp_sessions AS s USING due
         WHERE s.app = due.app AND s.tenant = due.tenant AND s.handle = due.handle AND due.expires_at <= $1
         RETURNING 1)
     SELECT (SELECT count(*) FROM due), (SELECT count(*) FROM gone)";

pub(super) async fn ping(database: &Database) -> Answer<()> {
    let read = database.rows(Access::Read, || query(PING));
    read.await.map(drop).map_err(told)
}

// Of a table that stays small: the first row of another may stand behind many that were deleted.
const PING: &str = "SELECT max(version) FROM handstamp_schema";

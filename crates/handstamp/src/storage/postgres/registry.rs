//! The steps that are not about single sessions: keys, apps and tenants.

use sqlx::query;

use super::database::{Bound, Database};
use super::steps::Answer;
use crate::clock::UnixMillis;
use crate::id::{AppId, TenantId};
use crate::json::JsonObject;
use crate::storage::pool::{Access, told};
use crate::storage::rows;
use crate::storage::work::guarded;
use crate::storage::{Guarded, StoredKey, TenantRecord};

pub(super) async fn keys(database: &Database, app: &AppId) -> Answer<Vec<StoredKey>> {
    let found = database.rows(Access::Read, || query(KEYS).bind(app.as_str()));
    found.await.map_err(told)?.iter().map(rows::key).collect()
}

pub(super) const KEYS: &str =
    "SELECT kind, generation, created_at, material FROM handstamp_keys WHERE app = $1";

pub(super) async fn add_key(database: &Database, app: &AppId, key: &StoredKey) -> Answer<Guarded> {
    let added = database.rows(Access::Write, || {
        query(ADD_KEY)
            .bind(app.as_str())
            .bind(key.kind.name())
            .bind(i64::from(key.generation))
            .bind(key.created_at.as_millis())
            .bind(key.material.as_slice())
    });
    Ok(guarded(!added.await.map_err(told)?.is_empty()))
}

pub(super) const ADD_KEY: &str =
    "INSERT INTO handstamp_keys (app, kind, generation, created_at, material)
     VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (app, kind, generation) DO NOTHING
     RETURNING 1";

pub(super) async fn retire_keys(
    database: &Database,
    app: &AppId,
    created_before: UnixMillis,
) -> Answer<u32> {
    let retired = database.rows(Access::Write, || {
        query(RETIRE_KEYS)
            .bind(app.as_str())
            .bind(created_before.as_millis())
    });
    Ok(u32::try_from(retired.await.map_err(told)?.len()).unwrap_or(u32::MAX))
}

pub(super) const RETIRE_KEYS: &str = "DELETE FROM handstamp_keys AS k
     WHERE app = $1 AND kind IN ('dynamic-rs256', 'dynamic-es256', 'dynamic-eddsa') AND created_at < $2
         AND generation < (SELECT max(generation) FROM handstamp_keys WHERE app = $1 AND kind = k.kind)
     RETURNING 1";

pub(super) async fn put_tenant(
    database: &Database,
    tenant: &TenantRecord,
    before: Option<&JsonObject>,
) -> Answer<Guarded> {
    let put = database.rows(Access::Write, || {
        let statement = if before.is_some() {
            UPDATE_TENANT
        } else {
            ADD_TENANT
        };
        let query = query(statement)
            .bind(tenant.app.as_str())
            .bind(tenant.tenant.as_str())
            .bind(tenant.config.as_str());
        match before {
            Some(before) => query.bind(before.as_str()),
            None => query.bind(tenant.created_at.as_millis()),
        }
    });
    Ok(guarded(!put.await.map_err(told)?.is_empty()))
}

pub(super) const ADD_TENANT: &str =
    "INSERT INTO handstamp_tenants (app, tenant, config, created_at) VALUES ($1, $2, $3, $4)
     ON CONFLICT (app, tenant) DO NOTHING
     RETURNING 1";

pub(super) const UPDATE_TENANT: &str = "UPDATE handstamp_tenants SET config = $3
     WHERE app = $1 AND tenant = $2 AND config = $4
     RETURNING 1";

pub(super) async fn tenants(database: &Database) -> Answer<Vec<TenantRecord>> {
    let found = database.rows(Access::Read, || query(TENANTS));
    found
        .await
        .map_err(told)?
        .iter()
        .map(rows::tenant)
        .collect()
}

pub(super) const TENANTS: &str = "SELECT app, tenant, created_at, config FROM handstamp_tenants";

/// Takes the sessions some at a time, each time for good, and then what is left of them together with the tenant. A failure on the
/// way leaves the tenant with fewer sessions, to be removed again.
pub(super) async fn remove_tenant(
    database: &Database,
    app: &AppId,
    tenant: &TenantId,
) -> Answer<bool> {
    let some = || {
        query(REMOVE_SOME_OF_TENANT)
            .bind(app.as_str())
            .bind(tenant.as_str())
            .bind(i64::from(REMOVED_AT_ONCE))
    };
    remove_sessions(database, some).await?;
    let removed = database.rows(Access::Write, || {
        query(REMOVE_TENANT)
            .bind(app.as_str())
            .bind(tenant.as_str())
    });
    rows::of_write(rows::flag(&removed.await.map_err(told)?))
}

/// Repeats `some`, which removes no more than [`REMOVED_AT_ONCE`], until it finds fewer.
async fn remove_sessions<'q>(
    database: &Database,
    some: impl Fn() -> Bound<'q> + Send + Sync,
) -> Answer<()> {
    loop {
        let removed = database.rows(Access::Write, &some);
        if removed.await.map_err(told)?.len() < usize::from(REMOVED_AT_ONCE) {
            return Ok(());
        }
    }
}

/// How many sessions one statement removes, so that the time it may take is enough for any tenant, and nobody waits long behind it.
const REMOVED_AT_ONCE: u16 = 1_000;

// Sessions are locked in the order in which batches lock.
pub(super) const REMOVE_SOME_OF_TENANT: &str = "WITH held AS (
         SELECT app, tenant, handle FROM handstamp_sessions
         WHERE app = $1 AND tenant = $2
         ORDER BY app, tenant, handle LIMIT $3
         FOR UPDATE)
     DELETE FROM handstamp_sessions AS s USING held
     WHERE s.app = held.app AND s.tenant = held.tenant AND s.handle = held.handle
     RETURNING 1";

// With the sessions that have come meanwhile.
pub(super) const REMOVE_TENANT: &str = "WITH held AS (
         SELECT app, tenant, handle FROM handstamp_sessions
         WHERE app = $1 AND tenant = $2
         ORDER BY app, tenant, handle
         FOR UPDATE),
     sessions AS (
         DELETE FROM handstamp_sessions AS s USING held
         WHERE s.app = held.app AND s.tenant = held.tenant AND s.handle = held.handle),
     gone AS (
         DELETE FROM handstamp_tenants WHERE app = $1 AND tenant = $2 RETURNING 1)
     SELECT EXISTS (SELECT 1 FROM gone)";

/// As [`remove_tenant`] does.
pub(super) async fn remove_app(database: &Database, app: &AppId) -> Answer<bool> {
    let some = || {
        query(REMOVE_SOME_OF_APP)
            .bind(app.as_str())
            .bind(i64::from(REMOVED_AT_ONCE))
    };
    remove_sessions(database, some).await?;
    let removed = database.rows(Access::Write, || {
        query(REMOVE_APP)
            .bind(app.as_str())
            .bind(TenantId::PUBLIC.as_str())
    });
    rows::of_write(rows::flag(&removed.await.map_err(told)?))
}

pub(super) const REMOVE_SOME_OF_APP: &str = "WITH held AS (
         SELECT app, tenant, handle FROM handstamp_sessions
         WHERE app = $1
         ORDER BY app, tenant, handle LIMIT $2
         FOR UPDATE)
     DELETE FROM handstamp_sessions AS s USING held
     WHERE s.app = held.app AND s.tenant = held.tenant AND s.handle = held.handle
     RETURNING 1";

pub(super) const REMOVE_APP: &str = "WITH held AS (
         SELECT app, tenant, handle FROM handstamp_sessions
         WHERE app = $1
         ORDER BY app, tenant, handle
         FOR UPDATE),
     sessions AS (
         DELETE FROM handstamp_sessions AS s USING held
         WHERE s.app = held.app AND s.tenant = held.tenant AND s.handle = held.handle),
     keys AS (
         DELETE FROM handstamp_keys WHERE app = $1),
     gone AS (
         DELETE FROM handstamp_tenants WHERE app = $1 RETURNING tenant)
     SELECT EXISTS (SELECT 1 FROM gone WHERE tenant = $2)";

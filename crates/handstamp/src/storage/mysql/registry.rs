//! The steps that are not about single sessions: keys, apps and tenants.

use sqlx::{Error, MySql, Transaction, query};

use super::database::{Bound, Database, Steps, Together};
use super::steps::Answer;
use crate::clock::UnixMillis;
use crate::id::{AppId, TenantId};
use crate::json::JsonObject;
use crate::storage::pool::{Access, told};
use crate::storage::rows;
use crate::storage::work::guarded;
use crate::storage::{Guarded, StoredKey, TenantRecord};

pub(super) async fn keys(database: &Database, app: &AppId) -> Answer<Vec<StoredKey>> {
    let found = database.rows(Access::Read, || query(KEYS).bind(app.as_str().as_bytes()));
    found.await.map_err(told)?.iter().map(rows::key).collect()
}

pub(super) const KEYS: &str =
    "SELECT kind, generation, created_at, material FROM handstamp_keys WHERE app = ?";

pub(super) async fn add_key(database: &Database, app: &AppId, key: &StoredKey) -> Answer<Guarded> {
    let added = database.inserted(|| {
        query(ADD_KEY)
            .bind(app.as_str().as_bytes())
            .bind(key.kind.name().as_bytes())
            .bind(i64::from(key.generation))
            .bind(key.created_at.as_millis())
            .bind(key.material.as_slice())
    });
    Ok(guarded(added.await.map_err(told)?))
}

const ADD_KEY: &str = "INSERT INTO handstamp_keys (app, kind, generation, created_at, material)
     VALUES (?, ?, ?, ?, ?)";

pub(super) async fn retire_keys(
    database: &Database,
    app: &AppId,
    created_before: UnixMillis,
) -> Answer<u32> {
    let retired = database.count(|| {
        query(RETIRE_KEYS)
            .bind(app.as_str().as_bytes())
            .bind(app.as_str().as_bytes())
            .bind(created_before.as_millis())
    });
    Ok(u32::try_from(retired.await.map_err(told)?).unwrap_or(u32::MAX))
}

// By a table of its own, because MySQL does not let a subquery look at what is deleted.
pub(super) const RETIRE_KEYS: &str = "DELETE k FROM handstamp_keys AS k
     JOIN (SELECT kind, MAX(generation) AS generation FROM handstamp_keys WHERE app = ? GROUP BY kind) AS newest
         ON newest.kind = k.kind
     WHERE k.app = ? AND k.kind IN ('dynamic-rs256', 'dynamic-es256', 'dynamic-eddsa') AND k.created_at < ?
         AND k.generation < newest.generation";

pub(super) async fn put_tenant(
    database: &Database,
    tenant: &TenantRecord,
    before: Option<&JsonObject>,
) -> Answer<Guarded> {
    let (app, name) = (
        tenant.app.as_str().as_bytes(),
        tenant.tenant.as_str().as_bytes(),
    );
    let config = tenant.config.as_str();
    let put = if let Some(before) = before {
        let updated = database.count(|| {
            query(UPDATE_TENANT)
                .bind(config)
                .bind(app)
                .bind(name)
                .bind(before.as_str())
        });
        updated.await.map_err(told)? > 0
    } else {
        let added = database.inserted(|| {
            query(ADD_TENANT)
                .bind(app)
                .bind(name)
                .bind(tenant.created_at.as_millis())
                .bind(config)
        });
        added.await.map_err(told)?
    };
    Ok(guarded(put))
}

const ADD_TENANT: &str =
    "INSERT INTO handstamp_tenants (app, tenant, created_at, config) VALUES (?, ?, ?, ?)";

pub(super) const UPDATE_TENANT: &str =
    "UPDATE handstamp_tenants SET config = ? WHERE app = ? AND tenant = ? AND config = ?";

pub(super) async fn tenants(database: &Database) -> Answer<Vec<TenantRecord>> {
    let found = database.rows(Access::Read, || query(TENANTS));
    let found = found.await.map_err(told)?;
    found.iter().map(rows::tenant).collect()
}

const TENANTS: &str = "SELECT app, tenant, created_at, config FROM handstamp_tenants";

/// Takes the sessions some at a time, each time for good, and then what is left of them together with the tenant. A failure on the
/// way leaves the tenant with fewer sessions, to be removed again.
pub(super) async fn remove_tenant(
    database: &Database,
    app: &AppId,
    tenant: &TenantId,
) -> Answer<bool> {
    let some = || {
        query(REMOVE_SOME_OF_TENANT)
            .bind(app.as_str().as_bytes())
            .bind(tenant.as_str().as_bytes())
            .bind(REMOVED_AT_ONCE)
    };
    remove_sessions(database, some).await?;
    let work = Together(RemoveTenant(app, tenant));
    database.run(Access::Write, &work).await.map_err(told)
}

/// Repeats `some`, which removes no more than [`REMOVED_AT_ONCE`], until it finds fewer.
async fn remove_sessions<'q>(
    database: &Database,
    some: impl Fn() -> Bound<'q> + Send + Sync,
) -> Answer<()> {
    loop {
        let removed = database.count(&some);
        if removed.await.map_err(told)? < u64::from(REMOVED_AT_ONCE) {
            return Ok(());
        }
    }
}

/// How many sessions one statement removes, so that the time it may take is enough for any tenant, and nobody waits long behind it.
const REMOVED_AT_ONCE: u32 = 1_000;

// In the order in which batches lock.
pub(super) const REMOVE_SOME_OF_TENANT: &str = "DELETE FROM handstamp_sessions
     WHERE app = ? AND tenant = ? ORDER BY app, tenant, handle LIMIT ?";

struct RemoveTenant<'a>(&'a AppId, &'a TenantId);

impl Steps for RemoveTenant<'_> {
    type Outcome = bool;

    async fn steps(&self, transaction: &mut Transaction<'_, MySql>) -> Result<bool, Error> {
        let mut gone = 0;
        for sql in [REMOVE_SESSIONS_OF_TENANT, REMOVE_TENANT] {
            let removed = query(sql)
                .bind(self.0.as_str().as_bytes())
                .bind(self.1.as_str().as_bytes())
                .execute(&mut **transaction);
            gone = removed.await?.rows_affected();
        }
        Ok(gone > 0)
    }
}

// Those that have come meanwhile. In the order of the primary key, which is that in which batches lock.
pub(super) const REMOVE_SESSIONS_OF_TENANT: &str =
    "DELETE FROM handstamp_sessions WHERE app = ? AND tenant = ?";

pub(super) const REMOVE_TENANT: &str = "DELETE FROM handstamp_tenants WHERE app = ? AND tenant = ?";

/// As [`remove_tenant`] does.
pub(super) async fn remove_app(database: &Database, app: &AppId) -> Answer<bool> {
    let some = || {
        query(REMOVE_SOME_OF_APP)
            .bind(app.as_str().as_bytes())
            .bind(REMOVED_AT_ONCE)
    };
    remove_sessions(database, some).await?;
    let work = Together(RemoveApp(app));
    database.run(Access::Write, &work).await.map_err(told)
}

pub(super) const REMOVE_SOME_OF_APP: &str = "DELETE FROM handstamp_sessions
     WHERE app = ? ORDER BY app, tenant, handle LIMIT ?";

struct RemoveApp<'a>(&'a AppId);

impl Steps for RemoveApp<'_> {
    type Outcome = bool;

    async fn steps(&self, transaction: &mut Transaction<'_, MySql>) -> Result<bool, Error> {
        let app = self.0.as_str().as_bytes();
        let removed = query(REMOVE_TENANT)
            .bind(app)
            .bind(TenantId::PUBLIC.as_str().as_bytes())
            .execute(&mut **transaction);
        let there = removed.await?.rows_affected() > 0;
        for sql in [
            REMOVE_SESSIONS_OF_APP,
            REMOVE_KEYS_OF_APP,
            REMOVE_TENANTS_OF_APP,
        ] {
            query(sql).bind(app).execute(&mut **transaction).await?;
        }
        Ok(there)
    }
}

pub(super) const REMOVE_SESSIONS_OF_APP: &str = "DELETE FROM handstamp_sessions WHERE app = ?";
pub(super) const REMOVE_KEYS_OF_APP: &str = "DELETE FROM handstamp_keys WHERE app = ?";
pub(super) const REMOVE_TENANTS_OF_APP: &str = "DELETE FROM handstamp_tenants WHERE app = ?";

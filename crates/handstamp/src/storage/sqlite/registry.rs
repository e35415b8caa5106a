//! What the steps that are not about single sessions do to the tables: keys, apps and tenants.

use rusqlite::params;

use super::rows;
use super::steps::{Db, guarded};
use crate::clock::UnixMillis;
use crate::id::{AppId, TenantId};
use crate::json::JsonObject;
use crate::storage::{Guarded, StorageError, StoredKey, TenantRecord};

pub(super) fn keys(db: Db<'_, '_>, app: &AppId) -> Result<Vec<StoredKey>, StorageError> {
    db.all(
        "SELECT kind, generation, created_at, material FROM keys WHERE app = ?1",
        [app.as_str()],
        rows::key,
    )
}

pub(super) fn add_key(
    db: Db<'_, '_>,
    app: &AppId,
    key: &StoredKey,
) -> Result<Guarded, StorageError> {
    let inserted = db.execute(
        "INSERT INTO keys (app, kind, generation, created_at, material)
         VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (app, kind, generation) DO NOTHING",
        params![
            app.as_str(),
            key.kind.name(),
            key.generation,
            key.created_at.as_millis(),
            key.material.as_slice()
        ],
    )?;
    Ok(guarded(inserted))
}

pub(super) fn retire_keys(
    db: Db<'_, '_>,
    app: &AppId,
    created_before: UnixMillis,
) -> Result<u32, StorageError> {
    let retired = db.execute(
        "DELETE FROM keys
         WHERE app = ?1 AND kind IN ('dynamic-rs256', 'dynamic-es256', 'dynamic-eddsa') AND created_at < ?2
             AND generation < (
                 SELECT max(generation) FROM keys AS others WHERE others.app = ?1 AND others.kind = keys.kind)",
        params![app.as_str(), created_before.as_millis()],
    )?;
    Ok(u32::try_from(retired).unwrap_or(u32::MAX))
}

pub(super) fn put_tenant(
    db: Db<'_, '_>,
    tenant: &TenantRecord,
    before: Option<&JsonObject>,
) -> Result<Guarded, StorageError> {
    let (app, name) = (tenant.app.as_str(), tenant.tenant.as_str());
    let config = tenant.config.as_str();
    let put = match before {
        Some(before) => db.execute(
            "UPDATE tenants SET config = ?3 WHERE app = ?1 AND tenant = ?2 AND config = ?4",
            params![app, name, config, before.as_str()],
        )?,
        None => db.execute(
            "INSERT INTO tenants (app, tenant, created_at, config) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (app, tenant) DO NOTHING",
            params![app, name, tenant.created_at.as_millis(), config],
        )?,
    };
    Ok(guarded(put))
}

pub(super) fn tenants(db: Db<'_, '_>) -> Result<Vec<TenantRecord>, StorageError> {
    db.all(
        "SELECT app, tenant, created_at, config FROM tenants",
        [],
        rows::tenant,
    )
}

pub(super) fn remove_tenant(
    db: Db<'_, '_>,
    app: &AppId,
    tenant: &TenantId,
) -> Result<bool, StorageError> {
    let place = params![app.as_str(), tenant.as_str()];
    db.execute("DELETE FROM sessions WHERE app = ?1 AND tenant = ?2", place)?;
    let removed = db.execute("DELETE FROM tenants WHERE app = ?1 AND tenant = ?2", place)?;
    Ok(removed > 0)
}

pub(super) fn remove_app(db: Db<'_, '_>, app: &AppId) -> Result<bool, StorageError> {
    db.execute("DELETE FROM sessions WHERE app = ?1", [app.as_str()])?;
    db.execute("DELETE FROM keys WHERE app = ?1", [app.as_str()])?;
    let was_there = db.execute(
        "DELETE FROM tenants WHERE app = ?1 AND tenant = ?2",
        params![app.as_str(), TenantId::PUBLIC.as_str()],
    )?;
    db.execute("DELETE FROM tenants WHERE app = ?1", [app.as_str()])?;
    Ok(was_there > 0)
}

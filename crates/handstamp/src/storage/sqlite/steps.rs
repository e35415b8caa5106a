//! What each step of the contract does to the tables.

use rusqlite::{named_params, params};

use super::rows::{self, session_columns, signed};
use super::statements::Statements;
use crate::clock::UnixMillis;
use crate::id::{AppId, SessionHandle, TenantId, UserId};
use crate::json::JsonObject;
use crate::rotation::Rotation;
use crate::session::{Session, SessionData};
use crate::storage::{Confirm, DataWrite, Guarded, Renewal, StorageError};
use crate::token::Nonce;

pub(super) type Db<'a, 'c> = &'a mut Statements<'c>;

pub(super) fn insert(
    db: Db<'_, '_>,
    app: &AppId,
    session: &Session,
    data: &JsonObject,
) -> Result<Guarded, StorageError> {
    let Rotation {
        current,
        child,
        previous,
        counter,
    } = &session.rotation;
    let inserted = db.execute(
        "INSERT INTO sessions (
             app, tenant, handle, user_id, jwt_payload, created_at, expires_at, ends_at, static_key,
             current_hash, current_nonce, child_hash, child_nonce, child_given_at,
             previous_hash, previous_superseded_at, counter)
         VALUES (
             :app, :tenant, :handle, :user_id, :jwt_payload, :created_at, :expires_at, :ends_at, :static_key,
             :current_hash, :current_nonce, :child_hash, :child_nonce, :child_given_at,
             :previous_hash, :previous_superseded_at, :counter)
         ON CONFLICT (app, tenant, handle) DO NOTHING",
        named_params! {
            ":app": app.as_str(),
            ":tenant": session.handle.tenant().as_str(),
            ":handle": session.handle.id().as_bytes(),
            ":user_id": session.user_id.as_str(),
            ":jwt_payload": session.jwt_payload.as_str(),
            ":created_at": session.created_at.as_millis(),
            ":expires_at": session.expires_at.as_millis(),
            ":ends_at": session.ends_at.as_millis(),
            ":static_key": session.static_key,
            ":current_hash": current.hash.as_bytes(),
            ":current_nonce": current.nonce.as_ref().map(Nonce::as_bytes),
            ":child_hash": child.as_ref().map(|child| child.hash.as_bytes()),
            ":child_nonce": child.as_ref().map(|child| child.nonce.as_bytes()),
            ":child_given_at": child.as_ref().map(|child| child.given_at.as_millis()),
            ":previous_hash": previous.as_ref().map(|previous| previous.hash.as_bytes()),
            ":previous_superseded_at":
                previous.as_ref().map(|previous| previous.superseded_at.as_millis()),
            ":counter": signed(*counter),
        },
    )?;
    if inserted == 0 {
        return Ok(Guarded::Lost);
    }
    db.execute(
        "INSERT INTO session_data (session_id, version, data) VALUES (last_insert_rowid(), 1, ?1)",
        [data.as_str()],
    )?;
    Ok(Guarded::Written)
}

pub(super) fn session(
    db: Db<'_, '_>,
    app: &AppId,
    handle: &SessionHandle,
) -> Result<Option<Session>, StorageError> {
    db.one(
        concat!(
            "SELECT ",
            session_columns!(),
            " FROM sessions WHERE app = ?1 AND tenant = ?2 AND handle = ?3"
        ),
        params![
            app.as_str(),
            handle.tenant().as_str(),
            handle.id().as_bytes()
        ],
        rows::session,
    )
}

pub(super) fn rotate(
    db: Db<'_, '_>,
    app: &AppId,
    handle: &SessionHandle,
    expected: u64,
    next: &Renewal,
) -> Result<Guarded, StorageError> {
    let Rotation {
        current,
        child,
        previous,
        counter,
    } = &next.rotation;
    let updated = db.execute(
        "UPDATE sessions SET
             current_hash = :current_hash, current_nonce = :current_nonce,
             child_hash = :child_hash, child_nonce = :child_nonce, child_given_at = :child_given_at,
             previous_hash = :previous_hash, previous_superseded_at = :previous_superseded_at,
             counter = :counter, expires_at = :expires_at, static_key = :static_key
         WHERE app = :app AND tenant = :tenant AND handle = :handle AND counter = :expected",
        named_params! {
            ":app": app.as_str(),
            ":tenant": handle.tenant().as_str(),
            ":handle": handle.id().as_bytes(),
            ":expected": signed(expected),
            ":expires_at": next.expires_at.as_millis(),
            ":static_key": next.static_key,
            ":current_hash": current.hash.as_bytes(),
            ":current_nonce": current.nonce.as_ref().map(Nonce::as_bytes),
            ":child_hash": child.as_ref().map(|child| child.hash.as_bytes()),
            ":child_nonce": child.as_ref().map(|child| child.nonce.as_bytes()),
            ":child_given_at": child.as_ref().map(|child| child.given_at.as_millis()),
            ":previous_hash": previous.as_ref().map(|previous| previous.hash.as_bytes()),
            ":previous_superseded_at":
                previous.as_ref().map(|previous| previous.superseded_at.as_millis()),
            ":counter": signed(*counter),
        },
    )?;
    Ok(guarded(updated))
}

/// [`crate::rotation::confirm`] in one statement: what a `SET` reads is the row as it was.
pub(super) fn confirm(
    db: Db<'_, '_>,
    app: &AppId,
    handle: &SessionHandle,
    step: Confirm,
) -> Result<Option<Session>, StorageError> {
    db.one(
        concat!(
            "UPDATE sessions SET
                 previous_hash = current_hash, previous_superseded_at = :now,
                 current_hash = :child,
                 current_nonce = CASE WHEN child_hash = :child THEN child_nonce END,
                 child_hash = NULL, child_nonce = NULL, child_given_at = NULL,
                 counter = counter + 1, expires_at = min(:expires_at, ends_at)
             WHERE app = :app AND tenant = :tenant AND handle = :handle
                 AND current_hash = :parent AND expires_at > :now
             RETURNING ",
            session_columns!()
        ),
        named_params! {
            ":app": app.as_str(),
            ":tenant": handle.tenant().as_str(),
            ":handle": handle.id().as_bytes(),
            ":child": step.child.as_bytes(),
            ":parent": step.parent.as_bytes(),
            ":now": step.now.as_millis(),
            ":expires_at": step.expires_at.as_millis(),
        },
        rows::session,
    )
}

pub(super) fn session_data(
    db: Db<'_, '_>,
    app: &AppId,
    handle: &SessionHandle,
) -> Result<Option<SessionData>, StorageError> {
    db.one(
        "SELECT expires_at, version, data
         FROM sessions LEFT JOIN session_data ON session_id = id
         WHERE app = ?1 AND tenant = ?2 AND handle = ?3",
        params![
            app.as_str(),
            handle.tenant().as_str(),
            handle.id().as_bytes()
        ],
        rows::session_data,
    )
}

pub(super) fn write_session_data(
    db: Db<'_, '_>,
    app: &AppId,
    handle: &SessionHandle,
    data: &JsonObject,
    expected: Option<u64>,
    now: UnixMillis,
) -> Result<DataWrite, StorageError> {
    let session = db.one(
        "SELECT id, version
         FROM sessions LEFT JOIN session_data ON session_id = id
         WHERE app = ?1 AND tenant = ?2 AND handle = ?3 AND expires_at > ?4",
        params![
            app.as_str(),
            handle.tenant().as_str(),
            handle.id().as_bytes(),
            now.as_millis()
        ],
        rows::data_version,
    )?;
    let Some((id, version)) = session else {
        return Ok(DataWrite::Missing);
    };
    if expected.is_some_and(|expected| expected != version) {
        return Ok(DataWrite::Conflict);
    }
    db.execute(
        "UPDATE session_data SET data = ?2, version = version + 1 WHERE session_id = ?1",
        params![id, data.as_str()],
    )?;
    Ok(DataWrite::Written(version.saturating_add(1)))
}

pub(super) fn write_jwt_payload(
    db: Db<'_, '_>,
    app: &AppId,
    handle: &SessionHandle,
    payload: &JsonObject,
    now: UnixMillis,
) -> Result<bool, StorageError> {
    let updated = db.execute(
        "UPDATE sessions SET jwt_payload = ?5
         WHERE app = ?1 AND tenant = ?2 AND handle = ?3 AND expires_at > ?4",
        params![
            app.as_str(),
            handle.tenant().as_str(),
            handle.id().as_bytes(),
            now.as_millis(),
            payload.as_str()
        ],
    )?;
    Ok(updated > 0)
}

pub(super) fn revoke(
    db: Db<'_, '_>,
    app: &AppId,
    handles: Vec<SessionHandle>,
) -> Result<Vec<SessionHandle>, StorageError> {
    let mut revoked = Vec::new();
    for handle in handles {
        let deleted = db.execute(
            "DELETE FROM sessions WHERE app = ?1 AND tenant = ?2 AND handle = ?3",
            params![
                app.as_str(),
                handle.tenant().as_str(),
                handle.id().as_bytes()
            ],
        )?;
        if deleted > 0 {
            revoked.push(handle);
        }
    }
    Ok(revoked)
}

pub(super) fn revoke_user(
    db: Db<'_, '_>,
    app: &AppId,
    tenant: Option<&TenantId>,
    user: &UserId,
    now: UnixMillis,
) -> Result<Vec<SessionHandle>, StorageError> {
    let gone = db.all(
        "DELETE FROM sessions
         WHERE app = ?1 AND user_id = ?2 AND (?3 IS NULL OR tenant = ?3)
         RETURNING tenant, handle, expires_at",
        params![app.as_str(), user.as_str(), tenant.map(TenantId::as_str)],
        rows::handle_and_end,
    )?;
    let alive = gone.into_iter().filter(|(_, expires_at)| *expires_at > now);
    Ok(alive.map(|(handle, _)| handle).collect())
}

pub(super) fn handles_of_user(
    db: Db<'_, '_>,
    app: &AppId,
    tenant: Option<&TenantId>,
    user: &UserId,
    now: UnixMillis,
) -> Result<Vec<SessionHandle>, StorageError> {
    db.all(
        "SELECT tenant, handle FROM sessions
         WHERE app = ?1 AND user_id = ?2 AND (?3 IS NULL OR tenant = ?3) AND expires_at > ?4",
        params![
            app.as_str(),
            user.as_str(),
            tenant.map(TenantId::as_str),
            now.as_millis()
        ],
        rows::handle,
    )
}

pub(super) fn sweep(db: Db<'_, '_>, now: UnixMillis, limit: u32) -> Result<u32, StorageError> {
    let deleted = db.execute(
        "DELETE FROM sessions WHERE id IN (
             SELECT id FROM sessions WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)",
        params![now.as_millis(), limit],
    )?;
    Ok(u32::try_from(deleted).unwrap_or(limit))
}

pub(super) fn ping(db: Db<'_, '_>) -> Result<(), StorageError> {
    db.all("SELECT 1 FROM sessions LIMIT 1", [], |_| Ok(()))
        .map(drop)
}

pub(super) fn guarded(changed: usize) -> Guarded {
    if changed == 0 {
        Guarded::Lost
    } else {
        Guarded::Written
    }
}

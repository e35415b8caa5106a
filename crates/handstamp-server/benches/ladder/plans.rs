//! How PostgreSQL runs each statement when the table is well filled.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use handstamp::clock::{Clock, SystemClock, UnixMillis};
use handstamp::jws::Algorithm;
use handstamp::session::Session;
use handstamp::storage::postgres::{PostgresOptions, PostgresStorage};
use handstamp::storage::{Confirm, Guarded, KeyKind, Storage, StoredKey, TenantRecord};
use handstamp::token::Hash2;
use handstamp::{AppId, Config, Engine, JsonObject, Parts, SessionHandle, TenantId};
use testbed::plans::{Plan, different};
use testbed::postgres::Postgres;

use crate::client::{DATA, PAYLOAD};
use crate::load::stored_session;
use crate::postgres::renewal;

/// `handles` are of stored sessions; some of them go.
pub(crate) async fn made(
    postgres: &Postgres,
    schema: &str,
    handles: &[SessionHandle],
) -> Result<Vec<Plan>> {
    let url = format!("{}&schema={schema}", postgres.explained_url());
    let mut options = PostgresOptions::default();
    // With a limit goes what is said to the planner. One at a time, because the log is for all.
    (options.statement_timeout, options.max_connections) = (None, 1);
    let storage = Arc::new(PostgresStorage::connect(&url, &options).await?);
    send_all(&storage, handles).await?;
    storage.close().await;
    let plans = different(postgres.plans()?);
    let ours = |plan: &Plan| plan.statement.contains(" handstamp_");
    Ok(plans.into_values().flatten().filter(ours).collect())
}

/// Each statement at least once, with as many sessions as come together in practice.
async fn send_all(storage: &Arc<PostgresStorage>, handles: &[SessionHandle]) -> Result<()> {
    const TOGETHER: usize = 32;
    let (app, now) = (AppId::PUBLIC, SystemClock.now());
    let (data, empty) = (JsonObject::parse(DATA)?, JsonObject::empty());
    let (some, others) = handles.split_at_checked(TOGETHER).context("sessions")?;
    let each = || some.iter();

    let new: Vec<Session> = each()
        .map(|_| stored_session("bench", JsonObject::parse(PAYLOAD)?))
        .collect::<Result<_>>()?;
    try_join_all(new.iter().map(|one| storage.insert(&app, one, &data))).await?;
    let read = try_join_all(each().map(|one| storage.session(&app, one))).await?;
    let read: Option<Vec<Session>> = read.into_iter().collect();
    let read = read.context("a session is missing")?;
    try_join_all(each().map(|one| storage.session_data(&app, one))).await?;
    let next: Vec<_> = read
        .iter()
        .map(|session| renewal(&session.rotation, now))
        .collect();
    let rotations = read.iter().zip(&next).map(|(session, next)| {
        storage.rotate(&app, &session.handle, session.rotation.counter, next)
    });
    try_join_all(rotations).await?;
    let confirmations = read.iter().map(|session| {
        let step = Confirm {
            child: Hash2::from_bytes([7; 32]),
            parent: session.rotation.current.hash,
            now,
            expires_at: UnixMillis::MAX,
        };
        storage.confirm(&app, &session.handle, step)
    });
    try_join_all(confirmations).await?;
    let writes = each().map(|one| storage.write_session_data(&app, one, &data, None, now));
    try_join_all(writes).await?;
    let writes = each().map(|one| storage.write_jwt_payload(&app, one, &empty, now));
    try_join_all(writes).await?;

    let user = &read.first().context("a session")?.user_id;
    storage.handles_of_user(&app, None, user, now).await?;
    let parts = Parts::with_shared_storage(Arc::<PostgresStorage>::clone(storage));
    let engine = Engine::new(parts, Config::default());
    engine.revoke_user(&app, None, user).await?;
    let others = others.get(..2).context("sessions")?;
    ensure!(storage.revoke(&app, others).await?.len() == others.len());
    storage.sweep(now, 500).await?;
    storage.ping().await?;
    registry(storage, now).await
}

async fn registry(storage: &PostgresStorage, now: UnixMillis) -> Result<()> {
    let (app, tenant) = (AppId::parse("other")?, TenantId::parse("other")?);
    for kind in [
        KeyKind::Dynamic(Algorithm::Es256),
        KeyKind::Static(Algorithm::Es256),
    ] {
        let key = StoredKey {
            kind,
            generation: 1,
            created_at: now,
            material: vec![1].into(),
        };
        ensure!(storage.add_key(&app, &key).await? == Guarded::Written);
    }
    storage.keys(&app).await?;
    storage.retire_keys(&app, now).await?;
    let record = TenantRecord {
        app: app.clone(),
        tenant: tenant.clone(),
        created_at: now,
        config: JsonObject::empty(),
    };
    for before in [None, Some(&record.config)] {
        ensure!(storage.put_tenant(&record, before).await? == Guarded::Written);
    }
    storage.tenants().await?;
    storage.remove_tenant(&app, &tenant).await?;
    storage.remove_app(&app).await?;
    Ok(())
}

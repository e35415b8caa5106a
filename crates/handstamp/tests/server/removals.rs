//! Tenants and apps that have more sessions than one statement removes.

use handstamp::storage::{Guarded, Storage as _, TenantRecord};
use handstamp::{AppId, JsonObject, SessionHandle, TenantId};

use crate::fixture::{APP, Store, Town, all, at, session, until};

/// As many as go at once.
const SOME: u32 = 1_000;
const MANY: u32 = 2 * SOME + 500;

/// Whoever holds one of them makes no more wait than those that would go with it.
pub(crate) async fn many_sessions_go_some_at_a_time(town: Town) {
    let storage = town.open().await;
    let (app, other) = (AppId::parse("app").unwrap(), AppId::parse("other").unwrap());
    let (public, second) = (TenantId::PUBLIC, TenantId::parse("second").unwrap());
    // In the order in which they go.
    for (app, tenant, ids) in [
        (&APP, &second, 0..MANY),
        (&app, &public, 0..1_200),
        (&app, &second, 1_200..MANY),
        // These stay: one after each place that goes, and one before.
        (&APP, &public, 0..1),
        (&APP, &TenantId::parse("third").unwrap(), 0..1),
        (&other, &second, 0..1),
    ] {
        keep_in(&storage, app, tenant, ids).await;
    }
    goes_some_at_a_time(&town, &storage, &APP, Some(&second)).await;
    goes_some_at_a_time(&town, &storage, &app, None).await;
    let count = "SELECT COUNT(*) FROM handstamp_sessions";
    assert_eq!(town.client().await.number(count).await, 3);
    assert_eq!(storage.tenants().await.unwrap().len(), 3);
}

/// Removes the tenant, or the app.
async fn goes_some_at_a_time(town: &Town, storage: &Store, app: &AppId, tenant: Option<&TenantId>) {
    let there = storage.tenants().await.unwrap().len();
    let second = TenantId::parse("second").unwrap();
    let count = match tenant {
        Some(_) => format!("tenant = 'second' AND app = '{app}'"),
        None => format!("app = '{app}'"),
    };
    let count = format!("SELECT COUNT(*) FROM handstamp_sessions WHERE {count}");
    let mut watcher = town.client().await;
    let mut holders = Vec::new();
    // One of the second that go at once, and one of the third.
    for id in [SOME + 500, 2 * SOME + 400] {
        let mut holder = town.client().await;
        for sql in [
            "SET TRANSACTION ISOLATION LEVEL READ COMMITTED",
            "BEGIN",
            &format!(
                "UPDATE handstamp_sessions SET counter = 5
                 WHERE app = '{app}' AND user_id = 'canary-user-{id}' AND tenant = 'second'"
            ),
        ] {
            holder.run(sql).await;
        }
        holders.push(holder);
    }
    let removal = async {
        let removed = match tenant {
            Some(tenant) => storage.remove_tenant(app, tenant).await,
            None => storage.remove_app(app).await,
        };
        removed.unwrap()
    };
    // Each holder lets go once it was seen what those before it have come to, and another session has come meanwhile.
    let held = async {
        watcher.sees_waiting(town, 1).await;
        assert_eq!(watcher.number(&count).await, i64::from(MANY - SOME));
        keep_in(storage, app, &second, 0..1).await;
        holders[0].run("COMMIT").await;
        let left = i64::from(MANY - 2 * SOME + 1);
        until(async || watcher.number(&count).await <= left).await;
        assert_eq!(watcher.number(&count).await, left);
        assert_eq!(storage.tenants().await.unwrap().len(), there);
        keep_in(storage, app, &second, MANY..MANY + 1).await;
        holders[1].run("COMMIT").await;
    };
    let (removed, ()) = tokio::join!(removal, held);
    assert!(removed, "it was there");
    assert_eq!(watcher.number(&count).await, 0);
}

/// Sessions of a tenant, which is made if it is not there.
async fn keep_in(storage: &Store, app: &AppId, tenant: &TenantId, ids: std::ops::Range<u32>) {
    let record = TenantRecord {
        app: app.clone(),
        tenant: tenant.clone(),
        created_at: at(0),
        config: JsonObject::empty(),
    };
    let _: Guarded = storage.put_tenant(&record, None).await.unwrap();
    let sessions: Vec<_> = ids
        .map(|id| {
            let mut one = session(id);
            one.handle = SessionHandle::new(tenant.clone(), one.handle.id());
            one
        })
        .collect();
    let data = JsonObject::empty();
    for written in all(sessions.iter().map(|one| storage.insert(app, one, &data))).await {
        assert_eq!(written.unwrap(), Guarded::Written);
    }
}

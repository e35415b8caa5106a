//! Apps and tenants: kept, listed, and forgotten with all that is theirs.

use std::sync::Arc;

use super::{
    app, at, at_once, confirmation, count, full_rotation, initial_data, json, renewal, session,
    tenant,
};
use crate::id::{AppId, TenantId};
use crate::jws::Algorithm;
use crate::session::Session;
use crate::storage::{DataWrite, Guarded, KeyKind, Storage, StoredKey, TenantRecord};

fn record(app: &AppId, tenant: &TenantId, config: &str) -> TenantRecord {
    TenantRecord {
        app: app.clone(),
        tenant: tenant.clone(),
        created_at: at(1_000),
        config: json(config),
    }
}

async fn all(storage: &Arc<dyn Storage>) -> Vec<TenantRecord> {
    let mut all = storage.tenants().await.expect("tenants");
    all.sort_by(|one, other| (&one.app, &one.tenant).cmp(&(&other.app, &other.tenant)));
    all
}

/// The second time, the configuration is another and the rest is as it was; but only if it is what it was taken for.
pub async fn are_put_and_listed(storage: Arc<dyn Storage>) {
    assert_eq!(all(&storage).await, []);
    let (one, other) = (app("one"), tenant("other"));
    let first = record(&one, &TenantId::PUBLIC, r#"{"b":null,"a":1.10}"#);
    let second = record(&one, &other, "{}");
    let elsewhere = record(&AppId::PUBLIC, &other, "{}");
    let put = async |record: &TenantRecord, before: Option<&str>| {
        let before = before.map(json);
        let put = storage.put_tenant(record, before.as_ref()).await;
        put.expect("put")
    };
    for record in [&first, &second, &elsewhere] {
        assert_eq!(put(record, Some("{}")).await, Guarded::Lost);
        assert_eq!(put(record, None).await, Guarded::Written);
    }
    let again = TenantRecord {
        created_at: at(9_000),
        ..record(&one, &other, r#"{"new":true}"#)
    };
    for before in [None, Some("{ }"), Some(r#"{"new":true}"#)] {
        assert_eq!(put(&again, before).await, Guarded::Lost);
    }
    assert_eq!(
        all(&storage).await,
        [second, first.clone(), elsewhere.clone()]
    );
    assert_eq!(put(&again, Some("{}")).await, Guarded::Written);
    let updated = TenantRecord {
        created_at: at(1_000),
        ..again
    };
    assert_eq!(all(&storage).await, [updated, first, elsewhere]);
}

/// Of many that make the same one, and of many that change what they read, one does.
pub async fn are_put_by_many_at_once(storage: Arc<dyn Storage>) {
    for round in 0..4 {
        let tenant = tenant(&format!("tenant-{round}"));
        let mut before = None;
        for change in 0..3 {
            let outcomes = at_once(16, |n| {
                let (storage, tenant, before) =
                    (Arc::clone(&storage), tenant.clone(), before.clone());
                async move {
                    let config = format!(r#"{{"change":{change},"by":{n}}}"#);
                    let record = record(&AppId::PUBLIC, &tenant, &config);
                    let put = storage.put_tenant(&record, before.as_ref()).await;
                    put.expect("put")
                }
            })
            .await;
            assert_eq!(count(&outcomes, &Guarded::Written), 1);
            let kept = all(&storage).await;
            let kept = kept.into_iter().find(|record| record.tenant == tenant);
            before = kept.map(|record| record.config);
        }
    }
    assert_eq!(all(&storage).await.len(), 4);
}

fn full(tenant: &TenantId) -> Session {
    let mut session = session(tenant.clone(), 1, "user");
    session.rotation = full_rotation();
    session
}

async fn is_untouched(storage: &Arc<dyn Storage>, app: &AppId, session: &Session) {
    let (tenant, handle) = (session.handle.tenant(), &session.handle);
    let read = storage.session(app, handle).await;
    assert_eq!(
        read.expect("session").as_ref(),
        Some(session),
        "{app} {tenant}"
    );
    let data = storage.session_data(app, handle).await;
    let data = data.expect("data").expect("the data");
    assert_eq!((data.data, data.version), (initial_data(), 1));
    let handles = storage.handles_of_user(app, Some(tenant), &session.user_id, at(0));
    assert_eq!(
        handles.await.expect("handles"),
        std::slice::from_ref(handle)
    );
}

/// Whatever is done in an app or a tenant, nothing of it is seen in another one where everything has the same names.
pub async fn are_kept_apart_by_every_method(storage: Arc<dyn Storage>) {
    let (one, other) = (app("one"), app("other"));
    let (here, there) = (tenant("here"), tenant("there"));
    let places = [
        (&one, &here),
        (&one, &there),
        (&other, &here),
        (&other, &there),
    ];
    let key = StoredKey {
        kind: KeyKind::Dynamic(Algorithm::Es256),
        generation: 1,
        created_at: at(1),
        material: vec![1].into(),
    };
    let newer = StoredKey {
        generation: 2,
        ..key.clone()
    };
    for (app, tenant) in places {
        let put = storage.put_tenant(&record(app, tenant, "{}"), None).await;
        assert_eq!(put.expect("put"), Guarded::Written);
        let inserted = storage.insert(app, &full(tenant), &initial_data()).await;
        assert_eq!(inserted.expect("insert"), Guarded::Written);
    }
    for app in [&one, &other] {
        for key in [&key, &newer] {
            let added = storage.add_key(app, key).await;
            assert_eq!(added.expect("add"), Guarded::Written);
        }
    }
    let others_are_untouched = async || {
        for (app, tenant) in &places[1..] {
            is_untouched(&storage, app, &full(tenant)).await;
        }
        assert_eq!(storage.keys(&other).await.expect("keys").len(), 2);
    };

    let (session, user) = (full(&here), full(&here).user_id);
    let handle = &session.handle;
    let mut next = renewal(&session.rotation, at(20_000));
    next.rotation.counter += 1;
    let rotated = storage
        .rotate(&one, handle, session.rotation.counter, &next)
        .await;
    assert_eq!(rotated.expect("rotate"), Guarded::Written);
    others_are_untouched().await;
    let confirmed = storage.confirm(&one, handle, confirmation(at(2_000))).await;
    assert!(confirmed.expect("confirm").is_some());
    others_are_untouched().await;
    let written = storage
        .write_session_data(&one, handle, &json("{}"), None, at(2_000))
        .await;
    assert_eq!(written.expect("write"), DataWrite::Written(2));
    others_are_untouched().await;
    let written = storage
        .write_jwt_payload(&one, handle, &json("{}"), at(2_000))
        .await;
    assert!(written.expect("write"));
    others_are_untouched().await;
    let again = record(&one, &here, r#"{"new":1}"#);
    let again = storage.put_tenant(&again, Some(&json("{}"))).await;
    assert_eq!(again.expect("put"), Guarded::Written);
    let changed = all(&storage).await;
    let changed = changed.iter().filter(|record| record.config != json("{}"));
    assert_eq!(changed.count(), 1);
    assert_eq!(storage.retire_keys(&one, at(9)).await.expect("retire"), 1);
    others_are_untouched().await;
    let all_of_app = storage.handles_of_user(&one, None, &user, at(0)).await;
    assert_eq!(all_of_app.expect("handles").len(), 2);

    for way in 0..3 {
        let gone = match way {
            0 => storage.revoke(&one, std::slice::from_ref(handle)).await,
            1 => storage.revoke_user(&one, Some(&here), &user, at(0)).await,
            _ => storage
                .remove_tenant(&one, &here)
                .await
                .map(|_| vec![handle.clone()]),
        };
        assert_eq!(gone.expect("gone"), std::slice::from_ref(handle));
        assert_eq!(storage.session(&one, handle).await.expect("session"), None);
        others_are_untouched().await;
        let inserted = storage.insert(&one, &full(&here), &initial_data()).await;
        assert_eq!(inserted.expect("insert"), Guarded::Written);
    }
    assert_eq!(all(&storage).await.len(), 3);
}

/// A tenant goes with its sessions, and no other does.
pub async fn are_removed_with_their_sessions(storage: Arc<dyn Storage>) {
    let (one, doomed) = (app("one"), tenant("doomed"));
    let places = [
        (&one, &doomed),
        (&one, &TenantId::PUBLIC),
        (&AppId::PUBLIC, &doomed),
    ];
    for (app, tenant) in places {
        assert_eq!(
            storage
                .put_tenant(&record(app, tenant, "{}"), None)
                .await
                .expect("put"),
            Guarded::Written
        );
        let inserted = storage
            .insert(app, &session(tenant.clone(), 1, "user"), &initial_data())
            .await;
        assert_eq!(inserted.expect("insert"), Guarded::Written);
    }
    assert!(storage.remove_tenant(&one, &doomed).await.expect("remove"));
    assert!(!storage.remove_tenant(&one, &doomed).await.expect("remove"));
    assert_eq!(all(&storage).await.len(), 2);
    for (app, tenant) in places {
        let read = storage
            .session(app, &session(tenant.clone(), 1, "user").handle)
            .await;
        assert_eq!(
            read.expect("session").is_some(),
            (app, tenant) != (&one, &doomed),
            "{app} {tenant}"
        );
    }
}

/// An app goes with its tenants, sessions and keys, and no other does.
pub async fn are_removed_with_their_app(storage: Arc<dyn Storage>) {
    let (doomed, other, tenant) = (app("doomed"), app("other"), tenant("tenant"));
    let key = StoredKey {
        kind: KeyKind::Dynamic(Algorithm::Rs256),
        generation: 1,
        created_at: at(1),
        material: vec![7; 9].into(),
    };
    for app in [&doomed, &other] {
        for tenant in [&TenantId::PUBLIC, &tenant] {
            assert_eq!(
                storage
                    .put_tenant(&record(app, tenant, "{}"), None)
                    .await
                    .expect("put"),
                Guarded::Written
            );
            let inserted = storage
                .insert(app, &session(tenant.clone(), 1, "user"), &initial_data())
                .await;
            assert_eq!(inserted.expect("insert"), Guarded::Written);
        }
        assert_eq!(
            storage.add_key(app, &key).await.expect("add"),
            Guarded::Written
        );
    }
    assert!(storage.remove_app(&doomed).await.expect("remove"));
    assert!(!storage.remove_app(&doomed).await.expect("remove"));
    assert!(all(&storage).await.iter().all(|record| record.app == other));
    assert_eq!(all(&storage).await.len(), 2);
    assert_eq!(storage.keys(&doomed).await.expect("keys"), []);
    assert_eq!(storage.keys(&other).await.expect("keys"), [key]);
    for tenant in [&TenantId::PUBLIC, &tenant] {
        let handle = session(tenant.clone(), 1, "user").handle;
        assert_eq!(
            storage.session(&doomed, &handle).await.expect("session"),
            None
        );
        assert!(
            storage
                .session(&other, &handle)
                .await
                .expect("session")
                .is_some()
        );
    }
}

//! Apps and tenants: kept, listed, and forgotten with all that is theirs.

use std::sync::Arc;

use super::{app, at, initial_data, json, session, tenant};
use crate::id::{AppId, TenantId};
use crate::jws::Algorithm;
use crate::storage::{Guarded, KeyKind, Put, Storage, StoredKey, TenantRecord};

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

/// The second time, the configuration is another and the rest is as it was.
pub async fn are_put_and_listed(storage: Arc<dyn Storage>) {
    assert_eq!(all(&storage).await, []);
    let (one, other) = (app("one"), tenant("other"));
    let first = record(&one, &TenantId::PUBLIC, r#"{"b":null,"a":1.10}"#);
    let second = record(&one, &other, "{}");
    let elsewhere = record(&AppId::PUBLIC, &other, "{}");
    for put in [&first, &second, &elsewhere] {
        assert_eq!(storage.put_tenant(put).await.expect("put"), Put::Created);
    }
    let again = TenantRecord {
        created_at: at(9_000),
        ..record(&one, &other, r#"{"new":true}"#)
    };
    assert_eq!(storage.put_tenant(&again).await.expect("put"), Put::Updated);
    let updated = TenantRecord {
        created_at: at(1_000),
        ..again
    };
    assert_eq!(all(&storage).await, [updated, first, elsewhere]);
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
                .put_tenant(&record(app, tenant, "{}"))
                .await
                .expect("put"),
            Put::Created
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
                    .put_tenant(&record(app, tenant, "{}"))
                    .await
                    .expect("put"),
                Put::Created
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

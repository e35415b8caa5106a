//! Every kind of step there is, alone and many at once, so that every statement is sent.

use std::sync::Arc;

use handstamp::jws::Algorithm;
use handstamp::session::Session;
use handstamp::storage::{
    Confirm, DataWrite, Guarded, KeyKind, Storage as _, StoredKey, TenantRecord,
};
use handstamp::token::Hash2;
use handstamp::{AppId, Config, Engine, JsonObject, Parts, SessionHandle, TenantId};

use crate::fixture::{APP, Store, all, at, handle, keep, rotate, session, with_child};

/// As many sessions as the steps are about.
pub(crate) const SESSIONS: u32 = 3_000;

/// More than PostgreSQL plans anew for each: then it may make a plan that it keeps.
const ROUNDS: u32 = 8;

pub(crate) async fn keep_all(storage: &Store) {
    for from in (0..SESSIONS).step_by(1_000) {
        keep(storage, from..from + 1_000).await;
    }
}

pub(crate) async fn take_every_step(storage: &Arc<Store>) {
    // Those that have ended and those that have not are not the same to this one.
    let shared: Arc<Store> = Arc::clone(storage);
    let parts = Parts::with_shared_storage(shared);
    let engine = Engine::new(parts, Config::default());
    for round in 0..ROUNDS {
        sweep(storage, round).await;
        for many in [1, 40] {
            let from = 500 + 50 * round;
            let sessions: Vec<_> = (from..from + many).map(session).collect();
            take_steps_about(storage, &sessions).await;
        }
        let user = session(1_000 + round).user_id;
        let handles = storage.handles_of_user(&APP, None, &user, at(0)).await;
        assert_eq!(handles.unwrap(), [handle(1_000 + round)]);
        engine.revoke_user(&APP, None, &user).await.unwrap();
        let left = storage.session(&APP, &handle(1_000 + round)).await;
        assert_eq!(left.unwrap(), None);
        revoke(storage, 1_100 + 50 * round).await;
        keys(storage, round).await;
        tenants(storage, round).await;
        storage.ping().await.unwrap();
    }
}

/// Some of its own, of which one lives on.
async fn sweep(storage: &Store, round: u32) {
    let empty = JsonObject::empty();
    for id in 0..4 {
        let mut one = session(8_000 + 4 * round + id);
        one.expires_at = at(5_000);
        let kept = storage.insert(&APP, &one, &empty).await;
        assert_eq!(kept.unwrap(), Guarded::Written);
        if id == 0 {
            let next = with_child(&one, 2);
            let rotated = rotate(storage, &APP, &one.handle, 0, &next, at(20_000)).await;
            assert_eq!(rotated.unwrap(), Guarded::Written);
        }
    }
    assert_eq!(storage.sweep(at(4_999), 10).await.unwrap(), 0);
    assert_eq!(storage.sweep(at(5_000), 4).await.unwrap(), 3);
}

/// Each kind of step that is about one session, about each of these.
async fn take_steps_about(storage: &Store, sessions: &[Session]) {
    let empty = JsonObject::empty();
    let each = || sessions.iter().map(|one| &one.handle);
    for read in all(each().map(|one| storage.session(&APP, one))).await {
        assert!(read.unwrap().is_some());
    }
    for read in all(each().map(|one| storage.session_data(&APP, one))).await {
        assert!(read.unwrap().is_some());
    }
    let next: Vec<_> = sessions.iter().map(|one| with_child(one, 2)).collect();
    let rotations = each()
        .zip(&next)
        .map(|(one, next)| rotate(storage, &APP, one, 0, next, at(20_000)));
    for rotated in all(rotations).await {
        let _: Guarded = rotated.unwrap();
    }
    let step = Confirm {
        child: Hash2::from_bytes([2; 32]),
        parent: Hash2::from_bytes([1; 32]),
        now: at(2_000),
        expires_at: at(20_000),
    };
    for confirmed in all(each().map(|one| storage.confirm(&APP, one, step))).await {
        confirmed.unwrap();
    }
    for expected in [None, Some(99)] {
        let write = |one| storage.write_session_data(&APP, one, &empty, expected, at(0));
        for written in all(each().map(write)).await {
            let is_written = matches!(written.unwrap(), DataWrite::Written(_));
            assert_eq!(is_written, expected.is_none());
        }
    }
    let write = |one| storage.write_jwt_payload(&APP, one, &empty, at(0));
    for written in all(each().map(write)).await {
        assert!(written.unwrap());
    }
    let again = sessions.iter().map(|one| storage.insert(&APP, one, &empty));
    for inserted in all(again).await {
        assert_eq!(inserted.unwrap(), Guarded::Lost);
    }
}

/// One alone, some by one call, and many by one each.
async fn revoke(storage: &Store, from: u32) {
    let handles: Vec<_> = (from..from + 50).map(handle).collect();
    for some in [0..1, 1..4] {
        let some = &handles[some];
        let revoked = storage.revoke(&APP, some).await.unwrap();
        assert_eq!(revoked.len(), some.len());
    }
    let each = handles[4..].chunks(1);
    for revoked in all(each.map(|one| storage.revoke(&APP, one))).await {
        assert_eq!(revoked.unwrap().len(), 1);
    }
}

async fn keys(storage: &Store, round: u32) {
    let key = StoredKey {
        kind: KeyKind::Dynamic(Algorithm::Rs256),
        generation: round + 1,
        created_at: at(0),
        material: vec![1].into(),
    };
    assert_eq!(storage.add_key(&APP, &key).await.unwrap(), Guarded::Written);
    assert!(!storage.keys(&APP).await.unwrap().is_empty());
    storage.retire_keys(&APP, at(1)).await.unwrap();
}

/// Another tenant, and another app, each with one session.
async fn tenants(storage: &Store, round: u32) {
    let (empty, now) = (JsonObject::empty(), at(0));
    let apps = [
        (APP, TenantId::parse("other").unwrap()),
        (AppId::parse("other").unwrap(), TenantId::PUBLIC),
    ];
    for (app, tenant) in apps {
        let record = TenantRecord {
            app: app.clone(),
            tenant: tenant.clone(),
            created_at: now,
            config: JsonObject::empty(),
        };
        for before in [None, Some(&record.config)] {
            let put = storage.put_tenant(&record, before).await.unwrap();
            assert_eq!(put, Guarded::Written);
        }
        let mut one = session(9_000 + round);
        one.handle = SessionHandle::new(tenant.clone(), one.handle.id());
        let kept = storage.insert(&app, &one, &empty).await.unwrap();
        assert_eq!(kept, Guarded::Written);
        assert_eq!(storage.tenants().await.unwrap().len(), 1);
        let removed = if app == APP {
            storage.remove_tenant(&app, &tenant).await
        } else {
            storage.remove_app(&app).await
        };
        assert!(removed.unwrap());
        assert_eq!(storage.session(&app, &one.handle).await.unwrap(), None);
    }
}

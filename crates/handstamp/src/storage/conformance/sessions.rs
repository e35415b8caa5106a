//! Sessions: kept, read and swept.

use std::sync::Arc;

use super::{
    Town, app, at, at_once, confirmation, full_rotation, initial_data, json, renewal, session,
    tenant, user,
};
use crate::clock::UnixMillis;
use crate::id::{AppId, TenantId};
use crate::rotation::Rotation;
use crate::storage::{DataWrite, Guarded, Storage};

/// Every field, optional or not, and the payload to the byte.
pub async fn are_read_back_exactly(storage: Arc<dyn Storage>) {
    let payloads = [
        "{}",
        r#"{"z":1,"a":2,"m":{"y":null,"b":[]}}"#,
        r#"{"nul":"\u0000","escaped":"\u00e9\/\"","plain":"é 🦀 שלום"}"#,
        r#"{ "spaced" : [ 1.10, 1E5, -0, 12345678901234567890123 ] }"#,
        r#"{"'":"'; DROP TABLE sessions; --","%":"_"}"#,
    ];
    let plain = session(TenantId::PUBLIC, 0, "user").rotation;
    let without_nonce = |mut rotation: Rotation| {
        rotation.current.nonce = None;
        rotation
    };
    let without_child = |mut rotation: Rotation| {
        rotation.child = None;
        rotation
    };
    let rotations = [
        plain,
        full_rotation(),
        without_nonce(full_rotation()),
        without_child(full_rotation()),
    ];
    let places = [
        (AppId::PUBLIC, TenantId::PUBLIC),
        (app("elsewhere"), TenantId::PUBLIC),
        (AppId::PUBLIC, tenant("elsewhere")),
    ];
    for (app, tenant) in &places {
        for (id, (payload, rotation)) in (1..).zip(
            payloads
                .iter()
                .flat_map(|payload| rotations.iter().map(move |rotation| (payload, rotation))),
        ) {
            let mut session = session(tenant.clone(), id, app.as_str());
            session.jwt_payload = json(payload);
            session.rotation = rotation.clone();
            let inserted = storage.insert(app, &session, &initial_data()).await;
            assert_eq!(inserted.expect("insert"), Guarded::Written);
            let read = storage.session(app, &session.handle).await;
            assert_eq!(read.expect("session"), Some(session), "{app} {tenant} {id}");
        }
    }
}

/// The first one stays, with its data.
pub async fn are_not_inserted_over_others(storage: Arc<dyn Storage>) {
    let town = Town::in_store(storage).await;
    let mut usurper = town.session.clone();
    usurper.user_id = user("usurper");
    usurper.rotation = full_rotation();
    let inserted = town.storage.insert(&town.app, &usurper, &json("{}")).await;
    assert_eq!(inserted.expect("insert"), Guarded::Lost);

    assert_eq!(town.read().await.as_ref(), Some(&town.session));
    let data = town.storage.session_data(&town.app, town.handle()).await;
    let data = data.expect("session data").expect("the first one's data");
    assert_eq!((data.data, data.version), (initial_data(), 1));
    let of_usurper = town
        .storage
        .handles_of_user(&town.app, None, &usurper.user_id, at(0))
        .await;
    assert_eq!(of_usurper.expect("handles"), []);
    town.neighbours_are_untouched().await;
}

/// Of many who bring one handle, one is kept, with all that is its own.
pub async fn are_inserted_by_one_of_many(storage: Arc<dyn Storage>) {
    let app = AppId::PUBLIC;
    for round in 0..4 {
        let outcomes = at_once(64, |n| {
            let (storage, app) = (Arc::clone(&storage), app.clone());
            async move {
                let session = session(TenantId::PUBLIC, round, &format!("user-{n}"));
                let data = json(&format!("{{\"of\":{n}}}"));
                let inserted = storage.insert(&app, &session, &data).await;
                (inserted.expect("insert") == Guarded::Written).then_some((session, data))
            }
        })
        .await;
        let winners: Vec<_> = outcomes.into_iter().flatten().collect();
        assert_eq!(winners.len(), 1, "were told that theirs is kept");
        let (session, data) = winners.first().expect("a winner");
        let read = storage.session(&app, &session.handle).await;
        assert_eq!(read.expect("session").as_ref(), Some(session));
        let read = storage.session_data(&app, &session.handle).await;
        assert_eq!(
            read.expect("data").map(|read| read.data).as_ref(),
            Some(data)
        );
    }
}

/// Nothing finds a session by the handle alone, if the app or the tenant is another.
pub async fn are_absent_elsewhere(storage: Arc<dyn Storage>) {
    let session = session(TenantId::PUBLIC, 1, "user");
    let inserted = storage
        .insert(&AppId::PUBLIC, &session, &initial_data())
        .await;
    assert_eq!(inserted.expect("insert"), Guarded::Written);

    let other_tenant = super::session(tenant("elsewhere"), 1, "user").handle;
    for (app, handle) in [
        (app("elsewhere"), &session.handle),
        (AppId::PUBLIC, &other_tenant),
    ] {
        let read = storage.session(&app, handle).await;
        assert_eq!(read.expect("session"), None);
        let data = storage.session_data(&app, handle).await;
        assert_eq!(data.expect("session data"), None);
        let rotated = storage
            .rotate(&app, handle, 0, &renewal(&full_rotation(), at(20_000)))
            .await;
        assert_eq!(rotated.expect("rotate"), Guarded::Lost);
        let confirmed = storage.confirm(&app, handle, confirmation(at(2_000))).await;
        assert_eq!(confirmed.expect("confirm"), None);
        let written = storage
            .write_session_data(&app, handle, &json("{}"), None, at(2_000))
            .await;
        assert_eq!(written.expect("write"), DataWrite::Missing);
        let revoked = storage.revoke(&app, std::slice::from_ref(handle)).await;
        assert_eq!(revoked.expect("revoke"), []);
    }
    let read = storage.session(&AppId::PUBLIC, &session.handle).await;
    assert_eq!(read.expect("session"), Some(session));
}

/// Whether a session has ended is for the engine to say.
pub async fn are_read_when_they_have_ended(storage: Arc<dyn Storage>) {
    let mut ended = session(TenantId::PUBLIC, 1, "user");
    ended.expires_at = ended.created_at;
    let inserted = storage
        .insert(&AppId::PUBLIC, &ended, &initial_data())
        .await;
    assert_eq!(inserted.expect("insert"), Guarded::Written);
    let data = storage.session_data(&AppId::PUBLIC, &ended.handle).await;
    assert_eq!(
        data.expect("session data").map(|data| data.expires_at),
        Some(ended.expires_at)
    );
    let read = storage.session(&AppId::PUBLIC, &ended.handle).await;
    assert_eq!(read.expect("session"), Some(ended));
}

/// A sweep takes as many as it may, of those that have ended, in all apps and tenants; alive is who ends later than now.
pub async fn are_swept_within_bounds(storage: Arc<dyn Storage>) {
    const NOW: UnixMillis = UnixMillis::new(5_000);
    let places = [
        (AppId::PUBLIC, TenantId::PUBLIC),
        (app("elsewhere"), TenantId::PUBLIC),
        (AppId::PUBLIC, tenant("elsewhere")),
    ];
    let mut alive = Vec::new();
    for (app, tenant) in &places {
        for (id, expires_at) in (1..).zip([4_998, 4_999, 5_000, 5_001]) {
            let mut session = session(tenant.clone(), id, "user");
            session.expires_at = at(expires_at);
            let inserted = storage.insert(app, &session, &initial_data()).await;
            assert_eq!(inserted.expect("insert"), Guarded::Written);
            if session.is_alive(NOW) {
                alive.push((app.clone(), session));
            }
        }
    }
    let mut swept = Vec::new();
    for limit in [0, 4, 4, 4, 4] {
        swept.push(storage.sweep(NOW, limit).await.expect("sweep"));
    }
    assert_eq!(swept, [0, 4, 4, 1, 0]);

    assert_eq!(alive.len(), places.len());
    for (app, session) in alive {
        let read = storage.session(&app, &session.handle).await;
        assert_eq!(read.expect("session").as_ref(), Some(&session));
        let data = storage.session_data(&app, &session.handle).await;
        assert!(data.expect("session data").is_some());
    }
    for (app, tenant) in &places {
        let handles = storage
            .handles_of_user(app, Some(tenant), &user("user"), UnixMillis::new(0))
            .await;
        assert_eq!(handles.expect("handles").len(), 1);
    }
}

/// The earliest and the latest times are times like others.
pub async fn bear_the_ends_of_time(storage: Arc<dyn Storage>) {
    let mut endless = session(TenantId::PUBLIC, 1, "user");
    endless.created_at = at(i64::MIN);
    endless.expires_at = UnixMillis::MAX;
    endless.ends_at = UnixMillis::MAX;
    endless.rotation = full_rotation();
    if let Some(previous) = &mut endless.rotation.previous {
        previous.superseded_at = at(i64::MIN);
    }
    let (app, handle) = (AppId::PUBLIC, endless.handle.clone());
    let inserted = storage.insert(&app, &endless, &initial_data()).await;
    assert_eq!(inserted.expect("insert"), Guarded::Written);
    let read = storage.session(&app, &handle).await;
    assert_eq!(read.expect("session"), Some(endless));

    let last = at(i64::MAX - 1);
    assert_eq!(storage.sweep(last, 10).await.expect("sweep"), 0);
    let mut step = confirmation(last);
    step.expires_at = UnixMillis::MAX;
    let confirmed = storage.confirm(&app, &handle, step).await;
    let confirmed = confirmed.expect("confirm").expect("alive to the last");
    assert_eq!(confirmed.expires_at, UnixMillis::MAX);
    assert!(!confirmed.is_alive(UnixMillis::MAX));
    assert_eq!(storage.sweep(UnixMillis::MAX, 10).await.expect("sweep"), 1);
}

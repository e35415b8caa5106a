//! The largest values that each field may have.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::{app, at, at_once, full_rotation, json, renewal, session, tenant, user};
use crate::clock::UnixMillis;
use crate::id::{AppId, TenantId};
use crate::jws::Algorithm;
use crate::session::Session;
use crate::storage::{DataWrite, Guarded, KeyKind, Storage, StoredKey, TenantRecord};

/// Counters are stored with a sign.
const HIGHEST: u64 = i64::MAX.unsigned_abs();

fn longest() -> (AppId, TenantId) {
    (
        app(&"a-9".repeat(22)[..64]),
        tenant(&"9-z".repeat(22)[..64]),
    )
}

/// The longest names, the latest times, the highest counter.
fn largest(id: u128) -> Session {
    let mut session = session(longest().1, id, &"\u{10ffff}".repeat(128));
    session.created_at = UnixMillis::MAX;
    session.expires_at = UnixMillis::MAX;
    session.ends_at = UnixMillis::MAX;
    session.static_key = true;
    session.rotation = full_rotation();
    session.rotation.counter = HIGHEST - 1;
    session
}

fn long(bytes: usize) -> crate::json::JsonObject {
    // What an escape makes longer, and what takes several bytes.
    let unit = r#"\"\\🦀é\u0000'"#;
    json(&["{\"long\":\"", &unit.repeat(bytes / unit.len()), "\"}"].concat())
}

/// Kept, read, replaced, found and forgotten.
pub async fn are_borne_in_every_field(storage: Arc<dyn Storage>) {
    let (app, tenant) = longest();
    let mut session = largest(u128::MAX);
    session.jwt_payload = long(100_000);
    let (handle, data) = (session.handle.clone(), long(1_100_000));
    let inserted = storage.insert(&app, &session, &data).await;
    assert_eq!(inserted.expect("insert"), Guarded::Written);
    let read = storage.session(&app, &handle).await;
    assert_eq!(read.expect("session").as_ref(), Some(&session));
    let read = storage.session_data(&app, &handle).await;
    assert_eq!(read.expect("data").map(|read| read.data), Some(data));

    let mut next = session.rotation.clone();
    next.counter = HIGHEST;
    let next = renewal(&next, UnixMillis::MAX);
    let rotated = storage.rotate(&app, &handle, HIGHEST - 1, &next).await;
    assert_eq!(rotated.expect("rotate"), Guarded::Written);
    session.rotation = next.rotation;
    session.static_key = false;
    session.jwt_payload = long(200_000);
    let written = storage.write_jwt_payload(&app, &handle, &session.jwt_payload, at(0));
    assert!(written.await.expect("write"));
    let written = storage
        .write_session_data(&app, &handle, &long(1_200_000), Some(1), at(0))
        .await;
    assert_eq!(written.expect("write"), DataWrite::Written(2));
    let read = storage.session(&app, &handle).await;
    assert_eq!(read.expect("session").as_ref(), Some(&session));

    let record = TenantRecord {
        app: app.clone(),
        tenant: tenant.clone(),
        created_at: at(i64::MIN),
        config: long(70_000),
    };
    for before in [None, Some(&record.config)] {
        let put = storage.put_tenant(&record, before).await;
        assert_eq!(put.expect("put"), Guarded::Written);
    }
    let key = StoredKey {
        kind: KeyKind::Dynamic(Algorithm::EdDsa),
        generation: u32::MAX,
        created_at: UnixMillis::MAX,
        material: Zeroizing::new((0..=u8::MAX).cycle().take(8_192).collect()),
    };
    let added = storage.add_key(&app, &key).await;
    assert_eq!(added.expect("add"), Guarded::Written);
    assert_eq!(storage.tenants().await.expect("tenants"), [record]);
    assert_eq!(storage.keys(&app).await.expect("keys"), [key]);

    let found = storage.handles_of_user(&app, Some(&tenant), &session.user_id, at(0));
    assert_eq!(found.await.expect("handles"), std::slice::from_ref(&handle));
    let shorter = user(&"\u{10ffff}".repeat(127));
    let revoked = storage.revoke_user(&app, None, &shorter, at(0)).await;
    assert_eq!(revoked.expect("revoke"), []);
    let revoked = storage.revoke_user(&app, Some(&tenant), &session.user_id, at(0));
    assert_eq!(revoked.await.expect("revoke"), [handle]);
}

/// The same where a store puts the work of many together.
pub async fn are_borne_by_many_at_once(storage: Arc<dyn Storage>) {
    let outcomes = at_once(64, |n| {
        let (storage, app) = (Arc::clone(&storage), longest().0);
        async move {
            let bytes = if n % 16 == 0 { 300_000 } else { 3_000 };
            let mut session = largest(u128::MAX - u128::from(n));
            session.jwt_payload = long(bytes);
            let (handle, data) = (session.handle.clone(), long(bytes + 1_000));
            let inserted = storage.insert(&app, &session, &data).await;
            assert_eq!(inserted.expect("insert"), Guarded::Written);

            let read = storage.session(&app, &handle).await.expect("session");
            assert_eq!(read.as_ref(), Some(&session));
            let read = storage.session_data(&app, &handle).await.expect("data");
            assert_eq!(read.map(|read| read.data), Some(data));

            let mut next = session.rotation.clone();
            next.counter = HIGHEST;
            let next = renewal(&next, UnixMillis::MAX);
            let rotated = storage.rotate(&app, &handle, HIGHEST - 1, &next).await;
            assert_eq!(rotated.expect("rotate"), Guarded::Written);
            let data = long(bytes + 2_000);
            let written = storage.write_session_data(&app, &handle, &data, None, at(0));
            assert_eq!(written.await.expect("write"), DataWrite::Written(2));
            let read = storage.session_data(&app, &handle).await.expect("data");
            assert_eq!(read.map(|read| read.data), Some(data));
            let read = storage.session(&app, &handle).await.expect("session");
            read.map(|read| read.rotation) == Some(next.rotation)
        }
    })
    .await;
    assert!(outcomes.into_iter().all(|equal| equal));
}

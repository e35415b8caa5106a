//! What is in the databases that earlier schemas left behind, the same in each kind of database, and that today's code reads it.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests are not seen to be tests"
)]

use handstamp::clock::UnixMillis;
use handstamp::jws::Algorithm;
use handstamp::rotation::{Child, Current, Previous, Rotation};
use handstamp::session::Session;
use handstamp::storage::{DataWrite, Guarded, KeyKind, Renewal, Storage, StoredKey, TenantRecord};
use handstamp::token::{Hash2, Nonce};
use handstamp::{AppId, JsonObject, SessionHandle, TenantId, UserId};
use uuid::Uuid;

fn at(millis: i64) -> UnixMillis {
    UnixMillis::new(millis)
}

fn json(text: &str) -> JsonObject {
    JsonObject::parse(text).unwrap()
}

fn shop() -> (AppId, TenantId) {
    (
        AppId::parse("shop").unwrap(),
        TenantId::parse("t-1").unwrap(),
    )
}

/// Something in every column.
fn full() -> Session {
    Session {
        handle: SessionHandle::new(TenantId::PUBLIC, Uuid::from_u128(0x0190_0001)),
        user_id: UserId::parse("user é 🦀 ").unwrap(),
        jwt_payload: json(r#"{"b":1.10,"a":null}"#),
        created_at: at(1_000),
        expires_at: at(10_000),
        ends_at: at(100_000),
        static_key: true,
        rotation: Rotation {
            current: Current {
                hash: Hash2::from_bytes([1; 32]),
                nonce: Some(Nonce::from_bytes([1; 16])),
            },
            child: Some(Child {
                hash: Hash2::from_bytes([2; 32]),
                nonce: Nonce::from_bytes([2; 16]),
                given_at: at(1_500),
            }),
            previous: Some(Previous {
                hash: Hash2::from_bytes([3; 32]),
                superseded_at: at(1_200),
            }),
            counter: 7,
        },
    }
}

/// As little as there may be.
fn plain() -> Session {
    Session {
        handle: SessionHandle::new(shop().1, Uuid::from_u128(0x0190_0002)),
        user_id: UserId::parse("").unwrap(),
        jwt_payload: json("{}"),
        created_at: at(2_000),
        expires_at: at(20_000),
        ends_at: at(20_000),
        static_key: false,
        rotation: Rotation::starting_with(Hash2::from_bytes([4; 32])),
    }
}

/// Reads all of it, and changes some.
pub(crate) async fn is_read(storage: &dyn Storage) {
    let (shop, tenant) = shop();
    let sessions = [
        (AppId::PUBLIC, full(), r#"{"cart":["\u0000",2]}"#, 3),
        (shop.clone(), plain(), "{}", 1),
    ];
    for (app, session, data, version) in sessions {
        let handle = &session.handle;
        let read = storage.session(&app, handle).await.unwrap();
        assert_eq!(read.as_ref(), Some(&session));
        let read = storage.session_data(&app, handle).await.unwrap().unwrap();
        assert_eq!((read.data, read.version), (json(data), version));
        let user = &session.user_id;
        let handles = storage.handles_of_user(&app, None, user, at(0)).await;
        assert_eq!(handles.unwrap(), std::slice::from_ref(handle));

        let mut next = session.rotation.clone();
        next.counter += 1;
        let next = Renewal {
            rotation: next,
            expires_at: session.ends_at,
            static_key: session.static_key,
        };
        let counter = session.rotation.counter;
        let rotated = storage.rotate(&app, handle, counter, &next).await;
        assert_eq!(rotated.unwrap(), Guarded::Written);
        let written = storage
            .write_session_data(&app, handle, &json("{}"), Some(version), at(0))
            .await;
        assert_eq!(written.unwrap(), DataWrite::Written(version + 1));
        let payload = json("{}");
        let written = storage.write_jwt_payload(&app, handle, &payload, at(0));
        assert!(written.await.unwrap());
    }

    let mut tenants = storage.tenants().await.unwrap();
    tenants.sort_by(|one, other| one.tenant.cmp(&other.tenant));
    let record = |tenant: &TenantId, created_at, config| TenantRecord {
        app: shop.clone(),
        tenant: tenant.clone(),
        created_at: at(created_at),
        config: json(config),
    };
    let expected = [
        record(&TenantId::PUBLIC, 5, r#"{"x":"é"}"#),
        record(&tenant, 6, "{}"),
    ];
    assert_eq!(tenants, expected);

    let key = StoredKey {
        kind: KeyKind::Refresh,
        generation: 1,
        created_at: at(9),
        material: vec![7; 32].into(),
    };
    assert_eq!(storage.keys(&AppId::PUBLIC).await.unwrap(), [key]);
    let key = StoredKey {
        kind: KeyKind::Dynamic(Algorithm::Es256),
        generation: 4_294_967_295,
        created_at: at(-1),
        material: vec![0, 255].into(),
    };
    assert_eq!(storage.keys(&shop).await.unwrap(), [key]);
    assert_eq!(storage.sweep(UnixMillis::MAX, 10).await.unwrap(), 2);
}

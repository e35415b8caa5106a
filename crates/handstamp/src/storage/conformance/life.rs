//! Open and closed.

use std::fmt::Debug;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::{Town, at, confirmation, full_rotation, json, renewal, session};
use crate::id::TenantId;
use crate::jws::Algorithm;
use crate::storage::{KeyKind, Storage, StorageError, StorageFault, StoredKey};

/// An empty store answers as a full one does.
pub async fn answers_a_ping(storage: Arc<dyn Storage>) {
    storage.ping().await.expect("ping");
    let town = Town::in_store(storage).await;
    town.storage.ping().await.expect("ping");
    town.neighbours_are_untouched().await;
}

/// After that, every call says so; to close twice is to close.
pub async fn ends_with_close(storage: Arc<dyn Storage>) {
    let town = Town::in_store(storage).await;
    let (storage, app, handle) = (&town.storage, &town.app, town.handle());
    storage.close().await;
    storage.close().await;

    let another = session(TenantId::PUBLIC, 9, "user");
    assert_closed(storage.insert(app, &another, &json("{}")).await);
    assert_closed(storage.session(app, handle).await);
    let next = full_rotation();
    assert_closed(
        storage
            .rotate(app, handle, 0, &renewal(&next, at(20_000)))
            .await,
    );
    assert_closed(storage.confirm(app, handle, confirmation(at(2_000))).await);
    assert_closed(storage.session_data(app, handle).await);
    let data = json("{}");
    let written = storage
        .write_session_data(app, handle, &data, None, at(2_000))
        .await;
    assert_closed(written);
    assert_closed(storage.revoke(app, std::slice::from_ref(handle)).await);
    let user = &town.session.user_id;
    assert_closed(storage.revoke_user(app, None, user, at(0)).await);
    assert_closed(storage.handles_of_user(app, None, user, at(0)).await);
    assert_closed(storage.sweep(at(0), 1).await);
    assert_closed(storage.keys(app).await);
    let key = StoredKey {
        kind: KeyKind::Dynamic(Algorithm::Rs256),
        generation: 1,
        created_at: at(0),
        material: Zeroizing::new(vec![1]),
    };
    assert_closed(storage.add_key(app, &key).await);
    assert_closed(storage.retire_keys(app, at(0)).await);
    assert_closed(storage.ping().await);
}

fn assert_closed<T: Debug>(outcome: Result<T, StorageError>) {
    let error = outcome.expect_err("a closed store does nothing");
    assert_eq!(error.fault(), StorageFault::Closed);
    assert!(!error.is_outcome_unknown());
    assert!(!error.is_transient());
}

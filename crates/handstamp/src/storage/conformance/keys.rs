//! Keys: agreed on without a leader.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::{app, at, at_once, count};
use crate::clock::UnixMillis;
use crate::id::AppId;
use crate::jws::Algorithm;
use crate::storage::{Guarded, KeyKind, Storage, StoredKey};

fn key(kind: KeyKind, generation: u32, created_at: i64, seed: u8) -> StoredKey {
    StoredKey {
        kind,
        generation,
        created_at: at(created_at),
        material: Zeroizing::new([&[0, 255, b'\''][..], &[seed; 1_216]].concat()),
    }
}

async fn add(storage: &Arc<dyn Storage>, app: &AppId, key: &StoredKey) -> Guarded {
    storage.add_key(app, key).await.expect("add a key")
}

/// Ordered, so that they can be compared.
async fn read(storage: &Arc<dyn Storage>, app: &AppId) -> Vec<StoredKey> {
    let mut keys = storage.keys(app).await.expect("keys");
    keys.sort_by_key(|key| (key.kind, key.generation));
    keys
}

/// Per app; kinds and generations do not get in each other's way.
pub async fn are_read_back_exactly(storage: Arc<dyn Storage>) {
    let apps = [AppId::PUBLIC, app("elsewhere")];
    assert_eq!(read(&storage, &apps[0]).await, []);
    let sets = apps.each_ref().map(|app| {
        let seed = u8::try_from(app.as_str().len()).unwrap_or(0);
        [
            key(KeyKind::Dynamic(Algorithm::Rs256), 1, i64::MIN, seed),
            key(KeyKind::Dynamic(Algorithm::Rs256), 2, 0, seed),
            key(KeyKind::Dynamic(Algorithm::Rs256), u32::MAX, i64::MAX, seed),
            key(KeyKind::Refresh, 1, -1, seed),
        ]
    });
    for (app, keys) in apps.iter().zip(&sets) {
        for key in keys {
            assert_eq!(add(&storage, app, key).await, Guarded::Written);
        }
    }
    for (app, keys) in apps.iter().zip(&sets) {
        assert_eq!(read(&storage, app).await, keys);
    }
}

/// The first of its kind and generation stays.
pub async fn are_kept_once(storage: Arc<dyn Storage>) {
    let app = AppId::PUBLIC;
    for kind in [KeyKind::Dynamic(Algorithm::Rs256), KeyKind::Refresh] {
        let first = key(kind, 1, 1_000, 1);
        assert_eq!(add(&storage, &app, &first).await, Guarded::Written);
        for other in [key(kind, 1, 2_000, 2), first.clone()] {
            assert_eq!(add(&storage, &app, &other).await, Guarded::Lost);
        }
    }
    let kept = [
        key(KeyKind::Dynamic(Algorithm::Rs256), 1, 1_000, 1),
        key(KeyKind::Refresh, 1, 1_000, 1),
    ];
    assert_eq!(read(&storage, &app).await, kept);
}

/// Servers that start together each offer a key of their own; all find the same one.
pub async fn take_one_of_many_of_the_same_name(storage: Arc<dyn Storage>) {
    for generation in 1..5 {
        for app in [AppId::PUBLIC, app("elsewhere")] {
            let outcomes = at_once(8, |n| {
                let (storage, app) = (Arc::clone(&storage), app.clone());
                async move {
                    let offered = key(
                        KeyKind::Dynamic(Algorithm::Rs256),
                        generation,
                        i64::from(n),
                        n,
                    );
                    let outcome = add(&storage, &app, &offered).await;
                    let found = read(&storage, &app).await.pop();
                    (outcome, found)
                }
            })
            .await;
            let outcomes: (Vec<_>, Vec<_>) = outcomes.into_iter().unzip();
            assert_eq!(count(&outcomes.0, &Guarded::Written), 1);
            let winner = outcomes.0.iter().position(|one| *one == Guarded::Written);
            let winner = winner.and_then(|n| u8::try_from(n).ok()).expect("a winner");
            let kept = key(
                KeyKind::Dynamic(Algorithm::Rs256),
                generation,
                i64::from(winner),
                winner,
            );
            assert_eq!(count(&outcomes.1, &Some(kept)), outcomes.1.len());
        }
    }
}

/// The newest signing key is the one of the highest generation, whatever the clocks said. Refresh keys stay.
pub async fn are_retired_but_for_the_newest(storage: Arc<dyn Storage>) {
    let apps = [AppId::PUBLIC, app("elsewhere")];
    let keys = [
        key(KeyKind::Dynamic(Algorithm::Rs256), 1, 1_000, 1),
        key(KeyKind::Dynamic(Algorithm::Rs256), 2, 3_000, 2),
        key(KeyKind::Dynamic(Algorithm::Rs256), 3, 2_000, 3),
        key(KeyKind::Refresh, 1, 500, 4),
        key(KeyKind::Refresh, 2, 600, 5),
    ];
    for app in &apps {
        let retired = storage.retire_keys(app, UnixMillis::MAX).await;
        assert_eq!(retired.expect("retire"), 0, "of none");
        for key in &keys {
            assert_eq!(add(&storage, app, key).await, Guarded::Written);
        }
    }
    let retire = async |before: UnixMillis| {
        let retired = storage.retire_keys(&apps[0], before).await;
        retired.expect("retire")
    };
    assert_eq!(retire(at(1_000)).await, 0);
    assert_eq!(read(&storage, &apps[0]).await, keys);
    assert_eq!(retire(at(1_001)).await, 1);
    assert_eq!(read(&storage, &apps[0]).await, keys[1..]);
    assert_eq!(retire(UnixMillis::MAX).await, 1);
    assert_eq!(read(&storage, &apps[0]).await, keys[2..]);
    assert_eq!(retire(UnixMillis::MAX).await, 0);
    assert_eq!(read(&storage, &apps[1]).await, keys);
}

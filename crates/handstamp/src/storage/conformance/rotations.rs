//! Rotation records: replaced by whoever read the last one, confirmed as the rule says.

use std::sync::Arc;

use super::{
    CHILD, CURRENT, OTHER, PREVIOUS, Town, at, at_once, confirmation, count, full_rotation, hash,
    initial_data, nonce, renewal, session,
};
use crate::id::{AppId, TenantId};
use crate::rotation::{self, Child, Current, Previous, Rotation};
use crate::session::Session;
use crate::storage::{Confirm, Guarded, Storage};

/// Whoever read an older record, or one that never was, changes nothing.
pub async fn need_the_counter_that_was_read(storage: Arc<dyn Storage>) {
    let town = Town::in_store(storage).await;
    let rotate = |expected, next: Rotation, expires_at| {
        let town = &town;
        async move {
            let rotated = town
                .storage
                .rotate(
                    &town.app,
                    town.handle(),
                    expected,
                    &renewal(&next, at(expires_at)),
                )
                .await;
            rotated.expect("rotate")
        }
    };
    let next = full_rotation();
    for wrong in [1, 7, u64::MAX] {
        let rotated = rotate(wrong, next.clone(), 30_000).await;
        assert_eq!(rotated, Guarded::Lost, "{wrong}");
        assert_eq!(town.read().await.as_ref(), Some(&town.session));
    }

    assert_eq!(rotate(0, next.clone(), 30_000).await, Guarded::Written);
    let mut rotated = town.session.clone();
    rotated.rotation = next;
    rotated.expires_at = at(30_000);
    assert_eq!(town.read().await.as_ref(), Some(&rotated));

    let stale = Rotation::starting_with(hash(OTHER));
    assert_eq!(rotate(0, stale, 40_000).await, Guarded::Lost);
    assert_eq!(town.read().await, Some(rotated));
    town.neighbours_are_untouched().await;
}

/// A guard that holds is a write, also if it writes what is there.
pub async fn are_written_though_nothing_changes(storage: Arc<dyn Storage>) {
    let town = Town::in_store(storage).await;
    let same = renewal(&town.session.rotation, town.session.expires_at);
    for _ in 0..3 {
        let rotated = town
            .storage
            .rotate(&town.app, town.handle(), 0, &same)
            .await;
        assert_eq!(rotated.expect("rotate"), Guarded::Written);
        assert_eq!(town.read().await.as_ref(), Some(&town.session));
    }
}

/// A refresh may ask for the other kind, and stay with it.
pub async fn switch_the_kind_of_key(storage: Arc<dyn Storage>) {
    let town = Town::in_store(storage).await;
    for (counter, static_key) in [(0, true), (1, true), (2, false)] {
        let mut next = renewal(&full_rotation(), at(30_000));
        next.rotation.counter = counter + 1;
        next.static_key = static_key;
        let rotated = town
            .storage
            .rotate(&town.app, town.handle(), counter, &next)
            .await;
        assert_eq!(rotated.expect("rotate"), Guarded::Written);
        assert_eq!(
            town.read().await.map(|session| session.static_key),
            Some(static_key)
        );
    }
    town.neighbours_are_untouched().await;
}

/// What no rotation is about stays.
pub async fn leave_payload_and_data_alone(storage: Arc<dyn Storage>) {
    let town = Town::in_store(storage).await;
    let next = full_rotation();
    let rotated = town
        .storage
        .rotate(&town.app, town.handle(), 0, &renewal(&next, at(30_000)))
        .await;
    assert_eq!(rotated.expect("rotate"), Guarded::Written);
    let data = town.storage.session_data(&town.app, town.handle()).await;
    let data = data.expect("session data").expect("data");
    assert_eq!((data.data, data.version), (initial_data(), 1));
    assert_eq!(data.expires_at, at(30_000));
    let read = town.read().await.expect("the session");
    assert_eq!(read.jwt_payload, town.session.jwt_payload);
    assert_eq!(read.ends_at, town.session.ends_at);
}

/// Many holders of one record rotate at the same moment.
pub async fn are_refused_to_all_but_one_of_many(storage: Arc<dyn Storage>) {
    const TASKS: u8 = 64;
    let town = Town::in_store(storage).await;
    for round in 0..4_u64 {
        let outcomes = at_once(TASKS, |n| {
            let (storage, app) = (Arc::clone(&town.storage), town.app.clone());
            let handle = town.handle().clone();
            let mut next = full_rotation();
            next.current.hash = hash(n);
            next.counter = round + 1;
            async move {
                let rotated = storage
                    .rotate(&app, &handle, round, &renewal(&next, at(20_000)))
                    .await;
                (n, rotated.expect("rotate"))
            }
        })
        .await;
        let winners: Vec<_> = outcomes
            .iter()
            .filter(|(_, outcome)| *outcome == Guarded::Written)
            .map(|(n, _)| hash(*n))
            .collect();
        assert_eq!(winners.len(), 1, "round {round}");
        let read = town.read().await.expect("the session");
        assert_eq!(winners, [read.rotation.current.hash]);
        assert_eq!(read.rotation.counter, round + 1);
    }
    town.neighbours_are_untouched().await;
}

/// Every shape of record, against [`rotation::confirm`].
pub async fn are_confirmed_as_the_rule_says(storage: Arc<dyn Storage>) {
    let town = Town::in_store(Arc::clone(&storage)).await;
    let app = AppId::PUBLIC;
    for (id, (session, step)) in (1_000..).zip(confirmations()) {
        let session = Session {
            handle: super::session(TenantId::PUBLIC, id, "").handle,
            ..session
        };
        let inserted = storage.insert(&app, &session, &initial_data()).await;
        assert_eq!(inserted.expect("insert"), Guarded::Written);
        let expected = rotation::confirm(&session.rotation, step.child, step.parent, step.now)
            .filter(|_| session.is_alive(step.now))
            .map(|rotation| Session {
                rotation,
                expires_at: step.expires_at.min(session.ends_at),
                ..session.clone()
            });
        let confirmed = storage.confirm(&app, &session.handle, step).await;
        assert_eq!(
            confirmed.expect("confirm"),
            expected,
            "{session:?} {step:?}"
        );
        let read = storage.session(&app, &session.handle).await;
        assert_eq!(
            read.expect("session"),
            Some(expected.unwrap_or_else(|| session.clone())),
            "{session:?} {step:?}"
        );
    }
    town.neighbours_are_untouched().await;
    assert_eq!(town.read().await.as_ref(), Some(&town.session));
}

/// One of many confirmations of one token does it; the others find it done.
pub async fn are_confirmed_once_of_many_times(storage: Arc<dyn Storage>) {
    let town = Town::in_store(storage).await;
    let outcomes = at_once(64, |n| {
        let (storage, app) = (Arc::clone(&town.storage), town.app.clone());
        let handle = town.handle().clone();
        async move {
            let step = confirmation(at(2_000 + i64::from(n)));
            let confirmed = storage.confirm(&app, &handle, step).await;
            confirmed.expect("confirm").is_some()
        }
    })
    .await;
    assert_eq!(count(&outcomes, &true), 1);
    let read = town.read().await.expect("the session");
    assert_eq!(read.rotation.current.hash, hash(CHILD));
    assert_eq!(read.rotation.counter, 1);
    town.neighbours_are_untouched().await;
}

/// Records with each of their parts or without it, and steps that fit or do not.
fn confirmations() -> impl Iterator<Item = (Session, Confirm)> {
    let children = [None, Some(CHILD), Some(OTHER)];
    let bits = [false, true];
    children.into_iter().flat_map(move |child| {
        bits.into_iter().flat_map(move |with_previous| {
            bits.into_iter().flat_map(move |with_nonce| {
                let rotation = Rotation {
                    current: Current {
                        hash: hash(CURRENT),
                        nonce: with_nonce.then(|| nonce(CURRENT)),
                    },
                    child: child.map(|seed| Child {
                        hash: hash(seed),
                        nonce: nonce(seed),
                        given_at: at(1_500),
                    }),
                    previous: with_previous.then(|| Previous {
                        hash: hash(PREVIOUS),
                        superseded_at: at(1_200),
                    }),
                    counter: 41,
                };
                steps().map(move |step| {
                    let mut session = session(TenantId::PUBLIC, 0, "user");
                    session.rotation = rotation.clone();
                    (session, step)
                })
            })
        })
    })
}

/// Around the session's end at 10,000 and its absolute end at 100,000.
fn steps() -> impl Iterator<Item = Confirm> {
    [CURRENT, PREVIOUS, OTHER].into_iter().flat_map(|parent| {
        [CHILD, CURRENT].into_iter().flat_map(move |child| {
            [2_000, 9_999, 10_000].into_iter().flat_map(move |now| {
                [20_000, 100_000, 100_001, i64::MAX].map(move |expires_at| Confirm {
                    child: hash(child),
                    parent: hash(parent),
                    now: at(now),
                    expires_at: at(expires_at),
                })
            })
        })
    })
}

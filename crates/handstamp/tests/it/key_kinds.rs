//! Static and dynamic keys: which of them signs a session's tokens, what is published of them, and when they are made.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::unchecked_time_subtraction,
    reason = "helpers of tests are not seen to be tests; spans that are known are subtracted"
)]

use std::time::Duration;

use base64::Engine as _;
use handstamp::clock::UnixMillis;
use handstamp::engine::{Create, KeyChoice, Refresh, Regenerate, Regenerated, Verify};
use handstamp::jws::Algorithm;
use handstamp::rotation::Policy;
use handstamp::storage::{Guarded, KeyKind, Storage as _, StoredKey};
use handstamp::token::access::TokenFormat;
use handstamp::{AppId, Config, Engine};

use crate::support::{
    APP, Client, DAY, HOUR, MILLI, MINUTE, SECOND, START, World, create_as, kid_of, parts_of,
    refresh_as, renewed, valid,
};

use TokenFormat::V5;

/// How long the keys are kept that were asked for when the first was made: a minute less than it signs.
const KEPT: Duration = Duration::from_mins(10_079);

fn config(algorithm: Algorithm) -> Config {
    Config::builder()
        .signing_algorithm(algorithm)
        .access_token_validity(MINUTE)
        .build()
        .unwrap()
}

async fn created(engine: &Engine, format: TokenFormat, static_key: bool) -> Client {
    let ask = Create {
        static_key,
        ..create_as(format)
    };
    Client::of(&engine.create(ask).await.unwrap())
}

fn is_static(token: &str) -> bool {
    let kid = kid_of(token);
    assert!(kid.starts_with("s-") || kid.starts_with("d-"), "{kid}");
    kid.starts_with("s-")
}

/// The ids of the dynamic keys of the engine's algorithm that are published.
async fn ids(engine: &Engine) -> Vec<String> {
    let algorithm = engine.config().signing_algorithm();
    let keys = engine.key_set(&APP).await.unwrap().keys.into_iter();
    keys.filter(|key| key.is_dynamic && key.algorithm == algorithm)
        .map(|key| key.id)
        .collect()
}

async fn all_ids(engine: &Engine) -> Vec<String> {
    let set = engine.key_set(&APP).await.unwrap();
    set.keys.into_iter().map(|key| key.id).collect()
}

#[tokio::test]
async fn keys_for_now_and_then_are_published_before_they_sign() {
    for algorithm in Algorithm::ALL {
        let world = World::new(config(algorithm));
        let before = world.engine.key_set(&APP).await.unwrap();
        for static_key in [false, true] {
            let token = created(&world.engine, V5, static_key).await.access;
            let ask = handstamp::engine::CreateJwt {
                app: APP,
                payload: handstamp::JsonObject::empty(),
                issuer: String::new(),
                validity: MINUTE,
                static_key,
            };
            let jwt = world.engine.create_jwt(&ask).await.unwrap();
            for token in [&token, jwt.expose()] {
                assert!(before.keys.iter().any(|key| key.id == kid_of(token)));
            }
            created(&world.engine, TokenFormat::V2, static_key).await;
        }
        let after = world.engine.key_set(&APP).await.unwrap();
        assert_eq!(after.keys, before.keys);
    }
}

/// A server publishes what others sign by, if it is set otherwise, too.
#[tokio::test]
async fn keys_of_other_servers_are_published_when_keys_are_tended() {
    let world = World::new(config(Algorithm::Rs256));
    let other = world.another(2, config(Algorithm::EdDsa));
    let before = all_ids(&world.engine).await;
    let kid = kid_of(&created(&other, V5, false).await.access);
    assert!(!before.contains(&kid));
    world.engine.tend_keys().await.unwrap();
    assert!(all_ids(&world.engine).await.contains(&kid));
}

#[tokio::test]
async fn keys_are_tended_whichever_apps_have_bad_ones() {
    let world = World::new(config(Algorithm::Es256));
    let engine = &world.engine;
    engine.prepare(&APP).await.unwrap();
    for number in 0..8 {
        let app = AppId::parse(&format!("app-{number}")).unwrap();
        engine.prepare(&app).await.unwrap();
        let bad = StoredKey {
            kind: KeyKind::Dynamic(Algorithm::Es256),
            generation: 9,
            created_at: world.now().plus(168 * HOUR),
            material: b"nonsense".to_vec().into(),
        };
        let added = world.store.inner.add_key(&app, &bad).await;
        assert_eq!(added.unwrap(), Guarded::Written);
    }
    world.clock.set(START.plus(168 * HOUR - SECOND));
    engine.tend_keys().await.unwrap_err();
    assert_eq!(
        world.keys(KeyKind::Dynamic(Algorithm::Es256)).await.len(),
        2
    );
}

/// A key that another server made a moment after this one looked is found by its first token.
#[tokio::test]
async fn a_key_made_since_the_keys_were_tended_is_looked_for_at_once() {
    let world = World::new(config(Algorithm::Rs256));
    let other = world.another(2, config(Algorithm::EdDsa));
    world.engine.prepare(&APP).await.unwrap();
    world.engine.tend_keys().await.unwrap();
    let token = created(&other, V5, false).await.access;
    let _ = valid(world.verify(&token).await);
}

/// However short their time: then the next one waits for a fifth of it.
#[tokio::test]
async fn keys_may_follow_each_other_within_seconds() {
    let config = Config::builder()
        .access_token_validity(SECOND)
        .refresh_token_validity(HOUR)
        .signing_key_interval(SECOND * 10)
        .build()
        .unwrap();
    let world = World::new(config);
    let engine = &world.engine;
    let first = ids(engine).await;
    world.advance(SECOND * 8);
    engine.tend_keys().await.unwrap();
    assert_eq!(ids(engine).await, first);
    world.advance(MILLI);
    engine.tend_keys().await.unwrap();
    let published = ids(engine).await;
    assert_eq!((published.len(), &published[1]), (2, &first[0]));
    let kid = async || kid_of(&created(engine, V5, false).await.access);
    assert_eq!(kid().await, published[1]);
    let last = created(engine, V5, false).await;
    world.clock.set(START.plus(SECOND * 9));
    let _ = valid(world.verify(&last.access).await);
    world.clock.set(START.plus(SECOND * 10));
    assert_eq!(kid().await, published[0]);
}

#[tokio::test]
async fn each_session_has_its_own_kind_of_key_and_a_refresh_may_change_it() {
    for algorithm in Algorithm::ALL {
        for policy in [Policy::ConfirmOnUse, Policy::RotateAtOnce] {
            for before in [false, true] {
                for (key, after) in [
                    (KeyChoice::Keep, before),
                    (KeyChoice::Dynamic, false),
                    (KeyChoice::Static, true),
                ] {
                    let world = World::new(config(algorithm));
                    let first = created(&world.engine, V5, before).await;
                    assert_eq!(is_static(&first.access), before);
                    let stored = async || world.session(&first.handle).await.unwrap().static_key;
                    assert_eq!(stored().await, before);
                    let ask = Refresh {
                        key,
                        policy,
                        ..refresh_as(&first.refresh, V5)
                    };
                    let second = Client::of(&renewed(world.engine.refresh(&ask).await.unwrap()));
                    assert_eq!((is_static(&second.access), stored().await), (after, after));
                    keeps(&world, &second, policy, after).await;
                    assert_eq!(stored().await, after);
                }
            }
        }
    }
}

/// Whatever else makes a token of that session makes it by the same kind of key.
async fn keeps(world: &World, client: &Client, policy: Policy, is: bool) {
    let ask = Regenerate {
        cookie: None,
        app: APP,
        token: &client.access,
        jwt_payload: None,
    };
    let Regenerated::Done {
        access: Some(access),
        ..
    } = world.engine.regenerate(ask).await.unwrap()
    else {
        panic!("not regenerated");
    };
    assert_eq!(is_static(access.token.expose()), is);
    if policy == Policy::ConfirmOnUse {
        let replacement = valid(world.verify(&client.access).await)
            .replacement
            .unwrap();
        assert_eq!(is_static(replacement.token.expose()), is);
    }
    let ask = Refresh {
        policy,
        ..refresh_as(&client.refresh, V5)
    };
    let third = Client::of(&renewed(world.engine.refresh(&ask).await.unwrap()));
    assert_eq!(is_static(&third.access), is);
    // Older forms do not name the key, but are signed by the same kind.
    let ask = Refresh {
        policy,
        ..refresh_as(&third.refresh, TokenFormat::V2)
    };
    let fourth = Client::of(&renewed(world.engine.refresh(&ask).await.unwrap()));
    let input = fourth.access.rsplit_once('.').unwrap();
    let signature = base64::engine::general_purpose::STANDARD
        .decode(input.1)
        .unwrap();
    for (kind, signed) in [
        (KeyKind::Static(Algorithm::Rs256), is),
        (KeyKind::Dynamic(Algorithm::Rs256), !is),
    ] {
        if !world.keys(kind).await.is_empty() {
            assert_eq!(
                world
                    .key(kind)
                    .await
                    .verifies(input.0.as_bytes(), &signature),
                signed
            );
        }
    }
}

#[tokio::test]
async fn keys_are_published_dynamic_ones_first_and_newest_first() {
    let world = World::new(config(Algorithm::Rs256));
    let engine = &world.engine;
    created(engine, V5, true).await;
    created(engine, V5, false).await;
    assert_eq!(
        all_ids(engine).await,
        ["d-1700000000000", "s-1700000000000"]
    );
    // Another algorithm's, a second later.
    world.advance(SECOND);
    let other = world.another(2, config(Algorithm::Es256));
    created(&other, V5, true).await;
    created(&other, V5, false).await;
    let expected = [
        "d-1700000001000-es256",
        "d-1700000000000",
        "s-1700000001000-es256",
        "s-1700000000000",
    ];
    assert_eq!(all_ids(&other).await, expected);
    let set = other.key_set(&APP).await.unwrap();
    let told: Vec<_> = set
        .keys
        .iter()
        .map(|key| (key.is_dynamic, key.created_at, key.expires_at))
        .collect();
    let (second, life) = (START.plus(SECOND), 168 * HOUR + 2 * MINUTE);
    assert_eq!(
        told,
        [
            (true, second, second.plus(life)),
            (true, START, START.plus(life)),
            (false, second, UnixMillis::MAX),
            (false, START, UnixMillis::MAX),
        ]
    );
}

#[tokio::test]
async fn a_key_set_is_good_until_the_next_key_is_made() {
    for algorithm in Algorithm::ALL {
        let world = World::new(config(algorithm));
        let engine = &world.engine;
        let max_age = async || engine.key_set(&APP).await.unwrap().max_age;
        assert_eq!(max_age().await, KEPT);
        world.advance(DAY + MILLI);
        assert_eq!(max_age().await, KEPT - DAY - MILLI);
        world.clock.set(START.plus(KEPT - SECOND));
        engine.tend_keys().await.unwrap();
        assert_eq!((max_age().await, ids(engine).await.len()), (SECOND, 1));
        // Never nothing, so that nobody asks without a pause.
        world.advance(SECOND);
        assert_eq!(max_age().await, SECOND);

        // The next one is published, and waits.
        world.advance(MILLI);
        engine.tend_keys().await.unwrap();
        let published = ids(engine).await;
        assert_eq!(published.len(), 2);
        assert_eq!(max_age().await, KEPT);
        let kid = async || kid_of(&created(engine, V5, false).await.access);
        assert_eq!(kid().await, published[1]);
        world.clock.set(START.plus(168 * HOUR - MILLI));
        assert_eq!(kid().await, published[1]);
        let last = created(engine, V5, false).await;
        world.advance(MILLI);
        assert_eq!(kid().await, published[0]);
        // The old one verifies on, and goes when its tokens are long dead.
        let _ = valid(world.verify(&last.access).await);
        world.clock.set(START.plus(168 * HOUR + 2 * MINUTE));
        engine.tend_keys().await.unwrap();
        assert_eq!(ids(engine).await.len(), 2);
        world.advance(MILLI);
        engine.tend_keys().await.unwrap();
        assert_eq!(ids(engine).await, published[..1]);
        assert_eq!(world.keys(KeyKind::Dynamic(algorithm)).await.len(), 1);
    }
}

/// Older forms and other JWTs go on being signed by RSA: its next key counts as well.
#[tokio::test]
async fn a_key_set_of_two_algorithms_is_good_until_the_first_next_key() {
    let world = World::new(config(Algorithm::Es256));
    created(&world.engine, TokenFormat::V2, false).await;
    world.advance(DAY);
    created(&world.engine, V5, false).await;
    let set = world.engine.key_set(&APP).await.unwrap();
    assert_eq!(set.max_age, KEPT - DAY);
    // Each is followed by its own.
    world.clock.set(START.plus(168 * HOUR - MINUTE + MILLI));
    world.engine.tend_keys().await.unwrap();
    assert_eq!(
        world.keys(KeyKind::Dynamic(Algorithm::Rs256)).await.len(),
        2
    );
    assert_eq!(
        world.keys(KeyKind::Dynamic(Algorithm::Es256)).await.len(),
        1
    );
    world.advance(DAY);
    world.engine.tend_keys().await.unwrap();
    assert_eq!(
        world.keys(KeyKind::Dynamic(Algorithm::Es256)).await.len(),
        2
    );
}

#[tokio::test]
async fn a_static_key_stays_for_ever() {
    for algorithm in Algorithm::ALL {
        let world = World::new(config(algorithm));
        let first = created(&world.engine, V5, true).await;
        for _ in 0..4 {
            world.advance(1000 * DAY);
            world.engine.tend_keys().await.unwrap();
            let next = created(&world.engine, V5, true).await;
            assert_eq!(kid_of(&next.access), kid_of(&first.access));
            let _ = valid(world.verify(&next.access).await);
            let set = world.engine.key_set(&APP).await.unwrap();
            let key = set.keys.last().unwrap();
            assert_eq!(
                (&key.id, key.expires_at),
                (&kid_of(&first.access), UnixMillis::MAX)
            );
        }
        assert_eq!(world.keys(KeyKind::Static(algorithm)).await.len(), 1);
        // A server that starts now has it.
        let late = world.another(9, config(algorithm));
        let next = created(&late, V5, true).await;
        assert_eq!(kid_of(&next.access), kid_of(&first.access));
    }
}

#[tokio::test]
async fn keys_are_made_when_they_are_needed_and_once() {
    for algorithm in Algorithm::ALL {
        let world = World::new(config(algorithm));
        let engines: Vec<_> = (10..18)
            .map(|seed| world.another(seed, config(algorithm)))
            .collect();
        let mut expected = vec![KeyKind::Refresh];
        for static_key in [true, false] {
            let mut creating = tokio::task::JoinSet::new();
            for engine in engines.clone() {
                creating.spawn(async move { created(&engine, V5, static_key).await });
            }
            let clients = creating.join_all().await;
            expected.push(if static_key {
                KeyKind::Static(algorithm)
            } else {
                KeyKind::Dynamic(algorithm)
            });
            for algorithm in Algorithm::ALL {
                for kind in [
                    KeyKind::Static(algorithm),
                    KeyKind::Dynamic(algorithm),
                    KeyKind::Refresh,
                ] {
                    let made = world.keys(kind).await.len();
                    assert_eq!(made, usize::from(expected.contains(&kind)), "{kind:?}");
                }
            }
            for (client, engine) in clients
                .iter()
                .flat_map(|client| engines.iter().map(move |engine| (client, engine)))
            {
                assert_eq!(kid_of(&client.access), kid_of(&clients[0].access));
                let _ = valid(engine.verify(&Verify::new(&client.access)).await.unwrap());
            }
        }
        // All of them tried.
        let tried = world
            .store
            .calls()
            .iter()
            .filter(|call| **call == "add_key")
            .count();
        assert!(tried >= 24, "{tried}");
        assert!(
            parts_of(&created(&world.engine, V5, false).await.access)
                .0
                .contains(algorithm.as_str())
        );
    }
}

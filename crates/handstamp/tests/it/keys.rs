//! How signing keys follow each other, how servers agree on them, and what happens when the store does not answer.

#![expect(
    clippy::unchecked_time_subtraction,
    clippy::unwrap_used,
    reason = "helpers of tests are not seen to be tests; spans that are known are subtracted"
)]

use handstamp::clock::UnixMillis;
use handstamp::engine::{Create, Refresh, RefreshRefused, TryRefresh, Verify};
use handstamp::jws::Algorithm;
use handstamp::storage::{Guarded, KeyKind, Storage, StoredKey};
use handstamp::token::access::{self, AccessClaims, NamedKey, Rejected, TokenFormat};
use handstamp::{AppId, Config, Engine, Error};
use zeroize::Zeroizing;

use crate::support::{
    APP, Client, HOUR, MILLI, MINUTE, SECOND, START, World, create_v1, refresh_v1, refused,
    renewed, try_refresh, user, valid,
};

const SIGNATURE: TryRefresh = TryRefresh::Rejected(Rejected::UnknownKey);

/// Keys that sign for a day, tokens that live for an hour: a key verifies for 26 hours.
fn config() -> Config {
    Config::builder()
        .signing_key_interval(24 * HOUR)
        .build()
        .unwrap()
}

fn world() -> World {
    World::new(config())
}

async fn signer(engine: &Engine) -> String {
    engine.signing_key(&APP, false).await.unwrap().public_key
}

async fn token(engine: &Engine) -> String {
    let issued = engine.create(create_v1(user())).await.unwrap();
    issued.access.token.expose().to_owned()
}

/// A token that no key signed, in good form otherwise.
async fn forged(world: &World) -> String {
    let token = token(&world.engine).await;
    let (signed, _) = token.rsplit_once('.').unwrap();
    format!("{signed}.{}==", "A".repeat(342))
}

#[tokio::test]
async fn engines_that_start_together_agree_on_the_keys() {
    let world = world();
    let engines: Vec<_> = (10..18).map(|seed| world.another(seed, config())).collect();
    let mut starting = tokio::task::JoinSet::new();
    for engine in engines.clone() {
        starting.spawn(async move { engine.prepare(&APP).await.unwrap() });
    }
    starting.join_all().await;
    // All of them tried.
    let tried = world
        .store
        .calls()
        .iter()
        .filter(|call| **call == "add_key")
        .count();
    assert_eq!(tried, 16);
    assert_eq!(
        world.keys(KeyKind::Dynamic(Algorithm::Rs256)).await.len(),
        1
    );
    assert_eq!(world.keys(KeyKind::Refresh).await.len(), 1);

    let signer = signer(&engines[0]).await;
    let client = Client::of(&engines[0].create(create_v1(user())).await.unwrap());
    for engine in &engines {
        assert_eq!(self::signer(engine).await, signer);
        let _ = valid(engine.verify(&Verify::new(&client.access)).await.unwrap());
        let _ = renewed(engine.refresh(&refresh_v1(&client.refresh)).await.unwrap());
    }
}

#[tokio::test]
async fn a_successor_is_made_a_minute_before_and_waits() {
    let world = world();
    let engine = &world.engine;
    let first = signer(engine).await;
    let end = START.plus(24 * HOUR);
    assert_eq!(
        engine.signing_key(&APP, false).await.unwrap().expires_at,
        end
    );

    world.clock.set(end.minus(MINUTE));
    engine.tend_keys().await.unwrap();
    assert_eq!(
        world.keys(KeyKind::Dynamic(Algorithm::Rs256)).await.len(),
        1
    );
    world.advance(MILLI);
    engine.tend_keys().await.unwrap();
    engine.tend_keys().await.unwrap();
    let keys = world.keys(KeyKind::Dynamic(Algorithm::Rs256)).await;
    assert_eq!(
        keys.iter().map(|key| key.generation).collect::<Vec<_>>(),
        [1, 2]
    );
    assert_eq!(keys[1].created_at, world.now());

    // It is known, and waits as long as its predecessor may sign; the end that is told is that of the one that signs.
    world.clock.set(end.minus(MILLI));
    let told = engine.signing_key(&APP, false).await.unwrap();
    assert_eq!((told.public_key, told.expires_at), (first.clone(), end));
    world.advance(MILLI);
    let told = engine.signing_key(&APP, false).await.unwrap();
    assert_ne!(told.public_key, first);
    assert_eq!(told.expires_at, keys[1].created_at.plus(24 * HOUR));
    assert_eq!(told.public_key, world.signing_key().await.public_key());
}

#[tokio::test]
async fn a_server_that_nobody_tends_makes_its_key_when_it_needs_it() {
    let world = world();
    let first = signer(&world.engine).await;
    world.advance(24 * HOUR - MILLI);
    assert_eq!(signer(&world.engine).await, first);
    world.advance(MILLI);
    assert_ne!(signer(&world.engine).await, first);
    assert_eq!(
        world.keys(KeyKind::Dynamic(Algorithm::Rs256)).await[1].created_at,
        world.now()
    );
}

#[tokio::test]
async fn a_key_verifies_until_its_tokens_are_long_dead_and_not_after() {
    let world = world();
    let old = token(&world.engine).await;
    let key = world
        .keys(KeyKind::Dynamic(Algorithm::Rs256))
        .await
        .remove(0);
    let dead = key.created_at.plus(26 * HOUR);
    let signed_late = late_token(&world, &old, dead).await;

    world.clock.set(START.plus(24 * HOUR - SECOND));
    world.engine.tend_keys().await.unwrap();
    world.clock.set(dead);
    world.engine.tend_keys().await.unwrap();
    let _ = valid(world.verify(&signed_late).await);
    assert_eq!(
        world.keys(KeyKind::Dynamic(Algorithm::Rs256)).await.len(),
        2
    );
    world.advance(MILLI);
    assert_eq!(try_refresh(world.verify(&signed_late).await), SIGNATURE);
    // Only now is it forgotten.
    world.engine.tend_keys().await.unwrap();
    let left = world.keys(KeyKind::Dynamic(Algorithm::Rs256)).await;
    assert_eq!(
        left.iter().map(|key| key.generation).collect::<Vec<_>>(),
        [2]
    );
    assert_eq!(try_refresh(world.verify(&signed_late).await), SIGNATURE);
}

/// A token of the world's key that does not end before the key does.
async fn late_token(world: &World, token: &str, end: UnixMillis) -> String {
    let claims = AccessClaims {
        expires_at: end.plus(HOUR),
        ..world.read(token).await
    };
    let key = world.signing_key().await;
    let format = TokenFormat::V1;
    let token = access::mint(&claims, format, NamedKey { id: "", key: &key }).unwrap();
    token.expose().to_owned()
}

#[tokio::test]
async fn rotation_refuses_no_token_that_is_alive() {
    let world = world();
    let other = world.another(2, config());
    let mut alive: Vec<(UnixMillis, String)> = Vec::new();
    let mut signers = std::collections::HashSet::new();
    for step in 0..(3 * 24 * 6) {
        world.advance(10 * MINUTE);
        // One server is tended, now and then; the other never.
        if step % 7 == 0 {
            world.engine.tend_keys().await.unwrap();
        }
        let (maker, checker) = if step % 2 == 0 {
            (&world.engine, &other)
        } else {
            (&other, &world.engine)
        };
        signers.insert(signer(maker).await);
        alive.push((world.now().plus(HOUR), token(maker).await));
        alive.retain(|(end, _)| *end >= world.now());
        for (_, token) in &alive {
            let _ = valid(checker.verify(&Verify::new(token)).await.unwrap());
        }
        world.advance(SECOND);
    }
    assert!(signers.len() >= 3, "{}", signers.len());
}

#[tokio::test]
async fn a_server_learns_a_new_key_at_the_first_sight_of_a_token() {
    let world = world();
    let late = world.another(2, config());
    late.prepare(&APP).await.unwrap();
    world.engine.prepare(&APP).await.unwrap();
    world.advance(24 * HOUR - 30 * SECOND);
    world.engine.tend_keys().await.unwrap();
    world.advance(30 * SECOND);
    // The other server has seen no request since it started.
    let token = late_token(&world, &token(&world.engine).await, world.now()).await;
    assert_eq!(
        signer(&world.engine).await,
        world.signing_key().await.public_key()
    );
    world.store.calls();
    let _ = valid(late.verify(&Verify::new(&token)).await.unwrap());
    assert_eq!(world.store.calls(), ["keys"]);
    let _ = valid(late.verify(&Verify::new(&token)).await.unwrap());
    assert!(world.store.calls().is_empty());
}

/// As above, but while the old key still signs, so that nothing but the token leads to the new one.
#[tokio::test]
async fn a_server_that_can_sign_learns_a_new_key_too() {
    let world = world();
    let late = world.another(2, config());
    late.prepare(&APP).await.unwrap();
    world.engine.prepare(&APP).await.unwrap();
    world.advance(24 * HOUR - 30 * SECOND);
    world.engine.tend_keys().await.unwrap();
    let token = late_token(&world, &token(&world.engine).await, world.now()).await;
    world.store.calls();
    let _ = valid(late.verify(&Verify::new(&token)).await.unwrap());
    assert_eq!(world.store.calls()[0], "keys");
    let _ = valid(late.verify(&Verify::new(&token)).await.unwrap());
    assert!(world.store.calls().is_empty());
}

#[tokio::test]
async fn a_flood_of_forged_tokens_reads_once_a_second() {
    let world = world();
    let forged = forged(&world).await;
    world.advance(MINUTE);
    world.store.calls();
    for second in 0..5 {
        for _ in 0..10 {
            assert_eq!(try_refresh(world.verify(&forged).await), SIGNATURE);
            world.advance(SECOND / 10);
        }
        assert_eq!(world.store.calls(), ["keys"], "second {second}");
    }
    // All at once, too.
    let engine = &world.engine;
    let flood = || async { try_refresh(engine.verify(&Verify::new(&forged)).await.unwrap()) };
    let refused = tokio::join!(flood(), flood(), flood(), flood());
    assert_eq!(refused, (SIGNATURE, SIGNATURE, SIGNATURE, SIGNATURE));
    assert_eq!(world.store.calls(), ["keys"]);
}

#[tokio::test]
async fn a_clock_set_back_does_not_stop_servers_from_learning() {
    let world = world();
    let forged = forged(&world).await;
    let _ = world.verify(&forged).await;
    world.clock.set(START.minus(HOUR));
    world.store.calls();
    assert_eq!(try_refresh(world.verify(&forged).await), SIGNATURE);
    assert_eq!(world.store.calls(), ["keys"]);
    assert_eq!(try_refresh(world.verify(&forged).await), SIGNATURE);
    assert!(world.store.calls().is_empty());
}

#[tokio::test]
async fn a_store_that_fails_is_a_failure_and_never_a_refusal() {
    let world = world();
    let client = world.create().await;
    let child = client.asks(&world).await;
    let forged = forged(&world).await;
    world.advance(MINUTE);
    world.store.fail(true);
    let engine = &world.engine;
    // What needs no store goes on.
    let _ = valid(world.verify(&client.access).await);
    assert_eq!(
        refused(world.refresh("forged").await),
        RefreshRefused::NotOurs
    );

    let checked = Verify {
        check_storage: true,
        ..Verify::new(&client.access)
    };
    let failures = [
        engine.refresh(&refresh_v1(&client.refresh)).await.err(),
        engine.verify(&checked).await.err(),
        engine.verify(&Verify::new(&child.access)).await.err(),
        // Another server may have made a key since: nobody knows.
        engine.verify(&Verify::new(&forged)).await.err(),
        engine.session_data(&APP, &client.handle).await.err(),
        engine
            .revoke(&APP, std::slice::from_ref(&client.handle))
            .await
            .err(),
        engine.revoke_user(&APP, None, &user()).await.err(),
        engine.handles_of_user(&APP, None, &user()).await.err(),
        engine.tend_keys().await.err(),
        engine.sweep(1).await.err(),
        engine.ping().await.err(),
        world.another(2, config()).prepare(&APP).await.err(),
        world
            .another(3, config())
            .signing_key(&APP, false)
            .await
            .err(),
    ];
    for (place, failure) in failures.into_iter().enumerate() {
        let failure = failure.unwrap_or_else(|| panic!("number {place} did not fail"));
        assert!(failure.is_transient() && !failure.is_outcome_unknown());
        assert_eq!(
            failure.to_string(),
            "the database is not available: as told"
        );
    }
    let created = engine.create(create_v1(user())).await.unwrap_err();
    assert!(matches!(created, Error::Failure(_)));

    // Nothing was used up by it.
    world.store.fail(false);
    let mut child = child;
    child.uses(&world).await;
    child.goes_on(&world).await;
}

#[tokio::test]
async fn what_is_stored_as_a_key_and_is_none_is_named() {
    for (kind, material) in [
        (KeyKind::Dynamic(Algorithm::Rs256), vec![0x30; 1200]),
        (KeyKind::Dynamic(Algorithm::Rs256), Vec::new()),
        (KeyKind::Refresh, vec![7; 31]),
    ] {
        let world = world();
        let key = StoredKey {
            kind,
            generation: 1,
            created_at: START,
            material: Zeroizing::new(material),
        };
        assert_eq!(
            world.store.inner.add_key(&APP, &key).await.unwrap(),
            Guarded::Written
        );
        let failure = world.engine.prepare(&APP).await.unwrap_err();
        assert!(failure.to_string().contains("keys.material"), "{failure}");
        assert!(!failure.is_transient());
        world.engine.create(create_v1(user())).await.unwrap_err();
    }
}

#[tokio::test]
async fn apps_have_keys_of_their_own() {
    let world = world();
    let other = AppId::parse("other").unwrap();
    let here = Client::of(&world.engine.create(create_v1(user())).await.unwrap());
    let ask = Create {
        app: other.clone(),
        ..create_v1(user())
    };
    let there = Client::of(&world.engine.create(ask).await.unwrap());
    let keys = world.store.inner.keys(&other).await.unwrap();
    for key in world.store.inner.keys(&APP).await.unwrap() {
        assert!(keys.iter().all(|theirs| theirs.material != key.material));
    }
    for (app, own, foreign) in [(APP, &here, &there), (other, &there, &here)] {
        let verify = |token| Verify {
            app: app.clone(),
            ..Verify::new(token)
        };
        let refresh = |token| Refresh {
            app: app.clone(),
            ..refresh_v1(token)
        };
        let engine = &world.engine;
        let _ = valid(engine.verify(&verify(&own.access)).await.unwrap());
        let why = try_refresh(engine.verify(&verify(&foreign.access)).await.unwrap());
        assert_eq!(why, SIGNATURE);
        let why = refused(engine.refresh(&refresh(&foreign.refresh)).await.unwrap());
        assert_eq!(why, RefreshRefused::NotOurs);
        let _ = renewed(engine.refresh(&refresh(&own.refresh)).await.unwrap());
        let handle = &foreign.handle;
        assert!(engine.session_data(&app, handle).await.unwrap().is_none());
        assert!(
            engine
                .revoke(&app, std::slice::from_ref(handle))
                .await
                .unwrap()
                .is_empty()
        );
    }
}

/// The app is part of a refresh token's MAC: not even the same secret in two apps makes their tokens pass.
#[tokio::test]
async fn apps_that_were_given_one_secret_still_refuse_each_others_refresh_tokens() {
    let world = world();
    let other = AppId::parse("other").unwrap();
    let client = world.create().await;
    for key in world.store.inner.keys(&APP).await.unwrap() {
        assert_eq!(
            world.store.inner.add_key(&other, &key).await.unwrap(),
            Guarded::Written
        );
    }
    let ask = Refresh {
        app: other,
        ..refresh_v1(&client.refresh)
    };
    let why = refused(world.engine.refresh(&ask).await.unwrap());
    assert_eq!(why, RefreshRefused::NotOurs);
}

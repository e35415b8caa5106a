//! Payloads that change while a session lives, tokens made to say so, the check of a token's lineage, and JWTs of other kinds.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests are not seen to be tests"
)]

use std::time::Duration;

use handstamp::engine::{
    AccessToken, Create, CreateJwt, Refresh, Regenerate, Regenerated, SessionView, TryRefresh,
    Verification, Verified, Verify, VerifyRefused,
};
use handstamp::jws::Algorithm;
use handstamp::rotation::Policy;
use handstamp::storage::{KeyKind, Storage as _};
use handstamp::token::access::{AccessClaims, Rejected, TokenFormat};
use handstamp::{Config, Error, JsonObject};

use crate::support::{
    APP, Client, DAY, HOUR, MILLI, MINUTE, SECOND, START, World, create_as, json, jwt, kid_of,
    parts_of, refresh_as, renewed, try_refresh, unauthorised, user, valid,
};

use TokenFormat::{V1, V2, V3, V4, V5};

const ALL: [TokenFormat; 5] = [V1, V2, V3, V4, V5];

fn world() -> World {
    World::new(Config::default())
}

async fn created(world: &World, format: TokenFormat) -> Client {
    let ask = Create {
        anti_csrf: true,
        jwt_payload: json(r#"{"a":1}"#),
        ..create_as(format)
    };
    Client::of(&world.engine.create(ask).await.unwrap())
}

async fn next_of(world: &World, client: &Client, format: TokenFormat, policy: Policy) -> Client {
    let ask = Refresh {
        anti_csrf: true,
        policy,
        ..refresh_as(&client.refresh, format)
    };
    Client::of(&renewed(world.engine.refresh(&ask).await.unwrap()))
}

async fn regenerate(world: &World, token: &str, payload: Option<&JsonObject>) -> Regenerated {
    let ask = Regenerate {
        cookie: None,
        app: APP,
        token,
        jwt_payload: payload.cloned(),
    };
    world.engine.regenerate(ask).await.unwrap()
}

#[track_caller]
fn done(regenerated: Regenerated) -> (SessionView, Option<AccessToken>) {
    match regenerated {
        Regenerated::Done { session, access } => (session, access),
        Regenerated::NoSession => panic!("no session"),
    }
}

#[tokio::test]
async fn a_regenerated_token_is_alike_in_all_but_payload_and_age() {
    for format in ALL {
        for with_parent in [false, true] {
            let world = world();
            let first = created(&world, format).await;
            let client = if with_parent {
                next_of(&world, &first, format, Policy::ConfirmOnUse).await
            } else {
                first
            };
            let rotation = world.session(&client.handle).await.unwrap();
            world.advance(MINUTE * 20);
            let payload = json(r#"{"b":[null, 1.10]}"#);
            let (session, access) = done(regenerate(&world, &client.access, Some(&payload)).await);
            let access = access.unwrap();
            let token = access.token.expose();
            let expected = SessionView {
                handle: client.handle.clone(),
                user_id: user(),
                jwt_payload: payload.clone(),
            };
            assert_eq!(session, expected);
            let before = world.read(&client.access).await;
            assert_eq!(before.parent_hash.is_some(), with_parent);
            assert!(before.anti_csrf.is_some());
            let after = AccessClaims {
                payload: payload.clone(),
                created_at: world.now(),
                ..before
            };
            assert_eq!(world.read_form(token).await, (after, format));
            assert_eq!(
                (access.created_at, access.expires_at),
                (world.now(), START.plus(HOUR))
            );
            // Stored; and the session lives neither longer nor otherwise.
            let row = world.session(&client.handle).await.unwrap();
            assert_eq!(row.jwt_payload, payload);
            assert_eq!(
                (row.rotation, row.expires_at),
                (rotation.rotation, rotation.expires_at)
            );
            // It is used like the one that it is made from.
            let seen = valid(world.verify_in_store(token).await);
            assert_eq!(seen.session, expected);
            assert_eq!(seen.replacement.is_some(), with_parent);
            let next = next_of(&world, &client, format, Policy::ConfirmOnUse).await;
            assert_eq!(world.read(&next.access).await.payload, payload);
        }
    }
}

#[tokio::test]
async fn without_a_payload_the_stored_one_is_said() {
    for format in ALL {
        let world = world();
        let client = created(&world, format).await;
        let stored = json(r#"{"stored":true}"#);
        assert!(
            world
                .engine
                .write_jwt_payload(&APP, &client.handle, &stored, format)
                .await
                .unwrap()
        );
        let (session, access) = done(regenerate(&world, &client.access, None).await);
        assert_eq!(session.jwt_payload, stored);
        assert_eq!(
            world.read(access.unwrap().token.expose()).await.payload,
            stored
        );
        // Nothing of it is no payload at all.
        let (session, _) =
            done(regenerate(&world, &client.access, Some(&JsonObject::empty())).await);
        assert_eq!(session.jwt_payload, JsonObject::empty());
        assert_eq!(
            world.session(&client.handle).await.unwrap().jwt_payload,
            JsonObject::empty()
        );
    }
}

#[tokio::test]
async fn a_token_that_has_run_out_is_not_made_again_but_the_payload_is_stored() {
    for format in ALL {
        let world = world();
        let client = created(&world, format).await;
        world.advance(HOUR);
        assert!(
            done(regenerate(&world, &client.access, None).await)
                .1
                .is_some()
        );
        world.advance(MILLI);
        let payload = json(r#"{"late":1}"#);
        let (session, access) = done(regenerate(&world, &client.access, Some(&payload)).await);
        assert_eq!(
            (session.jwt_payload, access.is_none()),
            (payload.clone(), true)
        );
        assert_eq!(
            world.session(&client.handle).await.unwrap().jwt_payload,
            payload
        );
    }
}

#[tokio::test]
async fn what_is_no_token_of_a_living_session_is_not_regenerated() {
    let payload = json(r#"{"x":1}"#);
    for format in ALL {
        let world = world();
        let client = created(&world, format).await;
        let ended = async |world: &World, token: &str| {
            for payload in [Some(&payload), None] {
                assert!(matches!(
                    regenerate(world, token, payload).await,
                    Regenerated::NoSession
                ));
            }
        };
        for text in [
            "",
            ".",
            "..",
            "...",
            "a.b.c",
            &client.refresh,
            &client.handle.to_string(),
            &"a".repeat(1 << 20),
        ] {
            ended(&world, text).await;
        }
        ended(&world, &format!("{}.x", client.access)).await;
        assert_eq!(
            world.session(&client.handle).await.unwrap().jwt_payload,
            json(r#"{"a":1}"#)
        );
        let gone = created(&world, format).await;
        world
            .engine
            .revoke(&APP, std::slice::from_ref(&gone.handle))
            .await
            .unwrap();
        ended(&world, &gone.access).await;
        assert!(
            !world
                .engine
                .write_jwt_payload(&APP, &gone.handle, &payload, format)
                .await
                .unwrap()
        );
        world.clock.set(START.plus(DAY * 100));
        ended(&world, &client.access).await;
        assert!(
            !world
                .engine
                .write_jwt_payload(&APP, &client.handle, &payload, format)
                .await
                .unwrap()
        );
        assert!(
            world
                .engine
                .session(&APP, &client.handle)
                .await
                .unwrap()
                .is_none()
        );
        let row = world
            .store
            .inner
            .session(&APP, &client.handle)
            .await
            .unwrap();
        assert!(row.is_none_or(|row| row.jwt_payload == json(r#"{"a":1}"#)));
    }
}

/// Whoever may call the engine, and knows a handle, cannot write another's payload by it.
#[tokio::test]
async fn a_token_that_was_not_made_here_changes_nothing() {
    for format in ALL {
        let world = world();
        let client = created(&world, format).await;
        let before = world.session(&client.handle).await.unwrap();
        let (input, signature) = client.access.rsplit_once('.').unwrap();
        let another = created(&world, format).await;
        let (_, foreign) = another.access.rsplit_once('.').unwrap();
        let other = json(r#"{"x":1}"#);
        for token in [
            format!("{input}.{foreign}"),
            format!("{input}.AAAA"),
            format!("{input}."),
            input.to_owned(),
            format!("{}.{signature}", another.access.rsplit_once('.').unwrap().0),
        ] {
            for payload in [None, Some(&other)] {
                let answer = regenerate(&world, &token, payload).await;
                assert!(matches!(answer, Regenerated::NoSession), "{format:?}");
            }
        }
        assert_eq!(world.session(&client.handle).await.unwrap(), before);
        let _ = done(regenerate(&world, &client.access, Some(&other)).await);
    }
}

#[tokio::test]
async fn a_regenerated_token_does_not_outlive_its_session() {
    let config = Config::builder()
        .absolute_lifetime(Some(MINUTE * 30))
        .build()
        .unwrap();
    let world = World::new(config);
    let client = created(&world, V5).await;
    let key = world.key(KeyKind::Dynamic(Algorithm::Rs256)).await;
    let (header, payload) = parts_of(&client.access);
    // Made here before lifetimes were limited.
    let longer = payload.replace(r#""exp":1700001800"#, r#""exp":1700003600"#);
    assert_ne!(longer, payload);
    let token = jwt(&key, &header, &longer);
    let access = done(regenerate(&world, &token, None).await).1.unwrap();
    assert_eq!(access.expires_at, START.plus(MINUTE * 30));
}

#[tokio::test]
async fn nothing_is_lost_or_made_when_the_store_fails() {
    let world = world();
    let client = created(&world, V5).await;
    let payload = json(r#"{"x":1}"#);
    world.store.fail(true);
    let ask = Regenerate {
        cookie: None,
        app: APP,
        token: &client.access,
        jwt_payload: Some(payload.clone()),
    };
    assert!(matches!(
        world.engine.regenerate(ask).await,
        Err(Error::Failure(_))
    ));
    let written = world
        .engine
        .write_jwt_payload(&APP, &client.handle, &payload, V5)
        .await;
    assert!(matches!(written, Err(Error::Failure(_))));
    world.store.fail(false);
    assert_eq!(
        world.session(&client.handle).await.unwrap().jwt_payload,
        json(r#"{"a":1}"#)
    );
}

async fn verify(world: &World, token: &str, policy: Policy, check_storage: bool) -> Verification {
    let ask = Verify {
        policy,
        check_storage,
        ..Verify::new(token)
    };
    world.engine.verify(&ask).await.unwrap()
}

#[tokio::test]
async fn another_payload_in_the_store_is_said_in_the_way_of_the_policy() {
    for format in ALL {
        let world = world();
        let client = created(&world, format).await;
        let (old, new) = (json(r#"{"a":1}"#), json(r#"{"a":2}"#));
        for (stored, differs) in [
            (None, false),
            (Some(json(r#"{ "a": 1 }"#)), false),
            (Some(new.clone()), true),
        ] {
            if let Some(stored) = &stored {
                assert!(
                    world
                        .engine
                        .write_jwt_payload(&APP, &client.handle, stored, format)
                        .await
                        .unwrap()
                );
            }
            world.store.calls();
            // Nobody asks.
            for policy in [Policy::ConfirmOnUse, Policy::RotateAtOnce] {
                let Verified {
                    session,
                    replacement,
                    payload_differs,
                    ..
                } = valid(verify(&world, &client.access, policy, false).await);
                assert_eq!(
                    (session.jwt_payload, replacement.is_none(), payload_differs),
                    (old.clone(), true, None)
                );
            }
            assert!(world.store.calls().is_empty());
            let seen = valid(verify(&world, &client.access, Policy::RotateAtOnce, true).await);
            assert_eq!(
                (seen.session.jwt_payload, seen.payload_differs),
                (old.clone(), Some(differs))
            );
            assert!(seen.replacement.is_none());
            let seen = valid(verify(&world, &client.access, Policy::ConfirmOnUse, true).await);
            assert_eq!(
                (seen.replacement.is_some(), seen.payload_differs),
                (differs, None)
            );
            if let Some(replacement) = seen.replacement {
                assert_eq!(seen.session.jwt_payload, new);
                let before = world.read(&client.access).await;
                let after = world.read(replacement.token.expose()).await;
                assert_eq!(
                    after,
                    AccessClaims {
                        payload: new.clone(),
                        ..before
                    }
                );
                let seen = valid(
                    verify(
                        &world,
                        replacement.token.expose(),
                        Policy::ConfirmOnUse,
                        true,
                    )
                    .await,
                );
                assert!(seen.replacement.is_none());
            }
        }
    }
}

#[tokio::test]
async fn under_rotation_at_once_a_token_two_behind_is_rotated_out() {
    const AT_ONCE: Policy = Policy::RotateAtOnce;
    for format in ALL {
        let world = World::without_grace();
        let mut line = vec![created(&world, format).await];
        for _ in 0..3 {
            world.advance(SECOND);
            line.push(next_of(&world, line.last().unwrap(), format, AT_ONCE).await);
            let (behind, fresh) = line.split_at(line.len().saturating_sub(2));
            for client in fresh {
                let seen = valid(verify(&world, &client.access, AT_ONCE, true).await);
                assert_eq!(
                    (seen.replacement.is_none(), seen.payload_differs),
                    (true, Some(false))
                );
            }
            for client in behind {
                let why = try_refresh(verify(&world, &client.access, AT_ONCE, true).await);
                assert_eq!(why, TryRefresh::RotatedOut);
                // Who does not ask the store does not know; nor does the other policy mind.
                let _ = valid(verify(&world, &client.access, AT_ONCE, false).await);
                let _ = valid(verify(&world, &client.access, Policy::ConfirmOnUse, true).await);
            }
        }
        let counter = world
            .session(&line[0].handle)
            .await
            .unwrap()
            .rotation
            .counter;
        assert_eq!(counter, 3);
        world
            .engine
            .revoke(&APP, std::slice::from_ref(&line[0].handle))
            .await
            .unwrap();
        for client in &line {
            let why = unauthorised(verify(&world, &client.access, AT_ONCE, true).await);
            assert_eq!(why, VerifyRefused::NoSession);
            let _ = valid(verify(&world, &client.access, AT_ONCE, false).await);
        }
    }
}

/// A client of an older protocol has refreshed and not yet used what it got; the next request comes by the newer one.
#[tokio::test]
async fn under_rotation_at_once_an_unconfirmed_token_is_of_the_line_and_stays_unconfirmed() {
    let world = World::without_grace();
    let first = created(&world, V5).await;
    let second = next_of(&world, &first, V5, Policy::ConfirmOnUse).await;
    let sibling = next_of(&world, &first, V5, Policy::ConfirmOnUse).await;
    let before = world.session(&first.handle).await;
    for client in [&first, &second, &sibling] {
        for check_storage in [false, true] {
            let seen =
                valid(verify(&world, &client.access, Policy::RotateAtOnce, check_storage).await);
            assert!(seen.replacement.is_none());
        }
    }
    assert_eq!(world.session(&first.handle).await, before);
    // Once another has been used, and followed, the line has gone on without it.
    let third = next_of(&world, &sibling, V5, Policy::RotateAtOnce).await;
    let fourth = next_of(&world, &third, V5, Policy::RotateAtOnce).await;
    for (client, good) in [
        (&first, false),
        (&second, false),
        (&third, true),
        (&fourth, true),
    ] {
        let seen = verify(&world, &client.access, Policy::RotateAtOnce, true).await;
        assert_eq!(matches!(seen, Verification::Valid(_)), good, "{seen:?}");
    }
}

fn ask_for(payload: &str) -> CreateJwt {
    CreateJwt {
        app: APP,
        payload: json(payload),
        issuer: "https://example.com/\"auth\"".to_owned(),
        validity: SECOND * 10,
        static_key: true,
    }
}

const ISSUER: &str = r#""iss":"https://example.com/\"auth\"","#;

#[tokio::test]
async fn another_jwt_says_what_it_is_told_and_its_times() {
    for (now, exp) in [(0, 10), (1, 11), (999, 11), (1000, 11)] {
        let world = world();
        world.advance(MILLI * now);
        let iat = 1_700_000_000 + now / 1000;
        let times = format!(r#""exp":{},"iat":{iat}"#, 1_700_000_000 + exp);
        for (given, said) in [
            ("{}", format!("{{{ISSUER}{times}}}")),
            (
                r#"{ "b":null,"a":1.10,"sub":"x" }"#,
                format!(r#"{{{ISSUER}{times},"b":null,"a":1.10,"sub":"x"}}"#),
            ),
            (
                r#"{"a":1,"iss":"own"}"#,
                format!(r#"{{{times},"a":1,"iss":"own"}}"#),
            ),
            (r#"{"iss":null}"#, format!(r#"{{{times},"iss":null}}"#)),
            // These are the engine's, however they are spelt.
            (
                r#"{"exp":1,"i\u0061t":2,"nbf":3}"#,
                format!(r#"{{{ISSUER}{times},"nbf":3}}"#),
            ),
        ] {
            let token = world.engine.create_jwt(&ask_for(given)).await.unwrap();
            let (_, payload) = parts_of(token.expose());
            assert_eq!(payload, said);
        }
    }
}

#[tokio::test]
async fn another_jwt_is_signed_by_the_kind_of_key_that_was_asked_for() {
    for algorithm in Algorithm::ALL {
        let config = Config::builder()
            .signing_algorithm(algorithm)
            .build()
            .unwrap();
        let world = World::new(config);
        for static_key in [false, true] {
            let ask = CreateJwt {
                static_key,
                ..ask_for("{}")
            };
            let token = world.engine.create_jwt(&ask).await.unwrap();
            let (header, _) = parts_of(token.expose());
            let kid = kid_of(token.expose());
            assert_eq!(
                header,
                format!(r#"{{"kid":"{kid}","typ":"JWT","alg":"RS256"}}"#)
            );
            assert_eq!(kid.starts_with("s-"), static_key);
            let set = world.engine.key_set(&APP).await.unwrap();
            let key = set.keys.iter().find(|key| key.id == kid).unwrap();
            assert_eq!(
                (key.algorithm, key.is_dynamic),
                (Algorithm::Rs256, !static_key)
            );
        }
    }
}

#[tokio::test]
async fn another_jwt_is_no_access_token() {
    let world = world();
    let client = created(&world, V5).await;
    let payload = parts_of(&client.access).1;
    for (given, lacks) in [
        ("{}", "sub"),
        (r#"{"sub":"user-1","sessionHandle":"x"}"#, "sessionHandle"),
    ] {
        let token = world.engine.create_jwt(&ask_for(given)).await.unwrap();
        let why = Rejected::Claims { lacks: Some(lacks) };
        assert_eq!(
            try_refresh(world.verify(token.expose()).await),
            TryRefresh::Rejected(why)
        );
        let text =
            "Access token does not contain all the information. Maybe the structure has changed?";
        assert_eq!(why.to_string(), format!("{text} {lacks}"));
    }
    assert!(payload.contains("sessionHandle"));
    let forever = CreateJwt {
        validity: Duration::MAX,
        ..ask_for("{}")
    };
    assert!(world.engine.create_jwt(&forever).await.is_ok());
}

//! When things end, to the millisecond; what revocation, reuse and superseded tokens come to; and how large things may be.

#![expect(
    clippy::unchecked_time_subtraction,
    clippy::unwrap_used,
    reason = "helpers of tests are not seen to be tests; spans that are known are subtracted"
)]

use handstamp::config::ConfigBuilder;
use handstamp::engine::{
    AntiCsrf, Create, OnReuse, Refresh, RefreshRefused, Refreshed, TryRefresh, Verification,
    Verify, VerifyRefused,
};
use handstamp::rotation::{Policy, Reuse};
use handstamp::storage::DataWrite;
use handstamp::storage::Storage as _;
use handstamp::token::access::{AccessClaims, TokenFormat, cookie_len};
use handstamp::{Config, Error, HandleOrder};

use crate::support::{
    APP, Client, DAY, HOUR, MILLI, MINUTE, SECOND, START, World, create_v1, json, refresh_v1,
    refused, renewed, try_refresh, unauthorised, user, valid,
};

fn world(set: impl FnOnce(ConfigBuilder) -> ConfigBuilder) -> World {
    World::new(set(Config::builder()).build().unwrap())
}

fn plain() -> World {
    World::new(Config::default())
}

#[tokio::test]
async fn an_idle_session_ends_to_the_millisecond_and_use_moves_the_end() {
    let world = world(|config| config.refresh_token_validity(2 * DAY));
    let mut client = world.create().await;
    for _ in 0..5 {
        world.advance(2 * DAY - MILLI);
        client.refreshes(&world).await;
        let row = world.session(&client.handle).await.unwrap();
        assert_eq!(row.expires_at, world.now().plus(2 * DAY));
    }
    // So does the use of the access token that came with it.
    world.advance(MINUTE);
    client.uses(&world).await;
    world.advance(2 * DAY - MILLI);
    assert!(
        world
            .engine
            .session_data(&APP, &client.handle)
            .await
            .unwrap()
            .is_some()
    );
    let data = json("{}");
    let write = || {
        world
            .engine
            .write_session_data(&APP, &client.handle, &data, None)
    };
    assert_eq!(write().await.unwrap(), DataWrite::Written(2));
    world.advance(MILLI);
    assert_eq!(
        refused(world.refresh(&client.refresh).await),
        RefreshRefused::NoSession
    );
    assert!(
        world
            .engine
            .session_data(&APP, &client.handle)
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(write().await.unwrap(), DataWrite::Missing);
    assert!(
        world
            .engine
            .handles_of_user(&APP, None, &user())
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn an_access_token_ends_to_the_millisecond() {
    let world = plain();
    let issued = world.engine.create(create_v1(user())).await.unwrap();
    assert_eq!(issued.access.expires_at, START.plus(HOUR));
    let token = issued.access.token.expose();
    world.clock.set(issued.access.expires_at);
    let _ = valid(world.verify(token).await);
    world.advance(MILLI);
    assert_eq!(try_refresh(world.verify(token).await), TryRefresh::Expired);
}

#[tokio::test]
async fn the_absolute_lifetime_bounds_session_and_access_token() {
    let lifetime = 3 * DAY + 30 * MINUTE;
    let world = world(|config| config.absolute_lifetime(Some(lifetime)));
    let end = START.plus(lifetime);
    let mut client = world.create().await;
    assert_eq!(world.session(&client.handle).await.unwrap().expires_at, end);
    let mut last = String::new();
    for hour in 1..=72_u32 {
        world.advance(HOUR);
        let issued = renewed(world.refresh(&client.refresh).await);
        client = Client::of(&issued);
        assert_eq!(issued.refresh_expires_at, end);
        assert_eq!(issued.access.expires_at, world.now().plus(HOUR).min(end));
        assert_eq!(issued.access.expires_at == end, hour == 72);
        // The replacement that a confirmation brings is bounded as well.
        world.advance(MILLI);
        let new = valid(world.verify(&client.access).await)
            .replacement
            .unwrap();
        assert_eq!(new.expires_at, world.now().plus(HOUR).min(end));
        new.token.expose().clone_into(&mut last);
        assert_eq!(world.session(&client.handle).await.unwrap().expires_at, end);
    }
    world.clock.set(end.minus(MILLI));
    client.refreshes(&world).await;
    world.clock.set(end);
    let why = refused(world.refresh(&client.refresh).await);
    assert_eq!(why, RefreshRefused::NoSession);
    // In this one millisecond the access tokens are still good and the session is not.
    for token in [&client.access, &last] {
        let why = unauthorised(world.verify_in_store(token).await);
        assert_eq!(why, VerifyRefused::NoSession);
    }
    let why = unauthorised(world.verify(&client.access).await);
    assert_eq!(why, VerifyRefused::NothingToConfirm);
}

#[tokio::test]
async fn under_the_other_policy_it_does_too() {
    let world = world(|config| config.absolute_lifetime(Some(90 * MINUTE)));
    let client = world.create().await;
    world.advance(HOUR);
    let issued = renewed(
        world
            .refresh_by(&client.refresh, Policy::RotateAtOnce)
            .await,
    );
    let end = START.plus(90 * MINUTE);
    assert_eq!(
        (issued.access.expires_at, issued.refresh_expires_at),
        (end, end)
    );
}

#[tokio::test]
async fn a_clock_set_back_does_no_harm() {
    for policy in [Policy::ConfirmOnUse, Policy::RotateAtOnce] {
        let world = plain();
        let mut client = world.create().await;
        for _ in 0..4 {
            world.advance(2 * HOUR);
            let old = client.clone();
            client = Client::of(&renewed(world.refresh_by(&old.refresh, policy).await));
            world.clock.set(world.now().minus(HOUR));
            // The answer was lost, and then used.
            let again = renewed(world.refresh_by(&old.refresh, policy).await);
            assert_eq!(again.refresh.text().expose(), client.refresh);
            client = Client::of(&again);
            client.uses(&world).await;
            client = Client::of(&renewed(world.refresh_by(&client.refresh, policy).await));
            client.uses(&world).await;
        }
        // Set back behind the beginning of everything, keys included.
        world.clock.set(START.minus(HOUR));
        client = Client::of(&renewed(world.refresh_by(&client.refresh, policy).await));
        client.uses(&world).await;
        client.goes_on(&world).await;
    }
}

#[tokio::test]
async fn the_anti_csrf_token_is_compared_where_it_is_asked_for() {
    let world = plain();
    let client = world.create().await;
    let without = world.engine.create(create_v1(user())).await.unwrap();
    let right = client.anti_csrf.as_deref().unwrap();
    let longer = format!("{right}0");
    let ask = async |token: &str, anti_csrf| {
        let ask = Verify {
            anti_csrf,
            ..Verify::new(token)
        };
        match world.engine.verify(&ask).await.unwrap() {
            Verification::Valid(_) => true,
            other => {
                assert_eq!(try_refresh(other), TryRefresh::AntiCsrf);
                false
            }
        }
    };
    assert!(ask(&client.access, AntiCsrf::Passed(Some(right))).await);
    assert!(ask(&client.access, AntiCsrf::Unchecked).await);
    for wrong in [
        None,
        Some(""),
        Some("wrong"),
        Some(&right[1..]),
        Some(&*longer),
    ] {
        assert!(
            !ask(&client.access, AntiCsrf::Passed(wrong)).await,
            "{wrong:?}"
        );
    }
    let bare = without.access.token.expose();
    assert!(ask(bare, AntiCsrf::Unchecked).await);
    for passed in [None, Some(""), Some(right)] {
        assert!(!ask(bare, AntiCsrf::Passed(passed)).await, "{passed:?}");
    }
    // A check that fails confirms nothing.
    let child = client.asks(&world).await;
    assert!(!ask(&child.access, AntiCsrf::Passed(Some(right))).await);
    assert!(
        world
            .session(&child.handle)
            .await
            .unwrap()
            .rotation
            .previous
            .is_none()
    );
}

#[tokio::test]
async fn reuse_ends_the_session_or_is_only_reported() {
    for on_reuse in [OnReuse::Report, OnReuse::Revoke] {
        let world = plain();
        let first = world.create().await;
        let mut client = first.asks(&world).await;
        client.uses(&world).await;
        world.advance(MINUTE);
        let ask = Refresh {
            on_reuse,
            ..refresh_v1(&first.refresh)
        };
        let Refreshed::Reuse {
            handle,
            user_id,
            kind,
        } = world.engine.refresh(&ask).await.unwrap()
        else {
            panic!("not found out");
        };
        assert_eq!((handle, user_id), (first.handle.clone(), user()));
        assert_eq!(kind, Reuse::Previous);
        if on_reuse == OnReuse::Report {
            client.goes_on(&world).await;
        } else {
            assert!(world.session(&first.handle).await.is_none());
            assert_eq!(
                refused(world.refresh(&client.refresh).await),
                RefreshRefused::NoSession
            );
        }
    }
}

#[tokio::test]
async fn revoked_stays_revoked() {
    let world = plain();
    let first = world.create().await;
    let child = first.asks(&world).await;
    let handles = std::slice::from_ref(&first.handle);
    assert_eq!(world.engine.revoke(&APP, handles).await.unwrap(), handles);
    for _ in 0..2 {
        for token in [&first.refresh, &child.refresh] {
            for policy in [Policy::ConfirmOnUse, Policy::RotateAtOnce] {
                let why = refused(world.refresh_by(token, policy).await);
                assert_eq!(why, RefreshRefused::NoSession);
            }
        }
        for token in [&first.access, &child.access] {
            let why = unauthorised(world.verify_in_store(token).await);
            assert_eq!(why, VerifyRefused::NoSession);
        }
        // The unconfirmed one goes to the store by itself.
        let why = unauthorised(world.verify(&child.access).await);
        assert_eq!(why, VerifyRefused::NothingToConfirm);
        let data = json("{}");
        let written = world
            .engine
            .write_session_data(&APP, &first.handle, &data, None)
            .await;
        assert_eq!(written.unwrap(), DataWrite::Missing);
        assert!(
            world
                .engine
                .session_data(&APP, &first.handle)
                .await
                .unwrap()
                .is_none()
        );
        assert!(world.session(&first.handle).await.is_none());
        assert!(world.engine.revoke(&APP, handles).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_confirmed_older_sibling_supersedes_and_cannot_be_given_again() {
    let world = plain();
    let first = world.create().await;
    let older = first.asks(&world).await;
    world.advance(MINUTE);
    let newer = first.asks(&world).await;
    assert_ne!(older.refresh, newer.refresh);
    older.clone().uses(&world).await;
    let row = world.session(&first.handle).await.unwrap();
    assert_eq!(row.rotation.current.nonce, None);
    world.advance(10 * SECOND - MILLI);
    for client in [&first, &newer] {
        assert_eq!(
            refused(world.refresh(&client.refresh).await),
            RefreshRefused::Superseded
        );
    }
    world.advance(MILLI);
    assert_eq!(first.reuses(&world).await, Some(Reuse::Previous));
    assert_eq!(newer.reuses(&world).await, Some(Reuse::Sibling));
    older.asks(&world).await.goes_on(&world).await;
}

#[tokio::test]
async fn ended_sessions_are_swept_and_no_others() {
    let world = world(|config| config.refresh_token_validity(DAY));
    let ended = world.create().await;
    world.advance(MILLI);
    let alive = world.create().await;
    world.advance(DAY - MILLI);
    assert_eq!(world.engine.sweep(10).await.unwrap(), 1);
    assert!(world.session(&ended.handle).await.is_none());
    assert!(world.session(&alive.handle).await.is_some());
}

#[tokio::test]
async fn session_data_fit_up_to_the_limit() {
    let world = world(|config| config.session_data_bytes(100));
    let data = |bytes: usize| json(&format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8)));
    let client = world.create().await;
    for (bytes, fits) in [(99, true), (100, true), (101, false)] {
        assert_eq!(data(bytes).as_str().len(), bytes);
        let ask = Create {
            session_data: data(bytes),
            ..create_v1(user())
        };
        let created = world.engine.create(ask).await;
        assert_eq!(created.is_ok(), fits, "{bytes}");
        let data = data(bytes);
        let written = world
            .engine
            .write_session_data(&APP, &client.handle, &data, None)
            .await;
        assert_eq!(written.is_ok(), fits, "{bytes}");
        for error in [created.err(), written.err()].into_iter().flatten() {
            assert!(matches!(&error, Error::Invalid(why) if why.field() == "session data"));
            assert!(error.to_string().contains("100"), "{error}");
        }
    }
    let read = world
        .engine
        .session_data(&APP, &client.handle)
        .await
        .unwrap();
    assert_eq!(read.unwrap().data.as_str().len(), 100);
}

/// What a cookie writer makes of a token.
fn percent_encoded(text: &str) -> usize {
    text.bytes()
        .map(|byte| {
            if matches!(byte, b'+' | b'/' | b'=') {
                3
            } else {
                1
            }
        })
        .sum()
}

#[tokio::test]
async fn a_payload_fits_a_cookie_up_to_the_limit_and_after_refreshes() {
    let claims = {
        let world = plain();
        let client = world.create().await;
        world.read(&client.access).await
    };
    // Base64 of these holds `+` and `/`; the sizes go through all remainders of three.
    for bytes in 900..903 {
        let payload = json(&format!("{{\"a\":\"{}\"}}", &"?>~x".repeat(bytes)[..bytes]));
        let claims = AccessClaims {
            payload: payload.clone(),
            ..claims.clone()
        };
        let len = cookie_len(&claims, TokenFormat::V1, "sAccessToken").unwrap();
        for (limit, fits) in [(len - 1, false), (len, true), (len + 1, true)] {
            let world = world(|config| config.cookie_access_token_bytes(limit));
            for anti_csrf in [false, true] {
                let ask = Create {
                    jwt_payload: payload.clone(),
                    anti_csrf,
                    ..create_v1(user())
                };
                let created = world.engine.create(ask).await;
                assert_eq!(created.is_ok(), fits, "{bytes} at {limit}");
                match created {
                    Ok(issued) => fits_its_cookie(&world, Client::of(&issued), len).await,
                    Err(why) => {
                        assert!(
                            matches!(&why, Error::Invalid(why) if why.field() == "JWT payload")
                        );
                        assert!(why.to_string().contains(&limit.to_string()), "{why}");
                    }
                }
            }
        }
    }
}

/// Refreshes, which turns anti-CSRF on, and looks at the token with the parent in it. Its signature is random: it counts as much
/// as is set aside for it.
async fn fits_its_cookie(world: &World, mut client: Client, len: usize) {
    client.refreshes(world).await;
    assert!(world.read(&client.access).await.parent_hash.is_some());
    assert!(client.anti_csrf.is_some());
    let before = client.access.clone();
    let (signed, signature) = before.rsplit_once('.').unwrap();
    assert_eq!(signature.len(), 344);
    let with_name = "sAccessToken".len() + percent_encoded(signed) + ".".len();
    assert_eq!(with_name + 344 + 2 * "==".len() + 48, len);
    client.uses(world).await;
    assert!(percent_encoded(client.access.rsplit_once('.').unwrap().0) <= percent_encoded(signed));
}

/// A record that somebody else wrote to is the store's fault, and nothing that the client is told of its session.
#[tokio::test]
async fn a_record_that_contradicts_itself_is_no_refusal() {
    let world = plain();
    let first = world.create().await;
    let child = first.asks(&world).await;
    let handle = first.handle.clone();
    let damage = async |change: &dyn Fn(&mut handstamp::rotation::Rotation)| {
        let session = world
            .store
            .inner
            .session(&APP, &handle)
            .await
            .unwrap()
            .unwrap();
        let mut rotation = session.rotation.clone();
        change(&mut rotation);
        let expected = session.rotation.counter;
        let next = handstamp::storage::Renewal {
            rotation,
            expires_at: session.expires_at,
            static_key: session.static_key,
        };
        let written = world
            .store
            .inner
            .rotate(&APP, &handle, expected, &next)
            .await;
        assert_eq!(written.unwrap(), handstamp::storage::Guarded::Written);
    };
    let other = handstamp::token::Nonce::from_bytes([0; 16]);
    damage(&|rotation| rotation.child.as_mut().unwrap().nonce = other).await;
    for wait in [0, 6] {
        world.advance(wait * SECOND);
        let failed = world
            .engine
            .refresh(&refresh_v1(&first.refresh))
            .await
            .unwrap_err();
        assert!(
            failed.to_string().contains("sessions.child_nonce"),
            "{failed}"
        );
    }
    let _ = child.asks(&world).await;
    damage(&|rotation| rotation.current.nonce = Some(other)).await;
    let failed = world
        .engine
        .refresh(&refresh_v1(&first.refresh))
        .await
        .unwrap_err();
    assert!(
        failed.to_string().contains("sessions.current_nonce"),
        "{failed}"
    );
}

#[tokio::test]
async fn handles_follow_each_other_in_time_or_by_chance() {
    for (order, version) in [(HandleOrder::Time, 7), (HandleOrder::Random, 4)] {
        let config = Config::builder().handle_order(order).build().unwrap();
        let world = World::new(config);
        let mut handles = vec![];
        for _ in 0..20 {
            let client = world.create().await;
            assert_eq!(client.handle.id().get_version_num(), version);
            handles.push(client.handle.id());
            world.advance(MILLI);
            // What is made otherwise is used like any.
            let next = world.another(9, Config::default());
            let ask = Verify::new(&client.access);
            let _ = valid(next.verify(&ask).await.unwrap());
        }
        assert_eq!(handles.is_sorted(), order == HandleOrder::Time);
    }
}

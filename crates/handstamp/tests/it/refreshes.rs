//! What a refresh may ask for beside new tokens: the anti-CSRF check, and a shorter life of the access token.

#![expect(
    clippy::unchecked_time_subtraction,
    clippy::unwrap_used,
    reason = "helpers of tests are not seen to be tests; spans that are known are subtracted"
)]

use std::collections::HashSet;
use std::time::Duration;

use handstamp::Config;
use handstamp::clock::UnixMillis;
use handstamp::engine::{AntiCsrf, Create, Issued, OnReuse, Refresh, RefreshRefused};
use handstamp::rotation::Policy;
use handstamp::token::access::TokenFormat;

use crate::support::{
    Client, HOUR, MILLI, MINUTE, SECOND, World, create_as, refresh_as, refused, renewed, reused,
    valid,
};

use TokenFormat::{V1, V2, V3, V4, V5};

const POLICIES: [Policy; 2] = [Policy::ConfirmOnUse, Policy::RotateAtOnce];

async fn created(world: &World, anti_csrf: bool) -> Client {
    let ask = Create {
        anti_csrf,
        ..create_as(V5)
    };
    Client::of(&world.engine.create(ask).await.unwrap())
}

#[tokio::test]
async fn a_refresh_token_that_was_made_with_an_anti_csrf_token_wants_it() {
    for policy in POLICIES {
        for anti_csrf in [false, true] {
            let world = World::new(Config::default());
            let client = created(&world, true).await;
            let stranger = created(&world, true).await;
            let right = client.anti_csrf.clone().unwrap();
            let ask = |passed| Refresh {
                passed,
                policy,
                anti_csrf,
                ..refresh_as(&client.refresh, V5)
            };
            let before = world.session(&client.handle).await;
            world.store.calls();
            let (longer, upper) = (format!("{right}0"), right.to_uppercase());
            for wrong in [
                None,
                Some(""),
                Some("x"),
                stranger.anti_csrf.as_deref(),
                Some(&*upper),
                Some(&right[1..]),
                Some(&longer),
            ] {
                let refreshed = world
                    .engine
                    .refresh(&ask(AntiCsrf::Passed(wrong)))
                    .await
                    .unwrap();
                assert_eq!(refused(refreshed), RefreshRefused::AntiCsrf, "{wrong:?}");
            }
            assert!(world.store.calls().is_empty());
            assert_eq!(world.session(&client.handle).await, before);
            // The right one; and again, as a client does that has lost the answer.
            let next = renewed(
                world
                    .engine
                    .refresh(&ask(AntiCsrf::Passed(Some(&right))))
                    .await
                    .unwrap(),
            );
            let again = renewed(
                world
                    .engine
                    .refresh(&ask(AntiCsrf::Unchecked))
                    .await
                    .unwrap(),
            );
            let (next, again) = (Client::of(&next), Client::of(&again));
            assert_eq!(next.refresh, again.refresh);
            assert_eq!(next.anti_csrf.is_some(), anti_csrf);
            assert_ne!(next.anti_csrf, client.anti_csrf);
            // The next one wants its own, if it has one.
            let passed = AntiCsrf::Passed(next.anti_csrf.as_deref());
            let ask = Refresh {
                passed,
                policy,
                ..refresh_as(&next.refresh, V5)
            };
            let _ = renewed(world.engine.refresh(&ask).await.unwrap());
        }
    }
}

#[tokio::test]
async fn a_refresh_token_without_one_passes() {
    for policy in POLICIES {
        for passed in [None, Some(""), Some("x")] {
            let world = World::new(Config::default());
            let client = created(&world, false).await;
            let passed = AntiCsrf::Passed(passed);
            let ask = Refresh {
                passed,
                policy,
                anti_csrf: true,
                ..refresh_as(&client.refresh, V5)
            };
            let next = Client::of(&renewed(world.engine.refresh(&ask).await.unwrap()));
            assert!(next.anti_csrf.is_some());
            let ask = Refresh {
                passed,
                policy,
                ..refresh_as(&next.refresh, V5)
            };
            let refreshed = world.engine.refresh(&ask).await.unwrap();
            assert_eq!(refused(refreshed), RefreshRefused::AntiCsrf);
        }
    }
}

/// A page of somebody else's that sends an old cookie along ends nobody's session.
#[tokio::test]
async fn without_its_anti_csrf_token_an_old_token_is_no_reuse() {
    for policy in POLICIES {
        let world = World::without_grace();
        let mut client = created(&world, true).await;
        let old = client.clone();
        for _ in 0..2 {
            let ask = Refresh {
                policy,
                anti_csrf: true,
                ..refresh_as(&client.refresh, V5)
            };
            client = Client::of(&renewed(world.engine.refresh(&ask).await.unwrap()));
            world.advance(MINUTE);
        }
        let ask = |passed| Refresh {
            passed,
            policy,
            on_reuse: OnReuse::Revoke,
            ..refresh_as(&old.refresh, V5)
        };
        let refreshed = world
            .engine
            .refresh(&ask(AntiCsrf::Passed(None)))
            .await
            .unwrap();
        assert_eq!(refused(refreshed), RefreshRefused::AntiCsrf);
        assert!(world.session(&client.handle).await.is_some());
        let passed = AntiCsrf::Passed(old.anti_csrf.as_deref());
        let _ = reused(world.engine.refresh(&ask(passed)).await.unwrap());
        assert!(world.session(&client.handle).await.is_none());
    }
}

fn span(issued: &Issued) -> Duration {
    issued.access.expires_at.since(issued.access.created_at)
}

async fn created_for(world: &World, validity: Option<Duration>, format: TokenFormat) -> Issued {
    let ask = Create {
        access_token_validity: validity,
        ..create_as(format)
    };
    world.engine.create(ask).await.unwrap()
}

#[tokio::test]
async fn an_access_token_may_be_asked_to_live_shorter_and_never_longer() {
    for policy in POLICIES {
        for format in [V1, V2, V3, V4, V5] {
            let world = World::new(Config::default());
            for (asked, lives) in [
                (None, HOUR),
                (Some(SECOND), SECOND),
                (Some(MINUTE), MINUTE),
                (Some(HOUR - SECOND), HOUR - SECOND),
                (Some(HOUR), HOUR),
                (Some(HOUR + MILLI), HOUR),
                (Some(Duration::MAX), HOUR),
                (Some(Duration::ZERO), Duration::ZERO),
            ] {
                let issued = created_for(&world, asked, format).await;
                assert_eq!(span(&issued), lives, "{asked:?}");
                let token = issued.refresh.text().expose();
                let ask = Refresh {
                    policy,
                    access_token_validity: asked,
                    ..refresh_as(token, format)
                };
                let next = renewed(world.engine.refresh(&ask).await.unwrap());
                assert_eq!(span(&next), lives, "{asked:?}");
                // It says nothing of the session's end, nor of the next token.
                assert_eq!(next.refresh_expires_at, issued.refresh_expires_at);
                let ask = Refresh {
                    policy,
                    ..refresh_as(next.refresh.text().expose(), format)
                };
                assert_eq!(
                    span(&renewed(world.engine.refresh(&ask).await.unwrap())),
                    HOUR
                );
            }
        }
    }
}

#[tokio::test]
async fn whatever_is_asked_for_ends_with_the_session() {
    let config = Config::builder()
        .absolute_lifetime(Some(MINUTE * 30))
        .build()
        .unwrap();
    let world = World::new(config);
    let end = world.now().plus(MINUTE * 30);
    let ends = |issued: &Issued| -> UnixMillis { issued.access.expires_at };
    for asked in [None, Some(MINUTE * 40), Some(HOUR)] {
        let issued = created_for(&world, asked, V5).await;
        assert_eq!(ends(&issued), end);
        let token = issued.refresh.text().expose();
        let ask = Refresh {
            access_token_validity: asked,
            ..refresh_as(token, V5)
        };
        let next = renewed(world.engine.refresh(&ask).await.unwrap());
        assert_eq!(ends(&next), end);
        let replaced = valid(world.verify(next.access.token.expose()).await)
            .replacement
            .unwrap();
        assert_eq!(replaced.expires_at, end);
    }
}

fn jittering(share: f64) -> World {
    World::new(
        Config::builder()
            .access_token_jitter(share)
            .build()
            .unwrap(),
    )
}

#[tokio::test]
async fn lives_are_cut_by_chance_within_the_share() {
    for format in [V1, V5] {
        let world = jittering(0.25);
        let (mut made, mut renewals) = (vec![], vec![]);
        for _ in 0..60 {
            let issued = created_for(&world, None, format).await;
            made.push(span(&issued));
            let ask = refresh_as(issued.refresh.text().expose(), format);
            let next = renewed(world.engine.refresh(&ask).await.unwrap());
            renewals.push(span(&next));
            let token = valid(world.verify(next.access.token.expose()).await)
                .replacement
                .unwrap();
            // What follows a use, and what was asked for, is exact.
            assert_eq!(token.expires_at.since(token.created_at), HOUR);
            assert_eq!(
                span(&created_for(&world, Some(MINUTE), format).await),
                MINUTE
            );
            assert_eq!(span(&created_for(&world, Some(HOUR), format).await), HOUR);
        }
        for spans in [made, renewals] {
            assert!(
                spans.iter().all(|span| (MINUTE * 45..=HOUR).contains(span)),
                "{spans:?}"
            );
            let (least, most) = (spans.iter().min().unwrap(), spans.iter().max().unwrap());
            assert!(
                *least < MINUTE * 48 && *most > MINUTE * 57,
                "{least:?} {most:?}"
            );
            assert!(spans.iter().collect::<HashSet<_>>().len() > 40);
        }
    }
}

#[tokio::test]
async fn without_a_share_lives_are_exact() {
    let world = jittering(0.0);
    for _ in 0..20 {
        assert_eq!(span(&created_for(&world, None, V5).await), HOUR);
    }
    for share in [-0.01, 0.26, 1.0, f64::NAN, f64::INFINITY] {
        let error = Config::builder()
            .access_token_jitter(share)
            .build()
            .unwrap_err();
        assert_eq!(error.setting(), "access_token_jitter");
    }
}

//! Who survives what: the races that session systems are known to lose, row by row, through the engine. The column is the
//! default policy, where both a refresh and the use of an access token confirm. Then the rules of the older and the newer
//! protocol to the letter, what each request costs the store, and where lifetimes end.
#![expect(
    clippy::panic,
    reason = "another outcome than the one expected should stop the test"
)]

use std::time::Duration;

use handstamp::AppId;
use handstamp::engine::{
    AntiCsrf, Create, OnReuse, Refresh, RefreshRefused, Refreshed, TryRefresh, Verification,
    Verify, VerifyRefused,
};
use handstamp::rotation::{Policy, Reuse};
use handstamp::storage::DataWrite;
use handstamp::{JsonObject, UserId};

use crate::support::{Bench, same};

const HOUR: u64 = 60 * 60;

async fn bench() -> Bench {
    Bench::new(|config| config).await
}

/// The older protocol: no grace.
async fn legacy() -> Bench {
    Bench::new(|config| config.grace_window(Duration::ZERO)).await
}

async fn at_once() -> Bench {
    Bench {
        policy: Policy::RotateAtOnce,
        ..bench().await
    }
}

#[tokio::test]
async fn a1_two_tabs_with_own_stores_in_the_same_second_both_go_on() {
    let bench = bench().await;
    let first = bench.create().await;
    let mut tabs = [bench.renew(&first).await, bench.renew(&first).await];
    for _ in 0..3 {
        assert!(same(&tabs[0], &tabs[1]));
        bench.wait(HOUR);
        for tab in &mut tabs {
            bench.use_access(tab).await;
            *tab = bench.renew(tab).await;
            bench.use_access(tab).await;
        }
    }
}

#[tokio::test]
async fn a3_one_cookie_jar_with_answers_out_of_order() {
    let bench = bench().await;
    let first = bench.create().await;
    let early = bench.renew(&first).await;
    bench.use_access(&early).await;
    let late = bench.renew(&first).await;
    assert!(same(&early, &late));
    // Whichever was written to the jar last, it is good for hours.
    bench.wait(8 * HOUR);
    let next = bench.renew(&early).await;
    assert!(same(&next, &bench.renew(&late).await));
    bench.use_access(&next).await;
}

async fn lost_answer_retried_after(seconds: u64) {
    let bench = bench().await;
    let held = bench.create().await;
    let lost = bench.renew(&held).await;
    bench.wait(seconds);
    let got = bench.renew(&held).await;
    assert_eq!(same(&lost, &got), seconds < 10);
    bench.use_access(&got).await;
    bench.wait(HOUR);
    bench.renew(&got).await;
}

#[tokio::test]
async fn b1_a_lost_answer_is_asked_for_again_in_5_s() {
    lost_answer_retried_after(5).await;
}

#[tokio::test]
async fn b2_a_lost_answer_is_asked_for_again_in_5_min() {
    lost_answer_retried_after(5 * 60).await;
}

#[tokio::test]
async fn b3_a_lost_answer_is_asked_for_again_in_8_h() {
    lost_answer_retried_after(8 * HOUR).await;
}

#[tokio::test]
async fn c1_a_stolen_token_one_behind_is_detected() {
    let bench = bench().await;
    let stolen = bench.create().await;
    let held = bench.renew(&stolen).await;
    bench.use_access(&held).await;
    bench.wait(60);
    assert_eq!(bench.caught(&stolen).await, Reuse::Previous);
}

#[tokio::test]
async fn c2_a_stolen_token_two_behind_is_detected() {
    let bench = bench().await;
    let stolen = bench.create().await;
    let held = bench.renew(&stolen).await;
    bench.wait(HOUR);
    let held = bench.renew(&held).await;
    bench.use_access(&held).await;
    // Two behind there is no grace at all.
    assert_eq!(bench.caught(&stolen).await, Reuse::Stale);
}

#[tokio::test]
async fn d1_thief_and_victim_ten_minutes_apart_are_found_out_within_the_hour() {
    let bench = bench().await;
    let both = bench.create().await;
    let victim = bench.renew(&both).await;
    bench.use_access(&victim).await;
    bench.wait(600);
    assert_eq!(bench.caught(&both).await, Reuse::Previous);
}

/// The price of the grace window, and its bound: who is always within it of the other is not told from the other's second tab.
#[tokio::test]
async fn d2_thief_and_victim_always_two_seconds_apart_are_not_found_out() {
    let bench = bench().await;
    let first = bench.create().await;
    let (mut victim, mut thief) = (first.clone(), first);
    for _ in 0..24 {
        bench.wait(HOUR);
        victim = bench.renew(&victim).await;
        bench.use_access(&victim).await;
        bench.wait(2);
        thief = bench.renew(&thief).await;
        bench.use_access(&thief).await;
    }
}

#[tokio::test]
async fn legacy_refreshing_the_current_token_makes_siblings_without_end() {
    let bench = legacy().await;
    let first = bench.create().await;
    let siblings = [
        bench.renew(&first).await,
        bench.renew(&first).await,
        bench.renew(&first).await,
    ];
    assert!(!same(&siblings[0], &siblings[1]) && !same(&siblings[1], &siblings[2]));
    // The first one used wins, by a refresh here; the others and the parent are reuse.
    let won = bench.renew(&siblings[1]).await;
    assert!(!same(&won, &siblings[1]));
    for (loser, kind) in [
        (&siblings[0], Reuse::Sibling),
        (&siblings[2], Reuse::Sibling),
        (&first, Reuse::Previous),
    ] {
        assert_eq!(
            report(&bench, loser.refresh.text().expose()).await,
            Some(kind)
        );
    }
    // A losing sibling's access token stays good until it ends, and is not renewed.
    assert!(bench.use_access(&siblings[0]).await.replacement.is_none());
    bench.renew(&won).await;
}

#[tokio::test]
async fn legacy_using_the_new_access_token_ends_the_old_refresh_token_at_once() {
    let bench = legacy().await;
    let first = bench.create().await;
    let second = bench.renew(&first).await;
    bench.use_access(&second).await;
    assert_eq!(bench.caught(&first).await, Reuse::Previous);
}

#[tokio::test]
async fn legacy_refreshing_with_the_child_promotes_it() {
    let bench = legacy().await;
    let first = bench.create().await;
    let second = bench.renew(&first).await;
    let third = bench.renew(&second).await;
    assert!(!same(&second, &third));
    assert_eq!(
        report(&bench, first.refresh.text().expose()).await,
        Some(Reuse::Previous)
    );
    bench.renew(&third).await;
    assert_eq!(bench.caught(&first).await, Reuse::Stale);
}

/// Verification, row by row: no parent, no store; the child of the current token is promoted and replaced; one that has been
/// promoted is replaced; one of a losing branch is good and not replaced; without a session there is none.
#[tokio::test]
async fn legacy_verification_row_by_row() {
    let bench = legacy().await;
    let first = bench.create().await;
    bench.storage.take();
    assert!(bench.use_access(&first).await.replacement.is_none());
    assert_eq!(bench.storage.take(), (0, 0));

    let (winner, loser) = (bench.renew(&first).await, bench.renew(&first).await);
    let promoted = bench.use_access(&winner).await.replacement;
    let Some(promoted) = promoted else {
        panic!("the promoting verification makes a new token");
    };
    assert!(bench.use_access(&winner).await.replacement.is_some());
    assert!(bench.use_access(&loser).await.replacement.is_none());

    // The new token names no parent: the store is not asked any more.
    bench.storage.take();
    let ask = Verify::new(promoted.token.expose());
    let done = bench.engine.verify(&ask).await;
    assert!(matches!(done, Ok(Verification::Valid(_))), "{done:?}");
    assert_eq!(bench.storage.take(), (0, 0));

    revoke(&bench, &first).await;
    let gone = bench.verify(&winner).await;
    assert!(
        matches!(gone, Verification::Unauthorised(VerifyRefused::NoSession)),
        "{gone:?}"
    );
}

#[tokio::test]
async fn legacy_a_missing_session_is_unauthorised() {
    let bench = legacy().await;
    let first = bench.create().await;
    revoke(&bench, &first).await;
    no_session(&bench.refresh(&first).await);
}

#[tokio::test]
async fn at_once_a_repeat_within_the_window_gets_the_current_token_again() {
    let bench = at_once().await;
    let first = bench.create().await;
    let second = bench.renew(&first).await;
    bench.wait(9);
    bench.storage.take();
    assert!(same(&second, &bench.renew(&first).await));
    assert_eq!(bench.storage.take(), (1, 0));
    // Its access token names no parent: no verification writes.
    assert!(bench.use_access(&second).await.replacement.is_none());
    assert_eq!(bench.storage.take(), (0, 0));
    bench.wait(1);
    assert_eq!(bench.caught(&first).await, Reuse::Previous);
}

#[tokio::test]
async fn at_once_two_behind_is_reuse_even_within_the_window() {
    let bench = at_once().await;
    let first = bench.create().await;
    let second = bench.renew(&first).await;
    bench.renew(&second).await;
    assert_eq!(bench.caught(&first).await, Reuse::Stale);
}

#[tokio::test]
async fn at_once_an_unconfirmed_child_of_the_other_policy_is_taken() {
    let mut bench = bench().await;
    let first = bench.create().await;
    let child = bench.renew(&first).await;
    bench.policy = Policy::RotateAtOnce;
    let next = bench.renew(&child).await;
    assert!(same(&next, &bench.renew(&child).await));
    // The token before the presented one is two behind now.
    assert_eq!(bench.caught(&first).await, Reuse::Stale);
}

#[tokio::test]
async fn a_repeat_within_the_window_is_the_same_byte_for_byte() {
    let bench = bench().await;
    let create = Create {
        anti_csrf: true,
        ..Create::new(user())
    };
    let Ok(first) = bench.engine.create(create).await else {
        panic!("not created");
    };
    let ask = Refresh {
        anti_csrf: true,
        ..Refresh::new(first.refresh.text().expose())
    };
    let mut answers = Vec::new();
    for writes in [1, 0, 0] {
        bench.storage.take();
        match bench.engine.refresh(&ask).await {
            Ok(Refreshed::Renewed(issued)) => answers.push(*issued),
            other => panic!("{other:?}"),
        }
        assert_eq!(bench.storage.take(), (1, writes));
        bench.wait(4);
    }
    assert!(answers.iter().all(|answer| same(answer, &answers[0])));
    assert!(answers[0].refresh.anti_csrf().is_some());
    // Asked without an anti-CSRF token, the same token is found and given again as it was.
    bench.clock.set(crate::support::START);
    assert!(same(&bench.renew(&first).await, &answers[0]));
}

#[tokio::test]
async fn each_request_costs_the_store_what_is_promised() {
    let bench = bench().await;
    let first = bench.create().await;
    assert_eq!(bench.storage.take(), (0, 1), "create");
    bench.use_access(&first).await;
    assert_eq!(bench.storage.take(), (0, 0), "verify");
    let second = bench.renew(&first).await;
    assert_eq!(bench.storage.take(), (1, 1), "refresh");
    bench.renew(&first).await;
    assert_eq!(bench.storage.take(), (1, 0), "refresh, repeated");
    bench.use_access(&second).await;
    assert_eq!(bench.storage.take(), (0, 1), "confirm");
    bench.renew(&second).await;
    assert_eq!(bench.storage.take(), (1, 1), "refresh of a confirmed token");
    let handle = &first.session.handle;
    let read = bench.engine.session_data(&AppId::PUBLIC, handle).await;
    assert!(matches!(read, Ok(Some(_))), "{read:?}");
    assert_eq!(bench.storage.take(), (1, 0), "read data");
    let data = JsonObject::empty();
    let written = bench
        .engine
        .write_session_data(&AppId::PUBLIC, handle, &data, None);
    assert!(matches!(written.await, Ok(DataWrite::Written(2))));
    assert_eq!(bench.storage.take(), (0, 1), "write data");
    revoke(&bench, &first).await;
    assert_eq!(bench.storage.take(), (0, 1), "revoke");
    let forged = bench.engine.refresh(&Refresh::new("hsrt_AAAA")).await;
    assert!(matches!(
        forged,
        Ok(Refreshed::Unauthorised(RefreshRefused::NotOurs))
    ));
    assert_eq!(bench.storage.take(), (0, 0), "forged");
}

#[tokio::test]
async fn the_absolute_end_bounds_session_and_access_token() {
    let bench = Bench::new(|config| config.absolute_lifetime(Some(Duration::from_mins(90)))).await;
    let first = bench.create().await;
    let end = first.access.created_at.plus(Duration::from_mins(90));
    assert_eq!(first.refresh_expires_at, end);
    bench.wait(3600);
    let second = bench.renew(&first).await;
    assert_eq!(
        (second.access.expires_at, second.refresh_expires_at),
        (end, end)
    );
    let replaced = bench.use_access(&second).await.replacement;
    assert_eq!(replaced.map(|token| token.expires_at), Some(end));
    bench.clock.set(end);
    no_session(&bench.refresh(&second).await);
}

#[tokio::test]
async fn ends_are_where_they_are_said_to_be() {
    let bench = bench().await;
    let first = bench.create().await;
    bench.clock.set(first.access.expires_at);
    bench.use_access(&first).await;
    bench.clock.advance(Duration::from_millis(1));
    let late = bench.verify(&first).await;
    assert!(
        matches!(late, Verification::TryRefresh(TryRefresh::Expired)),
        "{late:?}"
    );

    bench
        .clock
        .set(first.refresh_expires_at.minus(Duration::from_millis(1)));
    let second = bench.renew(&first).await;
    assert!(second.refresh_expires_at > first.refresh_expires_at);
    bench.clock.set(second.refresh_expires_at);
    no_session(&bench.refresh(&second).await);
}

#[tokio::test]
async fn the_anti_csrf_token_has_to_match() {
    let bench = bench().await;
    for with in [true, false] {
        let create = Create {
            anti_csrf: with,
            ..Create::new(user())
        };
        let Ok(held) = bench.engine.create(create).await else {
            panic!("not created");
        };
        let own = held
            .refresh
            .anti_csrf()
            .map(|token| token.expose().to_owned());
        assert_eq!(own.is_some(), with);
        let passed = [
            None,
            Some(""),
            Some("00000000-0000-4000-8000-000000000000"),
            own.as_deref(),
        ];
        for (at, passed) in passed.into_iter().enumerate() {
            let ask = Verify {
                anti_csrf: AntiCsrf::Passed(passed),
                ..Verify::new(held.access.token.expose())
            };
            match bench.engine.verify(&ask).await {
                Ok(Verification::Valid(_)) => assert!(with && at == 3),
                Ok(Verification::TryRefresh(TryRefresh::AntiCsrf)) => assert!(!with || at < 3),
                other => panic!("{other:?}"),
            }
        }
        bench.use_access(&held).await;
    }
}

#[tokio::test]
async fn reuse_ends_the_session_or_is_only_reported() {
    let bench = bench().await;
    let first = bench.create().await;
    let second = bench.renew(&first).await;
    bench.use_access(&second).await;
    bench.wait(10);
    assert_eq!(
        report(&bench, first.refresh.text().expose()).await,
        Some(Reuse::Previous)
    );
    bench.renew(&second).await;
    assert_eq!(bench.caught(&first).await, Reuse::Previous);
    no_session(&bench.refresh(&second).await);
    no_session(&bench.refresh(&first).await);
}

#[tokio::test]
async fn a_revoked_session_stays_revoked() {
    let bench = bench().await;
    let first = bench.create().await;
    let child = bench.renew(&first).await;
    revoke(&bench, &first).await;
    no_session(&bench.refresh(&first).await);
    no_session(&bench.refresh(&child).await);
    assert!(matches!(
        bench.verify(&child).await,
        Verification::Unauthorised(_)
    ));
    let ask = Verify {
        check_storage: true,
        ..Verify::new(first.access.token.expose())
    };
    let done = bench.engine.verify(&ask).await;
    assert!(
        matches!(done, Ok(Verification::Unauthorised(_))),
        "{done:?}"
    );
    let data = JsonObject::empty();
    let written =
        bench
            .engine
            .write_session_data(&AppId::PUBLIC, &first.session.handle, &data, None);
    assert!(matches!(written.await, Ok(DataWrite::Missing)));
}

/// An older sibling is confirmed by its access token. What it was made with is not known any more, so it cannot be given
/// again: who asks within the window is refused, not reported.
#[tokio::test]
async fn an_older_sibling_confirmed_refuses_the_others_without_a_report() {
    let bench = bench().await;
    let first = bench.create().await;
    let older = bench.renew(&first).await;
    bench.wait(10);
    let younger = bench.renew(&first).await;
    assert!(!same(&older, &younger));
    bench.use_access(&older).await;
    for held in [&first, &younger] {
        let done = bench.refresh(held).await;
        let refused = matches!(done, Refreshed::Unauthorised(RefreshRefused::Superseded));
        assert!(refused, "{done:?}");
    }
    bench.wait(9);
    bench.renew(&older).await;
    bench.wait(1);
    assert_eq!(bench.caught(&younger).await, Reuse::Sibling);
}

fn user() -> UserId {
    UserId::parse("ada").unwrap_or_else(|why| panic!("{why}"))
}

fn no_session(done: &Refreshed) {
    let gone = matches!(done, Refreshed::Unauthorised(RefreshRefused::NoSession));
    assert!(gone, "{done:?}");
}

async fn revoke(bench: &Bench, held: &handstamp::engine::Issued) {
    let handles = std::slice::from_ref(&held.session.handle);
    let done = bench.engine.revoke(&AppId::PUBLIC, handles).await;
    assert_eq!(done.ok().as_deref(), Some(handles));
}

/// A refresh whose caller leaves revocation to itself; the report, if there is one.
async fn report(bench: &Bench, token: &str) -> Option<Reuse> {
    let ask = Refresh {
        on_reuse: OnReuse::Report,
        ..Refresh::new(token)
    };
    match bench.engine.refresh(&ask).await {
        Ok(Refreshed::Reuse { kind, .. }) => Some(kind),
        _ => None,
    }
}

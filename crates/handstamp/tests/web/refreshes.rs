//! The refresh and the sign-out that front ends call by themselves.

use handstamp::UserId;
use handstamp::web::{AntiCsrfMode, Settings};
use http::StatusCode;

use crate::browser::Browser;
use crate::support::{HOUR, World};

const REFRESH: &str = "/auth/session/refresh";

#[tokio::test]
async fn an_access_token_that_is_over_is_refreshed_and_goes_on() {
    let world = World::new();
    let mut browser = Browser::signed_in(&world).await;
    for _ in 0..3 {
        world.advance(HOUR * 2);
        let answer = browser.get(&world, "/me").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert_eq!(answer.body, r#"{"message":"try refresh token"}"#);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let answer = browser.refresh(&world).await;
        assert_eq!((answer.status, &*answer.body), (StatusCode::OK, "{}"));
        let end = world.now().plus(HOUR).as_millis();
        assert_eq!(answer.front_token()["ate"], end / 1000 * 1000);
        assert_eq!(browser.get(&world, "/me").await.body, "ada");
    }
    assert_eq!(world.sessions_of("ada").await, 1);
}

/// The use of the access token reaches the store while nobody waits.
#[tokio::test]
async fn a_use_is_confirmed_in_the_background_once() {
    let world = World::new();
    let mut browser = Browser::signed_in(&world).await;
    let stolen = browser.clone();
    browser.refresh(&world).await;
    for _ in 0..5 {
        assert_eq!(browser.get(&world, "/me").await.body, "ada");
    }
    settle().await;
    world.advance(HOUR * 2);
    let answer = stolen.ask(&world, "POST", REFRESH, "").await;
    assert_eq!(answer.body, r#"{"message":"token theft detected"}"#);
    assert_eq!(world.sessions_of("ada").await, 0);
}

/// Lets the tasks that nobody waits for do what they can.
async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

/// A store that was away hears of it with the next use.
#[tokio::test]
async fn a_use_that_the_store_did_not_hear_of_is_told_again() {
    let world = World::new();
    let mut browser = Browser::signed_in(&world).await;
    let stolen = browser.clone();
    browser.refresh(&world).await;
    world.fail(true);
    assert_eq!(browser.get(&world, "/me").await.body, "ada");
    settle().await;
    world.fail(false);
    assert_eq!(browser.get(&world, "/me").await.body, "ada");
    settle().await;
    world.advance(HOUR * 2);
    let answer = stolen.ask(&world, "POST", REFRESH, "").await;
    assert_eq!(answer.body, r#"{"message":"token theft detected"}"#);
}

#[tokio::test]
async fn a_lost_answer_costs_nothing_however_late_the_retry() {
    let world = World::new();
    let mut browser = Browser::signed_in(&world).await;
    let lost = browser.ask(&world, "POST", REFRESH, "").await;
    assert_eq!(lost.status, StatusCode::OK);
    world.advance(HOUR * 8);
    assert_eq!(browser.refresh(&world).await.status, StatusCode::OK);
    assert_eq!(browser.get(&world, "/me").await.body, "ada");
}

#[tokio::test]
async fn two_tabs_may_refresh_at_once_and_take_the_answers_in_any_order() {
    let world = World::new();
    let mut browser = Browser::signed_in(&world).await;
    let one = browser.ask(&world, "POST", REFRESH, "").await;
    let other = browser.ask(&world, "POST", REFRESH, "").await;
    assert_eq!(one.set_cookies()[1], other.set_cookies()[1]);
    browser.take(&other);
    browser.take(&one);
    world.advance(HOUR * 2);
    assert_eq!(browser.refresh(&world).await.status, StatusCode::OK);
    assert_eq!(browser.get(&world, "/me").await.body, "ada");
}

/// The answer may come after that of a sign-in in another tab.
#[tokio::test]
async fn a_refused_refresh_takes_no_cookie_back() {
    let world = World::new();
    let mut browser = Browser::signed_in(&world).await;
    let user = UserId::parse("ada").unwrap();
    let ended = world.web.backend().revoke_user(&user).await.unwrap();
    assert_eq!(ended.len(), 1);
    let late = browser.ask(&world, "POST", REFRESH, "").await;
    assert_eq!(late.status, StatusCode::UNAUTHORIZED);
    assert_eq!(late.body, r#"{"message":"unauthorised"}"#);
    assert_eq!(late.header("cache-control"), Some("no-store"));
    browser.post(&world, "/login/ada").await;
    browser.take(&late);
    assert_eq!(browser.get(&world, "/me").await.body, "ada");
    assert_eq!(browser.refresh(&world).await.status, StatusCode::OK);
}

#[tokio::test]
async fn without_a_token_there_is_nothing_to_refresh() {
    let world = World::new();
    let mut browser = Browser::default();
    let answer = browser.refresh(&world).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.body, r#"{"message":"unauthorised"}"#);
    // Another method is none of the layer's business.
    let answer = browser.get(&world, REFRESH).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn signing_out_ends_the_session_and_takes_everything_back() {
    let world = World::new();
    let mut browser = Browser::signed_in(&world).await;
    let answer = browser.post(&world, "/auth/signout").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.body, r#"{"status":"OK"}"#);
    assert_eq!(answer.header("front-token"), Some("remove"));
    assert_eq!(answer.header("clear-site-data"), None);
    assert!(browser.jar.is_empty());
    assert_eq!(world.sessions_of("ada").await, 0);
    assert_eq!(
        browser.get(&world, "/me").await.status,
        StatusCode::UNAUTHORIZED
    );
    // Nobody is signed in: that is what was wanted.
    let answer = browser.post(&world, "/auth/signout").await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn who_signs_out_with_a_token_that_is_over_refreshes_first() {
    let world = World::new();
    let mut browser = Browser::signed_in(&world).await;
    world.advance(HOUR * 2);
    let answer = browser.post(&world, "/auth/signout").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(world.sessions_of("ada").await, 1);
    browser.refresh(&world).await;
    assert_eq!(
        browser.post(&world, "/auth/signout").await.status,
        StatusCode::OK
    );
    assert_eq!(world.sessions_of("ada").await, 0);
}

#[tokio::test]
async fn the_browser_can_be_told_to_forget_all_of_the_site() {
    let settings = Settings::builder("https://api.example.com")
        .clear_site_data(true)
        .build()
        .unwrap();
    let world = World::with(settings);
    let mut browser = Browser::signed_in(&world).await;
    let answer = browser.post(&world, "/logout").await;
    let told = answer.header("clear-site-data");
    assert_eq!(told, Some("\"cookies\", \"storage\""));
}

#[tokio::test]
async fn with_a_custom_header_only_those_who_send_it_refresh() {
    let settings = Settings::builder("https://api.example.com")
        .website("https://example.org")
        .build()
        .unwrap();
    assert_eq!(settings.anti_csrf(), AntiCsrfMode::CustomHeader);
    let world = World::with(settings);
    let mut browser = Browser::signed_in(&world).await;
    for path in [REFRESH, "/auth/signout", "/me"] {
        let answer = browser.ask(&world, "POST", path, "").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    // What changes nothing needs none.
    assert_eq!(browser.get(&world, "/me").await.body, "ada");
    browser.headers.push(("rid", "anti-csrf".to_owned()));
    assert_eq!(browser.post(&world, "/me").await.body, "ada");
    assert_eq!(browser.refresh(&world).await.status, StatusCode::OK);
    assert_eq!(
        browser.post(&world, "/auth/signout").await.status,
        StatusCode::OK
    );
}

/// No other site's form can send a header; CORS decides about scripts.
#[tokio::test]
async fn any_header_of_a_front_end_is_custom_enough() {
    let settings = Settings::builder("https://api.example.com")
        .website("https://example.org")
        .build()
        .unwrap();
    for header in ["supertokens-sdk-name", "fdi-version", "st-auth-mode"] {
        let world = World::with(settings.clone());
        let mut browser = Browser::signed_in(&world).await;
        browser.headers.push((header, "website".to_owned()));
        assert_eq!(browser.post(&world, "/me").await.body, "ada", "{header}");
        let answer = browser.refresh(&world).await;
        assert_eq!(answer.status, StatusCode::OK, "{header}");
    }
}

/// The first front ends have a token, and bring it along with everything but a refresh.
#[tokio::test]
async fn with_a_token_the_first_front_ends_refresh_without_it() {
    let settings = Settings::builder("https://api.example.com")
        .anti_csrf(AntiCsrfMode::Token)
        .build()
        .unwrap();
    let world = World::with(settings);
    let mut browser = Browser::signed_in(&world).await;
    let first = ("supertokens-sdk-name", "website".to_owned());
    for others in [
        vec![],
        vec![("rid", "session".to_owned())],
        vec![first.clone(), ("st-auth-mode", "cookie".to_owned())],
        vec![first.clone(), ("fdi-version", "1.16,1.17".to_owned())],
        vec![first.clone(), ("anti-csrf", "wrong".to_owned())],
    ] {
        browser.headers = others;
        let answer = browser.ask(&world, "POST", REFRESH, "").await;
        assert_eq!(
            answer.status,
            StatusCode::UNAUTHORIZED,
            "{:?}",
            browser.headers
        );
    }
    browser.headers = vec![first];
    let answer = browser.refresh(&world).await;
    assert_eq!(answer.status, StatusCode::OK);
    for path in ["/me", "/auth/signout"] {
        let answer = browser.ask(&world, "POST", path, "").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    let token = answer.header("anti-csrf").unwrap().to_owned();
    browser.headers.push(("anti-csrf", token));
    assert_eq!(browser.post(&world, "/me").await.body, "ada");
}

#[tokio::test]
async fn with_a_token_only_those_who_have_it_act() {
    let settings = Settings::builder("https://api.example.com")
        .anti_csrf(AntiCsrfMode::Token)
        .build()
        .unwrap();
    let world = World::with(settings);
    let mut browser = Browser::default();
    let answer = browser.post(&world, "/login/ada").await;
    let token = answer.header("anti-csrf").unwrap().to_owned();
    assert_eq!(browser.get(&world, "/me").await.body, "ada");
    for passed in ["", "wrong"] {
        browser.headers = vec![("anti-csrf", passed.to_owned())];
        for path in ["/me", REFRESH, "/auth/signout"] {
            let answer = browser.ask(&world, "POST", path, "").await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        }
    }
    browser.headers = vec![("anti-csrf", token.clone())];
    assert_eq!(browser.post(&world, "/me").await.body, "ada");
    let answer = browser.refresh(&world).await;
    let next = answer.header("anti-csrf").unwrap().to_owned();
    assert_ne!(next, token);
    browser.headers = vec![("anti-csrf", next)];
    assert_eq!(browser.post(&world, "/me").await.body, "ada");
}

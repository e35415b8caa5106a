//! What cookies look like, and which are ours.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests are not seen to be tests"
)]

use std::time::Duration;

use handstamp::Config;
use handstamp::web::{CookieNames, Former, SameSite, Settings};
use http::{Request, StatusCode};

use crate::browser::{Answer, Browser};
use crate::support::{HOUR, World};

const DAY: u64 = 24 * 60 * 60;

fn at(api: &str) -> handstamp::web::SettingsBuilder {
    Settings::builder(api)
}

/// A header's attributes, without the value.
fn shapes(answer: &Answer) -> Vec<String> {
    let shape = |header: &str| {
        let (pair, rest) = header.split_once(';').unwrap();
        format!("{};{rest}", pair.split('=').next().unwrap())
    };
    answer.set_cookies().into_iter().map(shape).collect()
}

async fn login_at(settings: Settings) -> Vec<String> {
    let world = World::with(settings);
    shapes(&Browser::default().post(&world, "/login/ada").await)
}

#[tokio::test]
async fn cookies_are_as_safe_as_the_deployment_allows() {
    let age = 100 * DAY;
    let secure = format!("; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age={age}");
    let path = "/auth/session/refresh";
    assert_eq!(
        login_at(at("https://api.example.com").build().unwrap()).await,
        [
            format!("__Host-sAccessToken{secure}"),
            format!("__Secure-sRefreshToken{secure}").replace("Path=/", &format!("Path={path}")),
        ]
    );
    let shared = at("https://api.example.com").cookie_domain("example.com");
    assert_eq!(
        login_at(shared.clone().build().unwrap()).await[0],
        format!("__Secure-sAccessToken{secure}").replace("; Max", "; Domain=example.com; Max")
    );
    let plain = shared.cookie_names(CookieNames::Plain).build().unwrap();
    assert!(login_at(plain).await[1].starts_with("sRefreshToken; HttpOnly"));
    assert_eq!(
        login_at(at("http://localhost:3000").build().unwrap()).await[0],
        format!("sAccessToken; HttpOnly; SameSite=Lax; Path=/; Max-Age={age}")
    );
    let elsewhere = at("https://api.example.com").website("https://example.org");
    let elsewhere = login_at(elsewhere.build().unwrap()).await;
    assert!(
        elsewhere[0].contains("SameSite=None; Secure"),
        "{elsewhere:?}"
    );
    let strict = at("https://api.example.com").same_site(SameSite::Strict);
    let strict = strict.persistent_cookies(false).base_path("/").build();
    assert_eq!(
        login_at(strict.unwrap()).await[1],
        "__Secure-sRefreshToken; HttpOnly; SameSite=Strict; Secure; Path=/session/refresh"
    );
}

#[tokio::test]
async fn no_cookie_is_asked_to_stay_longer_than_browsers_keep_it() {
    let world = World::new();
    let mut browser = Browser::signed_in(&world).await;
    let answer = browser.post(&world, "/promote").await;
    let [cookie] = answer.set_cookies()[..] else {
        panic!("{answer:?}")
    };
    assert!(
        cookie.ends_with(&format!("Max-Age={}", 400 * DAY)),
        "{cookie}"
    );
    let days = Duration::from_hours(24 * 500);
    let config = Config::builder().refresh_token_validity(days).build();
    let settings = at("https://api.example.com").build().unwrap();
    let world = World::configured(settings, config.unwrap());
    let answer = Browser::default().post(&world, "/login/ada").await;
    for cookie in answer.set_cookies() {
        let longest = format!("Max-Age={}", 400 * DAY);
        assert!(cookie.ends_with(&longest), "{cookie}");
    }
}

/// Cookies that only look like ours after somebody has cleaned them up.
#[tokio::test]
async fn names_are_compared_byte_for_byte() {
    let world = World::new();
    let browser = Browser::signed_in(&world).await;
    let token = browser.cookie("__Host-sAccessToken").unwrap();
    let with = async |cookie: Vec<u8>| {
        let request = Request::get("/me").header("cookie", &cookie[..]);
        let request = request.body(String::new()).unwrap();
        world.send(request).await.status
    };
    let ours = format!("__Host-sAccessToken={token}");
    assert_eq!(with(ours.clone().into()).await, StatusCode::OK);
    assert_eq!(with(format!("a=b; {ours}").into()).await, StatusCode::OK);
    for before in [
        "\u{2000}",
        "\u{a0}",
        "\t",
        "  ",
        "\u{85}",
        "$Version=1; $",
        "x",
        "%5f",
    ] {
        let cookie = format!("{before}{ours}");
        assert_eq!(
            with(cookie.into()).await,
            StatusCode::UNAUTHORIZED,
            "{before:?}"
        );
    }
    for other in [
        ours.replace("__Host", "__host"),
        ours.replace("__Host-", ""),
        ours.replace('=', " ="),
        ours.replace("sAccess", "s%41ccess"),
    ] {
        assert_eq!(
            with(other.clone().into()).await,
            StatusCode::UNAUTHORIZED,
            "{other:?}"
        );
    }
    // What is not ours may be no text at all, and takes nothing from what is.
    let tossed = [&b"x=\xff\xfe; "[..], ours.as_bytes(), b"; y=\xc3\x28"].concat();
    assert_eq!(with(tossed).await, StatusCode::OK);
}

/// A sibling domain may set a cookie of the same name.
#[tokio::test]
async fn of_several_cookies_of_one_name_the_good_one_counts() {
    let world = World::with(
        at("https://api.example.com")
            .cookie_names(CookieNames::Plain)
            .build()
            .unwrap(),
    );
    let mut browser = Browser::signed_in(&world).await;
    for tossed in ["wrong", "a.b.c", ""] {
        for (name, path) in [("sAccessToken", "/"), ("sRefreshToken", "/auth")] {
            let domain = Some("example.com".to_owned());
            let cookie = (name.to_owned(), path.to_owned(), domain, tossed.to_owned());
            browser.jar.insert(0, cookie);
        }
        assert_eq!(browser.get(&world, "/me").await.body, "ada", "{tossed}");
        assert_eq!(browser.refresh(&world).await.status, StatusCode::OK);
    }
    // More than a few are not looked at.
    let mut flooded = Browser::signed_in(&world).await;
    for number in 0..4 {
        let cookie = (
            "sAccessToken".to_owned(),
            "/".to_owned(),
            None,
            format!("x{number}"),
        );
        flooded.jar.insert(0, cookie);
    }
    let answer = flooded.ask(&world, "GET", "/me", "").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

/// The session moves to the new cookies at its next refresh, the old ones go, and nobody signs in again.
#[tokio::test]
async fn a_cookie_domain_may_change_between_deployments() {
    let api = "https://api.example.com";
    let former = |names, domain: Option<&str>| Former {
        names,
        domain: domain.map(str::to_owned),
    };
    let changes = [
        (
            at(api).cookie_domain("example.com").build().unwrap(),
            at(api).former_cookies(former(CookieNames::Prefixed, Some("example.com"))),
        ),
        (
            at(api).build().unwrap(),
            at(api)
                .cookie_domain("example.com")
                .former_cookies(former(CookieNames::Prefixed, None)),
        ),
        (
            at(api).cookie_names(CookieNames::Plain).build().unwrap(),
            at(api).former_cookies(former(CookieNames::Plain, None)),
        ),
        (
            at(api)
                .cookie_names(CookieNames::Plain)
                .cookie_domain("example.com")
                .build()
                .unwrap(),
            at(api)
                .cookie_names(CookieNames::Plain)
                .former_cookies(former(CookieNames::Plain, Some("example.com"))),
        ),
    ];
    for (old, new) in changes {
        let old = World::with(old);
        let mut browser = Browser::signed_in(&old).await;
        let before = browser.jar.clone();
        let new = old.redeployed(new.build().unwrap());
        assert_eq!(browser.get(&new, "/me").await.body, "ada");
        new.advance(HOUR * 2);
        assert_eq!(browser.refresh(&new).await.status, StatusCode::OK);
        assert_eq!(browser.jar.len(), 2, "{:?}", browser.jar);
        assert!(before.iter().all(|cookie| !browser.jar.contains(cookie)));
        assert_eq!(browser.get(&new, "/me").await.body, "ada");
        new.advance(HOUR * 2);
        assert_eq!(
            browser.get(&new, "/me").await.status,
            StatusCode::UNAUTHORIZED
        );
        assert_eq!(browser.refresh(&new).await.status, StatusCode::OK);
        assert_eq!(browser.get(&new, "/me").await.body, "ada");
        // Both kinds at once, as when the answer was lost: still no loop.
        browser.jar.splice(0..0, before);
        new.advance(HOUR * 2);
        assert_eq!(browser.refresh(&new).await.status, StatusCode::OK);
        assert_eq!(browser.get(&new, "/me").await.body, "ada");
        browser.post(&new, "/auth/signout").await;
        assert!(browser.jar.is_empty(), "{:?}", browser.jar);
    }
}

#[tokio::test]
async fn a_payload_that_no_cookie_can_carry_is_refused_before_anything_is_kept() {
    let world = World::new();
    let body = |len: usize| format!(r#"{{"text":"{}"}}"#, "x".repeat(len));
    let mut browser = Browser::default();
    let answer = browser
        .send(&world, "POST", "/login/ada", &body(4000))
        .await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(answer.set_cookies().is_empty());
    assert_eq!(world.sessions_of("ada").await, 0);
    // In a header there is room.
    browser.headers.push(("st-auth-mode", "header".to_owned()));
    let answer = browser
        .send(&world, "POST", "/login/ada", &body(4000))
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    // The largest that is taken fits, with its name, into what browsers keep.
    let mut browser = Browser::default();
    let mut len = 4000;
    loop {
        let answer = browser.send(&world, "POST", "/login/bob", &body(len)).await;
        if answer.status == StatusCode::OK {
            break;
        }
        len -= 1;
    }
    let token = browser.cookie("__Host-sAccessToken").unwrap();
    let length = "__Host-sAccessToken".len() + token.len();
    assert!((3900..=4096).contains(&length), "{length}");
    world.advance(Duration::from_hours(2));
    browser.refresh(&world).await;
    let token = browser.cookie("__Host-sAccessToken").unwrap();
    assert!("__Host-sAccessToken".len() + token.len() <= 4096);
}

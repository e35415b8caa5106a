//! Requests that bring sessions, and what handlers do with them.

use handstamp::web::{Settings, Transfer};
use http::StatusCode;

use crate::browser::Browser;
use crate::support::{HOUR, World};

#[tokio::test]
async fn a_route_gets_the_session_or_is_not_reached() {
    let world = World::new();
    let mut nobody = Browser::default();
    let answer = nobody.get(&world, "/me").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.body, r#"{"message":"unauthorised"}"#);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(
        answer.header("content-type"),
        Some("application/json; charset=utf-8")
    );
    assert_eq!(nobody.get(&world, "/maybe").await.body, "nobody");
    let mut browser = Browser::signed_in(&world).await;
    assert_eq!(browser.get(&world, "/me").await.body, "ada");
    assert_eq!(browser.get(&world, "/maybe").await.body, "ada");
    // What is over is to be refreshed, even where it is not needed.
    world.advance(HOUR * 2);
    let answer = browser.get(&world, "/maybe").await;
    assert_eq!(answer.body, r#"{"message":"try refresh token"}"#);
}

#[tokio::test]
async fn a_response_that_tells_nothing_of_sessions_is_left_alone() {
    let world = World::new();
    let mut browser = Browser::signed_in(&world).await;
    for path in ["/plain", "/me", "/none"] {
        let answer = browser.get(&world, path).await;
        assert_eq!(answer.header("cache-control"), None, "{path}");
        assert!(answer.set_cookies().is_empty());
    }
}

#[tokio::test]
async fn a_payload_is_read_into_the_applications_own_type() {
    let world = World::new();
    let mut browser = Browser::default();
    let payload = r#"{"plan":"free","email":"a@example.com"}"#;
    let answer = browser.send(&world, "POST", "/login/ada", payload).await;
    let front = answer.front_token();
    assert_eq!(front["uid"], "ada");
    assert_eq!(
        front["up"],
        serde_json::json!({"plan": "free", "email": "a@example.com"})
    );
    assert_eq!(browser.get(&world, "/plan").await.body, "free");
    let mut other = Browser::default();
    other
        .send(&world, "POST", "/login/bob", r#"{"plan":7}"#)
        .await;
    let answer = other.get(&world, "/plan").await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!answer.body.contains('7'), "{}", answer.body);
}

#[tokio::test]
async fn what_cannot_be_a_session_is_not_made() {
    let world = World::new();
    let mut browser = Browser::default();
    let long = format!("/login/{}", "x".repeat(129));
    for (path, payload) in [
        (&*long, ""),
        ("/login/ada", "[]"),
        ("/login/ada", "7"),
        ("/login/ada", r#"{"sub":"root"}"#),
    ] {
        let answer = browser.send(&world, "POST", path, payload).await;
        assert_eq!(
            answer.status,
            StatusCode::INTERNAL_SERVER_ERROR,
            "{path} {payload}"
        );
        assert!(answer.set_cookies().is_empty());
    }
    assert_eq!(world.sessions_of("ada").await, 0);
}

#[tokio::test]
async fn a_claim_opens_a_route_as_soon_as_it_is_there() {
    let world = World::new();
    let mut browser = Browser::signed_in(&world).await;
    let answer = browser.get(&world, "/admin").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(
        body,
        serde_json::json!({"message": "invalid claim", "claimValidationErrors": [{
            "id": "st-role",
            "reason": {"message": "value does not exist", "expectedToInclude": "admin"},
        }]})
    );
    let answer = browser.post(&world, "/promote").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(
        answer.front_token()["up"],
        serde_json::json!({"st-role": {"v": ["admin"], "t": world.now().as_millis()}})
    );
    assert_eq!(browser.get(&world, "/admin").await.body, "admin");
    // The next tokens say it, too.
    world.advance(HOUR * 2);
    browser.refresh(&world).await;
    assert_eq!(browser.get(&world, "/admin").await.body, "admin");
}

#[tokio::test]
async fn session_data_stay_in_the_store() {
    let world = World::new();
    let mut browser = Browser::signed_in(&world).await;
    assert_eq!(browser.get(&world, "/data").await.body, "{}");
    let answer = browser
        .send(&world, "PUT", "/data", r#"{"cart":[1,2]}"#)
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(browser.get(&world, "/data").await.body, r#"{"cart":[1,2]}"#);
    let answer = browser.send(&world, "PUT", "/data", "[]").await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(browser.get(&world, "/data").await.body, r#"{"cart":[1,2]}"#);
}

/// By its signature a token is good until it ends; a route that has to know asks the store.
#[tokio::test]
async fn a_route_that_has_to_know_asks_the_store() {
    let world = World::new();
    let mut browser = Browser::signed_in(&world).await;
    let stolen = browser.clone();
    assert_eq!(browser.get(&world, "/sure").await.body, "still there");
    browser.post(&world, "/logout").await;
    assert!(browser.jar.is_empty());
    let mut thief = stolen;
    assert_eq!(thief.get(&world, "/me").await.body, "ada");
    assert_eq!(
        thief.get(&world, "/sure").await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(thief.refresh(&world).await.status, StatusCode::UNAUTHORIZED);
}

/// An app, and a page that asks for it.
#[tokio::test]
async fn tokens_go_by_headers_for_those_who_ask() {
    let world = World::new();
    let mut app = Browser {
        headers: vec![("st-auth-mode", "header".to_owned())],
        ..Browser::default()
    };
    let answer = app.post(&world, "/login/ada").await;
    assert!(app.jar.is_empty());
    let exposed: Vec<_> = answer
        .headers
        .get_all("access-control-expose-headers")
        .iter()
        .collect();
    assert_eq!(
        exposed,
        ["st-access-token", "front-token", "st-refresh-token"]
    );
    let token = |name: &str, answer: &crate::browser::Answer| {
        format!("Bearer {}", answer.header(name).unwrap())
    };
    let refresh = token("st-refresh-token", &answer);
    app.headers
        .push(("authorization", token("st-access-token", &answer)));
    assert_eq!(app.post(&world, "/me").await.body, "ada");
    world.advance(HOUR * 2);
    assert_eq!(
        app.get(&world, "/me").await.status,
        StatusCode::UNAUTHORIZED
    );
    app.headers[1].1 = refresh;
    let answer = app.refresh(&world).await;
    assert_eq!(answer.status, StatusCode::OK);
    app.headers[1].1 = token("st-access-token", &answer);
    assert_eq!(app.get(&world, "/me").await.body, "ada");
    let answer = app.post(&world, "/auth/signout").await;
    assert_eq!(answer.header("st-access-token"), Some(""));
    assert_eq!(answer.header("st-refresh-token"), Some(""));
    assert_eq!(answer.header("front-token"), Some("remove"));
    assert_eq!(world.sessions_of("ada").await, 0);
}

#[tokio::test]
async fn a_way_that_is_closed_is_not_taken() {
    let with = |transfer| {
        let settings = Settings::builder("https://api.example.com").transfer(transfer);
        World::with(settings.build().unwrap())
    };
    let cookies = with(Transfer::Cookie);
    let mut app = Browser {
        headers: vec![("st-auth-mode", "header".to_owned())],
        ..Browser::default()
    };
    let answer = app.post(&cookies, "/login/ada").await;
    assert_eq!(answer.header("st-access-token"), None);
    assert_eq!(app.jar.len(), 2);
    let token = app.cookie("__Host-sAccessToken").unwrap().to_owned();
    let bearer = Browser {
        headers: vec![("authorization", format!("Bearer {token}"))],
        ..Browser::default()
    };
    let answer = bearer.ask(&cookies, "GET", "/me", "").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    let headers = with(Transfer::Header);
    let mut browser = Browser::default();
    let answer = browser.post(&headers, "/login/ada").await;
    assert!(answer.header("st-access-token").is_some());
    assert!(browser.jar.is_empty());
    let token = answer.header("st-access-token").unwrap();
    let cookie = ("__Host-sAccessToken", "/", token);
    let with_cookie = Browser {
        jar: vec![(
            cookie.0.to_owned(),
            cookie.1.to_owned(),
            None,
            cookie.2.to_owned(),
        )],
        ..Browser::default()
    };
    let answer = with_cookie.ask(&headers, "GET", "/me", "").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

/// The application's own bearer tokens, or another issuer's, do not stand in the way of a cookie.
#[tokio::test]
async fn bearer_tokens_of_others_are_passed_over() {
    let world = World::new();
    let mut browser = Browser::signed_in(&world).await;
    for other in [
        "Bearer api-key-1",
        "Bearer a.b.c",
        "Basic YTpi",
        "Bearer",
        "Bearer  ",
        "bearer\u{e9}",
    ] {
        browser.headers = vec![("authorization", other.to_owned())];
        assert_eq!(browser.get(&world, "/me").await.body, "ada", "{other}");
        let nobody = Browser {
            headers: browser.headers.clone(),
            ..Browser::default()
        };
        let answer = nobody.ask(&world, "GET", "/maybe", "").await;
        assert_eq!(answer.body, "nobody", "{other}");
    }
}

/// Which of the two headers a front end looks for is told by what it says of itself.
#[tokio::test]
async fn each_family_of_front_ends_gets_what_it_watches() {
    let world = World::new();
    let login = async |headers: &[(&'static str, &str)]| {
        let headers = headers
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        let mut browser = Browser {
            headers: headers.collect(),
            ..Browser::default()
        };
        let answer = browser.post(&world, "/login/ada").await;
        assert!(answer.header("front-token").is_some());
        let watched = answer.header("id-refresh-token").is_some();
        (watched, browser.cookie("__Host-sIdRefreshToken").is_some())
    };
    assert_eq!(login(&[]).await, (true, false));
    assert_eq!(
        login(&[("supertokens-sdk-name", "website")]).await,
        (true, true)
    );
    assert_eq!(login(&[("fdi-version", "1.14,1.15")]).await, (true, true));
    assert_eq!(login(&[("fdi-version", "1.15,1.16")]).await, (false, false));
    assert_eq!(login(&[("fdi-version", "4.1")]).await, (false, false));
    assert_eq!(login(&[("st-auth-mode", "cookie")]).await, (false, false));
}

#[tokio::test]
async fn a_repeated_refresh_brings_the_same_to_watch_and_the_next_another() {
    let world = World::new();
    let mut browser = Browser::signed_in(&world).await;
    let watched = |answer: &crate::browser::Answer| {
        let text = answer.header("id-refresh-token").unwrap().to_owned();
        text.split_once(';').unwrap().0.to_owned()
    };
    let one = browser
        .ask(&world, "POST", "/auth/session/refresh", "")
        .await;
    let again = browser.refresh(&world).await;
    assert_eq!(watched(&one), watched(&again));
    let next = browser.refresh(&world).await;
    assert_ne!(watched(&next), watched(&again));
    let answer = browser.post(&world, "/auth/signout").await;
    assert_eq!(answer.header("id-refresh-token"), Some("remove"));
}

#[tokio::test]
async fn a_guarded_route_lets_nobody_through_that_lacks_something() {
    let world = World::new();
    let mut browser = Browser::default();
    let answer = browser.get(&world, "/vault").await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let payload = |age: i64| {
        let fetched = world.now().as_millis() - age;
        format!(r#"{{"st-role":{{"v":["user"],"t":0}},"st-mfa":{{"v":true,"t":{fetched}}}}}"#)
    };
    browser
        .send(&world, "POST", "/login/ada", &payload(0))
        .await;
    assert_eq!(browser.get(&world, "/vault").await.body, "gold");
    browser
        .send(&world, "POST", "/login/ada", &payload(60_001))
        .await;
    let answer = browser.get(&world, "/vault").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(
        body["claimValidationErrors"],
        serde_json::json!([{"id": "st-mfa", "reason": {
            "message": "expired", "ageInSeconds": 60, "maxAgeInSeconds": 60,
        }}])
    );
    let other = r#"{"st-role":{"v":["guest"],"t":0},"st-mfa":{"v":false,"t":0}}"#;
    browser.send(&world, "POST", "/login/ada", other).await;
    let answer = browser.get(&world, "/vault").await;
    let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    let failed = body["claimValidationErrors"].as_array().unwrap();
    let reasons: Vec<_> = failed
        .iter()
        .map(|it| it["reason"]["message"].as_str())
        .collect();
    assert_eq!(
        reasons,
        [Some("wrong value"), Some("wrong value"), Some("expired")]
    );
    assert_eq!(failed[0]["reason"]["expectedToNotInclude"], "guest");
    assert_eq!(failed[1]["reason"]["actualValue"], false);
}

#[tokio::test]
async fn statuses_are_as_front_ends_were_told() {
    let settings = Settings::builder("https://api.example.com")
        .expired_status(440)
        .invalid_claim_status(418);
    let world = World::with(settings.build().unwrap());
    let mut browser = Browser::default();
    assert_eq!(browser.get(&world, "/me").await.status.as_u16(), 440);
    assert_eq!(browser.get(&world, "/vault").await.status.as_u16(), 440);
    assert_eq!(browser.refresh(&world).await.status.as_u16(), 440);
    browser.post(&world, "/login/ada").await;
    assert_eq!(browser.get(&world, "/admin").await.status.as_u16(), 418);
    assert_eq!(browser.get(&world, "/vault").await.status.as_u16(), 418);
    world.advance(HOUR * 2);
    assert_eq!(
        browser.post(&world, "/auth/signout").await.status.as_u16(),
        440
    );
}

/// What the store suffers from says nothing of sessions, and takes nothing from anybody.
#[tokio::test]
async fn a_store_that_fails_signs_nobody_out() {
    let world = World::new();
    let mut browser = Browser::signed_in(&world).await;
    world.fail(true);
    let answer = browser.post(&world, "/auth/signout").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert!(answer.set_cookies().is_empty());
    // Nothing else needs the store.
    for path in ["/me", "/plain", "/maybe"] {
        let answer = browser.get(&world, path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
    }
    world.fail(false);
    world.advance(HOUR * 2);
    world.fail(true);
    let answer = browser.refresh(&world).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.set_cookies().is_empty());
    world.fail(false);
    assert_eq!(browser.refresh(&world).await.status, StatusCode::OK);
    assert_eq!(browser.get(&world, "/me").await.body, "ada");
}

#[tokio::test]
async fn who_has_signed_out_has_no_session_for_the_rest_of_the_request() {
    let world = World::new();
    let mut browser = Browser::signed_in(&world).await;
    assert_eq!(browser.post(&world, "/leave").await.body, "gone");
    assert_eq!(world.sessions_of("ada").await, 0);
}

#[tokio::test]
async fn a_payload_that_outgrows_its_cookie_is_not_kept() {
    let world = World::new();
    let mut browser = Browser::signed_in(&world).await;
    let answer = browser.post(&world, "/grow/4000").await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(answer.set_cookies().is_empty());
    let answer = browser.refresh(&world).await;
    assert_eq!(answer.front_token()["up"], serde_json::json!({}));
    assert_eq!(
        browser.post(&world, "/grow/100").await.status,
        StatusCode::OK
    );
}

/// An app that takes over from the page in its web view.
#[tokio::test]
async fn who_signs_in_by_headers_has_no_cookies_left() {
    let world = World::new();
    let mut browser = Browser::signed_in(&world).await;
    browser.headers.push(("st-auth-mode", "header".to_owned()));
    let answer = browser.post(&world, "/login/bob").await;
    assert!(answer.header("st-access-token").is_some());
    assert!(browser.jar.is_empty(), "{:?}", browser.jar);
}

/// For services that only check tokens.
#[tokio::test]
async fn the_keys_are_published() {
    let world = World::new();
    let mut browser = Browser::signed_in(&world).await;
    let answer = browser.get(&world, "/auth/.well-known/jwks.json").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(
        answer.header("cache-control"),
        Some("max-age=604740, must-revalidate")
    );
    let set: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    let ids: Vec<_> = set["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| &key["kid"])
        .collect();
    let token = browser.cookie("__Host-sAccessToken").unwrap();
    let header = token.split('.').next().unwrap();
    let header = base64::Engine::decode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, header);
    let header: serde_json::Value = serde_json::from_slice(&header.unwrap()).unwrap();
    assert!(ids.contains(&&header["kid"]), "{ids:?}");
    assert!(!answer.body.contains("\"d\""));
}

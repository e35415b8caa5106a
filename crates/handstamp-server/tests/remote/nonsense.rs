//! Answers that no server gives: each is an error that says so, and none says what is not to be said.

use std::fmt::Write as _;

use handstamp::backend::{Backend, NewSession, Present, Tokens};
use handstamp::engine::{AntiCsrf, OnReuse, Verification};
use handstamp::token::Secret;
use handstamp::{Error, Failure};

use crate::support::{Host, LATER, Scripted, Town, json, new_session, present};

const KEY: &str = "canary-key-0123456789";
const TOKEN: &str = "canary-token-0123456789";
const DATA: &str = "canary-data-0123456789";

async fn town() -> (Town, Host, Backend) {
    let town = Town::new(&[("api_keys", KEY)]).await;
    let host = town.host().await;
    let client = town.client(&host.url).api_key(Secret::new(KEY.to_owned()));
    let backend = Backend::from(client.build().unwrap());
    (town, host, backend)
}

/// All causes, and what is shown for whoever looks for a fault.
fn all_of(failure: &Failure) -> String {
    let mut text = format!("{failure} {failure:?} {failure:#?}");
    let mut cause = std::error::Error::source(failure);
    while let Some(why) = cause {
        write!(text, " {why} {why:?}").unwrap();
        cause = why.source();
    }
    text
}

/// How everything fails that a backend can be asked, but for writing data: that is but told that all is well.
async fn failures(
    backend: &Backend,
    good: &str,
    handle: &handstamp::SessionHandle,
) -> Vec<Failure> {
    let failure = |error: Error| match error {
        Error::Failure(failure) => failure,
        other => panic!("{other}"),
    };
    let payload = json(&format!(r#"{{"x":"{DATA}"}}"#));
    let new = NewSession {
        jwt_payload: payload.clone(),
        session_data: payload.clone(),
        ..new_session(DATA)
    };
    let presented = Present {
        token: TOKEN,
        anti_csrf: true,
        passed: AntiCsrf::Passed(Some(TOKEN)),
        on_reuse: OnReuse::Revoke,
    };
    let user = handstamp::UserId::parse(DATA).unwrap();
    let mut failures = vec![
        failure(backend.create(new).await.unwrap_err()),
        backend.refresh(presented).await.unwrap_err(),
        backend
            .check_storage(good, AntiCsrf::Unchecked)
            .await
            .unwrap_err(),
        backend.revoke(handle).await.unwrap_err(),
        backend.revoke_user(&user).await.unwrap_err(),
        backend.handles_of_user(&user).await.unwrap_err(),
        backend.session_data(handle).await.unwrap_err(),
        failure(
            backend
                .regenerate(good, payload.clone(), None)
                .await
                .unwrap_err(),
        ),
    ];
    let written = backend.write_session_data(handle, &payload).await;
    failures.extend(written.err().map(failure));
    failures
}

#[tokio::test]
async fn an_answer_that_no_server_gives_is_an_error_that_says_so() {
    let (town, host, backend) = town().await;
    let made = backend.create(new_session("ada")).await.unwrap();
    let good = made.access.token.expose();
    let check = backend.check(good, AntiCsrf::Unchecked).await.unwrap();
    assert!(matches!(check.verification, Verification::Valid(_)));
    let deep = format!(
        r#"{{"status":"OK","x":{}{}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let session = |payload: &str| {
        let handle = &made.session.handle;
        format!(
            r#"{{"status":"OK","session":{{"handle":"{handle}","userId":"ada","userDataInJWT":{payload}}},"userDataInDatabase":{payload},"sessionHandles":["{DATA}"],"sessionHandlesRevoked":[1]}}"#
        )
    };
    let nested = session(&format!(
        "{{\"x\":{}{}}}",
        "[".repeat(1000),
        "]".repeat(1000)
    ));
    let canary = format!(r#"{{"status":"{TOKEN}"}}"#);
    let answers: Vec<(&str, Vec<u8>)> = vec![
        ("nothing", vec![]),
        ("half", br#"{"status":"OK","session":{"hand"#.to_vec()),
        ("html", b"<html><body>Sign in!</body></html>".to_vec()),
        ("null", b"null".to_vec()),
        ("an array", b"[1]".to_vec()),
        ("a number", br#"{"status":1}"#.to_vec()),
        ("no status", b"{}".to_vec()),
        ("two", br#"{"status":"OK","status":"OK"}"#.to_vec()),
        ("a status of its own", canary.into_bytes()),
        (
            "a token of its own",
            format!(r#"{{"status":"OK","accessToken":"{TOKEN}","message":["{TOKEN}"]}}"#).into(),
        ),
        ("bytes", vec![0xff; 100]),
        ("deep", deep.into_bytes()),
        ("nested", nested.into_bytes()),
        ("no object", session("1").into_bytes()),
        ("twice", session(r#"{"a":1,"a":2}"#).into_bytes()),
        ("huge", vec![b' '; 9 * 1024 * 1024]),
        ("huge, in pieces", vec![b' '; 9 * 1024 * 1024]),
    ];
    for (what, body) in answers {
        let scripted = Scripted {
            in_pieces: what == "huge, in pieces",
            ..Scripted::new(200, body)
        };
        host.answers("", scripted);
        for failure in failures(&backend, good, &made.session.handle).await {
            let text = failure.to_string();
            let asks = format!("what is at {} does not answer ", host.url);
            assert!(text.starts_with(&asks), "{what}: {text}");
            assert!(!failure.is_transient());
            assert_eq!(text.contains(" too long"), what.starts_with("huge"));
            let all = all_of(&failure);
            assert!(!all.contains("canary"), "{what}: {all}");
            assert!(!all.contains(good));
        }
        host.recovers();
    }
    // Nothing was taken for a refusal: with a server that is itself again, all is well.
    town.clock.advance(LATER);
    let renewed = backend.refresh(present(&made)).await.unwrap();
    assert!(matches!(renewed, handstamp::backend::Renewal::Renewed(_)));
}

#[tokio::test]
async fn a_status_that_is_not_200_says_no_more_than_is_known() {
    let (_town, host, backend) = town().await;
    let made = backend.create(new_session("ada")).await.unwrap();
    let good = made.access.token.expose();
    let check = backend.check(good, AntiCsrf::Unchecked).await.unwrap();
    assert!(matches!(check.verification, Verification::Valid(_)));
    // What some page for whoever looks for a fault would say again.
    let echo = format!("<html>api-key: {KEY}, {TOKEN}, {DATA}, {good}</html>");
    for (status, body, transient) in [
        (400, echo.clone(), false),
        (401, echo.clone(), false),
        (404, "Not found\n".to_owned(), false),
        (404, format!("Not found\n{KEY}"), false),
        (401, format!("{KEY} is wrong"), false),
        (418, String::new(), false),
        (500, echo.clone(), true),
        (502, echo.clone(), true),
        (500, "x".repeat(1 << 20), true),
        (204, String::new(), false),
    ] {
        host.answers("", Scripted::new(status, body));
        for failure in failures(&backend, good, &made.session.handle).await {
            let text = failure.to_string();
            assert!(text.contains(&format!(" with status {status}")), "{text}");
            assert!(text.len() < 300);
            assert_eq!(failure.is_transient(), transient, "{text}");
            let all = all_of(&failure);
            assert!(!all.contains("canary") && !all.contains(good), "{all}");
        }
        host.recovers();
    }
}

#[tokio::test]
async fn nobody_is_followed_elsewhere() {
    let (town, host, backend) = town().await;
    let elsewhere = town.host().await;
    let made = backend.create(new_session("ada")).await.unwrap();
    let to =
        |path: &str| Scripted::new(307, "").with("location", format!("{}{path}", elsewhere.url));
    host.answers("/remove", to("/recipe/session/remove"));
    let failure = backend.revoke(&made.session.handle).await.unwrap_err();
    assert!(
        failure.to_string().ends_with("with status 307"),
        "{failure}"
    );
    host.answers("/jwks.json", to("/.well-known/jwks.json"));
    let check = backend
        .check(made.access.token.expose(), AntiCsrf::Unchecked)
        .await;
    assert!(check.is_err());
    assert_eq!(elsewhere.seen().len(), 0);
}

/// What the server says of a new session.
fn created(tokens: &Tokens) -> serde_json::Value {
    let token = |text: &Secret| serde_json::json!({"token": text.expose(), "expiry": 2_000_000_000_000_u64, "createdTime": 1});
    serde_json::json!({
        "status": "OK",
        "session": {
            "handle": tokens.session.handle.to_string(),
            "userId": tokens.session.user_id.as_str(),
            "userDataInJWT": {},
        },
        "accessToken": token(&tokens.access.token),
        "refreshToken": token(&tokens.refresh),
    })
}

/// What is about another session, or in another tenant, is not what was asked for.
#[tokio::test]
async fn an_answer_about_another_session_is_none() {
    let (_town, host, backend) = town().await;
    let (made, other) = (
        backend.create(new_session("ada")).await.unwrap(),
        backend.create(new_session("bob")).await.unwrap(),
    );
    let handle = &other.session.handle;
    let body = format!(
        r#"{{"status":"OK","session":{{"handle":"{handle}","userId":"bob","userDataInJWT":{{}}}}}}"#
    );
    host.answers("/verify", Scripted::new(200, body.clone()));
    host.answers("/regenerate", Scripted::new(200, body));
    host.answers(
        "/recipe/session",
        Scripted::new(200, serde_json::to_vec(&created(&other)).unwrap()),
    );
    let tenant = handstamp::TenantId::parse("users").unwrap();
    let elsewhere = NewSession {
        tenant,
        ..new_session("bob")
    };
    let elsewhere = backend.create(elsewhere).await.unwrap_err().to_string();
    assert!(elsewhere.contains("in another tenant"), "{elsewhere}");
    backend.create(new_session("bob")).await.unwrap();
    let token = made.access.token.expose();
    let stored = backend.check_storage(token, AntiCsrf::Unchecked).await;
    assert!(
        stored
            .unwrap_err()
            .to_string()
            .contains("it is about another session")
    );
    let again = backend.regenerate(token, json("{}"), None).await;
    assert!(
        again
            .unwrap_err()
            .to_string()
            .contains("it is about another session")
    );
}

#[tokio::test]
async fn keys_that_make_no_sense_are_an_error() {
    for body in ["", "{", "[]", r#"{"keys":{}}"#, "<html>", r#"{"keys":[1]}"#] {
        let (_town, host, backend) = town().await;
        let made = backend.create(new_session("ada")).await.unwrap();
        host.answers("/jwks.json", Scripted::new(200, body));
        let check = backend
            .check(made.access.token.expose(), AntiCsrf::Unchecked)
            .await;
        let failure = check.unwrap_err();
        assert!(
            failure
                .to_string()
                .contains(" does not answer for its keys "),
            "{failure}"
        );
    }
}

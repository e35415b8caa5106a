//! Which version a request means.

use super::*;

#[tokio::test]
async fn versions_are_offered_as_they_are_spoken() {
    let server = Server::with(&[]).await;
    let offered = server
        .send("GET /apiversion?apiDomain=x", &[], None)
        .await
        .json();
    let spoken: Vec<_> = SPOKEN.iter().map(ToString::to_string).collect();
    assert_eq!(offered, json!({"versions": spoken}));
    for expected in ["1.0", "2.0", "2.20", "2.21", "3.1", "4.0", "5.6"] {
        assert!(spoken.iter().any(|version| version == expected));
    }
}

#[tokio::test]
async fn a_version_is_spoken_or_refused() {
    let server = Server::with(&[]).await;
    let path = "GET /recipe/session/user?userId=u";
    for bad in ["", "x", "5.", ".5", "5..6", "5.6-beta", "+5.6", "v5.6"] {
        server
            .ask(path, bad, &json!({}))
            .await
            .is(400, "cdi-version header is invalid");
    }
    for unknown in ["5.99", "0.9", "5", "5.0.0", "05.0", "99999999999.1"] {
        let text = format!("cdi-version {unknown} not supported");
        server.ask(path, unknown, &json!({})).await.is(400, &text);
    }
    server
        .ask("GET /hello", "77.7", &json!({}))
        .await
        .is(200, "Hello");
    server
        .ask("GET /hello", "x", &json!({}))
        .await
        .is(400, "cdi-version header is invalid");
}

#[tokio::test]
async fn a_request_without_a_version_means_that_of_its_path() {
    let server = Server::with(&[("enable_anti_csrf", "false")]).await;
    let oldest = server
        .send("POST /session", &[], Some(&creation("u")))
        .await
        .json();
    assert!(oldest["accessToken"].get("cookiePath").is_some());
    let newest = server
        .send("POST /recipe/session", &[], Some(&creation("u")))
        .await
        .json();
    assert!(newest["session"].get("recipeUserId").is_some());
    server
        .ask("POST /session", "5.4", &creation("u"))
        .await
        .is(404, "Not found");
    server
        .ask("POST /recipe/session", "2.3", &creation("u"))
        .await
        .is(404, "Not found");
}

#[tokio::test]
async fn the_settings_bound_the_versions() {
    let bounds = [
        ("supertokens_min_cdi_version", "2.21"),
        ("supertokens_max_cdi_version", "3.1"),
    ];
    let server = Server::with(&bounds).await;
    let path = "GET /recipe/session/user?userId=u";
    server
        .ask(path, "4.0", &json!({}))
        .await
        .is(400, "cdi-version 4.0 not supported");
    let text = "cdi-version 2.20 is lower than the minimum allowed version 2.21";
    server.ask(path, "2.20", &json!({})).await.is(400, text);
    let text = "cdi-version 1.0 is lower than the minimum allowed version 2.21";
    server
        .send("GET /session/user?userId=u", &[], None)
        .await
        .is(400, text);
    let newest = server
        .send("POST /recipe/session", &[], Some(&creation("u")))
        .await
        .json();
    assert!(newest["session"].get("tenantId").is_some());
    assert!(newest["session"].get("recipeUserId").is_none());
    let offered = server.send("GET /apiversion", &[], None).await.json();
    assert_eq!(
        offered["versions"].as_array().unwrap().last(),
        Some(&json!("3.1"))
    );
}

#[tokio::test]
async fn fields_are_asked_for_when_a_version_needs_them() {
    let server = Server::with(&[]).await;
    let missing = |name| format!("Field name '{name}' is invalid in JSON input");
    for (version, ask, field, without) in [
        (
            "2.6",
            "POST /recipe/session",
            "enableAntiCsrf",
            creation("u"),
        ),
        (
            "2.6",
            "POST /recipe/session/refresh",
            "enableAntiCsrf",
            refreshing(&json!("x")),
        ),
        (
            "2.6",
            "POST /recipe/session/verify",
            "enableAntiCsrf",
            verifying(&json!("x")),
        ),
        (
            "2.21",
            "POST /recipe/session/verify",
            "checkDatabase",
            verifying(&json!("x")),
        ),
        (
            "5.0",
            "POST /recipe/session/refresh",
            "useDynamicSigningKey",
            refreshing(&json!("x")),
        ),
    ] {
        let mut body = without;
        body.as_object_mut().unwrap().remove(field);
        server
            .ask(ask, version, &body)
            .await
            .is(400, &missing(field));
        body[field] = Value::Null;
        server
            .ask(ask, version, &body)
            .await
            .is(400, &missing(field));
        body[field] = json!("true");
        server
            .ask(ask, version, &body)
            .await
            .is(400, &missing(field));
        body[field] = json!(true);
        assert_eq!(
            server.ask(ask, version, &body).await.status,
            200,
            "{version} {ask}"
        );
    }
    let mut short = creation("u");
    short["accessTokenValidity"] = json!(60_000);
    let made = server
        .ask("POST /recipe/session", "5.6", &short)
        .await
        .json();
    let token = &made["accessToken"];
    let lives = token["expiry"].as_i64().unwrap() - token["createdTime"].as_i64().unwrap();
    assert_eq!(lives, 60_000);
    short["accessTokenValidity"] = json!(3_600_001);
    let text = "accessTokenValidity must be greater than 0 and at most the configured access_token_validity (3600000 ms)";
    server
        .ask("POST /recipe/session", "5.6", &short)
        .await
        .is(400, text);
    assert_eq!(
        server
            .ask("POST /recipe/session", "5.4", &short)
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn cookies_are_described_as_set_or_as_the_version_has_them() {
    for (settings, expected) in [
        (
            &[][..],
            [("none", 440), ("none", 440), ("lax", 401), ("lax", 401)],
        ),
        (
            &[
                ("cookie_same_site", "Strict"),
                ("session_expired_status_code", "403"),
            ],
            [("strict", 403); 4],
        ),
    ] {
        let server = Server::with(settings).await;
        for (version, (same_site, code)) in ["2.0", "2.1", "2.2", "2.3"].into_iter().zip(expected) {
            let shaken = server
                .ask("POST /handshake", version, &json!({}))
                .await
                .json();
            assert_eq!(shaken["cookieSameSite"], same_site, "{version}");
            assert_eq!(shaken["sessionExpiredStatusCode"], code, "{version}");
            // Nothing is said of the domain where it need not be, and a name that fits nobody before that.
            let domain = ["2.0", "2.1"].contains(&version).then_some("localhost");
            assert_eq!(shaken.get("cookieDomain").and_then(Value::as_str), domain);
            let made = server
                .ask("POST /session", version, &creation("u"))
                .await
                .json();
            for token in ["accessToken", "refreshToken", "idRefreshToken"] {
                assert_eq!(made[token]["sameSite"], same_site, "{version} {token}");
                assert_eq!(made[token].get("domain").and_then(Value::as_str), domain);
            }
        }
    }
}

#[tokio::test]
async fn keys_are_published_as_they_sign() {
    for algorithm in ["RS256", "ES256", "EdDSA"] {
        let server = Server::with(&[("signing_algorithm", algorithm)]).await;
        let answer = server.send("GET /.well-known/jwks.json", &[], None).await;
        assert!(
            answer.cache.as_ref().unwrap().starts_with("max-age=6047"),
            "{:?}",
            answer.cache
        );
        assert!(
            answer
                .cache
                .as_ref()
                .unwrap()
                .ends_with(", must-revalidate")
        );
        let json = answer.json();
        for (name, prefix) in [
            (algorithm, "d-"),
            (algorithm, "s-"),
            ("RS256", "d-"),
            ("RS256", "s-"),
        ] {
            let mut keys = json["keys"].as_array().unwrap().iter();
            let is_it = |key: &Value| {
                key["alg"] == name && key["kid"].as_str().unwrap().starts_with(prefix)
            };
            assert_eq!(keys.find(|key| is_it(key)).unwrap()["use"], "sig");
        }
    }
    let server = Server::with(&[]).await;
    let ask =
        json!({"algorithm": "rs256", "jwksDomain": "https://x", "payload": {}, "validity": 1});
    let jwt = server.ask("POST /recipe/jwt", "5.4", &ask).await.json();
    assert_eq!(keys(&jwt), set(&[("status jwt", true)]));
    let ask = json!({"algorithm": "none", "jwksDomain": "https://x", "payload": {}, "validity": 1});
    let refused = server.ask("POST /recipe/jwt", "5.4", &ask).await.json();
    assert_eq!(refused, json!({"status": "UNSUPPORTED_ALGORITHM_ERROR"}));
    let set = server
        .ask("GET /recipe/jwt/jwks", "5.4", &json!({}))
        .await
        .json();
    assert_eq!(
        (set["keys"].as_array().unwrap().len(), &set["status"]),
        (2, &json!("OK"))
    );
}

#[tokio::test]
async fn small_questions_have_small_answers() {
    let server = Server::with(&[]).await;
    let ask = async |ask: &str| server.send(ask, &[], None).await;
    ask("GET /").await.is(200, "Hello");
    ask("PUT /hello/").await.is(200, "Hello");
    assert_eq!(ask("GET /telemetry").await.json(), json!({"exists": false}));
    let unknown = json!({"status": "UNKNOWN_USER_ID_ERROR"});
    assert_eq!(ask("GET /user/id?userId=u").await.json(), unknown);
    ask("GET /user/id")
        .await
        .is(400, "Field name 'userId' is missing in GET request");
    ask("GET /recipe/session/verify")
        .await
        .is(405, "Method not supported");
    ask("GET /recipe/session/x").await.is(404, "Not found");
    ask("POST /recipe/signup").await.is(404, "Not found");
    ask("POST /Recipe/Session/")
        .await
        .is(400, "Invalid Json Input");
    let text =
        "/session DELETE is only available in CDI 1.0. Please call /session/remove POST instead";
    server
        .ask("DELETE /session", "2.0", &json!({}))
        .await
        .is(400, text);
}

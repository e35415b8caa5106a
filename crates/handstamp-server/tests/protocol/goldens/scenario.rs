//! What is asked in every version, whether it is there or not.

use std::time::Duration;

use super::super::*;
use super::HOW;
use super::scribe::Scribe;

const HOUR: Duration = Duration::from_hours(1);

/// Plays the scenario in a version of that epoch; answers the minutes.
pub(super) async fn scenario(version: Version, epoch: Version) -> String {
    let settings = [
        ("enable_anti_csrf", "true"),
        ("cookie_domain", "x.org"),
        ("refresh_token_rotation_grace_period", "0"),
    ];
    let mut s = Scribe::new(version, &settings).await;
    s.text = format!("Protocol {epoch}. To replace this on purpose: {HOW}\n");
    service(&mut s).await;
    let (handle, old) = session(&mut s).await;
    data(&mut s, &handle).await;
    s.tell("theft", "POST /session/refresh", Some(renewing(&old)))
        .await;
    removal(&mut s).await;
    variants(&mut s).await;
    bad_inputs(&mut s).await;
    tenants(&mut s).await;
    ends(&mut s).await;
    let text = s.text;

    // Nothing set: what is there by default.
    let mut s = Scribe::new(version, &[]).await;
    s.text = text + "\n## With nothing set\n";
    s.tell("handshake", "POST /handshake", Some(json!({})))
        .await;
    let made = s.tell("create", "POST /session", Some(creation("u"))).await;
    let ask = renewing(&made);
    s.tell("refresh", "POST /session/refresh", Some(ask.clone()))
        .await;
    s.tell("refresh, repeated soon", "POST /session/refresh", Some(ask))
        .await;
    s.text
}

fn with(mut body: Value, name: &str, value: Value) -> Value {
    body[name] = value;
    body
}

fn renewing(issued: &Value) -> Value {
    let mut ask = refreshing(&issued["refreshToken"]["token"]);
    ask["enableAntiCsrf"] = json!(true);
    if let Some(token) = issued.get("antiCsrfToken") {
        ask["antiCsrfToken"] = token.clone();
    }
    ask
}

async fn service(s: &mut Scribe) {
    s.at_root("hello", "GET /hello").await;
    s.at_root("root", "GET /").await;
    s.at_root("telemetry", "GET /telemetry").await;
    s.at_root("a user", "GET /user/id?userId=u").await;
    s.at_root("configuration", "GET /config?pid=0").await;
    s.at_root("mode", "GET /devproductionmode?pid=0").await;
    s.tell("handshake", "POST /handshake", Some(json!({})))
        .await;
    s.tell("handshake, no body", "POST /handshake", None).await;
    let jwt = json!({
        "payload": {"a": 1}, "algorithm": "RS256", "jwksDomain": "https://x.org", "validity": 60,
        "useStaticSigningKey": true,
    });
    s.tell("jwt", "POST /jwt", Some(jwt.clone())).await;
    let ask = with(jwt.clone(), "useStaticSigningKey", json!(false));
    s.tell("jwt by a dynamic key", "POST /jwt", Some(ask)).await;
    let ask = with(jwt.clone(), "algorithm", json!("ES256"));
    s.tell("jwt, another algorithm", "POST /jwt", Some(ask))
        .await;
    let ask = with(jwt, "validity", json!(0));
    s.tell("jwt, not for long", "POST /jwt", Some(ask)).await;
    s.tell("jwks", "GET /jwt/jwks", None).await;
    s.at_root("well-known jwks", "GET /.well-known/jwks.json")
        .await;
}

async fn session(s: &mut Scribe) -> (String, Value) {
    let mut ask = creation("u");
    ask["enableAntiCsrf"] = json!(true);
    let first = s.tell("create", "POST /session", Some(ask)).await;
    let ask = verifying(&first["accessToken"]["token"]);
    s.tell("verify fresh", "POST /session/verify", Some(ask))
        .await;
    let second = s
        .tell("refresh", "POST /session/refresh", Some(renewing(&first)))
        .await;
    let ask = verifying(&second["accessToken"]["token"]);
    let used = s
        .tell("verify first use", "POST /session/verify", Some(ask))
        .await;
    let wrong = refreshing(&json!("wrong"));
    s.tell("refresh, wrong token", "POST /session/refresh", Some(wrong))
        .await;
    let csrf = with(
        with(renewing(&second), "antiCsrfToken", json!("wrong")),
        "enableAntiCsrf",
        json!(true),
    );
    s.tell(
        "refresh, wrong anti-CSRF token",
        "POST /session/refresh",
        Some(csrf),
    )
    .await;
    let ask = verifying(&json!("wrong"));
    s.tell("verify, wrong token", "POST /session/verify", Some(ask))
        .await;
    let ask = with(
        verifying(&second["accessToken"]["token"]),
        "doAntiCsrfCheck",
        json!(true),
    );
    let ask = with(
        with(ask, "enableAntiCsrf", json!(true)),
        "antiCsrfToken",
        json!("wrong"),
    );
    s.tell(
        "verify, wrong anti-CSRF token",
        "POST /session/verify",
        Some(ask),
    )
    .await;
    let token = used
        .get("accessToken")
        .unwrap_or(&second["accessToken"])
        .get("token");
    let ask = json!({"accessToken": token, "userDataInJWT": {"role": "y"}});
    s.tell("regenerate", "POST /session/regenerate", Some(ask.clone()))
        .await;
    let stale = with(verifying(&ask["accessToken"]), "checkDatabase", json!(true));
    s.tell(
        "verify, the payload has changed",
        "POST /session/verify",
        Some(stale),
    )
    .await;
    let as_stored = json!({"accessToken": token});
    s.tell(
        "regenerate, payload as stored",
        "POST /session/regenerate",
        Some(as_stored),
    )
    .await;
    let protected = with(ask, "userDataInJWT", json!({"sub": "x"}));
    s.tell(
        "regenerate, protected claim",
        "POST /session/regenerate",
        Some(protected),
    )
    .await;
    let ask = json!({"accessToken": "wrong"});
    s.tell(
        "regenerate, wrong token",
        "POST /session/regenerate",
        Some(ask),
    )
    .await;
    (
        first["session"]["handle"].as_str().unwrap().to_owned(),
        first,
    )
}

async fn data(s: &mut Scribe, handle: &str) {
    let ask = format!("GET /session?sessionHandle={handle}");
    s.tell("session", &ask, None).await;
    let get = format!("GET /session/data?sessionHandle={handle}");
    s.tell("data", &get, None).await;
    let ask = json!({"sessionHandle": handle, "userDataInDatabase": {"n": 2}});
    s.tell("write data", "PUT /session/data", Some(ask)).await;
    s.tell("data, written", &get, None).await;
    let get = format!("GET /jwt/data?sessionHandle={handle}");
    s.tell("payload", &get, None).await;
    let ask = json!({"sessionHandle": handle, "userDataInJWT": {"role": "z"}});
    s.tell("write payload", "PUT /jwt/data", Some(ask)).await;
    s.tell("payload, written", &get, None).await;
    s.tell("sessions of a user", "GET /session/user?userId=u", None)
        .await;
}

async fn removal(s: &mut Scribe) {
    let made = s
        .tell("create another", "POST /session", Some(creation("v")))
        .await;
    let handle = made["session"]["handle"].as_str().unwrap().to_owned();
    let ask = json!({"sessionHandles": [handle]});
    s.tell("remove", "POST /session/remove", Some(ask.clone()))
        .await;
    s.tell("remove, in 1.0", "DELETE /session", Some(ask)).await;
    let ask = format!("GET /session/data?sessionHandle={handle}");
    s.tell("data, removed", &ask, None).await;
    let ask = verifying(&made["accessToken"]["token"]);
    s.tell("verify, removed", "POST /session/verify", Some(ask))
        .await;
    let ask = renewing(&made);
    s.tell("refresh, removed", "POST /session/refresh", Some(ask))
        .await;
    let ask = json!({"accessToken": made["accessToken"]["token"]});
    s.tell("regenerate, removed", "POST /session/regenerate", Some(ask))
        .await;
    s.tell(
        "session, removed",
        &format!("GET /session?sessionHandle={handle}"),
        None,
    )
    .await;
    let ask = json!({"sessionHandle": handle, "userDataInDatabase": {}});
    s.tell("write data, removed", "PUT /session/data", Some(ask))
        .await;
    let ask = json!({"sessionHandle": handle, "userDataInJWT": {}});
    s.tell("write payload, removed", "PUT /jwt/data", Some(ask))
        .await;
    s.tell("create a third", "POST /session", Some(creation("v")))
        .await;
    for (title, ask) in [
        ("remove, nobody", json!({})),
        (
            "remove, both ways",
            json!({"userId": "v", "sessionHandles": []}),
        ),
        ("remove, by user", json!({"userId": "v"})),
    ] {
        s.tell(title, "POST /session/remove", Some(ask.clone()))
            .await;
        s.tell(title, "DELETE /session", Some(ask)).await;
    }
    for flag in ["revokeAcrossAllTenants", "revokeSessionsForLinkedAccounts"] {
        let ask = json!({"sessionHandles": [], flag: true});
        s.tell("remove, a flag", "POST /session/remove", Some(ask))
            .await;
    }
}

async fn variants(s: &mut Scribe) {
    let ask = with(creation("w"), "useDynamicSigningKey", json!(false));
    let made = s
        .tell("create, static key", "POST /session", Some(ask))
        .await;
    let ask = renewing(&made);
    s.tell(
        "refresh, dynamic key from here on",
        "POST /session/refresh",
        Some(ask),
    )
    .await;
    let ask = with(
        creation("w"),
        "userDataInJWT",
        json!({"sub": "x", "none": null, "n": 1.10}),
    );
    s.tell("create, protected claim", "POST /session", Some(ask))
        .await;
    let ask = with(
        creation("w"),
        "userDataInJWT",
        json!({"tId": "x", "none": null, "é": [1.5]}),
    );
    s.tell("create, another claim", "POST /session", Some(ask))
        .await;
    for (title, validity) in [
        ("create for a minute", json!(60_000)),
        ("create for too long", json!(3_600_001)),
    ] {
        let ask = with(creation("w"), "accessTokenValidity", validity);
        s.tell(title, "POST /session", Some(ask)).await;
    }
}

async fn tenants(s: &mut Scribe) {
    let v2 = if since(s.version, "5.0") { "/v2" } else { "" };
    let app = json!({"appId": "shop", "coreConfig": {"access_token_validity": 60}});
    let ask = format!("PUT /multitenancy/app{v2}");
    s.tell("make an app", &ask, Some(app.clone())).await;
    s.tell("make it again", &ask, Some(app)).await;
    let ask = format!("PUT /multitenancy/tenant{v2}");
    s.tell("make a tenant", &ask, Some(json!({"tenantId": "t1"})))
        .await;
    s.tell("apps", &format!("GET /multitenancy/app/list{v2}"), None)
        .await;
    s.tell(
        "tenants",
        &format!("GET /multitenancy/tenant/list{v2}"),
        None,
    )
    .await;
    s.tell("a tenant", &format!("GET /multitenancy/tenant{v2}"), None)
        .await;
    let version = s.version.to_string();
    for place in ["/t1", "/appid-shop", "/nobody"] {
        let ask = format!("POST {place}{}/session", base(s.version));
        s.raw("create elsewhere", &ask, &version, Some(&creation("x")))
            .await;
    }
    let ask = format!("GET /t1{}/session/user?userId=x", base(s.version));
    s.raw(
        "sessions of a user everywhere, asked of a tenant",
        &ask,
        &version,
        None,
    )
    .await;
    let ask = format!("{ask}&fetchAcrossAllTenants=false");
    s.raw("sessions of a user in a tenant", &ask, &version, None)
        .await;
    s.tell(
        "remove a tenant",
        "POST /multitenancy/tenant/remove",
        Some(json!({"tenantId": "t1"})),
    )
    .await;
    s.tell(
        "remove an app",
        "POST /multitenancy/app/remove",
        Some(json!({"appId": "shop"})),
    )
    .await;
}

/// Tokens and sessions that have run out.
async fn ends(s: &mut Scribe) {
    let made = s.tell("create", "POST /session", Some(creation("y"))).await;
    s.wait(HOUR + Duration::from_millis(1));
    let access = &made["accessToken"]["token"];
    s.tell(
        "verify, expired",
        "POST /session/verify",
        Some(verifying(access)),
    )
    .await;
    let ask = json!({"accessToken": access, "userDataInJWT": {"role": "z"}});
    s.tell("regenerate, expired", "POST /session/regenerate", Some(ask))
        .await;
    let ask = renewing(&made);
    s.tell("refresh", "POST /session/refresh", Some(ask.clone()))
        .await;
    s.wait(HOUR * 24 * 101);
    s.tell("refresh, session over", "POST /session/refresh", Some(ask))
        .await;
    s.tell(
        "sessions of a user, over",
        "GET /session/user?userId=y",
        None,
    )
    .await;
}

async fn bad_inputs(s: &mut Scribe) {
    let missing = json!({"userDataInJWT": {}, "userDataInDatabase": {}, "enableAntiCsrf": false});
    s.tell("a field is missing", "POST /session", Some(missing))
        .await;
    let wrong = json!({"userId": "u", "userDataInJWT": 1, "userDataInDatabase": {}, "enableAntiCsrf": false});
    s.tell("a field has a wrong type", "POST /session", Some(wrong))
        .await;
    s.tell("no body", "POST /session/refresh", None).await;
    s.tell("no parameter", "GET /session/data", None).await;
    s.tell("no such path", "GET /nowhere", None).await;
    let path = format!("GET {}/session/user?userId=u", base(s.version));
    s.raw("a malformed version", &path, "5..6", None).await;
    s.raw("an unknown version", &path, "77.7", None).await;
}

//! What no SDK sends: each request of each version with something wrong in it. Each has its status and its text, and changes
//! nothing.

use handstamp::clock::UnixMillis;
use handstamp::session::{Session, SessionData};
use handstamp::storage::{Storage, TenantRecord};
use handstamp::{AppId, UserId};

use super::*;

mod operations;

use operations::{Field, Operation, operations, questions};

/// A server with an app `shop` beside the default one, a tenant `t1` in both, and a session of `u` in each of the four.
struct World {
    server: Server,
    store: Arc<dyn Storage>,
}

impl World {
    async fn new() -> Self {
        let parts = Parts::with_storage(MemoryStorage::new());
        let store = Arc::clone(&parts.storage);
        let settings = [
            ("enable_anti_csrf", "false"),
            ("session_data_limit", "10000"),
        ];
        let server = Server::over(parts, &settings).await;
        let made = async |ask: &str, body| server.ask(ask, "5.4", &body).await.json();
        made("PUT /recipe/multitenancy/app", json!({"appId": "shop"})).await;
        for app in ["", "/appid-shop"] {
            let ask = format!("PUT {app}/recipe/multitenancy/tenant");
            made(&ask, json!({"tenantId": "t1"})).await;
        }
        for place in ["", "/t1", "/appid-shop", "/appid-shop/t1"] {
            made(&format!("POST {place}/recipe/session"), creation("u")).await;
        }
        Self { server, store }
    }

    /// A new session of `u` in the app and tenant of `place`.
    async fn create(&self, place: &str, version: Version) -> Value {
        let ask = format!("POST {place}{}/session", base(version));
        self.server.ask(&ask, version, &creation("u")).await.json()
    }

    /// All that is stored but keys, which may be made when they are asked for.
    async fn stored(&self) -> (Vec<(Session, SessionData)>, Vec<TenantRecord>) {
        let mut sessions = vec![];
        let user = UserId::parse("u").unwrap();
        for app in [AppId::PUBLIC, AppId::parse("shop").unwrap()] {
            let now = UnixMillis::new(0);
            let handles = self.store.handles_of_user(&app, None, &user, now).await;
            for handle in handles.unwrap() {
                let session = self.store.session(&app, &handle).await.unwrap().unwrap();
                let data = self.store.session_data(&app, &handle).await.unwrap();
                sessions.push((session, data.unwrap()));
            }
        }
        sessions.sort_by_key(|(session, _)| session.handle.to_string());
        let mut tenants = self.store.tenants().await.unwrap();
        tenants.sort_by_key(|record| (record.app.clone(), record.tenant.clone()));
        (sessions, tenants)
    }

    async fn sent(&self, ask: &str, version: Version, body: impl Into<Body>) -> Answer {
        let version = version.to_string();
        let headers = [("cdi-version", &*version)];
        self.server.send_raw(ask, &headers, body.into()).await
    }
}

fn invalid(name: &str) -> String {
    format!("Field name '{name}' is invalid in JSON input")
}

#[tokio::test]
async fn each_field_is_asked_for_and_has_one_type() {
    let world = World::new().await;
    for version in SPOKEN.iter().copied() {
        let made = world.create("", version).await;
        let before = world.stored().await;
        for Operation { ask, body, fields } in operations(version, &made) {
            for Field { name, kind, needed } in fields {
                let about = format!("{version} {ask} {name}");
                let sent = async |body: &Value| world.server.ask(&ask, version, body).await;
                let mut wrong = body.clone();
                for value in kind.wrong() {
                    wrong[name] = value.clone();
                    let answer = sent(&wrong).await;
                    assert_eq!(answer.status, 400, "{about} {value}");
                    assert_eq!(answer.text.trim_end(), invalid(name), "{about} {value}");
                }
                if needed {
                    wrong.as_object_mut().unwrap().remove(name);
                    sent(&wrong).await.is(400, &invalid(name));
                }
                // Readers disagree on which of two counts.
                let value = body.get(name).cloned().unwrap_or_default();
                let text = body.to_string();
                let text = text.strip_suffix('}').unwrap();
                let twice = format!("{text},\"{name}\":{value},\"{name}\":{value}}}");
                let answer = world.sent(&ask, version, twice).await;
                assert_eq!(answer.status, 400, "{about} twice");
                answer.is(400, "Invalid Json Input");
            }
        }
        assert!(world.stored().await == before, "{version}");
    }
}

#[tokio::test]
async fn a_body_is_one_json_object() {
    let world = World::new().await;
    for version in SPOKEN.iter().copied() {
        let made = world.create("", version).await;
        let before = world.stored().await;
        let mut asks: Vec<_> = operations(version, &made)
            .into_iter()
            .map(|operation| (operation.ask, operation.body.to_string()))
            .collect();
        if !since(version, "2.8") {
            asks.push((format!("POST {}/handshake", base(version)), "{}".to_owned()));
        }
        for (ask, good) in asks {
            let unfinished = good.strip_suffix('}').unwrap();
            for bad in [
                "",
                " ",
                "null",
                "true",
                "1",
                "\"{}\"",
                "[]",
                "[{}]",
                "{'a':1}",
                "{a:1}",
                "{}{}",
                "\0",
                "{\"a\":\"\u{1}\"}",
                "{\"\\ud800\":1}",
                unfinished,
                &format!("{good}x"),
                &format!("// {good}"),
                &format!("\u{feff}{good}"),
            ] {
                let answer = world.sent(&ask, version, bad.to_owned()).await;
                assert_eq!(answer.status, 400, "{version} {ask} {bad}");
                answer.is(400, "Invalid Json Input");
            }
            let bytes = [good.as_bytes(), b"\xff"].concat();
            let answer = world.sent(&ask, version, bytes).await;
            answer.is(400, "Invalid Json Input");
        }
        assert!(world.stored().await == before, "{version}");
    }
}

#[tokio::test]
async fn what_is_too_large_is_refused_and_the_limit_told() {
    let world = World::new().await;
    let long = |length: usize| "x".repeat(length);
    for version in SPOKEN.iter().copied() {
        let made = world.create("", version).await;
        let before = world.stored().await;
        for Operation { ask, body, fields } in operations(version, &made) {
            let there = |name: &str| fields.iter().any(|field| field.name == name);
            let sent = async |name: &str, value: Value| {
                let mut body = body.clone();
                body[name] = value;
                world.server.ask(&ask, version, &body).await
            };
            if there("userId") {
                let mut body = body.clone();
                body.as_object_mut().unwrap().remove("sessionHandle");
                body["userId"] = json!(long(129));
                let text = format!(
                    "{}: it must be at most 128 characters long",
                    invalid("userId")
                );
                world.server.ask(&ask, version, &body).await.is(400, &text);
                body["userId"] = json!("\0");
                let text = format!("{}: it must not contain a NUL character", invalid("userId"));
                world.server.ask(&ask, version, &body).await.is(400, &text);
            }
            for (name, length, limit) in [
                ("userDataInDatabase", 10_000, "10000"),
                ("userDataInJWT", 50_000, "40960"),
            ] {
                if there(name) {
                    let answer = sent(name, json!({"x": long(length)})).await;
                    assert_eq!(answer.status, 400, "{version} {ask} {name}");
                    assert!(answer.text.starts_with(&invalid(name)), "{}", answer.text);
                    assert!(answer.text.contains(limit), "{ask} {}", answer.text);
                }
            }
            for (name, status) in [
                (
                    "accessToken",
                    if ask.ends_with("verify") {
                        "TRY_REFRESH_TOKEN"
                    } else {
                        "UNAUTHORISED"
                    },
                ),
                ("refreshToken", "UNAUTHORISED"),
                (
                    "sessionHandle",
                    if ask.starts_with("DELETE") {
                        "OK"
                    } else {
                        "UNAUTHORISED"
                    },
                ),
            ] {
                if there(name) {
                    let answer = sent(name, json!(long(100_000))).await;
                    assert_eq!(answer.json()["status"], status, "{version} {ask}");
                }
            }
            for name in ["appId", "tenantId"] {
                if there(name) {
                    let text = format!(
                        "{}: it must be 1 to 64 characters of a-z, 0-9 and -",
                        invalid(name)
                    );
                    sent(name, json!(long(65))).await.is(400, &text);
                }
            }
            let answer = sent("x", json!(long(300_000))).await;
            answer.is(413, "The request's body must be at most 272144 bytes long");
            let many: serde_json::Map<_, _> =
                (0..100).map(|n| (format!("x{n}"), json!(n))).collect();
            let answer = world.server.ask(&ask, version, &Value::Object(many)).await;
            answer.is(400, "Invalid Json Input");
        }
        assert!(world.stored().await == before, "{version}");
    }
}

#[tokio::test]
async fn questions_need_their_parameter_and_no_other() {
    let world = World::new().await;
    for version in SPOKEN.iter().copied() {
        let made = world.create("", version).await;
        let handle = made["session"]["handle"].as_str().unwrap();
        let before = world.stored().await;
        for (ask, name) in questions(version) {
            let missing = format!("Field name '{name}' is missing in GET request");
            let sent = async |query: &str| {
                world
                    .sent(&format!("{ask}{query}"), version, Body::empty())
                    .await
            };
            for query in ["", "?", "?x=1", &format!("?{}=u", name.to_uppercase())] {
                sent(query).await.is(400, &missing);
            }
            let value = if name == "userId" { "u" } else { handle };
            let plain = sent(&format!("?{name}={value}")).await.json();
            for query in [
                format!("?x=1&{name}={value}&y"),
                // The first counts.
                format!("?{name}={value}&{name}=other"),
                format!("?%{:x}{}={value}", name.as_bytes()[0], &name[1..]),
            ] {
                assert_eq!(sent(&query).await.json(), plain, "{version} {ask}{query}");
            }
            let long = "x".repeat(5_000);
            for value in ["", "%00", "%ff", "%", "'", "x_t1", "_", &long] {
                let answer = sent(&format!("?{name}={value}")).await.json();
                let status = match (name, &*ask) {
                    ("sessionHandle", _) => "UNAUTHORISED",
                    (_, "GET /user/id") => "UNKNOWN_USER_ID_ERROR",
                    _ => "OK",
                };
                assert_eq!(answer["status"], status, "{version} {ask} {value}");
            }
        }
        assert!(world.stored().await == before, "{version}");
    }
}

#[tokio::test]
async fn a_path_has_its_methods_and_one_spelling_or_more() {
    let world = World::new().await;
    for version in SPOKEN.iter().copied() {
        let made = world.create("", version).await;
        let before = world.stored().await;
        let mut known: Vec<String> = operations(version, &made)
            .into_iter()
            .map(|operation| operation.ask)
            .chain(questions(version).into_iter().map(|(ask, _)| ask))
            .collect();
        if (since(version, "2.0")) && !since(version, "2.4") {
            // It says where revocation has gone.
            known.push("DELETE /session".to_owned());
        }
        if since(version, "3.0") {
            known.push("GET /recipe/multitenancy/tenant".to_owned());
        }
        if since(version, "5.0") {
            known.push("GET /recipe/multitenancy/tenant/v2".to_owned());
        }
        for (method, path) in known.iter().map(|ask| ask.split_once(' ').unwrap()) {
            for other in [
                "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "get",
            ] {
                let ask = format!("{other} {path}");
                if !known.contains(&ask) {
                    let answer = world.sent(&ask, version, Body::empty()).await;
                    assert_eq!(answer.status, 405, "{version} {ask}");
                    // HEAD is answered like any other, but without the text.
                    let text = if other == "HEAD" {
                        ""
                    } else {
                        "Method not supported"
                    };
                    answer.is(405, text);
                }
            }
            let plain = world
                .sent(&format!("{method} {path}"), version, Body::empty())
                .await;
            for spelt in [
                format!("{path}/"),
                path.to_uppercase(),
                format!("{}/", path.to_uppercase()),
            ] {
                let answer = world
                    .sent(&format!("{method} {spelt}"), version, Body::empty())
                    .await;
                if since(version, "2.4") {
                    assert_eq!(
                        (answer.status, answer.text),
                        (plain.status, plain.text.clone()),
                        "{version} {spelt}"
                    );
                } else {
                    answer.is(404, "Not found");
                }
            }
            for spelt in [
                format!("{path}//"),
                format!("{path}/x"),
                format!("{path}x"),
                format!("{path}%20"),
                format!("{path};x"),
                format!("/{path}"),
                format!("{path}/."),
                path.replacen('s', "%73", 1),
            ] {
                if spelt != path {
                    let answer = world
                        .sent(&format!("{method} {spelt}"), version, Body::empty())
                        .await;
                    assert_eq!(answer.status, 404, "{version} {method} {spelt}");
                    answer.is(404, "Not found");
                }
            }
        }
        assert!(world.stored().await == before, "{version}");
    }
}

#[tokio::test]
async fn a_version_that_is_none_is_refused_whatever_is_asked() {
    let world = World::new().await;
    let newest = *SPOKEN.last().unwrap();
    let made = world.create("", newest).await;
    let before = world.stored().await;
    for Operation { ask, body, .. } in operations(newest, &made) {
        let sent = async |version: &str| {
            let headers = [("cdi-version", version)];
            world.server.send(&ask, &headers, Some(&body)).await
        };
        let long = "5.".repeat(40) + "4";
        for version in [
            "", " ", "x", "v5.4", "5.", ".5", "5..4", "5.4a", "-1", "+5.4", "5,4", "5.4 5.4", &long,
        ] {
            let answer = sent(version).await;
            assert_eq!(answer.status, 400, "{ask} {version:?}");
            answer.is(400, "cdi-version header is invalid");
        }
        for version in [
            "0.9",
            "1",
            "1.1",
            "2.22",
            "5.04",
            "5.4.0",
            "5.99",
            "99999999999.0",
        ] {
            let text = format!("cdi-version {version} not supported");
            sent(version).await.is(400, &text);
        }
    }
    assert!(world.stored().await == before);
}

#[tokio::test]
async fn apps_and_tenants_that_are_not_there_are_named() {
    let world = World::new().await;
    for version in SPOKEN.iter().copied() {
        let made = world.create("", version).await;
        let before = world.stored().await;
        let bodies = operations(version, &made)
            .into_iter()
            .map(|operation| (operation.ask, operation.body.to_string()));
        let questions = questions(version)
            .into_iter()
            .map(|(ask, name)| (format!("{ask}?{name}=u"), String::new()));
        for (ask, body) in bodies.chain(questions) {
            for (place, app, tenant) in [
                ("/appid-none", "none", "public"),
                ("/appid-none/t1", "none", "t1"),
                ("/none", "public", "none"),
                ("/appid-shop/none", "shop", "none"),
            ] {
                let ask = ask.replacen(' ', &format!(" {place}"), 1);
                let answer = world.sent(&ask, version, body.clone()).await;
                let about = format!("{version} {ask}: {}", answer.text);
                let named = format!("combination not found: (, {app}, {tenant})");
                match answer.status.as_u16() {
                    404 => assert!(tenant != "public" && !since(version, "3.0"), "{about}"),
                    403 => assert!(tenant != "public" && since(version, "5.0"), "{about}"),
                    400 => assert!(answer.text.trim_end().ends_with(&named), "{about}"),
                    _ => panic!("{about}"),
                }
            }
        }
        assert!(world.stored().await == before, "{version}");
    }
}

#[tokio::test]
async fn what_is_another_apps_is_not_found() {
    let world = World::new().await;
    for version in SPOKEN.iter().copied() {
        let places: &[&str] = if since(version, "3.0") {
            &["/appid-shop", "/appid-shop/t1"]
        } else {
            &["/appid-shop"]
        };
        for place in places {
            let made = world.create(place, version).await;
            let handle = made["session"]["handle"].as_str().unwrap();
            let before = world.stored().await;
            for Operation { ask, body, .. } in operations(version, &made) {
                let asked = ask.rsplit('/').next().unwrap();
                let (body, status) = match (ask.split_once(' ').unwrap().0, asked) {
                    ("DELETE", _) => (body, "OK"),
                    (_, "remove") if !ask.contains("multitenancy") => {
                        (json!({"sessionHandles": [handle]}), "OK")
                    }
                    (_, "verify") => (body, "TRY_REFRESH_TOKEN"),
                    (_, "refresh" | "data" | "regenerate") => (body, "UNAUTHORISED"),
                    // These are about no session that there is.
                    _ => continue,
                };
                let answer = world.server.ask(&ask, version, &body).await.json();
                assert_eq!(answer["status"], status, "{version} {ask} {answer}");
            }
            for (ask, name) in questions(version) {
                if name == "sessionHandle" {
                    let ask = format!("{ask}?sessionHandle={handle}");
                    let answer = world.server.ask(&ask, version, &json!({})).await.json();
                    assert_eq!(answer["status"], "UNAUTHORISED", "{version} {ask}");
                }
            }
            assert!(world.stored().await == before, "{version}");
        }
    }
}

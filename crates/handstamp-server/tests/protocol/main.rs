//! The protocol, request by request, in every version: driven in process, over a store in memory.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use handstamp::Parts;
use handstamp::jws::FixtureKeys;
use handstamp::storage::memory::MemoryStorage;
use handstamp_server::cdi::{self, Registry, SPOKEN, Version};
use handstamp_server::settings::{ServerConfig, Settings};
use serde_json::{Value, json};
use tower::ServiceExt as _;

struct Server(Router);

struct Answer {
    status: StatusCode,
    text: String,
    cache: Option<String>,
    kind: Option<String>,
}

impl Answer {
    fn json(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text);
        serde_json::from_str(&self.text).unwrap()
    }

    #[track_caller]
    fn is(&self, status: u16, text: &str) {
        assert_eq!(
            (self.status.as_u16(), self.text.trim_end_matches('\n')),
            (status, text)
        );
    }
}

impl Server {
    async fn with(settings: &[(&'static str, &str)]) -> Self {
        Self::over(Parts::with_storage(MemoryStorage::new()), settings).await
    }

    async fn over(parts: Parts, settings: &[(&'static str, &str)]) -> Self {
        let flags = settings
            .iter()
            .map(|(name, value)| (*name, Some((*value).to_owned())));
        let settings = Settings::collect(None, [], flags).unwrap();
        let config = ServerConfig::try_from(&settings).unwrap();
        let parts = Parts {
            keys: Arc::new(FixtureKeys::default()),
            ..parts
        };
        let registry = Registry::open(parts, config.clone()).await.unwrap();
        Self(cdi::router(registry, &config))
    }

    async fn send(&self, ask: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Answer {
        let body = body.map(ToString::to_string).unwrap_or_default();
        self.send_raw(ask, headers, Body::from(body)).await
    }

    async fn send_raw(&self, ask: &str, headers: &[(&str, &str)], body: Body) -> Answer {
        let (method, path) = ask.split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(body).unwrap();
        let response = self.0.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let header = |name| {
            let value = response.headers().get(name);
            value.map(|value| value.to_str().unwrap().to_owned())
        };
        let (cache, kind) = (header("cache-control"), header("content-type"));
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await;
        let text = String::from_utf8(body.unwrap().to_vec()).unwrap();
        Answer {
            status,
            text,
            cache,
            kind,
        }
    }

    async fn ask(&self, ask: &str, version: impl ToString, body: &Value) -> Answer {
        let version = version.to_string();
        self.send(ask, &[("cdi-version", &version)], Some(body))
            .await
    }
}

/// The names of an object's members.
fn keys(value: &Value) -> BTreeSet<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

fn since(version: Version, first: &str) -> bool {
    version >= Version::spoken(first).unwrap()
}

/// Those of `names` whose condition holds.
fn set<'a>(names: &[(&'a str, bool)]) -> BTreeSet<&'a str> {
    names
        .iter()
        .filter(|(_, there)| *there)
        .flat_map(|(names, _)| names.split_whitespace())
        .collect()
}

fn base(version: Version) -> &'static str {
    if since(version, "2.4") { "/recipe" } else { "" }
}

/// A request with every field that some version needs.
fn creation(user: &str) -> Value {
    json!({
        "userId": user, "userDataInJWT": {"role": "x"}, "userDataInDatabase": {"n": 1},
        "enableAntiCsrf": false, "useDynamicSigningKey": true,
    })
}

fn refreshing(token: &Value) -> Value {
    json!({"refreshToken": token, "enableAntiCsrf": false, "useDynamicSigningKey": true})
}

fn verifying(token: &Value) -> Value {
    json!({
        "accessToken": token, "doAntiCsrfCheck": false, "enableAntiCsrf": false,
        "checkDatabase": true,
    })
}

fn key_fields(version: Version) -> [(&'static str, bool); 2] {
    [
        (
            "jwtSigningPublicKey jwtSigningPublicKeyExpiryTime",
            !since(version, "2.21"),
        ),
        (
            "jwtSigningPublicKeyList",
            since(version, "2.9") && !since(version, "2.21"),
        ),
    ]
}

#[expect(clippy::too_many_lines, reason = "one walk through all operations")]
#[tokio::test]
async fn each_version_has_its_own_fields() {
    let server = Server::with(&[("enable_anti_csrf", "false"), ("cookie_domain", "x.org")]).await;
    for version in SPOKEN.iter().copied() {
        let at = |ask: &str| ask.replacen(' ', &format!(" {}", base(version)), 1);
        let since = |first: &str| since(version, first);
        let session = set(&[
            ("handle userId userDataInJWT", true),
            ("tenantId", since("3.0")),
            ("recipeUserId", since("4.0")),
        ]);
        let token = |id: bool| {
            set(&[
                ("token expiry createdTime", true),
                (
                    "cookiePath cookieSecure domain",
                    !since("2.4") && (!id || since("2.0")),
                ),
                ("sameSite", since("2.0") && !since("2.4")),
            ])
        };
        let issued = [
            ("status session accessToken refreshToken", true),
            ("idRefreshToken", !since("2.21")),
        ];

        let answer = server
            .ask(&at("POST /session"), version, &creation("u"))
            .await;
        let created = answer.json();
        let expected = [&issued[..], &key_fields(version)[..]].concat();
        assert_eq!(keys(&created), set(&expected), "create in {version}");
        assert_eq!(keys(&created["session"]), session, "session in {version}");
        assert_eq!(keys(&created["accessToken"]), token(false), "{version}");
        if !since("2.21") {
            assert_eq!(keys(&created["idRefreshToken"]), token(true), "{version}");
        }
        let handle = created["session"]["handle"].as_str().unwrap();

        let verified = server
            .ask(
                &at("POST /session/verify"),
                version,
                &verifying(&created["accessToken"]["token"]),
            )
            .await
            .json();
        let expected = [
            &[
                ("status session", true),
                ("payloadUpdateAvailable", since("5.6")),
            ][..],
            &key_fields(version)[..],
        ]
        .concat();
        assert_eq!(keys(&verified), set(&expected), "verify in {version}");

        let refused = server
            .ask(
                &at("POST /session/verify"),
                version,
                &verifying(&json!("x")),
            )
            .await
            .json();
        assert_eq!(refused["status"], "TRY_REFRESH_TOKEN");
        let mut expected = vec![("status message", true)];
        if since("2.7") {
            expected.extend(key_fields(version));
        }
        assert_eq!(keys(&refused), set(&expected), "try refresh in {version}");

        let refreshed = server
            .ask(
                &at("POST /session/refresh"),
                version,
                &refreshing(&created["refreshToken"]["token"]),
            )
            .await
            .json();
        assert_eq!(keys(&refreshed), set(&issued), "refresh in {version}");
        let access = &refreshed["accessToken"]["token"];
        let first_use = server
            .ask(&at("POST /session/verify"), version, &verifying(access))
            .await
            .json();
        assert_eq!(
            first_use.get("accessToken").is_some(),
            !since("5.6"),
            "first use in {version}"
        );

        let seen = server
            .ask(
                &at(&format!("GET /session/data?sessionHandle={handle}")),
                version,
                &json!({}),
            )
            .await
            .json();
        assert_eq!(
            seen,
            json!({"status": "OK", "userDataInDatabase": {"n": 1}})
        );

        let shown = server
            .ask(
                &at(&format!("GET /session?sessionHandle={handle}")),
                version,
                &json!({}),
            )
            .await;
        if since("2.8") {
            let expected = set(&[
                (
                    "status sessionHandle userId userDataInDatabase userDataInJWT expiry timeCreated",
                    true,
                ),
                ("tenantId", since("3.0")),
                ("recipeUserId", since("4.0")),
            ]);
            assert_eq!(keys(&shown.json()), expected, "session in {version}");
        } else {
            shown.is(405, "Method not supported");
        }

        let shaken = server
            .ask(&at("POST /handshake"), version, &json!({}))
            .await;
        if since("2.21") {
            shaken.is(404, "Not found");
        } else {
            let expected = [
                &[
                    ("status accessTokenBlacklistingEnabled", true),
                    ("enableAntiCsrf", !since("2.6")),
                    ("accessTokenValidity refreshTokenValidity", since("2.4")),
                    (
                        "cookieDomain cookieSecure accessTokenPath refreshTokenPath",
                        !since("2.4"),
                    ),
                    (
                        "cookieSameSite idRefreshTokenPath sessionExpiredStatusCode",
                        since("2.0") && !since("2.4"),
                    ),
                ][..],
                &key_fields(version)[..],
            ]
            .concat();
            assert_eq!(
                keys(&shaken.json()),
                set(&expected),
                "handshake in {version}"
            );
        }

        if since("2.0") {
            let ask = json!({"accessToken": access, "userDataInJWT": {"role": null}});
            let again = server
                .ask(&at("POST /session/regenerate"), version, &ask)
                .await
                .json();
            assert_eq!(keys(&again), set(&[("status session accessToken", true)]));
            assert_eq!(again["session"]["userDataInJWT"], json!({"role": null}));
            assert_eq!(keys(&again["accessToken"]), token(false), "{version}");
            let read = server
                .ask(
                    &at(&format!("GET /jwt/data?sessionHandle={handle}")),
                    version,
                    &json!({}),
                )
                .await;
            assert_eq!(
                read.json(),
                json!({"status": "OK", "userDataInJWT": {"role": null}})
            );
            let ask = json!({"sessionHandle": handle, "userDataInJWT": {"sub": "me"}});
            let written = server.ask(&at("PUT /jwt/data"), version, &ask).await;
            if since("2.21") {
                written.is(400, "The user payload contains protected field");
            } else {
                assert_eq!(written.json(), json!({"status": "OK"}));
                let ask = json!({"sessionHandle": handle, "userDataInJWT": {}});
                server.ask(&at("PUT /jwt/data"), version, &ask).await.json();
            }
            let ask = json!({"sessionHandles": [handle]});
            let removed = server
                .ask(&at("POST /session/remove"), version, &ask)
                .await
                .json();
            assert_eq!(
                removed,
                json!({"status": "OK", "sessionHandlesRevoked": [handle]})
            );
        }
        let gone = server
            .ask(
                &at("GET /session/data?sessionHandle=x"),
                version,
                &json!({}),
            )
            .await
            .json();
        let gone_text = json!({"status": "UNAUTHORISED", "message": "Session does not exist."});
        assert_eq!(gone, gone_text);
    }
}

#[tokio::test]
async fn each_version_reports_theft_and_who_was_robbed() {
    let server = Server::with(&[
        ("enable_anti_csrf", "false"),
        ("refresh_token_rotation_grace_period", "0"),
    ])
    .await;
    for version in SPOKEN.iter().copied() {
        let path = |what: &str| format!("POST {}/session{what}", base(version));
        let first = server
            .ask(&path(""), version, &creation("thief"))
            .await
            .json();
        let stolen = refreshing(&first["refreshToken"]["token"]);
        let second = server.ask(&path("/refresh"), version, &stolen).await.json();
        let used = verifying(&second["accessToken"]["token"]);
        assert_eq!(
            server.ask(&path("/verify"), version, &used).await.json()["status"],
            "OK"
        );
        let theft = server.ask(&path("/refresh"), version, &stolen).await.json();
        let newest = since(version, "5.6");
        let expected = set(&[
            ("status session", true),
            ("recentTokenReuseSubtype", newest),
        ]);
        assert_eq!(keys(&theft), expected, "{version}");
        assert_eq!(theft["status"], "TOKEN_THEFT_DETECTED", "{version}");
        let robbed = set(&[
            ("handle userId", true),
            ("recipeUserId", since(version, "4.0")),
        ]);
        assert_eq!(keys(&theft["session"]), robbed, "{version}");
        // Up to 5.5 it is the SDK that ends the session.
        let owner = refreshing(&second["refreshToken"]["token"]);
        let status = server.ask(&path("/refresh"), version, &owner).await.json()["status"].clone();
        assert_eq!(
            status,
            if newest { "UNAUTHORISED" } else { "OK" },
            "{version}"
        );
    }
}

#[tokio::test]
async fn a_session_passes_through_all_versions_and_back() {
    let server = Server::with(&[("enable_anti_csrf", "false")]).await;
    let oldest = *SPOKEN.first().unwrap();
    let mut tokens = server
        .ask(
            &format!("POST {}/session", base(oldest)),
            oldest,
            &creation("traveller"),
        )
        .await
        .json();
    let handle = tokens["session"]["handle"].clone();
    for version in SPOKEN.iter().chain(SPOKEN.iter().rev()).copied() {
        let path = |what: &str| format!("POST {}/session{what}", base(version));
        let ask = refreshing(&tokens["refreshToken"]["token"]);
        tokens = server.ask(&path("/refresh"), version, &ask).await.json();
        assert_eq!(tokens["status"], "OK", "refresh in {version}: {tokens}");
        assert_eq!(tokens["session"]["handle"], handle);
        for reader in ["1.0", "2.20", "2.21", "3.1", "5.4", "5.6"] {
            let reader = Version::spoken(reader).unwrap();
            let path = format!("POST {}/session/verify", base(reader));
            let ask = verifying(&tokens["accessToken"]["token"]);
            let seen = server.ask(&path, reader, &ask).await.json();
            assert_eq!(
                seen["status"], "OK",
                "made in {version}, read in {reader}: {seen}"
            );
        }
    }
}

mod access;
mod bad_input;
mod eager;
mod goldens;
mod tenants;
mod versions;

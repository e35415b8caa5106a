//! What protocol 5.6 does otherwise: refresh tokens rotate at once, verification writes nothing, reuse ends the session here.

use std::time::Duration;

use handstamp::clock::{ManualClock, UnixMillis};

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const GRACE: &str = "refresh_token_rotation_grace_period";
const BEHAVIOUR: &str = "recent_token_reuse_behaviour";

/// A server whose clock moves when told.
struct World {
    server: Server,
    clock: Arc<ManualClock>,
}

impl World {
    async fn with(settings: &[(&'static str, &str)]) -> Self {
        let clock = Arc::new(ManualClock::new(UnixMillis::new(1_700_000_000_000)));
        let parts = Parts {
            clock: clock.clone(),
            ..Parts::with_storage(MemoryStorage::new())
        };
        let server = Server::over(parts, settings).await;
        Self { server, clock }
    }

    async fn create(&self) -> Value {
        self.tell("", "5.6", &creation("u")).await
    }

    async fn refresh(&self, version: &str, issued: &Value) -> Value {
        let ask = refreshing(&issued["refreshToken"]["token"]);
        self.tell("/refresh", version, &ask).await
    }

    async fn verify(&self, version: &str, issued: &Value, check: bool) -> Value {
        let mut ask = verifying(&issued["accessToken"]["token"]);
        ask["checkDatabase"] = json!(check);
        self.tell("/verify", version, &ask).await
    }

    async fn tell(&self, what: &str, version: &str, ask: &Value) -> Value {
        let path = format!("POST /recipe/session{what}");
        self.server.ask(&path, version, ask).await.json()
    }

    async fn is_alive(&self, issued: &Value) -> bool {
        let handle = issued["session"]["handle"].as_str().unwrap();
        let ask = format!("GET /recipe/session?sessionHandle={handle}");
        self.server.ask(&ask, "5.6", &json!({})).await.json()["status"] == "OK"
    }
}

#[track_caller]
fn ok(answer: Value) -> Value {
    assert_eq!(answer["status"], "OK", "{answer}");
    answer
}

fn life(issued: &Value) -> i64 {
    let token = &issued["accessToken"];
    token["expiry"].as_i64().unwrap() - token["createdTime"].as_i64().unwrap()
}

#[tokio::test]
async fn access_tokens_may_be_asked_to_live_shorter_and_no_longer() {
    let world = World::with(&[("access_token_validity", "600")]).await;
    let app = json!({"appId": "shop", "coreConfig": {"access_token_validity": 60}});
    let put = world
        .server
        .ask("PUT /recipe/multitenancy/app/v2", "5.6", &app);
    put.await.json();
    for (place, longest) in [("", 600_000), ("/appid-shop", 60_000)] {
        let made = world
            .server
            .ask(
                &format!("POST {place}/recipe/session"),
                "5.6",
                &creation("u"),
            )
            .await
            .json();
        assert_eq!(life(&made), longest);
        let asks = [
            (format!("POST {place}/recipe/session"), creation("u")),
            (
                format!("POST {place}/recipe/session/refresh"),
                refreshing(&made["refreshToken"]["token"]),
            ),
        ];
        for (ask, body) in asks {
            let ask_for = async |version: &str, validity: i64| {
                let mut body = body.clone();
                body["accessTokenValidity"] = json!(validity);
                world.server.ask(&ask, version, &body).await
            };
            let text = format!(
                "accessTokenValidity must be greater than 0 and at most the configured access_token_validity ({longest} ms)"
            );
            for validity in [0, -1, i64::MIN, longest + 1, i64::MAX] {
                ask_for("5.6", validity).await.is(400, &text);
            }
            // Older versions know nothing of it.
            for (version, validity, expected) in [
                ("5.6", longest, longest),
                ("5.6", 2000, 2000),
                ("5.4", 2000, longest),
            ] {
                let answer = ok(ask_for(version, validity).await.json());
                assert_eq!(life(&answer), expected, "{ask} {version}");
            }
        }
        // What was refused has made nothing.
        let ask = format!("GET {place}/recipe/session/user?userId=u");
        let found = world.server.ask(&ask, "5.6", &json!({})).await.json();
        assert_eq!(found["sessionHandles"].as_array().unwrap().len(), 4);
    }
}

#[tokio::test]
async fn a_repeated_token_brings_the_same_successor_within_the_window() {
    let world = World::with(&[]).await;
    let first = world.create().await;
    let second = ok(world.refresh("5.6", &first).await);
    world.clock.advance(SECOND * 9);
    let again = ok(world.refresh("5.6", &first).await);
    assert_eq!(
        again["refreshToken"]["token"],
        second["refreshToken"]["token"]
    );
    // The use of what came of it changes nothing of that.
    ok(world.verify("5.6", &second, true).await);
    let again = ok(world.refresh("5.6", &first).await);
    assert_eq!(again["refreshToken"], second["refreshToken"]);
    world.clock.advance(SECOND);
    let theft = world.refresh("5.6", &first).await;
    assert_eq!(theft["status"], "TOKEN_THEFT_DETECTED");
    assert!(!world.is_alive(&first).await);
}

/// Two answers to one refresh token, of which the second was used.
async fn branches(world: &World) -> [Value; 3] {
    let first = world.create().await;
    let lost = ok(world.refresh("5.4", &first).await);
    world.clock.advance(SECOND * 20);
    let kept = ok(world.refresh("5.4", &first).await);
    assert_ne!(lost["refreshToken"]["token"], kept["refreshToken"]["token"]);
    ok(world.verify("5.4", &kept, false).await);
    [first, lost, kept]
}

#[tokio::test]
async fn reuse_is_told_by_its_kind_and_ends_the_session() {
    for (settings, recent) in [
        (&[][..], "TOKEN_THEFT_DETECTED"),
        (&[(BEHAVIOUR, "TOKEN_THEFT")], "TOKEN_THEFT_DETECTED"),
        (&[(BEHAVIOUR, " unauthorised ")], "UNAUTHORISED"),
    ] {
        let world = World::with(settings).await;
        for (kind, status) in [
            ("RECENT_PREV", recent),
            ("ORPHANED_BRANCH", recent),
            ("STALE_LINEAGE", "TOKEN_THEFT_DETECTED"),
        ] {
            let [first, lost, kept] = branches(&world).await;
            world.clock.advance(SECOND * 20);
            let stolen = match kind {
                "RECENT_PREV" => &first,
                "ORPHANED_BRANCH" => &lost,
                _ => {
                    let next = ok(world.refresh("5.6", &kept).await);
                    ok(world.refresh("5.6", &next).await);
                    world.clock.advance(SECOND * 20);
                    &first
                }
            };
            let answer = world.refresh("5.6", stolen).await;
            assert_eq!(answer["status"], status, "{kind}");
            assert_eq!(answer["recentTokenReuseSubtype"], kind);
            let expected = if status == "UNAUTHORISED" {
                set(&[("status message recentTokenReuseSubtype", true)])
            } else {
                let robbed = &answer["session"];
                assert_eq!(robbed["handle"], first["session"]["handle"]);
                assert_eq!(keys(robbed), set(&[("handle userId recipeUserId", true)]));
                set(&[("status session recentTokenReuseSubtype", true)])
            };
            assert_eq!(keys(&answer), expected, "{kind}");
            assert!(!world.is_alive(&first).await, "{kind}");
            let honest = world.refresh("5.6", &kept).await;
            assert_eq!(honest["status"], "UNAUTHORISED", "{kind}");
            assert_eq!(keys(&honest), set(&[("status message", true)]));
        }
    }
}

#[tokio::test]
async fn verification_makes_nothing_and_tells_of_another_payload() {
    let world = World::with(&[]).await;
    let made = world.create().await;
    let handle = &made["session"]["handle"];
    let with_check = set(&[("status session payloadUpdateAvailable", true)]);
    for (payload, differs) in [
        (json!({"role": "x"}), false),
        (json!({"role": "y"}), true),
        (json!({}), true),
    ] {
        let body = json!({"sessionHandle": handle, "userDataInJWT": payload});
        let ask = "PUT /recipe/jwt/data";
        world.server.ask(ask, "5.6", &body).await.json();
        let seen = ok(world.verify("5.6", &made, true).await);
        assert_eq!(keys(&seen), with_check);
        assert_eq!(seen["payloadUpdateAvailable"], differs, "{payload}");
        assert_eq!(seen["session"]["userDataInJWT"], json!({"role": "x"}));
        let seen = ok(world.verify("5.6", &made, false).await);
        assert_eq!(keys(&seen), set(&[("status session", true)]));
        // The versions before make a token that says it, when they look.
        let seen = ok(world.verify("5.4", &made, true).await);
        assert_eq!(seen.get("accessToken").is_some(), differs);
        assert_eq!(seen["session"]["userDataInJWT"], payload);
    }
    // A child that nobody confirmed stays one, however often it is looked at.
    let child = ok(world.refresh("5.4", &made).await);
    for check in [true, false] {
        let seen = ok(world.verify("5.6", &child, check).await);
        assert!(seen.get("accessToken").is_none());
    }
    world.clock.advance(SECOND * 20);
    let other = ok(world.refresh("5.4", &made).await);
    assert_ne!(
        other["refreshToken"]["token"],
        child["refreshToken"]["token"]
    );
}

#[tokio::test]
async fn an_honest_client_with_an_outdated_access_token_refreshes() {
    let world = World::with(&[]).await;
    let first = world.create().await;
    let second = ok(world.refresh("5.6", &first).await);
    // A request that was on its way meanwhile.
    ok(world.verify("5.6", &first, true).await);
    world.clock.advance(SECOND);
    let third = ok(world.refresh("5.6", &second).await);
    let outdated = world.verify("5.6", &first, true).await;
    let expected = json!({"status": "TRY_REFRESH_TOKEN", "message": "rotated-out token branch; refresh required"});
    assert_eq!(outdated, expected);
    ok(world.verify("5.6", &first, false).await);
    ok(world.verify("5.6", &third, true).await);
    ok(world.refresh("5.6", &third).await);
}

#[tokio::test]
async fn lives_are_cut_by_chance_where_nobody_says_how_long() {
    let world = World::with(&[("access_token_validity_jitter", "0.25")]).await;
    let (mut made, mut renewed) = (BTreeSet::new(), BTreeSet::new());
    for _ in 0..40 {
        let first = world.create().await;
        made.insert(life(&first));
        let next = ok(world.refresh("5.6", &first).await);
        renewed.insert(life(&next));
        let mut short = creation("u");
        short["accessTokenValidity"] = json!(3_000_000);
        let exact = world.tell("", "5.6", &short).await;
        assert_eq!(life(&exact), 3_000_000);
        // A token of the same session that says something else ends when the one before would have.
        let ask = json!({"accessToken": next["accessToken"]["token"], "userDataInJWT": {}});
        let again = ok(world.tell("/regenerate", "5.6", &ask).await);
        assert_eq!(
            again["accessToken"]["expiry"],
            next["accessToken"]["expiry"]
        );
    }
    for lives in [made, renewed] {
        assert!(lives.len() > 10, "{lives:?}");
        assert!(
            lives
                .iter()
                .all(|life| (2_699_000..=3_600_000).contains(life))
        );
    }
}

/// Clients of all policies take turns on one session, whatever the window.
#[tokio::test]
async fn policies_mix_on_one_session() {
    for window in ["0", "10"] {
        let world = World::with(&[(GRACE, window)]).await;
        let versions = [
            "5.6", "5.4", "5.6", "5.6", "2.21", "4.0", "5.6", "3.0", "3.0",
        ];
        let mut held = world.create().await;
        for (turn, version) in versions.into_iter().enumerate() {
            let next = ok(world.refresh(version, &held).await);
            // Every other answer is used before it is refreshed.
            if turn % 2 == 0 {
                ok(world.verify(version, &next, true).await);
            }
            for reader in ["2.21", "5.4", "5.6"] {
                ok(world.verify(reader, &next, false).await);
            }
            world.clock.advance(SECOND * 60);
            held = next;
        }
        assert!(world.is_alive(&held).await);
    }
}

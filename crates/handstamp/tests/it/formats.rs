//! The five forms of access tokens: byte for byte, side by side, from one to another, and what none of them may say.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests are not seen to be tests"
)]

use handstamp::clock::{Clock as _, UnixMillis};
use handstamp::engine::{
    Create, OnReuse, RefreshRefused, Refreshed, Regenerate, Regenerated, TryRefresh, Verify,
};
use handstamp::jws::Algorithm;
use handstamp::storage::{KeyKind, Storage as _};
use handstamp::token::Hash1;
use handstamp::token::access::{self, MAX_LEN, MAX_PAYLOAD, Rejected, TokenFormat};
use handstamp::{Config, Error, JsonObject, SessionHandle, TenantId, UserId};

use crate::support::{
    APP, Client, HOUR, MILLI, START, World, create_as, json, jwt, parts_of, refresh_as, refused,
    renewed, try_refresh, user, valid,
};

use TokenFormat::{V1, V2, V3, V4, V5};

const ALL: [TokenFormat; 5] = [V1, V2, V3, V4, V5];
const JWTS: [(TokenFormat, &str); 3] = [(V3, "3"), (V4, "4"), (V5, "5")];
const RSA: KeyKind = KeyKind::Dynamic(Algorithm::Rs256);

fn world() -> World {
    let world = World::new(Config::default());
    world.advance(MILLI * 999);
    world
}

async fn created(world: &World, ask: Create) -> Client {
    Client::of(&world.engine.create(ask).await.unwrap())
}

/// What a token of that form has to say; times in milliseconds.
fn payload_of(
    format: TokenFormat,
    client: &Client,
    parent: Option<&Client>,
    (created, expires): (i64, i64),
    user_members: &str,
) -> String {
    let handle = &client.handle;
    let tenant = handle.tenant();
    let hash = Hash1::of(&client.refresh).to_hex();
    let quoted = |text: &str| format!("\"{text}\"");
    let parent = parent.map(|parent| quoted(&Hash1::of(&parent.refresh).to_hex()));
    let anti_csrf = client.anti_csrf.as_deref().map(quoted);
    if format <= V2 {
        let optional = |name: &str, value: &Option<String>| {
            value
                .as_ref()
                .map_or_else(String::new, |value| format!("\"{name}\":{value},"))
        };
        let parent = optional("parentRefreshTokenHash1", &parent);
        let anti_csrf = optional("antiCsrfToken", &anti_csrf);
        return if format == V1 {
            format!(
                r#"{{"sessionHandle":"{handle}","userId":"user-1","refreshTokenHash1":"{hash}",{parent}"userData":{{{user_members}}},{anti_csrf}"expiryTime":{expires},"timeCreated":{created},"isPaid":false}}"#
            )
        } else {
            format!(
                r#"{{"userId":"user-1","expiryTime":{expires},"timeCreated":{created},"sessionHandle":"{handle}","refreshTokenHash1":"{hash}",{parent}{anti_csrf}"userData":{{{user_members}}}}}"#
            )
        };
    }
    let null = || "null".to_owned();
    let (parent, anti_csrf) = (parent.unwrap_or_else(null), anti_csrf.unwrap_or_else(null));
    let more = match format {
        V4 => format!(r#""tId":"{tenant}","#),
        V5 => format!(r#""tId":"{tenant}","rsub":"user-1","#),
        _ => String::new(),
    };
    let comma = if user_members.is_empty() { "" } else { "," };
    format!(
        r#"{{"iat":{},"exp":{},"sub":"user-1",{more}"sessionHandle":"{handle}","refreshTokenHash1":"{hash}","parentRefreshTokenHash1":{parent},"antiCsrfToken":{anti_csrf}{comma}{user_members}}}"#,
        created.div_euclid(1000),
        expires.div_euclid(1000)
    )
}

#[tokio::test]
async fn each_form_is_exact_to_the_byte() {
    for format in ALL {
        for (anti_csrf, members) in [(false, ""), (true, r#""b":1,"a":null"#)] {
            for tenant in ["public", "t-1"] {
                let world = world();
                let now = world.now();
                let first = created(
                    &world,
                    Create {
                        anti_csrf,
                        tenant: TenantId::parse(tenant).unwrap(),
                        jwt_payload: json(&format!("{{{members}}}")),
                        ..create_as(format)
                    },
                )
                .await;
                let times = (now.as_millis(), now.plus(HOUR).as_millis());
                let (header, payload) = parts_of(&first.access);
                let expected = match format {
                    V1 => r#"{"alg":"RS256","typ":"JWT","version":"1"}"#.to_owned(),
                    V2 => r#"{"alg":"RS256","typ":"JWT","version":"2"}"#.to_owned(),
                    V3 | V4 | V5 => {
                        let version = JWTS.iter().find(|(one, _)| *one == format).unwrap().1;
                        format!(
                            r#"{{"kid":"d-1700000000999","typ":"JWT","version":"{version}","alg":"RS256"}}"#
                        )
                    }
                };
                assert_eq!(header, expected);
                assert_eq!(payload, payload_of(format, &first, None, times, members));
                let ask = handstamp::engine::Refresh {
                    anti_csrf,
                    ..refresh_as(&first.refresh, format)
                };
                let second = Client::of(&renewed(world.engine.refresh(&ask).await.unwrap()));
                assert_eq!(
                    parts_of(&second.access).1,
                    payload_of(format, &second, Some(&first), times, members)
                );
                // The alphabet and its padding.
                let padded = format <= V2;
                let signature = second.access.rsplit('.').next().unwrap();
                assert_eq!(signature.len(), if padded { 344 } else { 342 });
                assert_eq!(signature.ends_with("=="), padded);
                let foreign: &[char] = if padded {
                    &['-', '_']
                } else {
                    &['+', '/', '=']
                };
                assert!(!second.access.contains(foreign));
            }
        }
    }
}

/// The text that the reference gives.
#[tokio::test]
async fn a_known_header_comes_out_as_it_is_known() {
    let world = World::new(Config::default());
    let client = created(&world, create_as(V5)).await;
    let known =
        "eyJraWQiOiJkLTE3MDAwMDAwMDAwMDAiLCJ0eXAiOiJKV1QiLCJ2ZXJzaW9uIjoiNSIsImFsZyI6IlJTMjU2In0.";
    assert!(client.access.starts_with(known));
    let client = created(&world, create_as(V2)).await;
    let known = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsInZlcnNpb24iOiIyIn0=.";
    assert!(client.access.starts_with(known));
}

async fn format_of(world: &World, token: &str) -> TokenFormat {
    world.read_form(token).await.1
}

#[tokio::test]
async fn all_forms_live_side_by_side_and_change_at_a_refresh_only() {
    let world = world();
    for from in ALL {
        for to in ALL {
            let first = created(&world, create_as(from)).await;
            assert_eq!(format_of(&world, &first.access).await, from);
            let _ = valid(world.verify_in_store(&first.access).await);
            let ask = refresh_as(&first.refresh, to);
            let second = Client::of(&renewed(world.engine.refresh(&ask).await.unwrap()));
            assert_eq!(format_of(&world, &second.access).await, to);
            // Its use confirms it: the replacement has the same form, and so has one for another payload.
            let replaced = valid(world.verify(&second.access).await)
                .replacement
                .unwrap();
            assert_eq!(format_of(&world, replaced.token.expose()).await, to);
            let payload = json(r#"{"a":1}"#);
            assert!(
                world
                    .engine
                    .write_jwt_payload(&APP, &second.handle, &payload, V5)
                    .await
                    .unwrap()
            );
            let again = valid(world.verify_in_store(replaced.token.expose()).await).replacement;
            let again = again.unwrap().token.expose().to_owned();
            assert_eq!(format_of(&world, &again).await, to);
            // The old one lives on until its end, and so does what it says.
            let seen = valid(world.verify(&first.access).await);
            assert_eq!(
                (seen.session.handle, seen.session.user_id),
                (first.handle, user())
            );
            let seen = valid(world.verify(&again).await);
            assert_eq!(
                (seen.session.jwt_payload, seen.replacement.is_none()),
                (payload, true)
            );
        }
    }
}

#[tokio::test]
async fn times_in_seconds_are_told_as_the_token_has_them() {
    for format in ALL {
        let world = world();
        let whole = |time: UnixMillis| {
            if format <= V2 {
                time
            } else {
                UnixMillis::new(time.as_millis() / 1000 * 1000)
            }
        };
        let expected = |world: &World| (whole(world.now()), whole(world.now().plus(HOUR)));
        let issued = world.engine.create(create_as(format)).await.unwrap();
        assert_eq!(
            (issued.access.created_at, issued.access.expires_at),
            expected(&world)
        );
        assert_eq!(issued.refresh_created_at, world.now());
        let end = issued.access.expires_at;
        world.advance(MILLI * 700);
        let ask = refresh_as(issued.refresh.text().expose(), format);
        let renewed = renewed(world.engine.refresh(&ask).await.unwrap());
        assert_eq!(
            (renewed.access.created_at, renewed.access.expires_at),
            expected(&world)
        );
        world.advance(MILLI * 700);
        let replaced = valid(world.verify(renewed.access.token.expose()).await)
            .replacement
            .unwrap();
        assert_eq!((replaced.created_at, replaced.expires_at), expected(&world));
        let said = world.read(replaced.token.expose()).await;
        assert_eq!(
            (replaced.created_at, replaced.expires_at),
            (said.created_at, said.expires_at)
        );
        // It is good up to and at the moment that is told.
        let first = issued.access.token.expose();
        world.clock.set(end);
        let _ = valid(world.verify(first).await);
        world.advance(MILLI);
        assert_eq!(try_refresh(world.verify(first).await), TryRefresh::Expired);
    }
}

const ODD: &str = r#""z":null,"n":1.10,"e":1E5,"big":12345678901234567890123,"neg":-0,"text":"ä\u00e4😀<&>","nest":{"b":[1, 2],"a":null},"":0"#;

#[tokio::test]
async fn members_are_said_as_they_were_given() {
    for format in ALL {
        let world = world();
        let ask = Create {
            jwt_payload: json(&format!("{{ {ODD}\n}}")),
            ..create_as(format)
        };
        let first = created(&world, ask).await;
        let payload = parts_of(&first.access).1;
        assert!(payload.contains(ODD), "{payload}");
        let seen = valid(world.verify(&first.access).await).session.jwt_payload;
        let inner = seen.as_str().trim_matches(['{', '}']).trim();
        // Not with the braces of the object at its end.
        assert_eq!(inner, ODD.trim_matches(['{', '}']));
        let checked = valid(world.verify_in_store(&first.access).await);
        assert!(checked.replacement.is_none());
    }
}

/// A name may be spelt with escapes: it means the same, and protects nobody from being refused.
#[tokio::test]
async fn names_are_what_they_mean() {
    for format in ALL {
        let world = world();
        let ask = Create {
            jwt_payload: json(r#"{"\u0061\n\"":1}"#),
            ..create_as(format)
        };
        let client = created(&world, ask).await;
        assert!(parts_of(&client.access).1.contains(r#""\u0061\n\"":1"#));
        let seen = valid(world.verify_in_store(&client.access).await);
        assert!(
            seen.session
                .jwt_payload
                .same_meaning(&json(r#"{"a\n\"":1}"#))
        );
        assert!(seen.replacement.is_none());
    }
    let world = world();
    let ask = Create {
        jwt_payload: json(r#"{"s\u0075b":1}"#),
        ..create_as(V3)
    };
    assert!(matches!(
        world.engine.create(ask).await,
        Err(Error::ProtectedClaim)
    ));
}

const CLAIMS: [(&str, TokenFormat); 9] = [
    ("sub", V3),
    ("exp", V3),
    ("iat", V3),
    ("sessionHandle", V3),
    ("refreshTokenHash1", V3),
    ("parentRefreshTokenHash1", V3),
    ("antiCsrfToken", V3),
    ("tId", V4),
    ("rsub", V5),
];
const FREE: [&str; 8] = [
    "iss", "aud", "nbf", "SUB", "tid", "kid", "userId", "userData",
];

#[tokio::test]
async fn protected_members_are_refused_wherever_they_come_from() {
    let world = world();
    let engine = &world.engine;
    let claims = CLAIMS.map(|(name, since)| (name, Some(since)));
    for (name, since) in claims.into_iter().chain(FREE.map(|name| (name, None))) {
        let payload = json(&format!(r#"{{"a":1,"{name}":"x"}}"#));
        for format in ALL {
            let is_protected = since.is_some_and(|since| format >= since);
            let ask = Create {
                jwt_payload: payload.clone(),
                ..create_as(format)
            };
            let made = engine.create(ask).await;
            match &made {
                Ok(issued) => {
                    assert!(!is_protected, "{name} {format:?}");
                    let seen = valid(world.verify(issued.access.token.expose()).await);
                    assert_eq!(seen.session.jwt_payload, payload);
                    assert_eq!(seen.session.user_id, user());
                }
                Err(why) => assert!(is_protected && matches!(why, Error::ProtectedClaim)),
            }
            // Of the token's own form, not of the engine's newest.
            let client = created(&world, create_as(format)).await;
            let written = engine
                .write_jwt_payload(&APP, &client.handle, &payload, format)
                .await;
            assert_eq!(matches!(written, Err(Error::ProtectedClaim)), is_protected);
            let ask = Regenerate {
                cookie: None,
                app: APP,
                token: &client.access,
                jwt_payload: Some(payload.clone()),
            };
            let regenerated = engine.regenerate(ask).await;
            assert_eq!(
                matches!(regenerated, Err(Error::ProtectedClaim)),
                is_protected
            );
            let stored = world.session(&client.handle).await.unwrap().jwt_payload;
            assert_eq!(
                stored,
                if is_protected {
                    JsonObject::empty()
                } else {
                    payload.clone()
                }
            );
        }
        // Stored under a form that does not mind, refused by one that does; the session stays as it is.
        let old = created(
            &world,
            Create {
                jwt_payload: payload.clone(),
                ..create_as(V2)
            },
        )
        .await;
        for format in ALL {
            let ask = refresh_as(&old.refresh, format);
            let before = world.session(&old.handle).await;
            let refreshed = engine.refresh(&ask).await.unwrap();
            if since.is_some_and(|since| format >= since) {
                assert_eq!(refused(refreshed), RefreshRefused::ProtectedClaim);
                assert_eq!(world.session(&old.handle).await, before);
            } else {
                let _ = renewed(refreshed);
            }
        }
    }
}

/// The payload was written by a caller of an older protocol, which protects nothing. A JWT that had two subjects would be read
/// differently by different readers.
#[tokio::test]
async fn a_payload_written_for_an_older_form_does_not_get_into_a_jwt() {
    for (format, _) in JWTS {
        let world = world();
        let client = created(&world, create_as(format)).await;
        let ask = refresh_as(&client.refresh, format);
        let next = Client::of(&renewed(world.engine.refresh(&ask).await.unwrap()));
        let foreign = json(r#"{"sub":"somebody-else"}"#);
        assert!(
            world
                .engine
                .write_jwt_payload(&APP, &client.handle, &foreign, V2)
                .await
                .unwrap()
        );
        // Neither where the store is asked, nor where a use is a confirmation.
        let seen = valid(world.verify_in_store(&client.access).await);
        assert!(seen.replacement.is_none());
        let seen = valid(world.verify_in_store(&next.access).await);
        assert_eq!(
            (seen.session.user_id, seen.session.jwt_payload),
            (user(), JsonObject::empty())
        );
        let replacement = seen.replacement.unwrap().token;
        let payload = parts_of(replacement.expose()).1;
        assert_eq!(payload.matches("\"sub\"").count(), 1, "{payload}");
        let _ = valid(world.verify_in_store(replacement.expose()).await);
        let ask = Regenerate {
            cookie: None,
            app: APP,
            token: &next.access,
            jwt_payload: None,
        };
        assert!(matches!(
            world.engine.regenerate(ask).await,
            Err(Error::ProtectedClaim)
        ));
        let key = world.key(RSA).await;
        let by = access::NamedKey {
            id: "d-1",
            key: &key,
        };
        let mut claims = world.read(&next.access).await;
        claims.payload = foreign;
        assert!(access::mint(&claims, format, by).is_err());
        assert!(access::mint(&claims, V2, by).is_ok());
    }
}

#[tokio::test]
async fn a_v3_token_may_have_members_that_later_forms_need() {
    let world = world();
    let payload = json(r#"{"tId":"elsewhere","rsub":7}"#);
    let ask = Create {
        jwt_payload: payload.clone(),
        ..create_as(V3)
    };
    let client = created(&world, ask).await;
    let seen = valid(world.verify(&client.access).await).session;
    assert_eq!(
        (seen.jwt_payload, seen.handle.tenant()),
        (payload, &TenantId::PUBLIC)
    );
}

/// A token's payload with one member changed, removed or doubled; signed by the right key.
async fn altered(world: &World, format: TokenFormat, name: &str, value: Option<&str>) -> String {
    let client = created(world, create_as(format)).await;
    let (header, payload) = parts_of(&client.access);
    let object =
        serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&payload).unwrap();
    assert!(object.contains_key(name), "{name}");
    let members = object.iter().filter(|(key, _)| *key != name);
    let members = members.map(|(key, value)| format!("\"{key}\":{value}"));
    let members: Vec<_> = members
        .chain(value.map(|value| format!("\"{name}\":{value}")))
        .collect();
    jwt(
        &world.key(RSA).await,
        &header,
        &format!("{{{}}}", members.join(",")),
    )
}

fn lacks(name: &'static str) -> TryRefresh {
    TryRefresh::Rejected(Rejected::Claims { lacks: Some(name) })
}

#[tokio::test]
async fn every_member_is_needed_in_its_type() {
    const UNREADABLE: TryRefresh = TryRefresh::Rejected(Rejected::Claims { lacks: None });
    let world = world();
    let now = world.now().as_millis() / 1000;
    let good_hash = format!("\"{}\"", Hash1::of("x").to_hex());
    for (format, _) in JWTS {
        for (name, _) in CLAIMS.iter().filter(|(_, since)| format >= *since) {
            let mut values = vec!["[]", "{}", "true", r#"["x"]"#];
            let nullable = matches!(*name, "parentRefreshTokenHash1" | "antiCsrfToken");
            if !nullable {
                values.push("null");
            }
            let number = matches!(*name, "exp" | "iat");
            let text = format!("\"{}\"", now + 100);
            let float = format!("{}.0", now + 100);
            if number {
                values.extend([
                    &text,
                    &float,
                    "1e30",
                    "17e8",
                    "9223372036854775807",
                    "9223372036854775808",
                    r#""""#,
                ]);
            } else {
                values.extend(["1", "1.5"]);
            }
            assert_eq!(
                try_refresh(
                    world
                        .verify(&altered(&world, format, name, None).await)
                        .await
                ),
                lacks(name),
                "{name} missing"
            );
            for value in values {
                let token = altered(&world, format, name, Some(value)).await;
                assert_eq!(
                    try_refresh(world.verify(&token).await),
                    lacks(name),
                    "{name} {value}"
                );
            }
            let good = match *name {
                "exp" | "iat" => (now + 100).to_string(),
                "antiCsrfToken" | "parentRefreshTokenHash1" => "null".to_owned(),
                "sub" | "rsub" => r#""user-1""#.to_owned(),
                "tId" => r#""public""#.to_owned(),
                "sessionHandle" => continue,
                _ => good_hash.clone(),
            };
            let _ = valid(
                world
                    .verify(&altered(&world, format, name, Some(&good)).await)
                    .await,
            );
        }
        // Twice, whichever of both a reader would take.
        let client = created(&world, create_as(format)).await;
        let (header, payload) = parts_of(&client.access);
        let key = world.key(RSA).await;
        for doubled in [
            r#""exp":9999999999"#,
            r#""sub":"x""#,
            r#""s\u0075b":"x""#,
            r#""a":{"b":1,"b":1}"#,
        ] {
            for payload in [
                payload.replacen('{', &format!("{{{doubled},"), 1),
                format!("{},{doubled}}}", &payload[..payload.len() - 1]),
            ] {
                let why = try_refresh(world.verify(&jwt(&key, &header, &payload)).await);
                assert_eq!(why, UNREADABLE, "{payload}");
            }
        }
        for other in ["[]", "null", "", "{", "\u{0}"] {
            let why = try_refresh(world.verify(&jwt(&key, &header, other)).await);
            assert_eq!(why, UNREADABLE, "{other}");
        }
    }
}

#[tokio::test]
async fn the_tenant_of_a_token_is_that_of_its_handle() {
    let world = world();
    for format in [V4, V5] {
        for tenant in [r#""t-1""#, r#""PUBLIC""#, r#""""#] {
            let why = try_refresh(
                world
                    .verify(&altered(&world, format, "tId", Some(tenant)).await)
                    .await,
            );
            assert_eq!(why, lacks("tId"));
        }
        let handle = format!("\"{}_t-1\"", "01890a5d-ac96-774b-bcce-b302099a8057");
        let why = try_refresh(
            world
                .verify(&altered(&world, format, "sessionHandle", Some(&handle)).await)
                .await,
        );
        assert_eq!(why, lacks("tId"));
        let tenant = TenantId::parse("t-1").unwrap();
        let client = created(
            &world,
            Create {
                tenant: tenant.clone(),
                ..create_as(format)
            },
        )
        .await;
        let seen = valid(world.verify(&client.access).await).session;
        assert_eq!(*seen.handle.tenant(), tenant);
    }
}

#[tokio::test]
async fn headers_are_taken_at_their_word_or_not_at_all() {
    let world = world();
    let client = created(&world, create_as(V5)).await;
    let key = world.key(RSA).await;
    let payload = parts_of(&client.access).1;
    let kid = "d-1700000000999";
    let verify = async |header: String| world.verify(&jwt(&key, &header, &payload)).await;
    for good in [
        // No version is the newest one.
        format!(r#"{{"kid":"{kid}","typ":"JWT","alg":"RS256"}}"#),
        format!(r#"{{"alg":"RS256", "version":"5","typ":"JWT","kid":"{kid}"}}"#),
        format!(
            r#"{{"alg":"RS256","version":"5","typ":"JWT","kid":"{kid}","jku":"https://example.com","x5u":"x","jwk":{{}}}}"#
        ),
    ] {
        let _ = valid(verify(good).await);
    }
    for bad in [
        format!(r#"{{"kid":"{kid}","typ":"JWT","version":"1","alg":"RS256"}}"#),
        format!(r#"{{"kid":"{kid}","typ":"JWT","version":"2","alg":"RS256"}}"#),
        format!(r#"{{"kid":"{kid}","typ":"JWT","version":"6","alg":"RS256"}}"#),
        format!(r#"{{"kid":"{kid}","typ":"JWT","version":"05","alg":"RS256"}}"#),
        format!(r#"{{"kid":"{kid}","typ":"JWT","version":5,"alg":"RS256"}}"#),
        format!(r#"{{"kid":"{kid}","typ":"jwt","version":"5","alg":"RS256"}}"#),
        format!(r#"{{"kid":"{kid}","typ":"at+jwt","version":"5","alg":"RS256"}}"#),
        format!(r#"{{"kid":"{kid}","version":"5","alg":"RS256"}}"#),
        format!(r#"{{"kid":"{kid}","typ":"JWT","version":"5"}}"#),
        format!(r#"{{"kid":"{kid}","kid":"{kid}","typ":"JWT","version":"5","alg":"RS256"}}"#),
        format!(r#"{{"kid":["{kid}"],"typ":"JWT","version":"5","alg":"RS256"}}"#),
        r#"{"typ":"JWT","version":"5","alg":"RS256"}"#.to_owned(),
        "{}".to_owned(),
        String::new(),
        format!(r#"{{"kid":"{kid}","typ":"JWT","version":"5","alg":"RS256","crit":["x"],"x":1}}"#),
    ] {
        let shown = bad.clone();
        assert_eq!(
            try_refresh(verify(bad).await),
            TryRefresh::Rejected(Rejected::Malformed),
            "{shown}"
        );
    }
}

#[tokio::test]
async fn a_payload_is_as_long_as_a_token_can_be_read_again() {
    let world = world();
    // The longest of everything else: characters that JSON escapes with six.
    let user = UserId::parse(&"\u{1}".repeat(128)).unwrap();
    for (format, tenant) in ALL
        .into_iter()
        .zip(["public"; 2].into_iter().chain([&*"t".repeat(64); 3]))
    {
        let of = |bytes: usize| json(&format!(r#"{{"a":"{}"}}"#, "x".repeat(bytes - 8)));
        let ask = |bytes| Create {
            anti_csrf: true,
            tenant: TenantId::parse(tenant).unwrap(),
            jwt_payload: of(bytes),
            format,
            ..Create::new(user.clone())
        };
        let client = created(&world, ask(MAX_PAYLOAD)).await;
        let mut next = renewed(
            world
                .engine
                .refresh(&refresh_as(&client.refresh, format))
                .await
                .unwrap(),
        );
        assert!(next.access.token.expose().len() < MAX_LEN);
        let _ = valid(world.verify(&client.access).await);
        next.access = valid(world.verify(next.access.token.expose()).await)
            .replacement
            .unwrap();
        let token = next.access.token.expose();
        let too_long = of(MAX_PAYLOAD + 1);
        let ask_again = Regenerate {
            cookie: None,
            app: APP,
            token,
            jwt_payload: Some(too_long.clone()),
        };
        for refused in [
            world.engine.create(ask(MAX_PAYLOAD + 1)).await.map(drop),
            world
                .engine
                .write_jwt_payload(&APP, &client.handle, &too_long, format)
                .await
                .map(drop),
            world.engine.regenerate(ask_again).await.map(drop),
        ] {
            assert!(matches!(refused, Err(Error::Invalid(why)) if why.field() == "JWT payload"));
        }
    }
}

/// The largest token of a session is measured as it is in its own form.
#[tokio::test]
async fn a_jwt_in_a_cookie_is_measured_as_one() {
    let world = world();
    for (format, _) in JWTS {
        let payload = json(&format!(r#"{{"a":"{}"}}"#, "?>~".repeat(300)));
        let ask = Create {
            anti_csrf: true,
            jwt_payload: payload,
            ..create_as(format)
        };
        let client = created(&world, ask).await;
        let ask = handstamp::engine::Refresh {
            anti_csrf: true,
            ..refresh_as(&client.refresh, format)
        };
        let next = renewed(world.engine.refresh(&ask).await.unwrap())
            .access
            .token;
        let claims = world.read(&client.access).await;
        let len = access::cookie_len(&claims, format, "name").unwrap();
        let real = "name".len() + next.expose().len();
        assert!((real..real + 32).contains(&len), "{len} for {real}");
    }
}

#[tokio::test]
async fn a_handle_of_a_tenant_is_kept_in_every_form() {
    let world = world();
    for format in ALL {
        let tenant = TenantId::parse("t-2").unwrap();
        let client = created(
            &world,
            Create {
                tenant,
                ..create_as(format)
            },
        )
        .await;
        let seen: SessionHandle = valid(world.verify_in_store(&client.access).await)
            .session
            .handle;
        assert_eq!(seen, client.handle);
        assert!(
            world
                .store
                .inner
                .session(&APP, &seen)
                .await
                .unwrap()
                .is_some()
        );
        let ask = Regenerate {
            cookie: None,
            app: APP,
            token: &client.access,
            jwt_payload: None,
        };
        let Regenerated::Done {
            access: Some(token),
            ..
        } = world.engine.regenerate(ask).await.unwrap()
        else {
            panic!("not regenerated");
        };
        assert_eq!(format_of(&world, token.token.expose()).await, format);
        let _ = valid(
            world
                .engine
                .verify(&Verify::new(token.token.expose()))
                .await
                .unwrap(),
        );
        assert!(matches!(
            world
                .engine
                .refresh(&refresh_as(&client.refresh, format))
                .await
                .unwrap(),
            Refreshed::Renewed(_)
        ));
    }
    assert!(world.clock.now() > START);
}

/// A payload that later forms cannot say keeps nobody from being caught.
#[tokio::test]
async fn theft_is_told_before_a_protected_claim() {
    let world = World::without_grace();
    let first = created(
        &world,
        Create {
            jwt_payload: json(r#"{"sub":"me"}"#),
            ..create_as(V2)
        },
    )
    .await;
    let next = Client::of(&renewed(
        world
            .engine
            .refresh(&refresh_as(&first.refresh, V2))
            .await
            .unwrap(),
    ));
    let _ = valid(world.verify(&next.access).await);
    for format in ALL {
        let ask = handstamp::engine::Refresh {
            on_reuse: OnReuse::Report,
            ..refresh_as(&first.refresh, format)
        };
        let stolen = world.engine.refresh(&ask).await.unwrap();
        assert!(matches!(stolen, Refreshed::Reuse { .. }));
        if format > V2 {
            let honest = world
                .engine
                .refresh(&refresh_as(&next.refresh, format))
                .await;
            assert_eq!(refused(honest.unwrap()), RefreshRefused::ProtectedClaim);
        }
    }
}

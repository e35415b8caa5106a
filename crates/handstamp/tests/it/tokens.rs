//! Access tokens as they are on the wire, and what else arrives there.
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "another outcome than the one expected should stop the test"
)]

use std::fmt::Debug;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use handstamp::clock::UnixMillis;
use handstamp::engine::{AntiCsrf, Create, OnReuse, Refresh, Refreshed, Verification, Verify};
use handstamp::jws::{FixtureKeys, KeySource as _, SigningKey};
use handstamp::token::access::{AccessClaims, MAX_LEN, Rejected, TokenFormat, mint, open};
use handstamp::token::{Hash1, Secret};
use handstamp::{AppId, JsonObject, UserId};

use crate::support::Bench;

const HEADER: &str = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsInZlcnNpb24iOiIxIn0=";
const HANDLE: &str = "0190b2c4-7d3e-7abc-8def-0123456789ab";

static KEY: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::from_pkcs8(&FixtureKeys::default().rsa().unwrap()).unwrap());

fn claims() -> AccessClaims {
    AccessClaims {
        handle: HANDLE.parse().unwrap(),
        user_id: UserId::parse("ada").unwrap(),
        refresh_hash: Hash1::of("child"),
        parent_hash: Some(Hash1::of("parent")),
        payload: JsonObject::parse(r#"{"b":1.10,"a":[null]}"#).unwrap(),
        anti_csrf: Some(Secret::new("csrf".to_owned())),
        expires_at: UnixMillis::new(1_700_003_600_000),
        created_at: UnixMillis::new(1_700_000_000_000),
    }
}

/// The payload of `claims()` as the old core wrote it.
fn payload() -> String {
    format!(
        r#"{{"sessionHandle":"{HANDLE}","userId":"ada","refreshTokenHash1":"{}","parentRefreshTokenHash1":"{}","userData":{{"b":1.10,"a":[null]}},"antiCsrfToken":"csrf","expiryTime":1700003600000,"timeCreated":1700000000000,"isPaid":false}}"#,
        Hash1::of("child").to_hex(),
        Hash1::of("parent").to_hex()
    )
}

/// A token whose signature is good, whatever it says.
fn signed(header: &str, payload: &[u8]) -> String {
    let text = format!("{header}.{}", STANDARD.encode(payload));
    let signature = KEY.sign(text.as_bytes()).unwrap();
    format!("{text}.{}", STANDARD.encode(signature))
}

fn refused(text: &str) -> Rejected {
    open(text, [&*KEY]).expect_err("the token is refused")
}

#[test]
fn v1_is_what_the_old_core_wrote_to_the_byte() {
    assert_eq!(
        STANDARD.decode(HEADER).unwrap(),
        br#"{"alg":"RS256","typ":"JWT","version":"1"}"#
    );
    let token = mint(&claims(), TokenFormat::V1, &KEY).unwrap();
    assert_eq!(token.expose(), signed(HEADER, payload().as_bytes()));
    let (opened, format) = open(token.expose(), [&*KEY]).unwrap();
    assert_eq!((opened, format), (claims(), TokenFormat::V1));
}

#[test]
fn v1_leaves_out_what_there_is_not() {
    let bare = AccessClaims {
        parent_hash: None,
        anti_csrf: None,
        ..claims()
    };
    let token = mint(&bare, TokenFormat::V1, &KEY).unwrap();
    let body = token.expose().split('.').nth(1).unwrap();
    let body = String::from_utf8(STANDARD.decode(body).unwrap()).unwrap();
    assert!(!body.contains("parentRefreshTokenHash1") && !body.contains("antiCsrfToken"));
    assert_eq!(open(token.expose(), [&*KEY]).unwrap().0, bare);
}

#[test]
fn tokens_cut_off_or_changed_in_any_bit_are_refused() {
    let token = mint(&claims(), TokenFormat::V1, &KEY).unwrap();
    let token = token.expose();
    for end in 0..token.len() {
        assert!(
            open(token.get(..end).unwrap(), [&*KEY]).is_err(),
            "cut at {end}"
        );
    }
    for at in 0..token.len() {
        for bit in 0..7 {
            let mut bytes = token.as_bytes().to_vec();
            *bytes.get_mut(at).unwrap() ^= 1 << bit;
            let changed = String::from_utf8(bytes).unwrap();
            assert!(open(&changed, [&*KEY]).is_err(), "bit {bit} of byte {at}");
        }
    }
    for more in ["A", ".", "=", " ", "\n"] {
        assert!(open(&format!("{token}{more}"), [&*KEY]).is_err());
        assert!(open(&format!("{more}{token}"), [&*KEY]).is_err());
    }
}

#[test]
fn a_header_that_names_another_algorithm_is_refused() {
    for header in [
        r#"{"alg":"none","typ":"JWT","version":"1"}"#,
        r#"{"alg":"HS256","typ":"JWT","version":"1"}"#,
        r#"{"alg":"RS512","typ":"JWT","version":"1"}"#,
        r#"{"alg":"RS256","typ":"JWT","version":"2"}"#,
        r#"{"typ":"JWT","alg":"RS256","version":"1"}"#,
        r#"{"alg":"RS256","typ":"JWT","version":"1"} "#,
        "{}",
        "",
    ] {
        for encoded in [STANDARD.encode(header), URL_SAFE_NO_PAD.encode(header)] {
            let token = signed(&encoded, payload().as_bytes());
            assert_eq!(refused(&token), Rejected::Malformed, "{header}");
            // Nor without a signature.
            let (text, _) = token.rsplit_once('.').unwrap();
            assert_eq!(
                refused(&format!("{text}.")),
                Rejected::Malformed,
                "{header}"
            );
        }
    }
    let (text, _) = signed(HEADER, payload().as_bytes())
        .rsplit_once('.')
        .map(|(text, signature)| (text.to_owned(), signature.to_owned()))
        .unwrap();
    assert_eq!(refused(&format!("{text}.")), Rejected::Signature);
}

#[test]
fn huge_and_shapeless_texts_are_refused() {
    let mega = 1 << 20;
    let long = format!("{{\"userData\":{{\"a\":\"{}\"}}}}", "x".repeat(mega));
    for text in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        ".".repeat(mega),
        "A".repeat(mega),
        format!("{HEADER}."),
        format!("{HEADER}.{}", ".".repeat(mega)),
        format!("{HEADER}.{}.AAAA", "A".repeat(mega)),
        format!("{HEADER}.AAAA.{}", "A".repeat(mega)),
        signed(HEADER, long.as_bytes()),
    ] {
        assert_eq!(refused(&text), Rejected::Malformed, "{} bytes", text.len());
    }
    assert_eq!(refused(&format!("{HEADER}..")), Rejected::Signature);
    // The longest text that is looked at is one that no key has signed.
    let longest = format!("{HEADER}.{}.AAAA", "A".repeat(MAX_LEN - HEADER.len() - 6));
    assert_eq!(longest.len(), MAX_LEN);
    assert_eq!(refused(&longest), Rejected::Signature);
}

/// The signature is good each time: it is the claims that are refused.
#[test]
fn signed_claims_of_the_wrong_type_are_refused() {
    let good = payload();
    assert!(open(&signed(HEADER, good.as_bytes()), [&*KEY]).is_ok());
    let hash = Hash1::of("child").to_hex();
    let members = [
        ("sessionHandle", format!("\"{HANDLE}\"")),
        ("userId", "\"ada\"".to_owned()),
        ("refreshTokenHash1", format!("\"{hash}\"")),
        ("userData", r#"{"b":1.10,"a":[null]}"#.to_owned()),
        ("expiryTime", "1700003600000".to_owned()),
        ("timeCreated", "1700000000000".to_owned()),
    ];
    let wrong = [
        "null",
        "true",
        "[]",
        "1.5",
        "1e30",
        "-1.0",
        "[1700003600000]",
        "99999999999999999999",
        "\"\\ud800\"",
        "\"1700003600000\"",
    ];
    let mut count = 0;
    for (name, value) in &members {
        let member = format!("\"{name}\":{value}");
        assert!(good.contains(&member), "{member}");
        for wrong in wrong {
            // Any text will do for a user.
            if *name == "userId" && wrong == "\"1700003600000\"" {
                continue;
            }
            let changed = good.replace(&member, &format!("\"{name}\":{wrong}"));
            assert_eq!(
                refused(&signed(HEADER, changed.as_bytes())),
                Rejected::Claims,
                "{name}: {wrong}"
            );
            count += 1;
        }
        let twice = good.replace(&member, &format!("{member},{member}"));
        assert_eq!(
            refused(&signed(HEADER, twice.as_bytes())),
            Rejected::Claims,
            "{name} twice"
        );
        let without = good.replace(&format!("{member},"), "");
        assert_eq!(
            refused(&signed(HEADER, without.as_bytes())),
            Rejected::Claims,
            "no {name}"
        );
    }
    assert_eq!(count, 59);
    for (from, to) in [
        (hash.as_str(), "A"),
        (hash.as_str(), &hash.to_uppercase()),
        (HANDLE, "not a handle"),
        (r#"{"b":1.10,"a":[null]}"#, r#"{"a":1,"a":2}"#),
        (r#"{"b":1.10,"a":[null]}"#, r#"{"a":"\ud800"}"#),
        (r#"{"b":1.10,"a":[null]}"#, r#"{"a":1e400}"#),
        ("\"csrf\"", "7"),
        ("\"csrf\"", "\"\\udc00\""),
        ("\"isPaid\":false", "\"isPaid\":false,\"isPaid\":false"),
    ] {
        let changed = good.replace(from, to);
        assert_ne!(changed, good, "{from}");
        assert_eq!(
            refused(&signed(HEADER, changed.as_bytes())),
            Rejected::Claims,
            "{from} -> {to}"
        );
    }
    for body in [
        b"".as_slice(),
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b"{\"sessionHandle\":\"\xff\"}",
        format!("{good}{good}").as_bytes(),
        "[".repeat(40_000).as_bytes(),
    ] {
        assert_eq!(refused(&signed(HEADER, body)), Rejected::Claims);
    }
}

/// A time before 1970 is a time; such a token has ended.
#[tokio::test]
async fn a_negative_end_is_an_end_in_the_past() {
    let changed = payload().replace("1700003600000", "-1");
    let (claims, _) = open(&signed(HEADER, changed.as_bytes()), [&*KEY]).unwrap();
    assert_eq!(claims.expires_at, UnixMillis::new(-1));
}

/// Whatever the engine hands out or takes in can be written to a log.
#[tokio::test]
async fn what_is_shown_of_anything_contains_no_token() {
    let bench = Bench::new(|config| config).await;
    let create = Create {
        anti_csrf: true,
        jwt_payload: JsonObject::parse(r#"{"canary":"payload-canary"}"#).unwrap(),
        session_data: JsonObject::parse(r#"{"canary":"data-canary"}"#).unwrap(),
        ..Create::new(UserId::parse("ada").unwrap())
    };
    let mut shown = vec![format!("{create:?}")];
    let mut see = |thing: &dyn Debug| shown.push(format!("{thing:?}"));
    let first = bench.engine.create(create).await.unwrap();
    let second = bench.renew(&first).await;
    let mut secrets = vec!["payload-canary".to_owned(), "data-canary".to_owned()];
    for issued in [&first, &second] {
        secrets.push(issued.refresh.text().expose().to_owned());
        secrets.push(issued.access.token.expose().to_owned());
        secrets.push(issued.refresh.hash().to_hex());
        secrets.extend(
            issued
                .refresh
                .anti_csrf()
                .map(|token| token.expose().to_owned()),
        );
    }
    let csrf = first.refresh.anti_csrf().map(Secret::expose);
    let text = second.refresh.text().expose();
    let asks = [
        Refresh::new(text),
        Refresh {
            on_reuse: OnReuse::Report,
            ..Refresh::new(first.refresh.text().expose())
        },
    ];
    let verify = Verify {
        anti_csrf: AntiCsrf::Passed(csrf),
        ..Verify::new(first.access.token.expose())
    };
    see(&first);
    see(&second.refresh.claims());
    see(&second.refresh.presented());
    see(&asks);
    see(&verify);
    see(&claims());
    see(&bench.engine.verify(&verify).await);
    see(&bench.verify(&second).await);
    let tampered = format!("{}x", first.access.token.expose());
    let rejected = bench.engine.verify(&Verify::new(&tampered)).await.unwrap();
    assert!(matches!(rejected, Verification::TryRefresh(_)));
    see(&rejected);
    let not_ours = bench
        .engine
        .refresh(&Refresh::new(&format!("{text}x")))
        .await
        .unwrap();
    assert!(matches!(not_ours, Refreshed::Unauthorised(_)));
    see(&not_ours);
    bench.wait(60);
    for ask in &asks {
        see(&bench.engine.refresh(ask).await);
    }
    let handle = &first.session.handle;
    see(&bench.engine.session_data(&AppId::PUBLIC, handle).await);
    let session = handstamp::storage::Storage::session(&*bench.storage, &AppId::PUBLIC, handle);
    see(&session.await.unwrap());
    see(&bench.storage);
    see(&bench.engine);
    let invalid = JsonObject::parse(r#"{"payload-canary":"data-canary""#).unwrap_err();
    see(&invalid);
    shown.push(invalid.to_string());
    shown.push(Rejected::Claims.to_string());
    shown.push(UserId::parse(&text.repeat(4)).unwrap_err().to_string());
    shown.push(
        text.parse::<handstamp::SessionHandle>()
            .unwrap_err()
            .to_string(),
    );
    bench.engine.close().await;
    let failure = bench
        .engine
        .refresh(asks.first().unwrap())
        .await
        .unwrap_err();
    shown.push(format!("{failure:?} {failure}"));
    for (at, shown) in shown.iter().enumerate() {
        for secret in &secrets {
            assert!(
                !shown.contains(secret.as_str()),
                "number {at} shows a secret: {shown}"
            );
        }
    }
}

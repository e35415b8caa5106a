//! Access tokens of format V1, byte by byte, and everything that is almost one.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests are not seen to be tests"
)]

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use handstamp::Config;
use handstamp::engine::{Create, RefreshRefused, TryRefresh};
use handstamp::jws::SigningKey;
use handstamp::token::Hash1;
use handstamp::token::access::Rejected;

use crate::support::{
    APP, Client, HOUR, START, World, create_v1, json, refresh_v1, refused, renewed, try_refresh,
    user, valid,
};

const HEADER: &str = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsInZlcnNpb24iOiIxIn0=";

fn world() -> World {
    World::new(Config::default())
}

/// Signs header and payload as they are.
fn signed(key: &SigningKey, header: &str, payload: &str) -> String {
    let input = format!("{header}.{payload}");
    let signature = STANDARD.encode(key.sign(input.as_bytes()).unwrap());
    format!("{input}.{signature}")
}

async fn rejected(world: &World, token: &str) -> Rejected {
    match try_refresh(world.verify(token).await) {
        TryRefresh::Rejected(why) => why,
        other => panic!("not rejected: {other:?}"),
    }
}

#[tokio::test]
async fn format_v1_is_byte_exact() {
    let world = world();
    let create = Create {
        jwt_payload: json(r#"{"b":1.10, "a":null,"é":"?>~"}"#),
        anti_csrf: true,
        ..create_v1(user())
    };
    let first = Client::of(&world.engine.create(create).await.unwrap());
    let bare = Client::of(&world.engine.create(create_v1(user())).await.unwrap());
    let child = first.asks(&world).await;
    let parent = Hash1::of(&first.refresh).to_hex();
    let parent = format!(r#""parentRefreshTokenHash1":"{parent}","#);
    for (client, parent, data) in [
        (&first, "", r#"{"b":1.10, "a":null,"é":"?>~"}"#),
        (&bare, "", "{}"),
        (&child, &*parent, r#"{"b":1.10, "a":null,"é":"?>~"}"#),
    ] {
        let anti_csrf = client.anti_csrf.as_ref();
        let anti_csrf = anti_csrf.map(|token| format!(r#""antiCsrfToken":"{token}","#));
        let payload = format!(
            r#"{{"sessionHandle":"{}","userId":"user-1","refreshTokenHash1":"{}",{parent}"userData":{data},{}"expiryTime":{},"timeCreated":{},"isPaid":false}}"#,
            client.handle,
            Hash1::of(&client.refresh).to_hex(),
            anti_csrf.unwrap_or_default(),
            START.plus(HOUR).as_millis(),
            START.as_millis(),
        );
        let key = world.signing_key().await;
        assert_eq!(
            client.access,
            signed(&key, HEADER, &STANDARD.encode(payload))
        );
    }
    assert_eq!(
        STANDARD.decode(HEADER).unwrap(),
        br#"{"alg":"RS256","typ":"JWT","version":"1"}"#
    );
}

#[tokio::test]
async fn size_is_bounded_before_anything_is_read() {
    let world = world();
    let client = world.create().await;
    world.store.calls();
    let mib = 1 << 20;
    for token in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        ".".repeat(mib),
        "A".repeat(mib),
        "A.".repeat(mib / 2),
        format!("{HEADER}.{}.{}", "A".repeat(mib), "A".repeat(344)),
        format!("{HEADER}.{}", ".".repeat(mib)),
        format!("{}{}", client.access, "A".repeat(64 * 1024)),
        "\0".repeat(100),
        "é.é.é".to_owned(),
    ] {
        assert_eq!(rejected(&world, &token).await, Rejected::Malformed);
        let why = refused(world.engine.refresh(&refresh_v1(&token)).await.unwrap());
        assert_eq!(why, RefreshRefused::NotOurs);
    }
    assert!(world.store.calls().is_empty());
}

/// Signed with the right key and in good form, so that nothing but its length is against it.
#[tokio::test]
async fn a_token_of_64_kib_is_read_and_a_longer_one_is_not() {
    let world = world();
    let client = world.create().await;
    let (key, claims) = (world.signing_key().await, payload_of(&client.access));
    let token = |spaces: usize| {
        let payload = STANDARD.encode(format!("{claims}{}", " ".repeat(spaces)));
        signed(&key, HEADER, &payload)
    };
    let limit = 64 * 1024;
    let most = (0..limit).rev().find(|spaces| {
        HEADER.len() + 1 + (claims.len() + spaces).div_ceil(3) * 4 + 1 + 344 <= limit
    });
    let most = most.unwrap();
    let _ = valid(world.verify(&token(most)).await);
    assert_eq!(
        rejected(&world, &token(most + 1)).await,
        Rejected::Malformed
    );
}

fn payload_of(token: &str) -> String {
    let payload = token.split('.').nth(1).unwrap();
    String::from_utf8(STANDARD.decode(payload).unwrap()).unwrap()
}

#[tokio::test]
async fn a_token_cut_off_anywhere_is_refused() {
    let world = world();
    let client = world.create().await;
    for at in 0..client.access.len() {
        rejected(&world, &client.access[..at]).await;
        rejected(&world, &client.access[at + 1..]).await;
    }
}

#[tokio::test]
async fn a_token_with_any_bit_flipped_is_refused() {
    let world = world();
    let client = world.create().await.asks(&world).await;
    let row = world.session(&client.handle).await;
    let mut flipped = 0;
    for at in 0..client.access.len() {
        for bit in 0..8 {
            let mut bytes = client.access.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            if let Ok(token) = String::from_utf8(bytes) {
                rejected(&world, &token).await;
                flipped += 1;
            }
        }
    }
    assert_eq!(flipped, client.access.len() * 7);
    assert_eq!(world.session(&client.handle).await, row);
}

#[tokio::test]
async fn a_refresh_token_with_any_bit_flipped_or_cut_off_is_refused() {
    let world = world();
    let client = world.create().await.asks(&world).await;
    world.store.calls();
    for at in 0..client.refresh.len() {
        let why = refused(world.refresh(&client.refresh[..at]).await);
        assert_eq!(why, RefreshRefused::NotOurs);
        for bit in 0..7 {
            let mut bytes = client.refresh.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let token = String::from_utf8(bytes).unwrap();
            assert_eq!(
                refused(world.refresh(&token).await),
                RefreshRefused::NotOurs
            );
        }
    }
    assert!(world.store.calls().is_empty());
}

/// The header is one constant. What another one asks for is not even read.
#[tokio::test]
async fn another_header_is_refused_whoever_signed_it() {
    let world = world();
    let client = world.create().await;
    let key = world.signing_key().await;
    let payload = client.access.split('.').nth(1).unwrap();
    let public = STANDARD.decode(key.public_key()).unwrap();
    for header in [
        "",
        "{}",
        r#"{"alg":"none","typ":"JWT","version":"1"}"#,
        r#"{"alg":"None","typ":"JWT","version":"1"}"#,
        r#"{"alg":"nOnE","typ":"JWT","version":"1"}"#,
        r#"{"alg":"HS256","typ":"JWT","version":"1"}"#,
        r#"{"alg":"ES256","typ":"JWT","version":"1"}"#,
        r#"{"alg":"RS384","typ":"JWT","version":"1"}"#,
        r#"{"alg":"RS256","typ":"JWT","version":1}"#,
        r#"{"alg":"RS256","typ":"JWT"}"#,
        r#"{"typ":"JWT","alg":"RS256","version":"1"}"#,
        r#"{"alg":"RS256","typ":"JWT","version":"1" }"#,
        r#"{"alg":"RS256","typ":"JWT","version":"1","kid":"' OR 1=1--"}"#,
        r#"{"alg":"RS256","typ":"JWT","version":"1","kid":"../../dev/null"}"#,
        r#"{"alg":"RS256","typ":"JWT","version":"1","jku":"https://example.com"}"#,
        r#"{"alg":"RS256","typ":"JWT","version":"1","crit":["x"],"x":1}"#,
    ] {
        for header in [STANDARD.encode(header), URL_SAFE_NO_PAD.encode(header)] {
            let input = format!("{header}.{payload}");
            let secret = hmac::Key::new(hmac::HMAC_SHA256, &public);
            let mac = STANDARD.encode(hmac::sign(&secret, input.as_bytes()));
            for token in [
                signed(&key, &header, payload),
                format!("{input}.{mac}"),
                format!("{input}.{}", STANDARD.encode([0; 64])),
                format!("{input}."),
                input,
            ] {
                assert_eq!(
                    rejected(&world, &token).await,
                    Rejected::Malformed,
                    "{header}"
                );
            }
        }
    }
    // The right header with another algorithm's signature.
    let input = format!("{HEADER}.{payload}");
    let secret = hmac::Key::new(hmac::HMAC_SHA256, &public);
    for signature in [
        hmac::sign(&secret, input.as_bytes()).as_ref(),
        &[0; 64],
        &[0; 256],
        &[],
    ] {
        let token = format!("{input}.{}", STANDARD.encode(signature));
        assert_eq!(rejected(&world, &token).await, Rejected::UnknownKey);
    }
}

#[tokio::test]
async fn parts_too_many_or_too_few_are_refused() {
    let world = world();
    let client = world.create().await;
    let key = world.signing_key().await;
    let parts: Vec<_> = client.access.split('.').collect();
    let [header, payload, signature] = parts[..] else {
        panic!("{} parts", parts.len());
    };
    for token in [
        format!("{header}.{signature}"),
        format!("{payload}.{signature}"),
        format!("{}.", client.access),
        format!(".{}", client.access),
        format!("{}.{signature}", client.access),
        format!("{header}.{payload}.{payload}.{signature}"),
        format!("{header}..{signature}"),
        format!("{} ", client.access),
        format!(" {}", client.access),
        format!("{}\n", client.access),
        client.access.replace('.', ","),
        signed(&key, HEADER, &format!("{payload}.{payload}")),
        signed(&key, HEADER, ""),
    ] {
        rejected(&world, &token).await;
    }
}

/// Signed with the right key, so that nothing but the alphabet is against it.
#[tokio::test]
async fn another_alphabet_or_padding_is_refused() {
    let world = world();
    world.engine.prepare(&APP).await.unwrap();
    let key = world.signing_key().await;
    let mut seen = 0;
    for filler in ["?>~", "?>~ ", "?>~  "] {
        let create = Create {
            jwt_payload: json(&format!(r#"{{"a":"{}"}}"#, filler.repeat(9))),
            ..create_v1(user())
        };
        let issued = world.engine.create(create).await.unwrap();
        let payload = payload_of(issued.access.token.expose());
        let good = STANDARD.encode(&payload);
        let _ = valid(world.verify(&signed(&key, HEADER, &good)).await);
        let others = [
            URL_SAFE.encode(&payload),
            URL_SAFE_NO_PAD.encode(&payload),
            STANDARD_NO_PAD.encode(&payload),
            format!("{good}="),
            format!("{good}===="),
            format!("{}\n{}", &good[..64], &good[64..]),
            format!("{good}%3D"),
        ];
        for other in others.iter().filter(|other| **other != good) {
            let why = rejected(&world, &signed(&key, HEADER, other)).await;
            assert_eq!(why, Rejected::Malformed, "{other}");
            seen += 1;
        }
        // The signature's own.
        let token = signed(&key, HEADER, &good);
        let (input, signature) = token.rsplit_once('.').unwrap();
        for other in [signature.trim_end_matches('='), &format!("{signature}=")] {
            let why = rejected(&world, &format!("{input}.{other}")).await;
            assert_eq!(why, Rejected::Malformed);
        }
        let bytes = STANDARD.decode(signature).unwrap();
        let other = URL_SAFE.encode(bytes);
        assert!(
            other == signature
                || rejected(&world, &format!("{input}.{other}")).await == Rejected::Malformed
        );
    }
    assert!(seen >= 15, "{seen}");
}

#[tokio::test]
async fn no_other_kind_of_token_passes() {
    let world = world();
    let client = world.create().await;
    let issued = renewed(world.refresh(&client.refresh).await);
    let id_refresh = issued.refresh.id_refresh().to_string();
    let handle = client.handle.to_string();
    let anti_csrf = client.anti_csrf.clone().unwrap();
    for token in [&client.refresh, &id_refresh, &handle, &anti_csrf] {
        assert_eq!(rejected(&world, token).await, Rejected::Malformed);
    }
    for token in [&client.access, &id_refresh, &handle, &anti_csrf] {
        assert_eq!(refused(world.refresh(token).await), RefreshRefused::NotOurs);
    }
}

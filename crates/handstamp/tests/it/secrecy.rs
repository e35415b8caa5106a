//! Nothing shows a secret, and nothing that is stored can be used as one.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests are not seen to be tests"
)]

use std::error::Error as StdError;
use std::fmt::Debug;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use handstamp::config::ConfigError;
use handstamp::engine::{
    AntiCsrf, Create, CreateJwt, KeyChoice, OnReuse, Refresh, RefreshRefused, Refreshed,
    Regenerate, Regenerated, TryRefresh, Verification, Verified, Verify,
};
use handstamp::entropy::EntropyError;
use handstamp::jws::Algorithm;
use handstamp::jws::SigningKey;
use handstamp::rotation::{Policy, decide};
use handstamp::storage::{Confirm, KeyKind, StorageError, StorageFault};
use handstamp::token::access::{AccessClaims, NamedKey, Rejected, TokenFormat, mint};
use handstamp::token::refresh::{PREFIX, RefreshClaims, RefreshKey};
use handstamp::token::{Hash1, Nonce, Secret};
use handstamp::{AppId, Config, SessionHandle, UserId};

use crate::support::{
    APP, Client, MINUTE, SECOND, World, create_as, json, refresh_as, refresh_v1, try_refresh,
    with_anti_csrf,
};

/// What must not be seen anywhere.
#[derive(Default)]
struct Secrets(Vec<String>);

impl Secrets {
    fn text(&mut self, text: &str) {
        self.0.push(text.to_owned());
        // Its parts and its beginning, too; the header of an access token is known to all.
        self.0
            .extend(text.split('.').skip(1).map(|part| part[..24].to_owned()));
        self.0
            .extend(text.strip_prefix(PREFIX).map(|rest| rest[..24].to_owned()));
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let start = &bytes[..bytes.len().min(15)];
        let list = format!("{start:?}");
        self.0.push(list.trim_matches(['[', ']']).to_owned());
        self.0.push(hex(start));
        self.0.push(hex(start).to_uppercase());
        self.0.push(STANDARD.encode(start));
    }

    fn are_not_in(&self, shown: &str, what: &str) {
        for secret in &self.0 {
            assert!(
                !shown.contains(secret.as_str()),
                "{what} shows {secret}: {shown}"
            );
        }
    }

    fn are_not_shown_by(&self, values: &[(&str, &dyn Debug)]) {
        for (what, value) in values {
            self.are_not_in(&format!("{value:?}"), what);
            self.are_not_in(&format!("{value:#?}"), what);
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// A session with a parent, a current token and a child, and all secrets there are about it.
async fn busy() -> (World, Vec<Client>, Secrets) {
    let world = World::new(Config::default());
    let first = world.create().await;
    let mut second = first.asks(&world).await;
    second.uses(&world).await;
    let third = second.asks(&world).await;
    let mut secrets = Secrets::default();
    let clients = vec![first, second, third];
    for client in &clients {
        secrets.text(&client.refresh);
        secrets.text(&client.access);
        secrets.text(client.anti_csrf.as_ref().unwrap());
        let hash = Hash1::of(&client.refresh);
        secrets.text(&hash.to_hex());
        secrets.bytes(
            &(0..64)
                .step_by(2)
                .map(|at| u8::from_str_radix(&hash.to_hex()[at..at + 2], 16).unwrap())
                .collect::<Vec<_>>(),
        );
        secrets.bytes(hash.hash2().as_bytes());
    }
    let rotation = world.session(&clients[0].handle).await.unwrap().rotation;
    secrets.bytes(rotation.current.nonce.unwrap().as_bytes());
    secrets.bytes(rotation.child.unwrap().nonce.as_bytes());
    for kind in [KeyKind::Dynamic(Algorithm::Rs256), KeyKind::Refresh] {
        for key in world.keys(kind).await {
            // PKCS#8 begins with what all keys begin with.
            secrets.bytes(&key.material[key.material.len() / 2..]);
            secrets.bytes(&key.material);
        }
    }
    (world, clients, secrets)
}

#[tokio::test]
async fn commands_and_outcomes_show_no_secret() {
    let (world, clients, secrets) = busy().await;
    let client = &clients[2];
    let anti_csrf = client.anti_csrf.as_deref();
    let verify = Verify {
        anti_csrf: AntiCsrf::Passed(anti_csrf),
        check_storage: true,
        ..Verify::new(&client.access)
    };
    let refresh = Refresh {
        anti_csrf: true,
        ..refresh_v1(&client.refresh)
    };
    let verified = world.engine.verify(&verify).await.unwrap();
    let ask = Refresh {
        on_reuse: OnReuse::Report,
        ..refresh_v1(&clients[1].refresh)
    };
    let renewed = world.engine.refresh(&ask).await.unwrap();
    world.advance(MINUTE);
    let reused = world.engine.refresh(&ask).await.unwrap();
    let issued = world.engine.create(with_anti_csrf()).await.unwrap();
    let mut own = secrets;
    own.text(issued.refresh.text().expose());
    own.text(issued.access.token.expose());
    own.text(issued.refresh.anti_csrf().unwrap().expose());
    own.bytes(issued.refresh.claims().nonce.as_bytes());
    let canary = "canary-of-a-payload";
    own.text(canary);
    let payload = json(&format!(r#"{{"a":"{canary}"}}"#));
    let create = Create {
        jwt_payload: payload.clone(),
        session_data: payload.clone(),
        ..with_anti_csrf()
    };
    let claims = world.read(&client.access).await;
    let row = world.session(&client.handle).await.unwrap();
    let presented = issued.refresh.presented();
    let rotation = &row.rotation;
    let decision = decide(
        rotation,
        &presented,
        world.now(),
        SECOND,
        Policy::ConfirmOnUse,
    );
    let confirm = Confirm {
        child: presented.hash.hash2(),
        parent: presented.hash.hash2(),
        now: world.now(),
        expires_at: world.now(),
    };
    assert!(matches!(
        renewed,
        Refreshed::Renewed(_) | Refreshed::Unauthorised(_)
    ));
    own.are_not_shown_by(&[
        ("Verify", &verify),
        ("AntiCsrf", &verify.anti_csrf),
        ("Refresh", &refresh),
        ("Create", &create),
        ("JsonObject", &payload),
        ("Verification", &verified),
        ("Refreshed", &renewed),
        ("Refreshed", &reused),
        ("Issued", &issued),
        ("AccessToken", &issued.access),
        ("RefreshToken", &issued.refresh),
        ("RefreshClaims", &issued.refresh.claims()),
        ("AccessClaims", &claims),
        ("Secret", &issued.refresh.text()),
        ("Hash1", &presented.hash),
        ("Hash2", &presented.hash.hash2()),
        ("Nonce", &presented.nonce),
        ("Presented", &presented),
        ("Decision", &decision),
        ("Confirm", &confirm),
        ("Session", &row),
        (
            "PublicSigningKey",
            &world.engine.signing_key(&APP, false).await.unwrap(),
        ),
    ]);
}

/// The same of JWTs, of what changes payloads, and of every kind of key.
#[tokio::test]
#[expect(clippy::too_many_lines, reason = "one value of each type")]
async fn newer_commands_and_their_outcomes_show_no_secret() {
    for algorithm in Algorithm::ALL {
        let config = Config::builder()
            .signing_algorithm(algorithm)
            .build()
            .unwrap();
        let world = World::new(config);
        let mut secrets = Secrets::default();
        let canary = "canary-of-a-payload";
        secrets.text(canary);
        let payload = json(&format!(r#"{{"{canary}":"{canary}"}}"#));
        let ask = Create {
            anti_csrf: true,
            static_key: true,
            access_token_validity: Some(MINUTE),
            ..create_as(TokenFormat::V5)
        };
        let issued = world.engine.create(ask.clone()).await.unwrap();
        let client = Client::of(&issued);
        let anti_csrf = client.anti_csrf.as_deref();
        let refresh = Refresh {
            anti_csrf: true,
            passed: AntiCsrf::Passed(anti_csrf),
            key: KeyChoice::Dynamic,
            access_token_validity: Some(MINUTE),
            ..refresh_as(&client.refresh, TokenFormat::V5)
        };
        let renewed = world.engine.refresh(&refresh).await.unwrap();
        let Refreshed::Renewed(next) = &renewed else {
            unreachable!("{renewed:?}")
        };
        let next = Client::of(next);
        let regenerate = Regenerate {
            cookie: None,
            app: APP,
            token: &next.access,
            jwt_payload: Some(payload.clone()),
        };
        let regenerated = world.engine.regenerate(regenerate.clone()).await.unwrap();
        let Regenerated::Done {
            access: Some(access),
            ..
        } = &regenerated
        else {
            unreachable!("{regenerated:?}")
        };
        let verify = Verify {
            policy: Policy::RotateAtOnce,
            check_storage: true,
            ..Verify::new(&next.access)
        };
        let at_once = world.engine.verify(&verify).await.unwrap();
        let verify = Verify::new(&next.access);
        let replaced = world.engine.verify(&verify).await.unwrap();
        let Verification::Valid(Verified {
            replacement: Some(replacement),
            ..
        }) = &replaced
        else {
            unreachable!("{replaced:?}")
        };
        let create_jwt = CreateJwt {
            app: APP,
            payload: payload.clone(),
            issuer: "https://example.com".to_owned(),
            validity: MINUTE,
            static_key: false,
        };
        let jwt = world.engine.create_jwt(&create_jwt).await.unwrap();
        for client in [&client, &next] {
            secrets.text(&client.refresh);
            secrets.text(&client.access);
            secrets.text(client.anti_csrf.as_deref().unwrap());
            secrets.text(&Hash1::of(&client.refresh).to_hex());
        }
        for token in [&access.token, &replacement.token, &jwt] {
            secrets.text(token.expose());
        }
        let claims = world.read(access.token.expose()).await;
        let mut keys: Vec<SigningKey> = vec![];
        for kind in [KeyKind::Dynamic(algorithm), KeyKind::Static(algorithm)] {
            for stored in world.keys(kind).await {
                // What comes before is alike in all keys, what comes after is the public half.
                let at = if algorithm == Algorithm::Rs256 {
                    stored.material.len() / 2
                } else {
                    36
                };
                secrets.bytes(&stored.material[at..]);
                secrets.bytes(&stored.material);
                secrets.are_not_shown_by(&[("StoredKey", &stored)]);
                keys.push(SigningKey::from_pkcs8(algorithm, &stored.material).unwrap());
            }
        }
        assert_eq!(keys.len(), 2);
        let named = NamedKey {
            id: "d-1",
            key: &keys[0],
        };
        let key_set = world.engine.key_set(&APP).await.unwrap();
        let protected = world
            .engine
            .write_jwt_payload(
                &APP,
                &client.handle,
                &json(r#"{"sub":"canary-of-a-payload"}"#),
                TokenFormat::V3,
            )
            .await
            .unwrap_err();
        let refused = mint(
            &AccessClaims {
                payload: json(r#"{"sub":"canary-of-a-payload"}"#),
                ..claims.clone()
            },
            TokenFormat::V5,
            named,
        )
        .unwrap_err();
        secrets.are_not_in(&format!("{protected} {refused}"), "Display");
        secrets.are_not_shown_by(&[
            ("Create", &ask),
            ("Issued", &issued),
            ("Refresh", &refresh),
            ("Refreshed", &renewed),
            ("Regenerate", &regenerate),
            ("Regenerated", &regenerated),
            ("Verify", &verify),
            ("Verification", &at_once),
            ("Verification", &replaced),
            ("CreateJwt", &create_jwt),
            ("Secret", &jwt),
            ("AccessClaims", &claims),
            (
                "Session",
                &world
                    .engine
                    .session(&APP, &client.handle)
                    .await
                    .unwrap()
                    .unwrap(),
            ),
            ("SigningKey", &keys),
            ("NamedKey", &named),
            ("KeySet", &key_set),
            ("Engine", &world.engine),
            ("MemoryStorage", &world.store.inner),
            ("Error", &protected),
            ("KeyError", &refused),
        ]);
    }
}

#[tokio::test]
async fn engine_store_and_keys_show_no_secret() {
    let (world, _, secrets) = busy().await;
    let stored = world.keys(KeyKind::Refresh).await.remove(0);
    let secret: &[u8; 32] = stored.material.as_slice().try_into().unwrap();
    secrets.are_not_shown_by(&[
        ("Engine", &world.engine),
        ("MemoryStorage", &world.store.inner),
        ("StoredKey", &stored),
        ("SigningKey", &world.signing_key().await),
        ("RefreshKey", &RefreshKey::new(1, secret, APP)),
    ]);
    // The dump is one of the store as it is, not of an empty one.
    let dump = format!("{:?}", world.store.inner);
    assert!(dump.contains("superseded_at") && dump.contains("StoredKey"));
}

#[tokio::test]
async fn errors_show_no_secret() {
    let (world, clients, mut secrets) = busy().await;
    let canary = "canary-of-a-value";
    secrets.text(canary);
    let mut errors: Vec<Box<dyn StdError>> = vec![
        Box::new(canary.to_uppercase().parse::<SessionHandle>().unwrap_err()),
        Box::new(UserId::parse(&canary.repeat(100)).unwrap_err()),
        Box::new(AppId::parse(&format!("{canary}_")).unwrap_err()),
        Box::new(handstamp::JsonObject::parse(&format!(r#"{{"{canary}":"#)).unwrap_err()),
        Box::new(
            handstamp::JsonObject::parse(&format!(r#"{{"{canary}":1,"{canary}":1}}"#)).unwrap_err(),
        ),
        Box::new(SigningKey::from_pkcs8(Algorithm::Rs256, canary.as_bytes()).unwrap_err()),
        Box::new(config_error()),
        Box::new(EntropyError::new("none")),
        Box::new(StorageError::new(StorageFault::Busy, "table").with_outcome_unknown()),
        Box::new(Rejected::Malformed),
        Box::new(Rejected::Signature),
        Box::new(Rejected::Claims { lacks: Some("sub") }),
    ];
    let key = world.keys(KeyKind::Refresh).await.remove(0);
    let secret: &[u8; 32] = key.material.as_slice().try_into().unwrap();
    let stranger = RefreshKey::new(9, secret, APP);
    errors.push(Box::new(stranger.open(&clients[0].refresh).unwrap_err()));
    let large = Create {
        jwt_payload: json(&format!(r#"{{"a":"{}"}}"#, canary.repeat(1000))),
        ..with_anti_csrf()
    };
    errors.push(Box::new(world.engine.create(large).await.unwrap_err()));
    world.store.fail(true);
    errors.push(Box::new(
        world
            .engine
            .refresh(&refresh_v1(&clients[2].refresh))
            .await
            .unwrap_err(),
    ));
    errors.push(Box::new(
        world.engine.create(with_anti_csrf()).await.unwrap_err(),
    ));
    for error in &errors {
        let shown = error.to_string();
        assert!(!shown.is_empty());
        secrets.are_not_in(&shown, "Display");
        secrets.are_not_in(&format!("{error:?}"), "Debug");
        secrets.are_not_in(&format!("{:?}", error.source()), "source");
    }
    secrets.are_not_in(&format!("{:?}", TryRefresh::AntiCsrf), "TryRefresh");
}

fn config_error() -> ConfigError {
    Config::builder().session_data_bytes(0).build().unwrap_err()
}

/// Whether the text lets its bearer in, as either kind of token.
async fn lets_in(world: &World, text: &str) -> bool {
    let refreshed = world.refresh(text).await;
    let refused = matches!(refreshed, Refreshed::Unauthorised(RefreshRefused::NotOurs));
    let rejected = matches!(
        try_refresh(world.verify(text).await),
        TryRefresh::Rejected(_)
    );
    !(refused && rejected)
}

#[tokio::test]
async fn what_is_stored_cannot_be_presented() {
    let (world, clients, _) = busy().await;
    let row = world.session(&clients[0].handle).await.unwrap();
    let rotation = row.rotation;
    let (child, previous) = (rotation.child.unwrap(), rotation.previous.unwrap());
    let mut stored: Vec<Vec<u8>> = vec![
        rotation.current.hash.as_bytes().to_vec(),
        rotation.current.nonce.unwrap().as_bytes().to_vec(),
        child.hash.as_bytes().to_vec(),
        child.nonce.as_bytes().to_vec(),
        previous.hash.as_bytes().to_vec(),
        row.handle.id().as_bytes().to_vec(),
    ];
    for kind in [KeyKind::Dynamic(Algorithm::Rs256), KeyKind::Refresh] {
        stored.extend(
            world
                .keys(kind)
                .await
                .iter()
                .map(|key| key.material.to_vec()),
        );
    }
    let mut tried = 0;
    for bytes in &stored {
        let forms = [
            hex(bytes),
            hex(bytes).to_uppercase(),
            STANDARD.encode(bytes),
            STANDARD_NO_PAD.encode(bytes),
            URL_SAFE.encode(bytes),
            URL_SAFE_NO_PAD.encode(bytes),
        ];
        for form in forms {
            // Nor is any of it a token, a hash that access tokens carry, or an anti-CSRF token.
            for client in &clients {
                assert_ne!(form, client.refresh);
                assert_ne!(form, client.access);
                assert_ne!(Some(&form), client.anti_csrf.as_ref());
                assert_ne!(form, Hash1::of(&client.refresh).to_hex());
            }
            for token in [
                form.clone(),
                format!("{PREFIX}{form}"),
                format!("{form}.{form}.{form}"),
            ] {
                assert!(!lets_in(&world, &token).await, "{token}");
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 8 * 6 * 3);
    assert_eq!(
        world
            .session(&clients[0].handle)
            .await
            .unwrap()
            .rotation
            .counter,
        3
    );
}

/// Whoever has the whole store, the key of refresh tokens included, still cannot make one that is good: the hash of the token
/// that each was made from is not there.
#[tokio::test]
async fn a_stolen_store_makes_no_refresh_token() {
    let (world, clients, _) = busy().await;
    let row = world.session(&clients[0].handle).await.unwrap();
    let rotation = row.rotation;
    let (child, previous) = (rotation.child.unwrap(), rotation.previous.unwrap());
    let key = world.keys(KeyKind::Refresh).await.remove(0);
    let secret: &[u8; 32] = key.material.as_slice().try_into().unwrap();
    let key = RefreshKey::new(key.generation, secret, APP);
    let hashes = [rotation.current.hash, child.hash, previous.hash];
    let parents = hashes.map(|hash| Hash1::from_hex(&hex(hash.as_bytes())));
    let nonces = [
        rotation.current.nonce.unwrap(),
        child.nonce,
        Nonce::from_bytes([0; 16]),
    ];
    for nonce in nonces {
        for parent in parents.into_iter().chain([None]) {
            for anti_csrf in [false, true] {
                let claims = RefreshClaims {
                    handle: row.handle.clone(),
                    nonce,
                    parent,
                    anti_csrf,
                };
                let forged = key.make(claims);
                // It passes the MAC, and then is reported.
                let refreshed = world.refresh(forged.text().expose()).await;
                assert!(
                    matches!(refreshed, Refreshed::Reuse { .. }),
                    "{refreshed:?}"
                );
            }
        }
    }
}

#[test]
fn a_secret_is_shown_on_request_only() {
    let secret = Secret::new("canary".to_owned());
    assert_eq!(secret.expose(), "canary");
    assert_eq!(format!("{secret:?}"), "Secret(..)");
}

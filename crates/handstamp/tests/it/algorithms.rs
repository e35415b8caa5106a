//! The three ways to sign: what others make of the tokens by the published keys, and what the engine makes of tokens that lie
//! about how they are signed.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests are not seen to be tests"
)]

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use handstamp::Config;
use handstamp::engine::{KeySet, PublishedKey, TryRefresh, Verify};
use handstamp::jws::{Algorithm, Jwk, KeySource as _, SigningKey, SystemKeySource};
use handstamp::storage::KeyKind;
use handstamp::token::access::{Rejected, TokenFormat};
use jsonwebtoken::{DecodingKey, EncodingKey, crypto};

use crate::support::{
    APP, Client, SECOND, World, create_as, jwt, kid_of, parts_of, refresh_as, renewed, try_refresh,
    user, valid,
};

const JWTS: [TokenFormat; 3] = [TokenFormat::V3, TokenFormat::V4, TokenFormat::V5];

fn config(algorithm: Algorithm) -> Config {
    Config::builder()
        .signing_algorithm(algorithm)
        .build()
        .unwrap()
}

async fn created(world: &World, format: TokenFormat) -> Client {
    Client::of(&world.engine.create(create_as(format)).await.unwrap())
}

fn theirs(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
    match algorithm {
        Algorithm::Rs256 => jsonwebtoken::Algorithm::RS256,
        Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
        Algorithm::EdDsa => jsonwebtoken::Algorithm::EdDSA,
    }
}

/// What another library makes of a published key.
fn decoding_key(jwk: &Jwk) -> DecodingKey {
    match jwk {
        Jwk::Rsa { n, e } => DecodingKey::from_rsa_components(n, e),
        Jwk::P256 { x, y } => DecodingKey::from_ec_components(x, y),
        Jwk::Ed25519 { x } => DecodingKey::from_ed_components(x),
    }
    .unwrap()
}

/// Whether another library finds the token good by what is published.
fn others_accept(token: &str, key: &PublishedKey) -> bool {
    let (input, signature) = token.rsplit_once('.').unwrap();
    let key_of_it = decoding_key(&key.jwk);
    crypto::verify(
        signature,
        input.as_bytes(),
        &key_of_it,
        theirs(key.algorithm),
    )
    .unwrap_or(false)
}

fn find<'s>(set: &'s KeySet, kid: &str) -> &'s PublishedKey {
    set.keys.iter().find(|key| key.id == kid).unwrap()
}

#[tokio::test]
async fn others_verify_by_the_published_keys() {
    for algorithm in Algorithm::ALL {
        let world = World::new(config(algorithm));
        for format in JWTS {
            for static_key in [false, true] {
                let ask = handstamp::engine::Create {
                    static_key,
                    ..create_as(format)
                };
                let issued = world.engine.create(ask).await.unwrap();
                let token = issued.access.token.expose();
                let set = world.engine.key_set(&APP).await.unwrap();
                let key = find(&set, &kid_of(token));
                assert_eq!((key.algorithm, key.is_dynamic), (algorithm, !static_key));
                assert!(others_accept(token, key));
                let header = jsonwebtoken::decode_header(token).unwrap();
                assert_eq!(header.alg, theirs(algorithm));
                // Not by another of them, and not when a bit is another.
                for other in set.keys.iter().filter(|other| other.id != key.id) {
                    assert!(!others_accept(token, other));
                }
                let mut broken = token.to_owned().into_bytes();
                let place = token.len() / 2;
                broken[place] = if broken[place] == b'A' { b'B' } else { b'A' };
                assert!(!others_accept(&String::from_utf8(broken).unwrap(), key));
                // The DER that is published is the same key.
                let der = STANDARD.decode(&key.public_key).unwrap();
                let at_its_end = match &key.jwk {
                    // The exponent is behind the modulus there.
                    Jwk::Rsa { n, e } => {
                        assert_eq!(URL_SAFE_NO_PAD.decode(e).unwrap(), [1, 0, 1]);
                        [URL_SAFE_NO_PAD.decode(n).unwrap(), vec![2, 3, 1, 0, 1]].concat()
                    }
                    Jwk::P256 { x, y } => {
                        [x, y].map(|x| URL_SAFE_NO_PAD.decode(x).unwrap()).concat()
                    }
                    Jwk::Ed25519 { x } => URL_SAFE_NO_PAD.decode(x).unwrap(),
                };
                assert!(der.ends_with(&at_its_end));
            }
        }
    }
}

/// An encoding key of the other library, from the same PKCS#8.
fn encoding_key(algorithm: Algorithm, der: &[u8]) -> EncodingKey {
    match algorithm {
        // It takes what is inside: PKCS#1.
        Algorithm::Rs256 => EncodingKey::from_rsa_der(&der[26..]),
        Algorithm::Es256 => EncodingKey::from_ec_der(der),
        Algorithm::EdDsa => EncodingKey::from_ed_der(der),
    }
}

#[tokio::test]
async fn what_another_library_signs_is_good() {
    for algorithm in Algorithm::ALL {
        let world = World::new(config(algorithm));
        let client = created(&world, TokenFormat::V5).await;
        let stored = world.keys(KeyKind::Dynamic(algorithm)).await.remove(0);
        let key = encoding_key(algorithm, &stored.material);
        let (input, _) = client.access.rsplit_once('.').unwrap();
        let signature = crypto::sign(input.as_bytes(), &key, theirs(algorithm)).unwrap();
        let _ = valid(world.verify(&format!("{input}.{signature}")).await);
    }
}

/// RFC 8037, A.1 and A.4.
#[test]
fn eddsa_agrees_with_the_rfc() {
    let seed = URL_SAFE_NO_PAD
        .decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
        .unwrap();
    let prefix = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
    let key = SigningKey::from_pkcs8(Algorithm::EdDsa, &[&prefix[..], &seed].concat()).unwrap();
    let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo".to_owned();
    assert_eq!(*key.jwk(), Jwk::Ed25519 { x });
    let input = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let signature =
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    assert_eq!(URL_SAFE_NO_PAD.encode(key.sign(input).unwrap()), signature);
}

/// RFC 7515, A.3.
#[test]
fn es256_agrees_with_the_rfc() {
    let secret = URL_SAFE_NO_PAD
        .decode("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI")
        .unwrap();
    let prefix = b"\x30\x41\x02\x01\x00\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x04\x27\x30\x25\x02\x01\x01\x04\x20";
    let key = SigningKey::from_pkcs8(Algorithm::Es256, &[&prefix[..], &secret].concat()).unwrap();
    let x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU".to_owned();
    let y = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0".to_owned();
    assert_eq!(*key.jwk(), Jwk::P256 { x, y });
    let input = b"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let signature =
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    assert!(key.verifies(input, &URL_SAFE_NO_PAD.decode(signature).unwrap()));
    assert_eq!(key.sign(input).unwrap().len(), 64);
}

#[test]
fn a_key_is_read_as_what_it_is() {
    for made in Algorithm::ALL {
        let der = SystemKeySource.make(made).unwrap();
        for read in Algorithm::ALL {
            assert_eq!(SigningKey::from_pkcs8(read, &der).is_ok(), made == read);
        }
    }
}

/// Signatures of `input` by what a stranger knows.
fn by_public_key(key: &SigningKey, input: &str) -> Vec<String> {
    let der = STANDARD.decode(key.public_key()).unwrap();
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        key.public_key()
    );
    let secrets = [
        der,
        pem.into_bytes(),
        key.public_key().as_bytes().to_vec(),
        vec![],
    ];
    let macs = secrets.iter().map(|secret| {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret);
        hmac::sign(&secret, input.as_bytes()).as_ref().to_vec()
    });
    let zeros = [0, 32, 64, 256].map(|len| vec![0; len]);
    macs.chain(zeros)
        .map(|bytes| format!("{input}.{}", URL_SAFE_NO_PAD.encode(bytes)))
        .collect()
}

#[tokio::test]
async fn a_header_that_lies_about_the_algorithm_is_refused() {
    for algorithm in Algorithm::ALL {
        let world = World::new(config(algorithm));
        let client = created(&world, TokenFormat::V5).await;
        let key = world.key(KeyKind::Dynamic(algorithm)).await;
        let (header, payload) = parts_of(&client.access);
        let own = format!(r#""alg":"{}""#, algorithm.as_str());
        assert!(header.contains(&own));
        for alg in [
            "RS256", "ES256", "EdDSA", "none", "None", "NONE", "nOnE", "HS256", "HS512", "RS384",
            "PS256", "ES384", "Ed25519", "", "rs256",
        ] {
            if alg == algorithm.as_str() {
                continue;
            }
            let lying = header.replace(&own, &format!(r#""alg":"{alg}""#));
            let token = jwt(&key, &lying, &payload);
            let (input, _) = token.rsplit_once('.').unwrap();
            for token in by_public_key(&key, input)
                .into_iter()
                .chain([token.clone()])
            {
                let why = try_refresh(world.verify(&token).await);
                assert_eq!(why, TryRefresh::Rejected(Rejected::Malformed), "{alg}");
            }
        }
        // The right one, with a signature that anybody can make.
        let (input, _) = client.access.rsplit_once('.').unwrap();
        for token in by_public_key(&key, input) {
            let why = try_refresh(world.verify(&token).await);
            assert_eq!(why, TryRefresh::Rejected(Rejected::Signature));
        }
    }
}

#[tokio::test]
async fn only_the_key_that_is_named_is_asked() {
    for algorithm in Algorithm::ALL {
        let world = World::new(config(algorithm));
        let client = created(&world, TokenFormat::V5).await;
        let (header, payload) = parts_of(&client.access);
        let (named, key) = (
            kid_of(&client.access),
            world.key(KeyKind::Dynamic(algorithm)).await,
        );
        // Keys of every other kind, for their names.
        for (other, seed) in Algorithm::ALL.into_iter().zip(20..) {
            let engine = world.another(seed, config(other));
            for static_key in [false, true] {
                let ask = handstamp::engine::Create {
                    static_key,
                    ..create_as(TokenFormat::V5)
                };
                let _ = engine.create(ask).await.unwrap();
            }
        }
        world.advance(SECOND);
        let _ = world.verify("x.y.z").await;
        let set = world
            .another(23, config(algorithm))
            .key_set(&APP)
            .await
            .unwrap();
        assert_eq!(set.keys.len(), 6);
        for other in set.keys.iter().filter(|other| other.id != named) {
            let lying = header.replace(&named, &other.id);
            let same = other.algorithm == algorithm;
            let fits = lying.replace(algorithm.as_str(), other.algorithm.as_str());
            let why = if same {
                Rejected::Signature
            } else {
                Rejected::Malformed
            };
            let engine = world.another(24, config(algorithm));
            let verify = async |header: &str| {
                let token = jwt(&key, header, &payload);
                try_refresh(engine.verify(&Verify::new(&token)).await.unwrap())
            };
            assert_eq!(
                verify(&lying).await,
                TryRefresh::Rejected(why),
                "{}",
                other.id
            );
            assert_eq!(
                verify(&fits).await,
                TryRefresh::Rejected(Rejected::Signature)
            );
        }
        for (kid, why) in [
            ("d-1", Rejected::UnknownKey),
            ("", Rejected::UnknownKey),
            ("../../dev/null", Rejected::UnknownKey),
            ("/dev/null", Rejected::UnknownKey),
            ("' OR 1=1--", Rejected::UnknownKey),
            ("https://example.com/key", Rejected::UnknownKey),
            (&*named.to_uppercase(), Rejected::UnknownKey),
            (&*format!(" {named}"), Rejected::UnknownKey),
            (&*format!("{named}\\u0000"), Rejected::UnknownKey),
            (&*"d".repeat(300), Rejected::UnknownKey),
            (&*"d".repeat(600), Rejected::Malformed),
            (&*"d".repeat(1 << 20), Rejected::Malformed),
        ] {
            let token = jwt(&key, &header.replace(&named, kid), &payload);
            assert_eq!(
                try_refresh(world.verify(&token).await),
                TryRefresh::Rejected(why)
            );
        }
    }
}

#[tokio::test]
async fn another_algorithm_may_be_set_while_tokens_live() {
    for from in Algorithm::ALL {
        for to in Algorithm::ALL.into_iter().filter(|to| *to != from) {
            let world = World::new(config(from));
            let old = created(&world, TokenFormat::V5).await;
            let engine = world.another(30, config(to));
            let _ = valid(engine.verify(&Verify::new(&old.access)).await.unwrap());
            let ask = refresh_as(&old.refresh, TokenFormat::V5);
            let next = Client::of(&renewed(engine.refresh(&ask).await.unwrap()));
            assert!(parts_of(&next.access).0.contains(to.as_str()));
            // The server that is still set as before takes it, and both publish both.
            world.advance(SECOND);
            let seen = valid(world.verify(&next.access).await);
            assert_eq!(seen.session.user_id, user());
            let replaced = seen.replacement.unwrap().token;
            assert!(parts_of(replaced.expose()).0.contains(from.as_str()));
            for engine in [&world.engine, &engine] {
                let set = engine.key_set(&APP).await.unwrap();
                for token in [&*old.access, &next.access, replaced.expose()] {
                    assert!(others_accept(token, find(&set, &kid_of(token))));
                    let _ = valid(engine.verify(&Verify::new(token)).await.unwrap());
                }
                for algorithm in [from, to] {
                    let mut keys = set.keys.iter().filter(|key| key.is_dynamic);
                    assert!(keys.any(|key| key.algorithm == algorithm));
                }
            }
        }
    }
}

/// Their clients know nothing else.
#[tokio::test]
async fn older_forms_are_signed_by_rsa_whatever_is_set() {
    for algorithm in Algorithm::ALL {
        let world = World::new(config(algorithm));
        for format in [TokenFormat::V1, TokenFormat::V2] {
            for static_key in [false, true] {
                let ask = handstamp::engine::Create {
                    static_key,
                    ..create_as(format)
                };
                let issued = world.engine.create(ask).await.unwrap();
                let token = issued.access.token.expose();
                let told = world
                    .engine
                    .signing_key(&APP, static_key)
                    .await
                    .unwrap()
                    .public_key;
                let set = world.engine.key_set(&APP).await.unwrap();
                let key = set.keys.iter().find(|key| key.public_key == told).unwrap();
                assert_eq!(
                    (key.algorithm, key.is_dynamic),
                    (Algorithm::Rs256, !static_key)
                );
                let (input, signature) = token.rsplit_once('.').unwrap();
                let signature = URL_SAFE_NO_PAD.encode(STANDARD.decode(signature).unwrap());
                assert!(others_accept(&format!("{input}.{signature}"), key));
                let _ = valid(world.verify(token).await);
                // By another algorithm's key it is not one of these tokens, whatever the header says.
                if algorithm != Algorithm::Rs256 {
                    let _ = created(&world, TokenFormat::V5).await;
                    let other = world.key(KeyKind::Dynamic(algorithm)).await;
                    let signature = STANDARD.encode(other.sign(input.as_bytes()).unwrap());
                    let why = try_refresh(world.verify(&format!("{input}.{signature}")).await);
                    assert_eq!(why, TryRefresh::Rejected(Rejected::UnknownKey));
                }
            }
        }
    }
}

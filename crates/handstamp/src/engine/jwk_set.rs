//! Published keys as others read them.

use serde::Serialize;

use super::{KeySet, PublishedKey};
use crate::jws::Jwk;

/// A JSON Web Key Set (RFC 7517, 5), to be serialised.
#[derive(Debug, Clone, Serialize)]
pub struct JwkSet {
    keys: Vec<PublicKey>,
}

#[derive(Debug, Clone, Serialize)]
struct PublicKey {
    kty: &'static str,
    kid: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    e: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    crv: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<String>,
    alg: &'static str,
    #[serde(rename = "use")]
    usage: &'static str,
}

impl From<PublishedKey> for PublicKey {
    fn from(key: PublishedKey) -> Self {
        let (kty, crv, n, e, x, y) = match key.jwk {
            Jwk::Rsa { n, e } => ("RSA", None, Some(n), Some(e), None, None),
            Jwk::P256 { x, y } => ("EC", Some("P-256"), None, None, Some(x), Some(y)),
            Jwk::Ed25519 { x } => ("OKP", Some("Ed25519"), None, None, Some(x), None),
        };
        Self {
            kty,
            kid: key.id,
            n,
            e,
            crv,
            x,
            y,
            alg: key.algorithm.as_str(),
            usage: "sig",
        }
    }
}

impl From<KeySet> for JwkSet {
    fn from(set: KeySet) -> Self {
        Self {
            keys: set.keys.into_iter().map(PublicKey::from).collect(),
        }
    }
}

//! The public half of a key pair: what signatures are checked by.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RsaPublicKeyComponents,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::{Algorithm, KeyError};

/// How long an RSA-2048 modulus is, and a signature by it.
pub(crate) const RSA_BYTES: usize = 256;

/// What tells a public key, as a JSON Web Key spells it (RFC 7518, 6; RFC 8037, 2): Base64url without padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Jwk {
    /// `kty` RSA.
    Rsa {
        /// The modulus.
        n: String,
        /// The exponent.
        e: String,
    },
    /// `kty` EC, `crv` P-256.
    P256 {
        /// One coordinate.
        x: String,
        /// The other.
        y: String,
    },
    /// `kty` OKP, `crv` Ed25519.
    Ed25519 {
        /// The key.
        x: String,
    },
}

/// A public key. Its algorithm is its own: no token and no header has a say in it.
pub struct VerifyingKey {
    algorithm: Algorithm,
    parsed: ParsedPublicKey,
}

impl VerifyingKey {
    /// Reads a public key.
    ///
    /// # Errors
    /// When it is not one: not Base64url, not a point of its curve, or RSA with less than 2048 or more than 8192 bits.
    pub fn from_jwk(jwk: &Jwk) -> Result<Self, KeyError> {
        let rejected = |why| KeyError::new("cannot be used", why);
        let (algorithm, parsed) = match jwk {
            Jwk::Rsa { n, e } => {
                let (n, e) = (decoded(n)?, decoded(e)?);
                // Some write a sign in front of the number.
                let (n, e) = (without_zeros(&n), without_zeros(&e));
                if n.len() < RSA_BYTES {
                    return Err(KeyError::new("cannot be used", "its modulus is too short"));
                }
                let spki: PublicKeyX509Der<'_> = RsaPublicKeyComponents { n, e }
                    .as_der()
                    .map_err(|why| KeyError::new("cannot be used", why))?;
                let parsed = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, spki.as_ref());
                (Algorithm::Rs256, parsed.map_err(rejected)?)
            }
            Jwk::P256 { x, y } => {
                let (x, y) = (decoded(x)?, decoded(y)?);
                // Each coordinate has its full length (RFC 7518, 6.2.1.2), so that none flows into the other.
                if x.len() != 32 || y.len() != 32 {
                    return Err(KeyError::new("cannot be used", "a coordinate is too short"));
                }
                let point = [&[4][..], &x, &y].concat();
                let parsed = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &point);
                (Algorithm::Es256, parsed.map_err(rejected)?)
            }
            Jwk::Ed25519 { x } => {
                let parsed = ParsedPublicKey::new(&ED25519, decoded(x)?);
                (Algorithm::EdDsa, parsed.map_err(rejected)?)
            }
        };
        Ok(Self { algorithm, parsed })
    }

    /// How it is signed for it.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether `signature` is this key's under `message`.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.parsed.verify_sig(message, signature).is_ok()
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({})", self.algorithm.as_str())
    }
}

fn decoded(text: &str) -> Result<Vec<u8>, KeyError> {
    URL_SAFE_NO_PAD
        .decode(text)
        .map_err(|_| KeyError::new("cannot be read", "a number is not Base64url"))
}

fn without_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}

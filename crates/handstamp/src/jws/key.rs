//! One key pair, ready to sign and to check.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair,
    Ed25519KeyPair, KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::{Algorithm, KeyError};

/// A key pair.
pub struct SigningKey {
    pair: Pair,
    public: ParsedPublicKey,
    spki: String,
    jwk: Jwk,
}

enum Pair {
    Rsa(rsa::KeyPair),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

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

impl SigningKey {
    /// Reads a PKCS#8 DER key pair.
    ///
    /// # Errors
    /// When it is not one for that algorithm (RSA with 2048 bits).
    pub fn from_pkcs8(algorithm: Algorithm, der: &[u8]) -> Result<Self, KeyError> {
        let rejected = |why| KeyError::new("cannot be read", why);
        let unencoded = |why| KeyError::new("cannot be encoded", why);
        match algorithm {
            Algorithm::Rs256 => {
                let pair = rsa::KeyPair::from_pkcs8(der).map_err(rejected)?;
                if pair.public_modulus_len() != RSA_BYTES {
                    return Err(KeyError::new(
                        "cannot be used",
                        "its modulus is not 2048 bits long",
                    ));
                }
                let public = pair.public_key();
                let spki: PublicKeyX509Der<'_> = public.as_der().map_err(unencoded)?;
                let jwk = Jwk::Rsa {
                    n: URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero()),
                    e: URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero()),
                };
                let parsed = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, spki.as_ref())
                    .map_err(rejected)?;
                Ok(Self {
                    spki: STANDARD.encode(spki.as_ref()),
                    public: parsed,
                    jwk,
                    pair: Pair::Rsa(pair),
                })
            }
            Algorithm::Es256 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der)
                    .map_err(rejected)?;
                let public = pair.public_key();
                let spki: PublicKeyX509Der<'_> = public.as_der().map_err(unencoded)?;
                // An uncompressed point: 4, then both coordinates, 32 bytes each.
                let point = public
                    .as_ref()
                    .split_first()
                    .map(|(_, point)| point)
                    .and_then(|point| point.split_at_checked(32));
                let (x, y) = point
                    .ok_or_else(|| KeyError::new("cannot be used", "its point is compressed"))?;
                let jwk = Jwk::P256 {
                    x: URL_SAFE_NO_PAD.encode(x),
                    y: URL_SAFE_NO_PAD.encode(y),
                };
                let parsed = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public.as_ref())
                    .map_err(rejected)?;
                Ok(Self {
                    spki: STANDARD.encode(spki.as_ref()),
                    public: parsed,
                    jwk,
                    pair: Pair::P256(pair),
                })
            }
            Algorithm::EdDsa => {
                let pair = Ed25519KeyPair::from_pkcs8(der).map_err(rejected)?;
                let public = pair.public_key();
                let spki: PublicKeyX509Der<'_> = public.as_der().map_err(unencoded)?;
                let jwk = Jwk::Ed25519 {
                    x: URL_SAFE_NO_PAD.encode(public.as_ref()),
                };
                let parsed = ParsedPublicKey::new(&ED25519, public.as_ref()).map_err(rejected)?;
                Ok(Self {
                    spki: STANDARD.encode(spki.as_ref()),
                    public: parsed,
                    jwk,
                    pair: Pair::Ed25519(pair),
                })
            }
        }
    }

    /// How it signs.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        match self.pair {
            Pair::Rsa(_) => Algorithm::Rs256,
            Pair::P256(_) => Algorithm::Es256,
            Pair::Ed25519(_) => Algorithm::EdDsa,
        }
    }

    /// Signs `message`.
    ///
    /// # Errors
    /// When the crypto library refuses.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let refused = |why| KeyError::new("did not sign", why);
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; RSA_BYTES];
                pair.sign(
                    &RSA_PKCS1_SHA256,
                    &SystemRandom::new(),
                    message,
                    &mut signature,
                )
                .map_err(refused)?;
                Ok(signature)
            }
            Pair::P256(pair) => Ok(pair
                .sign(&SystemRandom::new(), message)
                .map_err(refused)?
                .as_ref()
                .to_vec()),
            Pair::Ed25519(pair) => Ok(pair.try_sign(message).map_err(refused)?.as_ref().to_vec()),
        }
    }

    /// Whether `signature` is this key's under `message`.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.public.verify_sig(message, signature).is_ok()
    }

    /// The public half: standard Base64 of its SubjectPublicKeyInfo (DER), one line, no PEM armour.
    #[must_use]
    pub fn public_key(&self) -> &str {
        &self.spki
    }

    /// The public half, as a JSON Web Key spells it.
    #[must_use]
    pub fn jwk(&self) -> &Jwk {
        &self.jwk
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.algorithm().as_str())
    }
}

/// How long an RSA-2048 modulus is, and a signature by it.
pub(crate) const RSA_BYTES: usize = 256;

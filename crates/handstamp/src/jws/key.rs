//! One key pair, ready to sign and to check.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::public::{Jwk, RSA_BYTES, VerifyingKey};
use super::{Algorithm, KeyError};

/// A key pair.
pub struct SigningKey {
    pair: Pair,
    public: VerifyingKey,
    spki: String,
    jwk: Jwk,
}

enum Pair {
    Rsa(rsa::KeyPair),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl SigningKey {
    /// Reads a PKCS#8 DER key pair.
    ///
    /// # Errors
    /// When it is not one for that algorithm (RSA with 2048 bits).
    pub fn from_pkcs8(algorithm: Algorithm, der: &[u8]) -> Result<Self, KeyError> {
        let rejected = |why| KeyError::new("cannot be read", why);
        let unencoded = |why| KeyError::new("cannot be encoded", why);
        let (pair, spki, jwk) = match algorithm {
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
                let spki = STANDARD.encode(spki.as_ref());
                (Pair::Rsa(pair), spki, jwk)
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
                let spki = STANDARD.encode(spki.as_ref());
                (Pair::P256(pair), spki, jwk)
            }
            Algorithm::EdDsa => {
                let pair = Ed25519KeyPair::from_pkcs8(der).map_err(rejected)?;
                let public = pair.public_key();
                let spki: PublicKeyX509Der<'_> = public.as_der().map_err(unencoded)?;
                let jwk = Jwk::Ed25519 {
                    x: URL_SAFE_NO_PAD.encode(public.as_ref()),
                };
                let spki = STANDARD.encode(spki.as_ref());
                (Pair::Ed25519(pair), spki, jwk)
            }
        };
        Ok(Self {
            pair,
            public: VerifyingKey::from_jwk(&jwk)?,
            spki,
            jwk,
        })
    }

    /// How it signs.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.public.algorithm()
    }

    /// The half that checks.
    #[must_use]
    pub fn verifying(&self) -> &VerifyingKey {
        &self.public
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
        self.public.verifies(message, signature)
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

//! Signatures over aws-lc-rs: keys parsed once, one signature a token. What is signed and what a header must say is the
//! business of [`crate::token::access`]; the algorithm belongs to the key and is never taken from a token.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use zeroize::Zeroizing;

mod key;
mod public;

pub use key::SigningKey;
pub(crate) use public::RSA_BYTES;
pub use public::{Jwk, VerifyingKey};

/// How tokens are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256, 2048 bits (RFC 7518, 3.3): every SDK verifies it.
    Rs256,
    /// ECDSA on P-256 with SHA-256 (RFC 7518, 3.4).
    Es256,
    /// Ed25519 (RFC 8037).
    EdDsa,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Rs256, Self::Es256, Self::EdDsa];

    /// The name in a token's header.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

/// A key could not be made, read or used. Says nothing of the key.
#[derive(Debug, Clone, thiserror::Error)]
#[error("signing key {what}: {why}")]
pub struct KeyError {
    what: &'static str,
    why: String,
}

impl KeyError {
    pub(crate) fn new(what: &'static str, why: impl fmt::Display) -> Self {
        Self {
            what,
            why: why.to_string(),
        }
    }
}

/// Where new signing keys come from; slow (50 ms and more for RSA), and so never called on a runtime's own thread.
pub trait KeySource: Send + Sync + fmt::Debug {
    /// A new key pair, as PKCS#8 DER.
    ///
    /// # Errors
    /// When the generator fails.
    fn make(&self, algorithm: Algorithm) -> Result<Zeroizing<Vec<u8>>, KeyError>;
}

/// Keys from the crypto library's own generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemKeySource;

impl KeySource for SystemKeySource {
    fn make(&self, algorithm: Algorithm) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let failed = |why| KeyError::new("generation failed", why);
        let der = match algorithm {
            Algorithm::Rs256 => {
                let pair = KeyPair::generate(KeySize::Rsa2048).map_err(failed)?;
                let der: Pkcs8V1Der<'_> = pair.as_der().map_err(failed)?;
                der.as_ref().to_vec()
            }
            Algorithm::Es256 => {
                let pair =
                    EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(failed)?;
                pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec()
            }
            Algorithm::EdDsa => {
                let pair = Ed25519KeyPair::generate().map_err(failed)?;
                pair.to_pkcs8().map_err(failed)?.as_ref().to_vec()
            }
        };
        Ok(Zeroizing::new(der))
    }
}

/// Keys made once per process and given out in turn: RSA cannot be seeded, and making one per test is slow.
#[cfg(feature = "testing")]
#[derive(Debug, Default)]
pub struct FixtureKeys(std::sync::atomic::AtomicUsize);

#[cfg(feature = "testing")]
impl KeySource for FixtureKeys {
    fn make(&self, algorithm: Algorithm) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        type Made = Result<Zeroizing<Vec<u8>>, KeyError>;
        static KEYS: [std::sync::OnceLock<Made>; 3] = [const { std::sync::OnceLock::new() }; 3];
        if algorithm != Algorithm::Rs256 {
            return SystemKeySource.make(algorithm);
        }
        let turn = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % KEYS.len();
        KEYS.get(turn).map_or_else(
            || SystemKeySource.make(algorithm),
            |key| key.get_or_init(|| SystemKeySource.make(algorithm)).clone(),
        )
    }
}

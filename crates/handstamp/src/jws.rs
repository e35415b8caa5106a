//! RS256 over aws-lc-rs: keys parsed once, one signature a token. What is signed and what a header must say is the business of
//! [`crate::token::access`]; the algorithm belongs to the key and is never read from a token.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{
    KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// A key could not be made, read or used. Says nothing of the key.
#[derive(Debug, Clone, thiserror::Error)]
#[error("RSA key {what}: {why}")]
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

/// Where new signing keys come from; slow (50 ms and more), and so never called on a runtime's own thread.
pub trait KeySource: Send + Sync + fmt::Debug {
    /// A new RSA-2048 key pair, as PKCS#8 DER.
    ///
    /// # Errors
    /// When the generator fails.
    fn rsa(&self) -> Result<Zeroizing<Vec<u8>>, KeyError>;
}

/// Keys from the crypto library's own generator.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemKeySource;

impl KeySource for SystemKeySource {
    fn rsa(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let pair = KeyPair::generate(KeySize::Rsa2048)
            .map_err(|why| KeyError::new("generation failed", why))?;
        let der: Pkcs8V1Der<'_> = pair
            .as_der()
            .map_err(|why| KeyError::new("encoding failed", why))?;
        Ok(Zeroizing::new(der.as_ref().to_vec()))
    }
}

/// Keys made once per process and given out in turn: RSA cannot be seeded, and making one per test is slow.
#[cfg(feature = "testing")]
#[derive(Debug, Default)]
pub struct FixtureKeys(std::sync::atomic::AtomicUsize);

#[cfg(feature = "testing")]
impl KeySource for FixtureKeys {
    fn rsa(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        type Made = Result<Zeroizing<Vec<u8>>, KeyError>;
        static KEYS: [std::sync::OnceLock<Made>; 3] = [const { std::sync::OnceLock::new() }; 3];
        let turn = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % KEYS.len();
        KEYS.get(turn).map_or_else(
            || SystemKeySource.rsa(),
            |key| key.get_or_init(|| SystemKeySource.rsa()).clone(),
        )
    }
}

/// A key pair, ready to sign and to check.
pub struct SigningKey {
    pair: KeyPair,
    public: ParsedPublicKey,
    spki: String,
}

impl SigningKey {
    /// The length of its signatures in bytes.
    pub const SIGNATURE_LEN: usize = 256;

    /// Reads a PKCS#8 DER key pair.
    ///
    /// # Errors
    /// When it is not an RSA-2048 one.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        let rejected = |why| KeyError::new("cannot be read", why);
        let pair = KeyPair::from_pkcs8(der).map_err(rejected)?;
        if pair.public_modulus_len() != Self::SIGNATURE_LEN {
            return Err(KeyError::new(
                "cannot be used",
                "its modulus is not 2048 bits long",
            ));
        }
        let spki: PublicKeyX509Der<'_> = pair
            .public_key()
            .as_der()
            .map_err(|why| KeyError::new("encoding failed", why))?;
        let public =
            ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, spki.as_ref()).map_err(rejected)?;
        Ok(Self {
            spki: STANDARD.encode(spki.as_ref()),
            public,
            pair,
        })
    }

    /// Signs `message`.
    ///
    /// # Errors
    /// When the crypto library refuses.
    pub fn sign(&self, message: &[u8]) -> Result<[u8; Self::SIGNATURE_LEN], KeyError> {
        let mut signature = [0; Self::SIGNATURE_LEN];
        self.pair
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                message,
                &mut signature,
            )
            .map_err(|why| KeyError::new("did not sign", why))?;
        Ok(signature)
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
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(RSA-2048)")
    }
}

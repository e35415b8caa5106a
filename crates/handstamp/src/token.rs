//! Refresh tokens, access tokens and what is known of them.
//!
//! The texts are secrets: they are shown by [`Secret::expose`] only, never by `Debug`, and their memory is wiped when they go.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use zeroize::Zeroizing;

pub mod access;
pub mod refresh;

/// A token's text, or another string that lets its holder in.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes `text` into keeping.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text, for handing to its owner. Not for logs.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether `text` is the same, found out in constant time.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(self.0.as_bytes(), text.as_bytes())
            .is_ok()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Lower-case hexadecimal SHA-256 of a refresh token's text, 64 characters. Access tokens carry it: who has it can name the
/// refresh token, not use it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hash1([u8; 32]);

impl Hash1 {
    /// The hash of a token's text.
    #[must_use]
    pub fn of(token: &str) -> Self {
        Self(sha256(token.as_bytes()))
    }

    /// Reads 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let upper = text.bytes().any(|byte| byte.is_ascii_uppercase());
        const_hex::decode_to_array(text)
            .ok()
            .filter(|_| !upper && text.len() == 64)
            .map(Self)
    }

    /// The 64 digits.
    #[must_use]
    pub fn to_hex(self) -> String {
        const_hex::encode(self.0)
    }

    /// What a store knows the token by: SHA-256 of the *hexadecimal text* of this hash.
    #[must_use]
    pub fn hash2(self) -> Hash2 {
        Hash2(sha256(self.to_hex().as_bytes()))
    }

    pub(crate) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Hash1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hash1(..)")
    }
}

/// SHA-256 of the hexadecimal text of [`Hash1`]: the only trace of a refresh token in a store.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash2([u8; 32]);

impl Hash2 {
    /// Takes a hash as a store holds it.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The hash, for a store.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Hash2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hash2(..)")
    }
}

/// The random part of a refresh token. With the token it was made from, the server can make the token again; without, it is of
/// no use.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Nonce([u8; 16]);

impl Nonce {
    /// Takes a nonce as a store holds it.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The nonce, for a store.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonce(..)")
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, bytes).as_ref());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers: `hash1("abc")` is the RFC 6234 vector, `hash2("abc")` hashes its hexadecimal text.
    #[test]
    fn hashes_are_of_hexadecimal_text() {
        let hash1 = Hash1::of("abc");
        assert_eq!(
            hash1.to_hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        let hash2 = Hash1::from_bytes(*hash1.hash2().as_bytes()).to_hex();
        assert_eq!(
            hash2,
            "dfe7a23fefeea519e9bbfdd1a6be94c4b2e4529dd6b7cbea83f9959c2621b13c"
        );
        assert_eq!(Hash1::from_hex(&hash1.to_hex()), Some(hash1));
    }

    #[test]
    fn only_64_lower_case_digits_are_a_hash() {
        for text in [
            "",
            "ab",
            &"g".repeat(64),
            &"A".repeat(64),
            &"0".repeat(63),
            &"0".repeat(65),
        ] {
            assert_eq!(Hash1::from_hex(text), None, "{text}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!(
            "{:?} {:?}",
            Secret::new("canary".to_owned()),
            Hash1::of("canary")
        );
        assert!(!shown.contains("canary"));
        assert!(!shown.contains(&Hash1::of("canary").to_hex()));
    }
}

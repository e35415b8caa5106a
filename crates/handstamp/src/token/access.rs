//! Access tokens: what they say, and the forms in which they say it.
//!
//! `nested` has formats V1 and V2, which look like JWTs and are none; `jwt` has V3 to V5, which are.

use std::collections::HashMap;
use std::hash::BuildHasher;

use serde_json::value::RawValue;

use super::{Hash1, Secret};
use crate::clock::UnixMillis;
use crate::id::{SessionHandle, UserId};
use crate::json::JsonObject;
use crate::jws::{KeyError, SigningKey, VerifyingKey};

mod jwt;
mod nested;

pub use nested::cookie_len;

/// Longer text is not looked at.
pub const MAX_LEN: usize = 64 * 1024;

/// The cookie that access tokens travel in up to protocol 2.15, and mostly since.
pub const COOKIE: &str = "sAccessToken";

/// A JWT payload with more bytes of JSON text than this could make an access token longer than [`MAX_LEN`].
pub const MAX_PAYLOAD: usize = 40 * 1024;

/// A form that access tokens are minted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TokenFormat {
    /// Protocol 1.0. Travels in a cookie only, and so has to fit into one.
    V1,
    /// Protocols 2.0 to 2.20.
    V2,
    /// Protocol 2.21: a JWT, with the payload's members beside its own.
    V3,
    /// Protocols 3.0 and 3.1: says the tenant as well.
    V4,
    /// Protocol 4.0 and later: says the recipe user id as well.
    V5,
}

impl TokenFormat {
    /// Whether the token is a JWT, whose keys are found by their ids.
    #[must_use]
    pub fn is_jwt(self) -> bool {
        self >= Self::V3
    }

    /// The names that the token itself needs, so that a payload must not have them.
    #[must_use]
    pub fn protected(self) -> &'static [&'static str] {
        match self {
            // The payload has a member of its own.
            Self::V1 | Self::V2 => &[],
            Self::V3 => jwt::PROTECTED.get(..7).unwrap_or_default(),
            Self::V4 => jwt::PROTECTED.get(..8).unwrap_or_default(),
            Self::V5 => jwt::PROTECTED,
        }
    }

    /// Whether `payload` keeps clear of the names that the token needs.
    #[must_use]
    pub fn allows(self, payload: &JsonObject) -> bool {
        let protected = self.protected();
        protected.is_empty()
            || payload.members().is_ok_and(|members| {
                members
                    .iter()
                    .all(|(name, _)| !protected.contains(&&**name))
            })
    }
}

/// What an access token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessClaims {
    /// The session.
    pub handle: SessionHandle,
    /// Whose session it is.
    pub user_id: UserId,
    /// The hash of the refresh token made with it.
    pub refresh_hash: Hash1,
    /// The hash of the refresh token that one was made from, until its use has confirmed it.
    pub parent_hash: Option<Hash1>,
    /// The JWT payload.
    pub payload: JsonObject,
    /// The token a request must bring along beside this one.
    pub anti_csrf: Option<Secret>,
    /// When it ends.
    pub expires_at: UnixMillis,
    /// When it was made.
    pub created_at: UnixMillis,
}

/// Why a text is not a valid access token. None of these is worth telling a stranger more about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Rejected {
    /// Too long, not three parts, another header, or not Base64.
    #[error("not an access token")]
    Malformed,
    /// No key that is known can have signed it; another server may know more.
    #[error("access token is signed by an unknown key")]
    UnknownKey,
    /// The key that it names did not sign it.
    #[error("access token signature does not verify")]
    Signature,
    /// Signed, but not with these members in these types. JWTs are told which is the first that they lack.
    #[error(
        "Access token does not contain all the information. Maybe the structure has changed?{}",
        .lacks.map(|name| format!(" {name}")).unwrap_or_default()
    )]
    Claims {
        /// The name of a member.
        lacks: Option<&'static str>,
    },
}

/// A key, and the id that JWTs name it by.
#[derive(Debug, Clone, Copy)]
pub struct NamedKey<'k> {
    /// The id.
    pub id: &'k str,
    /// The key.
    pub key: &'k SigningKey,
}

/// The keys that tokens are checked by.
pub trait Keyring {
    /// The key that JWTs name so.
    fn find(&self, id: &str) -> Option<&VerifyingKey>;

    /// All of them, for tokens that name none.
    fn all(&self) -> impl Iterator<Item = &VerifyingKey>;
}

/// The first of an id counts.
impl Keyring for [NamedKey<'_>] {
    fn find(&self, id: &str) -> Option<&VerifyingKey> {
        let named = self.iter().find(|named| named.id == id);
        named.map(|named| named.key.verifying())
    }

    fn all(&self) -> impl Iterator<Item = &VerifyingKey> {
        self.iter().map(|named| named.key.verifying())
    }
}

impl<const N: usize> Keyring for [NamedKey<'_>; N] {
    fn find(&self, id: &str) -> Option<&VerifyingKey> {
        self.as_slice().find(id)
    }

    fn all(&self) -> impl Iterator<Item = &VerifyingKey> {
        self.as_slice().all()
    }
}

impl<S: BuildHasher> Keyring for HashMap<String, VerifyingKey, S> {
    fn find(&self, id: &str) -> Option<&VerifyingKey> {
        self.get(id)
    }

    fn all(&self) -> impl Iterator<Item = &VerifyingKey> {
        self.values()
    }
}

/// Mints the token that `claims` describe. Where the form counts in seconds, times are rounded down: [`rounded`].
///
/// # Errors
/// When the key does not sign, or the payload has a member that the token needs for itself: no token says a thing twice.
pub fn mint(
    claims: &AccessClaims,
    format: TokenFormat,
    by: NamedKey<'_>,
) -> Result<Secret, KeyError> {
    if !format.allows(&claims.payload) {
        return Err(KeyError::new(
            "did not sign",
            "a protected member in the payload",
        ));
    }
    if format.is_jwt() {
        jwt::mint(claims, format, by)
    } else {
        nested::mint(claims, format, by.key)
    }
}

/// A time as a token of that form can say it.
#[must_use]
pub fn rounded(time: UnixMillis, format: TokenFormat) -> UnixMillis {
    if format.is_jwt() {
        UnixMillis::new(time.as_millis().div_euclid(1000).saturating_mul(1000))
    } else {
        time
    }
}

/// Checks a token's form and signature and reads it. Times are for the caller to judge.
///
/// # Errors
/// [`Rejected`].
pub fn open(text: &str, keys: &impl Keyring) -> Result<(AccessClaims, TokenFormat), Rejected> {
    if text.len() > MAX_LEN {
        return Err(Rejected::Malformed);
    }
    let (signed, signature) = text.rsplit_once('.').ok_or(Rejected::Malformed)?;
    let (header, payload) = signed.split_once('.').ok_or(Rejected::Malformed)?;
    let parts = Parts {
        signed,
        header,
        payload,
        signature,
    };
    match nested::format_of(header) {
        Some(format) => Ok((nested::open(&parts, keys)?, format)),
        None => jwt::open(&parts, keys),
    }
}

/// A token, taken apart.
struct Parts<'t> {
    signed: &'t str,
    header: &'t str,
    payload: &'t str,
    signature: &'t str,
}

/// Mints a JWT that is no access token: `payload` with `iat`, `exp` and, if it has none, `iss`. No `version` in its header.
///
/// # Errors
/// When the key does not sign.
pub fn mint_jwt(
    payload: &JsonObject,
    issuer: &str,
    created_at: UnixMillis,
    expires_at: UnixMillis,
    by: NamedKey<'_>,
) -> Result<Secret, KeyError> {
    jwt::mint_plain(payload, issuer, created_at, expires_at, by)
}

/// A text, if the value is one.
fn string(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}

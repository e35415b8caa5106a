//! The access token, format V1: what clients of protocol 1.0 verify by themselves.
//!
//! `B64(header) . B64(payload) . B64(signature)` in the standard alphabet *with* padding; the header is compared byte for byte,
//! so there is nothing in it to be believed.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::{Hash1, Secret};
use crate::clock::UnixMillis;
use crate::id::{SessionHandle, UserId};
use crate::json::JsonObject;
use crate::jws::{KeyError, SigningKey};

/// Longer text is not looked at.
pub const MAX_LEN: usize = 64 * 1024;

/// `{"alg":"RS256","typ":"JWT","version":"1"}`.
const HEADER_V1: &str = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsInZlcnNpb24iOiIxIn0=";

/// A form that access tokens are minted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenFormat {
    /// Protocol 1.0. Travels in a cookie only, and so has to fit into one.
    V1,
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
    /// No key that is known signed it.
    #[error("access token signature does not verify")]
    Signature,
    /// Signed, but not with these members in these types.
    #[error("Access token does not contain all the information. Maybe the structure has changed?")]
    Claims,
}

/// The payload of format V1, members in the order the old core wrote them.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireV1<'a> {
    session_handle: String,
    user_id: String,
    refresh_token_hash1: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_refresh_token_hash1: Option<String>,
    #[serde(borrow)]
    user_data: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    anti_csrf_token: Option<String>,
    expiry_time: i64,
    time_created: i64,
    /// A relic that format V1 always carried.
    #[serde(default)]
    is_paid: bool,
}

/// Mints the token that `claims` describe.
///
/// # Errors
/// When the key does not sign.
pub fn mint(
    claims: &AccessClaims,
    format: TokenFormat,
    key: &SigningKey,
) -> Result<Secret, KeyError> {
    let mut text = match format {
        TokenFormat::V1 => signing_input_v1(claims)?,
    };
    let signature = key.sign(text.as_bytes())?;
    text.push('.');
    STANDARD.encode_string(signature, &mut text);
    Ok(Secret::new(text))
}

/// Header and payload, joined: what is signed.
fn signing_input_v1(claims: &AccessClaims) -> Result<String, KeyError> {
    let failed = |why| KeyError::new("did not sign: claims", why);
    let wire = WireV1 {
        session_handle: claims.handle.to_string(),
        user_id: claims.user_id.as_str().to_owned(),
        refresh_token_hash1: claims.refresh_hash.to_hex(),
        parent_refresh_token_hash1: claims.parent_hash.map(Hash1::to_hex),
        user_data: serde_json::from_str(claims.payload.as_str()).map_err(failed)?,
        anti_csrf_token: claims
            .anti_csrf
            .as_ref()
            .map(|token| token.expose().to_owned()),
        expiry_time: claims.expires_at.as_millis(),
        time_created: claims.created_at.as_millis(),
        is_paid: false,
    };
    let payload = serde_json::to_vec(&wire).map_err(failed)?;
    let mut text = String::with_capacity(
        HEADER_V1.len() + 2 + (payload.len() + SigningKey::SIGNATURE_LEN) * 4 / 3 + 8,
    );
    text.push_str(HEADER_V1);
    text.push('.');
    STANDARD.encode_string(payload, &mut text);
    Ok(text)
}

/// How many bytes of a cookie, name and value, the largest access token of this session will take.
///
/// Cookie writers percent-encode `+`, `/` and `=`. A signature is random: 48 bytes are set aside for its escapes, which all but
/// one in ten thousand stay within.
///
/// # Errors
/// When the claims cannot be written.
pub fn cookie_len(claims: &AccessClaims, name: &str) -> Result<usize, KeyError> {
    const SIGNATURE: usize = SigningKey::SIGNATURE_LEN.div_ceil(3) * 4 + 2 * "==".len() + 48;
    // Tokens made by a refresh name the parent as well, and anti-CSRF may be switched on while the session lives.
    let largest = AccessClaims {
        parent_hash: Some(claims.refresh_hash),
        anti_csrf: Some(Secret::new(Uuid::nil().to_string())),
        ..claims.clone()
    };
    let text = signing_input_v1(&largest)?;
    let escapes = text
        .bytes()
        .filter(|byte| matches!(byte, b'+' | b'/' | b'='))
        .count()
        * 2;
    Ok(name.len() + text.len() + escapes + ".".len() + SIGNATURE)
}

/// Checks a token's form and signature and reads it. Times are for the caller to judge.
///
/// # Errors
/// [`Rejected`].
pub fn open<'k>(
    text: &str,
    keys: impl IntoIterator<Item = &'k SigningKey>,
) -> Result<(AccessClaims, TokenFormat), Rejected> {
    if text.len() > MAX_LEN {
        return Err(Rejected::Malformed);
    }
    let (signed, signature) = text.rsplit_once('.').ok_or(Rejected::Malformed)?;
    let payload = signed
        .strip_prefix(HEADER_V1)
        .and_then(|rest| rest.strip_prefix('.'))
        .ok_or(Rejected::Malformed)?;
    let signature = STANDARD
        .decode(signature)
        .map_err(|_| Rejected::Malformed)?;
    if !keys
        .into_iter()
        .any(|key| key.verifies(signed.as_bytes(), &signature))
    {
        return Err(Rejected::Signature);
    }
    let payload = STANDARD.decode(payload).map_err(|_| Rejected::Malformed)?;
    Ok((
        claims_v1(&payload).ok_or(Rejected::Claims)?,
        TokenFormat::V1,
    ))
}

fn claims_v1(payload: &[u8]) -> Option<AccessClaims> {
    let wire: WireV1<'_> = serde_json::from_slice(payload).ok()?;
    Some(AccessClaims {
        handle: wire.session_handle.parse().ok()?,
        user_id: UserId::parse(&wire.user_id).ok()?,
        refresh_hash: Hash1::from_hex(&wire.refresh_token_hash1)?,
        parent_hash: match wire.parent_refresh_token_hash1 {
            Some(text) => Some(Hash1::from_hex(&text)?),
            None => None,
        },
        payload: JsonObject::parse(wire.user_data.get()).ok()?,
        anti_csrf: wire.anti_csrf_token.map(Secret::new),
        expires_at: UnixMillis::new(wire.expiry_time),
        created_at: UnixMillis::new(wire.time_created),
    })
}

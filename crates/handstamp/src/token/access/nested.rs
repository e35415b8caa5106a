//! Formats V1 and V2: `B64(header) . B64(payload) . B64(signature)` in the standard alphabet *with* padding. The header is
//! compared byte for byte, so there is nothing in it to be believed; the JWT payload is one member, `userData`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{AccessClaims, Keyring, Parts, Rejected, TokenFormat};
use crate::clock::UnixMillis;
use crate::id::UserId;
use crate::json::JsonObject;
use crate::jws::{Algorithm, KeyError, SigningKey, VerifyingKey};
use crate::token::{Hash1, Secret};
use uuid::Uuid;

/// `{"alg":"RS256","typ":"JWT","version":"1"}`.
const HEADER_V1: &str = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsInZlcnNpb24iOiIxIn0=";
/// `{"alg":"RS256","typ":"JWT","version":"2"}`.
const HEADER_V2: &str = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsInZlcnNpb24iOiIyIn0=";

/// The format of tokens with that header, if it is one of these two.
pub(super) fn format_of(header: &str) -> Option<TokenFormat> {
    match header {
        HEADER_V1 => Some(TokenFormat::V1),
        HEADER_V2 => Some(TokenFormat::V2),
        _ => None,
    }
}

/// What V1 says, members in the order the old core wrote them. Also what both are read as.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireV1<'a> {
    session_handle: String,
    user_id: String,
    refresh_token_hash1: String,
    /// Some cores wrote null where there is none.
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

/// What V2 says, in its order.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireV2<'a> {
    user_id: String,
    expiry_time: i64,
    time_created: i64,
    session_handle: String,
    refresh_token_hash1: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent_refresh_token_hash1: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    anti_csrf_token: Option<String>,
    user_data: &'a RawValue,
}

pub(super) fn mint(
    claims: &AccessClaims,
    format: TokenFormat,
    key: &SigningKey,
) -> Result<Secret, KeyError> {
    let mut text = signing_input(claims, format)?;
    let signature = key.sign(text.as_bytes())?;
    text.push('.');
    STANDARD.encode_string(signature, &mut text);
    Ok(Secret::new(text))
}

/// Header and payload, joined: what is signed.
fn signing_input(claims: &AccessClaims, format: TokenFormat) -> Result<String, KeyError> {
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
    let (header, payload) = if format == TokenFormat::V1 {
        (HEADER_V1, serde_json::to_vec(&wire))
    } else {
        let wire = WireV2 {
            user_id: wire.user_id,
            expiry_time: wire.expiry_time,
            time_created: wire.time_created,
            session_handle: wire.session_handle,
            refresh_token_hash1: wire.refresh_token_hash1,
            parent_refresh_token_hash1: wire.parent_refresh_token_hash1,
            anti_csrf_token: wire.anti_csrf_token,
            user_data: wire.user_data,
        };
        (HEADER_V2, serde_json::to_vec(&wire))
    };
    let payload = payload.map_err(failed)?;
    let mut text = String::with_capacity(header.len() + payload.len() * 4 / 3 + SIGNATURE_LEN + 8);
    text.push_str(header);
    text.push('.');
    STANDARD.encode_string(payload, &mut text);
    Ok(text)
}

/// The length of an RSA-2048 signature in Base64.
const SIGNATURE_LEN: usize = crate::jws::RSA_BYTES.div_ceil(3) * 4;

/// How many bytes of a cookie, name and value, the largest access token of this session will take.
///
/// Cookie writers percent-encode `+`, `/` and `=`, which the two older formats have. A signature is random: 48 bytes are set
/// aside for its escapes, which all but one in ten thousand stay within.
///
/// # Errors
/// When the claims cannot be written.
pub fn cookie_len(
    claims: &AccessClaims,
    format: TokenFormat,
    name: &str,
) -> Result<usize, KeyError> {
    const SIGNATURE: usize = SIGNATURE_LEN + 2 * "==".len() + 48;
    // Tokens made by a refresh name the parent as well, and anti-CSRF may be switched on while the session lives.
    let largest = AccessClaims {
        parent_hash: Some(claims.refresh_hash),
        anti_csrf: Some(Secret::new(Uuid::nil().to_string())),
        ..claims.clone()
    };
    if format.is_jwt() {
        return Ok(name.len() + super::jwt::longest(&largest, format)?);
    }
    let text = signing_input(&largest, format)?;
    let escapes = text
        .bytes()
        .filter(|byte| matches!(byte, b'+' | b'/' | b'='))
        .count()
        * 2;
    Ok(name.len() + text.len() + escapes + ".".len() + SIGNATURE)
}

pub(super) fn open(parts: &Parts<'_>, keys: &impl Keyring) -> Result<AccessClaims, Rejected> {
    let signature = STANDARD
        .decode(parts.signature)
        .map_err(|_| Rejected::Malformed)?;
    let signed = |key: &VerifyingKey| {
        key.algorithm() == Algorithm::Rs256 && key.verifies(parts.signed.as_bytes(), &signature)
    };
    if !keys.all().any(signed) {
        return Err(Rejected::UnknownKey);
    }
    let payload = STANDARD
        .decode(parts.payload)
        .map_err(|_| Rejected::Malformed)?;
    claims(&payload).ok_or(Rejected::Claims { lacks: None })
}

fn claims(payload: &[u8]) -> Option<AccessClaims> {
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

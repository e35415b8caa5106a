//! Formats V3 to V5: JWTs (RFC 7519) in compact serialisation, Base64url without padding. The members of the JWT payload stand
//! beside the token's own, in whose order the old core's are.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{AccessClaims, Keyring, NamedKey, Parts, Rejected, TokenFormat, string};
use crate::clock::UnixMillis;
use crate::id::{SessionHandle, TenantId, UserId};
use crate::json::JsonObject;
use crate::jws::{Algorithm, KeyError, RSA_BYTES};
use crate::token::{Hash1, Secret};

/// What the token itself needs: the first seven since V3, the eighth since V4, the ninth since V5.
pub(super) const PROTECTED: &[&str] = &[
    "sub",
    "exp",
    "iat",
    "sessionHandle",
    "refreshTokenHash1",
    "parentRefreshTokenHash1",
    "antiCsrfToken",
    "tId",
    "rsub",
];

#[derive(Serialize)]
struct HeaderOut<'a> {
    kid: &'a str,
    typ: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'static str>,
    alg: &'static str,
}

#[derive(Deserialize)]
struct HeaderIn {
    kid: String,
    typ: String,
    version: Option<String>,
    alg: String,
    /// What must be understood: nothing that is named there is.
    crit: Option<IgnoredAny>,
}

/// A token's own members. Those that are not used are null, not absent.
#[derive(Serialize)]
struct Own<'a> {
    iat: i64,
    exp: i64,
    sub: &'a str,
    #[serde(rename = "tId", skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a str>,
    #[serde(rename = "rsub", skip_serializing_if = "Option::is_none")]
    recipe_user_id: Option<&'a str>,
    #[serde(rename = "sessionHandle")]
    handle: String,
    #[serde(rename = "refreshTokenHash1")]
    refresh_hash: String,
    #[serde(rename = "parentRefreshTokenHash1")]
    parent_hash: Option<String>,
    #[serde(rename = "antiCsrfToken")]
    anti_csrf: Option<&'a str>,
}

pub(super) fn mint(
    claims: &AccessClaims,
    format: TokenFormat,
    by: NamedKey<'_>,
) -> Result<Secret, KeyError> {
    let (own, version) = own(claims, format);
    sign(&own, &claims.payload, Some(version), by)
}

fn own(claims: &AccessClaims, format: TokenFormat) -> (Own<'_>, &'static str) {
    let own = Own {
        iat: claims.created_at.as_millis().div_euclid(1000),
        exp: claims.expires_at.as_millis().div_euclid(1000),
        sub: claims.user_id.as_str(),
        tenant: (format >= TokenFormat::V4).then(|| claims.handle.tenant().as_str()),
        recipe_user_id: (format >= TokenFormat::V5).then(|| claims.user_id.as_str()),
        handle: claims.handle.to_string(),
        refresh_hash: claims.refresh_hash.to_hex(),
        parent_hash: claims.parent_hash.map(Hash1::to_hex),
        anti_csrf: claims.anti_csrf.as_ref().map(Secret::expose),
    };
    let version = match format {
        TokenFormat::V1 | TokenFormat::V2 | TokenFormat::V3 => "3",
        TokenFormat::V4 => "4",
        TokenFormat::V5 => "5",
    };
    (own, version)
}

pub(super) fn mint_plain(
    payload: &JsonObject,
    issuer: &str,
    created_at: UnixMillis,
    expires_at: UnixMillis,
    by: NamedKey<'_>,
) -> Result<Secret, KeyError> {
    #[derive(Serialize)]
    struct Plain<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        iss: Option<&'a str>,
        exp: i64,
        iat: i64,
    }
    let members = payload
        .members()
        .map_err(|why| KeyError::new("did not sign: claims", why))?;
    let plain = Plain {
        iss: members
            .iter()
            .all(|(name, _)| name != "iss")
            .then_some(issuer),
        // Up, so that the token is good for as long as was asked.
        exp: expires_at.as_millis().saturating_add(999).div_euclid(1000),
        iat: created_at.as_millis().div_euclid(1000),
    };
    let others = members
        .iter()
        .filter(|(name, _)| name != "exp" && name != "iat");
    let others = JsonObject::from_members(others.map(|(name, raw)| (&**name, *raw)));
    sign(&plain, &others, None, by)
}

/// How long the token can be that says this: the alphabet needs no escapes, and no key has a longer id or signature.
pub(super) fn longest(claims: &AccessClaims, format: TokenFormat) -> Result<usize, KeyError> {
    const ID: &str = "d-9223372036854775807-es256";
    let (own, version) = own(claims, format);
    let text = signing_input(&own, &claims.payload, Some(version), ID, Algorithm::Rs256)?;
    Ok(text.len() + ".".len() + (RSA_BYTES * 4).div_ceil(3))
}

/// Signs a JWT of `own` members followed by those of `payload`.
fn sign(
    own: &impl Serialize,
    payload: &JsonObject,
    version: Option<&'static str>,
    by: NamedKey<'_>,
) -> Result<Secret, KeyError> {
    let mut text = signing_input(own, payload, version, by.id, by.key.algorithm())?;
    let signature = by.key.sign(text.as_bytes())?;
    text.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut text);
    Ok(Secret::new(text))
}

/// Header and payload, joined: what is signed.
fn signing_input(
    own: &impl Serialize,
    payload: &JsonObject,
    version: Option<&'static str>,
    kid: &str,
    algorithm: Algorithm,
) -> Result<String, KeyError> {
    let failed = |why| KeyError::new("did not sign: claims", why);
    let header = HeaderOut {
        kid,
        typ: "JWT",
        version,
        alg: algorithm.as_str(),
    };
    let mut body = serde_json::to_string(own).map_err(failed)?;
    let members = payload.inner();
    if !members.is_empty() {
        body.pop();
        body.push(',');
        body.push_str(members);
        body.push('}');
    }
    let mut text = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&header).map_err(failed)?);
    text.push('.');
    URL_SAFE_NO_PAD.encode_string(body, &mut text);
    Ok(text)
}

pub(super) fn open(
    parts: &Parts<'_>,
    keys: &impl Keyring,
) -> Result<(AccessClaims, TokenFormat), Rejected> {
    let (header, format) = header(parts.header)?;
    let key = keys.find(&header.kid).ok_or(Rejected::UnknownKey)?;
    // The key says how it signs. A header that says otherwise is somebody's try.
    if header.alg != key.algorithm().as_str() {
        return Err(Rejected::Malformed);
    }
    let signature = URL_SAFE_NO_PAD
        .decode(parts.signature)
        .map_err(|_| Rejected::Malformed)?;
    if !key.verifies(parts.signed.as_bytes(), &signature) {
        return Err(Rejected::Signature);
    }
    Ok((claims(parts.payload, format)?, format))
}

fn header(encoded: &str) -> Result<(HeaderIn, TokenFormat), Rejected> {
    /// No header of ours is longer.
    const MOST: usize = 512;
    let bytes = Some(encoded)
        .filter(|encoded| encoded.len() <= MOST)
        .and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    let header: HeaderIn = bytes
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .ok_or(Rejected::Malformed)?;
    let format = match header.version.as_deref() {
        Some("3") => TokenFormat::V3,
        Some("4") => TokenFormat::V4,
        Some("5") | None => TokenFormat::V5,
        Some(_) => return Err(Rejected::Malformed),
    };
    if header.typ == "JWT" && header.crit.is_none() {
        Ok((header, format))
    } else {
        Err(Rejected::Malformed)
    }
}

fn claims(payload: &str, format: TokenFormat) -> Result<AccessClaims, Rejected> {
    const UNREADABLE: Rejected = Rejected::Claims { lacks: None };
    let bytes = URL_SAFE_NO_PAD
        .decode(payload)
        .map_err(|_| Rejected::Malformed)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| UNREADABLE)?;
    let object = JsonObject::parse(text).map_err(|_| UNREADABLE)?;
    let members = object.members().map_err(|_| UNREADABLE)?;
    read_members(&members, format).map_err(|name| Rejected::Claims { lacks: Some(name) })
}

/// Reads the claims, or answers the name of the first that is missing or of another type.
fn read_members(
    members: &[(std::borrow::Cow<'_, str>, &RawValue)],
    format: TokenFormat,
) -> Result<AccessClaims, &'static str> {
    let find = |name: &'static str| {
        let found = members.iter().find(|(key, _)| key == name);
        found.map(|(_, raw)| *raw).ok_or(name)
    };
    let text = |name| string(find(name)?).ok_or(name);
    let nullable = |name| match find(name)?.get() {
        "null" => Ok(None),
        _ => text(name).map(Some),
    };
    let seconds = |name| {
        let seconds: i64 = serde_json::from_str(find(name)?.get()).map_err(|_| name)?;
        seconds.checked_mul(1000).map(UnixMillis::new).ok_or(name)
    };
    let hash = |name, text: &str| Hash1::from_hex(text).ok_or(name);
    let user_id = UserId::parse(&text("sub")?).map_err(|_| "sub")?;
    let (expires_at, created_at) = (seconds("exp")?, seconds("iat")?);
    let handle: SessionHandle = text("sessionHandle")?
        .parse()
        .map_err(|_| "sessionHandle")?;
    let refresh_hash = hash("refreshTokenHash1", &text("refreshTokenHash1")?)?;
    let parent_hash = nullable("parentRefreshTokenHash1")?
        .map(|text| hash("parentRefreshTokenHash1", &text))
        .transpose()?;
    let anti_csrf = nullable("antiCsrfToken")?.map(Secret::new);
    // What the token says of its tenant must be what its handle says.
    if format >= TokenFormat::V4 && TenantId::parse(&text("tId")?).as_ref() != Ok(handle.tenant()) {
        return Err("tId");
    }
    if format >= TokenFormat::V5 {
        text("rsub")?;
    }
    let protected = format.protected();
    let payload = members
        .iter()
        .filter(|(name, _)| !protected.contains(&&**name));
    Ok(AccessClaims {
        user_id,
        refresh_hash,
        parent_hash,
        payload: JsonObject::from_members(payload.map(|(name, raw)| (&**name, *raw))),
        anti_csrf,
        expires_at,
        created_at,
        handle,
    })
}

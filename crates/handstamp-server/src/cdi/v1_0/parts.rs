//! What several replies of protocol 1.0 are made of.

use handstamp::JsonObject;
use handstamp::engine::{AccessToken, Issued, PublicSigningKey, SessionView};
use serde::Serialize;

use crate::cdi::Cdi;

/// What a reply says of how it went.
#[derive(Serialize)]
pub(super) enum Status {
    #[serde(rename = "OK")]
    Ok,
    #[serde(rename = "NOT ALLOWED")]
    NotAllowed,
    #[serde(rename = "UNAUTHORISED")]
    Unauthorised,
    #[serde(rename = "TRY_REFRESH_TOKEN")]
    TryRefreshToken,
    #[serde(rename = "TOKEN_THEFT_DETECTED")]
    TokenTheftDetected,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct KeyInfo {
    jwt_signing_public_key: String,
    jwt_signing_public_key_expiry_time: i64,
}

impl From<PublicSigningKey> for KeyInfo {
    fn from(key: PublicSigningKey) -> Self {
        Self {
            jwt_signing_public_key: key.public_key,
            jwt_signing_public_key_expiry_time: key.expires_at.as_millis(),
        }
    }
}

/// Clients of 1.0 must be told a domain; without one set, it is the developer's own machine.
pub(super) fn cookie_domain(cdi: &Cdi) -> String {
    cdi.cookies
        .domain
        .clone()
        .unwrap_or_else(|| "localhost".to_owned())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Session {
    handle: String,
    user_id: String,
    #[serde(rename = "userDataInJWT")]
    user_data_in_jwt: JsonObject,
}

impl From<SessionView> for Session {
    fn from(view: SessionView) -> Self {
        Self {
            handle: view.handle.to_string(),
            user_id: view.user_id.as_str().to_owned(),
            user_data_in_jwt: view.jwt_payload,
        }
    }
}

/// A token that goes into a cookie, and what that cookie is like.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TokenInfo {
    token: String,
    expiry: i64,
    created_time: i64,
    cookie_path: String,
    cookie_secure: bool,
    domain: String,
}

impl TokenInfo {
    pub(super) fn access(access: &AccessToken, cdi: &Cdi) -> Self {
        Self {
            token: access.token.expose().to_owned(),
            expiry: access.expires_at.as_millis(),
            created_time: access.created_at.as_millis(),
            cookie_path: cdi.cookies.access_path.clone(),
            cookie_secure: cdi.cookies.secure,
            domain: cookie_domain(cdi),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct IdTokenInfo {
    token: String,
    expiry: i64,
    created_time: i64,
}

/// All that a client gets at creation and at each refresh.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Tokens {
    status: Status,
    session: Session,
    access_token: TokenInfo,
    refresh_token: TokenInfo,
    id_refresh_token: IdTokenInfo,
    #[serde(skip_serializing_if = "Option::is_none")]
    anti_csrf_token: Option<String>,
}

impl Tokens {
    pub(super) fn new(issued: Issued, cdi: &Cdi) -> Self {
        let (expiry, created_time) = (
            issued.refresh_expires_at.as_millis(),
            issued.refresh_created_at.as_millis(),
        );
        Self {
            status: Status::Ok,
            access_token: TokenInfo::access(&issued.access, cdi),
            refresh_token: TokenInfo {
                token: issued.refresh.text().expose().to_owned(),
                expiry,
                created_time,
                cookie_path: cdi.cookies.refresh_path.clone(),
                cookie_secure: cdi.cookies.secure,
                domain: cookie_domain(cdi),
            },
            id_refresh_token: IdTokenInfo {
                token: issued.refresh.id_refresh().to_string(),
                expiry,
                created_time,
            },
            anti_csrf_token: issued
                .refresh
                .anti_csrf()
                .map(|token| token.expose().to_owned()),
            session: issued.session.into(),
        }
    }
}

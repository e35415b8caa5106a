//! Since 2.2 the cookies need not have a domain: without one they are for the application's own host. What is not set is
//! something else.

use axum::http::Method;
use handstamp::engine::PublicSigningKey;
use serde::Serialize;

use super::Cdi;
use super::handlers::{self, Render, keys};
use super::operations::Operations;
use super::parts::{Kind, Session, Status, Token, WriteToken};
use super::v1_0::{self, Created, KeyInfo, RefreshReply, Stolen, VerifyReply};
use super::v2_0::{self, RegenerateReply};

/// What cookies have as `SameSite` if nothing is set.
const SAME_SITE: &str = "lax";
/// What an application answers when a session is over if nothing is set.
const SESSION_EXPIRED: u16 = 401;

/// All that a client gets at creation and at each refresh.
pub(super) type Issue = v1_0::Issue<Session, TokenInfo, TokenInfo>;

pub(super) fn operations() -> Operations {
    v2_0::operations()
        .changed(
            &Method::POST,
            "/handshake",
            keys::handshake_with_body::<Handshake, PublicSigningKey>,
        )
        .changed(
            &Method::POST,
            "/session",
            handlers::create::<v2_0::CreateSession, Created<Issue>, KeyInfo>,
        )
        .changed(
            &Method::POST,
            "/session/verify",
            handlers::verify::<
                v1_0::VerifySession,
                VerifyReply<Session, TokenInfo, KeyInfo, false>,
                _,
            >,
        )
        .changed(
            &Method::POST,
            "/session/refresh",
            handlers::refresh::<v2_0::RefreshSession, RefreshReply<Issue, Stolen>>,
        )
        .changed(
            &Method::POST,
            "/session/regenerate",
            handlers::regenerate::<v2_0::RegenerateSession, RegenerateReply<Session, TokenInfo>>,
        )
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TokenInfo {
    #[serde(flatten)]
    token: Token,
    cookie_path: String,
    cookie_secure: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    domain: Option<String>,
    same_site: &'static str,
}

impl WriteToken for TokenInfo {
    fn write(token: Token, kind: Kind, cdi: &Cdi) -> Self {
        Self {
            token,
            cookie_path: match kind {
                Kind::Access | Kind::IdRefresh => cdi.cookies.access_path.clone(),
                Kind::Refresh => cdi.cookies.refresh_path.clone(),
            },
            cookie_secure: cdi.cookies.secure,
            domain: cdi.cookies.domain.clone(),
            same_site: cdi.cookies.same_site.unwrap_or(SAME_SITE),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Handshake {
    status: Status,
    #[serde(flatten)]
    key: KeyInfo,
    #[serde(skip_serializing_if = "Option::is_none")]
    cookie_domain: Option<String>,
    cookie_secure: bool,
    access_token_path: String,
    refresh_token_path: String,
    enable_anti_csrf: bool,
    access_token_blacklisting_enabled: bool,
    cookie_same_site: &'static str,
    id_refresh_token_path: String,
    session_expired_status_code: u16,
}

impl Render<PublicSigningKey> for Handshake {
    fn render(key: PublicSigningKey, cdi: &Cdi) -> Self {
        Self {
            status: Status::Ok,
            key: key.into(),
            cookie_domain: cdi.cookies.domain.clone(),
            cookie_secure: cdi.cookies.secure,
            access_token_path: cdi.cookies.access_path.clone(),
            refresh_token_path: cdi.cookies.refresh_path.clone(),
            enable_anti_csrf: cdi.anti_csrf,
            access_token_blacklisting_enabled: cdi.blacklisting,
            cookie_same_site: cdi.cookies.same_site.unwrap_or(SAME_SITE),
            id_refresh_token_path: cdi.cookies.access_path.clone(),
            session_expired_status_code: cdi
                .cookies
                .session_expired_status
                .unwrap_or(SESSION_EXPIRED),
        }
    }
}

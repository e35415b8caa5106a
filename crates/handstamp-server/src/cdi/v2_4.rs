//! Since 2.4 paths begin with `/recipe`, and cookies are the SDK's own business.

use axum::http::Method;
use serde::Serialize;

use super::Cdi;
use super::handlers::{self, Render, keys, service};
use super::operations::Operations;
use super::parts::{Session, Status, Token};
use super::v1_0::{self, Created, KeyInfo, RefreshReply, Stolen, VerifyReply};
use super::v2_0::{self, RegenerateReply};
use super::v2_3;

/// All that a client gets at creation and at each refresh.
pub(super) type Issue = v1_0::Issue<Session, Token, Token>;

pub(super) fn operations() -> Operations {
    v2_3::operations()
        .with_forgiving_paths()
        .removed(&Method::DELETE, "/session")
        .removed(&Method::GET, "/devproductionmode")
        .moved("/handshake", "/recipe/handshake")
        .moved("/session", "/recipe/session")
        .moved("/session/remove", "/recipe/session/remove")
        .moved("/session/verify", "/recipe/session/verify")
        .moved("/session/refresh", "/recipe/session/refresh")
        .moved("/session/regenerate", "/recipe/session/regenerate")
        .moved("/session/data", "/recipe/session/data")
        .moved("/session/user", "/recipe/session/user")
        .moved("/jwt/data", "/recipe/jwt/data")
        .changed(&Method::GET, "/config", service::config::<ConfigPath>)
        .changed(
            &Method::POST,
            "/recipe/handshake",
            keys::handshake_with_body::<Handshake, KeyInfo>,
        )
        .changed(
            &Method::POST,
            "/recipe/session",
            handlers::create::<v2_0::CreateSession, Created<Issue>, KeyInfo>,
        )
        .changed(
            &Method::POST,
            "/recipe/session/verify",
            handlers::verify::<v1_0::VerifySession, VerifyReply<Session, Token, KeyInfo, false>, _>,
        )
        .changed(
            &Method::POST,
            "/recipe/session/refresh",
            handlers::refresh::<v2_3::RefreshSession, RefreshReply<Issue, Stolen>>,
        )
        .changed(
            &Method::POST,
            "/recipe/session/regenerate",
            handlers::regenerate::<v2_0::RegenerateSession, RegenerateReply<Session, Token>>,
        )
}

#[derive(Serialize)]
struct ConfigPath {
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
}

impl Render<Option<String>> for ConfigPath {
    fn render(path: Option<String>, _: &Cdi) -> Self {
        Self {
            status: if path.is_some() {
                Status::Ok
            } else {
                Status::NotAllowedInOneWord
            },
            path,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Handshake {
    #[serde(flatten)]
    rest: HandshakeOf<KeyInfo>,
    enable_anti_csrf: bool,
}

impl Render<KeyInfo> for Handshake {
    fn render(keys: KeyInfo, cdi: &Cdi) -> Self {
        Self {
            rest: HandshakeOf::render(keys, cdi),
            enable_anti_csrf: cdi.anti_csrf,
        }
    }
}

/// What later handshakes have as well.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HandshakeOf<K> {
    status: Status,
    #[serde(flatten)]
    keys: K,
    access_token_blacklisting_enabled: bool,
    access_token_validity: u128,
    refresh_token_validity: u128,
}

impl<K: Serialize> Render<K> for HandshakeOf<K> {
    fn render(keys: K, cdi: &Cdi) -> Self {
        let config = cdi.engine.config();
        Self {
            status: Status::Ok,
            keys,
            access_token_blacklisting_enabled: cdi.blacklisting,
            access_token_validity: config.access_token_validity().as_millis(),
            refresh_token_validity: config.refresh_token_validity().as_millis(),
        }
    }
}

//! What several replies of protocol 1.0 are made of.

use handstamp::engine::{Issued, PublicSigningKey, SessionView};
use handstamp::{AppId, Engine};
use serde::Serialize;

use crate::cdi::Cdi;
use crate::cdi::handlers::Render;
use crate::cdi::parts::{Keys, Kind, Status, Token, WriteToken};
use crate::cdi::reply::Refusal;

/// The key that signs now.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cdi) struct KeyInfo {
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

impl Keys for KeyInfo {
    async fn of(engine: &Engine, app: &AppId, is_static: bool) -> Result<Self, Refusal> {
        Ok(engine.signing_key(app, is_static).await?.into())
    }
}

/// Clients of 1.0 must be told a domain; without one set, it is the developer's own machine.
pub(super) fn cookie_domain(cdi: &Cdi) -> String {
    cdi.cookies
        .domain
        .clone()
        .unwrap_or_else(|| "localhost".to_owned())
}

/// A token that goes into a cookie, and what that cookie is like.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cdi) struct TokenInfo {
    #[serde(flatten)]
    token: Token,
    cookie_path: String,
    cookie_secure: bool,
    domain: String,
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
            domain: cookie_domain(cdi),
        }
    }
}

/// All that a client gets at creation and at each refresh.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cdi) struct Issue<S, T, I> {
    status: Status,
    session: S,
    access_token: T,
    refresh_token: T,
    id_refresh_token: I,
    #[serde(skip_serializing_if = "Option::is_none")]
    anti_csrf_token: Option<String>,
}

impl<S, T, I> Render<Issued> for Issue<S, T, I>
where
    S: From<SessionView> + Serialize,
    T: WriteToken,
    I: WriteToken,
{
    fn render(issued: Issued, cdi: &Cdi) -> Self {
        let (expiry, created) = (
            issued.refresh_expires_at.as_millis(),
            issued.refresh_created_at.as_millis(),
        );
        let refresh = Token::new(issued.refresh.text().expose(), expiry, created);
        let id_refresh = Token::new(issued.refresh.id_refresh().to_string(), expiry, created);
        Self {
            status: Status::Ok,
            access_token: T::write((&issued.access).into(), Kind::Access, cdi),
            refresh_token: T::write(refresh, Kind::Refresh, cdi),
            id_refresh_token: I::write(id_refresh, Kind::IdRefresh, cdi),
            anti_csrf_token: issued
                .refresh
                .anti_csrf()
                .map(|token| token.expose().to_owned()),
            session: issued.session.into(),
        }
    }
}

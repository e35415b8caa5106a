//! What clients of protocol 2.0 get.

use handstamp::engine::{PublicSigningKey, Regenerated, SessionView};
use handstamp::{JsonObject, SessionHandle};
use serde::Serialize;

use crate::cdi::Cdi;
use crate::cdi::handlers::Render;
use crate::cdi::handlers::service::Elsewhere;
use crate::cdi::parts::{Kind, Message, NO_SESSION, Status, Token, WriteToken};
use crate::cdi::v1_0;
use crate::cdi::version::Version;

/// Revocation has a path of its own.
pub(super) struct DeleteIsPost;

impl Elsewhere for DeleteIsPost {
    const TEXT: &'static str =
        "/session DELETE is only available in CDI 1.0. Please call /session/remove POST instead";
}

/// What cookies have as `SameSite` if nothing is set: SDKs of the time pass it on.
const SAME_SITE: &str = "none";
/// What an application answers when a session is over if nothing is set.
const SESSION_EXPIRED: u16 = 440;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cdi) struct TokenInfo {
    #[serde(flatten)]
    info: v1_0::TokenInfo,
    same_site: &'static str,
}

impl WriteToken for TokenInfo {
    fn write(token: Token, kind: Kind, cdi: &Cdi) -> Self {
        Self {
            info: v1_0::TokenInfo::write(token, kind, cdi),
            same_site: cdi.cookies.same_site.unwrap_or(SAME_SITE),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cdi) struct Handshake {
    #[serde(flatten)]
    rest: v1_0::Handshake,
    cookie_same_site: &'static str,
    id_refresh_token_path: String,
    session_expired_status_code: u16,
}

impl Render<PublicSigningKey> for Handshake {
    fn render(key: PublicSigningKey, cdi: &Cdi) -> Self {
        Self {
            rest: v1_0::Handshake::render(key, cdi),
            cookie_same_site: cdi.cookies.same_site.unwrap_or(SAME_SITE),
            id_refresh_token_path: cdi.cookies.access_path.clone(),
            session_expired_status_code: cdi
                .cookies
                .session_expired_status
                .unwrap_or(SESSION_EXPIRED),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cdi) struct Revoked {
    status: Status,
    session_handles_revoked: Vec<String>,
}

impl Render<Vec<SessionHandle>> for Revoked {
    fn render(revoked: Vec<SessionHandle>, _: &Cdi) -> Self {
        Self {
            status: Status::Ok,
            session_handles_revoked: revoked.iter().map(ToString::to_string).collect(),
        }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
pub(in crate::cdi) enum RegenerateReply<S, T> {
    #[serde(rename_all = "camelCase")]
    Done {
        status: Status,
        session: S,
        #[serde(skip_serializing_if = "Option::is_none")]
        access_token: Option<T>,
    },
    Gone(Message),
}

impl<S, T> Render<Regenerated> for RegenerateReply<S, T>
where
    S: From<SessionView> + Serialize,
    T: WriteToken,
{
    fn render(regenerated: Regenerated, cdi: &Cdi) -> Self {
        match regenerated {
            Regenerated::Done { session, access } => Self::Done {
                status: Status::Ok,
                session: session.into(),
                access_token: access.map(|access| T::write((&access).into(), Kind::Access, cdi)),
            },
            Regenerated::NoSession => Self::Gone(Message::unauthorised(NO_SESSION)),
        }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
pub(in crate::cdi) enum PayloadReply {
    Found {
        status: Status,
        #[serde(rename = "userDataInJWT")]
        user_data_in_jwt: JsonObject,
    },
    Gone(Message),
}

impl Render<Option<JsonObject>> for PayloadReply {
    fn render(payload: Option<JsonObject>, _: &Cdi) -> Self {
        match payload {
            Some(user_data_in_jwt) => Self::Found {
                status: Status::Ok,
                user_data_in_jwt,
            },
            None => Self::Gone(Message::unauthorised(NO_SESSION)),
        }
    }
}

#[derive(Serialize)]
pub(super) struct Versions {
    versions: Vec<String>,
}

impl Render<Vec<Version>> for Versions {
    fn render(offered: Vec<Version>, _: &Cdi) -> Self {
        Self {
            versions: offered.iter().map(ToString::to_string).collect(),
        }
    }
}

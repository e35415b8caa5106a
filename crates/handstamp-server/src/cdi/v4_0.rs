//! Since 4.0 a user has a recipe user id as well, the same here, and SDKs look users up. Access tokens V5.

use axum::http::Method;
use handstamp::engine::{Create, SessionView};
use handstamp::session::Session as StoredSession;
use handstamp::token::access::TokenFormat;
use handstamp::{JsonObject, SessionHandle, UserId};
use serde::Serialize;

use super::body::Body;
use super::handlers::data::{self, WritePayloadAsk};
use super::handlers::{self, FromBody, RefreshAsk, Render, RevokeAsk, service};
use super::operations::Operations;
use super::parts::{Bare, Status, Token};
use super::reply::Refusal;
use super::v1_0::{RefreshReply, Written};
use super::v2_0::{self, RegenerateReply, Revoked};
use super::v2_8::SessionReply;
use super::v2_21::{self, Issue, VerifyReply};
use super::{Call, Cdi, v3_0};

pub(super) fn operations() -> Operations {
    v3_0::operations()
        .changed(
            &Method::POST,
            "/recipe/session",
            handlers::create::<CreateSession, Issue<Session>, ()>,
        )
        .changed(
            &Method::GET,
            "/recipe/session",
            data::session::<SessionReply<Stored>>,
        )
        .changed(
            &Method::POST,
            "/recipe/session/verify",
            handlers::verify::<v2_21::VerifySession, VerifyReply<Session>, ()>,
        )
        .changed(
            &Method::POST,
            "/recipe/session/refresh",
            handlers::refresh::<RefreshSession, RefreshReply<Issue<Session>, Stolen>>,
        )
        .changed(
            &Method::POST,
            "/recipe/session/regenerate",
            handlers::regenerate::<v2_0::RegenerateSession, RegenerateReply<Session, Token>>,
        )
        .changed(
            &Method::POST,
            "/recipe/session/remove",
            handlers::revoke::<RemoveSession, Revoked>,
        )
        .changed(
            &Method::PUT,
            "/recipe/jwt/data",
            data::write_payload::<PutPayload, Written>,
        )
        .added(
            Method::GET,
            "/user/id",
            service::unknown_user::<UnknownUser>,
        )
}

/// A session, with its tenant and its recipe user.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Session {
    handle: String,
    user_id: String,
    recipe_user_id: String,
    tenant_id: String,
    #[serde(rename = "userDataInJWT")]
    user_data_in_jwt: JsonObject,
}

impl From<SessionView> for Session {
    fn from(view: SessionView) -> Self {
        Self {
            handle: view.handle.to_string(),
            user_id: view.user_id.as_str().to_owned(),
            recipe_user_id: view.user_id.as_str().to_owned(),
            tenant_id: view.handle.tenant().to_string(),
            user_data_in_jwt: view.jwt_payload,
        }
    }
}

/// The session whose tokens two parties hold.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stolen {
    handle: String,
    user_id: String,
    recipe_user_id: String,
}

impl From<(SessionHandle, UserId)> for Stolen {
    fn from((handle, user): (SessionHandle, UserId)) -> Self {
        Self {
            handle: handle.to_string(),
            user_id: user.as_str().to_owned(),
            recipe_user_id: user.as_str().to_owned(),
        }
    }
}

/// All that is kept of a session, with its recipe user.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    #[serde(flatten)]
    stored: v3_0::Stored,
    recipe_user_id: String,
}

impl From<(StoredSession, JsonObject)> for Stored {
    fn from((session, data): (StoredSession, JsonObject)) -> Self {
        Self {
            recipe_user_id: session.user_id.as_str().to_owned(),
            stored: (session, data).into(),
        }
    }
}

struct UnknownUser;

impl Serialize for UnknownUser {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Bare {
            status: Status::UnknownUserId,
        }
        .serialize(serializer)
    }
}

impl Render<()> for UnknownUser {
    fn render((): (), _: &Cdi) -> Self {
        Self
    }
}

pub(super) struct CreateSession;

impl FromBody for CreateSession {
    type Ask = Create;

    fn read(body: &Body<'_>, call: &Call) -> Result<Create, Refusal> {
        Ok(Create {
            format: TokenFormat::V5,
            ..v3_0::CreateSession::read(body, call)?
        })
    }
}

pub(super) struct RefreshSession;

impl FromBody for RefreshSession {
    type Ask = RefreshAsk;

    fn read(body: &Body<'_>, call: &Call) -> Result<RefreshAsk, Refusal> {
        Ok(RefreshAsk {
            format: TokenFormat::V5,
            ..v3_0::RefreshSession::read(body, call)?
        })
    }
}

struct PutPayload;

impl FromBody for PutPayload {
    type Ask = WritePayloadAsk;

    fn read(body: &Body<'_>, call: &Call) -> Result<WritePayloadAsk, Refusal> {
        Ok(WritePayloadAsk {
            format: TokenFormat::V5,
            ..v2_21::PutPayload::read(body, call)?
        })
    }
}

/// No users are linked here, so it makes no difference whether those that are count as well.
pub(super) struct RemoveSession;

impl FromBody for RemoveSession {
    type Ask = RevokeAsk;

    fn read(body: &Body<'_>, call: &Call) -> Result<RevokeAsk, Refusal> {
        let ask = v3_0::RemoveSession::read(body, call)?;
        let linked = body.optional_boolean("revokeSessionsForLinkedAccounts")?;
        match (ask, linked) {
            (RevokeAsk::Handles(_), Some(_)) => Err(Refusal::WrongFields(
                "Invalid JSON input - revokeSessionsForLinkedAccounts can only be set if userId is set",
            )),
            (ask, _) => Ok(ask),
        }
    }
}

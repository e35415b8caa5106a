//! Since 3.0 there are apps and tenants: in paths, and in what is said of a session. Access tokens V4.

use axum::http::Method;
use handstamp::JsonObject;
use handstamp::engine::{Create, KeyChoice, SessionView};
use handstamp::session::Session as StoredSession;
use handstamp::token::access::TokenFormat;
use serde::Serialize;

use super::Call;
use super::body::Body;
use super::handlers::data::{self, WritePayloadAsk};
use super::handlers::tenants::{self, Recipes};
use super::handlers::{self, FromBody, FromQuery, RefreshAsk, RevokeAsk, UserAsk};
use super::operations::Operations;
use super::parts::Token;
use super::reply::Refusal;
use super::v1_0::{self, RefreshReply, Stolen, UserSessions, Written};
use super::v2_0::{self, RegenerateReply, Revoked};
use super::v2_8::{self, SessionReply};
use super::v2_21::{self, Issue, VerifyReply};

pub(super) fn operations() -> Operations {
    v2_21::operations()
        .with_tenants()
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
            &Method::GET,
            "/recipe/session/user",
            handlers::handles_of_user::<UserQuery, UserSessions>,
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
        .added(Method::PUT, "/ee/license", tenants::license)
        .added(Method::PUT, "/recipe/multitenancy/app", tenants::put_app)
        .added(
            Method::POST,
            "/recipe/multitenancy/app/remove",
            tenants::remove_app,
        )
        .added(
            Method::GET,
            "/recipe/multitenancy/app/list",
            tenants::list_apps::<Recipes>,
        )
        .added(
            Method::PUT,
            "/recipe/multitenancy/tenant",
            tenants::put_tenant,
        )
        .added(
            Method::GET,
            "/recipe/multitenancy/tenant",
            tenants::tenant::<Recipes>,
        )
        .for_any_tenant(&Method::GET, "/recipe/multitenancy/tenant")
        .added(
            Method::POST,
            "/recipe/multitenancy/tenant/remove",
            tenants::remove_tenant,
        )
        .added(
            Method::GET,
            "/recipe/multitenancy/tenant/list",
            tenants::list_tenants::<Recipes>,
        )
}

/// A session, with its tenant.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Session {
    handle: String,
    user_id: String,
    tenant_id: String,
    #[serde(rename = "userDataInJWT")]
    user_data_in_jwt: JsonObject,
}

impl From<SessionView> for Session {
    fn from(view: SessionView) -> Self {
        Self {
            handle: view.handle.to_string(),
            user_id: view.user_id.as_str().to_owned(),
            tenant_id: view.handle.tenant().to_string(),
            user_data_in_jwt: view.jwt_payload,
        }
    }
}

/// All that is kept of a session, with its tenant.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stored {
    #[serde(flatten)]
    stored: v2_8::Stored,
    tenant_id: String,
}

impl From<(StoredSession, JsonObject)> for Stored {
    fn from((session, data): (StoredSession, JsonObject)) -> Self {
        Self {
            tenant_id: session.handle.tenant().to_string(),
            stored: (session, data).into(),
        }
    }
}

pub(super) struct CreateSession;

impl FromBody for CreateSession {
    type Ask = Create;

    fn read(body: &Body<'_>, call: &Call) -> Result<Create, Refusal> {
        Ok(Create {
            format: TokenFormat::V4,
            ..v2_21::CreateSession::read(body, call)?
        })
    }
}

pub(super) struct RefreshSession;

impl FromBody for RefreshSession {
    type Ask = RefreshAsk;

    fn read(body: &Body<'_>, call: &Call) -> Result<RefreshAsk, Refusal> {
        let ask = v2_21::RefreshSession::read(body, call)?;
        let key = match body.optional_boolean("useDynamicSigningKey")? {
            None => KeyChoice::Keep,
            Some(true) => KeyChoice::Dynamic,
            Some(false) => KeyChoice::Static,
        };
        Ok(RefreshAsk {
            format: TokenFormat::V4,
            key,
            ..ask
        })
    }
}

pub(super) struct PutPayload;

impl FromBody for PutPayload {
    type Ask = WritePayloadAsk;

    fn read(body: &Body<'_>, call: &Call) -> Result<WritePayloadAsk, Refusal> {
        Ok(WritePayloadAsk {
            format: TokenFormat::V4,
            ..v2_21::PutPayload::read(body, call)?
        })
    }
}

pub(super) struct UserQuery;

impl FromQuery for UserQuery {
    type Ask = UserAsk;

    fn read(call: &Call) -> Result<UserAsk, Refusal> {
        Ok(UserAsk {
            everywhere: call.input.query_is_true("fetchAcrossAllTenants"),
            ..v1_0::UserQuery::read(call)?
        })
    }
}

pub(super) struct RemoveSession;

impl FromBody for RemoveSession {
    type Ask = RevokeAsk;

    fn read(body: &Body<'_>, call: &Call) -> Result<RevokeAsk, Refusal> {
        let ask = v2_0::RemoveSession::read(body, call)?;
        let everywhere = body.optional_boolean("revokeAcrossAllTenants")?;
        match (ask, everywhere) {
            (RevokeAsk::User { user, .. }, everywhere) => Ok(RevokeAsk::User {
                user,
                everywhere: everywhere.unwrap_or(true),
            }),
            (ask @ RevokeAsk::Handles(_), None) => Ok(ask),
            (RevokeAsk::Handles(_), Some(_)) => Err(Refusal::WrongFields(
                "Invalid JSON input - revokeAcrossAllTenants can only be set if userId is set",
            )),
        }
    }
}

//! Since 2.0 a request names its version, revocation answers with handles, payloads can be changed, and the id refresh token is
//! a cookie like the others. Access tokens V2.

use axum::http::Method;
use handstamp::engine::PublicSigningKey;

use super::handlers::{self, data, keys, service};
use super::operations::Operations;
use super::parts::Session;
use super::v1_0::{self, Created, KeyInfo, RefreshReply, Stolen, VerifyReply, Written};

mod replies;
mod requests;

use replies::DeleteIsPost;
use replies::{Handshake, TokenInfo, Versions};
pub(super) use replies::{PayloadReply, RegenerateReply, Revoked};
pub(super) use requests::{
    CreateSession, PutPayload, RefreshSession, RegenerateSession, RemoveSession,
};

/// All that a client gets at creation and at each refresh.
type Issue = v1_0::Issue<Session, TokenInfo, TokenInfo>;

pub(super) fn operations() -> Operations {
    v1_0::operations()
        .changed(
            &Method::POST,
            "/handshake",
            keys::handshake_with_body::<Handshake, PublicSigningKey>,
        )
        .changed(
            &Method::POST,
            "/session",
            handlers::create::<CreateSession, Created<Issue>, KeyInfo>,
        )
        .changed(
            &Method::DELETE,
            "/session",
            service::elsewhere::<DeleteIsPost>,
        )
        .changed(
            &Method::POST,
            "/session/remove",
            handlers::revoke::<RemoveSession, Revoked>,
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
            handlers::refresh::<RefreshSession, RefreshReply<Issue, Stolen>>,
        )
        .changed(
            &Method::POST,
            "/session/regenerate",
            handlers::regenerate::<RegenerateSession, RegenerateReply<Session, TokenInfo>>,
        )
        .added(Method::GET, "/apiversion", service::versions::<Versions>)
        .changed(
            &Method::GET,
            "/jwt/data",
            data::read_payload::<PayloadReply>,
        )
        .changed(
            &Method::PUT,
            "/jwt/data",
            data::write_payload::<PutPayload, Written>,
        )
}

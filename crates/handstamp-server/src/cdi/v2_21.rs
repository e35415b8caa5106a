//! Since 2.21 keys are published as a JWKS: no handshake, no keys in replies, no id refresh token. Verification asks the store
//! when the request says so. Access tokens V3.

use axum::http::Method;
use handstamp::engine::JwkSet;

use super::handlers::{self, data, keys};
use super::operations::Operations;
use super::parts::Session;
use super::v1_0::{RefreshReply, Stolen, Written};
use super::v2_9::JwtReply;
use super::v2_16;

mod replies;
mod requests;

pub(super) use replies::{Issue, VerifyReply};
use requests::CreateJwt;
pub(super) use requests::{CreateSession, PutPayload, RefreshSession, VerifySession};

pub(super) fn operations() -> Operations {
    v2_16::operations()
        .removed(&Method::POST, "/recipe/handshake")
        .added(
            Method::GET,
            "/.well-known/jwks.json",
            keys::key_set::<JwkSet>,
        )
        .changed(
            &Method::POST,
            "/recipe/session",
            handlers::create::<CreateSession, Issue<Session>, ()>,
        )
        .changed(
            &Method::POST,
            "/recipe/session/verify",
            handlers::verify::<VerifySession, VerifyReply<Session>, ()>,
        )
        .changed(
            &Method::POST,
            "/recipe/session/refresh",
            handlers::refresh::<RefreshSession, RefreshReply<Issue<Session>, Stolen>>,
        )
        .changed(
            &Method::PUT,
            "/recipe/jwt/data",
            data::write_payload::<PutPayload, Written>,
        )
        .changed(
            &Method::POST,
            "/recipe/jwt",
            keys::create_jwt::<CreateJwt, JwtReply>,
        )
}

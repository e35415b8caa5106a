//! Since 2.16 SDKs can carry tokens in headers as well, so that an access token need not fit into a cookie. The root
//! says hello.

use axum::http::Method;
use handstamp::engine::Create;

use super::Call;
use super::body::Body;
use super::handlers::{self, FromBody, service};
use super::operations::Operations;
use super::reply::Refusal;
use super::v1_0::Created;
use super::v2_4::Issue;
use super::v2_6;
use super::v2_9::{self, KeyInfo};

pub(super) fn operations() -> Operations {
    let hello = service::hello;
    v2_9::operations()
        .changed(
            &Method::POST,
            "/recipe/session",
            handlers::create::<CreateSession, Created<Issue, KeyInfo>, KeyInfo>,
        )
        .added(Method::GET, "/", hello)
        .added(Method::POST, "/", hello)
        .added(Method::PUT, "/", hello)
        .added(Method::DELETE, "/", hello)
}

pub(super) struct CreateSession;

impl FromBody for CreateSession {
    type Ask = Create;

    fn read(body: &Body<'_>, call: &Call) -> Result<Create, Refusal> {
        Ok(Create {
            cookie: None,
            ..v2_6::CreateSession::read(body, call)?
        })
    }
}

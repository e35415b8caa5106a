//! Since 2.3 a refresh brings the anti-CSRF token along, and is refused with another.

use axum::http::Method;

use super::Call;
use super::body::Body;
use super::handlers::{self, FromBody, Passed, RefreshAsk};
use super::operations::Operations;
use super::reply::Refusal;
use super::v1_0::{RefreshReply, Stolen};
use super::{v2_0, v2_2};

pub(super) fn operations() -> Operations {
    v2_2::operations().changed(
        &Method::POST,
        "/session/refresh",
        handlers::refresh::<RefreshSession, RefreshReply<v2_2::Issue, Stolen>>,
    )
}

pub(super) struct RefreshSession;

impl FromBody for RefreshSession {
    type Ask = RefreshAsk;

    fn read(body: &Body<'_>, call: &Call) -> Result<RefreshAsk, Refusal> {
        let ask = v2_0::RefreshSession::read(body, call)?;
        let passed = body.optional_secret("antiCsrfToken")?;
        Ok(RefreshAsk {
            passed: Passed::compared_if(ask.anti_csrf, passed),
            ..ask
        })
    }
}

//! Extractors and answers for axum.

use axum_core::body::Body;
use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::refusal::{Answer, Refusal};
use super::session::Session;
use super::sessions::Sessions;
use crate::engine::{Error, Failure};

impl<S: Sync> FromRequestParts<S> for Sessions {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        parts.extensions.get().cloned().ok_or(Refusal::NoLayer)
    }
}

/// Refuses a request without a session.
impl<S: Sync, C: DeserializeOwned> FromRequestParts<S> for Session<C> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let sessions = Sessions::from_request_parts(parts, state).await?;
        sessions.session().await
    }
}

/// `None` for a request without an access token; one that is to be refreshed is refused, so that the client does that.
impl<S: Sync, C: DeserializeOwned> OptionalFromRequestParts<S> for Session<C> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Refusal> {
        let sessions = <Sessions as FromRequestParts<S>>::from_request_parts(parts, state).await?;
        sessions.session_if_any().await
    }
}

/// 401 and 403 as front ends expect them, or as the settings have them. An application that wants another answer takes
/// `Result<Session, Refusal>` in a handler, or finds the `Arc<Refusal>` in the response's extensions in a layer around all.
impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        self.response()
    }
}

/// What cannot be is the application's mistake: 500. A store that is away is 503.
impl IntoResponse for Error {
    fn into_response(self) -> Response {
        Answer::error(&self).into_response::<Body>()
    }
}

/// A store that is away is 503; what it was goes to the log.
impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        Answer::failure(&self).into_response::<Body>()
    }
}

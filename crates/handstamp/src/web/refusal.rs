//! Why a request is refused, and how that is told.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{Response, StatusCode};

use super::claims::InvalidClaim;
use crate::engine::Failure;

/// Why a request does not get the session that its route asks for.
#[derive(Debug)]
pub enum Refusal {
    /// It brings no session. The user has to sign in.
    Unauthorised,
    /// It brings an access token that is good no more, or not without what goes with it. A refresh tells whether the session is.
    TryRefresh,
    /// The session is good, and lacks what the route asks for.
    InvalidClaims(Vec<InvalidClaim>),
    /// The JWT payload has not the shape that the route reads. It may have been made by an earlier release of the application.
    Payload(serde_json::Error),
    /// The store or the keys failed. Nothing is known of the session, and the same request may do well later.
    Failed(Failure),
    /// The application is not set up for it: its routes are not inside the layer.
    NoLayer,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unauthorised => f.write_str("unauthorised"),
            Self::TryRefresh => f.write_str("try refresh token"),
            Self::InvalidClaims(_) => f.write_str("invalid claim"),
            Self::Payload(why) => write!(f, "the JWT payload has another shape: {why}"),
            Self::Failed(why) => write!(f, "the session cannot be looked at: {why}"),
            Self::NoLayer => f.write_str("this route is not inside a session layer"),
        }
    }
}

impl std::error::Error for Refusal {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Payload(why) => Some(why),
            Self::Failed(why) => Some(why),
            Self::Unauthorised | Self::TryRefresh | Self::InvalidClaims(_) | Self::NoLayer => None,
        }
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// A status and a body of JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
    /// After how many seconds to come again.
    pub(super) retry_after: Option<u32>,
    /// For how long whoever has it may keep it.
    pub(super) kept_for: Option<Duration>,
}

impl Answer {
    pub(super) fn ok(body: &serde_json::Value) -> Self {
        Self::new(200, body)
    }

    pub(super) fn message(status: u16, message: &str) -> Self {
        Self::new(status, &serde_json::json!({ "message": message }))
    }

    fn new(status: u16, body: &serde_json::Value) -> Self {
        Self {
            status,
            body: body.to_string(),
            retry_after: None,
            kept_for: None,
        }
    }

    /// A failure that is none of the client's business: what it was goes to the log.
    pub(super) fn failure(failure: &Failure) -> Self {
        tracing::error!(why = %failure, "a request failed for its session's sake");
        if failure.is_transient() {
            let answer = Self::message(503, "sessions cannot be looked at just now");
            let retry_after = Some(1);
            return Self {
                retry_after,
                ..answer
            };
        }
        Self::message(500, "sessions cannot be looked at")
    }
}

/// With which statuses requests are refused.
#[derive(Debug, Clone, Copy)]
pub(super) struct Statuses {
    pub(super) expired: u16,
    pub(super) invalid_claim: u16,
}

impl Statuses {
    /// What front ends expect unless they are told of others.
    pub(super) const DEFAULT: Self = Self {
        expired: 401,
        invalid_claim: 403,
    };

    /// The status of an answer that says so.
    pub(super) fn of(self, refusal: &Refusal) -> Option<StatusCode> {
        let status = match refusal {
            Refusal::Unauthorised | Refusal::TryRefresh => self.expired,
            Refusal::InvalidClaims(_) => self.invalid_claim,
            Refusal::Payload(_) | Refusal::NoLayer | Refusal::Failed(_) => return None,
        };
        StatusCode::from_u16(status).ok()
    }
}

impl Refusal {
    /// The response that says so, for a service without a framework: 401 or 403, or what the settings have in their place once the
    /// response has gone through the layer.
    #[must_use]
    pub fn response<Body: From<String>>(self) -> Response<Body> {
        let mut response = self.answer(Statuses::DEFAULT).into_response();
        response.extensions_mut().insert(Arc::new(self));
        response
    }

    pub(super) fn answer(&self, statuses: Statuses) -> Answer {
        match self {
            Self::Unauthorised => Answer::message(statuses.expired, "unauthorised"),
            Self::TryRefresh => Answer::message(statuses.expired, "try refresh token"),
            Self::InvalidClaims(claims) => Answer::new(
                statuses.invalid_claim,
                &serde_json::json!({ "message": "invalid claim", "claimValidationErrors": claims }),
            ),
            Self::Payload(_) | Self::NoLayer => {
                tracing::error!(why = %self, "a request was refused");
                Answer::message(500, "this route cannot read its session")
            }
            Self::Failed(failure) => Answer::failure(failure),
        }
    }
}

//! Why a request is refused, and how that is told.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::Response;

use super::claims::InvalidClaim;
#[cfg(any(feature = "axum", feature = "actix"))]
use crate::engine::Error;
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

    /// What caches may do.
    pub(super) fn cache_control(&self) -> Option<String> {
        let kept = self.kept_for?;
        Some(format!("max-age={}, must-revalidate", kept.as_secs()))
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

    /// What cannot be is the application's mistake.
    #[cfg(any(feature = "axum", feature = "actix"))]
    pub(super) fn error(error: &Error) -> Self {
        match error {
            Error::Failure(failure) => Self::failure(failure),
            Error::Invalid(_) | Error::ProtectedClaim => {
                tracing::error!(why = %error, "a session was not to be made or changed so");
                Self::message(500, "the session cannot be made")
            }
        }
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
    pub(super) fn of(self, kind: RefusalKind) -> u16 {
        match kind {
            RefusalKind::Expired => self.expired,
            RefusalKind::InvalidClaim => self.invalid_claim,
        }
    }
}

/// The refusals whose status is a matter of settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RefusalKind {
    Expired,
    InvalidClaim,
}

impl Refusal {
    pub(super) fn kind(&self) -> Option<RefusalKind> {
        match self {
            Self::Unauthorised | Self::TryRefresh => Some(RefusalKind::Expired),
            Self::InvalidClaims(_) => Some(RefusalKind::InvalidClaim),
            Self::Payload(_) | Self::NoLayer | Self::Failed(_) => None,
        }
    }

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

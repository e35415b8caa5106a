//! Writing replies: compact JSON or one line of text, each ended by a newline, as SDKs know it.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::Response;
use handstamp::storage::StorageFault;
use handstamp::{AppId, Error, Failure, Invalid, TenantId};
use serde::Serialize;

use crate::chain::Chain;

/// A reply of status 200.
pub(super) enum Reply {
    Json(Vec<u8>),
    /// JSON that can be kept for so many seconds.
    Kept(Vec<u8>, u64),
    Text(&'static str),
}

impl Reply {
    pub(super) fn json(value: &impl Serialize) -> Result<Self, Refusal> {
        write(value).map(Self::Json)
    }

    /// JSON that can be kept for as long.
    pub(super) fn kept(value: &impl Serialize, max_age: Duration) -> Result<Self, Refusal> {
        write(value).map(|text| Self::Kept(text, max_age.as_secs()))
    }
}

fn write(value: &impl Serialize) -> Result<Vec<u8>, Refusal> {
    let mut text = serde_json::to_vec(value).map_err(|why| Refusal::Failed(Box::new(why)))?;
    text.push(b'\n');
    Ok(text)
}

impl From<Reply> for Response {
    fn from(reply: Reply) -> Self {
        match reply {
            Reply::Json(text) => json(text),
            Reply::Kept(text, seconds) => {
                let mut response = json(text);
                let kept = format!("max-age={seconds}, must-revalidate");
                if let Ok(kept) = HeaderValue::from_str(&kept) {
                    response.headers_mut().insert(CACHE_CONTROL, kept);
                }
                response
            }
            Reply::Text(text) => line(StatusCode::OK, text),
        }
    }
}

fn json(text: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/json;charset=UTF-8"),
    );
    response
}

/// A request that is not served. Failures of the application's kind are not among them: those are replies with a `status`.
#[derive(Debug)]
pub(super) enum Refusal {
    BadJson,
    Field {
        name: &'static str,
        why: Option<String>,
    },
    MissingParameter(&'static str),
    WrongFields(&'static str),
    TooLarge {
        limit: usize,
    },
    TooSlow,
    NotFound,
    MethodNotSupported,
    PublicTenantOnly,
    BadApiKey,
    /// The address it comes from may not ask for anything, and is told nothing.
    WrongAddress,
    /// A reason of 400 or another that names what was sent.
    Because(StatusCode, String),
    /// What the database suffers from, which an operator can mend, and time may. The rest is for the log.
    Suffering(StorageFault, Failure),
    /// For the log; the caller is told nothing of it.
    Failed(Box<dyn std::error::Error + Send + Sync>),
}

impl Refusal {
    /// Says in the log what the caller is not told.
    pub(super) fn log(&self, method: &Method, path: &str) {
        let why: &dyn std::error::Error = match self {
            Self::Failed(why) => &**why,
            Self::Suffering(_, why) => why,
            _ => return,
        };
        tracing::error!(%method, path, error = %Chain(why), "a request failed");
    }

    pub(super) fn field(name: &'static str) -> Self {
        Self::Field { name, why: None }
    }

    pub(super) fn bad_request(text: impl Into<String>) -> Self {
        Self::Because(StatusCode::BAD_REQUEST, text.into())
    }

    pub(super) fn forbidden(text: impl Into<String>) -> Self {
        Self::Because(StatusCode::FORBIDDEN, text.into())
    }

    pub(super) fn bad_version() -> Self {
        Self::WrongFields("cdi-version header is invalid")
    }

    pub(super) fn unsupported(version: &str) -> Self {
        Self::bad_request(format!("cdi-version {version} not supported"))
    }

    pub(super) fn no_such_tenant(app: &AppId, tenant: &TenantId) -> Self {
        Self::bad_request(format!(
            "AppId or tenantId not found => Tenant with the following connectionURIDomain, appId and tenantId combination not found: (, {app}, {tenant})"
        ))
    }

    /// What the engine says of a value, under the name that the wire has for it.
    pub(super) fn invalid(name: &'static str, why: &Invalid) -> Self {
        Self::Field {
            name,
            why: Some(why.expected().to_owned()),
        }
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        use StorageFault::{Busy, Full, ReadOnly, Unavailable};
        match failure.storage_fault() {
            Some(fault @ (Unavailable | Busy | Full | ReadOnly)) => Self::Suffering(fault, failure),
            _ => Self::Failed(Box::new(failure)),
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(why) => {
                let name = match why.field() {
                    "session data" => "userDataInDatabase",
                    "JWT payload" => "userDataInJWT",
                    other => other,
                };
                Self::invalid(name, &why)
            }
            Error::ProtectedClaim => Self::WrongFields("The user payload contains protected field"),
            Error::Failure(failure) => failure.into(),
        }
    }
}

impl From<Refusal> for Response {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::BadJson => line(StatusCode::BAD_REQUEST, "Invalid Json Input"),
            Refusal::Field { name, why } => {
                let why = why.map(|why| format!(": it {why}")).unwrap_or_default();
                line(
                    StatusCode::BAD_REQUEST,
                    &format!("Field name '{name}' is invalid in JSON input{why}"),
                )
            }
            Refusal::MissingParameter(name) => line(
                StatusCode::BAD_REQUEST,
                &format!("Field name '{name}' is missing in GET request"),
            ),
            Refusal::WrongFields(text) => line(StatusCode::BAD_REQUEST, text),
            Refusal::TooLarge { limit } => line(
                StatusCode::PAYLOAD_TOO_LARGE,
                &format!("The request's body must be at most {limit} bytes long"),
            ),
            Refusal::TooSlow => line(
                StatusCode::REQUEST_TIMEOUT,
                "The request's body did not arrive in time",
            ),
            Refusal::NotFound => line(StatusCode::NOT_FOUND, "Not found"),
            Refusal::MethodNotSupported => {
                line(StatusCode::METHOD_NOT_ALLOWED, "Method not supported")
            }
            Refusal::PublicTenantOnly => line(
                StatusCode::FORBIDDEN,
                "Only public tenantId can call this app specific API",
            ),
            Refusal::BadApiKey => line(StatusCode::UNAUTHORIZED, "Invalid API key"),
            Refusal::WrongAddress => {
                let mut response = Self::new(Body::empty());
                *response.status_mut() = StatusCode::FORBIDDEN;
                response
            }
            Refusal::Because(status, text) => line(status, &text),
            Refusal::Suffering(fault, _) => line(
                StatusCode::INTERNAL_SERVER_ERROR,
                &format!("Internal Error: {fault}"),
            ),
            Refusal::Failed(_) => line(StatusCode::INTERNAL_SERVER_ERROR, "Internal Error"),
        }
    }
}

fn line(status: StatusCode, text: &str) -> Response {
    let mut response = Response::new(Body::from(format!("{text}\n")));
    *response.status_mut() = status;
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/html;charset=UTF-8"),
    );
    response
}

//! Writing replies: compact JSON or one line of text, each ended by a newline, as SDKs know it.

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use handstamp::{Error, Failure, Invalid};
use serde::Serialize;

/// A reply of status 200.
pub(super) enum Reply {
    Json(Vec<u8>),
    Text(&'static str),
}

impl Reply {
    pub(super) fn json(value: &impl Serialize) -> Result<Self, Refusal> {
        let mut text = serde_json::to_vec(value).map_err(|why| Refusal::Failed(Box::new(why)))?;
        text.push(b'\n');
        Ok(Self::Json(text))
    }
}

impl From<Reply> for Response {
    fn from(reply: Reply) -> Self {
        match reply {
            Reply::Json(text) => {
                let mut response = Self::new(Body::from(text));
                response.headers_mut().insert(
                    CONTENT_TYPE,
                    HeaderValue::from_static("application/json;charset=UTF-8"),
                );
                response
            }
            Reply::Text(text) => line(StatusCode::OK, text),
        }
    }
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
    /// For the log; the caller is told nothing of it.
    Failed(Box<dyn std::error::Error + Send + Sync>),
}

impl Refusal {
    pub(super) fn field(name: &'static str) -> Self {
        Self::Field { name, why: None }
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
        Self::Failed(Box::new(failure))
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

//! Sessions in an application of actix-web: a middleware, extractors, and answers.
//!
//! [`SessionMiddleware`] goes around the whole application. It answers the refresh and the sign-out that front ends call by
//! themselves, and writes into each response what its handler did to sessions, also if the handler failed after that.
//!
//! ```no_run
//! use actix_web::{App, HttpServer, web};
//! use handstamp::web::actix::SessionMiddleware;
//! use handstamp::web::{Session, Sessions, Web};
//!
//! async fn login(sessions: Sessions) -> Result<&'static str, handstamp::Error> {
//!     sessions.create("ada").send().await?;
//!     Ok("welcome")
//! }
//!
//! async fn me(session: Session) -> String {
//!     session.user_id().to_string()
//! }
//!
//! async fn serve(sessions: Web) -> std::io::Result<()> {
//!     let app = move || {
//!         App::new()
//!             .wrap(SessionMiddleware::new(sessions.clone()))
//!             .route("/login", web::post().to(login))
//!             .route("/me", web::get().to(me))
//!     };
//!     HttpServer::new(app).bind(("127.0.0.1", 3000))?.run().await
//! }
//! ```
//!
//! # What a handler can take
//!
//! | argument | a request without a session | with an access token that is over |
//! |---|---|---|
//! | [`Session<C>`](Session) | is refused | is refused: "try refresh token" |
//! | [`MaybeSession<C>`] | `None` | is refused: "try refresh token" |
//! | `Result<Session<C>, Refusal>` | `Err` | `Err`, and the handler says what that means |
//! | [`Sessions`] | nothing is looked at before it is asked for | |
//!
//! Not `Option<Session>`: actix-web makes that of every extractor by itself, and it is `None` whatever went wrong. A user whose access
//! token has just run out would be nobody, no front end would be told to refresh, and a store that is away would look like a sign-out.
//!
//! A guard around several routes is a middleware of five lines:
//!
//! ```
//! use actix_web::body::MessageBody;
//! use actix_web::dev::{ServiceRequest, ServiceResponse};
//! use actix_web::middleware::{Next, from_fn};
//! use handstamp::web::{Claim, Session};
//!
//! const ROLES: Claim<Vec<String>> = Claim::new("st-role");
//!
//! async fn admins(
//!     session: Session,
//!     request: ServiceRequest,
//!     next: Next<impl MessageBody>,
//! ) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
//!     session.require(&ROLES.includes("admin".to_owned()))?;
//!     next.call(request).await
//! }
//!
//! let scope = actix_web::web::scope("/admin").wrap(from_fn(admins));
//! # let _ = scope.service(actix_web::web::resource("/").get(async || "in"));
//! ```
//!
//! # Answers of the application's own
//!
//! A handler that takes `Result<Session, Refusal>` decides by itself. For all routes at once, a middleware around this one finds the
//! [`Refusal`] behind a response, and answers what it wants:
//!
//! ```
//! use actix_web::dev::ServiceResponse;
//! use handstamp::web::Refusal;
//!
//! fn refusal<B>(response: &ServiceResponse<B>) -> Option<&Refusal> {
//!     response.response().error()?.as_error()
//! }
//! ```
//!
//! A middleware within this one may fail instead of answering. Its error goes on as it is; what the response has to say of sessions is
//! added to it by [`actix_web::Error::add_response_mapper`], and is there if the error is made a response by
//! [`actix_web::Error::error_response`], as actix-web does it in the end.

use std::future::{Future, Ready, ready};
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, HttpResponse, ResponseError};
use serde::de::DeserializeOwned;

use super::refusal::{Answer, Refusal, Statuses};
use super::session::Session;
use super::sessions::Sessions;
use crate::engine::{Error, Failure};
use crate::json::JsonObject;

mod headers;
mod middleware;

pub use middleware::{SessionMiddleware, SessionMiddlewareService};

/// The session of a request that need not have one: `None` without an access token. One that is to be refreshed is refused, so that the
/// client does that.
///
/// ```
/// use handstamp::web::actix::MaybeSession;
///
/// async fn home(MaybeSession(session): MaybeSession) -> String {
///     session.map_or("hello".to_owned(), |it| format!("hello, {}", it.user_id()))
/// }
/// # actix_web::web::get().to(home);
/// ```
#[derive(Debug)]
pub struct MaybeSession<C = JsonObject>(pub Option<Session<C>>);

impl FromRequest for Sessions {
    type Error = Refusal;
    type Future = Ready<Result<Self, Refusal>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(of(request))
    }
}

/// Refuses a request without a session.
impl<C: DeserializeOwned + 'static> FromRequest for Session<C> {
    type Error = Refusal;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Refusal>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let sessions = of(request);
        Box::pin(async move { sessions?.session().await })
    }
}

impl<C: DeserializeOwned + 'static> FromRequest for MaybeSession<C> {
    type Error = Refusal;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Refusal>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let sessions = of(request);
        Box::pin(async move { sessions?.session_if_any().await.map(Self) })
    }
}

fn of(request: &HttpRequest) -> Result<Sessions, Refusal> {
    let extensions = request.extensions();
    extensions.get().cloned().ok_or(Refusal::NoLayer)
}

/// 401 and 403 as front ends expect them, or as the settings have them.
impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Failed(failure) => failure.status_code(),
            Self::Payload(_) | Self::NoLayer => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unauthorised | Self::TryRefresh | Self::InvalidClaims(_) => {
                let status = self.kind().map(|kind| Statuses::DEFAULT.of(kind));
                status.map_or(StatusCode::INTERNAL_SERVER_ERROR, status_code)
            }
        }
    }

    /// An application's error that answers with this response is seen to be a refusal, too.
    fn error_response(&self) -> HttpResponse {
        let mut response = self.answer(Statuses::DEFAULT).into_http_response();
        if let Some(kind) = self.kind() {
            response.extensions_mut().insert(kind);
        }
        response
    }
}

/// What cannot be is the application's mistake: 500. A store that is away is 503.
impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Failure(failure) => failure.status_code(),
            Self::Invalid(_) | Self::ProtectedClaim => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        Answer::error(self).into_http_response()
    }
}

/// A store that is away is 503; what it was goes to the log.
impl ResponseError for Failure {
    fn status_code(&self) -> StatusCode {
        if self.is_transient() {
            StatusCode::SERVICE_UNAVAILABLE
        } else {
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }

    fn error_response(&self) -> HttpResponse {
        Answer::failure(self).into_http_response()
    }
}

impl Answer {
    fn into_http_response(self) -> HttpResponse {
        let mut response = HttpResponse::build(status_code(self.status));
        response.insert_header((header::CONTENT_TYPE, "application/json; charset=utf-8"));
        if let Some(kept) = self.cache_control() {
            response.insert_header((header::CACHE_CONTROL, kept));
        }
        if let Some(seconds) = self.retry_after {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        response.body(self.body)
    }
}

fn status_code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

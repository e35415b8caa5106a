//! The application, as one of actix-web.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests are not seen to be tests"
)]

use std::fmt;
use std::time::Duration;

use actix_web::body::{MessageBody, to_bytes};
use actix_web::dev::{Service as _, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::middleware::{Next, from_fn};
use actix_web::test::{TestRequest, init_service};
use actix_web::web::{self, Path, ServiceConfig};
use actix_web::{Error, HttpResponse, ResponseError};
use handstamp::web::actix::{MaybeSession, SessionMiddleware};
use handstamp::web::{Guard, Refusal, Session, Sessions, Web};

use crate::browser::Answer;
use crate::support::{MFA, Plan, ROLES};

pub(crate) struct App(Web);

impl App {
    pub(crate) fn new(web: Web) -> Self {
        Self(web)
    }

    /// Each request goes to a worker of its own.
    pub(crate) async fn send(&self, request: http::Request<String>) -> Answer {
        let app = actix_web::App::new()
            .wrap(SessionMiddleware::new(self.0.clone()))
            .configure(routes);
        let app = init_service(app).await;
        let response = app.call(converted(request).to_request()).await;
        match response {
            Ok(response) => read(response.into_parts().1.map_into_boxed_body()).await,
            // As a server does it in the end.
            Err(error) => read(error.error_response()).await,
        }
    }
}

pub(crate) fn converted(request: http::Request<String>) -> TestRequest {
    let (parts, body) = request.into_parts();
    let mut converted = TestRequest::default()
        .method(parts.method.as_str().parse().unwrap())
        .uri(&parts.uri.to_string())
        .set_payload(body);
    for (name, value) in &parts.headers {
        converted = converted.append_header((name.as_str(), value.as_bytes()));
    }
    converted
}

pub(crate) async fn read(response: HttpResponse) -> Answer {
    let mut headers = http::HeaderMap::new();
    for (name, value) in response.headers() {
        let name: http::HeaderName = name.as_str().parse().unwrap();
        let value = http::HeaderValue::from_bytes(value.as_bytes());
        headers.append(name, value.unwrap());
    }
    let status = http::StatusCode::from_u16(response.status().as_u16()).unwrap();
    let body = to_bytes(response.into_body()).await.unwrap();
    Answer {
        status,
        headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    }
}

pub(crate) fn routes(config: &mut ServiceConfig) {
    config
        .route("/login/{user}", web::post().to(login))
        .route("/me", web::get().to(me))
        .route("/me", web::post().to(me))
        .route("/maybe", web::get().to(maybe))
        .route("/plan", web::get().to(plan))
        .route("/admin", web::get().to(admin))
        .route("/promote", web::post().to(promote))
        .route("/data", web::get().to(read_data))
        .route("/data", web::put().to(write_data))
        .route("/sure", web::get().to(sure))
        .route("/logout", web::post().to(logout))
        .route("/leave", web::post().to(leave))
        .route("/grow/{by}", web::post().to(grow))
        .service(
            web::resource("/vault")
                .wrap(from_fn(guard))
                .get(async || "gold"),
        )
        .route("/half", web::post().to(half))
        .route("/own", web::get().to(own))
        .route("/visit", web::post().to(visit))
        .route("/plain", web::get().to(async || "plain"));
}

async fn login(
    sessions: Sessions,
    user: Path<String>,
    body: String,
) -> Result<String, handstamp::Error> {
    let payload: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
    let creation = sessions.create(user.into_inner());
    let creation = if payload.is_null() {
        creation
    } else {
        creation.payload(&payload)
    };
    let session = creation.send().await?;
    Ok(session.user_id().to_string())
}

async fn me(session: Session) -> String {
    session.user_id().to_string()
}

async fn maybe(MaybeSession(session): MaybeSession) -> String {
    session.map_or("nobody".to_owned(), |it| it.user_id().to_string())
}

async fn plan(session: Session<Plan>) -> String {
    session.payload().plan.clone()
}

async fn admin(session: Session) -> Result<&'static str, Refusal> {
    session.require(&ROLES.includes("admin".to_owned()))?;
    Ok("admin")
}

async fn promote(session: Session) -> Result<HttpResponse, handstamp::Error> {
    let done = session
        .write_claim(ROLES, &vec!["admin".to_owned()])
        .await?;
    Ok(if done {
        HttpResponse::Ok().finish()
    } else {
        HttpResponse::Gone().finish()
    })
}

async fn read_data(session: Session) -> Result<String, Refusal> {
    let data: Option<serde_json::Value> = session.data().await?;
    Ok(data.unwrap_or_default().to_string())
}

async fn write_data(session: Session, body: String) -> Result<HttpResponse, handstamp::Error> {
    let data: serde_json::Value = serde_json::from_str(&body).unwrap();
    session.write_data(&data).await?;
    Ok(HttpResponse::Ok().finish())
}

async fn sure(session: Session) -> Result<&'static str, Refusal> {
    session.check_storage().await?;
    Ok("still there")
}

async fn logout(session: Session) -> Result<HttpResponse, handstamp::Failure> {
    session.revoke().await?;
    Ok(HttpResponse::Ok().finish())
}

/// What comes after a sign-out in the same request has no session.
async fn leave(session: Session, sessions: Sessions) -> Result<String, Refusal> {
    session.revoke().await?;
    let left: Option<Session> = sessions.session_if_any().await?;
    Ok(left.map_or("gone", |_| "still there").to_owned())
}

async fn grow(session: Session, by: Path<usize>) -> Result<HttpResponse, handstamp::Error> {
    session
        .write_payload(&serde_json::json!({"text": "x".repeat(*by)}))
        .await?;
    Ok(HttpResponse::Ok().finish())
}

/// Around routes that need a session, whatever their handlers do.
async fn guard(
    session: Session,
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let guards: [&dyn Guard; 3] = [
        &ROLES.excludes("guest".to_owned()),
        &MFA.is(true),
        &MFA.fresher_than(Duration::from_mins(1)),
    ];
    session.require_all(guards)?;
    next.call(request).await
}

/// Fails after it has made a session.
async fn half(sessions: Sessions) -> Result<HttpResponse, Broken> {
    sessions.create("ada").send().await.map_err(|_| Broken)?;
    Err(Broken)
}

/// Answers for itself.
async fn own(session: Result<Session, Refusal>) -> HttpResponse {
    match session {
        Ok(session) => HttpResponse::Ok().body(session.user_id().to_string()),
        Err(Refusal::TryRefresh) => HttpResponse::ImATeapot().finish(),
        Err(_) => HttpResponse::NotFound().finish(),
    }
}

/// Has headers of its own.
async fn visit(sessions: Sessions) -> Result<HttpResponse, handstamp::Error> {
    sessions.create("ada").send().await?;
    Ok(HttpResponse::Ok()
        .append_header(("set-cookie", "theme=dark; Path=/"))
        .append_header(("cache-control", "public"))
        .append_header(("access-control-expose-headers", "x-request-id, Front-Token"))
        .finish())
}

#[derive(Debug)]
pub(crate) struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("broken")
    }
}

impl ResponseError for Broken {
    fn status_code(&self) -> StatusCode {
        StatusCode::BAD_GATEWAY
    }
}

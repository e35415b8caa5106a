//! The application, as one of axum.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests are not seen to be tests"
)]

use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Path;
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use handstamp::web::{Refusal, RequireLayer, Session, SessionLayer, Sessions, Web};
use tower::ServiceExt as _;

use crate::browser::Answer;
use crate::support::{MFA, Plan, ROLES};

pub(crate) struct App(Router);

impl App {
    pub(crate) fn new(web: Web) -> Self {
        Self(routes().layer(SessionLayer::new(web)))
    }

    pub(crate) async fn send(&self, request: Request<String>) -> Answer {
        let request = request.map(Body::from);
        let response = self.0.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }
}

fn routes() -> Router {
    let vault = Router::new()
        .route("/vault", get(async || "gold"))
        .route_layer(
            RequireLayer::session()
                .guard(ROLES.excludes("guest".to_owned()))
                .guard(MFA.is(true))
                .guard(MFA.fresher_than(Duration::from_mins(1))),
        );
    Router::new()
        .route("/login/{user}", post(login))
        .route("/me", get(me).post(me))
        .route("/maybe", get(maybe))
        .route("/plan", get(plan))
        .route("/admin", get(admin))
        .route("/promote", post(promote))
        .route("/data", get(read_data).put(write_data))
        .route("/sure", get(sure))
        .route("/logout", post(logout))
        .route("/leave", post(leave))
        .route("/grow/{by}", post(grow))
        .route("/half", post(half))
        .route("/own", get(own))
        .route("/visit", post(visit))
        .route("/plain", get(async || "plain"))
        .merge(vault)
}

async fn login(
    sessions: Sessions,
    Path(user): Path<String>,
    body: String,
) -> Result<String, handstamp::Error> {
    let payload: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
    let creation = sessions.create(user);
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

async fn maybe(session: Option<Session>) -> String {
    session.map_or("nobody".to_owned(), |it| it.user_id().to_string())
}

async fn plan(session: Session<Plan>) -> String {
    session.payload().plan.clone()
}

async fn admin(session: Session) -> Result<&'static str, Refusal> {
    session.require(&ROLES.includes("admin".to_owned()))?;
    Ok("admin")
}

async fn promote(session: Session) -> Result<StatusCode, handstamp::Error> {
    let done = session
        .write_claim(ROLES, &vec!["admin".to_owned()])
        .await?;
    Ok(if done {
        StatusCode::OK
    } else {
        StatusCode::GONE
    })
}

async fn read_data(session: Session) -> Result<String, Refusal> {
    let data: Option<serde_json::Value> = session.data().await?;
    Ok(data.unwrap_or_default().to_string())
}

async fn write_data(session: Session, body: String) -> Result<StatusCode, handstamp::Error> {
    let data: serde_json::Value = serde_json::from_str(&body).unwrap();
    session.write_data(&data).await?;
    Ok(StatusCode::OK)
}

async fn sure(session: Session) -> Result<&'static str, Refusal> {
    session.check_storage().await?;
    Ok("still there")
}

async fn logout(session: Session) -> Result<StatusCode, handstamp::Failure> {
    session.revoke().await?;
    Ok(StatusCode::OK)
}

/// What comes after a sign-out in the same request has no session.
async fn leave(session: Session, sessions: Sessions) -> Result<String, Refusal> {
    session.revoke().await?;
    let left: Option<Session> = sessions.session_if_any().await?;
    Ok(left.map_or("gone", |_| "still there").to_owned())
}

async fn grow(session: Session, Path(by): Path<usize>) -> Result<StatusCode, handstamp::Error> {
    session
        .write_payload(&serde_json::json!({"text": "x".repeat(by)}))
        .await?;
    Ok(StatusCode::OK)
}

/// Fails after it has made a session.
async fn half(sessions: Sessions) -> Result<StatusCode, Broken> {
    sessions.create("ada").send().await.map_err(|_| Broken)?;
    Err(Broken)
}

/// Answers for itself.
async fn own(session: Result<Session, Refusal>) -> Result<String, StatusCode> {
    match session {
        Ok(session) => Ok(session.user_id().to_string()),
        Err(Refusal::TryRefresh) => Err(StatusCode::IM_A_TEAPOT),
        Err(_) => Err(StatusCode::NOT_FOUND),
    }
}

/// Has headers of its own.
async fn visit(sessions: Sessions) -> Result<impl IntoResponse, handstamp::Error> {
    sessions.create("ada").send().await?;
    Ok([
        ("set-cookie", "theme=dark; Path=/"),
        ("cache-control", "public"),
        ("access-control-expose-headers", "x-request-id, Front-Token"),
    ])
}

struct Broken;

impl IntoResponse for Broken {
    fn into_response(self) -> Response {
        (StatusCode::BAD_GATEWAY, "broken").into_response()
    }
}

//! An application with one page in front of it, which may be at the same address or at another.
//!
//! The page loads the front end's SDK, and has to be built first: `npm ci && npm run page` in `tests/browser`. The application is
//! set up by its environment, as `environment.rs` says; by default it is at <http://localhost:3000>, page and all.

mod clock;
mod environment;

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, Method, header};
use axum::routing::{get, post};
use axum::{Json, Router};
use environment::Environment;
use handstamp::storage::sqlite::SqliteStorage;
use handstamp::web::{
    REQUEST_HEADERS, RESPONSE_HEADERS, Refusal, Session, SessionLayer, Sessions, Web,
};
use handstamp::{Engine, Error, Parts};
use serde_json::{Value, json};
use tower_http::cors::CorsLayer;
use tower_http::services::ServeDir;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let environment = Environment::read()?;
    let clock = Arc::new(clock::Movable::default());
    let parts = Parts {
        clock: clock.clone(),
        ..Parts::with_storage(SqliteStorage::open(&environment.database)?)
    };
    let engine = Engine::new(parts, environment.config.clone());
    let web = Web::on_reuse(engine, environment.settings.clone(), |session, user| {
        eprintln!("two parties had the tokens of {user}'s session {session}: it has been ended");
    });

    let mut app = Router::new()
        .route("/login", post(login))
        .route("/me", get(me))
        .route("/note", get(note).put(write_note))
        .route("/devices", get(devices))
        .route("/page.json", get(page).with_state(environment.page.clone()))
        .fallback_service(ServeDir::new(&environment.front));
    if environment.is_clock_movable {
        app = app.merge(clock::routes(clock));
    }
    let app = app
        .layer(SessionLayer::new(web))
        // Around the sessions: their layer answers the refresh and the sign-out itself.
        .layer(cors(&environment)?);

    let listener = tokio::net::TcpListener::bind(&environment.listen).await?;
    println!("ready at http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, app).await?)
}

/// Lets the page call from another origin, with cookies and the SDK's headers.
fn cors(environment: &Environment) -> Result<CorsLayer, Box<dyn std::error::Error>> {
    let origin: HeaderValue = environment.page.website.parse()?;
    let ours = REQUEST_HEADERS.into_iter();
    Ok(CorsLayer::new()
        .allow_origin(origin)
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST, Method::PUT])
        .allow_headers(ours.chain([header::CONTENT_TYPE]).collect::<Vec<_>>())
        .expose_headers(RESPONSE_HEADERS))
}

/// Whoever says a name is let in. An application asks for a password, or whatever it knows its users by.
async fn login(sessions: Sessions, user: String) -> Result<(), Error> {
    sessions.create(user).send().await?;
    Ok(())
}

async fn me(session: Session) -> Json<Value> {
    Json(json!({ "user": session.user_id().as_str() }))
}

/// What the session has kept for its user.
async fn note(session: Session) -> Result<Json<Value>, Refusal> {
    let data: Option<Value> = session.data().await?;
    Ok(Json(data.ok_or(Refusal::Unauthorised)?))
}

async fn write_note(session: Session, note: String) -> Result<(), Error> {
    session.write_data(&json!({ "note": note })).await?;
    Ok(())
}

/// In how many places the user is signed in.
async fn devices(session: Session, sessions: Sessions) -> Result<Json<Value>, Refusal> {
    let handles = sessions
        .backend()
        .handles_of_user(session.user_id())
        .await?;
    Ok(Json(json!({ "devices": handles.len() })))
}

/// What the page has to know of the application.
async fn page(State(page): State<environment::Page>) -> Json<environment::Page> {
    Json(page)
}

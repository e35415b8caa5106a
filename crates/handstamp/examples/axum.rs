//! Sign-in, a protected route, refresh and sign-out in an axum application, with sessions in a file.
//!
//! A page that loads `supertokens-website` needs no more than this: `POST /auth/session/refresh` and `POST /auth/signout` are
//! answered by the layer.

use axum::Router;
use axum::routing::{get, post};
use handstamp::storage::sqlite::SqliteStorage;
use handstamp::web::{Session, SessionLayer, Sessions, Settings, Web};
use handstamp::{Config, Engine, Error, Parts};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or("localhost:3000".into());
    let storage = SqliteStorage::open("sessions.db".as_ref())?;
    let engine = Engine::new(Parts::with_storage(storage), Config::default());
    tokio::spawn(engine.clone().upkeep());
    let settings = Settings::builder(format!("http://{address}")).build()?;
    let app = Router::new()
        .route("/login", post(login))
        .route("/me", get(me))
        .layer(SessionLayer::new(Web::new(engine, settings)));
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("ready at http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, app).await?)
}

/// Find out by your own means who the user is, then:
async fn login(sessions: Sessions, user: String) -> Result<(), Error> {
    sessions.create(user).send().await?;
    Ok(())
}

/// Without a session this is never called, and the request is answered with 401.
async fn me(session: Session) -> String {
    format!("hello {}", session.user_id())
}

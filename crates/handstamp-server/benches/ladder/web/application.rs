//! An application with handstamp's sessions, as the examples have it.

use std::path::Path;

use anyhow::Result;
use axum::Router;
use axum::routing::{get, post};
use handstamp::storage::sqlite::SqliteStorage;
use handstamp::web::{Refusal, Session, SessionLayer, Sessions, Settings, Web};
use handstamp::{Config, Engine, Error, Parts};

use super::serve::open;

/// To be called in a runtime: the engine has upkeep to do.
pub(super) fn router(database: &Path) -> Result<Router> {
    let engine = Engine::new(
        Parts::with_storage(SqliteStorage::open(database)?),
        Config::default(),
    );
    tokio::spawn(engine.clone().upkeep());
    let settings = Settings::builder("http://localhost").build()?;
    Ok(Router::new()
        .route("/login", post(login))
        .route("/layer", get(open))
        .route("/me", get(me))
        .route("/checked", get(checked))
        .layer(SessionLayer::new(Web::new(engine, settings)))
        // What is added after the layer is not in it.
        .route("/open", get(open)))
}

async fn login(sessions: Sessions, user: String) -> Result<(), Error> {
    sessions.create(user).send().await?;
    Ok(())
}

async fn me(session: Session) -> String {
    format!("hello {}", session.user_id())
}

async fn checked(session: Session) -> Result<String, Refusal> {
    session.check_storage().await?;
    Ok(format!("hello {}", session.user_id()))
}

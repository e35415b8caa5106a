//! The application of the benchmark with the sessions of `tower-sessions`: in memory, or in the SQLite file that is named.

use anyhow::Result;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};
use tower_sessions::{MemoryStore, Session, SessionManagerLayer, SessionStore};
use tower_sessions_sqlx_store::SqliteStore;
use tower_sessions_sqlx_store::sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqliteSynchronous,
};
use tower_sessions_sqlx_store::sqlx::{Row as _, query};

#[path = "../../../crates/handstamp-server/benches/ladder/web/serve.rs"]
mod serve;

use serve::{open, serve};

const USER: &str = "user";

fn main() -> Result<()> {
    serve(async {
        let Some(database) = std::env::args_os().nth(1) else {
            return Ok(router(MemoryStore::default()));
        };
        // Its own defaults, but for the write-ahead log: an answered write is on the disk, and readers need not wait for writers.
        let options = SqliteConnectOptions::new()
            .filename(database)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let pool = SqlitePool::connect_with(options).await?;
        let durability = durability(&pool).await?;
        let store = SqliteStore::new(pool);
        store.migrate().await?;
        let application = router(store);
        Ok(application.route("/durability", get(|| async { durability })))
    })
}

fn router(store: impl SessionStore + Clone) -> Router {
    Router::new()
        .route("/login", post(login))
        .route("/layer", get(open))
        .route("/me", get(me))
        .layer(SessionManagerLayer::new(store))
        // What is added after the layer is not in it.
        .route("/open", get(open))
}

/// What the database says of itself.
async fn durability(pool: &SqlitePool) -> Result<String> {
    let journal: String = query("PRAGMA journal_mode").fetch_one(pool).await?.get(0);
    let synchronous: i64 = query("PRAGMA synchronous").fetch_one(pool).await?.get(0);
    Ok(format!(
        "`journal_mode={journal}`, `synchronous={synchronous}`"
    ))
}

async fn login(session: Session, user: String) -> StatusCode {
    match session.insert(USER, user).await {
        Ok(()) => StatusCode::OK,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

async fn me(session: Session) -> Result<String, StatusCode> {
    match session.get::<String>(USER).await {
        Ok(Some(user)) => Ok(format!("hello {user}")),
        Ok(None) => Err(StatusCode::UNAUTHORIZED),
        Err(_) => Err(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

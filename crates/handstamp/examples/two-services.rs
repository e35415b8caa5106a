//! Two services and one store: the first signs in and refreshes, the second only checks access tokens, by the keys that the first
//! publishes. It has no store, asks nobody when a request comes, and fetches the keys again only when they are over.
//!
//! Here both run in one process, on two ports of one host, which browsers send the same cookies to. On two hosts below one domain
//! they would have `cookie_domain("example.com")`.

use axum::Router;
use axum::routing::{get, post};
use handstamp::remote::Remote;
use handstamp::storage::sqlite::SqliteStorage;
use handstamp::web::{Session, SessionLayer, Sessions, Settings, Web};
use handstamp::{Config, Engine, Error, Parts};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or("localhost:3000".into());
    let (first, second) = (
        TcpListener::bind(&address).await?,
        TcpListener::bind("127.0.0.1:0").await?,
    );
    let settings = || Settings::builder("http://localhost").build();

    let storage = SqliteStorage::open("sessions.db".as_ref())?;
    let engine = Engine::new(Parts::with_storage(storage), Config::default());
    tokio::spawn(engine.clone().upkeep());
    let reports = format!("http://{}/report", second.local_addr()?);
    let sign_in = Router::new()
        .route("/login", post(login))
        .route("/reports", get(async move || reports))
        .layer(SessionLayer::new(Web::new(engine, settings()?)));

    // The keys are at `/auth/.well-known/jwks.json` of the first service.
    let keys = format!("http://{}/auth", first.local_addr()?);
    let checker = Remote::builder(keys.parse()?).build()?;
    let report = Router::new()
        .route("/report", get(report))
        .layer(SessionLayer::new(Web::new(checker, settings()?)));

    println!("ready at http://{}", first.local_addr()?);
    tokio::try_join!(
        axum::serve(first, sign_in).into_future(),
        axum::serve(second, report).into_future()
    )?;
    Ok(())
}

/// Find out by your own means who the user is, then:
async fn login(sessions: Sessions, user: String) -> Result<(), Error> {
    sessions.create(user).send().await?;
    Ok(())
}

async fn report(session: Session) -> String {
    format!("report for {}", session.user_id())
}

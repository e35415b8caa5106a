//! Sign-in, a protected route, refresh and sign-out in an actix-web application, with sessions in a file.
//!
//! A page that loads `supertokens-website` needs no more than this: `POST /auth/session/refresh` and `POST /auth/signout` are
//! answered by the middleware.

use actix_web::{App, HttpServer, web};
use handstamp::storage::sqlite::SqliteStorage;
use handstamp::web::actix::SessionMiddleware;
use handstamp::web::{Session, Sessions, Settings, Web};
use handstamp::{Config, Engine, Error, Parts};

// What `#[actix_web::main]` writes.
fn main() -> Result<(), Box<dyn std::error::Error>> {
    actix_web::rt::System::new().block_on(serve())
}

async fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or("localhost:3000".into());
    let storage = SqliteStorage::open("sessions.db".as_ref())?;
    let engine = Engine::new(Parts::with_storage(storage), Config::default());
    actix_web::rt::spawn(engine.clone().upkeep());
    let settings = Settings::builder(format!("http://{address}")).build()?;
    let sessions = Web::new(engine, settings);
    // All workers have the same sessions.
    let app = move || {
        App::new()
            .wrap(SessionMiddleware::new(sessions.clone()))
            .route("/login", web::post().to(login))
            .route("/me", web::get().to(me))
    };
    let server = HttpServer::new(app).bind(address)?;
    for address in server.addrs() {
        println!("ready at http://{address}");
    }
    Ok(server.run().await?)
}

/// Find out by your own means who the user is, then:
async fn login(sessions: Sessions, user: String) -> Result<&'static str, Error> {
    sessions.create(user).send().await?;
    Ok("welcome")
}

/// Without a session this is never called, and the request is answered with 401.
async fn me(session: Session) -> String {
    format!("hello {}", session.user_id())
}

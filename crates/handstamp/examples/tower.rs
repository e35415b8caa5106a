//! The same without a framework: a function for a service, hyper for a server, the layer between them.

use std::convert::Infallible;

use handstamp::storage::sqlite::SqliteStorage;
use handstamp::web::{Refusal, Session, SessionLayer, Sessions, Settings, Web};
use handstamp::{Config, Engine, Error, Parts};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tower::{ServiceBuilder, service_fn};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args().nth(1).unwrap_or("localhost:3000".into());
    let storage = SqliteStorage::open("sessions.db".as_ref())?;
    let engine = Engine::new(Parts::with_storage(storage), Config::default());
    let settings = Settings::builder(format!("http://{address}")).build()?;
    let service = ServiceBuilder::new()
        .layer(SessionLayer::new(Web::new(engine, settings)))
        .service(service_fn(answer));
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("ready at http://{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    // The layer put them there.
    let Some(sessions) = request.extensions().get::<Sessions>() else {
        return Ok(Refusal::NoLayer.response());
    };
    Ok(match (request.method(), request.uri().path()) {
        (&Method::POST, "/login") => login(sessions, request.uri().query()).await,
        (&Method::GET, "/me") => me(sessions).await.unwrap_or_else(Refusal::response),
        _ => status(StatusCode::NOT_FOUND),
    })
}

/// Find out by your own means who the user is, then:
async fn login(sessions: &Sessions, user: Option<&str>) -> Response<String> {
    match sessions.create(user.unwrap_or_default()).send().await {
        Ok(_) => status(StatusCode::OK),
        Err(Error::Failure(why)) => Refusal::from(why).response(),
        Err(_) => status(StatusCode::BAD_REQUEST),
    }
}

async fn me(sessions: &Sessions) -> Result<Response<String>, Refusal> {
    let session: Session = sessions.session().await?;
    Ok(Response::new(format!("hello {}", session.user_id())))
}

fn status(status: StatusCode) -> Response<String> {
    let mut response = Response::new(String::new());
    *response.status_mut() = status;
    response
}

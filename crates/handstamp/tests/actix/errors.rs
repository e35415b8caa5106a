//! Errors on their way through actix-web, which makes responses of them late.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests are not seen to be tests"
)]

use std::fmt;

use actix_web::body::MessageBody;
use actix_web::dev::{Service as _, ServiceRequest, ServiceResponse};
use actix_web::middleware::{Next, from_fn};
use actix_web::test::{TestRequest, init_service};
use actix_web::{App, Error, HttpResponse, ResponseError, web};
use handstamp::web::actix::SessionMiddleware;
use handstamp::web::{Refusal, Session, Settings};

use crate::app::{Broken, converted, read, routes};
use crate::browser::Browser;
use crate::support::{HOUR, World};

/// A middleware that has its doubts when all is done.
async fn fail_after(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse, Error> {
    next.call(request).await?;
    Err(Broken.into())
}

/// A middleware that guards what is within it.
async fn guard(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse, Error> {
    request.extract::<Session>().await?;
    Ok(next.call(request).await?.map_into_boxed_body())
}

fn post(path: &str) -> TestRequest {
    TestRequest::post().uri(path)
}

#[tokio::test]
async fn what_a_handler_did_is_said_also_if_a_middleware_fails_after_it() {
    let world = World::new();
    let app = App::new()
        .wrap(from_fn(fail_after))
        .wrap(SessionMiddleware::new(world.web.clone()))
        .configure(routes);
    let app = init_service(app).await;
    let error = app.call(post("/login/ada").to_request()).await.unwrap_err();
    assert!(error.as_error::<Broken>().is_some());
    for _ in 0..2 {
        let answer = read(error.error_response()).await;
        assert_eq!((answer.status.as_u16(), &*answer.body), (502, "broken"));
        assert_eq!(answer.set_cookies().len(), 2);
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let mut browser = Browser::default();
        browser.take(&answer);
        assert_eq!(browser.get(&world, "/me").await.body, "ada");
    }
}

fn unusual() -> World {
    let settings = Settings::builder("https://api.example.com").expired_status(440);
    World::with(settings.build().unwrap())
}

#[tokio::test]
async fn a_middleware_may_refuse() {
    let world = unusual();
    let app = App::new()
        .wrap(from_fn(guard))
        .wrap(SessionMiddleware::new(world.web.clone()))
        .configure(routes);
    let app = init_service(app).await;
    let error = app.call(post("/login/ada").to_request()).await.unwrap_err();
    assert!(matches!(error.as_error(), Some(Refusal::Unauthorised)));
    let answer = read(error.error_response()).await;
    assert_eq!(answer.status.as_u16(), 440);
    assert_eq!(answer.body, r#"{"message":"unauthorised"}"#);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(world.sessions_of("ada").await, 0);
}

/// A middleware around all, as the manual has it.
async fn redirect(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse, Error> {
    let response = next.call(request).await?.map_into_boxed_body();
    let refusal = response.response().error().and_then(Error::as_error);
    Ok(match refusal {
        Some(Refusal::Unauthorised) => {
            let login = HttpResponse::SeeOther()
                .insert_header(("location", "/login"))
                .finish();
            response.into_response(login)
        }
        _ => response,
    })
}

#[tokio::test]
async fn an_application_sees_the_refusal_behind_a_response() {
    let world = World::new();
    let app = App::new()
        .wrap(SessionMiddleware::new(world.web.clone()))
        .wrap(from_fn(redirect))
        .configure(routes);
    let app = init_service(app).await;
    let me = TestRequest::get().uri("/me").to_request();
    let response = app.call(me).await.unwrap();
    assert_eq!(response.status(), 303);
    assert_eq!(response.headers().get("location").unwrap(), "/login");
    let browser = Browser::signed_in(&world).await;
    world.advance(HOUR * 2);
    let token = browser.cookie("__Host-sAccessToken").unwrap();
    let me = http::Request::get("/me").header("cookie", format!("__Host-sAccessToken={token}"));
    let me = converted(me.body(String::new()).unwrap()).to_request();
    assert_eq!(app.call(me).await.unwrap().status(), 401);
}

/// An application's error, with one of ours in it.
#[derive(Debug)]
struct Own(Refusal);

impl fmt::Display for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<Refusal> for Own {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

impl ResponseError for Own {
    fn error_response(&self) -> HttpResponse {
        let mut response = self.0.error_response();
        response
            .headers_mut()
            .insert("x-own".parse().unwrap(), "1".parse().unwrap());
        response
    }
}

#[tokio::test]
async fn a_refusal_in_an_applications_own_error_has_the_status_of_the_settings() {
    let own = async |session: Result<Session, Own>| session.map(|_| "in");
    let world = unusual();
    let app = App::new()
        .wrap(SessionMiddleware::new(world.web.clone()))
        .route("/", web::get().to(own));
    let response = init_service(app)
        .await
        .call(TestRequest::get().to_request());
    let response = response.await.unwrap();
    assert_eq!(response.status().as_u16(), 440);
    assert!(response.headers().contains_key("x-own"));
}

#[tokio::test]
async fn a_route_outside_the_middleware_is_a_mistake() {
    let app = init_service(App::new().configure(routes)).await;
    for path in ["/me", "/maybe"] {
        let request = TestRequest::get().uri(path).to_request();
        let response = app.call(request).await.unwrap();
        assert_eq!(response.status(), 500);
        let refusal = response.response().error().and_then(Error::as_error);
        assert!(matches!(refusal, Some(Refusal::NoLayer)));
    }
}

#[tokio::test]
async fn a_status_that_is_told_is_the_one_that_is_sent() {
    let world = World::new();
    world.fail(true);
    let user = handstamp::UserId::parse("ada").unwrap();
    let failure = async || world.web.backend().revoke_user(&user).await.unwrap_err();
    let payload = serde_json::from_str::<u8>("x").unwrap_err();
    let all: [(Box<dyn ResponseError>, u16); 9] = [
        (Box::new(Refusal::Unauthorised), 401),
        (Box::new(Refusal::TryRefresh), 401),
        (Box::new(Refusal::InvalidClaims(Vec::new())), 403),
        (Box::new(Refusal::Payload(payload)), 500),
        (Box::new(Refusal::NoLayer), 500),
        (Box::new(Refusal::Failed(failure().await)), 503),
        (Box::new(failure().await), 503),
        (Box::new(handstamp::Error::Failure(failure().await)), 503),
        (Box::new(handstamp::Error::ProtectedClaim), 500),
    ];
    for (error, status) in all {
        assert_eq!(error.status_code().as_u16(), status, "{error}");
        assert_eq!(error.error_response().status().as_u16(), status, "{error}");
    }
}

/// Whatever prints a response does not print them.
#[tokio::test]
async fn tokens_in_headers_stay_secret() {
    let world = World::new();
    let app = App::new()
        .wrap(SessionMiddleware::new(world.web.clone()))
        .configure(routes);
    let app = init_service(app).await;
    let login = post("/login/ada").insert_header(("st-auth-mode", "header"));
    let response = app.call(login.to_request()).await.unwrap();
    for name in ["st-access-token", "st-refresh-token"] {
        assert!(response.headers().get(name).unwrap().is_sensitive());
    }
    assert!(
        !response
            .headers()
            .get("front-token")
            .unwrap()
            .is_sensitive()
    );
}

/// Why there is a type of ours: the manual warns of this one.
#[tokio::test]
async fn the_frameworks_own_option_takes_what_is_over_for_nothing() {
    let option = async |session: Option<Session>| session.map_or("nobody", |_| "somebody");
    let world = World::new();
    let app = App::new()
        .wrap(SessionMiddleware::new(world.web.clone()))
        .route("/", web::get().to(option));
    let app = init_service(app).await;
    let browser = Browser::signed_in(&world).await;
    let token = browser.cookie("__Host-sAccessToken").unwrap();
    let ask = async || {
        let request =
            http::Request::get("/").header("cookie", format!("__Host-sAccessToken={token}"));
        let request = converted(request.body(String::new()).unwrap()).to_request();
        let response = app.call(request).await.unwrap().map_into_boxed_body();
        read(response.into_parts().1).await.body
    };
    assert_eq!(ask().await, "somebody");
    world.advance(HOUR * 2);
    assert_eq!(ask().await, "nobody");
}

//! What a request costs at the store whose handler asks whether its session is still there.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests are not seen to be tests"
)]

use std::convert::Infallible;
use std::time::Duration;

use handstamp::web::{Refusal, SessionLayer, Sessions, Settings, Web};
use handstamp::{Config, JsonObject};
use http::{Request, Response, header};
use tower::{ServiceBuilder, ServiceExt as _, service_fn};

use crate::support::{APP, Client, World, user};

fn web(world: &World) -> Web {
    let settings = Settings::builder("https://api.example.com");
    Web::new(world.engine.clone(), settings.build().unwrap())
}

/// Asks a handler that takes so long before it looks at the store.
async fn ask(world: &World, web: &Web, client: &Client, takes: Duration) -> Result<(), Refusal> {
    let (told, mut hears) = tokio::sync::mpsc::channel(1);
    let clock = world.clock.clone();
    let answer = move |request: Request<()>| {
        let (told, clock) = (told.clone(), clock.clone());
        async move {
            let sessions = request.extensions().get::<Sessions>().unwrap();
            let session = sessions.session::<JsonObject>().await.unwrap();
            clock.advance(takes);
            told.try_send(session.check_storage().await).unwrap();
            Ok::<_, Infallible>(Response::new(String::new()))
        }
    };
    let service = ServiceBuilder::new()
        .layer(SessionLayer::new(web.clone()))
        .service(service_fn(answer));
    let bearer = format!("Bearer {}", client.access);
    let request = Request::get("/").header(header::AUTHORIZATION, bearer);
    service.oneshot(request.body(()).unwrap()).await.unwrap();
    hears.recv().await.unwrap()
}

/// The token was checked when the session was asked for, and a token that would take its place has nobody to go to.
#[tokio::test]
async fn it_is_one_read() {
    let world = World::new(Config::default());
    let web = web(&world);
    let client = world.create().await.asks(&world).await;
    ask(&world, &web, &client, Duration::ZERO).await.unwrap();
    // That the token of a refresh is in use is told once, while nobody waits.
    let mut calls = Vec::new();
    while !calls.contains(&"confirm") {
        tokio::task::yield_now().await;
        calls.extend(world.store.calls());
    }
    ask(&world, &web, &client, Duration::ZERO).await.unwrap();
    assert_eq!(world.store.calls(), ["session"]);
    world.engine.revoke_user(&APP, None, &user()).await.unwrap();
    world.store.calls();
    let gone = ask(&world, &web, &client, Duration::ZERO)
        .await
        .unwrap_err();
    assert!(matches!(gone, Refusal::Unauthorised), "{gone:?}");
    assert_eq!(world.store.calls(), ["session"]);
}

#[tokio::test]
async fn a_token_that_has_run_out_meanwhile_is_to_be_refreshed() {
    let world = World::new(Config::default());
    let web = web(&world);
    let client = world.create().await;
    let validity = Config::default().access_token_validity();
    ask(&world, &web, &client, validity).await.unwrap();
    let client = client.asks(&world).await;
    let late = ask(&world, &web, &client, validity + Duration::from_millis(1)).await;
    let late = late.unwrap_err();
    assert!(matches!(late, Refusal::TryRefresh), "{late:?}");
}

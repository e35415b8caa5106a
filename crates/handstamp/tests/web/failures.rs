//! What goes wrong in handlers, and what they say themselves.

use http::{Request, StatusCode};

use crate::browser::Browser;
use crate::support::{HOUR, World};

#[tokio::test]
async fn a_handler_may_answer_a_refusal_itself() {
    let world = World::new();
    let mut browser = Browser::default();
    let answer = browser.get(&world, "/own").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    browser.post(&world, "/login/ada").await;
    assert_eq!(browser.get(&world, "/own").await.body, "ada");
    world.advance(HOUR * 2);
    let answer = browser.get(&world, "/own").await;
    assert_eq!(answer.status, StatusCode::IM_A_TEAPOT);
}

/// The session is there, and the client has to hear of it.
#[tokio::test]
async fn a_handler_that_fails_after_it_has_made_a_session_still_hands_it_out() {
    let world = World::new();
    let mut browser = Browser::default();
    let answer = browser.post(&world, "/half").await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    assert_eq!(answer.body, "broken");
    assert_eq!(answer.set_cookies().len(), 2);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(answer.header("front-token").is_some());
    assert_eq!(browser.get(&world, "/me").await.body, "ada");
}

#[tokio::test]
async fn what_needs_a_store_that_is_away_can_be_tried_again() {
    let world = World::new();
    let mut browser = Browser::signed_in(&world).await;
    world.fail(true);
    for (method, path) in [
        ("GET", "/sure"),
        ("GET", "/data"),
        ("PUT", "/data"),
        ("POST", "/login/ada"),
        ("POST", "/logout"),
    ] {
        let answer = browser.send(&world, method, path, "{}").await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert_eq!(answer.header("retry-after"), Some("1"), "{path}");
        assert_eq!(answer.header("front-token"), None, "{path}");
        assert!(!answer.body.contains("purpose"), "{}", answer.body);
    }
    world.fail(false);
    assert_eq!(browser.get(&world, "/sure").await.body, "still there");
}

/// A proxy may split what a browser has put into one header.
#[tokio::test]
async fn cookies_may_come_in_several_headers() {
    let world = World::new();
    let browser = Browser::signed_in(&world).await;
    let token = browser.cookie("__Host-sAccessToken").unwrap();
    let request = Request::get("/me")
        .header("cookie", "a=b")
        .header("cookie", format!("__Host-sAccessToken={token}"))
        .header("cookie", &b"x=\xff\xfe"[..]);
    let answer = world.send(request.body(String::new()).unwrap()).await;
    assert_eq!((answer.status, &*answer.body), (StatusCode::OK, "ada"));
}

/// What a handler sets itself stays beside what sessions say.
#[tokio::test]
async fn the_applications_own_headers_stay() {
    let world = World::new();
    let mut browser = Browser::default();
    let answer = browser.post(&world, "/visit").await;
    assert_eq!(
        answer.set_cookies()[0],
        "theme=dark; Path=/",
        "{:?}",
        answer.set_cookies()
    );
    assert_eq!(answer.set_cookies().len(), 3);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let exposed = answer.headers.get_all("access-control-expose-headers");
    let exposed: Vec<_> = exposed.iter().collect();
    assert_eq!(
        exposed,
        ["x-request-id, Front-Token", "id-refresh-token"],
        "each once"
    );
}

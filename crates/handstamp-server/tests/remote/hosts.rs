//! Hosts that are not there, go away while they are asked, or never answer; versions and API keys.

use std::time::Duration;

use handstamp::backend::{Backend, Renewal};
use handstamp::engine::AntiCsrf;
use handstamp::engine::OnReuse;
use handstamp::token::Secret;
use handstamp::{AppId, Error, Failure};
use testbed::proxy::{Proxy, Way};

use crate::support::{
    Host, LATER, SECOND, Scripted, Town, new_session, present, refresh, refused, renewed, user,
    valid,
};

const CREATE: &str = "POST /recipe/session";
const REFRESH: &str = "POST /recipe/session/refresh";
const REMOVE: &str = "POST /recipe/session/remove";
const VERSIONS: &str = "GET /apiversion";
const KEY: &str = "an-api-key-of-some-length";

/// Two servers on one store; to the first of them there is a way that can be cut.
struct Pair {
    town: Town,
    first: Host,
    second: Host,
    way: Proxy,
}

impl Pair {
    async fn new() -> Self {
        let town = Town::new(&[]).await;
        let (first, second) = (town.host().await, town.host().await);
        let way = Proxy::to(first.address()).unwrap();
        Self {
            town,
            first,
            second,
            way,
        }
    }

    /// The hosts, the one with the way first.
    fn hosts(&self) -> String {
        format!("http://{};{}", self.way.address(), self.second.url)
    }

    fn backend(&self) -> Backend {
        Backend::from(self.town.client(&self.hosts()).build().unwrap())
    }

    /// One that has waited long enough for an answer.
    fn hasty(&self) -> Backend {
        let builder = self.town.client(&self.hosts());
        let builder = builder.connect_timeout(Duration::from_millis(200));
        let remote = builder.request_timeout(Duration::from_millis(400)).build();
        Backend::from(remote.unwrap())
    }

    /// So long after a failure that nobody remembers it.
    fn forget(&self) {
        self.town.clock.advance(Duration::from_secs(11));
    }
}

#[track_caller]
fn failure<T: std::fmt::Debug>(result: Result<T, Error>) -> Failure {
    match result {
        Err(Error::Failure(failure)) => failure,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn when_a_host_is_not_there_the_next_is_asked() {
    let mut pair = Pair::new().await;
    let backend = pair.backend();
    pair.way.go_away();
    let made = backend.create(new_session("ada")).await.unwrap();
    for _ in 0..6 {
        let made = backend.create(new_session("ada")).await.unwrap();
        renewed(refresh(&backend, &made).await);
        assert!(backend.revoke(&made.session.handle).await.unwrap());
    }
    assert_eq!(pair.first.seen().len(), 0);
    let second = Proxy::to(pair.second.address()).unwrap();
    let hosts = format!("http://{};http://{}", pair.way.address(), second.address());
    let nobody = Backend::from(pair.town.client(&hosts).build().unwrap());
    let mut second = second;
    second.go_away();
    let nobody = failure(nobody.create(new_session("ada")).await);
    assert!(nobody.is_transient() && !nobody.is_outcome_unknown());
    assert!(
        nobody
            .to_string()
            .starts_with("no server is there at http://127.0.0.1:")
    );
    // And back.
    pair.way.come_back().unwrap();
    pair.forget();
    for _ in 0..2 {
        renewed(refresh(&backend, &made).await);
    }
    assert!(pair.first.asked(REFRESH) > 0);
}

#[tokio::test]
async fn what_can_be_repeated_is_when_an_answer_is_lost() {
    let pair = Pair::new().await;
    let backend = pair.backend();
    let made = backend.create(new_session("ada")).await.unwrap();
    for round in 0..4 {
        pair.forget();
        pair.way.set(Way::Cut);
        let next = renewed(refresh(&backend, &made).await);
        assert_eq!(next.session, made.session, "{round}");
        let data = backend.session_data(&made.session.handle).await.unwrap();
        assert!(data.is_some());
        let token = made.access.token.expose();
        valid(
            backend
                .check_storage(token, AntiCsrf::Unchecked)
                .await
                .unwrap(),
        );
        pair.way.set(Way::Open);
    }
    // It was carried out there, and again here.
    assert!(pair.first.asked(REFRESH) > 0);
    assert_eq!(pair.second.asked(REFRESH), 4);
}

#[tokio::test]
async fn what_cannot_be_repeated_is_not() {
    let pair = Pair::new().await;
    let backend = pair.backend();
    let made = backend.create(new_session("ada")).await.unwrap();
    let handle = &made.session.handle;
    pair.way.set(Way::Cut);
    let lost = async |outcome: fn(&Failure)| {
        // One of two begins there.
        let before = pair.first.asked(CREATE);
        let mut outcomes = Vec::new();
        for _ in 0..2 {
            pair.forget();
            outcomes.push(backend.create(new_session("bob")).await);
        }
        let failed: Vec<_> = outcomes.into_iter().filter_map(Result::err).collect();
        assert_eq!((failed.len(), pair.first.asked(CREATE)), (1, before + 1));
        for error in failed {
            outcome(&failure::<()>(Err(error)));
        }
    };
    lost(|failure| {
        assert!(failure.is_outcome_unknown() && failure.is_transient());
        assert!(
            failure
                .to_string()
                .ends_with("(the write may have happened)")
        );
    })
    .await;
    // All that was asked for was done once.
    let found = backend.handles_of_user(&user("bob")).await.unwrap();
    assert_eq!(found.len(), 2);

    let mut unknown = 0;
    for _ in 0..2 {
        pair.forget();
        match backend.revoke(handle).await {
            Ok(_) => {}
            Err(failure) => {
                assert!(failure.is_outcome_unknown());
                unknown += 1;
            }
        }
        pair.forget();
        let data = made.session.jwt_payload.clone();
        if let Err(error) = backend.write_session_data(handle, &data).await {
            assert!(failure::<()>(Err(error)).is_outcome_unknown());
            unknown += 1;
        }
    }
    assert_eq!(unknown, 2);
}

#[tokio::test]
async fn a_host_that_does_not_answer_is_given_up() {
    let pair = Pair::new().await;
    let backend = pair.hasty();
    let made = backend.create(new_session("ada")).await.unwrap();
    pair.way.set(Way::Held);
    for _ in 0..2 {
        pair.forget();
        renewed(refresh(&backend, &made).await);
    }
    pair.forget();
    // One of two begins there.
    let error = match backend.create(new_session("ada")).await {
        Ok(_) => backend.create(new_session("ada")).await,
        failed => failed,
    };
    let failure = failure(error);
    assert!(failure.is_outcome_unknown() && failure.is_transient());
    assert!(failure.to_string().contains("did not answer"), "{failure}");
    // It is remembered for a while, and asked last.
    for _ in 0..4 {
        backend.create(new_session("ada")).await.unwrap();
    }
    pair.way.set(Way::Open);
}

#[tokio::test]
async fn a_host_that_cannot_do_its_part_is_passed_over_where_that_is_safe() {
    let pair = Pair::new().await;
    let backend = pair.backend();
    let made = backend.create(new_session("ada")).await.unwrap();
    let broken = "Internal Error: the database is not available\n";
    pair.first.answers("/session", Scripted::new(500, broken));
    pair.first
        .answers("/refresh", Scripted::new(503, "<html>\n"));
    for _ in 0..2 {
        pair.forget();
        renewed(refresh(&backend, &made).await);
    }
    assert_eq!(pair.first.asked(REFRESH), 1);
    let mut failed = Vec::new();
    for _ in 0..2 {
        pair.forget();
        failed.extend(backend.create(new_session("ada")).await.err());
    }
    let [error] = failed.try_into().unwrap();
    let failure = failure::<()>(Err(error));
    assert!(failure.is_outcome_unknown() && failure.is_transient());
    let said = format!(
        "the server at http://{} answered for a new session with status 500: {} (the write may have happened)",
        pair.way.address(),
        broken.trim()
    );
    assert_eq!(failure.to_string(), said);
    // Who has too much to do has done nothing of it.
    pair.first
        .answers("/session", Scripted::new(429, "Too Many Requests"));
    for _ in 0..2 {
        pair.forget();
        backend.create(new_session("ada")).await.unwrap();
    }
}

#[tokio::test]
async fn a_host_that_is_alone_is_asked_twice_at_the_most() {
    let town = Town::new(&[]).await;
    let host = town.host().await;
    let way = Proxy::to(host.address()).unwrap();
    let url = format!("http://{}", way.address());
    let backend = Backend::from(town.client(&url).build().unwrap());
    let made = backend.create(new_session("ada")).await.unwrap();
    way.set(Way::Cut);
    let failure = backend.refresh(present(&made)).await.unwrap_err();
    assert!(failure.is_outcome_unknown() && failure.is_transient());
    assert_eq!(host.asked(REFRESH), 2);
    let lost = backend.create(new_session("ada")).await;
    assert!(lost.is_err());
    assert_eq!(host.asked(CREATE), 2, "one of them before");
    way.set(Way::Open);
    renewed(refresh(&backend, &made).await);
}

#[tokio::test]
async fn the_api_key_is_sent_where_it_is_asked_for_and_shown_nowhere() {
    let town = Town::new(&[("api_keys", KEY)]).await;
    let host = town.host().await;
    let client = |key: &str| {
        let builder = town.client(&host.url);
        Backend::from(
            builder
                .api_key(Secret::new(key.to_owned()))
                .build()
                .unwrap(),
        )
    };
    let backend = client(KEY);
    let made = backend.create(new_session("ada")).await.unwrap();
    let token = made.access.token.expose();
    valid(
        backend
            .check(token, AntiCsrf::Unchecked)
            .await
            .unwrap()
            .verification,
    );
    for seen in host.seen() {
        let key = seen.headers.get("api-key").map(|key| key.to_str().unwrap());
        let expected = (!seen.ask.ends_with("/jwks.json")).then_some(KEY);
        assert_eq!(key, expected, "{}", seen.ask);
    }
    let wrong = "another-api-key-of-some-length";
    for backend in [
        client(wrong),
        Backend::from(town.client(&host.url).build().unwrap()),
    ] {
        let refused = failure(backend.create(new_session("ada")).await);
        assert!(!refused.is_transient() && !refused.is_outcome_unknown());
        let text = format!("{refused} {refused:?} {backend:?}");
        assert!(text.contains("with status 401: Invalid API key"), "{text}");
        assert!(!text.contains(wrong) && !text.contains(KEY));
        // The keys are for all.
        valid(
            backend
                .check(token, AntiCsrf::Unchecked)
                .await
                .unwrap()
                .verification,
        );
    }
}

#[tokio::test]
async fn the_newest_common_version_is_spoken_and_found_out_once() {
    let town = Town::new(&[]).await;
    let versions = |list: &str| Scripted::new(200, format!(r#"{{"versions":[{list}]}}"#));
    let newest = r#""2.7","5.6","4.0","5.10","5.1","x""#;
    for (list, spoken) in [
        (None, Some("5.5")),
        (Some(newest), Some("5.1")),
        (Some(r#""4.0""#), Some("4.0")),
        (Some(r#""2.21","3.0","3.1""#), None),
        (Some(r#""5.6""#), None),
        (Some(""), None),
    ] {
        let host = town.host().await;
        if let Some(list) = list {
            host.answers("/apiversion", versions(list));
        }
        let backend = Backend::from(town.client(&host.url).build().unwrap());
        let sessions = (0..4).map(|_| backend.create(new_session("ada")));
        let made = futures_util::future::join_all(sessions).await;
        if let Some(spoken) = spoken {
            assert!(made.iter().all(Result::is_ok), "{made:?}");
            let seen = host.seen();
            let creations = seen.iter().filter(|seen| seen.ask == CREATE);
            assert!(
                creations
                    .clone()
                    .all(|seen| seen.headers["cdi-version"] == spoken)
            );
            assert_eq!(creations.count(), 4);
            assert_eq!(host.asked(VERSIONS), 1);
        } else {
            for made in made {
                let failure = failure(made);
                let text = failure.to_string();
                assert!(text.ends_with("of the core protocol, and none of 4.0 and 5.0 to 5.5"));
                assert!(!failure.is_transient() && !failure.is_outcome_unknown());
            }
            // Who came meanwhile was told the same.
            assert_eq!(host.asked(VERSIONS), 1, "{list:?}");
            host.recovers();
            backend.create(new_session("ada")).await.unwrap();
        }
    }
}

#[tokio::test]
async fn apps_are_in_the_path_behind_the_hosts_own() {
    let town = Town::new(&[("base_path", "/some/path")]).await;
    let host = town.host().await;
    let app = AppId::parse("shop").unwrap();
    let body = r#"{"appId":"shop","coreConfig":{}}"#;
    let request = axum::http::Request::put("/some/path/recipe/multitenancy/app/v2");
    let request = request.body(axum::body::Body::from(body)).unwrap();
    let made = tower::ServiceExt::oneshot(town.router.clone(), request)
        .await
        .unwrap();
    assert_eq!(made.status(), 200);
    let base = format!("{}/some/path/", host.url);
    let shop = Backend::from(town.client(&base).app(app).build().unwrap());
    let other = Backend::from(town.client(&base).build().unwrap());
    let named = format!("{}/some/path/appid-shop", host.url);
    let named = Backend::from(town.client(&named).build().unwrap());
    let made = shop.create(new_session("ada")).await.unwrap();
    renewed(refresh(&named, &made).await);
    refused(&refresh(&other, &made).await);
    let seen = host.seen();
    assert!(seen.iter().all(|seen| {
        seen.headers["user-agent"]
            .to_str()
            .unwrap()
            .starts_with("handstamp/")
    }));
    assert!(
        seen.iter()
            .any(|seen| seen.ask == "POST /some/path/appid-shop/recipe/session")
    );
}

#[tokio::test]
async fn reuse_is_told_even_if_the_session_cannot_be_ended() {
    let town = Town::new(&[]).await;
    let host = town.host().await;
    let backend = Backend::from(town.client(&host.url).build().unwrap());
    let made = backend.create(new_session("ada")).await.unwrap();
    let next = renewed(refresh(&backend, &made).await);
    renewed(refresh(&backend, &next).await);
    town.clock.advance(LATER);
    host.answers("/remove", Scripted::new(500, "Internal Error"));
    let told = refresh(&backend, &made).await;
    assert!(matches!(told, Renewal::Reuse { handle, .. } if handle == made.session.handle));
    assert_eq!(host.asked(REMOVE), 1);
    let alive = backend.session_data(&made.session.handle).await.unwrap();
    assert!(alive.is_some());
    host.recovers();
    town.clock.advance(SECOND);
    let told = refresh(&backend, &made).await;
    assert!(matches!(told, Renewal::Reuse { .. }));
    let ended = backend.session_data(&made.session.handle).await.unwrap();
    assert!(ended.is_none());
}

#[tokio::test]
async fn what_the_protocol_has_no_words_for_is_not_asked() {
    let town = Town::new(&[]).await;
    let host = town.host().await;
    let backend = Backend::from(town.client(&host.url).build().unwrap());
    let made = backend.create(new_session("ada")).await.unwrap();
    let before = host.seen().len();
    for (anti_csrf, passed) in [(true, AntiCsrf::Unchecked), (false, AntiCsrf::Passed(None))] {
        let present = handstamp::backend::Present {
            anti_csrf,
            passed,
            on_reuse: OnReuse::Revoke,
            ..present(&made)
        };
        let failure = backend.refresh(present).await.unwrap_err();
        assert!(failure.to_string().contains("anti-CSRF"), "{failure}");
    }
    assert_eq!(host.seen().len(), before);
}

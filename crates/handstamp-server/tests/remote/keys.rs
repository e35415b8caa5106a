//! Which keys tokens are checked by, how long they are kept, and how often the server is asked for them.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use handstamp::Failure;
use handstamp::backend::{Backend, Tokens};
use handstamp::clock::ManualClock;
use handstamp::engine::{AntiCsrf, Regenerated, TryRefresh, Verification};
use handstamp::token::access::Rejected;
use serde_json::{Value, json};
use testbed::proxy::{Proxy, Way};

use crate::support::{
    Host, LATER, MINUTE, SECOND, Scripted, Town, new_session, try_refresh, valid,
};

const KEYS: &str = "GET /.well-known/jwks.json";
const JWKS: &str = "/jwks.json";
const UNCHECKED: AntiCsrf<'_> = AntiCsrf::Unchecked;
const UNKNOWN: TryRefresh = TryRefresh::Rejected(Rejected::UnknownKey);

const A_MOMENT: Duration = Duration::from_millis(1);

fn almost(span: Duration) -> Duration {
    span.saturating_sub(A_MOMENT)
}

struct Place {
    town: Town,
    host: Host,
    way: Proxy,
    backend: Backend,
    made: Tokens,
}

impl Place {
    async fn new() -> Self {
        Self::with(&[]).await
    }

    async fn with(settings: &[(&'static str, &str)]) -> Self {
        let town = Town::new(settings).await;
        let host = town.host().await;
        let way = Proxy::to(host.address()).unwrap();
        let url = format!("http://{}", way.address());
        let backend = Backend::from(town.client(&url).build().unwrap());
        let made = backend.create(new_session("ada")).await.unwrap();
        Self {
            town,
            host,
            way,
            backend,
            made,
        }
    }

    fn clock(&self) -> &ManualClock {
        &self.town.clock
    }

    fn token(&self) -> &str {
        self.made.access.token.expose()
    }

    async fn check(&self) -> Result<Verification, Failure> {
        let check = self.backend.check(self.token(), UNCHECKED).await?;
        Ok(check.verification)
    }

    /// What a token by a key that nobody has comes to.
    async fn made_up(&self, id: usize) -> Result<Verification, Failure> {
        let token = with_header(
            self.token(),
            &json!({"kid": format!("d-{id}"), "typ": "JWT", "version": "5", "alg": "RS256"}),
        );
        Ok(self.backend.check(&token, UNCHECKED).await?.verification)
    }

    fn asked(&self) -> usize {
        self.host.asked(KEYS)
    }

    /// The keys as they are, with a word on how long they are good.
    async fn publish(&self, cache: &str, change: impl FnOnce(&mut Vec<Value>)) {
        let mut keys = self.published().await;
        change(&mut keys);
        let body = json!({"keys": keys}).to_string();
        let scripted = Scripted::new(200, body);
        let scripted = if cache.is_empty() {
            scripted
        } else {
            scripted.with("cache-control", cache)
        };
        self.host.answers(JWKS, scripted);
    }

    async fn published(&self) -> Vec<Value> {
        let request = axum::http::Request::get("/.well-known/jwks.json");
        let request = request.body(axum::body::Body::empty()).unwrap();
        let answer = tower::ServiceExt::oneshot(self.town.router.clone(), request);
        let body = axum::body::to_bytes(answer.await.unwrap().into_body(), 1 << 20);
        let read: Value = serde_json::from_slice(&body.await.unwrap()).unwrap();
        read["keys"].as_array().unwrap().clone()
    }
}

/// The same token with another header; nobody has signed that.
fn with_header(token: &str, header: &Value) -> String {
    let (_, rest) = token.split_once('.').unwrap();
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()))
}

fn kid(token: &str) -> Value {
    let (header, _) = token.split_once('.').unwrap();
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    header["kid"].clone()
}

#[tokio::test]
async fn keys_are_asked_for_once_by_however_many() {
    let place = Place::new().await;
    assert!(
        place
            .backend
            .check_at_once(place.token(), UNCHECKED)
            .is_none()
    );
    let checks = (0..20).map(|_| place.check());
    for check in futures_util::future::join_all(checks).await {
        valid(check.unwrap());
    }
    assert_eq!(place.asked(), 1);
    assert!(
        place
            .backend
            .check_at_once(place.token(), UNCHECKED)
            .is_some()
    );
}

#[tokio::test]
async fn keys_are_kept_as_long_as_the_server_says() {
    for (cache, seconds) in [
        ("max-age=30, must-revalidate", 30),
        ("", 60),
        ("no-store", 1),
    ] {
        let place = Place::new().await;
        place.publish(cache, |_| {}).await;
        valid(place.check().await.unwrap());
        place.clock().advance(almost(SECOND * seconds));
        valid(place.check().await.unwrap());
        assert_eq!(place.asked(), 1, "{cache}");
        place.clock().advance(A_MOMENT);
        assert!(
            place
                .backend
                .check_at_once(place.token(), UNCHECKED)
                .is_none()
        );
        valid(place.check().await.unwrap());
        assert_eq!(place.asked(), 2, "{cache}");
        // Where the clock was set back nobody knows how old they are.
        place.clock().set(place.made.access.created_at);
        assert!(
            place
                .backend
                .check_at_once(place.token(), UNCHECKED)
                .is_none()
        );
        valid(place.check().await.unwrap());
        assert_eq!(place.asked(), 3, "{cache}");
    }
}

#[tokio::test]
async fn a_key_that_is_published_no_more_is_forgotten() {
    let place = Place::new().await;
    place.publish("max-age=30", |_| {}).await;
    valid(place.check().await.unwrap());
    let id = kid(place.token());
    place
        .publish("max-age=30", |keys| keys.retain(|key| key["kid"] != id))
        .await;
    place.clock().advance(SECOND * 30);
    assert_eq!(try_refresh(&place.check().await.unwrap()), UNKNOWN);
    assert_eq!(place.asked(), 2);
}

#[tokio::test]
async fn an_unknown_key_is_looked_for_once_in_a_while() {
    let place = Place::new().await;
    valid(place.check().await.unwrap());
    assert_eq!(place.asked(), 1);
    place.clock().advance(SECOND);
    for second in 0..3 {
        let flood = (0..50).map(|id| place.made_up(id));
        for check in futures_util::future::join_all(flood).await {
            assert_eq!(try_refresh(&check.unwrap()), UNKNOWN);
        }
        // Later than the look, and so not answered by it: only the pause between looks holds these back.
        for id in 51..60 {
            place.clock().advance(A_MOMENT);
            assert_eq!(try_refresh(&place.made_up(id).await.unwrap()), UNKNOWN);
        }
        assert_eq!(place.asked(), 2 + second, "the first, and one a second");
        place.clock().advance(SECOND);
        valid(place.check().await.unwrap());
    }
}

#[tokio::test]
async fn who_has_just_asked_does_not_ask_again_for_an_unknown_key() {
    let place = Place::new().await;
    assert_eq!(try_refresh(&place.made_up(1).await.unwrap()), UNKNOWN);
    assert_eq!(place.asked(), 1);
}

#[tokio::test]
async fn a_new_key_is_known_at_once() {
    // Keys that follow each other, and clients that were told nothing of it.
    let place = Place::with(&[("access_token_signing_key_update_interval", "0.02")]).await;
    place.publish("max-age=604740", |_| {}).await;
    valid(place.check().await.unwrap());
    let first = kid(place.token());
    place.host.recovers();
    place.clock().advance(MINUTE * 2);
    let next = place.backend.create(new_session("bob")).await.unwrap();
    let token = next.access.token.expose();
    assert_ne!(kid(token), first);
    assert!(place.backend.check_at_once(token, UNCHECKED).is_none());
    let check = place.backend.check(token, UNCHECKED).await.unwrap();
    assert_eq!(valid(check.verification).session, next.session);
    assert_eq!(place.asked(), 2);
    assert!(place.backend.check_at_once(token, UNCHECKED).is_some());
}

#[tokio::test]
async fn with_the_server_away_keys_are_used_a_little_longer_and_then_nothing_is_good() {
    let mut place = Place::new().await;
    place.publish("max-age=60", |_| {}).await;
    valid(place.check().await.unwrap());
    place.way.go_away();
    place.clock().advance(MINUTE);
    // Nobody has found out yet that it is away.
    assert!(
        place
            .backend
            .check_at_once(place.token(), UNCHECKED)
            .is_none()
    );
    valid(place.check().await.unwrap());
    assert!(
        place
            .backend
            .check_at_once(place.token(), UNCHECKED)
            .is_some()
    );
    place.clock().advance(almost(MINUTE * 5));
    valid(place.check().await.unwrap());
    // Past the bound, even a moment after a look that failed.
    place.clock().advance(A_MOMENT);
    assert!(
        place
            .backend
            .check_at_once(place.token(), UNCHECKED)
            .is_none()
    );
    for _ in 0..2 {
        let failure = place.check().await.unwrap_err();
        assert!(failure.is_transient() && !failure.is_outcome_unknown());
        let failure = place.made_up(1).await.unwrap_err();
        assert!(
            failure.to_string().starts_with("no server is there at "),
            "{failure}"
        );
        place.clock().advance(LATER);
    }
    assert_eq!(place.asked(), 1);
    place.way.come_back().unwrap();
    place
        .clock()
        .set(place.made.access.created_at.plus(LATER * 3));
    valid(place.check().await.unwrap());
}

#[tokio::test]
async fn a_server_that_is_away_is_not_asked_at_every_turn() {
    let place = Place::new().await;
    valid(place.check().await.unwrap());
    place.host.answers(JWKS, Scripted::new(503, "<html>"));
    place.clock().advance(LATER * 9);
    let before = place.asked();
    for _ in 0..20 {
        drop(place.check().await);
        drop(place.made_up(1).await);
    }
    assert_eq!(place.asked() - before, 1);
    place.clock().advance(SECOND);
    drop(place.check().await);
    assert_eq!(place.asked() - before, 2);
}

/// Nothing is known of the token then: the key that it names may have been made since.
#[tokio::test]
async fn a_look_for_an_unknown_key_that_failed_is_a_failure_for_a_while() {
    let place = Place::new().await;
    valid(place.check().await.unwrap());
    place.host.answers(JWKS, Scripted::new(503, "<html>"));
    for second in 0..2 {
        place.clock().advance(SECOND);
        let before = place.asked();
        for id in 0..5 {
            let failure = place.made_up(id).await.unwrap_err();
            assert!(failure.is_transient());
            place.clock().advance(A_MOMENT);
        }
        assert_eq!(place.asked() - before, 1, "{second}");
        // The others' are known.
        valid(place.check().await.unwrap());
    }
}

#[tokio::test]
async fn who_looks_for_keys_again_holds_nobody_up_who_has_some() {
    let place = Place::new().await;
    place.publish("max-age=60", |_| {}).await;
    valid(place.check().await.unwrap());
    place.host.answers(JWKS, Scripted::new(503, "<html>"));
    place.clock().advance(MINUTE);
    valid(place.check().await.unwrap());
    place.clock().advance(SECOND);
    place.way.set(Way::Held);
    let looks = place.check();
    let mut looks = std::pin::pin!(looks);
    // It has begun to look, and waits; the other need not.
    let other = std::pin::pin!(place.check());
    let both = futures_util::future::select(&mut looks, other);
    let futures_util::future::Either::Right((other, _)) = both.await else {
        panic!("the one that waits came first")
    };
    valid(other.unwrap());
    place.way.set(Way::Open);
    valid(looks.await.unwrap());
}

#[tokio::test]
async fn each_algorithm_is_its_keys_own() {
    for algorithm in ["RS256", "ES256", "EdDSA"] {
        let place = Place::with(&[("signing_algorithm", algorithm)]).await;
        assert_eq!(
            valid(place.check().await.unwrap()).session,
            place.made.session
        );
        let id = kid(place.token());
        for other in ["none", "HS256", "RS256", "ES256", "EdDSA", "PS256", "rs256"] {
            let header = json!({"kid": id, "typ": "JWT", "version": "5", "alg": other});
            let token = with_header(place.token(), &header);
            let check = place.backend.check(&token, UNCHECKED).await.unwrap();
            let why = if other == algorithm {
                // The header's members are in another order, so another text was signed.
                Rejected::Signature
            } else {
                Rejected::Malformed
            };
            assert_eq!(
                try_refresh(&check.verification),
                TryRefresh::Rejected(why),
                "{algorithm} as {other}"
            );
        }
    }
}

#[tokio::test]
async fn keys_for_other_ends_are_passed_over() {
    let place = Place::new().await;
    let id = kid(place.token());
    let point = "A".repeat(43);
    place
        .publish("max-age=60", |keys| {
            let own = keys.iter().find(|key| key["kid"] == id).unwrap().clone();
            let another = keys.iter().find(|key| key["kid"] != id).unwrap()["n"].clone();
            let altered = |changes: Value| {
                let mut key = own.clone();
                key.as_object_mut()
                    .unwrap()
                    .extend(changes.as_object().unwrap().clone());
                key
            };
            let others = vec![
                json!(null),
                json!("x"),
                json!({}),
                json!({"kty": "oct", "kid": id, "k": "AAAA"}),
                json!({"kty": "EC", "crv": "P-384", "kid": id, "x": point, "y": point}),
                json!({"kty": "EC", "crv": "P-256", "kid": id, "x": point, "y": point}),
                json!({"kty": "EC", "crv": "P-256", "kid": id, "x": "AA", "y": "AA"}),
                json!({"kty": "OKP", "crv": "X25519", "kid": id, "x": point}),
                altered(json!({"n": another, "use": "enc"})),
                altered(json!({"n": another, "alg": "PS256"})),
                altered(json!({"n": "____"})),
                altered(json!({"n": "="})),
                altered(json!({"n": own["n"].as_str().unwrap()[..170]})),
                altered(json!({"kid": null})),
            ];
            keys.splice(0..0, others);
        })
        .await;
    valid(place.check().await.unwrap());
    assert_eq!(place.asked(), 1);
}

#[tokio::test]
async fn no_key_among_those_published_is_no_answer_and_a_thousand_are_none_either() {
    let place = Place::new().await;
    place
        .publish("max-age=60", |keys| keys.resize(1000, json!({})))
        .await;
    let failure = place.check().await.unwrap_err();
    assert!(failure.to_string().ends_with("too many keys"), "{failure}");
    place.publish("max-age=60", Vec::clear).await;
    place.clock().advance(SECOND);
    let failure = place.check().await.unwrap_err();
    assert!(
        failure
            .to_string()
            .ends_with("no key to check access tokens by"),
        "{failure}"
    );
    place.host.recovers();
    place.clock().advance(SECOND);
    valid(place.check().await.unwrap());
}

/// Not every server looks at the signature of a token that is to say something else.
#[tokio::test]
async fn a_forged_token_is_not_passed_on() {
    let place = Place::new().await;
    let (signed, signature) = place.token().rsplit_once('.').unwrap();
    let (header, _) = signed.split_once('.').unwrap();
    let claims = URL_SAFE_NO_PAD.encode(r#"{"sub":"eve"}"#);
    let forged = format!("{header}.{claims}.{signature}");
    let payload = new_session("").jwt_payload;
    let again = place
        .backend
        .regenerate(&forged, payload, None)
        .await
        .unwrap();
    assert!(matches!(again, Regenerated::NoSession));
    let stored = place
        .backend
        .check_storage(&forged, UNCHECKED)
        .await
        .unwrap();
    assert_eq!(
        try_refresh(&stored),
        TryRefresh::Rejected(Rejected::Signature)
    );
    let seen = place.host.seen();
    assert!(
        seen.iter()
            .all(|seen| !seen.ask.ends_with("/regenerate") && !seen.ask.ends_with("/verify"))
    );
}

#[tokio::test]
async fn it_is_made_ready_before_the_first_request() {
    let town = Town::new(&[]).await;
    let host = town.host().await;
    let remote = town.client(&host.url).build().unwrap();
    remote.prepare().await.unwrap();
    assert_eq!(host.seen().len(), 2);
    let backend = Backend::from(remote);
    let made = backend.create(new_session("ada")).await.unwrap();
    let check = backend.check_at_once(made.access.token.expose(), UNCHECKED);
    valid(check.unwrap().verification);
    assert_eq!(host.seen().len(), 3);
}

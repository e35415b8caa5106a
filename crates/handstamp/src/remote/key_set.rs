//! Published keys (RFC 7517), read: those that access tokens can be checked by, and for how long they can be kept.

use std::collections::HashMap;
use std::time::Duration;

use reqwest::header::{AGE, CACHE_CONTROL, HeaderMap};
use serde::Deserialize;
use serde_json::Value;

use super::error::RemoteError;
use super::link::Answer;
use crate::jws::{Jwk, VerifyingKey};

/// Keys by their ids.
pub(super) type KeyMap = HashMap<String, VerifyingKey>;

/// How long keys are kept that come without a word on it.
const UNTOLD: Duration = Duration::from_mins(1);
/// How long keys are kept at the most, whatever is said: one that is taken out of use by hand is to be out of use here as well.
const LONGEST: Duration = Duration::from_hours(1);
/// More keys than any server has in use.
const MOST: usize = 128;

#[derive(Deserialize)]
struct Published {
    keys: Vec<Value>,
}

/// The keys in an answer, and how long they can be kept. What is no key of a kind that is known here is passed over: servers
/// may publish keys for other uses.
pub(super) fn read(answer: &Answer) -> Result<(KeyMap, Duration), RemoteError> {
    let Published { keys } = answer.read()?;
    if keys.len() > MOST {
        return Err(answer.nonsense("there are too many keys"));
    }
    let mut known = KeyMap::new();
    for (id, key) in keys.iter().filter_map(key) {
        known.entry(id).or_insert(key);
    }
    if known.is_empty() {
        return Err(answer.nonsense("there is no key to check access tokens by"));
    }
    Ok((known, max_age(&answer.headers)))
}

/// A key, if access tokens can be checked by it. How it signs follows from what it is.
fn key(published: &Value) -> Option<(String, VerifyingKey)> {
    let text = |name: &str| published.get(name).and_then(Value::as_str);
    let owned = |name: &str| text(name).map(str::to_owned);
    let jwk = match (text("kty")?, text("crv")) {
        ("RSA", _) => Jwk::Rsa {
            n: owned("n")?,
            e: owned("e")?,
        },
        ("EC", Some("P-256")) => Jwk::P256 {
            x: owned("x")?,
            y: owned("y")?,
        },
        ("OKP", Some("Ed25519")) => Jwk::Ed25519 { x: owned("x")? },
        _ => return None,
    };
    let key = VerifyingKey::from_jwk(&jwk).ok()?;
    let is_meant_for_it = published.get("use").is_none_or(|it| it == "sig")
        && published
            .get("alg")
            .is_none_or(|it| it == key.algorithm().as_str());
    is_meant_for_it.then_some(())?;
    Some((owned("kid")?, key))
}

/// What `Cache-Control` says (RFC 9111, 5.2.2), less the time that the answer has been kept elsewhere.
fn max_age(headers: &HeaderMap) -> Duration {
    let text = headers.get_all(CACHE_CONTROL).iter();
    let text: Vec<_> = text.filter_map(|value| value.to_str().ok()).collect();
    let text = text.join(",").to_ascii_lowercase();
    let mut said = None;
    for directive in text.split(',').map(str::trim) {
        match directive.split_once('=') {
            None if matches!(directive, "no-store" | "no-cache") => return Duration::ZERO,
            // What is not a number is stale at once (RFC 9111, 4.2.1), and the shortest counts.
            Some(("max-age", seconds)) => {
                let seconds = seconds.trim_matches('"').parse().unwrap_or(0);
                said = Some(said.map_or(seconds, |said: u64| said.min(seconds)));
            }
            _ => {}
        }
    }
    let age = headers
        .get(AGE)
        .and_then(|age| age.to_str().ok()?.parse().ok());
    said.map_or(UNTOLD, Duration::from_secs)
        .saturating_sub(Duration::from_secs(age.unwrap_or(0)))
        .min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderValue;

    #[test]
    fn keys_are_kept_as_long_as_is_said_and_never_longer_than_an_hour() {
        for (cache, age, kept) in [
            (None, None, 60),
            (Some("max-age=30, must-revalidate"), None, 30),
            (Some("Max-Age=\"30\""), None, 30),
            (Some("max-age=604740"), None, 3600),
            (Some("max-age=30"), Some("10"), 20),
            (Some("max-age=30"), Some("40"), 0),
            (Some("max-age=30,max-age=20"), None, 20),
            (Some("max-age=x"), None, 0),
            (Some("max-age=-1"), None, 0),
            (Some("no-store"), None, 0),
            (Some("max-age=30, no-cache"), None, 0),
            (Some("public"), None, 60),
        ] {
            let mut headers = HeaderMap::new();
            let named = [(CACHE_CONTROL, cache), (AGE, age)];
            for (name, value) in named
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?)))
            {
                headers.insert(name, HeaderValue::from_static(value));
            }
            assert_eq!(max_age(&headers).as_secs(), kept, "{cache:?}, {age:?}");
        }
    }
}

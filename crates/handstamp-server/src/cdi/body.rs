//! Reading requests: strictly typed, in the order in which an operation asks for its fields.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use axum::body::{Body as HttpBody, Bytes, HttpBody as _};
use axum::extract::Request;
use handstamp::JsonObject;
use handstamp::token::Secret;
use http_body_util::BodyExt as _;
use serde::Deserializer;
use serde::de::{Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::reply::Refusal;

/// How long a request's body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// A body of so many times the limit, or more, is not even read to be thrown away.
const LEFT_UNREAD: usize = 16;

/// What came with a request. It may hold tokens, so it is not shown.
pub(super) struct Input {
    query: String,
    body: Bytes,
}

impl Input {
    /// Takes a request in, if its body stays within `limit` bytes.
    pub(super) async fn read(request: Request, limit: usize) -> Result<Self, Refusal> {
        let (head, body) = request.into_parts();
        let query = head.uri.query().unwrap_or_default().to_owned();
        let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
        if announced > limit {
            if announced <= limit.saturating_mul(LEFT_UNREAD) {
                drop(tokio::time::timeout(BODY_TIMEOUT, discard(body)).await);
            }
            return Err(Refusal::TooLarge { limit });
        }
        let body = match tokio::time::timeout(BODY_TIMEOUT, collect(body, limit)).await {
            Ok(body) => body?,
            Err(_) => return Err(Refusal::TooSlow),
        };
        Ok(Self { query, body })
    }

    /// The query parameter `name`.
    pub(super) fn query(&self, name: &'static str) -> Result<Cow<'_, str>, Refusal> {
        let mut parameters = form_urlencoded::parse(self.query.as_bytes());
        let found = parameters
            .find(|(key, _)| key == name)
            .map(|(_, value)| value);
        found.ok_or(Refusal::MissingParameter(name))
    }

    /// Whether the query parameter `name` is `true`, as it is when it is not there.
    pub(super) fn query_is_true(&self, name: &'static str) -> bool {
        self.query(name)
            .map_or(true, |text| text.eq_ignore_ascii_case("true"))
    }

    /// The body, which must be a JSON object.
    pub(super) fn body(&self) -> Result<Body<'_>, Refusal> {
        let text = std::str::from_utf8(&self.body).map_err(|_| Refusal::BadJson)?;
        let mut json = serde_json::Deserializer::from_str(text);
        let members = json
            .deserialize_map(Members)
            .map_err(|_| Refusal::BadJson)?;
        json.end().map_err(|_| Refusal::BadJson)?;
        Ok(Body(members))
    }
}

/// Reads a body to its end and keeps nothing of it. A client that is still sending when the connection closes does not see the
/// answer, and some take that for a fault of the network.
async fn discard(mut body: HttpBody) {
    while let Some(Ok(_)) = body.frame().await {}
}

async fn collect(body: HttpBody, limit: usize) -> Result<Bytes, Refusal> {
    axum::body::to_bytes(body, limit).await.map_err(|why| {
        let over = std::error::Error::source(&why)
            .is_some_and(<dyn std::error::Error>::is::<http_body_util::LengthLimitError>);
        if over {
            Refusal::TooLarge { limit }
        } else {
            Refusal::BadJson
        }
    })
}

/// A request's fields, each still as it was written.
pub(super) struct Body<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Body<'a> {
    /// A string that must be there.
    pub(super) fn string(&self, name: &'static str) -> Result<String, Refusal> {
        self.optional_string(name)?.ok_or(Refusal::field(name))
    }

    /// A string that may be absent, but not null.
    pub(super) fn optional_string(&self, name: &'static str) -> Result<Option<String>, Refusal> {
        self.read(name)
    }

    /// A string that must be there, and lets its holder in.
    pub(super) fn secret(&self, name: &'static str) -> Result<Secret, Refusal> {
        self.string(name).map(Secret::new)
    }

    /// The same, but it may be absent.
    pub(super) fn optional_secret(&self, name: &'static str) -> Result<Option<Secret>, Refusal> {
        Ok(self.optional_string(name)?.map(Secret::new))
    }

    /// A boolean that must be there.
    pub(super) fn boolean(&self, name: &'static str) -> Result<bool, Refusal> {
        self.optional_boolean(name)?.ok_or(Refusal::field(name))
    }

    /// A boolean that may be absent, but not null.
    pub(super) fn optional_boolean(&self, name: &'static str) -> Result<Option<bool>, Refusal> {
        self.read(name)
    }

    /// A whole number that may be absent, but not null.
    pub(super) fn optional_whole(&self, name: &'static str) -> Result<Option<i64>, Refusal> {
        self.read(name)
    }

    /// A whole number that must be there.
    pub(super) fn whole(&self, name: &'static str) -> Result<i64, Refusal> {
        self.optional_whole(name)?.ok_or(Refusal::field(name))
    }

    /// An array of strings that may be absent, but not null.
    pub(super) fn optional_strings(
        &self,
        name: &'static str,
    ) -> Result<Option<Vec<String>>, Refusal> {
        self.read(name)
    }

    /// A JSON object that must be there.
    pub(super) fn object(&self, name: &'static str) -> Result<JsonObject, Refusal> {
        self.optional_object(name)?.ok_or(Refusal::field(name))
    }

    /// A JSON object that may be absent, but not null.
    pub(super) fn optional_object(
        &self,
        name: &'static str,
    ) -> Result<Option<JsonObject>, Refusal> {
        let parse = |raw: &RawValue| JsonObject::parse(raw.get()).map_err(|_| Refusal::field(name));
        self.raw(name).map(parse).transpose()
    }

    /// All fields but those of these names, as plain JSON.
    pub(super) fn without(&self, names: &[&str]) -> Result<Map<String, Value>, Refusal> {
        let others = self.0.iter().filter(|(name, _)| !names.contains(&&**name));
        let read = |(name, raw): &(Cow<'_, str>, &RawValue)| {
            let value = serde_json::from_str(raw.get()).map_err(|_| Refusal::BadJson)?;
            Ok((name.clone().into_owned(), value))
        };
        others.map(read).collect()
    }

    fn read<T: serde::de::DeserializeOwned>(
        &self,
        name: &'static str,
    ) -> Result<Option<T>, Refusal> {
        let read =
            |raw: &RawValue| serde_json::from_str(raw.get()).map_err(|_| Refusal::field(name));
        self.raw(name).map(read).transpose()
    }

    fn raw(&self, name: &str) -> Option<&'a RawValue> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, raw)| *raw)
    }
}

/// Reads an object's members without reading their values. A name that comes twice is an error: readers disagree on which counts.
struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        /// More than any operation has, and few enough to look through.
        const MOST: usize = 64;
        let mut members: Self::Value = Vec::new();
        while let Some(Name(name)) = map.next_key()? {
            if members.iter().any(|(seen, _)| *seen == name) {
                return Err(A::Error::custom("a field comes twice"));
            }
            if members.len() == MOST {
                return Err(A::Error::custom("too many fields"));
            }
            members.push((name, map.next_value()?));
        }
        Ok(members)
    }
}

#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    /// A body that never comes.
    fn endless() -> Request {
        let pending = futures_util::stream::pending::<Result<Bytes, std::convert::Infallible>>();
        Request::builder()
            .body(HttpBody::from_stream(pending))
            .unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_arrive_is_given_up() {
        let started = tokio::time::Instant::now();
        let refused = Input::read(endless(), 100).await.err().unwrap();
        assert!(matches!(refused, Refusal::TooSlow));
        assert_eq!(started.elapsed().as_secs(), BODY_TIMEOUT.as_secs());
    }

    #[tokio::test]
    async fn what_is_too_long_is_refused_whether_it_says_so_or_not() {
        let known = Request::builder()
            .body(HttpBody::from(vec![b'x'; 101]))
            .unwrap();
        let chunks = futures_util::stream::iter(
            (0..101).map(|_| Ok::<_, std::convert::Infallible>(Bytes::from("x"))),
        );
        let unknown = Request::builder()
            .body(HttpBody::from_stream(chunks))
            .unwrap();
        for request in [known, unknown] {
            let refused = Input::read(request, 100).await.err().unwrap();
            assert!(matches!(refused, Refusal::TooLarge { limit: 100 }));
        }
        let fits = Request::builder()
            .body(HttpBody::from(vec![b'x'; 100]))
            .unwrap();
        assert!(Input::read(fits, 100).await.is_ok());
    }
}

//! Headers between actix-web, which has the types of `http` 0.2, and the rest of the library, which has those of `http` 1. Byte for byte:
//! a value need not be text.

use actix_web::http as theirs;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use crate::web::request::REQUEST_HEADERS;
use crate::web::response::Effects;

/// The headers of a request that sessions look at.
pub(super) fn of_request(headers: &theirs::header::HeaderMap) -> HeaderMap {
    let mut needed = HeaderMap::new();
    for name in REQUEST_HEADERS.into_iter().chain([header::COOKIE]) {
        for value in headers.get_all(name.as_str()) {
            if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
                needed.append(&name, value);
            }
        }
    }
    needed
}

/// Both know the same methods. If one day they do not: what is not known may change something, and is checked as such.
pub(super) fn method(method: &theirs::Method) -> Method {
    Method::from_bytes(method.as_str().as_bytes()).unwrap_or(Method::POST)
}

/// Writes effects into a response's headers.
pub(super) fn apply(effects: Effects, headers: &mut theirs::header::HeaderMap) {
    let mut written = HeaderMap::new();
    // To this one something may be added; all others are set anew.
    let exposed = header::ACCESS_CONTROL_EXPOSE_HEADERS;
    for value in headers.get_all(exposed.as_str()) {
        if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
            written.append(&exposed, value);
        }
    }
    effects.apply(&mut written);
    for name in written.keys().filter(|name| **name != header::SET_COOKIE) {
        headers.remove(name.as_str());
    }
    for (name, value) in &written {
        if let Some((name, value)) = pair(name, value) {
            headers.append(name, value);
        }
    }
}

/// `None` never happens: both allow the same bytes.
fn pair(
    name: &HeaderName,
    value: &HeaderValue,
) -> Option<(theirs::header::HeaderName, theirs::header::HeaderValue)> {
    let name = theirs::header::HeaderName::from_bytes(name.as_str().as_bytes()).ok()?;
    let mut converted = theirs::header::HeaderValue::from_bytes(value.as_bytes()).ok()?;
    converted.set_sensitive(value.is_sensitive());
    Some((name, converted))
}

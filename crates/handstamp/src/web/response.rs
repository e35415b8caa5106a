//! What a response tells the client: tokens set and taken back, by the way the client has them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::Serialize;

use super::request::{ANTI_CSRF, FrontEnd, Request, Way};
use super::settings::Settings;
use crate::backend::Tokens;
use crate::clock::UnixMillis;
use crate::engine::{AccessToken, SessionView};
use crate::json::JsonObject;
use crate::token::{Hash1, Secret};

/// What the front end may know of a session: the user's id, the access token's end in ms, the payload. Base64 of JSON.
pub const FRONT_TOKEN: HeaderName = HeaderName::from_static("front-token");
/// What front ends of the 1.x family tell one refresh from the next by.
pub const ID_REFRESH_TOKEN: HeaderName = HeaderName::from_static("id-refresh-token");
/// The access token, for clients that keep it themselves.
pub const ACCESS_TOKEN: HeaderName = HeaderName::from_static("st-access-token");
/// The refresh token, for clients that keep it themselves.
pub const REFRESH_TOKEN: HeaderName = HeaderName::from_static("st-refresh-token");

/// The headers that front ends read: what CORS has to expose for an application on another origin. Responses that have them say so
/// themselves, too.
pub const RESPONSE_HEADERS: [HeaderName; 5] = [
    FRONT_TOKEN,
    ANTI_CSRF,
    ID_REFRESH_TOKEN,
    ACCESS_TOKEN,
    REFRESH_TOKEN,
];

const REMOVE: HeaderValue = HeaderValue::from_static("remove");
const EMPTY: HeaderValue = HeaderValue::from_static("");

/// Headers that a response is to get, in the order in which they came up.
#[derive(Debug, Clone, Default)]
pub(super) struct Effects {
    headers: Vec<(HeaderName, HeaderValue)>,
    cookies: Vec<HeaderValue>,
    /// Whether no cache may keep the response.
    pub(super) no_store: bool,
}

impl Effects {
    /// Everything that a client gets at creation and at each refresh.
    pub(super) fn set_tokens(
        &mut self,
        settings: &Settings,
        request: &Request,
        way: Way,
        tokens: &Tokens,
        now: UnixMillis,
    ) {
        let Tokens {
            session,
            access,
            refresh,
            refresh_expires_at,
            anti_csrf,
        } = tokens;
        self.set_access(settings, way, access, session, *refresh_expires_at, now);
        let cookies = &settings.cookies;
        match way {
            Way::Cookie => {
                let text = refresh.expose();
                self.cookie(cookies.set(&cookies.refresh, text, now, *refresh_expires_at));
                for former in cookies.former() {
                    self.cookie(cookies.remove(former));
                }
            }
            Way::Header => self.secret(REFRESH_TOKEN, refresh),
        }
        if let Some(anti_csrf) = anti_csrf {
            self.secret(ANTI_CSRF, anti_csrf);
        }
        self.name_refresh(settings, request, way, refresh, *refresh_expires_at, now);
    }

    /// An access token that takes the place of one that the client has.
    pub(super) fn set_access(
        &mut self,
        settings: &Settings,
        way: Way,
        access: &AccessToken,
        session: &SessionView,
        kept_until: UnixMillis,
        now: UnixMillis,
    ) {
        self.no_store = true;
        let cookies = &settings.cookies;
        match way {
            // Kept longer than it is good for: that it is over tells the front end to refresh.
            Way::Cookie => {
                let text = access.token.expose();
                self.cookie(cookies.set(&cookies.access, text, now, kept_until));
            }
            Way::Header => self.secret(ACCESS_TOKEN, &access.token),
        }
        let front = FrontToken {
            uid: session.user_id.as_str(),
            ate: access.expires_at.as_millis(),
            up: &session.jwt_payload,
        };
        if let Ok(front) = serde_json::to_string(&front) {
            self.text(FRONT_TOKEN, &STANDARD.encode(front));
        }
    }

    /// What front ends of the 1.x family watch.
    fn name_refresh(
        &mut self,
        settings: &Settings,
        request: &Request,
        way: Way,
        refresh: &Secret,
        expires_at: UnixMillis,
        now: UnixMillis,
    ) {
        let cookies = &settings.cookies;
        if way == Way::Header || request.front_end == FrontEnd::Newest {
            if request.has_id_refresh(cookies) {
                self.cookie(cookies.remove(&cookies.id_refresh));
            }
            return;
        }
        // Nobody checks it. It must change with each refresh, and a repeated one has to bring the same.
        let name = Hash1::of(&format!("id refresh token of {}", refresh.expose())).to_hex();
        self.text(
            ID_REFRESH_TOKEN,
            &format!("{name};{}", expires_at.as_millis()),
        );
        if request.front_end == FrontEnd::First {
            self.cookie(cookies.set(&cookies.id_refresh, &name, now, expires_at));
        }
    }

    /// Takes everything back.
    pub(super) fn remove_tokens(&mut self, settings: &Settings, request: &Request, way: Way) {
        let cookies = &settings.cookies;
        self.no_store = true;
        self.headers.push((FRONT_TOKEN, REMOVE));
        if request.front_end != FrontEnd::Newest {
            self.headers.push((ID_REFRESH_TOKEN, REMOVE));
        }
        if way == Way::Header {
            self.headers.push((ACCESS_TOKEN, EMPTY));
            self.headers.push((REFRESH_TOKEN, EMPTY));
        }
        if way == Way::Cookie || request.has_cookie(cookies) {
            self.remove_cookies(settings, request);
        }
    }

    /// Takes the cookies back, and leaves what the front end knows.
    pub(super) fn remove_cookies(&mut self, settings: &Settings, request: &Request) {
        let cookies = &settings.cookies;
        self.cookie(cookies.remove(&cookies.access));
        self.cookie(cookies.remove(&cookies.refresh));
        if request.has_id_refresh(cookies) || request.front_end == FrontEnd::First {
            self.cookie(cookies.remove(&cookies.id_refresh));
        }
        for former in cookies.former() {
            self.cookie(cookies.remove(former));
        }
    }

    /// Makes the browser forget what it keeps of this origin.
    pub(super) fn clear_site_data(&mut self) {
        let all = HeaderValue::from_static("\"cookies\", \"storage\"");
        self.headers
            .push((HeaderName::from_static("clear-site-data"), all));
    }

    /// Writes it all into a response. What the application has set itself stays, but for these very headers.
    pub(super) fn apply(self, headers: &mut HeaderMap) {
        for (name, value) in self.headers {
            if RESPONSE_HEADERS.contains(&name) {
                expose(headers, &name);
            }
            headers.insert(name, value);
        }
        for cookie in self.cookies {
            headers.append(header::SET_COOKIE, cookie);
        }
        if self.no_store {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
    }

    /// A cookie that takes the place of one of the same name, path and domain.
    fn cookie(&mut self, cookie: Option<HeaderValue>) {
        let Some(cookie) = cookie else { return };
        self.no_store = true;
        let key = |cookie: &HeaderValue| cookie_key(cookie.as_bytes());
        self.cookies.retain(|other| key(other) != key(&cookie));
        self.cookies.push(cookie);
    }

    fn secret(&mut self, name: HeaderName, secret: &Secret) {
        if let Ok(mut value) = HeaderValue::from_str(secret.expose()) {
            value.set_sensitive(true);
            self.set(name, value);
        }
    }

    fn text(&mut self, name: HeaderName, text: &str) {
        if let Ok(value) = HeaderValue::from_str(text) {
            self.set(name, value);
        }
    }

    fn set(&mut self, name: HeaderName, value: HeaderValue) {
        self.no_store = true;
        self.headers.push((name, value));
    }
}

/// See [`FRONT_TOKEN`].
#[derive(Serialize)]
struct FrontToken<'a> {
    uid: &'a str,
    ate: i64,
    up: &'a JsonObject,
}

/// Lets scripts of other origins read the header.
fn expose(headers: &mut HeaderMap, name: &HeaderName) {
    let is_exposed = headers
        .get_all(header::ACCESS_CONTROL_EXPOSE_HEADERS)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|exposed| exposed.trim().eq_ignore_ascii_case(name.as_str()));
    if !is_exposed && let Ok(value) = HeaderValue::from_str(name.as_str()) {
        headers.append(header::ACCESS_CONTROL_EXPOSE_HEADERS, value);
    }
}

/// What tells one cookie from another: the name, the path and the domain.
fn cookie_key(header: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let mut parts = header.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
    let name = parts.next().unwrap_or_default();
    let name = name.split(|byte| *byte == b'=').next().unwrap_or_default();
    let places = parts
        .filter(|part| part.starts_with(b"Path=") || part.starts_with(b"Domain="))
        .map(<[u8]>::to_vec)
        .collect();
    (name.to_vec(), places)
}

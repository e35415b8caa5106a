//! What a request brings along: tokens, and what is said of them.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use super::cookies::{self, CookieSettings};
use super::settings::{AntiCsrfMode, Settings, Transfer};
use crate::engine::AntiCsrf;

/// Carries the anti-CSRF token, both ways.
pub const ANTI_CSRF: HeaderName = HeaderName::from_static("anti-csrf");
/// That it is there shows that no other site's form sent the request.
pub const RID: HeaderName = HeaderName::from_static("rid");
/// How the client wants to get its tokens: `cookie` or `header`.
pub const AUTH_MODE: HeaderName = HeaderName::from_static("st-auth-mode");
/// Which versions of the front end's protocol it speaks.
pub const FDI_VERSION: HeaderName = HeaderName::from_static("fdi-version");
/// What front ends of the 1.x family say of themselves.
pub const SDK_NAME: HeaderName = HeaderName::from_static("supertokens-sdk-name");
/// The same, their release.
pub const SDK_VERSION: HeaderName = HeaderName::from_static("supertokens-sdk-version");

/// The headers that front ends add to requests: what CORS has to allow for an application on another origin.
pub const REQUEST_HEADERS: [HeaderName; 7] = [
    header::AUTHORIZATION,
    ANTI_CSRF,
    RID,
    AUTH_MODE,
    FDI_VERSION,
    SDK_NAME,
    SDK_VERSION,
];

/// As many tokens of one kind are looked at. A browser sends two where a domain has changed; more is an attempt at something.
const MOST: usize = 4;

/// The part of a request that sessions need: copied, as the rest goes its own way. Nothing is read before it is asked for.
pub(super) struct Request {
    method: Method,
    cookies: Vec<HeaderValue>,
    authorization: Option<HeaderValue>,
    anti_csrf: Option<HeaderValue>,
    has_rid: bool,
    wants_headers: bool,
    pub(super) front_end: FrontEnd,
}

impl fmt::Debug for Request {
    /// What it brings are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

/// Which family the front end is of, as far as it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FrontEnd {
    /// It looks for `id-refresh-token`.
    First,
    /// It looks for `front-token`.
    Newest,
    /// It does not say.
    Unknown,
}

/// By which way a token came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Cookie,
    Header,
}

impl Request {
    pub(super) fn of(method: &Method, headers: &HeaderMap) -> Self {
        let is = |name: HeaderName, wanted: &str| {
            headers
                .get(name)
                .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(wanted.as_bytes()))
        };
        Self {
            method: method.clone(),
            cookies: headers.get_all(header::COOKIE).iter().cloned().collect(),
            authorization: headers.get(header::AUTHORIZATION).cloned(),
            anti_csrf: headers.get(ANTI_CSRF).cloned(),
            has_rid: headers.contains_key(RID),
            wants_headers: is(AUTH_MODE, "header"),
            front_end: FrontEnd::of(headers),
        }
    }

    /// The access tokens, the likeliest first.
    pub(super) fn access<'a>(&'a self, settings: &'a Settings) -> Vec<(&'a str, Way)> {
        self.tokens(settings, settings.cookies.access_names())
    }

    /// The refresh tokens, the likeliest first.
    pub(super) fn refresh<'a>(&'a self, settings: &'a Settings) -> Vec<(&'a str, Way)> {
        self.tokens(settings, settings.cookies.refresh_names())
    }

    fn tokens<'a>(
        &'a self,
        settings: &'a Settings,
        names: impl Iterator<Item = &'a str>,
    ) -> Vec<(&'a str, Way)> {
        let header = self
            .bearer()
            .filter(|_| settings.transfer != Transfer::Cookie)
            .map(|token| (token, Way::Header));
        let cookies = names
            .flat_map(|name| cookies::values(&self.cookies, name))
            .filter(|_| settings.transfer != Transfer::Header)
            .map(|token| (token, Way::Cookie));
        header.into_iter().chain(cookies).take(MOST).collect()
    }

    fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self
            .authorization
            .as_ref()?
            .to_str()
            .ok()?
            .split_once(' ')?;
        let token = token.trim_matches(' ');
        (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
    }

    /// Whether an access token came in a cookie.
    pub(super) fn has_cookie(&self, cookies: &CookieSettings) -> bool {
        let mut names = cookies.access_names().chain(cookies.refresh_names());
        names.any(|name| cookies::values(&self.cookies, name).next().is_some())
    }

    /// Whether the cookie of the 1.x family came along.
    pub(super) fn has_id_refresh(&self, cookies: &CookieSettings) -> bool {
        cookies::values(&self.cookies, cookies.id_refresh_name())
            .next()
            .is_some()
    }

    /// By which way a new session's tokens are to go.
    pub(super) fn wanted(&self, settings: &Settings) -> Way {
        match settings.transfer {
            Transfer::Header => Way::Header,
            Transfer::Any if self.wants_headers => Way::Header,
            Transfer::Any | Transfer::Cookie => Way::Cookie,
        }
    }

    /// How a token that came by `way` is checked against forgery; `None` if the request cannot be the application's own. Requests
    /// that change nothing need no check, unless they refresh or sign out.
    pub(super) fn anti_csrf(&self, settings: &Settings, way: Way) -> Option<AntiCsrf<'_>> {
        let changes_nothing = matches!(self.method, Method::GET | Method::HEAD | Method::OPTIONS);
        if way == Way::Header || changes_nothing {
            return Some(AntiCsrf::Unchecked);
        }
        match settings.anti_csrf {
            AntiCsrfMode::SameSite => Some(AntiCsrf::Unchecked),
            AntiCsrfMode::CustomHeader => {
                // A front end says what it is by headers of its own.
                let has_header = self.has_rid || self.front_end != FrontEnd::Unknown;
                has_header.then_some(AntiCsrf::Unchecked)
            }
            AntiCsrfMode::Token => {
                let passed = self.anti_csrf.as_ref();
                Some(AntiCsrf::Passed(passed.and_then(|it| it.to_str().ok())))
            }
        }
    }
}

impl Request {
    /// The same for a refresh. The first front ends bring no token along with it: that they say what they are, by headers of their
    /// own, shows as well that no other site's form sent the request.
    pub(super) fn anti_csrf_of_refresh(
        &self,
        settings: &Settings,
        way: Way,
    ) -> Option<AntiCsrf<'_>> {
        match self.anti_csrf(settings, way) {
            Some(AntiCsrf::Passed(None)) if self.front_end == FrontEnd::First => {
                Some(AntiCsrf::Unchecked)
            }
            passed => passed,
        }
    }
}

impl FrontEnd {
    fn of(headers: &HeaderMap) -> Self {
        let versions = headers.get(FDI_VERSION).and_then(|it| it.to_str().ok());
        let is_newest = |version: &str| {
            let (major, minor) = version
                .trim()
                .split_once('.')
                .unwrap_or((version.trim(), "0"));
            match (major.parse::<u32>(), minor.parse::<u32>()) {
                (Ok(major), Ok(minor)) => (major, minor) >= FRONT_TOKEN_ONLY,
                _ => false,
            }
        };
        match versions {
            _ if headers.contains_key(AUTH_MODE) => Self::Newest,
            Some(versions) if versions.split(',').any(is_newest) => Self::Newest,
            Some(_) => Self::First,
            None if headers.contains_key(SDK_NAME) => Self::First,
            None => Self::Unknown,
        }
    }
}

/// Since when front ends look for `front-token` and no more for `id-refresh-token`.
const FRONT_TOKEN_ONLY: (u32, u32) = (1, 16);

//! Cookies: what they are called, how they are read, and how they are set and taken back.
//!
//! Names are compared byte for byte. Nothing is decoded or trimmed but the space that separates cookies: a name that only looks like
//! one of ours after somebody's clean-up is not one of ours.

use cookie::Cookie;
use http::HeaderValue;

use super::settings::LONGEST;
use crate::clock::UnixMillis;

/// How cookies are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CookieNames {
    /// With `__Host-` or `__Secure-` before the name, where cookies are secure: then no sibling domain and no plain HTTP can have
    /// set them. Over HTTP, as in development, without.
    Prefixed,
    /// `sAccessToken`, `sRefreshToken`, `sIdRefreshToken`: what SuperTokens' SDKs call them, for taking their place.
    Plain,
}

/// When browsers send a cookie along with a request that another site caused (RFC 6265bis, 4.1.2.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SameSite {
    /// Never.
    Strict,
    /// When the user goes to the application, with GET.
    Lax,
    /// Always.
    None,
}

/// Cookies as an earlier deployment set them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Former {
    /// What they were called.
    pub names: CookieNames,
    /// For which domain; `None` for the application's own host.
    pub domain: Option<String>,
}

/// What cookies look like.
#[derive(Debug, Clone)]
pub struct CookieSettings {
    pub(super) access: Named,
    pub(super) refresh: Named,
    pub(super) id_refresh: Named,
    /// Those of earlier deployments: access, refresh and id refresh token.
    former: Vec<[Named; 3]>,
    secure: bool,
    same_site: SameSite,
    persistent: bool,
}

/// One cookie's name, and where it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) name: String,
    path: String,
    domain: Option<String>,
}

impl CookieSettings {
    pub(super) fn new(
        names: CookieNames,
        domain: Option<String>,
        secure: bool,
        same_site: SameSite,
        persistent: bool,
        refresh_path: &str,
        former: Vec<Former>,
    ) -> Self {
        let three = |names, domain: Option<String>| {
            [
                ("sAccessToken", "/"),
                ("sRefreshToken", refresh_path),
                ("sIdRefreshToken", "/"),
            ]
            .map(|(name, path)| Named::new(names, name, path, domain.clone(), secure))
        };
        let [access, refresh, id_refresh] = three(names, domain);
        let former = former
            .into_iter()
            .map(|Former { names, domain }| three(names, domain))
            .filter(|[former, ..]| *former != access)
            .collect();
        Self {
            access,
            refresh,
            id_refresh,
            former,
            secure,
            same_site,
            persistent,
        }
    }

    /// What the access token's cookie is called.
    #[must_use]
    pub fn access_name(&self) -> &str {
        &self.access.name
    }

    /// What the refresh token's cookie is called.
    #[must_use]
    pub fn refresh_name(&self) -> &str {
        &self.refresh.name
    }

    /// What the cookie is called that front ends of the 1.x family go with.
    #[must_use]
    pub fn id_refresh_name(&self) -> &str {
        &self.id_refresh.name
    }

    /// The names that an access token may come under.
    pub(super) fn access_names(&self) -> impl Iterator<Item = &str> {
        let former = self.former.iter().map(|[access, ..]| &*access.name);
        unique(&self.access.name, former)
    }

    /// The names that a refresh token may come under.
    pub(super) fn refresh_names(&self) -> impl Iterator<Item = &str> {
        let former = self.former.iter().map(|[_, refresh, _]| &*refresh.name);
        unique(&self.refresh.name, former)
    }

    /// The cookies of earlier deployments.
    pub(super) fn former(&self) -> impl Iterator<Item = &Named> {
        self.former.iter().flatten()
    }

    /// The header that sets a cookie until `expires_at`. Its age is said and not its end, as browsers' clocks differ.
    pub(super) fn set(
        &self,
        named: &Named,
        value: &str,
        now: UnixMillis,
        expires_at: UnixMillis,
    ) -> Option<HeaderValue> {
        let age = expires_at.since(now).min(LONGEST);
        self.header(named, value, self.persistent.then_some(age))
    }

    /// The header that takes a cookie back.
    pub(super) fn remove(&self, named: &Named) -> Option<HeaderValue> {
        self.header(named, "", Some(std::time::Duration::ZERO))
    }

    fn header(
        &self,
        named: &Named,
        value: &str,
        age: Option<std::time::Duration>,
    ) -> Option<HeaderValue> {
        let mut cookie = Cookie::new(&*named.name, value);
        cookie.set_path(&*named.path);
        cookie.set_http_only(true);
        cookie.set_secure(self.secure);
        cookie.set_same_site(match self.same_site {
            SameSite::Strict => cookie::SameSite::Strict,
            SameSite::Lax => cookie::SameSite::Lax,
            SameSite::None => cookie::SameSite::None,
        });
        if let Some(domain) = &named.domain {
            cookie.set_domain(&**domain);
        }
        if let Some(age) = age {
            cookie.set_max_age(cookie::time::Duration::seconds(
                i64::try_from(age.as_secs()).unwrap_or(i64::MAX),
            ));
        }
        let mut header = HeaderValue::try_from(cookie.to_string()).ok()?;
        header.set_sensitive(true);
        Some(header)
    }
}

impl Named {
    fn new(
        names: CookieNames,
        name: &str,
        path: &str,
        domain: Option<String>,
        secure: bool,
    ) -> Self {
        let prefix = match names {
            CookieNames::Prefixed if secure && path == "/" && domain.is_none() => "__Host-",
            CookieNames::Prefixed if secure => "__Secure-",
            CookieNames::Prefixed | CookieNames::Plain => "",
        };
        Self {
            name: format!("{prefix}{name}"),
            path: path.to_owned(),
            domain,
        }
    }
}

fn unique<'a>(
    first: &'a str,
    others: impl Iterator<Item = &'a str>,
) -> impl Iterator<Item = &'a str> {
    let mut seen = vec![first];
    let others = others.filter(move |name| {
        let is_new = !seen.contains(name);
        seen.push(name);
        is_new
    });
    std::iter::once(first).chain(others)
}

/// All values that come under `name`, in the order in which the browser sent them.
pub(super) fn values<'a>(
    headers: &'a [HeaderValue],
    name: &'a str,
) -> impl Iterator<Item = &'a str> {
    headers
        .iter()
        .flat_map(|header| header.as_bytes().split(|byte| *byte == b';'))
        .filter_map(move |pair| {
            let pair = pair.strip_prefix(b" ").unwrap_or(pair);
            let value = pair.strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
            std::str::from_utf8(value.trim_ascii_end()).ok()
        })
        .filter(|value| !value.is_empty())
}

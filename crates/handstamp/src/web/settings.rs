//! How sessions travel: what is said of the deployment, and what follows from it.

use std::net::IpAddr;
use std::time::Duration;

use url::{Host, Url};

use super::cookies::{CookieNames, CookieSettings, Former, SameSite};
use crate::config::ConfigError;

/// What a browser or an app is to be told, and how. Made by [`Settings::builder`].
#[derive(Debug, Clone)]
pub struct Settings {
    pub(super) refresh_path: String,
    pub(super) sign_out_path: String,
    pub(super) keys_path: String,
    pub(super) cookies: CookieSettings,
    pub(super) transfer: Transfer,
    pub(super) anti_csrf: AntiCsrfMode,
    pub(super) expired_status: u16,
    pub(super) invalid_claim_status: u16,
    pub(super) clear_site_data: bool,
}

impl Settings {
    /// Starts from the address that browsers reach the application by, such as `https://api.example.com`.
    pub fn builder(api: impl Into<String>) -> SettingsBuilder {
        SettingsBuilder {
            api: api.into(),
            website: None,
            base_path: "/auth".to_owned(),
            transfer: Transfer::Any,
            anti_csrf: None,
            same_site: None,
            secure: None,
            cookie_names: CookieNames::Prefixed,
            cookie_domain: None,
            former_cookies: Vec::new(),
            persistent: true,
            expired_status: 401,
            invalid_claim_status: 403,
            clear_site_data: false,
        }
    }

    /// Where `POST` refreshes: the base path with `/session/refresh`.
    #[must_use]
    pub fn refresh_path(&self) -> &str {
        &self.refresh_path
    }

    /// Where `POST` signs out: the base path with `/signout`.
    #[must_use]
    pub fn sign_out_path(&self) -> &str {
        &self.sign_out_path
    }

    /// Where `GET` brings the keys that access tokens are signed by, as a JSON Web Key Set: the base path with
    /// `/.well-known/jwks.json`.
    #[must_use]
    pub fn keys_path(&self) -> &str {
        &self.keys_path
    }

    /// How forged requests are told from the application's own.
    #[must_use]
    pub fn anti_csrf(&self) -> AntiCsrfMode {
        self.anti_csrf
    }

    /// What cookies look like.
    #[must_use]
    pub fn cookies(&self) -> &CookieSettings {
        &self.cookies
    }
}

/// How tokens go to the client and come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transfer {
    /// In headers for a client that asks for it by `st-auth-mode: header`, as apps do; in cookies otherwise.
    Any,
    /// In cookies only: no script ever sees a token.
    Cookie,
    /// In headers only.
    Header,
}

/// How a request that another site made a browser send is told from the application's own. Only cookies need it: what travels in
/// a header no other site can add.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AntiCsrfMode {
    /// The header `anti-csrf` has to bring a token that the session was created with. For browsers that know no `SameSite`. With a
    /// refresh, where the first front ends bring none, their own header is enough.
    Token,
    /// The header `rid` has to be there, whatever it says, or another of the front end's own: another site's script may not send it
    /// unless CORS lets it.
    CustomHeader,
    /// The cookies' `SameSite` is enough.
    SameSite,
}

/// Collects settings; [`SettingsBuilder::build`] checks them together.
#[derive(Debug, Clone)]
#[must_use]
pub struct SettingsBuilder {
    api: String,
    website: Option<String>,
    base_path: String,
    transfer: Transfer,
    anti_csrf: Option<AntiCsrfMode>,
    same_site: Option<SameSite>,
    secure: Option<bool>,
    cookie_names: CookieNames,
    cookie_domain: Option<String>,
    former_cookies: Vec<Former>,
    persistent: bool,
    expired_status: u16,
    invalid_claim_status: u16,
    clear_site_data: bool,
}

impl SettingsBuilder {
    /// The address of the page in front, where it is another than the application's own.
    pub fn website(mut self, website: impl Into<String>) -> Self {
        self.website = Some(website.into());
        self
    }

    /// Below which path `/session/refresh` and `/signout` are. Default `/auth`, as front ends have it.
    pub fn base_path(mut self, path: impl Into<String>) -> Self {
        self.base_path = path.into();
        self
    }

    /// Default [`Transfer::Any`].
    pub fn transfer(mut self, transfer: Transfer) -> Self {
        self.transfer = transfer;
        self
    }

    /// Default: [`AntiCsrfMode::CustomHeader`] where cookies are `SameSite=None`, [`AntiCsrfMode::SameSite`] otherwise.
    pub fn anti_csrf(mut self, mode: AntiCsrfMode) -> Self {
        self.anti_csrf = Some(mode);
        self
    }

    /// Default: `Lax`, or `None` where the page in front is another site, by its registrable domain or its scheme.
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = Some(same_site);
        self
    }

    /// Whether cookies travel over HTTPS only. Default: if the application's address begins with `https`.
    pub fn secure(mut self, secure: bool) -> Self {
        self.secure = Some(secure);
        self
    }

    /// Default [`CookieNames::Prefixed`].
    pub fn cookie_names(mut self, names: CookieNames) -> Self {
        self.cookie_names = names;
        self
    }

    /// Which domain, with all below it, gets the cookies. Default: the application's own host and no other.
    pub fn cookie_domain(mut self, domain: impl Into<String>) -> Self {
        self.cookie_domain = Some(domain.into());
        self
    }

    /// Cookies that an earlier deployment set, by another domain or another kind of names. They are still taken, and removed when
    /// the session moves to the new ones at its next refresh.
    pub fn former_cookies(mut self, former: Former) -> Self {
        self.former_cookies.push(former);
        self
    }

    /// Whether cookies outlive the browser. Default `true`.
    pub fn persistent_cookies(mut self, persistent: bool) -> Self {
        self.persistent = persistent;
        self
    }

    /// The status of a refused request without a session, or with one to be refreshed. Default 401; front ends have to be told of
    /// another.
    pub fn expired_status(mut self, status: u16) -> Self {
        self.expired_status = status;
        self
    }

    /// The status of a request whose session lacks what the route asks for. Default 403.
    pub fn invalid_claim_status(mut self, status: u16) -> Self {
        self.invalid_claim_status = status;
        self
    }

    /// Whether signing out makes the browser forget all that it keeps of this origin (`Clear-Site-Data: "cookies", "storage"`).
    /// Default `false`.
    pub fn clear_site_data(mut self, clear: bool) -> Self {
        self.clear_site_data = clear;
        self
    }

    /// Checks everything together.
    ///
    /// # Errors
    /// Names the first setting that does not fit.
    pub fn build(self) -> Result<Settings, ConfigError> {
        let api = address("api", &self.api)?;
        let website = match &self.website {
            Some(website) => address("website", website)?,
            None => api.clone(),
        };
        let base_path = path(&self.base_path)?;
        let secure = self.secure.unwrap_or(api.scheme() == "https");
        let same_site = self.same_site.unwrap_or(if same_site(&api, &website) {
            SameSite::Lax
        } else {
            SameSite::None
        });
        if same_site == SameSite::None && !secure && self.transfer != Transfer::Header {
            return Err(ConfigError::new(
                "secure",
                secure,
                "true, with an application at https: browsers take no cookie to another site otherwise",
            ));
        }
        if let Some(domain) = &self.cookie_domain {
            check_domain("cookie_domain", domain, &api)?;
        }
        for former in &self.former_cookies {
            if let Some(domain) = &former.domain {
                check_domain("former_cookies", domain, &api)?;
            }
        }
        for (setting, status) in [
            ("expired_status", self.expired_status),
            ("invalid_claim_status", self.invalid_claim_status),
        ] {
            if !(400..500).contains(&status) {
                return Err(ConfigError::new(setting, status, "from 400 to 499"));
            }
        }
        if self.expired_status == self.invalid_claim_status {
            return Err(ConfigError::new(
                "invalid_claim_status",
                self.invalid_claim_status,
                "another than expired_status",
            ));
        }
        let refresh_path = format!("{base_path}/session/refresh");
        let anti_csrf = self.anti_csrf.unwrap_or(match same_site {
            SameSite::None => AntiCsrfMode::CustomHeader,
            SameSite::Lax | SameSite::Strict => AntiCsrfMode::SameSite,
        });
        if anti_csrf == AntiCsrfMode::SameSite && same_site == SameSite::None {
            return Err(ConfigError::new(
                "anti_csrf",
                anti_csrf,
                "Token or CustomHeader, as cookies that go to every site protect nothing",
            ));
        }
        let cookies = CookieSettings::new(
            self.cookie_names,
            self.cookie_domain,
            secure,
            same_site,
            self.persistent,
            &refresh_path,
            self.former_cookies,
        );
        Ok(Settings {
            sign_out_path: format!("{base_path}/signout"),
            keys_path: format!("{base_path}/.well-known/jwks.json"),
            refresh_path,
            cookies,
            transfer: self.transfer,
            anti_csrf,
            expired_status: self.expired_status,
            invalid_claim_status: self.invalid_claim_status,
            clear_site_data: self.clear_site_data,
        })
    }
}

/// The longest that browsers keep a cookie (RFC 6265bis, 5.5).
pub(super) const LONGEST: Duration = Duration::from_hours(400 * 24);

fn address(setting: &'static str, text: &str) -> Result<Url, ConfigError> {
    let wrong = || ConfigError::new(setting, text, "an address such as https://api.example.com");
    let url = Url::parse(text).map_err(|_| wrong())?;
    let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
    if is_web && url.username().is_empty() && url.password().is_none() {
        Ok(url)
    } else {
        // What is written before an `@` may be a secret.
        Err(ConfigError::new(
            setting,
            url.host_str().unwrap_or_default(),
            "an address with http or https, without a user or a password",
        ))
    }
}

/// The path without a `/` at its end, as it stands in a `Path` attribute and in a request.
fn path(text: &str) -> Result<String, ConfigError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    let trimmed = text.trim_end_matches('/');
    let is_path = trimmed.is_empty() || trimmed.starts_with('/');
    if is_path && trimmed.bytes().all(allowed) && !trimmed.contains("//") {
        Ok(trimmed.to_owned())
    } else {
        Err(ConfigError::new(
            "base_path",
            text,
            "a path such as /auth, of letters, digits, `/`, `-`, `.`, `_` and `~`",
        ))
    }
}

/// Whether a request between the two is same-site: the registrable domain and the scheme (RFC 6265bis, 5.2).
fn same_site(api: &Url, website: &Url) -> bool {
    let site = |url: &Url| match url.host() {
        Some(Host::Domain(name)) => psl::domain_str(name).unwrap_or(name).to_owned(),
        _ => url.host_str().unwrap_or_default().to_owned(),
    };
    api.scheme() == website.scheme() && site(api) == site(website)
}

/// A domain that browsers let the application's host set cookies for.
fn check_domain(setting: &'static str, domain: &str, api: &Url) -> Result<(), ConfigError> {
    let host = api.host_str().unwrap_or_default();
    let name = domain.strip_prefix('.').unwrap_or(domain);
    let holds = host == name
        || host
            .strip_suffix(name)
            .is_some_and(|rest| rest.ends_with('.'));
    let is_address = host.parse::<IpAddr>().is_ok() || host.starts_with('[');
    let is_public = psl::suffix_str(name).is_some_and(|suffix| suffix == name);
    if holds && !is_address && !is_public {
        Ok(())
    } else {
        Err(ConfigError::new(
            setting,
            domain,
            format!("{host}, or a domain above it that is not a public suffix"),
        ))
    }
}

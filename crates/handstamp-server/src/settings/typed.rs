//! What the settings add up to: values that cannot be wrong any more.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use handstamp::jws::Algorithm;
use handstamp::{Config, HandleOrder};
use serde_json::{Map, Value};
use tracing::level_filters::LevelFilter;

use super::database::{ALLOWED, DatabaseUrl};
use super::{Access, Found, Origin, Settings, SettingsError, masked};

/// How the server runs.
#[derive(Debug, Clone)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a setting of its own"
)]
pub struct ServerConfig {
    /// The name or address to listen on.
    pub host: String,
    /// The port; 0 for any free one.
    pub port: u16,
    /// Where sessions are kept.
    pub database: DatabaseUrl,
    /// Whether an older schema on a database server is brought up to date at the start.
    pub auto_migrate: bool,
    /// What the engine goes by.
    pub engine: Config,
    /// Whether sessions of protocols up to 2.5 have anti-CSRF tokens.
    pub anti_csrf: bool,
    /// Whether verification asks the database if the session still exists.
    pub blacklisting: bool,
    /// Whether sessions of protocols up to 2.20 are signed for by the static key.
    pub static_keys: bool,
    /// What the reuse of a recent refresh token is reported as.
    pub recent_reuse: RecentReuse,
    /// Who may ask, and in which versions.
    pub access: Access,
    /// What clients of protocols up to 2.3 are told of cookies.
    pub cookies: Cookies,
    /// How long requests in flight get to finish at a shutdown.
    pub shutdown_timeout: Duration,
    /// What is logged.
    pub log_level: LevelFilter,
    /// How.
    pub log_format: LogFormat,
    /// The configuration file, if there is one.
    pub file: Option<PathBuf>,
    /// What all this was read from.
    settings: Settings,
}

impl ServerConfig {
    /// The same with what an app has of its own.
    pub(crate) fn with(&self, own: &Map<String, Value>) -> Result<Self, SettingsError> {
        Self::try_from(&self.settings.with(own))
    }
}

/// What the reuse of a refresh token is reported as that was good not long ago (protocol 5.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecentReuse {
    /// As theft.
    Theft,
    /// As if there were no session.
    Unauthorised,
}

/// Attributes of the session cookies.
#[derive(Debug, Clone)]
pub struct Cookies {
    /// The cookies' domain; the application's own host if not set.
    pub domain: Option<String>,
    /// For https only.
    pub secure: bool,
    /// What they have as `SameSite`; each protocol has its own default.
    pub same_site: Option<&'static str>,
    /// What an application answers when a session is over; each protocol has its own default.
    pub session_expired_status: Option<u16>,
    /// The path of the access token's cookie.
    pub access_path: String,
    /// The path of the refresh token's cookie.
    pub refresh_path: String,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// Reads single settings, and says what is wrong with them.
pub(super) struct Reader<'s>(&'s Settings);

impl Reader<'_> {
    pub(super) fn optional<T>(
        &self,
        name: &'static str,
        allowed: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, SettingsError> {
        match self.0.found.get(name) {
            Some(found) => parse(found.text.trim())
                .map(Some)
                .ok_or_else(|| self.invalid(name, allowed)),
            None => Ok(None),
        }
    }

    pub(super) fn required<T>(
        &self,
        name: &'static str,
        allowed: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<T, SettingsError> {
        self.optional(name, allowed, parse)?
            .ok_or_else(|| self.invalid(name, allowed))
    }

    pub(super) fn invalid(&self, name: &'static str, allowed: impl Into<String>) -> SettingsError {
        let unset = Found {
            text: String::new(),
            origin: Origin::Default,
        };
        let Found { text, origin } = self.0.found.get(name).cloned().unwrap_or(unset);
        SettingsError::Invalid {
            name,
            value: masked(name, &text),
            origin,
            allowed: allowed.into(),
        }
    }

    fn whole<T: FromStr>(&self, name: &'static str) -> Result<T, SettingsError> {
        self.required(name, "a whole number", |text| text.parse().ok())
    }

    fn flag(&self, name: &'static str) -> Result<bool, SettingsError> {
        self.required(name, "true or false", |text| {
            match text.to_ascii_lowercase().as_str() {
                "true" => Some(true),
                "false" => Some(false),
                _ => None,
            }
        })
    }

    /// A number of spans of `unit` seconds, fractions allowed.
    fn span(&self, name: &'static str, unit: f64) -> Result<Duration, SettingsError> {
        self.required(
            name,
            "a number, not below 0 and not above a few billion years",
            |text| Duration::try_from_secs_f64(text.parse::<f64>().ok()? * unit).ok(),
        )
    }

    fn path(&self, name: &'static str) -> Result<String, SettingsError> {
        self.required(
            name,
            "a path that begins with /, without spaces or ;",
            |text| {
                let fits = text.starts_with('/')
                    && text
                        .bytes()
                        .all(|byte| byte.is_ascii_graphic() && byte != b';');
                fits.then(|| text.to_owned())
            },
        )
    }
}

impl TryFrom<&Settings> for ServerConfig {
    type Error = SettingsError;

    fn try_from(settings: &Settings) -> Result<Self, SettingsError> {
        let read = Reader(settings);
        Ok(Self {
            host: read.required("host", "a host name or an address", |text| {
                (!text.is_empty()).then(|| text.to_owned())
            })?,
            port: read.required("port", "a port number from 0 to 65535", |text| {
                text.parse().ok()
            })?,
            database: read.required("database", ALLOWED, |text| text.parse().ok())?,
            auto_migrate: read.flag("auto_migrate")?,
            engine: engine(&read)?,
            anti_csrf: read.flag("enable_anti_csrf")?,
            blacklisting: read.flag("access_token_blacklisting")?,
            static_keys: !read.flag("access_token_signing_key_dynamic")?,
            recent_reuse: read.required(
                "recent_token_reuse_behaviour",
                "TOKEN_THEFT or UNAUTHORISED",
                |text| match text.to_ascii_uppercase().as_str() {
                    "TOKEN_THEFT" => Some(RecentReuse::Theft),
                    "UNAUTHORISED" => Some(RecentReuse::Unauthorised),
                    _ => None,
                },
            )?,
            access: Access::read(&read)?,
            cookies: Cookies {
                domain: read.optional("cookie_domain", "a domain name", |text| {
                    let fits = text
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
                    (fits && !text.is_empty()).then(|| text.to_owned())
                })?,
                secure: read.flag("cookie_secure")?,
                same_site: read.optional("cookie_same_site", "none, lax or strict", |text| {
                    let mut all = ["none", "lax", "strict"].into_iter();
                    all.find(|known| known.eq_ignore_ascii_case(text))
                })?,
                session_expired_status: read.optional(
                    "session_expired_status_code",
                    "a number from 400 to 599",
                    |text| text.parse().ok().filter(|code| (400..600).contains(code)),
                )?,
                access_path: read.path("access_token_path")?,
                refresh_path: read.path("refresh_api_path")?,
            },
            shutdown_timeout: Duration::from_secs(read.whole::<u32>("shutdown_timeout")?.into()),
            log_level: read.required("log_level", "DEBUG, INFO, WARN, ERROR or NONE", |text| {
                match text.to_ascii_uppercase().as_str() {
                    "DEBUG" => Some(LevelFilter::DEBUG),
                    "INFO" => Some(LevelFilter::INFO),
                    "WARN" => Some(LevelFilter::WARN),
                    "ERROR" => Some(LevelFilter::ERROR),
                    "NONE" => Some(LevelFilter::OFF),
                    _ => None,
                }
            })?,
            log_format: read.required("log_format", "text or json", |text| match text {
                "text" => Some(LogFormat::Text),
                "json" => Some(LogFormat::Json),
                _ => None,
            })?,
            file: settings.file().map(Into::into),
            settings: settings.clone(),
        })
    }
}

fn engine(read: &Reader<'_>) -> Result<Config, SettingsError> {
    const MINUTE: f64 = 60.0;
    const HOUR: f64 = 60.0 * MINUTE;
    let config = Config::builder()
        .access_token_validity(Duration::from_secs(read.whole("access_token_validity")?))
        .refresh_token_validity(read.span("refresh_token_validity", MINUTE)?)
        .grace_window(read.span("refresh_token_rotation_grace_period", 1.0)?)
        .signing_key_interval(read.span("access_token_signing_key_update_interval", HOUR)?)
        .signing_algorithm(
            read.required("signing_algorithm", "RS256, ES256 or EdDSA", |text| {
                let mut all = Algorithm::ALL.into_iter();
                all.find(|algorithm| algorithm.as_str().eq_ignore_ascii_case(text))
            })?,
        )
        .access_token_jitter(read.required(
            "access_token_validity_jitter",
            "a number from 0 to 0.25",
            |text| text.parse().ok(),
        )?)
        .cookie_access_token_bytes(read.whole("access_token_cookie_limit")?)
        .session_data_bytes(read.whole("session_data_limit")?)
        .handle_order(read.required(
            "session_handle_order",
            "time or random",
            |text| match text {
                "time" => Some(HandleOrder::Time),
                "random" => Some(HandleOrder::Random),
                _ => None,
            },
        )?)
        .build();
    config.map_err(|error| {
        let name = match error.setting() {
            "access_token_validity" => "access_token_validity",
            "refresh_token_validity" => "refresh_token_validity",
            "grace_window" => "refresh_token_rotation_grace_period",
            "access_token_jitter" => "access_token_validity_jitter",
            "signing_key_interval" => "access_token_signing_key_update_interval",
            "cookie_access_token_bytes" => "access_token_cookie_limit",
            "session_data_bytes" => "session_data_limit",
            other => other,
        };
        read.invalid(name, error.allowed())
    })
}

//! What an engine goes by, as JavaScript says it.

use std::path::{self, PathBuf};
use std::time::Duration;

use handstamp::Config;
use handstamp::config::{ConfigBuilder, ConfigError};
use napi_derive::napi;

/// How an engine is to be. What is left out is as by default.
#[napi(object, object_to_js = false)]
pub struct EngineSettings {
    /// `sqlite:PATH`, `postgres://USER:PASSWORD@HOST/DATABASE`, `mysql://USER:PASSWORD@HOST/DATABASE`, or `memory:`.
    pub database: String,
    /// Whether sessions have anti-CSRF tokens.
    pub enable_anti_csrf: bool,
    /// Whether every verification asks the database if the session is still there.
    pub access_token_blacklisting: bool,
    /// Whether a session is ended when somebody else is found to hold its tokens.
    pub revoke_on_theft: bool,
    /// Milliseconds that an access token is good for.
    pub access_token_validity: Option<f64>,
    /// Milliseconds that a session lives without being refreshed.
    pub refresh_token_validity: Option<f64>,
    /// Milliseconds that a session lives at the most.
    pub absolute_lifetime: Option<f64>,
    /// Milliseconds in which a repeated refresh gets the same answer.
    pub grace_window: Option<f64>,
    /// Milliseconds that a signing key signs.
    pub signing_key_interval: Option<f64>,
    /// Share of an access token's validity that is cut by chance, at the most.
    pub access_token_jitter: Option<f64>,
    /// Bytes of JSON that a session's data may have.
    pub session_data_limit: Option<f64>,
    /// Bytes, name included, that an access token may take as a cookie.
    pub access_token_cookie_limit: Option<f64>,
}

/// The same, checked.
pub(crate) struct Settings {
    pub(crate) database: Database,
    pub(crate) config: Config,
    pub(crate) anti_csrf: bool,
    pub(crate) blacklisting: bool,
    pub(crate) revoke_on_theft: bool,
}

/// Where sessions are kept.
pub(crate) enum Database {
    Memory,
    Sqlite(PathBuf),
    Postgres(Address),
    MySql(Address),
}

/// The address of a database server, which may hold a password: it is never shown.
pub(crate) struct Address(String);

impl Address {
    /// With all that is in it, for connecting.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

/// A setting that cannot be: which, and what it may be.
pub(crate) struct Unfit {
    pub(crate) setting: &'static str,
    pub(crate) allowed: String,
}

impl TryFrom<EngineSettings> for Settings {
    type Error = Unfit;

    fn try_from(given: EngineSettings) -> Result<Self, Unfit> {
        let mut config = Config::builder();
        config = set(
            config,
            "accessTokenValidity",
            given.access_token_validity,
            span,
            ConfigBuilder::access_token_validity,
        )?;
        config = set(
            config,
            "refreshTokenValidity",
            given.refresh_token_validity,
            span,
            ConfigBuilder::refresh_token_validity,
        )?;
        config = set(
            config,
            "absoluteLifetime",
            given.absolute_lifetime,
            span,
            |config, end| config.absolute_lifetime(Some(end)),
        )?;
        config = set(
            config,
            "graceWindow",
            given.grace_window,
            span,
            ConfigBuilder::grace_window,
        )?;
        config = set(
            config,
            "signingKeyInterval",
            given.signing_key_interval,
            span,
            ConfigBuilder::signing_key_interval,
        )?;
        config = set(
            config,
            "accessTokenJitter",
            given.access_token_jitter,
            share,
            ConfigBuilder::access_token_jitter,
        )?;
        config = set(
            config,
            "sessionDataLimit",
            given.session_data_limit,
            bytes,
            ConfigBuilder::session_data_bytes,
        )?;
        config = set(
            config,
            "accessTokenCookieLimit",
            given.access_token_cookie_limit,
            bytes,
            ConfigBuilder::cookie_access_token_bytes,
        )?;
        Ok(Self {
            database: database(&given.database)?,
            config: config.build().map_err(|why| unfit(&why))?,
            anti_csrf: given.enable_anti_csrf,
            blacklisting: given.access_token_blacklisting,
            revoke_on_theft: given.revoke_on_theft,
        })
    }
}

fn set<T>(
    config: ConfigBuilder,
    setting: &'static str,
    given: Option<f64>,
    read: impl Fn(f64) -> Result<T, &'static str>,
    set: impl Fn(ConfigBuilder, T) -> ConfigBuilder,
) -> Result<ConfigBuilder, Unfit> {
    let Some(given) = given else {
        return Ok(config);
    };
    let value = read(given).map_err(|allowed| Unfit {
        setting,
        allowed: allowed.to_owned(),
    })?;
    Ok(set(config, value))
}

fn span(millis: f64) -> Result<Duration, &'static str> {
    Duration::try_from_secs_f64(millis / 1000.0).map_err(|_| "a number of milliseconds, 0 or more")
}

fn share(share: f64) -> Result<f64, &'static str> {
    if share.is_finite() {
        Ok(share)
    } else {
        Err("a number from 0 to 0.25")
    }
}

fn bytes(count: f64) -> Result<usize, &'static str> {
    // Exact up to the bound, which is beyond all limits that make sense.
    let whole = count.fract() == 0.0 && (0.0..=4_294_967_295.0).contains(&count);
    let seconds = Duration::try_from_secs_f64(count).ok().filter(|_| whole);
    seconds
        .and_then(|seconds| usize::try_from(seconds.as_secs()).ok())
        .ok_or("a whole number of bytes")
}

fn database(text: &str) -> Result<Database, Unfit> {
    match text.split_once(':') {
        Some(("memory", "")) => Ok(Database::Memory),
        // What SQLite itself would take for a database in memory is not a file of that name.
        Some(("sqlite", path)) if !path.is_empty() && !path.ends_with(":memory:") => {
            // Both sqlite:PATH and sqlite://PATH are about.
            let path = path
                .strip_prefix("//")
                .filter(|path| !path.is_empty())
                .unwrap_or(path);
            // As it is now: where the process works may change before the file is opened.
            let path = path::absolute(path).map_err(|_| Unfit {
                setting: "database",
                allowed: "an absolute path, because the working directory is not known".to_owned(),
            })?;
            Ok(Database::Sqlite(path))
        }
        Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => {
            Ok(Database::Postgres(Address(text.to_owned())))
        }
        Some(("mysql" | "mariadb", rest)) if rest.starts_with("//") => {
            Ok(Database::MySql(Address(text.to_owned())))
        }
        _ => Err(Unfit {
            setting: "database",
            allowed: "sqlite:PATH, postgres://USER:PASSWORD@HOST/DATABASE, mysql://USER:PASSWORD@HOST/DATABASE or memory:".to_owned(),
        }),
    }
}

/// The same words, with the names that JavaScript has for settings.
fn unfit(error: &ConfigError) -> Unfit {
    let setting = match error.setting() {
        "access_token_validity" => "accessTokenValidity",
        "refresh_token_validity" => "refreshTokenValidity",
        "absolute_lifetime" => "absoluteLifetime",
        "grace_window" => "graceWindow",
        "signing_key_interval" => "signingKeyInterval",
        "access_token_jitter" => "accessTokenJitter",
        "session_data_bytes" => "sessionDataLimit",
        "cookie_access_token_bytes" => "accessTokenCookieLimit",
        other => other,
    };
    Unfit {
        setting,
        allowed: error
            .allowed()
            .replace("access_token_validity", "accessTokenValidity"),
    }
}

//! What the environment says of the deployment.

use std::env;
use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use handstamp::Config;
use handstamp::web::{AntiCsrfMode, CookieNames, Former, Settings};
use serde::Serialize;

/// All of it has defaults.
pub(crate) struct Environment {
    /// `LISTEN`: where the application answers. What is in front of it, such as a proxy with a certificate, may be elsewhere.
    pub(crate) listen: String,
    /// `DATABASE`: the sessions' file.
    pub(crate) database: PathBuf,
    /// `FRONT`: the folder with the page, built.
    pub(crate) front: PathBuf,
    pub(crate) page: Page,
    pub(crate) config: Config,
    pub(crate) settings: Settings,
    /// `MOVABLE_CLOCK`: set for tests only.
    pub(crate) is_clock_movable: bool,
}

/// What the page is told.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Page {
    /// `API`: the address that browsers reach the application by.
    api: String,
    /// `WEBSITE`: that of the page.
    pub(crate) website: String,
    /// `TRANSFER`: `cookie`, or `header` for a page that keeps its tokens itself. The application goes by what requests say.
    transfer: String,
}

impl Environment {
    pub(crate) fn read() -> Result<Self, Box<dyn Error>> {
        let listen = variable("LISTEN").unwrap_or("localhost:3000".to_owned());
        let api = variable("API").unwrap_or(format!("http://{listen}"));
        let page = Page {
            website: variable("WEBSITE").unwrap_or(api.clone()),
            transfer: variable("TRANSFER").unwrap_or("cookie".to_owned()),
            api,
        };
        let built = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/browser/page");
        Ok(Self {
            database: variable("DATABASE")
                .unwrap_or("sessions.db".to_owned())
                .into(),
            front: variable("FRONT").unwrap_or(built.to_owned()).into(),
            config: config()?,
            settings: settings(&page)?,
            is_clock_movable: variable("MOVABLE_CLOCK").is_some(),
            listen,
            page,
        })
    }
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// `ACCESS_TOKEN_VALIDITY`: in seconds.
fn config() -> Result<Config, Box<dyn Error>> {
    let mut config = Config::builder();
    if let Some(seconds) = variable("ACCESS_TOKEN_VALIDITY") {
        config = config.access_token_validity(Duration::from_secs(seconds.parse()?));
    }
    Ok(config.build()?)
}

/// `COOKIE_NAMES` (`prefixed` or `plain`), `COOKIE_DOMAIN`, `FORMER_COOKIES` (names and domain of an earlier deployment, such as
/// `plain@example.com` or, for the application's own host, `prefixed@`; several with commas between), `ANTI_CSRF` (`token`, `header` or
/// `same-site`).
fn settings(page: &Page) -> Result<Settings, Box<dyn Error>> {
    let mut settings = Settings::builder(&page.api).website(&page.website);
    if let Some(kind) = variable("COOKIE_NAMES") {
        settings = settings.cookie_names(names("COOKIE_NAMES", &kind)?);
    }
    if let Some(domain) = variable("COOKIE_DOMAIN") {
        settings = settings.cookie_domain(domain);
    }
    for former in variable("FORMER_COOKIES")
        .iter()
        .flat_map(|all| all.split(','))
    {
        let (kind, domain) = former
            .split_once('@')
            .ok_or_else(|| unknown("FORMER_COOKIES", former))?;
        settings = settings.former_cookies(Former {
            names: names("FORMER_COOKIES", kind)?,
            domain: (!domain.is_empty()).then(|| domain.to_owned()),
        });
    }
    if let Some(mode) = variable("ANTI_CSRF") {
        settings = settings.anti_csrf(match &*mode {
            "token" => AntiCsrfMode::Token,
            "header" => AntiCsrfMode::CustomHeader,
            "same-site" => AntiCsrfMode::SameSite,
            other => return Err(unknown("ANTI_CSRF", other)),
        });
    }
    Ok(settings.build()?)
}

fn names(variable: &str, kind: &str) -> Result<CookieNames, Box<dyn Error>> {
    match kind {
        "prefixed" => Ok(CookieNames::Prefixed),
        "plain" => Ok(CookieNames::Plain),
        other => Err(unknown(variable, other)),
    }
}

fn unknown(variable: &str, value: &str) -> Box<dyn Error> {
    format!("{variable} cannot be {value:?}").into()
}

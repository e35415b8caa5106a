//! How long things live and how large they may be: values that cannot contradict each other.

use std::fmt;
use std::time::Duration;

use crate::id::HandleOrder;
use crate::jws::Algorithm;
use crate::keys::KeyLife;
use crate::token::access;

/// What an [`crate::Engine`] goes by. Made by [`Config::builder`], which refuses what does not fit together.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    access_token_validity: Duration,
    refresh_token_validity: Duration,
    absolute_lifetime: Option<Duration>,
    grace_window: Duration,
    signing_key_interval: Duration,
    signing_algorithm: Algorithm,
    access_token_jitter: f64,
    cookie_access_token_bytes: usize,
    session_data_bytes: usize,
    handle_order: HandleOrder,
}

impl Default for Config {
    fn default() -> Self {
        const HOUR: u64 = 60 * 60;
        Self {
            access_token_validity: Duration::from_secs(HOUR),
            refresh_token_validity: Duration::from_secs(100 * 24 * HOUR),
            absolute_lifetime: None,
            grace_window: Duration::from_secs(10),
            signing_key_interval: Duration::from_secs(168 * HOUR),
            signing_algorithm: Algorithm::Rs256,
            access_token_jitter: 0.0,
            cookie_access_token_bytes: 4096,
            session_data_bytes: 1024 * 1024,
            handle_order: HandleOrder::Time,
        }
    }
}

impl Config {
    /// Starts from the defaults.
    pub fn builder() -> ConfigBuilder {
        ConfigBuilder(Self::default())
    }

    /// How long an access token is good for. Default 1 h.
    #[must_use]
    pub fn access_token_validity(&self) -> Duration {
        self.access_token_validity
    }

    /// How long a session lives without being refreshed. Default 100 days.
    #[must_use]
    pub fn refresh_token_validity(&self) -> Duration {
        self.refresh_token_validity
    }

    /// How long a session lives at the most, however much it is used. Default: no bound.
    #[must_use]
    pub fn absolute_lifetime(&self) -> Option<Duration> {
        self.absolute_lifetime
    }

    /// How long a repeated refresh gets the same answer. Default 10 s.
    #[must_use]
    pub fn grace_window(&self) -> Duration {
        self.grace_window
    }

    /// How long a signing key signs. Default 168 h.
    #[must_use]
    pub fn signing_key_interval(&self) -> Duration {
        self.signing_key_interval
    }

    /// How tokens are signed that are JWTs. Default RS256. Formats that are none are always signed by RSA.
    #[must_use]
    pub fn signing_algorithm(&self) -> Algorithm {
        self.signing_algorithm
    }

    /// Which share of an access token's validity is cut by chance, at the most. Default 0: a token lives as long as it is said to.
    #[must_use]
    pub fn access_token_jitter(&self) -> f64 {
        self.access_token_jitter
    }

    /// How many bytes, with its name, an access token may have that travels in a cookie only. Default 4096.
    #[must_use]
    pub fn cookie_access_token_bytes(&self) -> usize {
        self.cookie_access_token_bytes
    }

    /// How many bytes of JSON text a session's data may have. Default 1 MiB.
    #[must_use]
    pub fn session_data_bytes(&self) -> usize {
        self.session_data_bytes
    }

    /// How new session handles follow each other. Default: in time.
    #[must_use]
    pub fn handle_order(&self) -> HandleOrder {
        self.handle_order
    }

    pub(crate) fn key_life(&self) -> KeyLife {
        KeyLife {
            interval: self.signing_key_interval,
            token_validity: self.access_token_validity,
        }
    }
}

/// What a token takes with an empty payload and the longest user id, however it has to be spelt, and a little.
const COOKIE_LEAST: usize = 2560;

/// Collects settings; [`ConfigBuilder::build`] checks them.
#[derive(Debug, Clone)]
#[must_use]
pub struct ConfigBuilder(Config);

/// A setting that cannot be. The text says which, what it was, and what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{setting} is {value}, but must be {allowed}")]
pub struct ConfigError {
    setting: &'static str,
    value: String,
    allowed: String,
}

impl ConfigError {
    pub(crate) fn new(
        setting: &'static str,
        value: impl fmt::Debug,
        allowed: impl Into<String>,
    ) -> Self {
        Self {
            setting,
            value: format!("{value:?}"),
            allowed: allowed.into(),
        }
    }

    /// Which setting it is, named as the method of [`ConfigBuilder`] that sets it.
    #[must_use]
    pub fn setting(&self) -> &'static str {
        self.setting
    }

    /// What it may be.
    #[must_use]
    pub fn allowed(&self) -> &str {
        &self.allowed
    }
}

impl ConfigBuilder {
    /// See [`Config::access_token_validity`]. 1 s to 1000 days.
    pub fn access_token_validity(mut self, validity: Duration) -> Self {
        self.0.access_token_validity = validity;
        self
    }

    /// See [`Config::refresh_token_validity`]. Longer than the access token's validity.
    pub fn refresh_token_validity(mut self, validity: Duration) -> Self {
        self.0.refresh_token_validity = validity;
        self
    }

    /// See [`Config::absolute_lifetime`]. At least a second.
    pub fn absolute_lifetime(mut self, lifetime: Option<Duration>) -> Self {
        self.0.absolute_lifetime = lifetime;
        self
    }

    /// See [`Config::grace_window`]. 0 to 300 s.
    pub fn grace_window(mut self, window: Duration) -> Self {
        self.0.grace_window = window;
        self
    }

    /// See [`Config::signing_key_interval`]. At least 1 s.
    pub fn signing_key_interval(mut self, interval: Duration) -> Self {
        self.0.signing_key_interval = interval;
        self
    }

    /// See [`Config::signing_algorithm`].
    pub fn signing_algorithm(mut self, algorithm: Algorithm) -> Self {
        self.0.signing_algorithm = algorithm;
        self
    }

    /// See [`Config::access_token_jitter`]. 0 to 0.25.
    pub fn access_token_jitter(mut self, share: f64) -> Self {
        self.0.access_token_jitter = share;
        self
    }

    /// See [`Config::cookie_access_token_bytes`]. From 2560, which the longest user id needs, to 65536, the longest token.
    pub fn cookie_access_token_bytes(mut self, bytes: usize) -> Self {
        self.0.cookie_access_token_bytes = bytes;
        self
    }

    /// See [`Config::handle_order`].
    pub fn handle_order(mut self, order: HandleOrder) -> Self {
        self.0.handle_order = order;
        self
    }

    /// See [`Config::session_data_bytes`]. At least 2, for `{}`.
    pub fn session_data_bytes(mut self, bytes: usize) -> Self {
        self.0.session_data_bytes = bytes;
        self
    }

    /// Checks everything together.
    ///
    /// # Errors
    /// Names the first setting that does not fit.
    pub fn build(self) -> Result<Config, ConfigError> {
        let Self(config) = self;
        let second = Duration::from_secs(1);
        let access = config.access_token_validity;
        if !(second..=second * 86_400_000).contains(&access) {
            return Err(ConfigError::new(
                "access_token_validity",
                access,
                "from 1 s to 86400000 s",
            ));
        }
        let refresh = config.refresh_token_validity;
        if refresh <= access {
            let allowed = format!("longer than access_token_validity, which is {access:?}");
            return Err(ConfigError::new("refresh_token_validity", refresh, allowed));
        }
        if let Some(lifetime) = config
            .absolute_lifetime
            .filter(|lifetime| *lifetime < second)
        {
            return Err(ConfigError::new(
                "absolute_lifetime",
                lifetime,
                "at least 1 s",
            ));
        }
        if config.grace_window > second * 300 {
            return Err(ConfigError::new(
                "grace_window",
                config.grace_window,
                "from 0 s to 300 s",
            ));
        }
        if config.signing_key_interval < second {
            return Err(ConfigError::new(
                "signing_key_interval",
                config.signing_key_interval,
                "at least 1 s",
            ));
        }
        if !(0.0..=0.25).contains(&config.access_token_jitter) {
            let jitter = config.access_token_jitter;
            return Err(ConfigError::new(
                "access_token_jitter",
                jitter,
                "from 0 to 0.25",
            ));
        }
        if !(COOKIE_LEAST..=access::MAX_LEN).contains(&config.cookie_access_token_bytes) {
            let allowed = format!("from {COOKIE_LEAST} to {}", access::MAX_LEN);
            return Err(ConfigError::new(
                "cookie_access_token_bytes",
                config.cookie_access_token_bytes,
                allowed,
            ));
        }
        if config.session_data_bytes < 2 {
            return Err(ConfigError::new(
                "session_data_bytes",
                config.session_data_bytes,
                "at least 2",
            ));
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_fit() {
        assert_eq!(Config::builder().build().unwrap(), Config::default());
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let second = Duration::from_secs(1);
        let cases = [
            (
                Config::builder().access_token_validity(Duration::ZERO),
                "access_token_validity",
            ),
            (
                Config::builder().access_token_validity(second * 86_400_001),
                "access_token_validity",
            ),
            (
                Config::builder().refresh_token_validity(second * 3600),
                "refresh_token_validity",
            ),
            (
                Config::builder().absolute_lifetime(Some(Duration::ZERO)),
                "absolute_lifetime",
            ),
            (Config::builder().grace_window(second * 301), "grace_window"),
            (
                Config::builder().signing_key_interval(second / 2),
                "signing_key_interval",
            ),
            (
                Config::builder().cookie_access_token_bytes(2559),
                "cookie_access_token_bytes",
            ),
            (
                Config::builder().cookie_access_token_bytes(65_537),
                "cookie_access_token_bytes",
            ),
            (
                Config::builder().session_data_bytes(1),
                "session_data_bytes",
            ),
        ];
        for (builder, setting) in cases {
            let error = builder.build().unwrap_err();
            assert_eq!(error.setting(), setting);
            assert!(error.to_string().starts_with(setting), "{error}");
        }
    }
}

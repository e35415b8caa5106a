//! How a server is asked.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use reqwest::header::HeaderValue;
use reqwest::redirect::Policy;

use super::error::{Fault, RemoteError};
use super::hosts::{Hosts, Turns};
use super::keys::Keys;
use super::link::Link;
use super::version::Negotiated;
use super::{Inner, Remote};
use crate::clock::{Clock, SystemClock};
use crate::engine::Error;
use crate::id::{AppId, Invalid};
use crate::token::Secret;

/// How long a connection that nobody uses is kept: less than servers keep it, so that it is rarely gone when it is used again.
const IDLE: Duration = Duration::from_secs(15);

/// What there is to say about a server before it is asked. Nothing is sent, and nothing found wrong, before [`Builder::build`].
pub struct Builder {
    hosts: Hosts,
    app: AppId,
    api_key: Option<Secret>,
    connect_timeout: Duration,
    request_timeout: Duration,
    user_agent: String,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for Builder {
    /// The API key stays out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("hosts", &self.hosts)
            .field("app", &self.app)
            .field("connect_timeout", &self.connect_timeout)
            .field("request_timeout", &self.request_timeout)
            .field("user_agent", &self.user_agent)
            .finish_non_exhaustive()
    }
}

impl Builder {
    pub(super) fn new(hosts: Hosts) -> Self {
        Self {
            hosts,
            app: AppId::PUBLIC,
            api_key: None,
            connect_timeout: Duration::from_secs(3),
            request_timeout: Duration::from_secs(10),
            user_agent: concat!("handstamp/", env!("CARGO_PKG_VERSION")).to_owned(),
            clock: Arc::new(SystemClock),
        }
    }

    /// Whose sessions: the default app's, unless said otherwise here or by `/appid-...` in the hosts' paths.
    #[must_use]
    pub fn app(self, app: AppId) -> Self {
        Self { app, ..self }
    }

    /// What lets its holder ask, sent as the header `api-key`; none unless one is given.
    #[must_use]
    pub fn api_key(self, key: Secret) -> Self {
        let api_key = Some(key);
        Self { api_key, ..self }
    }

    /// How long a connection may take to come about, TLS included: 3 s. After that the next host is asked.
    #[must_use]
    pub fn connect_timeout(self, connect_timeout: Duration) -> Self {
        Self {
            connect_timeout,
            ..self
        }
    }

    /// How long one host may take for its whole answer, the connection included: 10 s. It must be more than the former.
    #[must_use]
    pub fn request_timeout(self, request_timeout: Duration) -> Self {
        Self {
            request_timeout,
            ..self
        }
    }

    /// How the client calls itself: `handstamp/` and its version, unless another name is given.
    #[must_use]
    pub fn user_agent(self, name: impl Into<String>) -> Self {
        Self {
            user_agent: name.into(),
            ..self
        }
    }

    /// Where the time comes from: the machine, unless there is another clock. Timeouts go by the machine's in any case.
    #[must_use]
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// A client by these settings. It connects when it is first asked for something.
    ///
    /// # Errors
    /// [`Error::Invalid`] names the setting that cannot be, and what it must be. [`Error::Failure`] when there is a host to be
    /// asked over TLS, and the certificates that this machine trusts cannot be read.
    pub fn build(self) -> Result<Remote, Error> {
        let Self {
            hosts,
            app,
            api_key,
            connect_timeout,
            request_timeout,
            user_agent,
            clock,
        } = self;
        if app != AppId::PUBLIC && hosts.name_an_app() {
            let expected = "must not be given where a host's path names one";
            return Err(Invalid::new("app id", expected).into());
        }
        if connect_timeout.is_zero() {
            return Err(Invalid::new("connect timeout", "must be more than 0").into());
        }
        if request_timeout <= connect_timeout {
            let expected = "must be more than the connect timeout";
            return Err(Invalid::new("request timeout", expected).into());
        }
        let user_agent = HeaderValue::try_from(user_agent)
            .map_err(|_| Invalid::new("user agent", "must be visible ASCII characters"))?;
        let api_key = api_key.as_ref().map(key_header).transpose()?;
        let mut client = Client::builder()
            .user_agent(user_agent)
            .connect_timeout(connect_timeout)
            .pool_idle_timeout(IDLE)
            // The API key is for these hosts, and for nobody whom they name.
            .redirect(Policy::none())
            .referer(false)
            .no_proxy();
        if !hosts.has_tls() {
            // A machine without any certificates can do without.
            client = client.tls_certs_only([]);
        }
        let client = client.build().map_err(|why| {
            let what = "the certificates that this machine trusts cannot be read";
            RemoteError::new("", "", Fault::Unspeakable(what)).because(why)
        })?;
        let link = Link {
            client,
            turns: Turns::of(hosts.urls().len()),
            hosts,
            app,
            api_key,
            timeout: request_timeout,
            clock,
        };
        Ok(Remote {
            inner: Arc::new(Inner {
                link,
                version: Negotiated::default(),
                keys: Keys::default(),
            }),
        })
    }
}

/// The key, as it is sent. White space around it would get lost on the way.
fn key_header(key: &Secret) -> Result<HeaderValue, Invalid> {
    let text = key.expose();
    let is_visible = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    let header = HeaderValue::from_str(text).ok().filter(|_| is_visible);
    let expected = "must be visible ASCII characters without white space";
    let mut header = header.ok_or_else(|| Invalid::new("API key", expected))?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn builder() -> Builder {
        Builder::new("http://127.0.0.1:1/appid-a".parse().unwrap())
    }

    #[test]
    fn a_setting_that_cannot_be_is_named_and_no_secret_with_it() {
        let ms = Duration::from_millis;
        let canary = || Secret::new("canary \u{e9}".to_owned());
        for (builder, said) in [
            (
                builder().app(AppId::parse("b").unwrap()),
                "app id must not be given where a host's path names one",
            ),
            (
                builder().connect_timeout(ms(0)),
                "connect timeout must be more than 0",
            ),
            (
                builder().connect_timeout(ms(5)).request_timeout(ms(5)),
                "request timeout must be more than the connect timeout",
            ),
            (
                builder().user_agent("a\nb"),
                "user agent must be visible ASCII characters",
            ),
            (
                builder().api_key(canary()),
                "API key must be visible ASCII characters without white space",
            ),
            (
                builder().api_key(Secret::new(String::new())),
                "API key must be visible ASCII characters without white space",
            ),
        ] {
            assert_eq!(builder.build().unwrap_err().to_string(), said);
        }
        assert!(!format!("{:?}", builder().api_key(canary())).contains("canary"));
        let key = Secret::new("canary-0123456789-0123".to_owned());
        let built = builder().api_key(key).build().unwrap();
        assert!(!format!("{built:?} {built:#?}").contains("canary"));
    }
}

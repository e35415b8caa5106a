//! Sessions in a web application, as every SuperTokens front end has them.

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, Method};

use crate::backend::{Backend, Confirmation};
use crate::clock::UnixMillis;
use crate::id::{SessionHandle, UserId};

#[cfg(feature = "actix")]
pub mod actix;
#[cfg(feature = "axum")]
mod axum;
mod claims;
mod confirmations;
mod cookies;
mod endpoints;
mod layer;
mod refusal;
mod request;
mod response;
mod session;
mod sessions;
mod settings;

pub use claims::{Claim, Guard, InvalidClaim};
use confirmations::Confirmations;
pub use cookies::{CookieNames, CookieSettings, Former, SameSite};
use endpoints::Endpoint;
pub use layer::{SessionLayer, SessionService};
pub use refusal::Refusal;
pub use request::{ANTI_CSRF, AUTH_MODE, FDI_VERSION, REQUEST_HEADERS, RID, SDK_NAME, SDK_VERSION};
pub use response::{ACCESS_TOKEN, FRONT_TOKEN, ID_REFRESH_TOKEN, REFRESH_TOKEN, RESPONSE_HEADERS};
pub use session::Session;
pub use sessions::{Creation, Sessions};
pub use settings::{AntiCsrfMode, Settings, SettingsBuilder, Transfer};

/// An application's sessions: where they live, and how they travel. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Web(Arc<Inner>);

struct Inner {
    backend: Backend,
    settings: Settings,
    confirmations: Arc<Confirmations>,
    on_reuse: Option<Box<OnReuse>>,
}

/// See [`Web::on_reuse`].
type OnReuse = dyn Fn(&SessionHandle, &UserId) + Send + Sync;

impl fmt::Debug for Web {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Web")
            .field("settings", &self.0.settings)
            .finish_non_exhaustive()
    }
}

impl Web {
    /// Sessions of `backend` that travel as `settings` say.
    #[must_use]
    pub fn new(backend: impl Into<Backend>, settings: Settings) -> Self {
        Self::build(backend.into(), settings, None)
    }

    /// The same; `tell` hears of each session that two parties were found to have the tokens of. It has been ended by then. The user
    /// may want to know.
    #[must_use]
    pub fn on_reuse(
        backend: impl Into<Backend>,
        settings: Settings,
        tell: impl Fn(&SessionHandle, &UserId) + Send + Sync + 'static,
    ) -> Self {
        Self::build(backend.into(), settings, Some(Box::new(tell)))
    }

    fn build(backend: Backend, settings: Settings, on_reuse: Option<Box<OnReuse>>) -> Self {
        Self(Arc::new(Inner {
            backend,
            settings,
            confirmations: Arc::default(),
            on_reuse,
        }))
    }

    /// Where the sessions live.
    #[must_use]
    pub fn backend(&self) -> &Backend {
        &self.0.backend
    }

    /// How they travel.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// The sessions of one request's client.
    fn sessions(&self, method: &Method, headers: &HeaderMap) -> Sessions {
        Sessions::new(self.clone(), method, headers)
    }

    fn endpoint(&self, method: &Method, path: &str) -> Option<Endpoint> {
        Endpoint::of(self.settings(), method, path)
    }

    fn now(&self) -> UnixMillis {
        self.0.backend.now()
    }

    fn confirm_later(&self, token: &str, what: Confirmation) {
        self.0.confirmations.tell(&self.0.backend, token, what);
    }

    fn tell_reuse(&self, handle: &SessionHandle, user_id: &UserId) {
        if let Some(tell) = &self.0.on_reuse {
            tell(handle, user_id);
        }
    }
}

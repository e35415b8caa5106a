//! Sessions in a web application, as every SuperTokens front end has them: the Frontend Driver Interface, from the 1.x family to today's.
//!
//! An application says where its sessions live ([`crate::backend::Backend`]) and how they travel ([`Settings`]), puts a [`SessionLayer`]
//! around its routes, and asks for a [`Session`] in each handler that needs one. The page in front uses `supertokens-website`, or an app
//! its mobile SDK, as it is. `POST /auth/session/refresh` and `POST /auth/signout` are answered by the layer. For
//! actix-web a middleware does the layer's work: module `actix`.
//!
//! Nothing is read before a handler asks. An access token is checked by its signature, at once, in this process; the store is asked when
//! a session is made, refreshed or ended, for session data, and by [`Session::check_storage`]. That an access token of a refresh was used
//! is told to the store while nobody waits, once for each token and process.
//!
//! # What goes over the wire
//!
//! | what | where | why it is as it is |
//! |---|---|---|
//! | access token | cookie `__Host-sAccessToken`, `Path=/`; or the header `st-access-token`, and back in `Authorization: Bearer` | `HttpOnly`: no script reads it, so that injected script cannot carry it away. `Secure`: it never travels in the clear. `__Host-`: no sibling domain and no plain HTTP can have planted it (session fixation). The cookie outlives the token: that the token is over tells the front end to refresh. |
//! | refresh token | cookie `__Secure-sRefreshToken`, `Path=/auth/session/refresh`; or `st-refresh-token` and `Authorization: Bearer` | As above, and sent to one path only: no log, proxy or handler of another route ever sees it. That costs it the `__Host-` prefix, which demands `Path=/`; a planted one is told by its MAC, and of several the good one counts. |
//! | anti-CSRF token | header `anti-csrf`, both ways, with [`AntiCsrfMode::Token`] | A page of another site can make the browser send cookies, but not this header. |
//! | `rid` | request header, with [`AntiCsrfMode::CustomHeader`] | The same, without a token: a header that is not on CORS's safe list needs the application's leave. |
//! | `front-token` | response header: user id, the access token's end, payload; `remove` at the end | What a page may know of its session. No secret. |
//! | `id-refresh-token`, cookie `sIdRefreshToken` | for front ends of the 1.x family | They tell one refresh from the next by it. Nobody checks it. |
//! | `st-auth-mode`, `fdi-version` | request headers | What the client wants its tokens in, and which family it is of. |
//! | `Cache-Control: no-store` | every response that sets, takes back or refuses a token | No shared cache hands one user's cookies to another. |
//! | `Clear-Site-Data` | sign-out, by [`SettingsBuilder::clear_site_data`] | What else the page kept of the user goes as well. |
//!
//! Over plain HTTP, as in development, cookies have no `Secure` and no prefix. With a [`SettingsBuilder::cookie_domain`], `__Secure-` takes
//! the place of `__Host-`. [`CookieNames::Plain`] has the names of SuperTokens' SDKs, for taking their place without a sign-out.
//!
//! # Defaults, and what each answers
//!
//! - `SameSite=Lax` where page and application are one site, by registrable domain and scheme: another site's forms and images send no
//!   cookies with anything but a navigation. A subdomain that somebody else controls is the same site: who has such chooses
//!   [`AntiCsrfMode::CustomHeader`].
//! - `SameSite=None` with [`AntiCsrfMode::CustomHeader`] where they are two sites, over HTTPS only.
//! - GET, HEAD and OPTIONS are not checked against forgery: they must change nothing.
//! - Tokens go in cookies unless the client says `st-auth-mode: header`. [`Transfer::Cookie`] refuses that, so that injected script cannot
//!   sign in by it and read tokens.
//! - A refused refresh takes no cookie back. Its answer may arrive after that of a newer sign-in in another tab, and would end that; what is
//!   refused is dead on the server anyhow. Signing out takes them back.
//! - Cookie names are compared byte for byte, and at most four tokens of a kind are looked at: neither look-alikes nor a flood of
//!   planted cookies hide the good one for long or cost much.
//! - Tokens in the URL or the body are not read.
//!
//! # Statuses
//!
//! | status | body | what the front end does |
//! |---|---|---|
//! | 401 | `{"message":"unauthorised"}` | No session: the user signs in. |
//! | 401 | `{"message":"try refresh token"}` | The access token is over, or its anti-CSRF check failed: it refreshes, and repeats the request. |
//! | 401 | `{"message":"token theft detected"}` | From a refresh: the session has been ended. [`Web::on_reuse`] is told. |
//! | 403 | `{"message":"invalid claim","claimValidationErrors":[..]}` | The session lacks what the route asks for ([`Guard`]). |
//! | 409 | `{"message":"superseded by another refresh, try again"}` | From a refresh: another tab has newer tokens in the same jar. The session goes on. |
//! | 503, 500 | a message | The store or the keys failed. Nothing is known of the session, and nothing is lost. |
//!
//! 401 and 403 can be others ([`SettingsBuilder::expired_status`], [`SettingsBuilder::invalid_claim_status`]). A handler that takes
//! `Result<Session, Refusal>` answers as it likes, and a layer outside finds the [`Refusal`] in a response's extensions, as `Arc<Refusal>`.
//!
//! # CORS
//!
//! For a page on another origin, the application's CORS layer allows [`REQUEST_HEADERS`] and exposes [`RESPONSE_HEADERS`], with
//! credentials and the page's very origin. It goes around the session layer, so that the refresh has it, too.

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
mod require;
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
pub use require::{RequireLayer, RequireService};
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

//! The core driver interface: what SDKs of SuperTokens ask of a core.
//!
//! One module an epoch, each saying what changed since the one before, as a table of operations; `version` chooses the table,
//! `route` reads the path, `operations` is what they are tables of, `handlers` what the entries do, `body`, `reply` and `parts`
//! the rules of reading and writing.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use handstamp::{AppId, Engine, TenantId};

use crate::settings::{Access, Cookies, RecentReuse, ServerConfig};

mod body;
mod handlers;
mod operations;
mod parts;
mod registry;
mod reply;
mod route;
mod v1_0;
mod v2_0;
mod v2_16;
mod v2_2;
mod v2_21;
mod v2_3;
mod v2_4;
mod v2_6;
mod v2_7;
mod v2_8;
mod v2_9;
mod v3_0;
mod v4_0;
mod v5_0;
mod v5_6;
mod version;

use body::Input;
use operations::Operations;
pub use registry::Registry;
use reply::Refusal;
use route::Route;
use version::EPOCHS;
pub use version::{Allowed, SPOKEN, Version, epochs};

/// What the handlers of one app share.
#[derive(Debug)]
pub(crate) struct Cdi {
    app: AppId,
    engine: Engine,
    cookies: Cookies,
    anti_csrf: bool,
    blacklisting: bool,
    static_keys: bool,
    recent_reuse: RecentReuse,
    allowed: Allowed,
    config_file: Option<PathBuf>,
    body_limit: usize,
}

impl Cdi {
    fn new(app: AppId, engine: Engine, config: &ServerConfig) -> Self {
        /// For everything in a request but the session data.
        const REST: usize = 256 * 1024;
        Self {
            app,
            body_limit: engine.config().session_data_bytes().saturating_add(REST),
            engine,
            cookies: config.cookies.clone(),
            anti_csrf: config.anti_csrf,
            blacklisting: config.blacklisting,
            static_keys: config.static_keys,
            recent_reuse: config.recent_reuse,
            allowed: config.access.allowed,
            config_file: config.file.clone(),
        }
    }
}

/// An operation, called.
struct Call {
    cdi: Arc<Cdi>,
    registry: Arc<Registry>,
    /// The tenant in the path.
    tenant: TenantId,
    input: Input,
}

/// Everything that requests go through.
struct Door {
    registry: Arc<Registry>,
    access: Access,
    epochs: Vec<(Version, Operations)>,
    /// The paths of all epochs.
    known: BTreeSet<&'static str>,
}

/// Answered alike whatever the version, which need not be one that is spoken.
const WITHOUT_VERSION: &[&str] = &["/hello", "/apiversion", "/.well-known/jwks.json"];
/// Answered without an API key.
const WITHOUT_KEY: &[&str] = &["/", "/hello", "/config", "/.well-known/jwks.json"];

impl Door {
    /// The checks in the order in which the newest core does them.
    async fn answer(&self, request: Request) -> Result<Response, Refusal> {
        let address = request.extensions().get::<ConnectInfo<SocketAddr>>();
        if !self
            .access
            .admits(address.map(|ConnectInfo(address)| address.ip()))
        {
            return Err(Refusal::WrongAddress);
        }
        let path = request.uri().path();
        let route =
            Route::read(path, &self.access.base_path, &self.known).ok_or(Refusal::NotFound)?;
        if !WITHOUT_KEY.contains(&route.path) && !self.access.is_key(api_key(request.headers())) {
            return Err(Refusal::BadApiKey);
        }
        let header = request.headers().get("cdi-version");
        let named = self
            .access
            .allowed
            .named(header.map(HeaderValue::as_bytes), route.is_legacy())?;
        let mut epochs = self.epochs.iter().rev();
        let (_, newest) = epochs.clone().next().ok_or(Refusal::NotFound)?;
        let epoch = epochs.find(|(first, _)| *first <= named.version);
        let then = epoch.map(|(_, operations)| operations);
        let knows_tenants = then.is_some_and(Operations::knows_tenants);
        if route.tenant != TenantId::PUBLIC && !knows_tenants {
            return Err(Refusal::NotFound);
        }
        // What needs no version is there in all of them.
        let operations = match (then, named.unspoken) {
            (Some(then), None) if then.has(route.path) => then,
            _ if WITHOUT_VERSION.contains(&route.path) => newest,
            (_, Some(text)) => return Err(Refusal::unsupported(text)),
            (then, None) => then.ok_or(Refusal::NotFound)?,
        };
        let found = operations.find(request.method(), route.path, route.exact, &route.tenant)?;
        let mut cdi = self.registry.find(&route.app, &route.tenant).await?;
        if cdi.is_none() && found.any_tenant {
            cdi = self.registry.find(&route.app, &TenantId::PUBLIC).await?;
        }
        let Some(cdi) = cdi else {
            return Err(Refusal::no_such_tenant(&route.app, &route.tenant));
        };
        if route.path == "/config"
            && (route.app != AppId::PUBLIC || route.tenant != TenantId::PUBLIC)
        {
            return Err(Refusal::forbidden(
                "Only the public app and tenant can call this API",
            ));
        }
        let input = Input::read(request, cdi.body_limit).await?;
        let call = Call {
            cdi,
            registry: Arc::clone(&self.registry),
            tenant: route.tenant,
            input,
        };
        Ok((found.run)(call).await)
    }
}

/// The key that came with a request.
fn api_key(headers: &HeaderMap) -> Option<&str> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    text("api-key").or_else(|| {
        let value = text("authorization")?.trim();
        match value.split_at_checked(7) {
            Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer ") => Some(key),
            _ => Some(value),
        }
    })
}

/// Serves the protocol to all apps of `registry`.
///
/// # Panics
/// When the tables of operations contradict each other, which no release does.
pub fn router(registry: Arc<Registry>, config: &ServerConfig) -> Router {
    let epochs: Vec<_> = EPOCHS
        .iter()
        .map(|(first, operations)| (*first, operations()))
        .collect();
    let known = epochs.iter().flat_map(|(_, operations)| operations.paths());
    let door = Arc::new(Door {
        registry,
        access: config.access.clone(),
        known: known.collect(),
        epochs,
    });
    Router::new().fallback(move |request: Request| {
        let door = Arc::clone(&door);
        async move {
            let (method, path) = (request.method().clone(), request.uri().path().to_owned());
            door.answer(request).await.unwrap_or_else(|refusal| {
                refusal.log(&method, &path);
                refusal.into()
            })
        }
    })
}

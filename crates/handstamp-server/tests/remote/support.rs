//! An engine, and servers with the same clock; what they are asked, and what they are made to answer.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, Response, StatusCode};
use handstamp::backend::{Backend, NewSession, Present, Renewal, Tokens};
use handstamp::clock::{Clock, ManualClock, UnixMillis};
use handstamp::engine::{AntiCsrf, OnReuse, RefreshRefused, TryRefresh, Verification, Verified};
use handstamp::jws::FixtureKeys;
use handstamp::remote::{Builder, Remote};
use handstamp::storage::memory::MemoryStorage;
use handstamp::{Config, Engine, JsonObject, Parts, TenantId, UserId};
use handstamp_server::cdi::{self, Registry};
use handstamp_server::settings::{ServerConfig, Settings};
use serde_json::json;
use tokio::task::JoinHandle;
use tower::ServiceExt as _;

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_mins(1);
/// Longer than any grace window.
pub(crate) const LATER: Duration = Duration::from_mins(10);

pub(crate) fn json(text: &str) -> JsonObject {
    JsonObject::parse(text).unwrap()
}

pub(crate) fn user(id: &str) -> UserId {
    UserId::parse(id).unwrap()
}

pub(crate) fn new_session(id: &str) -> NewSession {
    NewSession {
        tenant: TenantId::PUBLIC,
        user_id: user(id),
        jwt_payload: json(r#"{"role":"x","none":null,"n":1.10}"#),
        session_data: json(r#"{"n":1}"#),
        anti_csrf: false,
        cookie: None,
    }
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(UnixMillis::new(1_800_000_000_123)))
}

fn shared(clock: &Arc<ManualClock>) -> Arc<dyn Clock> {
    Arc::<ManualClock>::clone(clock)
}

fn parts(clock: &Arc<ManualClock>) -> Parts {
    Parts {
        clock: shared(clock),
        keys: Arc::new(FixtureKeys::default()),
        ..Parts::with_storage(MemoryStorage::new())
    }
}

/// A backend, and the clock that it and what is behind it go by.
pub(crate) struct World {
    pub(crate) backend: Backend,
    pub(crate) clock: Arc<ManualClock>,
    server: Option<(Town, Host)>,
}

impl World {
    pub(crate) fn embedded() -> Self {
        let clock = clock();
        let backend = Backend::from(Engine::new(parts(&clock), Config::default()));
        Self {
            backend,
            clock,
            server: None,
        }
    }

    pub(crate) async fn remote() -> Self {
        let town = Town::new(&[]).await;
        let host = town.host().await;
        let backend = Backend::from(town.client(&host.url).build().unwrap());
        Self {
            backend,
            clock: Arc::clone(&town.clock),
            server: Some((town, host)),
        }
    }

    /// Tenants have to be known to a server.
    pub(crate) async fn tenant(&self, name: &str) -> TenantId {
        if let Some((town, _)) = &self.server {
            let body = json!({"tenantId": name}).to_string();
            let request = Request::put("/recipe/multitenancy/tenant/v2").body(Body::from(body));
            let answer = town.router.clone().oneshot(request.unwrap()).await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK);
        }
        TenantId::parse(name).unwrap()
    }

    pub(crate) async fn create(&self, id: &str) -> Tokens {
        self.backend.create(new_session(id)).await.unwrap()
    }

    pub(crate) async fn refresh(&self, token: &Tokens) -> Renewal {
        refresh(&self.backend, token).await
    }
}

pub(crate) async fn refresh(backend: &Backend, token: &Tokens) -> Renewal {
    backend.refresh(present(token)).await.unwrap()
}

pub(crate) fn present(tokens: &Tokens) -> Present<'_> {
    Present {
        token: tokens.refresh.expose(),
        anti_csrf: false,
        passed: AntiCsrf::Unchecked,
        on_reuse: OnReuse::Revoke,
    }
}

#[track_caller]
pub(crate) fn renewed(renewal: Renewal) -> Tokens {
    match renewal {
        Renewal::Renewed(tokens) => *tokens,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
pub(crate) fn refused(renewal: &Renewal) -> RefreshRefused {
    match renewal {
        Renewal::Unauthorised(why) => *why,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
pub(crate) fn valid(verification: Verification) -> Verified {
    match verification {
        Verification::Valid(verified) => verified,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
pub(crate) fn try_refresh(verification: &Verification) -> TryRefresh {
    match verification {
        Verification::TryRefresh(why) => *why,
        other => panic!("{other:?}"),
    }
}

/// One store, and the servers on it.
pub(crate) struct Town {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) router: Router,
}

impl Town {
    pub(crate) async fn new(settings: &[(&'static str, &str)]) -> Self {
        let clock = clock();
        let flags = settings
            .iter()
            .map(|(name, value)| (*name, Some((*value).to_owned())));
        let settings = Settings::collect(None, [], flags).unwrap();
        let config = ServerConfig::try_from(&settings).unwrap();
        let registry = Registry::open(parts(&clock), config.clone()).await.unwrap();
        Self {
            router: cdi::router(registry, &config),
            clock,
        }
    }

    pub(crate) async fn host(&self) -> Host {
        Host::serve(self.router.clone()).await
    }

    /// A client of these addresses, by the same clock.
    pub(crate) fn client(&self, hosts: &str) -> Builder {
        Remote::builder(hosts.parse().unwrap()).clock(shared(&self.clock))
    }
}

/// What came in.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// The method, a space, and the path.
    pub(crate) ask: String,
    pub(crate) headers: HeaderMap,
}

#[derive(Default)]
struct Desk {
    seen: Vec<Seen>,
    /// What is answered instead, to requests whose path ends so.
    scripted: VecDeque<(&'static str, Scripted)>,
}

/// An answer that no server thought of.
#[derive(Debug, Clone)]
pub(crate) struct Scripted {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    /// Whether nothing is said of the body's length.
    pub(crate) in_pieces: bool,
}

impl Scripted {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
            in_pieces: false,
        }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A server at a port of its own.
pub(crate) struct Host {
    pub(crate) url: String,
    desk: Arc<Mutex<Desk>>,
    serving: JoinHandle<()>,
}

impl Drop for Host {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Host {
    async fn serve(router: Router) -> Self {
        let desk = Arc::new(Mutex::new(Desk::default()));
        let at_desk = Arc::clone(&desk);
        let router = Router::new().fallback(move |request: Request| {
            let scripted = at_desk.lock().unwrap().take_in(&request);
            let router = router.clone();
            async move {
                match scripted {
                    Some(scripted) => scripted.into(),
                    None => router.oneshot(request).await.unwrap(),
                }
            }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, desk, serving }
    }

    pub(crate) fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// From now on, as long as nothing else is said of that path.
    pub(crate) fn answers(&self, path: &'static str, scripted: Scripted) {
        let mut desk = self.desk.lock().unwrap();
        desk.scripted.push_front((path, scripted));
    }

    /// Is itself again.
    pub(crate) fn recovers(&self) {
        self.desk.lock().unwrap().scripted.clear();
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.desk.lock().unwrap().seen.clone()
    }

    /// How often that was asked.
    pub(crate) fn asked(&self, ask: &str) -> usize {
        let seen = self.seen();
        seen.iter().filter(|seen| seen.ask == ask).count()
    }
}

impl Desk {
    fn take_in(&mut self, request: &Request) -> Option<Scripted> {
        let path = request.uri().path();
        self.seen.push(Seen {
            ask: format!("{} {path}", request.method()),
            headers: request.headers().clone(),
        });
        let mut scripted = self.scripted.iter();
        let found = scripted.find(|(end, _)| path.ends_with(end));
        found.map(|(_, scripted)| scripted.clone())
    }
}

impl From<Scripted> for Response<Body> {
    fn from(scripted: Scripted) -> Self {
        let mut response = Response::builder().status(scripted.status);
        for (name, value) in scripted.headers {
            response = response.header(name, value);
        }
        let body = if scripted.in_pieces {
            let pieces = scripted.body.chunks(1 << 16).map(<[u8]>::to_vec);
            let pieces: Vec<Result<_, Infallible>> = pieces.map(Ok).collect();
            Body::from_stream(futures_util::stream::iter(pieces))
        } else {
            Body::from(scripted.body)
        };
        response.body(body).unwrap()
    }
}

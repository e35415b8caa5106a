//! An application with a clock that moves when told.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests are not seen to be tests"
)]

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::{Request, StatusCode};
use axum::routing::{get, post};
use handstamp::clock::{Clock, ManualClock, UnixMillis};
use handstamp::entropy::SeededEntropy;
use handstamp::jws::FixtureKeys;
use handstamp::storage::memory::MemoryStorage;
use handstamp::testing::{Faults, Faulty};
use handstamp::web::{
    Claim, Refusal, RequireLayer, Session, SessionLayer, Sessions, Settings, Web,
};
use handstamp::{Config, Engine, Parts, UserId};
use serde::{Deserialize, Serialize};
use tower::ServiceExt as _;

use crate::browser::Answer;

pub(crate) const HOUR: Duration = Duration::from_hours(1);
pub(crate) const ROLES: Claim<Vec<String>> = Claim::new("st-role");
const MFA: Claim<bool> = Claim::new("st-mfa");

pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) web: Web,
    pub(crate) clock: Arc<ManualClock>,
    store: Arc<Faulty<MemoryStorage>>,
    app: Router,
}

const NONE: Faults = Faults {
    yields: 0,
    before: 0,
    after: 0,
};

/// The application's own type for the payload.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) plan: String,
}

impl World {
    /// An application at `https://api.example.com`.
    pub(crate) fn new() -> Self {
        Self::with(
            Settings::builder("https://api.example.com")
                .build()
                .unwrap(),
        )
    }

    pub(crate) fn with(settings: Settings) -> Self {
        Self::configured(settings, Config::default())
    }

    pub(crate) fn configured(settings: Settings, config: Config) -> Self {
        let clock = Arc::new(ManualClock::new(UnixMillis::new(1_700_000_000_000)));
        let store = Arc::new(Faulty::new(MemoryStorage::new(), 1, NONE));
        let parts = Parts {
            storage: store.clone(),
            clock: clock.clone(),
            entropy: Arc::new(SeededEntropy::new(1)),
            keys: Arc::new(FixtureKeys::default()),
        };
        let engine = Engine::new(parts, config);
        Self::over(engine, store, clock, settings)
    }

    /// The same users and sessions, deployed with other settings.
    pub(crate) fn redeployed(&self, settings: Settings) -> Self {
        let (store, clock) = (Arc::clone(&self.store), Arc::clone(&self.clock));
        Self::over(self.engine.clone(), store, clock, settings)
    }

    fn over(
        engine: Engine,
        store: Arc<Faulty<MemoryStorage>>,
        clock: Arc<ManualClock>,
        settings: Settings,
    ) -> Self {
        let web = Web::new(engine.clone(), settings);
        Self {
            app: routes().layer(SessionLayer::new(web.clone())),
            engine,
            web,
            clock,
            store,
        }
    }

    pub(crate) fn advance(&self, span: Duration) {
        self.clock.advance(span);
    }

    /// From now on all steps of the store fail, or none.
    pub(crate) fn fail(&self, fails: bool) {
        let before = if fails { 1000 } else { 0 };
        self.store.set_faults(Faults { before, ..NONE });
    }

    pub(crate) fn now(&self) -> UnixMillis {
        self.clock.now()
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.app.clone().oneshot(request).await.unwrap();
        Answer::read(response).await
    }

    pub(crate) async fn sessions_of(&self, user: &str) -> usize {
        let user = UserId::parse(user).unwrap();
        let handles = self.web.backend().handles_of_user(&user).await;
        handles.unwrap().len()
    }
}

fn routes() -> Router {
    let vault = Router::new()
        .route("/vault", get(async || "gold"))
        .route_layer(
            RequireLayer::session()
                .guard(ROLES.excludes("guest".to_owned()))
                .guard(MFA.is(true))
                .guard(MFA.fresher_than(Duration::from_mins(1))),
        );
    Router::new()
        .route("/login/{user}", post(login))
        .route("/me", get(me).post(me))
        .route("/maybe", get(maybe))
        .route("/plan", get(plan))
        .route("/admin", get(admin))
        .route("/promote", post(promote))
        .route("/data", get(read_data).put(write_data))
        .route("/sure", get(sure))
        .route("/logout", post(logout))
        .route("/leave", post(leave))
        .route("/grow/{by}", post(grow))
        .route("/plain", get(async || "plain"))
        .merge(vault)
}

async fn login(
    sessions: Sessions,
    Path(user): Path<String>,
    body: String,
) -> Result<String, handstamp::Error> {
    let payload: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
    let creation = sessions.create(user);
    let creation = if payload.is_null() {
        creation
    } else {
        creation.payload(&payload)
    };
    let session = creation.send().await?;
    Ok(session.user_id().to_string())
}

async fn me(session: Session) -> String {
    session.user_id().to_string()
}

async fn maybe(session: Option<Session>) -> String {
    session.map_or("nobody".to_owned(), |it| it.user_id().to_string())
}

async fn plan(session: Session<Plan>) -> String {
    session.payload().plan.clone()
}

async fn admin(session: Session) -> Result<&'static str, Refusal> {
    session.require(&ROLES.includes("admin".to_owned()))?;
    Ok("admin")
}

async fn promote(session: Session) -> Result<StatusCode, handstamp::Error> {
    let done = session
        .write_claim(ROLES, &vec!["admin".to_owned()])
        .await?;
    Ok(if done {
        StatusCode::OK
    } else {
        StatusCode::GONE
    })
}

async fn read_data(session: Session) -> Result<String, Refusal> {
    let data: Option<serde_json::Value> = session.data().await?;
    Ok(data.unwrap_or_default().to_string())
}

async fn write_data(session: Session, body: String) -> Result<StatusCode, handstamp::Error> {
    let data: serde_json::Value = serde_json::from_str(&body).unwrap();
    session.write_data(&data).await?;
    Ok(StatusCode::OK)
}

async fn sure(session: Session) -> Result<&'static str, Refusal> {
    session.check_storage().await?;
    Ok("still there")
}

async fn logout(session: Session) -> Result<StatusCode, handstamp::Failure> {
    session.revoke().await?;
    Ok(StatusCode::OK)
}

/// What comes after a sign-out in the same request has no session.
async fn leave(session: Session, sessions: Sessions) -> Result<String, Refusal> {
    session.revoke().await?;
    let left: Option<Session> = sessions.session_if_any().await?;
    Ok(left.map_or("gone", |_| "still there").to_owned())
}

async fn grow(session: Session, Path(by): Path<usize>) -> Result<StatusCode, handstamp::Error> {
    session
        .write_payload(&serde_json::json!({"text": "x".repeat(by)}))
        .await?;
    Ok(StatusCode::OK)
}

//! An application with a clock that moves when told.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests are not seen to be tests"
)]

use std::sync::Arc;
use std::time::Duration;

use handstamp::clock::{Clock, ManualClock, UnixMillis};
use handstamp::entropy::SeededEntropy;
use handstamp::jws::FixtureKeys;
use handstamp::storage::memory::MemoryStorage;
use handstamp::testing::{Faults, Faulty};
use handstamp::web::{Claim, Settings, Web};
use handstamp::{Config, Engine, Parts, UserId};
use http::Request;
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::browser::Answer;

pub(crate) const HOUR: Duration = Duration::from_hours(1);
pub(crate) const ROLES: Claim<Vec<String>> = Claim::new("st-role");
pub(crate) const MFA: Claim<bool> = Claim::new("st-mfa");

pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) web: Web,
    pub(crate) clock: Arc<ManualClock>,
    store: Arc<Faulty<MemoryStorage>>,
    app: App,
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
            app: App::new(web.clone()),
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

    pub(crate) async fn send(&self, request: Request<String>) -> Answer {
        self.app.send(request).await
    }

    pub(crate) async fn sessions_of(&self, user: &str) -> usize {
        let user = UserId::parse(user).unwrap();
        let handles = self.web.backend().handles_of_user(&user).await;
        handles.unwrap().len()
    }
}

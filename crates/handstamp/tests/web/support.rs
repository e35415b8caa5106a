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

pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) web: Web,
    pub(crate) clock: Arc<ManualClock>,
    store: Arc<Faulty<MemoryStorage>>,
    app: App,
}

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
        let clock = Arc::new(ManualClock::new(UnixMillis::new(1_700_000_000_000)));
        let store = Arc::new(Faulty::new(MemoryStorage::new(), 1, faults(0)));
        let parts = Parts {
            storage: store.clone(),
            clock: clock.clone(),
            entropy: Arc::new(SeededEntropy::new(1)),
            keys: Arc::new(FixtureKeys::default()),
        };
        let engine = Engine::new(parts, Config::default());
        Self::over(engine, clock, store, settings)
    }

    /// The same users and sessions, deployed with other settings.
    pub(crate) fn redeployed(&self, settings: Settings) -> Self {
        let (clock, store) = (Arc::clone(&self.clock), Arc::clone(&self.store));
        Self::over(self.engine.clone(), clock, store, settings)
    }

    fn over(
        engine: Engine,
        clock: Arc<ManualClock>,
        store: Arc<Faulty<MemoryStorage>>,
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

    pub(crate) fn now(&self) -> UnixMillis {
        self.clock.now()
    }

    pub(crate) async fn send(&self, request: Request<String>) -> Answer {
        self.app.send(request).await
    }

    /// From now on the store is away, or is there again.
    pub(crate) fn store_is_away(&self, away: bool) {
        self.store.set_faults(faults(if away { 1000 } else { 0 }));
    }

    pub(crate) async fn sessions_of(&self, user: &str) -> usize {
        let user = UserId::parse(user).unwrap();
        let handles = self.web.backend().handles_of_user(&user).await;
        handles.unwrap().len()
    }
}

fn faults(before: u32) -> Faults {
    Faults {
        yields: 0,
        before,
        after: 0,
    }
}

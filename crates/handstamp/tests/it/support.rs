//! What several tests build on.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a part that cannot be built, or another outcome than the one expected, should stop the test"
)]

use std::sync::Arc;
use std::time::Duration;

use handstamp::clock::{ManualClock, UnixMillis};
use handstamp::config::ConfigBuilder;
use handstamp::engine::{Create, Issued, Refresh, Refreshed, Verification, Verified, Verify};
use handstamp::entropy::SeededEntropy;
use handstamp::jws::FixtureKeys;
use handstamp::rotation::{Policy, Reuse};
use handstamp::storage::Storage;
use handstamp::storage::memory::MemoryStorage;
use handstamp::testing::Counting;
use handstamp::{Config, Engine, Parts, UserId};

/// Where the tests' clocks start: some time in 2023.
pub(crate) const START: UnixMillis = UnixMillis::new(1_700_000_000_000);

/// An engine over `storage` whose randomness is `seed`'s.
pub(crate) fn engine(
    storage: &Arc<impl Storage + 'static>,
    clock: &Arc<ManualClock>,
    seed: u64,
    config: Config,
) -> Engine {
    let parts = Parts {
        storage: storage.clone(),
        clock: clock.clone(),
        entropy: Arc::new(SeededEntropy::new(seed)),
        keys: Arc::new(FixtureKeys::default()),
    };
    Engine::new(parts, config)
}

/// One engine, its counted store and its clock.
pub(crate) struct Bench {
    pub(crate) engine: Engine,
    pub(crate) storage: Arc<Counting<MemoryStorage>>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) policy: Policy,
}

impl Bench {
    pub(crate) async fn new(configure: impl Fn(ConfigBuilder) -> ConfigBuilder) -> Self {
        let storage = Arc::new(Counting::new(MemoryStorage::new()));
        let clock = Arc::new(ManualClock::new(START));
        let config = configure(Config::builder()).build().unwrap();
        let engine = engine(&storage, &clock, 1, config);
        engine.prepare(&handstamp::AppId::PUBLIC).await.unwrap();
        storage.take();
        Self {
            engine,
            storage,
            clock,
            policy: Policy::ConfirmOnUse,
        }
    }

    pub(crate) async fn create(&self) -> Issued {
        let user = UserId::parse("ada").unwrap();
        self.engine.create(Create::new(user)).await.unwrap()
    }

    pub(crate) async fn refresh(&self, held: &Issued) -> Refreshed {
        let ask = Refresh {
            policy: self.policy,
            ..Refresh::new(held.refresh.text().expose())
        };
        self.engine.refresh(&ask).await.unwrap()
    }

    /// A refresh that is served.
    pub(crate) async fn renew(&self, held: &Issued) -> Issued {
        match self.refresh(held).await {
            Refreshed::Renewed(issued) => *issued,
            other => panic!("not renewed: {other:?}"),
        }
    }

    /// A refresh that is reported as reuse.
    pub(crate) async fn caught(&self, held: &Issued) -> Reuse {
        match self.refresh(held).await {
            Refreshed::Reuse { kind, .. } => kind,
            other => panic!("not reported: {other:?}"),
        }
    }

    pub(crate) async fn verify(&self, held: &Issued) -> Verification {
        let ask = Verify::new(held.access.token.expose());
        self.engine.verify(&ask).await.unwrap()
    }

    /// A use of the access token that is served.
    pub(crate) async fn use_access(&self, held: &Issued) -> Verified {
        match self.verify(held).await {
            Verification::Valid(verified) => verified,
            other => panic!("not valid: {other:?}"),
        }
    }

    pub(crate) fn wait(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

/// Whether both are the same answer, byte for byte, as far as a client keeps it.
pub(crate) fn same(one: &Issued, other: &Issued) -> bool {
    one.refresh.text() == other.refresh.text()
        && one.refresh.anti_csrf() == other.refresh.anti_csrf()
        && one.refresh.id_refresh() == other.refresh.id_refresh()
}

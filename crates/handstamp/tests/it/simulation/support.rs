//! Engines for the simulation.

use std::sync::Arc;

use handstamp::clock::{ManualClock, UnixMillis};
use handstamp::engine::Issued;
use handstamp::entropy::SeededEntropy;
use handstamp::jws::FixtureKeys;
use handstamp::storage::Storage;
use handstamp::{Config, Engine, Parts};

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

/// Whether both are the same answer, byte for byte, as far as a client keeps it.
pub(crate) fn same(one: &Issued, other: &Issued) -> bool {
    one.refresh.text() == other.refresh.text()
        && one.refresh.anti_csrf() == other.refresh.anti_csrf()
        && one.refresh.id_refresh() == other.refresh.id_refresh()
}

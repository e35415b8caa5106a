//! Signing keys: servers agree on them without a leader, they follow each other with overlap, and a fault of theirs is never
//! taken for a verdict on a token.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "another outcome than the one expected should stop the test"
)]

use std::sync::Arc;
use std::time::Duration;

use handstamp::clock::{Clock as _, ManualClock, UnixMillis};
use handstamp::engine::{Create, Issued, Refresh, Refreshed, TryRefresh, Verification, Verify};
use handstamp::entropy::SeededEntropy;
use handstamp::jws::{FixtureKeys, KeyError, KeySource, SigningKey};
use handstamp::storage::memory::MemoryStorage;
use handstamp::storage::{KeyKind, Storage};
use handstamp::testing::{Counting, Faults, Faulty};
use handstamp::token::access::{self, AccessClaims, Rejected, TokenFormat};
use handstamp::{AppId, Config, Engine, Parts, UserId};
use zeroize::Zeroizing;

use crate::support::{START, engine};

const APP: AppId = AppId::PUBLIC;
const INTERVAL: Duration = Duration::from_hours(1);
const VALIDITY: Duration = Duration::from_mins(10);
const OVERLAP: Duration = Duration::from_mins(1);
const MS: Duration = Duration::from_millis(1);

fn config() -> Config {
    let config = Config::builder()
        .signing_key_interval(INTERVAL)
        .access_token_validity(VALIDITY);
    config.build().unwrap()
}

struct Servers {
    storage: Arc<Counting<MemoryStorage>>,
    clock: Arc<ManualClock>,
    one: Engine,
}

impl Servers {
    async fn new() -> Self {
        let storage = Arc::new(Counting::new(MemoryStorage::new()));
        let clock = Arc::new(ManualClock::new(START));
        let one = engine(&storage, &clock, 1, config());
        one.prepare(&APP).await.unwrap();
        Self {
            storage,
            clock,
            one,
        }
    }

    async fn create(&self) -> Issued {
        let ask = Create::new(UserId::parse("ada").unwrap());
        self.one.create(ask).await.unwrap()
    }

    async fn generations(&self) -> Vec<u32> {
        let keys = self.storage.keys(&APP).await.unwrap();
        let signing = keys.iter().filter(|key| key.kind == KeyKind::Signing);
        let mut generations: Vec<_> = signing.map(|key| key.generation).collect();
        generations.sort_unstable();
        generations
    }

    /// A token that lives long enough to tell when its key stops to verify.
    async fn long_lived(&self, generation: u32) -> String {
        let keys = self.storage.keys(&APP).await.unwrap();
        let of = |key: &&handstamp::storage::StoredKey| {
            key.kind == KeyKind::Signing && key.generation == generation
        };
        let key = SigningKey::from_pkcs8(&keys.iter().find(of).unwrap().material).unwrap();
        let issued = self.create().await;
        let claims = AccessClaims {
            handle: issued.session.handle,
            user_id: issued.session.user_id,
            refresh_hash: issued.refresh.hash(),
            parent_hash: None,
            payload: issued.session.jwt_payload,
            anti_csrf: None,
            expires_at: UnixMillis::MAX,
            created_at: self.clock.now(),
        };
        let token = access::mint(&claims, TokenFormat::V1, &key).unwrap();
        token.expose().to_owned()
    }
}

async fn is_valid(engine: &Engine, token: &str) -> bool {
    match engine.verify(&Verify::new(token)).await.unwrap() {
        Verification::Valid(_) => true,
        Verification::TryRefresh(TryRefresh::Rejected(Rejected::Signature)) => false,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn engines_that_start_together_agree_on_their_keys() {
    for seed in 0..20 {
        let store = Arc::new(Faulty::new(MemoryStorage::new(), seed, Faults::YIELDS));
        let clock = Arc::new(ManualClock::new(START));
        let engines: Vec<_> = (0..8)
            .map(|n| engine(&store, &clock, n, config()))
            .collect();
        let starts: Vec<_> = engines
            .iter()
            .map(|engine| {
                let engine = engine.clone();
                tokio::spawn(async move { engine.signing_key(&APP).await.unwrap() })
            })
            .collect();
        let mut keys = Vec::new();
        for start in starts {
            keys.push(start.await.unwrap());
        }
        assert!(
            keys.windows(2).all(|two| two.first() == two.last()),
            "seed {seed}"
        );
        assert_eq!(store.keys(&APP).await.unwrap().len(), 2, "one of each kind");
        // Whatever one has made, all can check and exchange.
        let first = engines.first().unwrap();
        let ask = Create::new(UserId::parse("ada").unwrap());
        let issued = first.create(ask).await.unwrap();
        for other in &engines {
            assert!(is_valid(other, issued.access.token.expose()).await);
            let done = other
                .refresh(&Refresh::new(issued.refresh.text().expose()))
                .await;
            assert!(matches!(done, Ok(Refreshed::Renewed(_))), "{done:?}");
        }
    }
}

#[tokio::test]
async fn the_successor_is_made_a_minute_early_and_waits() {
    let servers = Servers::new().await;
    let first = servers.one.signing_key(&APP).await.unwrap();
    assert_eq!(first.expires_at, START.plus(INTERVAL));

    servers.clock.set(START.plus(INTERVAL).minus(OVERLAP));
    servers.one.tend_keys().await.unwrap();
    assert_eq!(servers.generations().await, [1], "not before its time");
    servers.clock.advance(MS);
    servers.one.tend_keys().await.unwrap();
    assert_eq!(servers.generations().await, [1, 2]);

    servers.clock.set(START.plus(INTERVAL).minus(MS));
    assert_eq!(
        servers.one.signing_key(&APP).await.unwrap(),
        first,
        "the successor waits"
    );
    servers.clock.advance(MS);
    let second = servers.one.signing_key(&APP).await.unwrap();
    assert_ne!(second.public_key, first.public_key);
    let made = START.plus(INTERVAL).minus(OVERLAP).plus(MS);
    assert_eq!(second.expires_at, made.plus(INTERVAL));
}

#[tokio::test]
async fn without_anybody_tending_the_next_request_makes_the_key() {
    let servers = Servers::new().await;
    let first = servers.one.signing_key(&APP).await.unwrap();
    servers.clock.set(START.plus(INTERVAL * 5));
    let issued = servers.create().await;
    assert!(is_valid(&servers.one, issued.access.token.expose()).await);
    let next = servers.one.signing_key(&APP).await.unwrap();
    assert_ne!(next.public_key, first.public_key);
    assert_eq!(next.expires_at, START.plus(INTERVAL * 6));
}

#[tokio::test]
async fn a_key_verifies_for_its_interval_and_twice_the_validity_and_is_retired_then() {
    let servers = Servers::new().await;
    let token = servers.long_lived(1).await;
    servers.clock.set(START.plus(INTERVAL));
    let recent = servers.create().await;
    let end = START.plus(INTERVAL).plus(VALIDITY * 2);
    servers.clock.set(end);
    servers.one.tend_keys().await.unwrap();
    assert_eq!(servers.generations().await, [1, 2], "not before its time");
    assert!(is_valid(&servers.one, &token).await);
    servers.clock.advance(MS);
    assert!(!is_valid(&servers.one, &token).await);
    servers.one.tend_keys().await.unwrap();
    assert_eq!(servers.generations().await, [2]);
    // The session of the old key's token is none the worse for it.
    let done = servers
        .one
        .refresh(&Refresh::new(recent.refresh.text().expose()))
        .await;
    assert!(matches!(done, Ok(Refreshed::Renewed(_))), "{done:?}");
}

#[tokio::test]
async fn another_server_learns_a_new_key_on_first_sight() {
    let servers = Servers::new().await;
    // Its clock is two seconds behind, so it sees the new key's tokens while its own key still signs.
    let behind = Arc::new(ManualClock::new(START));
    let other = engine(&servers.storage, &behind, 2, config());
    other.prepare(&APP).await.unwrap();
    servers.clock.set(START.plus(INTERVAL).minus(OVERLAP / 2));
    servers.one.tend_keys().await.unwrap();
    servers.clock.set(START.plus(INTERVAL));
    behind.set(START.plus(INTERVAL).minus(Duration::from_secs(2)));
    let token = servers.create().await.access.token;
    servers.storage.take();
    assert!(is_valid(&other, token.expose()).await);
    assert_eq!(servers.storage.take(), (1, 0), "one look at the store");
    assert!(is_valid(&other, token.expose()).await);
    assert_eq!(servers.storage.take(), (0, 0), "and no more");
}

#[tokio::test]
async fn a_flood_of_bad_signatures_is_not_a_flood_of_reads() {
    let servers = Servers::new().await;
    let token = servers.create().await.access.token;
    let (signed, _) = token.expose().rsplit_once('.').unwrap();
    let forged = format!("{signed}.{}", "A".repeat(342) + "==");
    servers.storage.take();
    for second in 0..5 {
        for at in 0..200 {
            assert!(!is_valid(&servers.one, &forged).await, "{second} s, {at}");
        }
        let (reads, writes) = servers.storage.take();
        assert!(
            reads <= 1 && writes == 0,
            "{reads} reads in second {second}"
        );
        servers.clock.advance(Duration::from_secs(1));
    }
    assert!(is_valid(&servers.one, token.expose()).await);
}

#[tokio::test]
async fn a_store_that_gives_no_keys_is_a_failure_not_a_refusal() {
    let store = Arc::new(Faulty::new(MemoryStorage::new(), 1, Faults::YIELDS));
    let clock = Arc::new(ManualClock::new(START));
    let one = engine(&store, &clock, 1, config());
    let ask = Create::new(UserId::parse("ada").unwrap());
    let issued = one.create(ask).await.unwrap();
    let fresh = engine(&store, &clock, 2, config());
    store.set_faults(Faults {
        before: 1000,
        ..Faults::YIELDS
    });
    let (access, refresh) = (issued.access.token, issued.refresh);
    let verify = Verify::new(access.expose());
    let renew = Refresh::new(refresh.text().expose());
    assert!(fresh.verify(&verify).await.unwrap_err().is_transient());
    assert!(fresh.refresh(&renew).await.unwrap_err().is_transient());
    // A signature nobody knows may be by a key that cannot be read now.
    clock.advance(Duration::from_secs(2));
    let (signed, _) = access.expose().rsplit_once('.').unwrap();
    let unknown = format!("{signed}.{}", "A".repeat(342) + "==");
    assert!(one.verify(&Verify::new(&unknown)).await.is_err());
    store.set_faults(Faults::YIELDS);
    assert!(is_valid(&fresh, access.expose()).await);
    let done = fresh.refresh(&renew).await;
    assert!(matches!(done, Ok(Refreshed::Renewed(_))), "{done:?}");
}

/// A source of keys that has none.
#[derive(Debug)]
struct NoKeys;

impl KeySource for NoKeys {
    fn rsa(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        Err(SigningKey::from_pkcs8(b"not a key").unwrap_err())
    }
}

#[tokio::test]
async fn a_key_that_cannot_be_made_is_a_failure_and_not_for_good() {
    let store = Arc::new(MemoryStorage::new());
    let parts = |keys: Arc<dyn KeySource>| Parts {
        storage: store.clone(),
        clock: Arc::new(ManualClock::new(START)),
        entropy: Arc::new(SeededEntropy::new(1)),
        keys,
    };
    let without = Engine::new(parts(Arc::new(NoKeys)), config());
    assert!(without.signing_key(&APP).await.is_err());
    assert!(without.verify(&Verify::new("a.b.c")).await.is_err());
    let with = Engine::new(parts(Arc::new(FixtureKeys::default())), config());
    let key = with.signing_key(&APP).await.unwrap();
    // The key is there now, whoever made it.
    assert_eq!(without.signing_key(&APP).await.unwrap(), key);
}

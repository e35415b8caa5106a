//! Seeded simulation of several engines over one store that fails and lets others go first. Everything random comes from the
//! seed, so a seed replays to the byte; what must be true is asserted over concurrent clients.
//!
//! Time goes on in rounds. A round takes 2 s at the most; within it requests of all clients mix. Between rounds there are 3 s,
//! never twice in a row, or more than the window of 10 s. That is the premise that `exploration.rs` finds for one jar, with
//! `a + b = 2`, `r = 8` and `W = 10`.
#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "whatever is not as it should be has to stop the simulation"
)]

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use handstamp::clock::{Clock as _, ManualClock};
use handstamp::engine::{
    AntiCsrf, Create, Error, Issued, OnReuse, Refresh, RefreshRefused, Refreshed, TryRefresh,
    Verification, Verify,
};
use handstamp::storage::DataWrite;
use handstamp::storage::memory::MemoryStorage;
use handstamp::testing::{Faults, Faulty};
use handstamp::{AppId, Config, Engine, JsonObject, UserId};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

mod support;

use support::{START, engine, same};

const SEEDS: u64 = 120;
const ROUNDS: u32 = 8;
const APP: AppId = AppId::PUBLIC;

type Store = Arc<Faulty<MemoryStorage>>;

struct World {
    seed: u64,
    dice: ChaCha20Rng,
    engines: Vec<Engine>,
    store: Store,
    clock: Arc<ManualClock>,
    trace: Trace,
    short_gap: bool,
}

#[derive(Clone, Default)]
struct Trace(Arc<Mutex<String>>);

impl Trace {
    fn line(&self, line: &str) {
        writeln!(self.0.lock().unwrap(), "{line}").unwrap();
    }
}

/// Waits its turn, `times` times over.
async fn yielding(times: u32) {
    for _ in 0..times {
        tokio::task::yield_now().await;
    }
}

impl World {
    async fn new(seed: u64) -> Self {
        let store = Arc::new(Faulty::new(MemoryStorage::new(), seed, Faults::YIELDS));
        let clock = Arc::new(ManualClock::new(START));
        let config = Config::builder().signing_key_interval(Duration::from_hours(100_000));
        let config = config.build().unwrap();
        let mut engines = Vec::new();
        for number in 0..3 {
            let engine = engine(&store, &clock, seed * 10 + number, config.clone());
            engine.prepare(&APP).await.unwrap();
            engines.push(engine);
        }
        Self {
            seed,
            dice: ChaCha20Rng::seed_from_u64(seed),
            engines,
            store,
            clock,
            trace: Trace::default(),
            short_gap: false,
        }
    }

    fn draw(&mut self, below: u32) -> u32 {
        self.dice.next_u32() % below
    }

    fn any_engine(&mut self) -> Engine {
        let at = usize::try_from(self.draw(3)).unwrap();
        self.engines[at].clone()
    }

    /// From here on steps fail now and then; or, until told otherwise, not.
    fn failing(&self, failing: bool) {
        self.store.set_faults(if failing {
            Faults {
                before: 60,
                after: 60,
                ..Faults::YIELDS
            }
        } else {
            Faults::YIELDS
        });
    }

    fn long_gap(&mut self) {
        let seconds = [11, 5 * 60, 50 * 60, 8 * 60 * 60][usize::try_from(self.draw(4)).unwrap()];
        self.clock.advance(Duration::from_secs(seconds));
        self.short_gap = false;
    }

    fn gap(&mut self) {
        if !self.short_gap && self.draw(2) == 0 {
            self.clock.advance(Duration::from_secs(3));
            self.short_gap = true;
        } else {
            self.long_gap();
        }
    }

    async fn create(&mut self, user: &str) -> Issued {
        let engine = self.any_engine();
        let ask = Create {
            anti_csrf: true,
            session_data: data(0),
            ..Create::new(UserId::parse(user).unwrap())
        };
        engine.create(ask).await.unwrap()
    }

    /// One refresh on its way, to be answered or lost.
    fn refresh(&mut self, who: &'static str, held: &Issued) -> Task<Option<Refreshed>> {
        let (engine, text) = (self.any_engine(), held.refresh.text().clone());
        let (pause, clock, trace) = (self.draw(6), self.clock.clone(), self.trace.clone());
        let lost = self.draw(4) == 0;
        tokio::spawn(async move {
            yielding(pause).await;
            // All concurrent requests together take less than two seconds.
            clock.advance(Duration::from_millis(100));
            let ask = Refresh {
                anti_csrf: true,
                ..Refresh::new(text.expose())
            };
            let done = engine.refresh(&ask).await;
            let shown = match &done {
                Ok(Refreshed::Renewed(issued)) => issued.refresh.hash().to_hex(),
                other => format!("{other:?}"),
            };
            trace.line(&format!(
                "{:?} {who} refresh {shown} lost {lost}",
                clock.now()
            ));
            // A tab goes on at once with what it got, while the others still wait for their answers.
            if who == "tab"
                && let Ok(Refreshed::Renewed(issued)) = &done
                && !lost
            {
                let ask = Verify::new(issued.access.token.expose());
                let used = engine.verify(&ask).await;
                trace.line(&format!("{who} goes on {used:?}"));
                assert!(
                    matches!(used, Err(_) | Ok(Verification::Valid(_))),
                    "{used:?}"
                );
            }
            done.ok().filter(|_| !lost)
        })
    }

    /// One use of an access token; the storage is asked as well now and then.
    fn verify(&mut self, who: &'static str, held: &Issued) -> Task<Option<Verification>> {
        let (engine, held) = (self.any_engine(), held.clone());
        let (pause, trace) = (self.draw(6), self.trace.clone());
        let check_storage = self.draw(2) == 0;
        tokio::spawn(async move {
            yielding(pause).await;
            let anti_csrf = held
                .refresh
                .anti_csrf()
                .map(handstamp::token::Secret::expose);
            let ask = Verify {
                anti_csrf: AntiCsrf::Passed(anti_csrf),
                check_storage,
                ..Verify::new(held.access.token.expose())
            };
            let done = engine.verify(&ask).await;
            trace.line(&format!("{who} verify {done:?}"));
            done.ok()
        })
    }

    /// A refresh that is repeated until it is answered, alone on its session.
    async fn insist(&mut self, who: &'static str, held: &Issued) -> Refreshed {
        loop {
            if let Some(done) = self.refresh(who, held).await.unwrap() {
                return done;
            }
        }
    }

    /// Uses the access token until somebody answers.
    async fn insist_on_use(&mut self, who: &'static str, held: &Issued) -> Verification {
        loop {
            if let Some(done) = self.verify(who, held).await.unwrap() {
                return done;
            }
        }
    }
}

type Task<T> = tokio::task::JoinHandle<T>;

fn data(number: u32) -> JsonObject {
    JsonObject::parse(&format!("{{\"n\":{number}}}")).unwrap()
}

/// Runs `scenario` for each seed, twice, and compares what happened.
fn simulate(name: &str, scenario: impl AsyncFn(&mut World) + Copy) {
    let run = |seed| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        runtime.unwrap().block_on(async {
            let mut world = World::new(seed).await;
            let context = OnPanic(seed);
            scenario(&mut world).await;
            std::mem::forget(context);
            let trace = world.trace.0.lock().unwrap().clone();
            (trace, world.store.failed())
        })
    };
    let (mut lines, mut failed) = (0, 0);
    for seed in 0..SEEDS {
        let first = run(seed);
        assert_eq!(first, run(seed), "seed {seed} does not replay");
        lines += first.0.lines().count();
        failed += first.1;
    }
    println!("{name}: {SEEDS} seeds, {lines} requests, {failed} steps failed on purpose");
    assert!(lines > 0);
}

/// Names the seed when a scenario stops.
struct OnPanic(u64);

impl Drop for OnPanic {
    fn drop(&mut self) {
        eprintln!("seed {}", self.0);
    }
}

/// A browser whose tabs share a jar: up to four refresh at once, answers are lost or overwrite each other in any order, access
/// tokens are used beside. Nobody is refused, and what one token is exchanged for is one token.
#[test]
fn tabs_of_one_browser_are_never_let_down() {
    simulate("browser", async |world| {
        let mut jar = world.create("browser").await;
        world.failing(true);
        for _ in 0..ROUNDS {
            world.gap();
            let used = world.verify("tab", &jar);
            let tabs = world.draw(5);
            let asked: Vec<_> = (0..tabs).map(|_| world.refresh("tab", &jar)).collect();
            let forged = Verify {
                anti_csrf: AntiCsrf::Passed(Some("00000000-0000-4000-8000-000000000000")),
                ..Verify::new(jar.access.token.expose())
            };
            if world.clock.now() <= jar.access.expires_at {
                let forged = world.any_engine().verify(&forged).await.unwrap();
                assert!(matches!(
                    forged,
                    Verification::TryRefresh(TryRefresh::AntiCsrf)
                ));
            }
            expect_served(used.await.unwrap(), world, &jar);
            let mut answers = Vec::new();
            for asked in asked {
                match asked.await.unwrap() {
                    Some(Refreshed::Renewed(issued)) => answers.push(*issued),
                    None => {}
                    Some(other) => panic!("an honest browser got {other:?}"),
                }
            }
            assert!(
                answers.windows(2).all(|two| same(&two[0], &two[1])),
                "two lineages"
            );
            if !answers.is_empty() {
                let last = world.draw(u32::try_from(answers.len()).unwrap());
                jar = answers.swap_remove(usize::try_from(last).unwrap());
            }
        }
    });
}

fn expect_served(done: Option<Verification>, world: &World, jar: &Issued) {
    match done {
        None | Some(Verification::Valid(_)) => {}
        Some(Verification::TryRefresh(TryRefresh::Expired)) => {
            assert!(world.clock.now() > jar.access.expires_at);
        }
        Some(other) => panic!("an honest client got {other:?}"),
    }
}

/// An app that loses answers and asks again, after seconds or hours.
#[test]
fn an_app_that_loses_answers_is_never_let_down() {
    simulate("app", async |world| {
        let mut held = world.create("app").await;
        world.failing(true);
        for _ in 0..ROUNDS * 2 {
            world.gap();
            match world.refresh("app", &held).await.unwrap() {
                Some(Refreshed::Renewed(issued)) => held = *issued,
                None => {}
                Some(other) => panic!("an honest app got {other:?}"),
            }
            let used = world.verify("app", &held).await.unwrap();
            expect_served(used, world, &held);
        }
    });
}

/// A thief copies the refresh token, and both go on, more than the window apart. Whoever comes second is caught at its second
/// refresh at the latest, and the session is over then.
#[test]
fn a_thief_who_goes_on_is_caught() {
    simulate("thief", async |world| {
        let stolen = world.create("victim").await;
        world.failing(true);
        let mut held = [stolen.clone(), stolen];
        let mut answered = [0, 0];
        let first = usize::try_from(world.draw(2)).unwrap();
        let mut turn = first;
        let caught = loop {
            world.long_gap();
            let who = ["victim", "thief"][turn];
            let token = held[turn].clone();
            match world.insist(who, &token).await {
                Refreshed::Renewed(issued) => {
                    held[turn] = *issued;
                    answered[turn] += 1;
                }
                // Or the report was made before, and its answer lost.
                Refreshed::Reuse { .. } | Refreshed::Unauthorised(RefreshRefused::NoSession) => {
                    break turn;
                }
                Refreshed::Unauthorised(other) => panic!("neither served nor caught: {other:?}"),
            }
            assert!(answered[0].min(answered[1]) < 2, "nobody was caught");
            turn = 1 - turn;
        };
        world.trace.line(&format!("caught {caught}"));
        world.failing(false);
        let after = world.insist("anybody", &held[1 - caught].clone()).await;
        assert!(
            matches!(after, Refreshed::Unauthorised(RefreshRefused::NoSession)),
            "{after:?}"
        );
    });
}

/// A thief has the token before the one the owner uses: the owner's access token has been used since, and that is enough for
/// the old refresh token to be reported at its first use.
#[test]
fn a_token_one_behind_is_caught_once_its_successor_is_in_use() {
    simulate("one behind", async |world| {
        let old = world.create("victim").await;
        world.failing(true);
        let Refreshed::Renewed(new) = world.insist("victim", &old).await else {
            panic!("the owner was refused");
        };
        let used = world.insist_on_use("victim", &new).await;
        assert!(matches!(used, Verification::Valid(_)), "{used:?}");
        world.long_gap();
        let thief = world.insist("thief", &old).await;
        let caught = matches!(
            thief,
            Refreshed::Reuse { .. } | Refreshed::Unauthorised(RefreshRefused::NoSession)
        );
        assert!(caught, "{thief:?}");
    });
}

/// An administrator ends a session while its client refreshes and uses it. From the moment the administrator is told that it
/// is done, no refresh is answered, and no verification that asks the store is.
#[test]
fn a_revoked_session_stays_revoked() {
    simulate("revocation", async |world| {
        let mut held = world.create("gone").await;
        world.failing(true);
        if world.draw(2) == 0
            && let Refreshed::Renewed(issued) = world.insist("client", &held).await
        {
            held = *issued;
            world.gap();
        }
        let handle = held.session.handle.clone();
        let mut asked: Vec<_> = (0..3).map(|_| world.refresh("client", &held)).collect();
        let used = world.verify("client", &held);
        yielding(world.draw(10)).await;
        while world
            .any_engine()
            .revoke(&APP, std::slice::from_ref(&handle))
            .await
            .is_err()
        {}
        world.trace.line("revoked");
        // Some of the requests are still under way, and end before the last look.
        let mut tokens = vec![held.clone()];
        for asked in asked.drain(..) {
            match asked.await.unwrap() {
                Some(Refreshed::Renewed(issued)) => tokens.push(*issued),
                None | Some(Refreshed::Unauthorised(RefreshRefused::NoSession)) => {}
                Some(other) => panic!("{other:?}"),
            }
        }
        let _ = used.await.unwrap();
        for token in &tokens {
            let done = world.insist("client", token).await;
            let gone = matches!(done, Refreshed::Unauthorised(RefreshRefused::NoSession));
            assert!(gone, "{done:?}");
            world.failing(false);
            let ask = Verify {
                check_storage: true,
                ..Verify::new(token.access.token.expose())
            };
            let done = world.any_engine().verify(&ask).await.unwrap();
            assert!(!matches!(done, Verification::Valid(_)), "{done:?}");
        }
        let data = world
            .any_engine()
            .session_data(&APP, &handle)
            .await
            .unwrap();
        assert_eq!(data, None);
    });
}

/// What is read is what was acknowledged last, or a later write whose outcome was left open; and of several who write on one
/// version, one at the most is told that it did.
#[test]
fn session_data_are_what_was_acknowledged_or_in_doubt() {
    simulate("data", async |world| {
        let handle = world.create("data").await.session.handle;
        let mut possible = vec![data(0)];
        for round in 1..=ROUNDS {
            world.failing(true);
            let done = world
                .any_engine()
                .write_session_data(&APP, &handle, &data(round), None)
                .await;
            world.trace.line(&format!("write {round} {done:?}"));
            match done {
                Ok(DataWrite::Written(_)) => possible = vec![data(round)],
                Err(Error::Failure(why)) if why.is_outcome_unknown() => possible.push(data(round)),
                Err(Error::Failure(_)) => {}
                other => panic!("{other:?}"),
            }
            world.failing(false);
            let read = world
                .any_engine()
                .session_data(&APP, &handle)
                .await
                .unwrap()
                .unwrap();
            assert!(
                possible.contains(&read.data),
                "neither acknowledged nor in doubt"
            );

            let rivals: Vec<_> = (0..3)
                .map(|number| {
                    let (engine, handle) = (world.any_engine(), handle.clone());
                    let (pause, mine) = (world.draw(4), data(round * 1000 + number));
                    tokio::spawn(async move {
                        yielding(pause).await;
                        let expected = Some(read.version);
                        let done = engine
                            .write_session_data(&APP, &handle, &mine, expected)
                            .await;
                        (done.unwrap(), mine)
                    })
                })
                .collect();
            let mut winners = Vec::new();
            for rival in rivals {
                match rival.await.unwrap() {
                    (DataWrite::Written(_), mine) => winners.push(mine),
                    (DataWrite::Conflict, _) => {}
                    (DataWrite::Missing, _) => panic!("the session is there"),
                }
            }
            assert_eq!(winners.len(), 1, "one of the rivals wins");
            let read = world
                .any_engine()
                .session_data(&APP, &handle)
                .await
                .unwrap()
                .unwrap();
            assert_eq!(read.data, winners[0]);
            possible = vec![read.data];
        }
    });
}

/// Two servers whose randomness has failed make the same handle at the same moment: the second is told, and the first
/// session is not touched.
#[test]
fn a_handle_made_twice_is_not_overwritten() {
    simulate("same handle", async |world| {
        let (store, clock) = (world.store.clone(), world.clock.clone());
        let twins = [world.seed, world.seed].map(|seed| {
            engine(
                &store,
                &clock,
                1_000_000 + seed,
                world.engines[0].config().clone(),
            )
        });
        let user = |name| Create::new(UserId::parse(name).unwrap());
        let first = twins[0].create(user("first")).await.unwrap();
        let second = twins[1].create(user("second")).await;
        assert!(matches!(second, Err(Error::Failure(_))), "{second:?}");
        match world.insist("first", &first).await {
            Refreshed::Renewed(issued) => assert_eq!(issued.session.user_id.as_str(), "first"),
            other => panic!("{other:?}"),
        }
    });
}

/// A caller that leaves revocation to itself is told, and the session goes on for whoever holds its current token.
#[test]
fn reuse_may_be_left_to_the_caller() {
    simulate("report only", async |world| {
        let old = world.create("victim").await;
        let Refreshed::Renewed(new) = world.insist("victim", &old).await else {
            panic!("the owner was refused");
        };
        let used = world.insist_on_use("victim", &new).await;
        assert!(matches!(used, Verification::Valid(_)), "{used:?}");
        world.long_gap();
        let ask = Refresh {
            on_reuse: OnReuse::Report,
            ..Refresh::new(old.refresh.text().expose())
        };
        let told = world.any_engine().refresh(&ask).await.unwrap();
        assert!(matches!(told, Refreshed::Reuse { .. }), "{told:?}");
        let owner = world.insist("victim", &new).await;
        assert!(matches!(owner, Refreshed::Renewed(_)), "{owner:?}");
    });
}

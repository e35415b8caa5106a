//! Faults: databases and servers that are killed, cut off, held up, full, read-only or replaced while clients work.
//!
//! Each test starts a PostgreSQL or MariaDB server of its own and the command `handstamp` as a process. The clients keep a journal
//! of what they were told, and everything that was acknowledged has to hold afterwards. Without the programs of one of the two its
//! tests are shown as ignored, and fail where `CI` says so. `FAULT_SEED` repeats a run's choices.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "in a test, what goes wrong may stop it"
)]

mod client;
mod crew;
mod database;
mod failover;
mod keys;
mod limits;
mod outages;
mod random;
mod servers;
mod town;
mod wires;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use database::Kind;

/// A test, and what it is called.
type Named<T> = (&'static str, T);

/// Names tests with what they are called.
macro_rules! tests {
    ($($module:ident::$test:ident,)*) => {
        vec![$((concat!(stringify!($module), "::", stringify!($test)), $module::$test as _),)*]
    };
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    for kind in Kind::ALL {
        let ignored = is_ignored(kind);
        for (name, test) in on_each() {
            let name = format!("{}::{name}", kind.name());
            trials.push(trial(name, ignored, move || test(kind)));
        }
    }
    let ignored = is_ignored(Kind::Postgres);
    for (name, test) in on_postgres() {
        let name = format!("{}::{name}", Kind::Postgres.name());
        trials.push(trial(name, ignored, test));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Without its programs, unless they must be there.
fn is_ignored(kind: Kind) -> bool {
    let must = std::env::var("CI").is_ok_and(|ci| ci == "true");
    !kind.is_there() && !must
}

fn trial(name: String, ignored: bool, test: impl FnOnce() + Send + 'static) -> Trial {
    let told = name.clone();
    let run = move || {
        println!("{told}: FAULT_SEED={}", random::seed());
        test();
        Ok(())
    };
    Trial::test(name, run).with_ignored_flag(ignored)
}

fn on_each() -> Vec<Named<fn(Kind)>> {
    tests![
        keys::keys_follow_each_other_under_load,
        limits::connections_run_out,
        limits::the_pool_runs_out,
        limits::the_database_is_read_only_for_a_while,
        outages::the_database_is_killed,
        outages::the_database_stops_at_once,
        servers::a_server_is_killed_and_the_others_go_on,
        wires::acknowledged_rotations_are_lost_on_the_way,
        wires::connections_are_cut_after_the_write,
        wires::the_database_is_slow_and_then_silent,
    ]
}

/// What only PostgreSQL has: a standby.
fn on_postgres() -> Vec<Named<fn()>> {
    tests![
        failover::a_standby_takes_over_from_a_killed_primary,
        failover::a_primary_that_takes_no_writes_any_more_is_left,
        failover::writes_wait_while_the_standby_is_away,
    ]
}

//! Faults: databases and servers that are killed, cut off, held up, full, read-only or replaced while clients work.
//!
//! Each test starts a PostgreSQL server of its own and the command `handstamp` as a process. The clients keep a journal of what
//! they were told, and everything that was acknowledged has to hold afterwards. Without PostgreSQL's programs the tests are
//! shown as ignored, and fail where `CI` says so. `FAULT_SEED` repeats a run's choices.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "in a test, what goes wrong may stop it"
)]

mod client;
mod crew;
mod failover;
mod limits;
mod outages;
mod random;
mod servers;
mod town;
mod wires;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

/// Names tests with what they are called.
macro_rules! tests {
    ($($module:ident::$test:ident,)*) => {
        [$((concat!(stringify!($module), "::", stringify!($test)), $module::$test as fn()),)*]
    };
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let must = std::env::var("CI").is_ok_and(|ci| ci == "true");
    let ignored = testbed::postgres::programs().is_none() && !must;
    let tests = tests![
        failover::a_standby_takes_over_from_a_killed_primary,
        failover::a_primary_that_takes_no_writes_any_more_is_left,
        limits::connections_run_out,
        limits::the_pool_runs_out,
        limits::the_database_is_read_only_for_a_while,
        outages::the_database_is_killed,
        outages::the_database_stops_at_once,
        servers::keys_follow_each_other_under_load,
        servers::a_server_is_killed_and_the_others_go_on,
        wires::acknowledged_rotations_are_lost_on_the_way,
        wires::connections_are_cut_after_the_write,
        wires::the_database_is_slow_and_then_silent,
    ];
    let trials = tests.map(|(name, test)| {
        Trial::test(name, move || {
            println!("{name}: FAULT_SEED={}", random::seed());
            test();
            Ok(())
        })
        .with_ignored_flag(ignored)
    });
    libtest_mimic::run(&arguments, trials.into()).exit_code()
}

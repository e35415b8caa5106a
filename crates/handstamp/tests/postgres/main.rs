//! PostgreSQL, from outside: the suite that every backend passes, and what PostgreSQL adds to the contract.
//!
//! `cargo xtask test` starts a server and names it in `HANDSTAMP_TEST_POSTGRES`. Without one the cases are shown as ignored, and
//! fail where `CI` says so.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests are not seen to be tests"
)]

mod coalescing;
#[path = "../server/earlier.rs"]
mod earlier;
mod encryption;
#[path = "../server/engines.rs"]
mod engines;
#[path = "../server/explained.rs"]
mod explained;
mod failures;
mod fixture;
#[path = "../server/migrations.rs"]
mod migrations;
#[path = "../server/outages.rs"]
mod outages;
mod planner;
mod plans;
#[path = "../server/removals.rs"]
mod removals;
mod schema;
#[path = "../server/sessions.rs"]
mod sessions;
mod sharing;
#[path = "../server/steps.rs"]
mod steps;
#[path = "../server/sweeps.rs"]
mod sweeps;

use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;

use handstamp::storage::Storage;
use handstamp::storage::conformance::Case;
use libtest_mimic::{Arguments, Failed, Trial};

use fixture::Town;

type Test = fn(Town) -> Pin<Box<dyn Future<Output = ()>>>;

type TestOfServer = fn() -> Result<(), Failed>;

/// Names tests with what they are called.
macro_rules! tests {
    ($($module:ident::$test:ident,)*) => {
        vec![$((
            concat!(stringify!($module), "::", stringify!($test)),
            (|town| Box::pin($module::$test(town))) as Test,
        ),)*]
    };
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let server = std::env::var("HANDSTAMP_TEST_POSTGRES").ok();
    let must = std::env::var("CI").is_ok_and(|ci| ci == "true");
    let ignored = server.is_none() && !must;
    let server = server.ok_or("HANDSTAMP_TEST_POSTGRES names no server");

    let mut trials = Vec::new();
    for (name, case) in handstamp::conformance!() {
        let server = server.clone();
        let run = move || fixture::run(&server?, move |town| conforms(town, case));
        trials.push(Trial::test(format!("conformance::{name}"), run));
    }
    for (name, test) in tests() {
        let server = server.clone();
        let run = move || fixture::run(&server?, test);
        trials.push(Trial::test(name, run));
    }
    let mut trials: Vec<_> = trials
        .into_iter()
        .map(|trial| trial.with_ignored_flag(ignored))
        .collect();
    let ignored = !(testbed::postgres::programs().is_some() || must);
    for (name, run) in with_own_servers() {
        trials.push(Trial::test(name, run).with_ignored_flag(ignored));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}

async fn conforms(town: Town, case: Case) {
    let storage: Arc<dyn Storage> = town.open().await;
    case(Arc::clone(&storage)).await;
    storage.close().await;
}

/// Each starts a server of its own.
fn with_own_servers() -> [(&'static str, TestOfServer); 4] {
    [
        (
            "explained::no_statement_reads_all_sessions",
            planner::no_statement_reads_all_sessions,
        ),
        (
            "encryption::steps_are_taken_over_tls",
            encryption::steps_are_taken_over_tls,
        ),
        (
            "encryption::a_server_that_cannot_show_who_it_is_is_refused",
            encryption::a_server_that_cannot_show_who_it_is_is_refused,
        ),
        (
            "encryption::where_one_side_wants_tls_and_the_other_has_none_that_is_said",
            encryption::where_one_side_wants_tls_and_the_other_has_none_that_is_said,
        ),
    ]
}

#[expect(clippy::as_conversions, reason = "closures become functions by it")]
fn tests() -> Vec<(&'static str, Test)> {
    tests![
        coalescing::waiting_writes_share_a_transaction,
        coalescing::each_of_a_shared_statement_has_its_own_outcome,
        coalescing::a_bad_row_fails_nobody_else,
        coalescing::guards_are_looked_at_again_after_waiting,
        coalescing::a_step_that_lost_a_deadlock_is_done_again,
        coalescing::writes_from_two_servers_do_not_lock_each_other_out,
        engines::many_engines_make_one_lineage,
        engines::many_engines_bring_no_revoked_session_back,
        failures::a_database_to_be_read_only_is_said_to_be,
        failures::of_several_hosts_one_that_is_there_is_used,
        failures::a_server_that_takes_no_writes_is_not_connected_to,
        failures::a_connection_that_takes_no_writes_is_not_used_again,
        failures::a_lock_held_for_too_long_is_reported,
        failures::a_row_that_contradicts_itself_is_reported_by_place,
        migrations::a_newer_schema_is_refused,
        migrations::a_missing_schema_is_made_only_when_asked,
        migrations::many_may_make_the_schema_at_once,
        migrations::a_server_that_does_not_answer_is_given_up,
        outages::a_cut_connection_leaves_the_outcome_open_and_a_retry_gets_the_same_child,
        outages::a_read_is_tried_again,
        outages::a_database_that_was_away_is_found_again,
        outages::connections_that_the_server_ends_are_replaced,
        outages::all_connections_in_use_are_reported,
        plans::every_statement_uses_an_index,
        plans::plans_for_an_empty_table_are_good_for_a_full_one,
        plans::rotations_touch_no_index,
        removals::many_sessions_go_some_at_a_time,
        schema::a_migration_that_another_has_begun_is_left_to_it,
        schema::an_address_is_told_without_its_password,
        schema::a_database_that_is_not_there_is_said_plainly,
        schema::what_earlier_schemas_wrote_is_read,
        sharing::payloads_and_revocations_share_statements,
        sharing::two_writes_to_one_session_do_not_share_a_statement,
        sweeps::a_sweep_puts_off_those_that_live_on,
        sweeps::sweeps_pass_by_rows_in_use,
        sweeps::servers_share_the_sweeping,
    ]
}

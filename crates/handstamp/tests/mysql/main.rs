//! MySQL and MariaDB, from outside: the suite that every backend passes, and what these add to the contract.
//!
//! `cargo xtask test` starts a server and names it in `HANDSTAMP_TEST_MYSQL`. Without one the cases are shown as ignored, and
//! fail where `CI` says so.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests are not seen to be tests"
)]

mod fixture;
#[path = "../server/proxy.rs"]
mod proxy;
#[path = "../server/sessions.rs"]
mod sessions;

use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;

use handstamp::storage::Storage;
use handstamp::storage::conformance::Case;
use libtest_mimic::{Arguments, Trial};

use fixture::Town;

type Test = fn(Town) -> Pin<Box<dyn Future<Output = ()>>>;

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
    let server = std::env::var("HANDSTAMP_TEST_MYSQL").ok();
    let must = std::env::var("CI").is_ok_and(|ci| ci == "true");
    let ignored = server.is_none() && !must;
    let server = server.ok_or("HANDSTAMP_TEST_MYSQL names no server");

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
    let trials = trials
        .into_iter()
        .map(|trial| trial.with_ignored_flag(ignored))
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

async fn conforms(town: Town, case: Case) {
    let storage: Arc<dyn Storage> = town.open().await;
    case(Arc::clone(&storage)).await;
    storage.close().await;
}

#[expect(clippy::as_conversions, reason = "closures become functions by it")]
fn tests() -> Vec<(&'static str, Test)> {
    tests![]
}

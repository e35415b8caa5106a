//! The command `handstamp` with a PostgreSQL database. `cargo xtask test` starts a server and names it in
//! `HANDSTAMP_TEST_POSTGRES`; without one the cases are shown as ignored, and fail where `CI` says so.

#![expect(clippy::unwrap_used, reason = "in a test, what goes wrong may stop it")]

use std::io::{BufRead as _, BufReader};
use std::process::{Command, ExitCode, Stdio};

use libtest_mimic::{Arguments, Failed, Trial};

type Test = fn(&str);

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let server = std::env::var("HANDSTAMP_TEST_POSTGRES").ok();
    let must = std::env::var("CI").is_ok_and(|ci| ci == "true");
    let tests: [(&str, Test); 2] = [
        (
            "a_server_starts_on_an_empty_database",
            a_server_starts_on_an_empty_database,
        ),
        (
            "a_schema_is_left_alone_unless_asked",
            a_schema_is_left_alone_unless_asked,
        ),
    ];
    let trials = tests.map(|(name, test)| {
        let server = server.clone();
        let run = move || {
            let server = server.ok_or("HANDSTAMP_TEST_POSTGRES names no server")?;
            let mark = if server.contains('?') { "&" } else { "?" };
            // The server is gone after the run, and the schema with it.
            let schema = format!("command_{}_{}", std::process::id(), name.len());
            test(&format!("{server}{mark}schema={schema}"));
            Ok::<(), Failed>(())
        };
        Trial::test(name, run)
    });
    let ignored = server.is_none() && !must;
    let trials = trials
        .into_iter()
        .map(|trial| trial.with_ignored_flag(ignored))
        .collect();
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn handstamp(arguments: &[&str], url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_handstamp"));
    command
        .args(arguments)
        .env_clear()
        .env("POSTGRESQL_CONNECTION_URI", url);
    command
}

/// The address without user and password, as it may be shown.
fn masked(url: &str) -> String {
    format!("postgres://***@{}", url.rsplit_once('@').unwrap().1)
}

fn a_server_starts_on_an_empty_database(url: &str) {
    let mut server = handstamp(&["serve", "--port", "0"], url)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    let mut stdout = BufReader::new(server.stdout.take().unwrap());
    stdout.read_line(&mut ready).unwrap();
    let id = server.id().to_string();
    let sent = Command::new("kill").args(["-TERM", &id]).status();
    assert!(sent.unwrap().success());
    assert_eq!(server.wait().unwrap().code(), Some(0));
    let database = format!("; database {}; core protocol", masked(url));
    assert!(ready.contains(&database), "{ready}");
}

fn a_schema_is_left_alone_unless_asked(url: &str) {
    let start = || {
        let mut command = handstamp(&["serve", "--host", "127.0.0.1", "--port", "0"], url);
        command.env("AUTO_MIGRATE", "false").output().unwrap()
    };
    let output = start();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains("run `handstamp migrate`"), "{told}");

    for _ in 0..2 {
        let output = handstamp(&["migrate"], url).output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        let expected = format!("the schema in {} is up to date\n", masked(url));
        assert_eq!(told, expected);
    }
}

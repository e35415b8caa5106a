//! The command `handstamp` with a MySQL or MariaDB database. `cargo xtask test` starts a server and names it in
//! `HANDSTAMP_TEST_MYSQL`; without one the cases are shown as ignored, and fail where `CI` says so.

#![expect(clippy::unwrap_used, reason = "in a test, what goes wrong may stop it")]

use std::io::{BufRead as _, BufReader};
use std::process::{Command, ExitCode, Stdio};

use libtest_mimic::{Arguments, Failed, Trial};
use sqlx::mysql::MySqlConnection;
use sqlx::{AssertSqlSafe, Connection as _};

type Test = fn(&str);

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let server = std::env::var("HANDSTAMP_TEST_MYSQL").ok();
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
            let server = server.ok_or("HANDSTAMP_TEST_MYSQL names no server")?;
            // The server is gone after the run, and the database with it.
            let database = format!("command_{}_{}", std::process::id(), name.len());
            let (place, _) = server.rsplit_once('/').ok_or("no address")?;
            make(&server, &database);
            test(&format!("{place}/{database}"));
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

fn make(server: &str, database: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut connection = MySqlConnection::connect(server).await.unwrap();
        let create = AssertSqlSafe(format!("CREATE DATABASE {database}"));
        sqlx::raw_sql(create)
            .execute(&mut connection)
            .await
            .unwrap();
    });
}

fn handstamp(arguments: &[&str], url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_handstamp"));
    command
        .args(arguments)
        .env_clear()
        .env("MYSQL_CONNECTION_URI", url);
    command
}

/// The address without user and password, as it may be shown.
fn masked(url: &str) -> String {
    format!("mysql://***@{}", url.rsplit_once('@').unwrap().1)
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

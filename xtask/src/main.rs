//! The project's own commands, one file each: `cargo xtask test`, `cargo xtask lint`, `cargo xtask bench`.

mod bench;
mod go;
mod lint;
mod mariadb;
mod node;
mod postgres;
mod python;
mod steps;
mod test;

use std::process::ExitCode;

use anyhow::Result;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  test   run every test there is: Rust, with a PostgreSQL and a MariaDB server of its own; the library's example in a browser;
         then the SDK and protocol suites against the release build
  lint   formatting, clippy, documentation, features, dependencies
  bench  what operations cost beside the machine's limits, written to docs/benchmarks.md
         [--database sqlite|postgres], [--seconds N] per measurement, [--sessions N] stored for the last part, which with
         PostgreSQL shows the plan of each statement;
         [--web] sessions in a web application beside tower-sessions instead;
         [--node] the npm package beside others instead
  postgres PROGRAM [ARGUMENT..]
         run a program while a PostgreSQL server is there, named in HANDSTAMP_TEST_POSTGRES
  mariadb PROGRAM [ARGUMENT..]
         the same with a MariaDB server, named in HANDSTAMP_TEST_MYSQL

`cargo xtask test` looks at CRASH_ROUNDS and CRASH_SEED: how often the server is killed, and a run to repeat.";

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let passed = match arguments.as_slice() {
        ["test"] => test::run_all()?,
        ["lint"] => lint::run_all(),
        ["bench", options @ ..] => bench::run_with(options)?,
        ["mariadb", program, arguments @ ..] => mariadb::run_with(program, arguments)?,
        ["postgres", program, arguments @ ..] => postgres::run_with(program, arguments)?,
        ["help" | "-h" | "--help"] => {
            println!("{USAGE}");
            true
        }
        _ => {
            eprintln!("{USAGE}");
            return Ok(ExitCode::from(2));
        }
    };
    Ok(if passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

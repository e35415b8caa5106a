//! Somebody else at the database.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, bail};

use super::Postgres;

/// A connection of `psql`; what it has begun is undone when it is dropped.
#[derive(Debug)]
pub struct Client {
    process: Child,
    statements: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

pub(super) fn command(server: &Postgres) -> Command {
    let mut psql = Command::new(server.programs.join("psql"));
    psql.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1"])
        .args(["-U", "postgres", "-p", &server.port.to_string()])
        .env("PGPASSWORD", &server.password);
    psql
}

impl Client {
    pub(super) fn connect(server: &Postgres) -> Result<Self> {
        let mut process = command(server)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot run psql")?;
        let answers = process.stdout.take().context("no standard output")?;
        Ok(Self {
            statements: process.stdin.take(),
            answers: BufReader::new(answers),
            process,
        })
    }

    /// Runs SQL; answers the rows, with `|` between their columns.
    ///
    /// # Errors
    /// When it fails.
    pub fn run(&mut self, sql: &str) -> Result<String> {
        let statements = self.statements.as_mut().context("psql has ended")?;
        writeln!(statements, "{sql};\n\\echo {END}")?;
        statements.flush()?;
        let mut told = String::new();
        loop {
            let begin = told.len();
            if self.answers.read_line(&mut told)? == 0 {
                bail!("{sql} failed");
            }
            if told.get(begin..).map(str::trim_end) == Some(END) {
                told.truncate(begin);
                return Ok(told.trim_end().to_owned());
            }
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        drop(self.statements.take());
        drop(self.process.wait());
    }
}

const END: &str = "-- end --";

//! Somebody else at the database, by the client program that comes with it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

/// A connection that stays; what it has begun is undone when it is dropped.
#[derive(Debug)]
pub struct Client {
    process: Child,
    statements: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    /// Has the program print a line.
    echo: &'static str,
}

impl Client {
    /// `echo` is what the program is told so that it prints [`END`].
    pub(crate) fn connect(mut program: Command, echo: &'static str) -> Result<Self> {
        let mut process = program
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", program.get_program().display()))?;
        let answers = process.stdout.take().context("no standard output")?;
        Ok(Self {
            statements: process.stdin.take(),
            answers: BufReader::new(answers),
            process,
            echo,
        })
    }

    /// Runs SQL; answers the rows, with `|` or a tabulator between their columns.
    ///
    /// # Errors
    /// When it fails.
    pub fn run(&mut self, sql: &str) -> Result<String> {
        let statements = self.statements.as_mut().context("the client has ended")?;
        writeln!(statements, "{sql};\n{}", self.echo)?;
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

/// Runs SQL by a client program of its own, which takes it as its last argument.
pub(crate) fn run_once(mut program: Command, sql: &str) -> Result<String> {
    let output = program
        .arg(sql)
        .stdin(Stdio::null())
        .output()
        .context("cannot run the client program")?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{sql}: {told}");
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

pub(crate) const END: &str = "-- end --";

//! A database server's process: started, told to end, and what it logs.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, bail, ensure};

/// How a server is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// In order, and without waiting for its clients.
    Fast,
    /// At once: it will have to recover.
    Immediate,
    /// It is not asked: `kill -9`.
    Kill,
}

/// It shares the terminal's signals, so that it ends with an interrupted run, too.
#[derive(Debug, Default)]
pub(crate) struct Server {
    process: Option<Child>,
    log: Arc<Mutex<String>>,
}

impl Server {
    /// Runs it, and waits until its log says that it is `ready`.
    pub(crate) fn start(&mut self, command: &mut Command, ready: &str) -> Result<()> {
        ensure!(self.process.is_none(), "the server is running");
        let program = command.get_program().display().to_string();
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut process = command
            .spawn()
            .with_context(|| format!("cannot start {program}"))?;
        let log = process.stderr.take().context("no log of the server")?;
        // Kept before it is known to be ready, so that it is ended in any case.
        self.process = Some(process);
        let ready = self.wait_until(BufReader::new(log), ready);
        if ready.is_err() {
            self.end("-KILL")?;
        }
        ready
    }

    /// Ends it by a signal, and waits for it.
    pub(crate) fn end(&mut self, signal: &str) -> Result<()> {
        let Some(mut process) = self.process.take() else {
            return Ok(());
        };
        let id = process.id().to_string();
        let told = Command::new("kill").args([signal, &id]).status();
        if !told.is_ok_and(|status| status.success()) {
            // It may have ended by itself; being killed it would leave others behind.
            process.kill()?;
        }
        process.wait()?;
        Ok(())
    }

    pub(crate) fn is_running(&self) -> bool {
        self.process.is_some()
    }

    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        self.log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Reads the log until it says so, and keeps the rest of it.
    fn wait_until(
        &self,
        mut log: BufReader<impl std::io::Read + Send + 'static>,
        ready: &str,
    ) -> Result<()> {
        let mut told = String::new();
        loop {
            let begin = told.len();
            if log.read_line(&mut told)? == 0 {
                bail!("the server ended before it was ready:\n{told}");
            }
            if told.get(begin..).is_some_and(|line| line.contains(ready)) {
                break;
            }
        }
        let kept = Arc::clone(&self.log);
        std::thread::spawn(move || {
            loop {
                if let Ok(mut kept) = kept.lock() {
                    kept.push_str(&std::mem::take(&mut told));
                }
                if !log.read_line(&mut told).is_ok_and(|read| read > 0) {
                    break;
                }
            }
        });
        Ok(())
    }
}

//! The command `handstamp`, run as a process.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use anyhow::{Context as _, Result, ensure};

use crate::http;

/// A server that answers; it is ended with the value.
#[derive(Debug)]
pub struct Handstamp {
    process: Child,
    address: SocketAddr,
    log: Arc<Mutex<String>>,
    logging: Option<JoinHandle<()>>,
}

impl Handstamp {
    /// Starts `binary` at a free port, with `settings` as its whole environment, and waits until it says hello.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(binary: &Path, settings: &[(&str, &str)]) -> Result<Self> {
        let mut process = Command::new(binary)
            .args(["serve", "--host", "127.0.0.1", "--port", "0"])
            .env_clear()
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start handstamp")?;
        let out = process.stdout.take().context("no standard output")?;
        let err = process.stderr.take().context("no standard error")?;
        let log = Arc::new(Mutex::new(String::new()));
        let logging = keep(err, &log);
        // Made before it is known to be ready, so that it is ended in any case.
        let mut server = Self {
            process,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            log,
            logging: Some(logging),
        };
        let mut ready = String::new();
        BufReader::new(out).read_line(&mut ready)?;
        let address = ready
            .split_once("http://")
            .and_then(|(_, rest)| rest.split([' ', ';', '\n']).next()?.parse().ok());
        let Some(address) = address else {
            let ended = server.process.wait()?;
            anyhow::bail!("handstamp is not ready but {ended}: {}", server.end());
        };
        server.address = address;
        let hello = http::call(address, "GET", "/hello", &[], "")?;
        ensure!(hello.status == 200, "{hello:?}");
        Ok(server)
    }

    /// Where it answers.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The process's id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// What it has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Gives it no chance to do anything.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    /// Asks it to stop, as an operator would; answers how it ended, and all of its log.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn stop(mut self) -> Result<(ExitStatus, String)> {
        let id = self.process.id().to_string();
        let told = Command::new("kill").args(["-TERM", &id]).status()?;
        ensure!(told.success(), "cannot stop handstamp");
        let ended = self.process.wait()?;
        Ok((ended, self.end()))
    }

    /// The whole log of a process that has ended.
    fn end(&mut self) -> String {
        if let Some(logging) = self.logging.take() {
            drop(logging.join());
        }
        self.log()
    }
}

impl Drop for Handstamp {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Keeps what comes, as it comes.
fn keep(mut from: impl std::io::Read + Send + 'static, log: &Arc<Mutex<String>>) -> JoinHandle<()> {
    let log = Arc::clone(log);
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            let text = buffer.get(..read).unwrap_or_default();
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            log.push_str(&String::from_utf8_lossy(text));
        }
    })
}

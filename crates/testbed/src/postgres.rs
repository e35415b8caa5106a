//! PostgreSQL servers in temporary folders: started, killed, started again, followed by a standby, promoted.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, bail, ensure};
use tempfile::TempDir;

use crate::account::Account;
use crate::own::{free_port, random_word};
use crate::wait;

mod client;

pub use client::Client;

/// The folder with the newest server's programs, if there is one.
#[must_use]
pub fn programs() -> Option<PathBuf> {
    let has_server =
        |folder: &PathBuf| folder.join("postgres").is_file() && folder.join("initdb").is_file();
    // Debian keeps them out of the search path.
    let versions = fs::read_dir("/usr/lib/postgresql").ok();
    let versions = versions.into_iter().flatten().filter_map(Result::ok);
    let mut versions: Vec<(u32, PathBuf)> = versions
        .filter_map(|version| {
            let number = version.file_name().to_str()?.parse().ok()?;
            Some((number, version.path().join("bin")))
        })
        .filter(|(_, folder)| has_server(folder))
        .collect();
    versions.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    versions
        .pop()
        .map(|(_, folder)| folder)
        .or_else(|| std::env::split_paths(&path).find(has_server))
}

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

/// A server. It shares the terminal's signals, so that it ends with an interrupted run, too.
#[derive(Debug)]
pub struct Postgres {
    process: Option<Child>,
    programs: PathBuf,
    account: Account,
    password: String,
    port: u16,
    settings: Vec<String>,
    log: Arc<Mutex<String>>,
    // Removed when the server has ended.
    folder: TempDir,
}

impl Postgres {
    /// Starts one of its own: whatever else runs on this machine is left alone. `settings` are `name=value`.
    ///
    /// # Errors
    /// When PostgreSQL is not there, or does not start.
    pub fn start(settings: &[&str]) -> Result<Self> {
        let mut server = Self::in_new_folder(random_word()?, settings)?;
        let password_file = server.folder.path().join("password");
        fs::write(&password_file, &server.password)?;
        server.account.own(&password_file)?;
        let mut initdb = server.program("initdb");
        initdb
            .args(["--auth=scram-sha-256", "--username=postgres"])
            .args(["--encoding=UTF8", "--locale=C", "--no-sync", "--pwfile"])
            .arg(&password_file)
            .arg("--pgdata")
            .arg(server.data());
        succeed(&mut initdb)?;
        server.run()?;
        Ok(server)
    }

    fn in_new_folder(password: String, settings: &[&str]) -> Result<Self> {
        let programs = programs().context("PostgreSQL's server was not found")?;
        let account = Account::find("postgres")?;
        let folder = tempfile::Builder::new()
            .prefix("handstamp-postgres-")
            .tempdir()
            .context("no temporary folder")?;
        account.own(folder.path())?;
        Ok(Self {
            process: None,
            programs,
            account,
            password,
            port: free_port()?,
            settings: settings.iter().map(ToString::to_string).collect(),
            log: Arc::default(),
            folder,
        })
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn program(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        self.account.command(&program, self.folder.path())
    }

    /// How to reach it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://{}@{}/postgres", self.login(), self.address())
    }

    /// The user and the password, as they stand in an address.
    #[must_use]
    pub fn login(&self) -> String {
        format!("postgres:{}", self.password)
    }

    /// What must not be shown.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The host and the port, as they stand in an address.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The first of its processes, the parent of the others; `None` while it is stopped.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// What it has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Starts it again after [`Self::stop`], where it was.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_again(&mut self) -> Result<()> {
        ensure!(self.process.is_none(), "PostgreSQL is running");
        wait::until("PostgreSQL starts again", || match self.run() {
            Ok(()) => Ok(Some(())),
            // Those that served clients notice after a while that they are alone, and the memory is theirs until then.
            Err(why) if why.to_string().contains("still in use") => Ok(None),
            Err(why) => Err(why),
        })
    }

    fn run(&mut self) -> Result<()> {
        let mut postgres = self.program("postgres");
        postgres
            .arg("-D")
            .arg(self.data())
            .arg("-k")
            .arg(self.folder.path())
            .args(["-p", &self.port.to_string()])
            // Nothing here has to outlive the machine.
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"])
            .args(["-c", "max_connections=200"]);
        for setting in &self.settings {
            postgres.args(["-c", setting]);
        }
        postgres
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut process = postgres.spawn().context("cannot start PostgreSQL")?;
        let log = process.stderr.take().context("no log of PostgreSQL")?;
        // Kept before it is known to be ready, so that it is ended in any case.
        self.process = Some(process);
        let ready = wait_until_ready(BufReader::new(log), &self.log);
        if ready.is_err() {
            self.stop(Stop::Kill)?;
        }
        ready
    }

    /// Ends it; its data stay.
    ///
    /// # Errors
    /// When it cannot be told to.
    pub fn stop(&mut self, how: Stop) -> Result<()> {
        let Some(mut process) = self.process.take() else {
            return Ok(());
        };
        let signal = match how {
            Stop::Fast => "-INT",
            Stop::Immediate => "-QUIT",
            Stop::Kill => "-KILL",
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

    /// Runs SQL by itself; answers the rows, with `|` between their columns.
    ///
    /// # Errors
    /// When it fails.
    pub fn sql(&self, sql: &str) -> Result<String> {
        let mut psql = client::command(self);
        let output = psql.args(["-c", sql]).output().context("cannot run psql")?;
        let told = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{sql}: {told}");
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// A connection that stays, with what is begun on it.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn client(&self) -> Result<Client> {
        Client::connect(self)
    }

    /// Starts a copy that follows this server, and makes each commit wait until the copy has it as well.
    ///
    /// # Errors
    /// When that fails.
    pub fn standby(&self) -> Result<Self> {
        let settings: Vec<_> = self.settings.iter().map(String::as_str).collect();
        let mut standby = Self::in_new_folder(self.password.clone(), &settings)?;
        let source = format!(
            "host=127.0.0.1 port={} user=postgres application_name={STANDBY}",
            self.port
        );
        let mut copy = standby.program("pg_basebackup");
        copy.args(["-d", &source, "-R", "-X", "stream", "--no-sync"])
            .args(["-c", "fast", "-D"])
            .arg(standby.data())
            .env("PGPASSWORD", &self.password);
        succeed(&mut copy)?;
        standby.run()?;
        // Not in what was copied: once promoted, it waits for nobody.
        self.sql(&format!(
            "ALTER SYSTEM SET synchronous_standby_names = '{STANDBY}'"
        ))?;
        self.sql("SELECT pg_reload_conf()")?;
        wait::until("the standby follows", || {
            let follows = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
            Ok((self.sql(follows)? == "1").then_some(()))
        })?;
        Ok(standby)
    }

    /// Makes a standby the primary.
    ///
    /// # Errors
    /// When that fails.
    pub fn promote(&self) -> Result<()> {
        let promoted = self.sql("SELECT pg_promote()")?;
        ensure!(promoted == "t", "not promoted");
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // An interrupt ends it at once and in order.
        drop(self.stop(Stop::Fast));
    }
}

/// Reads the log until it says so, and keeps the rest of it.
fn wait_until_ready(
    mut log: BufReader<impl std::io::Read + Send + 'static>,
    kept: &Arc<Mutex<String>>,
) -> Result<()> {
    let mut told = String::new();
    loop {
        let begin = told.len();
        if log.read_line(&mut told)? == 0 {
            bail!("PostgreSQL ended before it was ready:\n{told}");
        }
        // For connections, or for read-only ones.
        let ready = |line: &str| line.contains("database system is ready to accept");
        if told.get(begin..).is_some_and(ready) {
            break;
        }
    }
    let kept = Arc::clone(kept);
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

fn succeed(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output();
    let output =
        output.with_context(|| format!("cannot run {}", command.get_program().display()))?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{:?}: {told}", command.get_args());
    Ok(())
}

/// A port that nobody had a moment ago.
const STANDBY: &str = "standby";

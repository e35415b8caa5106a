//! PostgreSQL servers in temporary folders: started, killed, started again, followed by a standby, promoted.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

use crate::account::Account;
use crate::client::{Client, run_once};
use crate::own::{free_port, random_word};
use crate::plans::{self, Plan};
use crate::server::{Server, Stop};
use crate::tls::Authority;
use crate::wait;

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

/// A server, gone with its owner.
#[derive(Debug)]
pub struct Postgres {
    server: Server,
    programs: PathBuf,
    account: Account,
    password: String,
    port: u16,
    settings: Vec<String>,
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
        server.init()?;
        server.run()?;
        Ok(server)
    }

    /// The same, and it takes no connection that is not encrypted. `authority` says that it has these names or addresses.
    ///
    /// # Errors
    /// When PostgreSQL is not there, or does not start.
    pub fn start_encrypted(authority: &Authority, names: &[&str]) -> Result<Self> {
        let mut server = Self::in_new_folder(random_word()?, &["ssl=on"])?;
        server.init()?;
        let data = server.data();
        let (certificate, key) = (data.join("server.crt"), data.join("server.key"));
        authority.certify(names, server.account, &certificate, &key)?;
        let who = "hostssl all all 127.0.0.1/32 scram-sha-256\n";
        fs::write(data.join("pg_hba.conf"), who)?;
        server.run()?;
        Ok(server)
    }

    fn init(&self) -> Result<()> {
        let password_file = self.folder.path().join("password");
        fs::write(&password_file, &self.password)?;
        self.account.own(&password_file)?;
        let mut initdb = self.program("initdb");
        initdb
            .args(["--auth=scram-sha-256", "--username=postgres"])
            .args(["--encoding=UTF8", "--locale=C", "--no-sync", "--pwfile"])
            .arg(&password_file)
            .arg("--pgdata")
            .arg(self.data());
        succeed(&mut initdb)
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
            server: Server::default(),
            programs,
            account,
            password,
            port: free_port()?,
            settings: settings.iter().map(ToString::to_string).collect(),
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
        self.server.pid()
    }

    /// What it has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.server.log()
    }

    /// How to reach it so that the plan of each statement is logged.
    #[must_use]
    pub fn explained_url(&self) -> String {
        let settings = [
            "session_preload_libraries=auto_explain",
            "auto_explain.log_min_duration=0",
            "auto_explain.log_format=json",
        ];
        let settings = settings.map(|setting| format!("-c {setting}"));
        let settings = settings.join(" ").replace('=', "%3D").replace(' ', "%20");
        format!("{}?options={settings}", self.url())
    }

    /// The plans of what was run by way of [`Self::explained_url`].
    ///
    /// # Errors
    /// When the log does not come.
    pub fn plans(&self) -> Result<Vec<Plan>> {
        const END: &str = "this is the end of the plans";
        self.sql(&format!("DO $$ BEGIN RAISE LOG '{END}'; END $$"))?;
        let log = wait::until("the log of the plans", || {
            let log = self.log();
            Ok(log.contains(END).then_some(log))
        })?;
        Ok(plans::of_postgres(&log))
    }

    /// Starts it again after [`Self::stop`], where it was.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_again(&mut self) -> Result<()> {
        ensure!(!self.server.is_running(), "PostgreSQL is running");
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
        // For connections, or for read-only ones.
        let ready = "database system is ready to accept";
        self.server.start(&mut postgres, ready)
    }

    /// Ends it; its data stay.
    ///
    /// # Errors
    /// When it cannot be told to.
    pub fn stop(&mut self, how: Stop) -> Result<()> {
        self.server.end(match how {
            Stop::Fast => "-INT",
            Stop::Immediate => "-QUIT",
            Stop::Kill => "-KILL",
        })
    }

    /// Runs SQL by itself; answers the rows, with `|` between their columns.
    ///
    /// # Errors
    /// When it fails.
    pub fn sql(&self, sql: &str) -> Result<String> {
        let mut psql = self.psql();
        psql.arg("-c");
        run_once(psql, sql)
    }

    /// A connection that stays, with what is begun on it.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn client(&self) -> Result<Client> {
        Client::connect(self.psql(), "\\echo -- end --")
    }

    fn psql(&self) -> Command {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1"])
            .args(["-U", "postgres", "-p", &self.port.to_string()])
            .env("PGPASSWORD", &self.password);
        psql
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

fn succeed(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output();
    let output =
        output.with_context(|| format!("cannot run {}", command.get_program().display()))?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{:?}: {told}", command.get_args());
    Ok(())
}

/// What the standby is called, so that commits can wait for it.
const STANDBY: &str = "standby";

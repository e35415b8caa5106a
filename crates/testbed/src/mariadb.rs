//! MariaDB servers in temporary folders: started, killed, started again; gone with their owner.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use tempfile::TempDir;

use crate::account::Account;
use crate::client::{Client, run_once};
use crate::own::{free_port, random_word};
use crate::plans::{self, Plan};
use crate::server::{Server, Stop};

/// A server.
#[derive(Debug)]
pub struct MariaDb {
    server: Server,
    programs: Programs,
    account: Account,
    password: String,
    port: u16,
    url: String,
    // Removed when the server has ended.
    folder: TempDir,
}

impl MariaDb {
    /// Starts one of its own: whatever else runs on this machine is left alone, and so is its configuration.
    ///
    /// # Errors
    /// When the programs are missing, or do not do what they are for.
    pub fn start() -> Result<Self> {
        let programs = find_programs().context("MariaDB's programs were not found")?;
        let account = Account::find("mysql")?;
        let folder = tempfile::Builder::new()
            .prefix("handstamp-mariadb-")
            .tempdir()
            .context("no temporary folder")?;
        account.own(folder.path())?;
        let (password, port) = (random_word()?, free_port()?);
        let url = format!("mysql://handstamp:{password}@127.0.0.1:{port}/handstamp");
        let mut server = Self {
            server: Server::default(),
            programs,
            account,
            password,
            port,
            url,
            folder,
        };
        server.install()?;
        let init = server.folder.path().join("init.sql");
        fs::write(&init, accounts(&server.password))?;
        server.account.own(&init)?;
        server.run(&[option("--init-file", &init)])?;
        Ok(server)
    }

    fn install(&self) -> Result<()> {
        let mut install = self.program(&self.programs.install);
        install
            .args(["--no-defaults", "--auth-root-authentication-method=normal"])
            .args(["--skip-name-resolve", "--skip-test-db"])
            .arg(self.data())
            .stdout(Stdio::null());
        let made = install.status().context("cannot run mariadb-install-db")?;
        ensure!(made.success(), "mariadb-install-db failed");
        Ok(())
    }

    fn data(&self) -> String {
        option("--datadir", &self.folder.path().join("data"))
    }

    fn program(&self, program: &Path) -> Command {
        let folder = self.folder.path();
        let mut command = self.account.command(program, folder);
        // Two that are made at once have temporary tables of the same names.
        command.env("TMPDIR", folder);
        command
    }

    /// How to reach it, as somebody who may do everything.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The user and the password, as they stand in an address.
    #[must_use]
    pub fn login(&self) -> String {
        format!("handstamp:{}", self.password)
    }

    /// The host and the port, as they stand in an address.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// From now on the plan of each statement is logged, of connections that are made from now on.
    ///
    /// # Errors
    /// When it cannot be told to.
    pub fn explain(&self) -> Result<()> {
        let log = self.slow_log();
        self.sql(&format!(
            "SET GLOBAL slow_query_log_file = '{}', GLOBAL long_query_time = 0,
                 GLOBAL log_slow_verbosity = 'query_plan,explain', GLOBAL slow_query_log = 1",
            log.display()
        ))
        .map(drop)
    }

    /// The plans of what was run since [`Self::explain`].
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn plans(&self) -> Result<Vec<Plan>> {
        self.sql("FLUSH SLOW LOGS")?;
        let log = fs::read(self.slow_log()).context("no log of statements")?;
        Ok(plans::of_mariadb(&String::from_utf8_lossy(&log)))
    }

    fn slow_log(&self) -> PathBuf {
        self.folder.path().join("slow.log")
    }

    /// Starts it again after [`Self::stop`], where it was.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_again(&mut self) -> Result<()> {
        self.run(&[])
    }

    fn run(&mut self, more: &[String]) -> Result<()> {
        let folder = self.folder.path();
        let mut mariadbd = self.program(&self.programs.server);
        mariadbd
            .args(["--no-defaults", "--skip-name-resolve"])
            .arg(self.data())
            .arg(option("--socket", &folder.join("socket")))
            .arg(option("--pid-file", &folder.join("pid")))
            .args(["--bind-address=127.0.0.1", &format!("--port={}", self.port)])
            // What is committed has to outlive the server, and not the machine.
            .args([
                "--innodb-flush-log-at-trx-commit=2",
                "--max-connections=300",
            ])
            .args(more);
        self.server.start(&mut mariadbd, "ready for connections")
    }

    /// Ends it; its data stay.
    ///
    /// # Errors
    /// When it cannot be told to.
    pub fn stop(&mut self, how: Stop) -> Result<()> {
        if how == Stop::Immediate {
            // As if it had crashed, but for the log of what was committed.
            self.sql("SET GLOBAL innodb_fast_shutdown = 2")?;
        }
        self.server.end(match how {
            Stop::Fast | Stop::Immediate => "-TERM",
            Stop::Kill => "-KILL",
        })
    }

    /// Runs SQL by itself; answers the rows, with a tabulator between their columns.
    ///
    /// # Errors
    /// When it fails.
    pub fn sql(&self, sql: &str) -> Result<String> {
        let mut mariadb = self.mariadb();
        mariadb.arg("-e");
        run_once(mariadb, sql)
    }

    /// A connection that stays, with what is begun on it.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn client(&self) -> Result<Client> {
        Client::connect(self.mariadb(), "SELECT '-- end --';")
    }

    fn mariadb(&self) -> Command {
        let mut mariadb = Command::new(&self.programs.client);
        mariadb
            .args(["--no-defaults", "--batch", "--skip-column-names"])
            .args(["--unbuffered", "--host=127.0.0.1", "--user=handstamp"])
            .args([&format!("--port={}", self.port), "--database=handstamp"])
            .env("MYSQL_PWD", &self.password);
        mariadb
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        // Asked to, it ends in order.
        drop(self.stop(Stop::Fast));
    }
}

/// Who may log in, and how. The password is of letters and digits. The accounts that have none go.
fn accounts(password: &str) -> String {
    format!(
        "DELETE FROM mysql.global_priv WHERE User = 'root';\n\
         FLUSH PRIVILEGES;\n\
         CREATE USER handstamp@'127.0.0.1' IDENTIFIED BY '{password}';\n\
         GRANT ALL ON *.* TO handstamp@'127.0.0.1' WITH GRANT OPTION;\n\
         CREATE DATABASE handstamp;\n"
    )
}

fn option(name: &str, path: &Path) -> String {
    format!("{name}={}", path.display())
}

/// The server, what makes its data folder, and what talks to it.
#[derive(Debug)]
struct Programs {
    server: PathBuf,
    install: PathBuf,
    client: PathBuf,
}

/// Whether the server's programs are there.
#[must_use]
pub fn is_there() -> bool {
    find_programs().is_some()
}

fn find_programs() -> Option<Programs> {
    // What makes the folder needs it.
    find("my_print_defaults")?;
    Some(Programs {
        server: find("mariadbd")?,
        install: find("mariadb-install-db")?,
        client: find("mariadb")?,
    })
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian keeps servers out of the search path of those who are not root.
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let mut programs = folders.map(|folder| folder.join(program));
    programs.find(|program| program.is_file())
}

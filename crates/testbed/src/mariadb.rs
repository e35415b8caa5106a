//! A MariaDB server in a temporary folder, gone with its owner.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use tempfile::TempDir;

use crate::account::Account;
use crate::own::{free_port, random_word};

/// A server that runs. It shares the terminal's signals, so that it ends with an interrupted run, too.
#[derive(Debug)]
pub struct MariaDb {
    process: Child,
    url: String,
    // Removed when the server has ended.
    _folder: TempDir,
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
        let password = random_word()?;
        let init = folder.path().join("init.sql");
        fs::write(&init, accounts(&password))?;
        account.own(&init)?;

        let data = option("--datadir", &folder.path().join("data"));
        let mut install = account.command(&programs.install, folder.path());
        install
            .args(["--no-defaults", "--auth-root-authentication-method=normal"])
            .args(["--skip-name-resolve", "--skip-test-db"])
            .arg(&data)
            .stdout(Stdio::null());
        let made = install.status().context("cannot run mariadb-install-db")?;
        ensure!(made.success(), "mariadb-install-db failed");

        let port = free_port()?;
        let mut mariadbd = account.command(&programs.server, folder.path());
        mariadbd
            .args(["--no-defaults", "--skip-name-resolve"])
            .arg(&data)
            .arg(option("--init-file", &init))
            .arg(option("--socket", &folder.path().join("socket")))
            .arg(option("--pid-file", &folder.path().join("pid")))
            .args(["--bind-address=127.0.0.1", &format!("--port={port}")])
            // Nothing here has to outlive the machine.
            .args([
                "--innodb-flush-log-at-trx-commit=0",
                "--max-connections=300",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut process = mariadbd.spawn().context("cannot start MariaDB")?;
        let log = process.stderr.take().context("no log of MariaDB")?;
        // Made before it is known to be ready, so that it ends in any case.
        let server = Self {
            process,
            url: format!("mysql://handstamp:{password}@127.0.0.1:{port}/handstamp"),
            _folder: folder,
        };
        wait_until_ready(BufReader::new(log))?;
        Ok(server)
    }

    /// How to reach it.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        // Asked to, it ends in order.
        let id = self.process.id().to_string();
        let ended = Command::new("kill").args(["-TERM", &id]).status();
        if !ended.is_ok_and(|status| status.success()) {
            drop(self.process.kill());
        }
        drop(self.process.wait());
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

/// Reads the log until it says so, and lets the rest of it go.
fn wait_until_ready(mut log: BufReader<impl std::io::Read + Send + 'static>) -> Result<()> {
    let mut told = String::new();
    loop {
        let begin = told.len();
        if log.read_line(&mut told)? == 0 {
            bail!("MariaDB ended before it was ready:\n{told}");
        }
        let ready = |line: &str| line.contains("ready for connections");
        if told.get(begin..).is_some_and(ready) {
            break;
        }
    }
    std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
    Ok(())
}

/// The server, and what makes its data folder.
struct Programs {
    server: PathBuf,
    install: PathBuf,
}

/// Whether the server's programs are there.
#[must_use]
pub fn is_there() -> bool {
    find_programs().is_some()
}

fn find_programs() -> Option<Programs> {
    // The second needs the third.
    find("my_print_defaults")?;
    Some(Programs {
        server: find("mariadbd")?,
        install: find("mariadb-install-db")?,
    })
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian keeps servers out of the search path of those who are not root.
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let mut programs = folders.map(|folder| folder.join(program));
    programs.find(|program| program.is_file())
}

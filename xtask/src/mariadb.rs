//! A MariaDB server for the tests: found or installed, started in a temporary folder, gone with its owner.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use crate::steps::{output, run};

/// Runs a program while there is a server. Answers whether it succeeded.
pub(crate) fn run_with(program: &str, arguments: &[&str]) -> Result<bool> {
    let server = Server::start()?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("HANDSTAMP_TEST_MYSQL", server.url());
    Ok(command.status()?.success())
}

/// A server that runs. It shares the terminal's signals, so that it ends with an interrupted run, too.
pub(crate) struct Server {
    process: Child,
    url: String,
    // Removed when the server has ended.
    _folder: TempDir,
}

impl Server {
    /// Starts one of its own: whatever else runs on this machine is left alone, and so is its configuration.
    pub(crate) fn start() -> Result<Self> {
        let programs = provide()?;
        let account = Account::find()?;
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
        run(&mut install)?;

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
        println!("MariaDB is ready at port {port}");
        Ok(server)
    }

    /// How to reach it.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Server {
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

/// Installs them only where that is plainly wanted: as root on a Debian system. These packages are the programs alone: no service
/// comes with them that would start by itself.
fn provide() -> Result<Programs> {
    if let Some(programs) = programs() {
        return Ok(programs);
    }
    if !(is_root() && Path::new("/etc/debian_version").exists()) {
        bail!("MariaDB's server is needed, and was not found: please install it");
    }
    println!("MariaDB is missing: installing it with apt-get");
    run(Command::new("apt-get").arg("update"))?;
    run(Command::new("apt-get")
        .args(["install", "--yes", "--no-install-recommends"])
        .args(["mariadb-server-core", "mariadb-client-core"])
        .env("DEBIAN_FRONTEND", "noninteractive"))?;
    programs().context("MariaDB was installed, and is still not found")
}

fn programs() -> Option<Programs> {
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

fn is_root() -> bool {
    output("id", &["-u"]).as_deref() == Some("0")
}

/// Who runs the server: MariaDB refuses to run as root.
struct Account {
    /// User and group, if we are root.
    other: Option<(u32, u32)>,
}

impl Account {
    fn find() -> Result<Self> {
        if !is_root() {
            return Ok(Self { other: None });
        }
        let number = |flag: &str, name: &str| output("id", &[flag, name])?.parse().ok();
        let other = ["mysql", "nobody"]
            .iter()
            .find_map(|name| Some((number("-u", name)?, number("-g", name)?)));
        let other = other.context("there is no account that could run MariaDB")?;
        Ok(Self { other: Some(other) })
    }

    fn own(&self, path: &Path) -> Result<()> {
        if let Some((user, group)) = self.other {
            std::os::unix::fs::chown(path, Some(user), Some(group))?;
        }
        Ok(())
    }

    fn command(&self, program: &Path, folder: &Path) -> Command {
        let mut command = match self.other {
            Some((user, group)) => {
                let mut command = Command::new("setpriv");
                command
                    .arg(format!("--reuid={user}"))
                    .arg(format!("--regid={group}"))
                    .args(["--clear-groups", "--"])
                    .arg(program);
                command
            }
            None => Command::new(program),
        };
        command.current_dir(folder);
        command
    }
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no free port")?;
    Ok(listener.local_addr()?.port())
}

/// Other users of the machine must not get into the server.
fn random_word() -> Result<String> {
    use std::fmt::Write as _;

    let mut bytes = [0; 16];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let mut word = String::new();
    for byte in bytes {
        write!(word, "{byte:02x}")?;
    }
    Ok(word)
}

//! A PostgreSQL server for the tests: found or installed, started in a temporary folder, gone with its owner.

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
        .env("HANDSTAMP_TEST_POSTGRES", server.url());
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
    /// Starts one of its own: whatever else runs on this machine is left alone.
    pub(crate) fn start() -> Result<Self> {
        let programs = provide()?;
        let account = Account::find()?;
        let folder = tempfile::Builder::new()
            .prefix("handstamp-postgres-")
            .tempdir()
            .context("no temporary folder")?;
        account.own(folder.path())?;
        let password = random_word()?;
        let password_file = folder.path().join("password");
        fs::write(&password_file, &password)?;
        account.own(&password_file)?;

        let data = folder.path().join("data");
        let mut initdb = account.command(&programs.join("initdb"), folder.path());
        initdb
            .args([
                "--auth=scram-sha-256",
                "--username=postgres",
                "--encoding=UTF8",
            ])
            .args(["--locale=C", "--no-sync", "--pwfile"])
            .arg(&password_file)
            .arg("--pgdata")
            .arg(&data)
            .stdout(Stdio::null());
        run(&mut initdb)?;

        let port = free_port()?;
        let mut postgres = account.command(&programs.join("postgres"), folder.path());
        postgres
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(folder.path())
            .args(["-p", &port.to_string()])
            // Nothing here has to outlive the machine.
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"])
            .args(["-c", "max_connections=200"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut process = postgres.spawn().context("cannot start PostgreSQL")?;
        let log = process.stderr.take().context("no log of PostgreSQL")?;
        // Made before it is known to be ready, so that it ends in any case.
        let server = Self {
            process,
            url: format!("postgres://postgres:{password}@127.0.0.1:{port}/postgres"),
            _folder: folder,
        };
        wait_until_ready(BufReader::new(log))?;
        println!("PostgreSQL is ready at port {port}");
        Ok(server)
    }

    /// How to reach it.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An interrupt ends it at once and in order; being killed it would leave others behind.
        let id = self.process.id().to_string();
        let ended = Command::new("kill").args(["-INT", &id]).status();
        if !ended.is_ok_and(|status| status.success()) {
            drop(self.process.kill());
        }
        drop(self.process.wait());
    }
}

/// Reads the log until it says so, and lets the rest of it go.
fn wait_until_ready(mut log: BufReader<impl std::io::Read + Send + 'static>) -> Result<()> {
    let mut told = String::new();
    loop {
        let begin = told.len();
        if log.read_line(&mut told)? == 0 {
            bail!("PostgreSQL ended before it was ready:\n{told}");
        }
        let ready = |line: &str| line.contains("database system is ready to accept connections");
        if told.get(begin..).is_some_and(ready) {
            break;
        }
    }
    std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
    Ok(())
}

/// The folder with the newest server's programs. Installs them only where that is plainly wanted: as root on a Debian system.
fn provide() -> Result<PathBuf> {
    if let Some(programs) = programs() {
        return Ok(programs);
    }
    if !(is_root() && Path::new("/etc/debian_version").exists()) {
        bail!("PostgreSQL's server is needed, and was not found: please install it");
    }
    println!("PostgreSQL is missing: installing it with apt-get");
    run(Command::new("apt-get").arg("update"))?;
    run(Command::new("apt-get")
        .args(["install", "--yes", "--no-install-recommends", "postgresql"])
        .env("DEBIAN_FRONTEND", "noninteractive"))?;
    programs().context("PostgreSQL was installed, and is still not found")
}

fn programs() -> Option<PathBuf> {
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

fn is_root() -> bool {
    output("id", &["-u"]).as_deref() == Some("0")
}

/// Who runs the server: PostgreSQL refuses to run as root.
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
        let other = ["postgres", "nobody"]
            .iter()
            .find_map(|name| Some((number("-u", name)?, number("-g", name)?)));
        let other = other.context("there is no account that could run PostgreSQL")?;
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

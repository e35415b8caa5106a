//! MariaDB for the tests: found or installed, and a server of it for a program that wants one.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail, ensure};
use testbed::mariadb::{MariaDb, is_there};

use crate::steps::{output, run};

/// Runs a program while there is a server. Answers whether it succeeded.
pub(crate) fn run_with(program: &str, arguments: &[&str]) -> Result<bool> {
    let server = start()?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("HANDSTAMP_TEST_MYSQL", server.url());
    Ok(command.status()?.success())
}

/// Starts a server, which is ended with the value.
pub(crate) fn start() -> Result<MariaDb> {
    provide()?;
    let server = MariaDb::start()?;
    println!("MariaDB is ready");
    Ok(server)
}

/// Sees to it that the server's programs are there. Installs them only where that is plainly wanted: as root on a Debian system. These
/// packages are the programs alone: no service comes with them that would start by itself.
fn provide() -> Result<()> {
    if is_there() {
        return Ok(());
    }
    let root = output("id", &["-u"]).as_deref() == Some("0");
    if !(root && Path::new("/etc/debian_version").exists()) {
        bail!("MariaDB's server is needed, and was not found: please install it");
    }
    println!("MariaDB is missing: installing it with apt-get");
    run(Command::new("apt-get").arg("update"))?;
    run(Command::new("apt-get")
        .args(["install", "--yes", "--no-install-recommends"])
        .args(["mariadb-server-core", "mariadb-client-core"])
        .env("DEBIAN_FRONTEND", "noninteractive"))?;
    ensure!(is_there(), "MariaDB was installed, and is still not found");
    Ok(())
}

//! PostgreSQL for the tests: found or installed, and a server of it for a program that wants one.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use testbed::postgres::{Postgres, programs};

use crate::steps::{output, run};

/// Runs a program while there is a server. Answers whether it succeeded.
pub(crate) fn run_with(program: &str, arguments: &[&str]) -> Result<bool> {
    let server = start()?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("HANDSTAMP_TEST_POSTGRES", server.url());
    Ok(command.status()?.success())
}

/// Starts a server, which is ended with the value.
pub(crate) fn start() -> Result<Postgres> {
    provide()?;
    let server = Postgres::start(&[])?;
    println!("PostgreSQL is ready at {}", server.address());
    Ok(server)
}

/// Sees to it that the server's programs are there. Installs them only where that is plainly wanted: as root on a Debian system.
pub(crate) fn provide() -> Result<()> {
    if programs().is_some() {
        return Ok(());
    }
    let root = output("id", &["-u"]).as_deref() == Some("0");
    if !(root && Path::new("/etc/debian_version").exists()) {
        bail!("PostgreSQL's server is needed, and was not found: please install it");
    }
    println!("PostgreSQL is missing: installing it with apt-get");
    run(Command::new("apt-get").arg("update"))?;
    run(Command::new("apt-get")
        .args(["install", "--yes", "--no-install-recommends", "postgresql"])
        .env("DEBIAN_FRONTEND", "noninteractive"))?;
    programs()
        .map(drop)
        .context("PostgreSQL was installed, and is still not found")
}

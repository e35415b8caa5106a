//! Node.js and the packages of the SDK suites: found, or installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::steps::{answers, output, root, run};

/// The oldest Node.js the suites run on.
const OLDEST: u32 = 20;

/// Where the suites are.
pub(crate) fn folder() -> PathBuf {
    root().join("tests/sdk")
}

/// Sees to it that Node.js and npm are there. Installs them only where that is plainly wanted: as root on a Debian system.
pub(crate) fn provide() -> Result<()> {
    if !(answers("node", &["--version"]) && answers("npm", &["--version"])) {
        let root = output("id", &["-u"]).as_deref() == Some("0");
        if !(root && Path::new("/etc/debian_version").exists()) {
            bail!(
                "Node.js {OLDEST} or newer and npm are needed, and were not found: please install them"
            );
        }
        println!("Node.js or npm is missing: installing them with apt-get");
        run(Command::new("apt-get").arg("update"))?;
        run(Command::new("apt-get")
            .args([
                "install",
                "--yes",
                "--no-install-recommends",
                "nodejs",
                "npm",
            ])
            .env("DEBIAN_FRONTEND", "noninteractive"))?;
    }
    let version = output("node", &["--version"]).context("node does not run")?;
    let major = version
        .trim_start_matches('v')
        .split('.')
        .next()
        .and_then(|major| major.parse::<u32>().ok());
    match major {
        Some(major) if major >= OLDEST => println!("Node.js {version}"),
        _ => bail!("Node.js {OLDEST} or newer is needed, and this is {version}"),
    }
    Ok(())
}

/// Installs what the lock file names, unless that was done before with the same lock file.
pub(crate) fn install_packages() -> Result<()> {
    let folder = folder();
    let wanted = fs::read(folder.join("package-lock.json")).context("no package-lock.json")?;
    // `npm ci` begins by removing the whole folder, so a mark in it is one of a finished installation.
    let mark = folder.join("node_modules/.installed-package-lock.json");
    if fs::read(&mark).is_ok_and(|installed| installed == wanted) {
        println!("the packages are installed");
        return Ok(());
    }
    run(Command::new("npm").arg("ci").current_dir(&folder))?;
    fs::write(mark, wanted).context("node_modules cannot be written to")
}

/// Runs the suites against `binary`; those that want PostgreSQL use the server at `postgres`.
pub(crate) fn run_suites(binary: &Path, postgres: Option<&str>) -> Result<()> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".test.mjs") {
            files.push(name);
        }
    }
    files.sort();
    if files.is_empty() {
        bail!("there are no suites in {}", folder().display());
    }
    // The limit is for a suite that hangs: nothing is measured by it.
    let mut tests = Command::new("node");
    if let Some(url) = postgres {
        tests.env("HANDSTAMP_TEST_POSTGRES", url);
    }
    run(tests
        .args(["--test", "--test-reporter=spec", "--test-timeout=1200000"])
        .args(files)
        .current_dir(folder())
        .env("HANDSTAMP_BIN", binary))
}

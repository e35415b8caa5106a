//! Python and the releases of the SDK for it: found, or installed into folders of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::node;
use crate::steps::{answers, output, run};

/// A release of the SDK, and a Python that has it.
pub(crate) struct Release {
    name: String,
    python: PathBuf,
}

fn folder() -> PathBuf {
    node::folder().join("python")
}

/// Sees to it that there is a Python for each release that the folder `requirements` names; they go into `target`.
pub(crate) fn provide(target: &Path) -> Result<Vec<Release>> {
    find_python()?;
    let mut files = Vec::new();
    for entry in fs::read_dir(folder().join("requirements"))? {
        files.push(entry?.path());
    }
    files.sort();
    if files.is_empty() {
        bail!("no release of the SDK is named");
    }
    files.iter().map(|file| install(target, file)).collect()
}

/// Runs the SDK's scenarios against `binary`, with each release.
pub(crate) fn run_suites(binary: &Path, releases: &[Release]) -> Result<()> {
    let mut failed = Vec::new();
    for Release { name, python } in releases {
        let mut suite = Command::new(python);
        suite.arg("sessions.py").current_dir(folder());
        if let Err(why) = run(suite.env("HANDSTAMP_BIN", binary)) {
            failed.push(format!("{name}: {why}"));
        }
    }
    if !failed.is_empty() {
        bail!("{}", failed.join("; "));
    }
    Ok(())
}

/// Installs Python only where that is plainly wanted: as root on a Debian system.
fn find_python() -> Result<()> {
    if answers("python3", &["-c", "import venv, ensurepip, sqlite3"]) {
        return Ok(());
    }
    let root = output("id", &["-u"]).as_deref() == Some("0");
    if !(root && Path::new("/etc/debian_version").exists()) {
        bail!("Python 3 with venv is needed, and was not found: please install it");
    }
    println!("Python or its venv is missing: installing them with apt-get");
    run(Command::new("apt-get").arg("update"))?;
    run(Command::new("apt-get")
        .args([
            "install",
            "--yes",
            "--no-install-recommends",
            "python3",
            "python3-venv",
        ])
        .env("DEBIAN_FRONTEND", "noninteractive"))
}

/// A Python that has what the file `requirements` names.
fn install(target: &Path, requirements: &Path) -> Result<Release> {
    let wanted = fs::read(requirements).context("no requirements")?;
    let name = requirements
        .file_stem()
        .context("a file without a name")?
        .to_string_lossy()
        .into_owned();
    let home = target.join("python-sdk").join(&name);
    let python = home.join("bin/python");
    // Written last, so that it is a mark of a finished installation.
    let mark = home.join("requirements.txt");
    if fs::read(&mark).is_ok_and(|installed| installed == wanted) {
        println!("the packages for supertokens-python {name} are installed");
        return Ok(Release { name, python });
    }
    run(Command::new("python3")
        .args(["-m", "venv", "--clear"])
        .arg(&home))?;
    run(Command::new(&python)
        .args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--requirement",
        ])
        .arg(requirements))?;
    fs::write(mark, wanted).context("the folder for Python's packages cannot be written to")?;
    Ok(Release { name, python })
}

//! Python and the SDK for it: found, or installed into a folder of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::node;
use crate::steps::{answers, output, run};

/// Runs the SDK's scenarios against `binary`; what is installed for that goes into `target`.
pub(crate) fn run_suite(binary: &Path, target: &Path) -> Result<()> {
    let folder = node::folder().join("python");
    let python = provide(target, &folder.join("requirements.txt"))?;
    run(Command::new(python)
        .arg("sessions.py")
        .current_dir(folder)
        .env("HANDSTAMP_BIN", binary))
}

/// A Python that has what `requirements` names.
fn provide(target: &Path, requirements: &Path) -> Result<PathBuf> {
    let wanted = fs::read(requirements).context("no requirements.txt")?;
    let home = target.join("python-sdk");
    let python = home.join("bin/python");
    // Written last, so that it is a mark of a finished installation.
    let mark = home.join("requirements.txt");
    if fs::read(&mark).is_ok_and(|installed| installed == wanted) {
        println!("the packages are installed");
        return Ok(python);
    }
    if !answers("python3", &["-c", "import venv, ensurepip"]) {
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
            .env("DEBIAN_FRONTEND", "noninteractive"))?;
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
    Ok(python)
}

//! Node.js and the packages of the SDK suites: found, or installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::steps::{answers, output, root, run};

/// The oldest Node.js the suites run on.
const OLDEST: u32 = 20;

/// Where the suites are.
pub(crate) fn folder() -> PathBuf {
    root().join("tests/sdk")
}

/// Where the npm package is.
fn package() -> PathBuf {
    root().join("crates/handstamp-node")
}

/// Where the tests of the library's examples in a browser are.
fn browser_folder() -> PathBuf {
    root().join("tests/browser")
}

/// Sees to it that Node.js and npm are there.
pub(crate) fn provide() -> Result<()> {
    if !(answers("node", &["--version"]) && answers("npm", &["--version"])) {
        if !can_install() {
            bail!(
                "Node.js {OLDEST} or newer and npm are needed, and were not found: please install them"
            );
        }
        println!("Node.js or npm is missing: installing them with apt-get");
        apt_get(&["nodejs", "npm"])?;
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

/// Builds the addon; fails if what is generated with it is not what is checked in.
fn build_addon(folder: &Path, target: &Path) -> Result<()> {
    let generated = ["native.js", "native.d.ts"];
    let read = || generated.map(|name| fs::read(folder.join(name)).ok());
    let checked_in = read();
    run(Command::new("npm")
        .args(["run", "build:release", "--", "--target-dir"])
        .arg(target)
        .current_dir(folder))?;
    if read() != checked_in {
        bail!(
            "{generated:?} in {} were not fresh: they are now",
            folder.display()
        );
    }
    Ok(())
}

/// Sees to it that what the benchmark measures beside the package is there: a Redis server, and packages of its own.
pub(crate) fn provide_others() -> Result<()> {
    if !answers("redis-server", &["--version"]) {
        if !can_install() {
            bail!("redis-server is needed, and was not found: please install it");
        }
        println!("redis-server is missing: installing it with apt-get");
        apt_get(&["redis-server"])?;
    }
    install(&package().join("bench"))
}

/// Builds the addon and runs the benchmark against `binary`; answers its report.
pub(crate) fn measure(binary: &Path, target: &Path) -> Result<String> {
    let folder = package();
    build_addon(&folder, target)?;
    let measured = Command::new("node")
        .arg("bench/main.mjs")
        .current_dir(&folder)
        .env("HANDSTAMP_BIN", binary)
        .stderr(Stdio::inherit())
        .output()?;
    if !measured.status.success() {
        bail!("the benchmark ended with {}", measured.status);
    }
    String::from_utf8(measured.stdout).context("the report is no text")
}

/// A browser for the tests in one: found, or installed. Without one they are shown as skipped, and fail where `CI` says so.
fn provide_browser() -> Option<&'static str> {
    const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
    let find = || {
        let mut names = NAMES.into_iter();
        names.find(|name| answers(name, &["--version"]))
    };
    find().or_else(|| {
        let wanted = can_install();
        if wanted {
            println!("there is no Chromium: installing it with apt-get");
        }
        let installed = wanted && apt_get(&["chromium"]).is_ok();
        installed.then(find).flatten()
    })
}

/// Whether installing is plainly wanted: as root on a Debian system.
fn can_install() -> bool {
    output("id", &["-u"]).as_deref() == Some("0") && Path::new("/etc/debian_version").exists()
}

fn apt_get(packages: &[&str]) -> Result<()> {
    run(Command::new("apt-get").arg("update"))?;
    run(Command::new("apt-get")
        .args(["install", "--yes", "--no-install-recommends"])
        .args(packages)
        .env("DEBIAN_FRONTEND", "noninteractive"))
}

/// Installs what the suites, the tests in a browser and the npm package need.
pub(crate) fn install_packages() -> Result<()> {
    install(&folder())?;
    install(&browser_folder())?;
    install(&package())
}

/// Installs what the lock file names, unless that was done before with the same lock file.
fn install(folder: &Path) -> Result<()> {
    let wanted = fs::read(folder.join("package-lock.json")).context("no package-lock.json")?;
    // `npm ci` begins by removing the whole folder, so a mark in it is one of a finished installation.
    let mark = folder.join("node_modules/.installed-package-lock.json");
    if fs::read(&mark).is_ok_and(|installed| installed == wanted) {
        println!("the packages of {} are installed", folder.display());
        return Ok(());
    }
    run(Command::new("npm").arg("ci").current_dir(folder))?;
    fs::write(mark, wanted).context("node_modules cannot be written to")
}

/// Runs the suites against `binary`; those that want PostgreSQL use the server at `postgres`.
pub(crate) fn run_suites(binary: &Path, postgres: Option<&str>) -> Result<()> {
    let mut tests = tests_in(&folder())?;
    tests.env("HANDSTAMP_BIN", binary);
    if let Some(url) = postgres {
        tests.env("HANDSTAMP_TEST_POSTGRES", url);
    }
    run(&mut tests)
}

/// Builds the addon, and sees whether what is generated with it is what is checked in; then runs the npm package's tests, which
/// pack and install it. Those that want PostgreSQL or MariaDB use the servers at these addresses.
pub(crate) fn run_package(
    binary: &Path,
    target: &Path,
    postgres: Option<&str>,
    mariadb: Option<&str>,
) -> Result<()> {
    let folder = package();
    build_addon(&folder, target)?;
    let mut tests = tests_in(&folder.join("__test__"))?;
    tests.env("HANDSTAMP_BIN", binary);
    if let Some(url) = postgres {
        tests.env("HANDSTAMP_TEST_POSTGRES", url);
    }
    if let Some(url) = mariadb {
        tests.env("HANDSTAMP_TEST_MYSQL", url);
    }
    name_browser(&mut tests);
    run(&mut tests)
}

/// Runs the tests in a browser against the library's example with a page, which is built in `examples`.
pub(crate) fn run_browser(examples: &Path) -> Result<()> {
    let mut tests = tests_in(&browser_folder())?;
    tests.env("HANDSTAMP_EXAMPLES", examples);
    name_browser(&mut tests);
    run(&mut tests)
}

/// Tells tests where the browser is: the driver asks for a path, and `which` knows it.
fn name_browser(tests: &mut Command) {
    let browser = provide_browser().and_then(|name| output("which", &[name]));
    match browser {
        Some(path) => {
            tests.env("CHROMIUM", path);
        }
        None => println!("there is no Chromium for the tests in a browser"),
    }
}

/// The test files in `folder`.
fn tests_in(folder: &Path) -> Result<Command> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".test.mjs") {
            files.push(name);
        }
    }
    files.sort();
    if files.is_empty() {
        bail!("there are no suites in {}", folder.display());
    }
    // The limit is for a suite that hangs: nothing is measured by it.
    let mut tests = Command::new("node");
    tests
        .args(["--test", "--test-reporter=spec", "--test-timeout=1200000"])
        .args(files)
        .current_dir(folder);
    Ok(tests)
}

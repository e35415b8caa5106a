//! Steps that all run, whichever of them fail, and the table of how they went.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

/// How a step went.
enum Outcome {
    Passed,
    Failed,
    /// Not done, and why.
    LeftOut(&'static str),
}

/// What was done so far.
pub(crate) struct Steps {
    title: &'static str,
    done: Vec<(&'static str, Outcome, Duration)>,
}

impl Steps {
    /// Begins; `title` stands above the table.
    pub(crate) fn new(title: &'static str) -> Self {
        Self {
            title,
            done: Vec::new(),
        }
    }

    /// Says what is done, does it, and says why it failed if it did. Answers whether it passed.
    pub(crate) fn step(&mut self, name: &'static str, action: impl FnOnce() -> Result<()>) -> bool {
        println!("\n==> {name}");
        let begun = now();
        let result = action();
        let passed = result.is_ok();
        if let Err(why) = result {
            eprintln!("{name} failed: {why:#}");
        }
        let outcome = if passed {
            Outcome::Passed
        } else {
            Outcome::Failed
        };
        self.done.push((name, outcome, begun.elapsed()));
        passed
    }

    /// Notes that a step is not done, in the open. It counts as a failure only where another step's failure is the reason.
    pub(crate) fn leave_out(&mut self, name: &'static str, why: &'static str) {
        println!("\n==> {name}: left out, because {why}");
        self.done
            .push((name, Outcome::LeftOut(why), Duration::ZERO));
    }

    /// Prints the table; answers whether nothing failed.
    pub(crate) fn finish(self) -> bool {
        println!("\n{}", self.title);
        let width = self.done.iter().map(|(name, ..)| name.len()).max();
        let width = width.unwrap_or(0);
        for (name, outcome, took) in &self.done {
            match outcome {
                Outcome::Passed => println!("  pass  {name:width$}  {:7.1} s", took.as_secs_f64()),
                Outcome::Failed => println!("  FAIL  {name:width$}  {:7.1} s", took.as_secs_f64()),
                Outcome::LeftOut(why) => println!("  -     {name:width$}  left out: {why}"),
            }
        }
        !self
            .done
            .iter()
            .any(|(_, outcome, _)| matches!(outcome, Outcome::Failed))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "it tells how long steps took; nothing depends on it"
)]
fn now() -> Instant {
    Instant::now()
}

/// Runs a command to its end, its output shown as it comes.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = shown(command);
    println!("$ {shown}");
    let status = command
        .status()
        .with_context(|| format!("cannot start {shown}"))?;
    if !status.success() {
        bail!("{shown} ended with {status}");
    }
    Ok(())
}

/// Whether the program is there and answers to `arguments`; its output is not shown.
pub(crate) fn answers(program: &str, arguments: &[&str]) -> bool {
    output(program, arguments).is_some()
}

/// What the program says, if it is there and succeeds.
pub(crate) fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let succeeded = output.status.success();
    succeeded.then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The cargo that runs this program, to be run at the top of the tree.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(arguments).current_dir(root());
    command
}

/// The manifest of what the benchmark of web applications compares with. It is not of the workspace, and has a lock file of its own.
pub(crate) const TOWER_SESSIONS: &str = "bench/tower-sessions/Cargo.toml";

/// The top of the tree.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// The target folder, wherever it was put: this program is at `<target>/<profile>/xtask`.
pub(crate) fn target() -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot tell where this program is")?;
    let target = own.ancestors().nth(2).context("not in a target folder")?;
    Ok(target.to_owned())
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program())
        .file_name()
        .unwrap_or(command.get_program());
    let words: Vec<_> = std::iter::once(program)
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect();
    words.join(" ")
}

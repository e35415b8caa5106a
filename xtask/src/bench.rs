//! `cargo xtask bench`: the benchmarks, and their report.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use tempfile::NamedTempFile;

use crate::node;
use crate::postgres;
use crate::steps::{TOWER_SESSIONS, cargo, root, run, target};

/// What the parts of `docs/benchmarks.md` begin with, in order.
const PARTS: [&str; 4] = [
    "# Benchmarks\n",
    "# PostgreSQL\n",
    "# Web applications\n",
    "# Node.js\n",
];

/// Measures, and writes a part of `docs/benchmarks.md`. Answers whether that went well.
pub(crate) fn run_with(options: &[&str]) -> Result<bool> {
    let part = if options == ["--node"] {
        in_node()?
    } else {
        if options.contains(&"postgres") {
            postgres::provide()?;
        }
        let target = target()?;
        let written = NamedTempFile::new().context("no temporary file")?;
        let mut measure = cargo(&[
            "bench",
            "--package",
            "handstamp-server",
            "--bench",
            "ladder",
            "--",
        ]);
        match options.split_first() {
            Some((&"--web", rest)) => {
                let others = beside_tower_sessions(&target)?;
                measure.arg("--web").arg(others).args(rest)
            }
            _ => measure.args(options),
        };
        measure.arg("--output").arg(written.path());
        run(&mut measure)?;
        fs::read_to_string(written.path())?
    };
    let path = root().join("docs/benchmarks.md");
    let before = fs::read_to_string(&path).unwrap_or_default();
    fs::write(&path, with_part(&before, &part)).context("the report cannot be written")?;
    println!("\nwritten to {}", path.display());
    Ok(true)
}

/// The report with another part in its place. What was not measured this time stays as it was.
fn with_part(report: &str, part: &str) -> String {
    let begins = |text: &str| PARTS.iter().any(|head| text.starts_with(head));
    let mut old: Vec<String> = Vec::new();
    for line in report.split_inclusive('\n') {
        match old.last_mut() {
            Some(last) if !begins(line) => last.push_str(line),
            _ => old.push(line.to_owned()),
        }
    }
    let parts = PARTS.iter().filter_map(|head| {
        let is_it = |text: &&str| text.starts_with(head);
        let old = old.iter().map(String::as_str);
        Some(std::iter::once(part).chain(old).find(is_it)?.trim_end())
    });
    parts.collect::<Vec<_>>().join("\n\n") + "\n"
}

/// Builds the application with the sessions of `tower-sessions`; answers where the program is.
fn beside_tower_sessions(target: &Path) -> Result<PathBuf> {
    let mut build = cargo(&["build", "--release", "--locked", "--manifest-path"]);
    run(build.arg(TOWER_SESSIONS).arg("--target-dir").arg(target))?;
    let program = format!(
        "release/tower-sessions-bench{}",
        std::env::consts::EXE_SUFFIX
    );
    Ok(target.join(program))
}

/// The npm package beside what else verifies tokens and keeps session data in Node.js.
fn in_node() -> Result<String> {
    node::provide()?;
    node::install_packages()?;
    node::provide_others()?;
    run(&mut cargo(&[
        "build",
        "--release",
        "--package",
        "handstamp-server",
    ]))?;
    let target = target()?;
    node::measure(&target.join("release/handstamp"), &target)
}

#[cfg(test)]
mod tests {
    use super::with_part;

    #[test]
    fn a_part_takes_the_place_of_its_like() {
        let report = "# Benchmarks\n\n## One\n\n# Node.js\n\nold\n";
        let with = with_part(report, "# PostgreSQL\nnew\n");
        let expected = "# Benchmarks\n\n## One\n\n# PostgreSQL\nnew\n\n# Node.js\n\nold\n";
        assert_eq!(with, expected);
        let with = with_part(&with, "# Web applications\nthere\n");
        let place = "\n\n# Web applications\nthere\n\n# Node.js";
        let expected = expected.replace("\n\n# Node.js", place);
        assert_eq!(with, expected);
        let with = with_part(&with, "# Node.js\nnew");
        assert_eq!(with, expected.replace("\nold", "new"));
        assert_eq!(with_part("", "# PostgreSQL\nnew\n"), "# PostgreSQL\nnew\n");
    }
}

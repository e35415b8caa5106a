//! `cargo xtask bench`: the benchmark, and where its report goes.

use anyhow::{Context as _, Result};

use crate::node;
use crate::postgres;
use crate::steps::{cargo, root, run};

/// Measures and writes `docs/benchmarks.md`, or with `--node` `docs/benchmarks-node.md`. Answers whether that went well.
pub(crate) fn run_with(options: &[&str]) -> Result<bool> {
    if options == ["--node"] {
        return in_node().map(|()| true);
    }
    if options.contains(&"postgres") {
        postgres::provide()?;
    }
    let report = root().join("docs/benchmarks.md");
    std::fs::create_dir_all(root().join("docs")).context("no folder for the report")?;
    let mut measure = cargo(&[
        "bench",
        "--package",
        "handstamp-server",
        "--bench",
        "ladder",
        "--",
    ]);
    measure.args(options).arg("--output").arg(report);
    run(&mut measure)?;
    Ok(true)
}

/// The npm package beside what else verifies tokens and keeps session data in Node.js.
fn in_node() -> Result<()> {
    node::provide()?;
    node::install_packages()?;
    node::provide_others()?;
    run(&mut cargo(&[
        "build",
        "--release",
        "--package",
        "handstamp-server",
    ]))?;
    let own = std::env::current_exe().context("cannot tell where this program is")?;
    let target = own.ancestors().nth(2).context("not in a target folder")?;
    let report = node::measure(&target.join("release/handstamp"), target)?;
    let path = root().join("docs/benchmarks-node.md");
    std::fs::write(path, report).context("the report cannot be written")
}

//! `cargo xtask bench`: the benchmark, and where its report goes.

use anyhow::{Context as _, Result};

use crate::postgres;
use crate::steps::{cargo, root, run};

/// Measures and writes `docs/benchmarks.md`. Answers whether that went well.
pub(crate) fn run_with(options: &[&str]) -> Result<bool> {
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

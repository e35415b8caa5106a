//! The SDK for Go, where there is a Go toolchain.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::node;
use crate::steps::{answers, run};

/// Whether there is a Go toolchain.
pub(crate) fn is_there() -> bool {
    answers("go", &["version"])
}

/// Runs the SDK's scenarios against `binary`, with the packages that go.sum names.
pub(crate) fn run_suite(binary: &Path) -> Result<()> {
    run(Command::new("go")
        .args(["run", "-mod=readonly", "."])
        .current_dir(node::folder().join("go"))
        .env("HANDSTAMP_BIN", binary))
}

//! The SDK for Go, where there is a Go toolchain.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::node;
use crate::steps::{answers, run};

/// Why the SDK cannot run here, if it cannot.
pub(crate) fn what_lacks() -> Option<&'static str> {
    if !answers("go", &["version"]) {
        return Some("there is no Go toolchain");
    }
    let mut download = Command::new("go");
    download.args(["mod", "download"]).current_dir(folder());
    let there = download.status().is_ok_and(|status| status.success());
    (!there).then_some("the Go module proxy does not give the SDK")
}

fn folder() -> PathBuf {
    node::folder().join("go")
}

/// Runs the SDK's scenarios against `binary`, with the packages that go.sum names.
pub(crate) fn run_suite(binary: &Path) -> Result<()> {
    run(Command::new("go")
        .args(["run", "-mod=readonly", "."])
        .current_dir(folder())
        .env("HANDSTAMP_BIN", binary))
}

//! `cargo xtask test`: every test there is.

use anyhow::{Context as _, Result};

use crate::go;
use crate::node;
use crate::postgres::Server;
use crate::python;
use crate::steps::{Steps, cargo, run};

/// Answers whether all passed.
pub(crate) fn run_all() -> Result<bool> {
    // This program is at <target>/<profile>/xtask, wherever the target folder was put.
    let own = std::env::current_exe().context("cannot tell where this program is")?;
    let target = own
        .ancestors()
        .nth(2)
        .context("not in a target folder")?
        .to_owned();
    let binary = target.join(format!("release/handstamp{}", std::env::consts::EXE_SUFFIX));

    let mut steps = Steps::new("cargo xtask test");
    let ready = steps.step("Node.js and packages", || {
        node::provide()?;
        node::install_packages()
    });
    let mut postgres = None;
    steps.step("PostgreSQL server", || {
        postgres = Some(Server::start()?);
        Ok(())
    });
    steps.step("Rust tests", || {
        let mut tests = cargo(&["test", "--workspace", "--all-features", "--no-fail-fast"]);
        if let Some(server) = &postgres {
            tests.env("HANDSTAMP_TEST_POSTGRES", server.url());
        }
        run(&mut tests)
    });
    drop(postgres);
    let built = steps.step("release build", || {
        run(
            cargo(&["build", "--release", "--package", "handstamp-server"])
                .arg("--target-dir")
                .arg(&target),
        )
    });
    let suites = "SDK, protocol and crash suites";
    if built && ready {
        steps.step(suites, || node::run_suites(&binary));
    } else {
        steps.leave_out(suites, "a step they need failed");
    }
    let package = "npm package";
    if built && ready {
        steps.step(package, || node::run_package(&binary, &target));
    } else {
        steps.leave_out(package, "a step it needs failed");
    }
    let python = "Python SDK";
    if built {
        steps.step(python, || python::run_suite(&binary, &target));
    } else {
        steps.leave_out(python, "a step it needs failed");
    }
    let golang = "Go SDK";
    if !built {
        steps.leave_out(golang, "a step it needs failed");
    } else if go::is_there() {
        steps.step(golang, || go::run_suite(&binary));
    } else {
        steps.leave_out(golang, "there is no Go toolchain");
    }
    Ok(steps.finish())
}

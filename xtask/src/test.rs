//! `cargo xtask test`: every test there is.

use anyhow::Result;
use testbed::mariadb::MariaDb;
use testbed::postgres::Postgres;

use crate::go;
use crate::mariadb;
use crate::node;
use crate::postgres;
use crate::python;
use crate::steps::{Steps, cargo, run, target};

/// Answers whether all passed.
pub(crate) fn run_all() -> Result<bool> {
    let target = target()?;
    let binary = target.join(format!("release/handstamp{}", std::env::consts::EXE_SUFFIX));
    // Where cargo puts examples when it builds tests.
    let examples = target.join("debug/examples");

    let mut steps = Steps::new("cargo xtask test");
    let ready = steps.step("Node.js and packages", || {
        node::provide()?;
        node::install_packages()
    });
    let mut pythons = Vec::new();
    let ready = steps.step("Python and packages", || {
        pythons = python::provide(&target)?;
        Ok(())
    }) && ready;
    let mut postgres = None;
    steps.step("PostgreSQL server", || {
        postgres = Some(postgres::start()?);
        Ok(())
    });
    let mut mariadb = None;
    steps.step("MariaDB server", || {
        mariadb = Some(mariadb::start()?);
        Ok(())
    });
    steps.step("Rust tests", || {
        let mut tests = cargo(&["test", "--workspace", "--all-features", "--no-fail-fast"]);
        tests
            .arg("--target-dir")
            .arg(&target)
            .env("HANDSTAMP_EXAMPLES", &examples);
        if let Some(server) = &postgres {
            tests.env("HANDSTAMP_TEST_POSTGRES", server.url());
        }
        if let Some(server) = &mariadb {
            tests.env("HANDSTAMP_TEST_MYSQL", server.url());
        }
        run(&mut tests)
    });
    let built = steps.step("release build", || {
        run(
            cargo(&["build", "--release", "--package", "handstamp-server"])
                .arg("--target-dir")
                .arg(&target),
        )
    });
    let browser = "library in a browser";
    if ready {
        steps.step(browser, || {
            let all = ["build", "--workspace", "--all-features"];
            run(cargo(&all)
                .args(["--example", "axum-spa", "--target-dir"])
                .arg(&target))?;
            node::run_browser(&examples)
        });
    } else {
        steps.leave_out(browser, "a step it needs failed");
    }
    let suites = "SDK, protocol and crash suites";
    if built && ready {
        let url = postgres.as_ref().map(Postgres::url);
        steps.step(suites, || node::run_suites(&binary, url.as_deref()));
    } else {
        steps.leave_out(suites, "a step they need failed");
    }
    let package = "npm package";
    if built && ready {
        let (postgres, mariadb) = (postgres.as_ref(), mariadb.as_ref());
        let (postgres, mariadb) = (postgres.map(Postgres::url), mariadb.map(MariaDb::url));
        steps.step(package, || {
            node::run_package(&binary, &target, postgres.as_deref(), mariadb)
        });
    } else {
        steps.leave_out(package, "a step it needs failed");
    }
    drop(postgres);
    drop(mariadb);
    let python = "Python SDK";
    if built && ready {
        steps.step(python, || python::run_suites(&binary, &pythons));
    } else {
        steps.leave_out(python, "a step it needs failed");
    }
    let golang = "Go SDK";
    if !(built && ready) {
        steps.leave_out(golang, "a step it needs failed");
    } else if let Some(why) = go::what_lacks() {
        steps.leave_out(golang, why);
    } else {
        steps.step(golang, || go::run_suite(&binary));
    }
    Ok(steps.finish())
}

//! `cargo xtask lint`: what can be said about the code without running it.

use crate::steps::{Steps, answers, cargo, run};

/// Answers whether there was nothing to find.
pub(crate) fn run_all() -> bool {
    let mut steps = Steps::new("cargo xtask lint");
    steps.step("formatting", || {
        run(&mut cargo(&["fmt", "--all", "--check"]))
    });
    steps.step("clippy", || {
        let all = ["clippy", "--workspace", "--all-targets", "--all-features"];
        run(cargo(&all).args(["--", "-D", "warnings"]))
    });
    steps.step("documentation", || {
        let all = ["doc", "--workspace", "--all-features", "--no-deps"];
        run(cargo(&all).env("RUSTDOCFLAGS", "-D warnings"))
    });
    steps.step("library without features", || {
        let library = ["clippy", "--package", "handstamp", "--no-default-features"];
        run(cargo(&library).args(["--", "-D", "warnings"]))
    });
    let dependencies = "dependencies (cargo deny)";
    if answers("cargo", &["deny", "--version"]) {
        steps.step(
            dependencies,
            || // Advisories change by the day and need the network: they are not for a gate.
            run(&mut cargo(&["deny", "--all-features", "check", "bans", "licenses", "sources"])),
        );
    } else {
        steps.leave_out(dependencies, "cargo-deny is not installed");
    }
    steps.finish()
}

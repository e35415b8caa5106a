//! `cargo xtask lint`: what can be said about the code without running it.

use crate::steps::{Steps, TOWER_SESSIONS, answers, cargo, run, target};

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
    // Not of the workspace, and so in none of the above. It is compiled here and by its benchmark, and by no test.
    steps.step("the benchmark's tower-sessions", || {
        let format = ["fmt", "--check", "--manifest-path", TOWER_SESSIONS];
        run(&mut cargo(&format))?;
        let clippy = ["clippy", "--locked", "--all-targets", "--manifest-path"];
        let mut clippy = cargo(&clippy);
        clippy
            .arg(TOWER_SESSIONS)
            .arg("--target-dir")
            .arg(target()?);
        run(clippy.args(["--", "-D", "warnings"]))
    });
    let dependencies = "dependencies (cargo deny)";
    if answers("cargo", &["deny", "--version"]) {
        steps.step(
            dependencies,
            || // Advisories change by the day and need the network: they are not for a gate.
            {
                for manifest in ["Cargo.toml", TOWER_SESSIONS] {
                    let mut deny = cargo(&["deny", "--all-features", "--manifest-path", manifest]);
                    run(deny.args(["check", "bans", "licenses", "sources"]))?;
                }
                Ok(())
            },
        );
    } else {
        steps.leave_out(dependencies, "cargo-deny is not installed");
    }
    steps.finish()
}

//! How a database runs the statements, by its own account: none reads all sessions, and none is left out.

use std::fs;
use std::path::Path;

use testbed::plans::{Plan, different};

/// Holds the plans of what was sent against the statements that a backend's `folder` has. They are shown under `--nocapture`.
pub(crate) fn check(plans: Vec<Plan>, folder: &str) {
    let is_ours = |plan: &Plan| {
        // Who looks at the schema, as at each start, reads one row.
        plan.statement.contains(" handstamp_") && !plan.statement.contains(SCHEMA)
    };
    let plans = different(plans.into_iter().filter(is_ours).collect());
    for plan in plans.values().flatten() {
        println!("{plan}");
        assert!(!plan.nodes.is_empty(), "not explained: {plan}");
        // PostgreSQL tells the table, MySQL what the statement calls it.
        for table in ["handstamp_sessions", "s"] {
            assert!(!plan.scans(table), "all sessions are read: {plan}");
        }
    }
    let known = statements(folder);
    let sent: Vec<_> = plans.keys().collect();
    assert_eq!(
        sent.len(),
        known.len(),
        "each of {known:#?} has to be sent by `steps`, and nothing else; there were {sent:#?}"
    );
}

const SCHEMA: &str = "handstamp_schema";

/// The names of the statements in a folder of the storage, apart from those about the schema itself.
fn statements(folder: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/storage")
        .join(folder);
    let mut names = Vec::new();
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        if path.ends_with("schema.rs") {
            continue;
        }
        let text = fs::read_to_string(path).unwrap();
        let text = text.split("#[cfg(test)]").next().unwrap();
        for constant in text.split("const ").skip(1) {
            let Some((name, rest)) = constant.split_once(": &str =") else {
                continue;
            };
            let value = rest.split(";\n").next().unwrap();
            let sql = value.split('"').nth(1).unwrap_or_default();
            let verb = sql.split(' ').next().unwrap();
            let is_statement = ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"].contains(&verb);
            if is_statement && !value.contains(SCHEMA) {
                names.push(name.to_owned());
            }
        }
    }
    names.sort();
    names
}

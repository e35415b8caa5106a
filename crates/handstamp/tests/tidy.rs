//! House rules that neither the compiler nor clippy can check.

use std::fs;
use std::path::{Path, PathBuf};

/// What a part of the library may know of the others. A part that is not listed may know all.
const KNOWS: &[(&str, &[&str])] = &[
    ("clock.rs", &[]),
    ("entropy.rs", &[]),
    ("id.rs", &["clock", "entropy"]),
    ("json.rs", &["id"]),
    ("token.rs", &[]),
    ("rotation.rs", &["clock", "token"]),
    ("session.rs", &["clock", "id", "json", "rotation"]),
    ("jws.rs", &[]),
    ("token/refresh.rs", &["id", "rotation"]),
    ("token/access", &["clock", "id", "json", "jws", "token"]),
    (
        "remote",
        &["backend", "clock", "engine", "id", "json", "jws", "token"],
    ),
    (
        "storage.rs",
        &["clock", "id", "json", "jws", "rotation", "session", "token"],
    ),
    (
        "storage/memory.rs",
        &["clock", "id", "json", "rotation", "session", "token"],
    ),
    (
        "storage/sqlite",
        &[
            "clock", "id", "json", "rotation", "session", "token", "storage",
        ],
    ),
    (
        "storage/postgres",
        &[
            "clock", "id", "json", "rotation", "session", "token", "storage",
        ],
    ),
    (
        "storage/mysql",
        &[
            "clock", "id", "json", "rotation", "session", "token", "storage",
        ],
    ),
    ("storage/coalesce", &["id"]),
    ("storage/pool", &[]),
    (
        "storage/rows",
        &["clock", "id", "json", "rotation", "session", "token"],
    ),
];

/// What must not be named, where, and why.
const NOT_HERE: &[(&str, &[&str], &str)] = &[
    (
        "crates/handstamp/src/engine",
        &["axum", "actix", "hyper", "http::", "cdi-version", "reqwest"],
        "the engine knows no protocol and no web server",
    ),
    (
        "crates/handstamp/src/storage",
        &["axum", "actix", "hyper", "http::"],
        "a store knows no web server",
    ),
    (
        "crates/handstamp/src/engine",
        &["rusqlite", "sqlite", "sqlx", "postgres", "mysql"],
        "the engine knows no database",
    ),
    (
        "crates/handstamp/src/storage/sqlite/steps",
        &["format!("],
        "SQL is static text",
    ),
    (
        "crates/handstamp/src/storage/postgres/steps",
        &["format!("],
        "SQL is static text",
    ),
    (
        "crates/handstamp/src/storage/postgres",
        &["AssertSqlSafe", " now()", "(now()", "clock_timestamp"],
        "SQL is static text, time is an argument",
    ),
    (
        "crates/handstamp/src/storage/mysql",
        &[
            "AssertSqlSafe",
            "NOW(",
            "SYSDATE",
            "UNIX_TIMESTAMP",
            "AUTO_INCREMENT",
            "RETURNING",
            "ON DUPLICATE KEY",
            "INSERT IGNORE",
        ],
        "SQL is static text, time is an argument, both databases know it, no error becomes a warning",
    ),
    (
        "crates/handstamp/src/storage",
        &["CURRENT_TIMESTAMP", "strftime", "unixepoch("],
        "time is an argument",
    ),
    (
        "crates/handstamp/migrations",
        &["CURRENT_TIMESTAMP", "strftime", "unixepoch("],
        "time is an argument",
    ),
    (
        "crates/handstamp-node/src",
        &["unsafe"],
        "only the glue that `#[napi]` writes is unsafe",
    ),
    (
        "crates",
        &["#[instrument]", "instrument(ret", "instrument(err"],
        "a span must not record arguments or results",
    ),
];

/// Where a rule does not hold.
const BUT: &[(&str, &str)] = &[
    ("cdi-version", "crates/handstamp/src/remote/"),
    ("reqwest", "crates/handstamp/src/remote/"),
];

const LONGEST: usize = 400;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All files below `dir` whose names end in one of `endings`.
fn files(dir: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(dir) else {
        return found;
    };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_dir() && name != "target" && name != "node_modules" {
            found.extend(files(&path, endings));
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            found.push(path);
        }
    }
    found
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//") || line.trim_start().starts_with("--")
}

#[test]
fn each_part_knows_only_what_it_may() {
    let src = root().join("crates/handstamp/src");
    let mut checked = 0;
    for path in files(&src, &[".rs"]) {
        let name = path
            .strip_prefix(&src)
            .unwrap()
            .to_string_lossy()
            .replace('\\', "/");
        let Some((_, known)) = KNOWS.iter().find(|(part, _)| name.starts_with(part)) else {
            continue;
        };
        checked += 1;
        for line in fs::read_to_string(&path).unwrap().lines() {
            let Some(used) = line.trim_start().strip_prefix("use crate::") else {
                continue;
            };
            let part = used.split([':', ';', '{']).next().unwrap();
            assert!(known.contains(&part), "{name} must not know {part}: {line}");
        }
    }
    assert!(
        checked >= KNOWS.len(),
        "a part in the list has been renamed"
    );
}

#[test]
fn some_words_do_not_belong_everywhere() {
    for (place, words, why) in NOT_HERE {
        let dir = root().join(place);
        let all = [
            files(&dir, &[".rs", ".sql"]),
            vec![dir.with_extension("rs")],
        ]
        .concat();
        let all: Vec<_> = all.into_iter().filter(|path| path.is_file()).collect();
        assert!(!all.is_empty(), "{place} has been renamed");
        for path in all.iter().filter(|path| !path.ends_with("tests/tidy.rs")) {
            let is_allowed = |word: &str| {
                let path = path.to_string_lossy().replace('\\', "/");
                BUT.iter()
                    .any(|(name, place)| *name == word && path.contains(place))
            };
            for (number, line) in fs::read_to_string(path).unwrap().lines().enumerate() {
                let named = words
                    .iter()
                    .find(|word| line.contains(**word) && !is_comment(line) && !is_allowed(word));
                assert!(
                    named.is_none(),
                    "{}:{}: {named:?}: {why}",
                    path.display(),
                    number + 1
                );
            }
        }
    }
}

#[test]
fn no_file_is_long() {
    let files = [
        files(&root().join("crates"), &[".rs"]),
        files(&root().join("xtask"), &[".rs"]),
        files(&root().join("bench"), &[".rs"]),
        // The loader of the addon is generated.
        files(&root().join("crates"), &[".js", ".mjs", ".d.ts"])
            .into_iter()
            .filter(|path| !path.ends_with("native.js") && !path.ends_with("native.d.ts"))
            .collect(),
    ]
    .concat();
    assert!(files.len() > 20);
    let is_test = |path: &Path| path.components().any(|part| part.as_os_str() == "tests");
    for path in files.iter().filter(|path| !is_test(path)) {
        let text = fs::read_to_string(path).unwrap();
        let lines = text
            .lines()
            .take_while(|line| *line != "#[cfg(test)]")
            .count();
        assert!(
            lines <= LONGEST,
            "{} has {lines} lines without its tests",
            path.display()
        );
    }
}

#[test]
fn every_module_says_what_it_is_for() {
    let crates = files(&root().join("crates"), &[".rs"]);
    let bench = files(&root().join("bench"), &[".rs"]);
    assert!(!bench.is_empty(), "it has been renamed");
    for path in [crates, bench].concat() {
        let text = fs::read_to_string(&path).unwrap();
        let first = text.lines().next().unwrap_or_default();
        assert!(
            first.starts_with("//! "),
            "{} begins with {first:?}",
            path.display()
        );
    }
}

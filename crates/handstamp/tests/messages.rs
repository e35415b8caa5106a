//! What the compiler says to somebody who hands over the wrong thing: our words, not a list of trait bounds.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests are not seen to be tests"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles `main`, which is wrong, against this library as it was built for this test, and answers what the compiler says.
fn said_of(main: &str) -> String {
    let own = std::env::current_exe().unwrap();
    let built = own.parent().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("main.rs");
    fs::write(&file, main).unwrap();
    // The same library with other features may be there as well; one of those is ours.
    let mut said = String::new();
    for library in libraries(built) {
        let compiled = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
            .args(["--edition=2024", "--emit=metadata", "--crate-type=bin"])
            .arg(&file)
            .arg("--out-dir")
            .arg(folder.path())
            .arg("-L")
            .arg(format!("dependency={}", built.display()))
            .arg("--extern")
            .arg(format!("handstamp={}", library.display()))
            .output()
            .unwrap();
        assert!(!compiled.status.success(), "it compiles");
        said = String::from_utf8(compiled.stderr).unwrap();
        if said.contains("E0277") {
            return said;
        }
    }
    said
}

/// Newest first.
fn libraries(built: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(built)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.starts_with("libhandstamp-") && name.ends_with(".rlib")
        })
        .collect();
    found.sort_by_key(|path| fs::metadata(path).unwrap().modified().unwrap());
    found.reverse();
    assert!(!found.is_empty(), "no library in {}", built.display());
    found
}

#[test]
fn what_is_no_store_is_told_how_to_open_one() {
    let said = said_of(
        "fn main() { let _ = handstamp::Parts::with_storage(\"sessions.db\".to_owned()); }",
    );
    assert!(said.contains("`String` is no store of sessions"), "{said}");
    assert!(said.contains("SqliteStorage::open(path)"), "{said}");
}

#[test]
fn what_is_no_guard_is_told_how_to_make_one() {
    let said =
        said_of("fn main() { let _ = handstamp::web::RequireLayer::session().guard(\"admin\"); }");
    assert!(
        said.contains("`&str` does not say what a route asks of a session"),
        "{said}"
    );
}

//! Every backend passes the same suite.

#![cfg_attr(
    feature = "sqlite",
    expect(
        clippy::expect_used,
        reason = "helpers of tests are not seen to be tests"
    )
)]

use std::sync::Arc;

use handstamp::storage::Storage;
use handstamp::storage::memory::MemoryStorage;

fn in_memory() -> (Arc<dyn Storage>, ()) {
    (Arc::new(MemoryStorage::new()), ())
}

handstamp::conformance!(memory, in_memory());

#[cfg(feature = "sqlite")]
fn in_a_file() -> (Arc<dyn Storage>, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("handstamp.db");
    let storage = handstamp::storage::sqlite::SqliteStorage::open(&path).expect("a store");
    (Arc::new(storage), folder)
}

#[cfg(feature = "sqlite")]
handstamp::conformance!(sqlite, in_a_file());

//! How far a schema has got.

use super::{StorageError, StorageFault};

/// How many migrations a schema has seen, by the highest version that is noted in it.
pub(super) fn seen(version: Option<i64>) -> usize {
    usize::try_from(version.unwrap_or(0)).unwrap_or(usize::MAX)
}

/// Refuses a schema that has not seen all `migrations`, or more.
pub(super) fn fits(version: usize, migrations: usize, place: &str) -> Result<(), StorageError> {
    let why = match version {
        _ if version > migrations => "was written by a newer version of handstamp",
        _ if version < migrations => "is not up to date: run `handstamp migrate`",
        _ => return Ok(()),
    };
    let why = format!("the schema in {place} {why}");
    Err(StorageError::new(StorageFault::Unsuitable, why))
}

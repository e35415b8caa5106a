//! The library, from outside.

mod conformance;
#[cfg(feature = "sqlite")]
mod sqlite;

//! The library, from outside.

mod conformance;
mod exploration;
#[cfg(feature = "sqlite")]
mod sqlite;

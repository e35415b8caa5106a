//! The library, from outside.

mod conformance;
mod eager;
mod legacy;
mod race_table;
#[cfg(feature = "sqlite")]
mod sqlite;
mod support;

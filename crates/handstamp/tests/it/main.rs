//! The library, from outside.

mod conformance;
mod exploration;
mod keys;
mod race_table;
mod simulation;
#[cfg(feature = "sqlite")]
mod sqlite;
mod support;
mod tokens;

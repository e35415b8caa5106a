//! The library, from outside.

mod budgets;
mod claims;
mod conformance;
mod eager;
mod exploration;
mod keys;
mod legacy;
mod lifetimes;
mod race_table;
mod secrecy;
mod simulation;
#[cfg(feature = "sqlite")]
mod sqlite;
mod support;
mod tokens;

//! The library, from outside.

mod budgets;
mod claims;
mod conformance;
mod eager;
mod keys;
mod legacy;
mod lifetimes;
mod race_table;
mod secrecy;
#[cfg(feature = "sqlite")]
mod sqlite;
mod support;
mod tokens;

//! The library, from outside.

mod budgets;
mod conformance;
mod eager;
mod keys;
mod legacy;
mod lifetimes;
mod race_table;
#[cfg(feature = "sqlite")]
mod sqlite;
mod support;

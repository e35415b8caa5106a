//! The library, from outside.

mod algorithms;
#[cfg(feature = "web")]
mod asked_again;
mod at_once;
mod budgets;
mod claims;
mod conformance;
mod eager;
#[cfg(feature = "sqlite")]
#[path = "../server/earlier.rs"]
mod earlier;
mod exploration;
mod formats;
mod key_kinds;
mod keys;
mod legacy;
mod lifetimes;
mod payloads;
mod race_table;
mod refreshes;
mod secrecy;
mod simulation;
#[cfg(feature = "sqlite")]
mod sqlite;
mod support;
mod tokens;
mod upkeep;

//! Throw-away servers for tests and benchmarks: PostgreSQL and MariaDB in temporary folders, the command `handstamp` as a process, a way
//! between them that can be cut, and just enough HTTP to ask for something.
//!
//! Everything is at a free port of the machine's own address, is ended with its owner, by its own id, and leaves nothing behind.

mod account;
mod client;
pub mod handstamp;
pub mod http;
pub mod mariadb;
mod own;
pub mod plans;
pub mod postgres;
pub mod proxy;
mod server;
mod tls;
pub mod wait;

pub use client::Client;
pub use server::Stop;
pub use tls::Authority;

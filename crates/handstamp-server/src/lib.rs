//! The handstamp server, as a library: mount [`cdi::router`] in an axum application of your own, or run the whole with
//! [`serve::run`].

pub mod cdi;
pub mod chain;
pub mod serve;
pub mod settings;
pub mod telemetry;

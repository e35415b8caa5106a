//! Sessions: a short-lived access token that any node verifies without a database, and a rotating refresh token with theft
//! detection that no race and no lost response turns against its owner.

#[cfg(all(doctest, feature = "axum", feature = "sqlite"))]
#[doc = include_str!("../../../README.md")]
struct Readme;

pub mod backend;
pub mod clock;
pub mod config;
pub mod engine;
pub mod entropy;
pub mod id;
pub mod json;
pub mod jws;
pub mod keys;
#[cfg(feature = "remote")]
pub mod remote;
pub mod rotation;
pub mod session;
pub mod storage;
#[cfg(feature = "testing")]
pub mod testing;
pub mod token;
#[cfg(feature = "web")]
pub mod web;

pub use config::Config;
pub use engine::{Engine, Error, Failure, Parts};
pub use id::{AppId, HandleOrder, Invalid, SessionHandle, TenantId, UserId};
pub use json::JsonObject;

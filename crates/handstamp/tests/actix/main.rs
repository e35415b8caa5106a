//! Sessions in an application of actix-web: it passes the cases that one of axum does, and some of its own.

mod app;
#[path = "../web/browser.rs"]
mod browser;
#[path = "../web/cookies.rs"]
mod cookies;
mod errors;
#[path = "../web/failures.rs"]
mod failures;
#[path = "../web/refreshes.rs"]
mod refreshes;
#[path = "../web/requests.rs"]
mod requests;
#[path = "../web/support.rs"]
mod support;

//! The core driver interface: what SDKs of SuperTokens ask of a core.
//!
//! One module an epoch, each a table of operations; `operations` is what they are tables of, `handlers` what the entries
//! do, `body` and `reply` the rules of reading and writing.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use handstamp::Engine;

use crate::settings::{Cookies, ServerConfig};

mod body;
mod handlers;
mod operations;
mod reply;
mod v1_0;

/// The protocol versions that are spoken, oldest first.
pub const SPOKEN: &[&str] = &["1.0"];

/// What the handlers share.
#[derive(Debug)]
pub(crate) struct Cdi {
    engine: Engine,
    cookies: Cookies,
    anti_csrf: bool,
    blacklisting: bool,
    config_file: Option<PathBuf>,
    body_limit: usize,
}

impl Cdi {
    fn new(engine: Engine, config: &ServerConfig) -> Self {
        /// For everything in a request but the session data.
        const REST: usize = 256 * 1024;
        Self {
            body_limit: engine.config().session_data_bytes().saturating_add(REST),
            engine,
            cookies: config.cookies.clone(),
            anti_csrf: config.anti_csrf,
            blacklisting: config.blacklisting,
            config_file: config.file.clone(),
        }
    }
}

/// Serves the protocol over `engine`.
pub fn router(engine: Engine, config: &ServerConfig) -> Router {
    let cdi = Arc::new(Cdi::new(engine, config));
    let operations = Arc::new(v1_0::operations());
    Router::new().fallback(move |request: Request| {
        let (cdi, operations) = (Arc::clone(&cdi), Arc::clone(&operations));
        async move { operations.run(cdi, request).await }
    })
}

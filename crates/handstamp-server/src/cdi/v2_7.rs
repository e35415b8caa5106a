//! Since 2.7 (more exactly since what was sent as 2.7 and called 2.7.1) the keys come along when a refresh should be tried, and
//! SDKs ask for a telemetry id.

use axum::http::Method;
use serde::Serialize;

use super::Cdi;
use super::handlers::{self, Render, service};
use super::operations::Operations;
use super::parts::{Session, Token};
use super::v1_0::{KeyInfo, VerifyReply};
use super::v2_6;

pub(super) fn operations() -> Operations {
    v2_6::operations()
        .changed(
            &Method::POST,
            "/recipe/session/verify",
            handlers::verify::<v2_6::VerifySession, VerifyReply<Session, Token, KeyInfo, true>, _>,
        )
        .added(Method::GET, "/telemetry", service::constant::<Telemetry>)
}

/// Nothing is sent to anybody, so there is no id to send it under.
#[derive(Serialize)]
struct Telemetry {
    exists: bool,
}

impl Render<()> for Telemetry {
    fn render((): (), _: &Cdi) -> Self {
        Self { exists: false }
    }
}

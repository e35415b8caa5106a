//! Since 2.8 a session can be read as a whole, and the handshake's body is not looked at.

use axum::http::Method;
use handstamp::JsonObject;
use handstamp::session::Session;
use serde::Serialize;

use super::Cdi;
use super::handlers::{Render, data, keys};
use super::operations::Operations;
use super::parts::{Message, NO_SESSION, Status};
use super::v1_0::KeyInfo;
use super::v2_4::HandshakeOf;
use super::v2_7;

pub(super) fn operations() -> Operations {
    v2_7::operations()
        .changed(
            &Method::POST,
            "/recipe/handshake",
            keys::handshake::<HandshakeOf<KeyInfo>, KeyInfo>,
        )
        .added(
            Method::GET,
            "/recipe/session",
            data::session::<SessionReply<Stored>>,
        )
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum SessionReply<S> {
    Found(Box<S>),
    Gone(Message),
}

impl<S: From<(Session, JsonObject)> + Serialize> Render<Option<(Session, JsonObject)>>
    for SessionReply<S>
{
    fn render(found: Option<(Session, JsonObject)>, _: &Cdi) -> Self {
        match found {
            Some(stored) => Self::Found(Box::new(stored.into())),
            None => Self::Gone(Message::unauthorised(NO_SESSION)),
        }
    }
}

/// All that is kept of a session.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stored {
    status: Status,
    session_handle: String,
    user_id: String,
    user_data_in_database: JsonObject,
    #[serde(rename = "userDataInJWT")]
    user_data_in_jwt: JsonObject,
    expiry: i64,
    time_created: i64,
}

impl From<(Session, JsonObject)> for Stored {
    fn from((session, data): (Session, JsonObject)) -> Self {
        Self {
            status: Status::Ok,
            session_handle: session.handle.to_string(),
            user_id: session.user_id.as_str().to_owned(),
            user_data_in_database: data,
            user_data_in_jwt: session.jwt_payload,
            expiry: session.expires_at.as_millis(),
            time_created: session.created_at.as_millis(),
        }
    }
}

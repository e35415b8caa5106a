//! What replies are made of, whatever the epoch.

use handstamp::engine::{AccessToken, PublicSigningKey, SessionView};
use handstamp::{AppId, Engine, JsonObject};
use serde::Serialize;
use std::future::Future;

use super::Cdi;
use super::reply::Refusal;

/// What a reply says of how it went.
#[derive(Serialize)]
pub(super) enum Status {
    #[serde(rename = "OK")]
    Ok,
    #[serde(rename = "NOT ALLOWED")]
    NotAllowed,
    #[serde(rename = "NOT_ALLOWED")]
    NotAllowedInOneWord,
    #[serde(rename = "UNAUTHORISED")]
    Unauthorised,
    #[serde(rename = "TRY_REFRESH_TOKEN")]
    TryRefreshToken,
    #[serde(rename = "TOKEN_THEFT_DETECTED")]
    TokenTheftDetected,
    #[serde(rename = "UNKNOWN_USER_ID_ERROR")]
    UnknownUserId,
    #[serde(rename = "UNSUPPORTED_ALGORITHM_ERROR")]
    UnsupportedAlgorithm,
}

/// A reply of its status alone.
#[derive(Serialize)]
pub(super) struct Bare {
    pub(super) status: Status,
}

/// No, and why.
#[derive(Serialize)]
pub(super) struct Message {
    pub(super) status: Status,
    pub(super) message: String,
}

impl Message {
    pub(super) fn unauthorised(message: &str) -> Self {
        Self {
            status: Status::Unauthorised,
            message: message.to_owned(),
        }
    }
}

pub(super) const NO_SESSION: &str = "Session does not exist.";

/// A token, and from when to when it is good.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Token {
    #[serde(rename = "token")]
    text: String,
    expiry: i64,
    created_time: i64,
}

impl Token {
    pub(super) fn new(text: impl Into<String>, expiry: i64, created_time: i64) -> Self {
        Self {
            text: text.into(),
            expiry,
            created_time,
        }
    }
}

impl From<&AccessToken> for Token {
    fn from(access: &AccessToken) -> Self {
        Self::new(
            access.token.expose(),
            access.expires_at.as_millis(),
            access.created_at.as_millis(),
        )
    }
}

/// Which of its tokens a client gets.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Access,
    Refresh,
    IdRefresh,
}

/// How an epoch writes a token.
pub(super) trait WriteToken: Serialize {
    fn write(token: Token, kind: Kind, cdi: &Cdi) -> Self;
}

impl WriteToken for Token {
    fn write(token: Token, _: Kind, _: &Cdi) -> Self {
        token
    }
}

/// What a reply says of the keys that tokens are checked by.
pub(super) trait Keys: Sized + Send {
    fn of(
        engine: &Engine,
        app: &AppId,
        is_static: bool,
    ) -> impl Future<Output = Result<Self, Refusal>> + Send;
}

/// Nothing.
impl Keys for () {
    async fn of(_: &Engine, _: &AppId, _: bool) -> Result<Self, Refusal> {
        Ok(())
    }
}

impl Keys for PublicSigningKey {
    async fn of(engine: &Engine, app: &AppId, is_static: bool) -> Result<Self, Refusal> {
        Ok(engine.signing_key(app, is_static).await?)
    }
}

/// A session, as all protocols before 3.0 write it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Session {
    handle: String,
    user_id: String,
    #[serde(rename = "userDataInJWT")]
    user_data_in_jwt: JsonObject,
}

impl From<SessionView> for Session {
    fn from(view: SessionView) -> Self {
        Self {
            handle: view.handle.to_string(),
            user_id: view.user_id.as_str().to_owned(),
            user_data_in_jwt: view.jwt_payload,
        }
    }
}

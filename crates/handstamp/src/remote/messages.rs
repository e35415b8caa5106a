//! What goes over the wire, in versions 4.0 to 5.5 of the core driver interface.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::error::RemoteError;
use super::link::Answer;
use crate::backend::Tokens;
use crate::clock::UnixMillis;
use crate::engine::{AccessToken, SessionView};
use crate::id::{SessionHandle, UserId};
use crate::json::JsonObject;
use crate::token::Secret;

/// What a request says: of all members that there are, those of its operation.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user_id: Option<&'a str>,
    #[serde(rename = "userDataInJWT", skip_serializing_if = "Option::is_none")]
    pub(super) jwt_payload: Option<&'a JsonObject>,
    #[serde(rename = "userDataInDatabase", skip_serializing_if = "Option::is_none")]
    pub(super) session_data: Option<&'a JsonObject>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) access_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refresh_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) anti_csrf_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) enable_anti_csrf: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) do_anti_csrf_check: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) check_database: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) use_dynamic_signing_key: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) session_handle: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) session_handles: Option<[String; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) revoke_across_all_tenants: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) revoke_sessions_for_linked_accounts: Option<bool>,
}

/// How a request ended, where it was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Ok,
    Unauthorised,
    TryRefresh,
    Theft,
}

/// What an answer says: of all members that there are, those of its operation.
pub(super) struct Reply<'a> {
    pub(super) status: Status,
    members: Members<'a>,
    answer: &'a Answer,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Members<'a> {
    #[serde(borrow)]
    status: Cow<'a, str>,
    message: Option<String>,
    #[serde(borrow)]
    session: Option<Session<'a>>,
    access_token: Option<Token>,
    refresh_token: Option<Token>,
    anti_csrf_token: Option<String>,
    #[serde(borrow)]
    user_data_in_database: Option<&'a RawValue>,
    session_handles: Option<Vec<String>>,
    session_handles_revoked: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Session<'a> {
    handle: String,
    user_id: String,
    #[serde(rename = "userDataInJWT", borrow)]
    jwt_payload: Option<&'a RawValue>,
}

/// A token, and its times in milliseconds since the epoch.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Token {
    #[serde(rename = "token")]
    text: String,
    expiry: i64,
    created_time: i64,
}

impl From<Token> for AccessToken {
    fn from(token: Token) -> Self {
        Self {
            token: Secret::new(token.text),
            expires_at: UnixMillis::new(token.expiry),
            created_at: UnixMillis::new(token.created_time),
        }
    }
}

impl<'a> Reply<'a> {
    /// Reads an answer that ends in one of `ends`.
    pub(super) fn of(answer: &'a Answer, ends: &[Status]) -> Result<Self, RemoteError> {
        let members: Members<'a> = answer.read()?;
        let status = match &*members.status {
            "OK" => Some(Status::Ok),
            "UNAUTHORISED" => Some(Status::Unauthorised),
            "TRY_REFRESH_TOKEN" => Some(Status::TryRefresh),
            "TOKEN_THEFT_DETECTED" => Some(Status::Theft),
            _ => None,
        };
        let status = status.filter(|status| ends.contains(status));
        let status = status.ok_or_else(|| answer.nonsense("its status is not one of these"))?;
        Ok(Self {
            status,
            members,
            answer,
        })
    }

    /// Why it went no further.
    pub(super) fn message(&self) -> &str {
        self.members.message.as_deref().unwrap_or_default()
    }

    /// Whose session it is about.
    pub(super) fn named(&self) -> Result<(SessionHandle, UserId), RemoteError> {
        let session = self.there("session", self.members.session.as_ref())?;
        Ok((
            self.handle(&session.handle)?,
            UserId::parse(&session.user_id)
                .map_err(|_| self.answer.nonsense("its userId is not one"))?,
        ))
    }

    /// The session, as its client may see it.
    pub(super) fn session(&self) -> Result<SessionView, RemoteError> {
        let (handle, user_id) = self.named()?;
        let payload = self.members.session.as_ref().and_then(|it| it.jwt_payload);
        Ok(SessionView {
            handle,
            user_id,
            jwt_payload: self.object("userDataInJWT", payload)?,
        })
    }

    /// A new access token, if there is one.
    pub(super) fn take_access(&mut self) -> Option<AccessToken> {
        self.members.access_token.take().map(AccessToken::from)
    }

    /// All that a client gets at creation and at each refresh. The anti-CSRF token has to be there if it was asked for.
    pub(super) fn tokens(mut self, anti_csrf: bool) -> Result<Tokens, RemoteError> {
        let session = self.session()?;
        let access = self.take_access();
        let refresh = self.members.refresh_token.take();
        let refresh = self.there("refreshToken", refresh)?;
        let made = self.members.anti_csrf_token.take();
        let made = anti_csrf
            .then(|| self.there("antiCsrfToken", made))
            .transpose()?;
        Ok(Tokens {
            session,
            access: self.there("accessToken", access)?,
            refresh: Secret::new(refresh.text),
            refresh_expires_at: UnixMillis::new(refresh.expiry),
            anti_csrf: made.map(Secret::new),
        })
    }

    /// The session's data.
    pub(super) fn session_data(&self) -> Result<JsonObject, RemoteError> {
        self.object("userDataInDatabase", self.members.user_data_in_database)
    }

    /// The sessions of a user.
    pub(super) fn handles(&self) -> Result<Vec<SessionHandle>, RemoteError> {
        let handles = self.members.session_handles.as_ref();
        self.all(self.there("sessionHandles", handles)?)
    }

    /// The sessions that have been ended.
    pub(super) fn revoked(&self) -> Result<Vec<SessionHandle>, RemoteError> {
        let handles = self.members.session_handles_revoked.as_ref();
        self.all(self.there("sessionHandlesRevoked", handles)?)
    }

    fn all(&self, texts: &[String]) -> Result<Vec<SessionHandle>, RemoteError> {
        texts.iter().map(|text| self.handle(text)).collect()
    }

    fn handle(&self, text: &str) -> Result<SessionHandle, RemoteError> {
        text.parse().map_err(|_| {
            self.answer
                .nonsense("what it calls a session handle is none")
        })
    }

    /// An object, by the rules of objects that come from anywhere else; how deep it nests is one of them.
    fn object(&self, name: &str, raw: Option<&RawValue>) -> Result<JsonObject, RemoteError> {
        let raw = self.there(name, raw)?;
        JsonObject::parse(raw.get())
            .map_err(|_| self.answer.nonsense(format!("its {name} is not an object")))
    }

    fn there<T>(&self, name: &str, member: Option<T>) -> Result<T, RemoteError> {
        member.ok_or_else(|| self.answer.nonsense(format!("it has no {name}")))
    }
}

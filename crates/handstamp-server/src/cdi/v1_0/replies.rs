//! What clients of protocol 1.0 get. Where later protocols have other sessions, tokens or keys in the same places, those are
//! parameters.

use handstamp::engine::{
    Issued, PublicSigningKey, RefreshRefused, Refreshed, SessionView, TryRefresh, Verification,
    VerifyRefused,
};
use handstamp::{JsonObject, SessionHandle, UserId};
use serde::Serialize;

use crate::cdi::Cdi;
use crate::cdi::handlers::Render;
use crate::cdi::handlers::service::Elsewhere;
use crate::cdi::parts::{Kind, Message, NO_SESSION, Status, WriteToken};

use super::parts::{KeyInfo, cookie_domain};

/// Revocation is a DELETE.
pub(super) struct RemoveIsDelete;

impl Elsewhere for RemoveIsDelete {
    const TEXT: &'static str =
        "/session/remove POST is only available in >= CDI 2.0. Please call /session DELETE instead";
}

/// What only later protocols have.
pub(super) struct NotYet;

impl Elsewhere for NotYet {
    const TEXT: &'static str = "CDI version not supported";
}

#[derive(Serialize)]
pub(in crate::cdi) struct ConfigPath {
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
}

impl Render<Option<String>> for ConfigPath {
    fn render(path: Option<String>, _: &Cdi) -> Self {
        Self {
            status: if path.is_some() {
                Status::Ok
            } else {
                Status::NotAllowed
            },
            path,
        }
    }
}

#[derive(Serialize)]
pub(in crate::cdi) struct Mode {
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<&'static str>,
}

impl Render<bool> for Mode {
    fn render(allowed: bool, _: &Cdi) -> Self {
        if allowed {
            Self {
                status: Status::Ok,
                mode: Some("PRODUCTION"),
            }
        } else {
            Self {
                status: Status::NotAllowed,
                mode: None,
            }
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cdi) struct Handshake {
    status: Status,
    #[serde(flatten)]
    key: KeyInfo,
    cookie_domain: String,
    cookie_secure: bool,
    access_token_path: String,
    refresh_token_path: String,
    enable_anti_csrf: bool,
    access_token_blacklisting_enabled: bool,
}

impl Render<PublicSigningKey> for Handshake {
    fn render(key: PublicSigningKey, cdi: &Cdi) -> Self {
        Self {
            status: Status::Ok,
            key: key.into(),
            cookie_domain: cookie_domain(cdi),
            cookie_secure: cdi.cookies.secure,
            access_token_path: cdi.cookies.access_path.clone(),
            refresh_token_path: cdi.cookies.refresh_path.clone(),
            enable_anti_csrf: cdi.anti_csrf,
            access_token_blacklisting_enabled: cdi.blacklisting,
        }
    }
}

/// The tokens of a new session, and the keys they are checked by.
#[derive(Serialize)]
pub(in crate::cdi) struct Created<T, K = KeyInfo> {
    #[serde(flatten)]
    issue: T,
    #[serde(flatten)]
    keys: K,
}

impl<T: Render<Issued>, K: Serialize> Render<(Issued, K)> for Created<T, K> {
    fn render((issued, keys): (Issued, K), cdi: &Cdi) -> Self {
        Self {
            issue: T::render(issued, cdi),
            keys,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Deleted {
    status: Status,
    number_of_sessions_revoked: usize,
}

impl Render<Vec<SessionHandle>> for Deleted {
    fn render(revoked: Vec<SessionHandle>, _: &Cdi) -> Self {
        Self {
            status: Status::Ok,
            number_of_sessions_revoked: revoked.len(),
        }
    }
}

/// `KEYS_AT_TRY` says whether the keys come along when a refresh should be tried.
#[derive(Serialize)]
#[serde(untagged)]
pub(in crate::cdi) enum VerifyReply<S, T, K, const KEYS_AT_TRY: bool> {
    #[serde(rename_all = "camelCase")]
    Valid {
        status: Status,
        session: S,
        #[serde(skip_serializing_if = "Option::is_none")]
        access_token: Option<T>,
        #[serde(flatten)]
        keys: K,
    },
    TryRefresh {
        #[serde(flatten)]
        message: Message,
        #[serde(flatten)]
        keys: Option<K>,
    },
    Refused(Message),
}

impl<S, T, K, const KEYS_AT_TRY: bool> Render<(Verification, K)>
    for VerifyReply<S, T, K, KEYS_AT_TRY>
where
    S: From<SessionView> + Serialize,
    T: WriteToken,
    K: Serialize,
{
    fn render((verification, keys): (Verification, K), cdi: &Cdi) -> Self {
        match verification {
            Verification::Valid(valid) => Self::Valid {
                status: Status::Ok,
                session: valid.session.into(),
                access_token: valid
                    .replacement
                    .map(|access| T::write((&access).into(), Kind::Access, cdi)),
                keys,
            },
            Verification::TryRefresh(why) => Self::TryRefresh {
                message: Message {
                    status: Status::TryRefreshToken,
                    message: try_refresh_text(why),
                },
                keys: KEYS_AT_TRY.then_some(keys),
            },
            Verification::Unauthorised(why) => {
                Self::Refused(Message::unauthorised(verify_refused_text(why)))
            }
        }
    }
}

pub(in crate::cdi) fn try_refresh_text(why: TryRefresh) -> String {
    match why {
        TryRefresh::Rejected(why) => why.to_string(),
        TryRefresh::Expired => "Access token expired".to_owned(),
        TryRefresh::AntiCsrf => "anti-csrf check failed".to_owned(),
        TryRefresh::RotatedOut => "rotated-out token branch; refresh required".to_owned(),
    }
}

pub(in crate::cdi) fn verify_refused_text(why: VerifyRefused) -> &'static str {
    match why {
        VerifyRefused::NoSession => "Either the session has ended or has been blacklisted",
        VerifyRefused::NothingToConfirm => "Session missing in db",
    }
}

#[derive(Serialize)]
#[serde(untagged)]
pub(in crate::cdi) enum RefreshReply<T, S> {
    Renewed(Box<T>),
    Refused(Message),
    Theft { status: Status, session: S },
}

/// The session whose tokens two parties hold.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cdi) struct Stolen {
    handle: String,
    user_id: String,
}

impl From<(SessionHandle, UserId)> for Stolen {
    fn from((handle, user): (SessionHandle, UserId)) -> Self {
        Self {
            handle: handle.to_string(),
            user_id: user.as_str().to_owned(),
        }
    }
}

impl<T, S> Render<Refreshed> for RefreshReply<T, S>
where
    T: Render<Issued>,
    S: From<(SessionHandle, UserId)> + Serialize,
{
    fn render(refreshed: Refreshed, cdi: &Cdi) -> Self {
        match refreshed {
            Refreshed::Renewed(issued) => Self::Renewed(Box::new(T::render(*issued, cdi))),
            Refreshed::Unauthorised(why) => {
                Self::Refused(Message::unauthorised(unauthorised_text(why)))
            }
            Refreshed::Reuse {
                handle,
                user_id,
                kind: _,
            } => Self::Theft {
                status: Status::TokenTheftDetected,
                session: (handle, user_id).into(),
            },
        }
    }
}

pub(in crate::cdi) fn unauthorised_text(why: RefreshRefused) -> &'static str {
    match why {
        RefreshRefused::NotOurs => {
            "Refresh token not found in database. Please create a new session."
        }
        RefreshRefused::NoSession => "Session missing in db or has expired",
        RefreshRefused::AntiCsrf => "Anti CSRF token missing, or not matching",
        RefreshRefused::ProtectedClaim => "The user payload contains protected field",
        RefreshRefused::Superseded => {
            "Refresh token was superseded a moment ago by one that is in use"
        }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
pub(in crate::cdi) enum DataReply {
    #[serde(rename_all = "camelCase")]
    Found {
        status: Status,
        user_data_in_database: JsonObject,
    },
    Gone(Message),
}

impl Render<Option<JsonObject>> for DataReply {
    fn render(data: Option<JsonObject>, _: &Cdi) -> Self {
        match data {
            Some(data) => Self::Found {
                status: Status::Ok,
                user_data_in_database: data,
            },
            None => Self::Gone(Message::unauthorised(NO_SESSION)),
        }
    }
}

/// Whether there was a session to write to.
#[derive(Serialize)]
#[serde(untagged)]
pub(in crate::cdi) enum Written {
    Done { status: Status },
    Gone(Message),
}

impl Render<bool> for Written {
    fn render(written: bool, _: &Cdi) -> Self {
        if written {
            Self::Done { status: Status::Ok }
        } else {
            Self::Gone(Message::unauthorised(NO_SESSION))
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cdi) struct UserSessions {
    status: Status,
    session_handles: Vec<String>,
}

impl Render<Vec<SessionHandle>> for UserSessions {
    fn render(handles: Vec<SessionHandle>, _: &Cdi) -> Self {
        Self {
            status: Status::Ok,
            session_handles: handles.iter().map(ToString::to_string).collect(),
        }
    }
}

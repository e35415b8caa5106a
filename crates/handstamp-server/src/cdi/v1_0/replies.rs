//! What clients of protocol 1.0 get.

use handstamp::engine::{
    Issued, PublicSigningKey, RefreshRefused, Refreshed, TryRefresh, Verification, VerifyRefused,
};
use handstamp::storage::DataWrite;
use handstamp::{JsonObject, SessionHandle};
use serde::Serialize;

use crate::cdi::Cdi;
use crate::cdi::handlers::Render;

use super::parts::{KeyInfo, Session, Status, TokenInfo, Tokens, cookie_domain};

#[derive(Serialize)]
pub(super) struct ConfigPath {
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
pub(super) struct Mode {
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
pub(super) struct Handshake {
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

#[derive(Serialize)]
pub(super) struct Created {
    #[serde(flatten)]
    tokens: Tokens,
    #[serde(flatten)]
    key: KeyInfo,
}

impl Render<(Issued, PublicSigningKey)> for Created {
    fn render((issued, key): (Issued, PublicSigningKey), cdi: &Cdi) -> Self {
        Self {
            tokens: Tokens::new(issued, cdi),
            key: key.into(),
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

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum VerifyReply {
    #[serde(rename_all = "camelCase")]
    Valid {
        status: Status,
        session: Session,
        #[serde(skip_serializing_if = "Option::is_none")]
        access_token: Option<TokenInfo>,
        #[serde(flatten)]
        key: KeyInfo,
    },
    Refused(Message),
}

impl Render<(Verification, PublicSigningKey)> for VerifyReply {
    fn render((verification, key): (Verification, PublicSigningKey), cdi: &Cdi) -> Self {
        match verification {
            Verification::Valid(valid) => Self::Valid {
                status: Status::Ok,
                session: valid.session.into(),
                access_token: valid
                    .replacement
                    .map(|access| TokenInfo::access(&access, cdi)),
                key: key.into(),
            },
            Verification::TryRefresh(why) => {
                let message = match why {
                    TryRefresh::Rejected(why) => why.to_string(),
                    TryRefresh::Expired => "Access token expired".to_owned(),
                    TryRefresh::AntiCsrf => "anti-csrf check failed".to_owned(),
                    TryRefresh::RotatedOut => {
                        "rotated-out token branch; refresh required".to_owned()
                    }
                };
                Self::Refused(Message {
                    status: Status::TryRefreshToken,
                    message,
                })
            }
            Verification::Unauthorised(VerifyRefused::NoSession) => {
                Self::Refused(Message::unauthorised("Session missing in db"))
            }
        }
    }
}

#[derive(Serialize)]
pub(super) struct Message {
    status: Status,
    message: String,
}

impl Message {
    fn unauthorised(message: &str) -> Self {
        Self {
            status: Status::Unauthorised,
            message: message.to_owned(),
        }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum RefreshReply {
    Renewed(Box<Tokens>),
    Refused(Message),
    Theft {
        status: Status,
        session: StolenSession,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StolenSession {
    handle: String,
    user_id: String,
}

impl Render<Refreshed> for RefreshReply {
    fn render(refreshed: Refreshed, cdi: &Cdi) -> Self {
        match refreshed {
            Refreshed::Renewed(issued) => Self::Renewed(Box::new(Tokens::new(*issued, cdi))),
            Refreshed::Unauthorised(why) => Self::Refused(Message::unauthorised(match why {
                RefreshRefused::NotOurs => {
                    "Refresh token not found in database. Please create a new session."
                }
                RefreshRefused::NoSession => "Session missing in db or has expired",
                RefreshRefused::AntiCsrf => "Anti CSRF token missing, or not matching",
                RefreshRefused::ProtectedClaim => "The user payload contains protected field",
                RefreshRefused::Superseded => {
                    "Refresh token was superseded a moment ago by one that is in use"
                }
            })),
            Refreshed::Reuse {
                handle,
                user_id,
                kind: _,
            } => Self::Theft {
                status: Status::TokenTheftDetected,
                session: StolenSession {
                    handle: handle.to_string(),
                    user_id: user_id.as_str().to_owned(),
                },
            },
        }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum DataReply {
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

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum DataWritten {
    Done { status: Status },
    Gone(Message),
}

impl Render<DataWrite> for DataWritten {
    fn render(written: DataWrite, _: &Cdi) -> Self {
        match written {
            DataWrite::Written(_) => Self::Done { status: Status::Ok },
            // Without an expected version there is no conflict.
            DataWrite::Missing | DataWrite::Conflict => {
                Self::Gone(Message::unauthorised(NO_SESSION))
            }
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserSessions {
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

const NO_SESSION: &str = "Session does not exist.";

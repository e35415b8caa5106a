//! From what the engine answers in Rust.

use std::error::Error as StdError;
use std::iter;

use handstamp::clock::UnixMillis;
use handstamp::engine::{
    AccessToken, Error, Failure, Issued, RefreshRefused, Refreshed, SessionView, TryRefresh,
    Verification, VerifyRefused,
};
use handstamp::storage::{DataWrite, StorageError, StorageFault};
use handstamp::{Invalid, SessionHandle, session};

use super::{
    Check, Creation, Data, Done, Failed, FailureCode, Handles, Made, Refresh, Session, Token,
    Tokens, Write,
};
use crate::settings::Unfit;

impl From<Unfit> for Made {
    fn from(Unfit { setting, allowed }: Unfit) -> Self {
        Self::Unfit {
            setting: setting.to_owned(),
            allowed,
        }
    }
}

impl From<SessionView> for Session {
    fn from(view: SessionView) -> Self {
        Self {
            handle: view.handle.to_string(),
            user_id: view.user_id.as_str().to_owned(),
            jwt_payload: view.jwt_payload.as_str().to_owned(),
        }
    }
}

impl From<&AccessToken> for Token {
    fn from(access: &AccessToken) -> Self {
        Self::new(
            access.token.expose().to_owned(),
            access.expires_at,
            access.created_at,
        )
    }
}

impl Token {
    fn new(token: String, expires_at: UnixMillis, created_at: UnixMillis) -> Self {
        Self {
            token,
            expiry: expires_at.as_millis(),
            created_time: created_at.as_millis(),
        }
    }
}

impl From<Issued> for Tokens {
    fn from(issued: Issued) -> Self {
        let refresh = |text| Token::new(text, issued.refresh_expires_at, issued.refresh_created_at);
        Self {
            access_token: (&issued.access).into(),
            refresh_token: refresh(issued.refresh.text().expose().to_owned()),
            id_refresh_token: refresh(issued.refresh.id_refresh().to_string()),
            anti_csrf_token: issued
                .refresh
                .anti_csrf()
                .map(|token| token.expose().to_owned()),
            session: issued.session.into(),
        }
    }
}

impl Failed {
    /// The engine is closed.
    pub(crate) fn closed() -> Self {
        Self {
            code: FailureCode::Closed,
            field: None,
            message: "the engine is closed".to_owned(),
            outcome_unknown: false,
        }
    }

    /// Somebody has to mend something.
    pub(crate) fn lasting(why: &dyn StdError) -> Self {
        Self {
            code: FailureCode::Failed,
            field: None,
            message: chain(why),
            outcome_unknown: false,
        }
    }
}

impl From<Invalid> for Failed {
    fn from(why: Invalid) -> Self {
        Self {
            code: FailureCode::Invalid,
            field: Some(why.field().to_owned()),
            message: why.expected().to_owned(),
            outcome_unknown: false,
        }
    }
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        if failure.storage_fault() == Some(StorageFault::Closed) {
            return Self::closed();
        }
        Self {
            code: if failure.is_transient() {
                FailureCode::Unavailable
            } else {
                FailureCode::Failed
            },
            field: None,
            message: chain(&failure),
            outcome_unknown: failure.is_outcome_unknown(),
        }
    }
}

impl From<StorageError> for Failed {
    fn from(error: StorageError) -> Self {
        Failure::from(error).into()
    }
}

/// An error with all of its causes, which hold no secrets: drivers' words that quote what was stored are not among them.
fn chain(error: &dyn StdError) -> String {
    let causes = iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |told, cause| format!("{told}: {cause}"))
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        match error {
            Error::Invalid(why) => why.into(),
            Error::Failure(failure) => failure.into(),
            // Only tokens of newer formats have such members, but an error is what it is.
            Error::ProtectedClaim => Self::lasting(&error),
        }
    }
}

impl From<Verification> for Check {
    fn from(verification: Verification) -> Self {
        match verification {
            Verification::Valid(valid) => Self::Ok {
                expiry: valid.expires_at.as_millis(),
                access_token: valid.replacement.as_ref().map(Into::into),
                session: valid.session.into(),
            },
            Verification::TryRefresh(why) => Self::TryRefreshToken {
                message: match why {
                    TryRefresh::Rejected(why) => why.to_string(),
                    TryRefresh::Expired => "Access token expired".to_owned(),
                    TryRefresh::AntiCsrf => "anti-csrf check failed".to_owned(),
                    TryRefresh::RotatedOut => "the access token has been replaced twice".to_owned(),
                },
            },
            Verification::Unauthorised(why) => Self::Unauthorised {
                message: match why {
                    VerifyRefused::NoSession => {
                        "Either the session has ended or has been blacklisted"
                    }
                    VerifyRefused::NothingToConfirm => "Session missing in db",
                }
                .to_owned(),
            },
        }
    }
}

impl From<Refreshed> for Refresh {
    fn from(refreshed: Refreshed) -> Self {
        match refreshed {
            Refreshed::Renewed(issued) => Self::Ok {
                tokens: (*issued).into(),
            },
            Refreshed::Unauthorised(why) => Self::Unauthorised {
                message: match why {
                    RefreshRefused::NotOurs => {
                        "Refresh token not found in database. Please create a new session."
                    }
                    RefreshRefused::NoSession => "Session missing in db or has expired",
                    RefreshRefused::Superseded => {
                        "Refresh token was superseded a moment ago by one that is in use"
                    }
                    RefreshRefused::AntiCsrf => "Anti CSRF token missing, or not matching",
                    RefreshRefused::ProtectedClaim => "The user payload contains protected field",
                }
                .to_owned(),
            },
            Refreshed::Reuse {
                handle, user_id, ..
            } => Self::TokenTheftDetected {
                handle: handle.to_string(),
                user_id: user_id.as_str().to_owned(),
            },
        }
    }
}

impl From<Vec<SessionHandle>> for Handles {
    fn from(handles: Vec<SessionHandle>) -> Self {
        Self::Ok {
            handles: handles.iter().map(ToString::to_string).collect(),
        }
    }
}

impl From<Option<session::SessionData>> for Data {
    fn from(found: Option<session::SessionData>) -> Self {
        match found {
            Some(found) => Self::Ok {
                data: found.data.as_str().to_owned(),
                version: version(found.version),
                expiry: found.expires_at.as_millis(),
            },
            None => Self::Missing,
        }
    }
}

impl From<DataWrite> for Write {
    fn from(written: DataWrite) -> Self {
        match written {
            DataWrite::Written(now) => Self::Ok {
                version: version(now),
            },
            DataWrite::Conflict => Self::Conflict,
            DataWrite::Missing => Self::Missing,
        }
    }
}

/// A count that started at 1 fits.
fn version(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

/// Every answer can be that it failed.
macro_rules! can_fail {
    ($($answer:ident),*) => {
        $(impl From<Failed> for $answer {
            fn from(failure: Failed) -> Self {
                Self::Failed { failure }
            }
        })*
    };
}

can_fail!(Done, Creation, Check, Refresh, Handles, Data, Write);

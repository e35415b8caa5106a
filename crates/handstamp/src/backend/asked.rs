//! What a backend is asked, and what it answers.

use std::fmt;

use crate::clock::UnixMillis;
use crate::engine::{
    AccessToken, AntiCsrf, Issued, OnReuse, RefreshRefused, Refreshed, SessionView, SignatureCheck,
    Verification,
};
use crate::id::{SessionHandle, TenantId, UserId};
use crate::json::JsonObject;
use crate::token::Secret;

/// What a new session is to be.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// In which tenant.
    pub tenant: TenantId,
    /// Whose.
    pub user_id: UserId,
    /// The JWT payload, readable by the client.
    pub jwt_payload: JsonObject,
    /// The first session data: kept in the store only.
    pub session_data: JsonObject,
    /// Whether requests must bring an anti-CSRF token along.
    pub anti_csrf: bool,
    /// The cookie that is the only place where the client can keep the access token, which so has to fit into it.
    pub cookie: Option<String>,
}

/// All that a client gets at creation and at each refresh.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// The session.
    pub session: SessionView,
    /// The access token.
    pub access: AccessToken,
    /// The refresh token.
    pub refresh: Secret,
    /// When the refresh token ends unless it is used before.
    pub refresh_expires_at: UnixMillis,
    /// The anti-CSRF token, if one was asked for.
    pub anti_csrf: Option<Secret>,
}

/// A refresh token, presented.
#[derive(Clone, Copy)]
pub struct Present<'a> {
    /// The token's text.
    pub token: &'a str,
    /// Whether an anti-CSRF token is to be made with the new tokens.
    pub anti_csrf: bool,
    /// Whether the anti-CSRF token that was made with the presented one is compared, and with what.
    pub passed: AntiCsrf<'a>,
    /// What happens to a session whose tokens somebody else has.
    pub on_reuse: OnReuse,
}

impl fmt::Debug for Present<'_> {
    /// The token stays out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Present")
            .field("anti_csrf", &self.anti_csrf)
            .field("on_reuse", &self.on_reuse)
            .finish_non_exhaustive()
    }
}

/// What a refresh came to.
#[derive(Debug, Clone)]
#[must_use]
pub enum Renewal {
    /// New tokens, or the same again.
    Renewed(Box<Tokens>),
    /// No session goes with the token.
    Unauthorised(RefreshRefused),
    /// Two parties hold the session's tokens.
    Reuse {
        /// The session.
        handle: SessionHandle,
        /// Whose it is.
        user_id: UserId,
    },
}

/// What [`super::Backend::check_at_once`] found.
#[derive(Debug, Clone)]
#[must_use]
pub struct Check {
    /// What the signature says of the token.
    pub verification: Verification,
    /// What to hand to [`super::Backend::confirm`], once for each token.
    pub confirmation: Option<Confirmation>,
}

/// That a client was seen to use what the last refresh gave it.
#[derive(Debug, Clone)]
pub struct Confirmation(pub(super) Confirms);

#[derive(Debug, Clone)]
pub(super) enum Confirms {
    Embedded(crate::engine::Confirmation),
    #[cfg(feature = "remote")]
    Remote(Secret),
}

impl From<SignatureCheck> for Check {
    fn from(check: SignatureCheck) -> Self {
        let SignatureCheck {
            verification,
            confirmation,
        } = check;
        Self {
            verification,
            confirmation: confirmation.map(|it| Confirmation(Confirms::Embedded(it))),
        }
    }
}

impl From<Issued> for Tokens {
    fn from(issued: Issued) -> Self {
        let Issued {
            session,
            access,
            refresh,
            refresh_expires_at,
            refresh_created_at: _,
        } = issued;
        Self {
            session,
            access,
            refresh: refresh.text().clone(),
            refresh_expires_at,
            anti_csrf: refresh.anti_csrf().cloned(),
        }
    }
}

impl From<Refreshed> for Renewal {
    fn from(refreshed: Refreshed) -> Self {
        match refreshed {
            Refreshed::Renewed(issued) => Self::Renewed(Box::new(Tokens::from(*issued))),
            Refreshed::Unauthorised(why) => Self::Unauthorised(why),
            Refreshed::Reuse {
                handle, user_id, ..
            } => Self::Reuse { handle, user_id },
        }
    }
}

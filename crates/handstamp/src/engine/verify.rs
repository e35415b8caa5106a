//! Check an access token: by its signature alone, or against the store as well.

use std::fmt;

use super::{AccessToken, Engine, Failure, Form, SessionView};
use crate::clock::UnixMillis;
use crate::id::AppId;
use crate::keys::KeyRing;
use crate::rotation::{Policy, Rotation};
use crate::session::Session;
use crate::storage::{Confirm, KeyKind};
use crate::token::Hash1;
use crate::token::access::{self, AccessClaims, Rejected, TokenFormat};

/// An access token, presented.
#[derive(Clone)]
pub struct Verify<'a> {
    /// In which app.
    pub app: AppId,
    /// The token's text.
    pub token: &'a str,
    /// Whether the anti-CSRF token is compared with the one inside, and with what.
    pub anti_csrf: AntiCsrf<'a>,
    /// Whether the store is asked if the session is still there.
    pub check_storage: bool,
    /// Whether the use of a token confirms it, as [`Policy::ConfirmOnUse`] has it.
    pub policy: Policy,
}

impl fmt::Debug for Verify<'_> {
    /// The token stays out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verify")
            .field("app", &self.app)
            .field("anti_csrf", &self.anti_csrf)
            .field("check_storage", &self.check_storage)
            .finish_non_exhaustive()
    }
}

impl<'a> Verify<'a> {
    /// A token of the default app, to be checked by its signature alone.
    #[must_use]
    pub fn new(token: &'a str) -> Self {
        Self {
            app: AppId::PUBLIC,
            token,
            anti_csrf: AntiCsrf::Unchecked,
            check_storage: false,
            policy: Policy::ConfirmOnUse,
        }
    }
}

/// What a request says against cross-site forgery.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum AntiCsrf<'a> {
    /// The request needs no anti-CSRF token.
    Unchecked,
    /// The anti-CSRF token that came with the request, if one did; it must equal the one inside the access token.
    Passed(Option<&'a str>),
}

impl fmt::Debug for AntiCsrf<'_> {
    /// The token stays out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unchecked => "Unchecked",
            Self::Passed(None) => "Passed(None)",
            Self::Passed(Some(_)) => "Passed(Some(..))",
        })
    }
}

/// What a verification came to.
#[derive(Debug, Clone)]
#[must_use]
pub enum Verification {
    /// The token is good.
    Valid(Verified),
    /// The token is not good (any more); a refresh will tell whether the session is.
    TryRefresh(TryRefresh),
    /// The session is gone.
    Unauthorised(VerifyRefused),
}

/// A good access token.
#[derive(Debug, Clone)]
pub struct Verified {
    /// The session.
    pub session: SessionView,
    /// Until when the token is good; the replacement, if there is one.
    pub expires_at: UnixMillis,
    /// A token to use from now on: without the mark that sends it to the store, or with the payload as it is now.
    pub replacement: Option<AccessToken>,
    /// Whether the store has another payload by now; known if the store was asked, and no replacement is made.
    pub payload_differs: Option<bool>,
}

/// Why a refresh should be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TryRefresh {
    /// Not a token that was made here.
    Rejected(Rejected),
    /// Its time is over.
    Expired,
    /// The anti-CSRF token is missing, or another.
    AntiCsrf,
    /// Its refresh token has been replaced, and the one after that. An honest client that still has it refreshes.
    RotatedOut,
}

impl TryRefresh {
    /// Whether the text has not even the form of an access token, and so may be meant for somebody else.
    #[must_use]
    pub fn is_foreign(self) -> bool {
        self == Self::Rejected(Rejected::Malformed)
    }
}

/// Why there is no session any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VerifyRefused {
    /// It was revoked, or has ended, says the store, which was to be asked.
    NoSession,
    /// The same, found when the use of the token was to confirm it.
    NothingToConfirm,
}

impl VerifyRefused {
    fn found_by(ask: &Verify<'_>) -> Self {
        if ask.check_storage {
            Self::NoSession
        } else {
            Self::NothingToConfirm
        }
    }
}

impl Engine {
    /// Checks an access token. The store is touched only if it is to be (`check_storage`), or if the token was made by a
    /// refresh that has not been confirmed yet: then its use confirms it, unless the policy is to rotate at once.
    ///
    /// # Errors
    /// When the store or the keys fail: then nothing is known of the token.
    pub async fn verify(&self, ask: &Verify<'_>) -> Result<Verification, Failure> {
        let used = match self.open(&ask.app, ask.token).await? {
            Ok(used) => used,
            Err(why) => return Ok(Verification::TryRefresh(TryRefresh::Rejected(why))),
        };
        if let Some(why) = used.is_refused(ask) {
            return Ok(Verification::TryRefresh(why));
        }
        match (ask.policy, used.claims.parent_hash) {
            (Policy::ConfirmOnUse, Some(parent)) => {
                self.confirm_and_answer(ask, used, parent).await
            }
            (Policy::ConfirmOnUse, None) if ask.check_storage => self.check(&ask.app, used).await,
            (Policy::RotateAtOnce, _) if ask.check_storage => {
                self.check_lineage(&ask.app, used).await
            }
            (Policy::ConfirmOnUse | Policy::RotateAtOnce, _) => Ok(valid(used.claims, None)),
        }
    }

    /// Checks form and signature, and if no known key can have made that, looks for a newer one: another server may have made
    /// one since.
    pub(super) async fn open(
        &self,
        app: &AppId,
        token: &str,
    ) -> Result<Result<Used, Rejected>, Failure> {
        let ring = self.ring(app, KeyKind::Refresh).await?;
        let (now, life) = (self.now(), self.config().key_life());
        let open = |ring: &KeyRing| access::open(token, &ring.verifying(now, life));
        let opened = match open(&ring) {
            Err(Rejected::UnknownKey) => match self
                .inner
                .rings
                .newer(&self.inner.parts, app, life, &ring)
                .await?
            {
                Some(newer) => open(&newer),
                None => Err(Rejected::UnknownKey),
            },
            opened => opened,
        };
        Ok(opened.map(|(claims, format)| Used {
            claims,
            format,
            now,
        }))
    }

    /// The token comes from a refresh: that somebody uses it shows that the answer arrived.
    async fn confirm_and_answer(
        &self,
        ask: &Verify<'_>,
        used: Used,
        parent: Hash1,
    ) -> Result<Verification, Failure> {
        let app = &ask.app;
        let child = used.claims.refresh_hash.hash2();
        let expires_at = self.idle_end(used.now);
        let step = Confirm {
            child,
            parent: parent.hash2(),
            now: used.now,
            expires_at,
        };
        if let Some(session) = self
            .storage()
            .confirm(app, &used.claims.handle, step)
            .await?
        {
            return self.replace(app, used, session).await;
        }
        match self.live_session(app, &used).await? {
            None => Ok(Verification::Unauthorised(VerifyRefused::found_by(ask))),
            Some(session)
                if session.rotation.current.hash == child
                    || (ask.check_storage && used.is_outdated_by(&session)) =>
            {
                self.replace(app, used, session).await
            }
            // A branch that lost: its token stays good until it ends, and is not renewed.
            Some(_) => Ok(valid(used.claims, None)),
        }
    }

    async fn check(&self, app: &AppId, used: Used) -> Result<Verification, Failure> {
        match self.live_session(app, &used).await? {
            None => Ok(Verification::Unauthorised(VerifyRefused::NoSession)),
            Some(session) if used.is_outdated_by(&session) => {
                self.replace(app, used, session).await
            }
            Some(_) => Ok(valid(used.claims, None)),
        }
    }

    /// Tokens that rotate at once are not renewed here; one whose refresh token has been replaced twice has to be.
    async fn check_lineage(&self, app: &AppId, used: Used) -> Result<Verification, Failure> {
        let Some(session) = self.live_session(app, &used).await? else {
            return Ok(Verification::Unauthorised(VerifyRefused::NoSession));
        };
        // The token of an unconfirmed child names the current one as its parent.
        let Rotation {
            current, previous, ..
        } = &session.rotation;
        let known = |hash: Hash1| {
            let hash = hash.hash2();
            hash == current.hash
                || previous
                    .as_ref()
                    .is_some_and(|previous| previous.hash == hash)
        };
        if !known(used.claims.refresh_hash) && !used.claims.parent_hash.is_some_and(known) {
            return Ok(Verification::TryRefresh(TryRefresh::RotatedOut));
        }
        let differs = !session.jwt_payload.same_meaning(&used.claims.payload);
        Ok(Verification::Valid(Verified {
            payload_differs: Some(differs),
            ..verified(used.claims, None)
        }))
    }

    async fn live_session(&self, app: &AppId, used: &Used) -> Result<Option<Session>, Failure> {
        let session = self.storage().session(app, &used.claims.handle).await?;
        Ok(session.filter(|session| session.is_alive(used.now)))
    }

    /// Makes the token that takes the place of one that was good, with the payload as the store has it.
    async fn replace(
        &self,
        app: &AppId,
        used: Used,
        session: Session,
    ) -> Result<Verification, Failure> {
        let Used {
            claims,
            format,
            now,
        } = used;
        // The stored payload may have been written for tokens of another form. What this one cannot say it goes on without.
        let payload = if format.allows(&session.jwt_payload) {
            session.jwt_payload
        } else {
            claims.payload
        };
        let claims = AccessClaims {
            parent_hash: None,
            payload,
            expires_at: now
                .plus(self.config().access_token_validity())
                .min(session.ends_at),
            created_at: now,
            ..claims
        };
        let form = Form {
            format,
            static_key: session.static_key,
        };
        let ring = self
            .ring(app, self.key_kind(form.format, form.static_key))
            .await?;
        let access = self.mint(&ring, &claims, form)?;
        Ok(valid(claims, Some(access)))
    }
}

/// An access token in use, its signature checked.
pub(crate) struct Used {
    pub(crate) claims: AccessClaims,
    pub(crate) format: TokenFormat,
    pub(crate) now: UnixMillis,
}

impl Used {
    /// Whether the token is good no more, or comes without what it needs.
    pub(super) fn is_refused(&self, ask: &Verify<'_>) -> Option<TryRefresh> {
        if self.claims.expires_at < self.now {
            return Some(TryRefresh::Expired);
        }
        match ask.anti_csrf {
            AntiCsrf::Unchecked => None,
            // Nothing is equal to nothing: a check that is asked for needs both.
            AntiCsrf::Passed(passed) => match (&self.claims.anti_csrf, passed) {
                (Some(held), Some(passed)) if held.is(passed) => None,
                _ => Some(TryRefresh::AntiCsrf),
            },
        }
    }

    /// Whether the store has another payload by now, and one that a token of this form can say.
    fn is_outdated_by(&self, session: &Session) -> bool {
        !session.jwt_payload.same_meaning(&self.claims.payload)
            && self.format.allows(&session.jwt_payload)
    }
}

pub(super) fn valid(claims: AccessClaims, replacement: Option<AccessToken>) -> Verification {
    Verification::Valid(verified(claims, replacement))
}

fn verified(claims: AccessClaims, replacement: Option<AccessToken>) -> Verified {
    let AccessClaims {
        handle,
        user_id,
        payload,
        expires_at,
        ..
    } = claims;
    let session = SessionView {
        handle,
        user_id,
        jwt_payload: payload,
    };
    Verified {
        session,
        expires_at,
        replacement,
        payload_differs: None,
    }
}

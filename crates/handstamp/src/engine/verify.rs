//! Check an access token: by its signature alone, or against the store as well.

use std::fmt;

use super::{AccessToken, Engine, Failure, SessionView};
use crate::clock::UnixMillis;
use crate::id::AppId;
use crate::keys::KeyRing;
use crate::session::Session;
use crate::storage::Confirm;
use crate::token::access::{self, AccessClaims, Rejected, TokenFormat};
use crate::token::{Hash1, Secret};

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
    /// A token to use from now on: without the mark that sends it to the store, or with the payload as it is now.
    pub replacement: Option<AccessToken>,
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
}

/// Why there is no session any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VerifyRefused {
    /// It was revoked, or has ended.
    NoSession,
}

impl Engine {
    /// Checks an access token. The store is touched only if it is to be (`check_storage`), or if the token was made by a
    /// refresh that has not been confirmed yet: then its use confirms it.
    ///
    /// # Errors
    /// When the store or the keys fail: then nothing is known of the token.
    pub async fn verify(&self, ask: &Verify<'_>) -> Result<Verification, Failure> {
        let ring = self.ring(&ask.app).await?;
        let (ring, (claims, format)) = match self.open(&ring, ask.token) {
            Ok(opened) => (ring, opened),
            // Another server may have made a key since.
            Err(Rejected::Signature) => {
                let life = self.config().key_life();
                let newer = self
                    .inner
                    .rings
                    .newer(&self.inner.parts, &ask.app, life, &ring)
                    .await?;
                match newer.map(|ring| self.open(&ring, ask.token).map(|opened| (ring, opened))) {
                    Some(Ok(opened)) => opened,
                    Some(Err(why)) => {
                        return Ok(Verification::TryRefresh(TryRefresh::Rejected(why)));
                    }
                    None => {
                        return Ok(Verification::TryRefresh(TryRefresh::Rejected(
                            Rejected::Signature,
                        )));
                    }
                }
            }
            Err(why) => return Ok(Verification::TryRefresh(TryRefresh::Rejected(why))),
        };
        let now = self.now();
        if claims.expires_at < now {
            return Ok(Verification::TryRefresh(TryRefresh::Expired));
        }
        if let AntiCsrf::Passed(passed) = ask.anti_csrf
            && !same_secret(claims.anti_csrf.as_ref(), passed)
        {
            return Ok(Verification::TryRefresh(TryRefresh::AntiCsrf));
        }
        match claims.parent_hash {
            Some(parent) => self.confirm(ask, &ring, claims, parent, format, now).await,
            None if ask.check_storage => self.check(&ask.app, &ring, claims, format, now).await,
            None => Ok(valid(claims, None)),
        }
    }

    fn open(&self, ring: &KeyRing, token: &str) -> Result<(AccessClaims, TokenFormat), Rejected> {
        access::open(token, ring.verifiers(self.now(), self.config().key_life()))
    }

    /// The token comes from a refresh: that somebody uses it shows that the answer arrived.
    async fn confirm(
        &self,
        ask: &Verify<'_>,
        ring: &KeyRing,
        claims: AccessClaims,
        parent: Hash1,
        format: TokenFormat,
        now: UnixMillis,
    ) -> Result<Verification, Failure> {
        let child = claims.refresh_hash.hash2();
        let step = Confirm {
            child,
            parent: parent.hash2(),
            now,
            expires_at: self.idle_end(now),
        };
        if let Some(session) = self
            .storage()
            .confirm(&ask.app, &claims.handle, step)
            .await?
        {
            return self.replace(ring, claims, session, format, now);
        }
        match self
            .storage()
            .session(&ask.app, &claims.handle)
            .await?
            .filter(|session| session.is_alive(now))
        {
            None => Ok(Verification::Unauthorised(VerifyRefused::NoSession)),
            Some(session)
                if session.rotation.current.hash == child
                    || (ask.check_storage
                        && !session.jwt_payload.same_meaning(&claims.payload)) =>
            {
                self.replace(ring, claims, session, format, now)
            }
            // A branch that lost: its token stays good until it ends, and is not renewed.
            Some(_) => Ok(valid(claims, None)),
        }
    }

    async fn check(
        &self,
        app: &AppId,
        ring: &KeyRing,
        claims: AccessClaims,
        format: TokenFormat,
        now: UnixMillis,
    ) -> Result<Verification, Failure> {
        match self
            .storage()
            .session(app, &claims.handle)
            .await?
            .filter(|session| session.is_alive(now))
        {
            None => Ok(Verification::Unauthorised(VerifyRefused::NoSession)),
            Some(session) if !session.jwt_payload.same_meaning(&claims.payload) => {
                self.replace(ring, claims, session, format, now)
            }
            Some(_) => Ok(valid(claims, None)),
        }
    }

    /// Makes the token that takes the place of one that was good, with the payload as the store has it.
    fn replace(
        &self,
        ring: &KeyRing,
        claims: AccessClaims,
        session: Session,
        format: TokenFormat,
        now: UnixMillis,
    ) -> Result<Verification, Failure> {
        let claims = AccessClaims {
            parent_hash: None,
            payload: session.jwt_payload,
            expires_at: self.access_end(now, session.ends_at),
            created_at: now,
            ..claims
        };
        let access = self.mint(ring, &claims, format)?;
        Ok(valid(claims, Some(access)))
    }
}

fn valid(claims: AccessClaims, replacement: Option<AccessToken>) -> Verification {
    let AccessClaims {
        handle,
        user_id,
        payload,
        ..
    } = claims;
    Verification::Valid(Verified {
        session: SessionView {
            handle,
            user_id,
            jwt_payload: payload,
        },
        replacement,
    })
}

/// Compares in constant time. Nothing is equal to nothing: a check that is asked for needs both.
fn same_secret(held: Option<&Secret>, passed: Option<&str>) -> bool {
    let (Some(held), Some(passed)) = (held, passed) else {
        return false;
    };
    aws_lc_rs::constant_time::verify_slices_are_equal(held.expose().as_bytes(), passed.as_bytes())
        .is_ok()
}

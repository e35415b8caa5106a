//! Renew a session: the decision is [`crate::rotation::decide`], the effect one guarded write.

use std::fmt;
use std::time::Duration;

use super::{AntiCsrf, Engine, Failure, Form, Issued, SessionView, claims};
use crate::clock::UnixMillis;
use crate::id::{AppId, SessionHandle, UserId};
use crate::keys::KeyRing;
use crate::rotation::{Child, Current, Decision, Policy, Reuse, Rotation, decide};
use crate::session::Session;
use crate::storage::{Guarded, KeyKind, Renewal, StorageError};
use crate::token::access::TokenFormat;
use crate::token::refresh::{RefreshClaims, RefreshToken};
use crate::token::{Hash1, Hash2, Nonce};

/// A refresh token, presented.
#[derive(Clone)]
pub struct Refresh<'a> {
    /// In which app.
    pub app: AppId,
    /// The token's text.
    pub token: &'a str,
    /// Whether an anti-CSRF token is to be made with the new tokens.
    pub anti_csrf: bool,
    /// Whether the anti-CSRF token that was made with the presented one is compared, and with what. A token that has none
    /// passes.
    pub passed: AntiCsrf<'a>,
    /// How refresh tokens follow each other.
    pub policy: Policy,
    /// What happens to a session whose tokens somebody else has.
    pub on_reuse: OnReuse,
    /// The form of the access token.
    pub format: TokenFormat,
    /// Which kind of key signs from now on.
    pub key: KeyChoice,
    /// How long the access token is to live; at most as long as configured. What takes its place when its use confirms it lives
    /// as long as any.
    pub access_token_validity: Option<Duration>,
}

/// Which kind of key signs a session's access tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyChoice {
    /// The kind that did so far.
    Keep,
    /// A dynamic one, which others follow.
    Dynamic,
    /// The app's static one.
    Static,
}

impl fmt::Debug for Refresh<'_> {
    /// The token stays out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refresh")
            .field("app", &self.app)
            .field("anti_csrf", &self.anti_csrf)
            .field("policy", &self.policy)
            .field("on_reuse", &self.on_reuse)
            .field("format", &self.format)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl<'a> Refresh<'a> {
    /// A token of the default app, without an anti-CSRF token; reuse ends the session.
    #[must_use]
    pub fn new(token: &'a str) -> Self {
        Self {
            app: AppId::PUBLIC,
            token,
            anti_csrf: false,
            passed: AntiCsrf::Unchecked,
            policy: Policy::ConfirmOnUse,
            on_reuse: OnReuse::Revoke,
            format: TokenFormat::V5,
            key: KeyChoice::Keep,
            access_token_validity: None,
        }
    }
}

/// What happens when reuse is found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OnReuse {
    /// The session is ended.
    Revoke,
    /// The caller is told and decides; up to protocol 5.5, SDKs do.
    Report,
}

/// What a refresh came to.
#[derive(Debug, Clone)]
#[must_use]
pub enum Refreshed {
    /// New tokens, or the same again.
    Renewed(Box<Issued>),
    /// No session goes with the token.
    Unauthorised(RefreshRefused),
    /// Two parties hold the session's tokens.
    Reuse {
        /// The session.
        handle: SessionHandle,
        /// Whose it is.
        user_id: UserId,
        /// How the token is related to the session.
        kind: Reuse,
    },
}

/// Why a refresh token was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefreshRefused {
    /// Not a refresh token of this app.
    NotOurs,
    /// The session was revoked, or has ended.
    NoSession,
    /// The token was superseded a moment ago by one that cannot be made again.
    Superseded,
    /// The anti-CSRF token is missing, or another.
    AntiCsrf,
    /// The stored payload has a member that access tokens of the form asked for need for themselves.
    ProtectedClaim,
}

/// How often a decision is taken anew when others change the same session at the same time. The first change makes the others
/// repeats, which write nothing so soon, so that a third round is rare.
const ROUNDS: u32 = 16;

impl Engine {
    /// Exchanges a refresh token: one read, one guarded write (none for a repeat soon after), one signature.
    ///
    /// # Errors
    /// When the store or the keys fail. Nothing is lost then: the same token can be presented again.
    pub async fn refresh(&self, ask: &Refresh<'_>) -> Result<Refreshed, Failure> {
        let ring = self.ring(&ask.app, KeyKind::Refresh).await?;
        let Ok(presented) = ring.refresh().open(ask.token) else {
            return Ok(Refreshed::Unauthorised(RefreshRefused::NotOurs));
        };
        if let (AntiCsrf::Passed(passed), Some(held)) = (ask.passed, presented.anti_csrf())
            && !passed.is_some_and(|passed| held.is(passed))
        {
            return Ok(Refreshed::Unauthorised(RefreshRefused::AntiCsrf));
        }
        for _ in 0..ROUNDS {
            let session = self
                .storage()
                .session(&ask.app, &presented.claims().handle)
                .await?;
            let now = self.now();
            let Some(session) = session.filter(|session| session.is_alive(now)) else {
                return Ok(Refreshed::Unauthorised(RefreshRefused::NoSession));
            };
            let static_key = match ask.key {
                KeyChoice::Keep => session.static_key,
                KeyChoice::Dynamic => false,
                KeyChoice::Static => true,
            };
            let ring = self
                .ring(&ask.app, self.key_kind(ask.format, static_key))
                .await?;
            let turn = Turn {
                static_key,
                engine: self,
                ring: &ring,
                ask,
                presented: &presented,
                session,
                now,
            };
            if let Some(refreshed) = turn.take().await? {
                return Ok(refreshed);
            }
        }
        Err(Failure::contended("session"))
    }
}

/// One reading of the session, and what is decided on it.
struct Turn<'t> {
    engine: &'t Engine,
    ring: &'t KeyRing,
    ask: &'t Refresh<'t>,
    presented: &'t RefreshToken,
    session: Session,
    static_key: bool,
    now: UnixMillis,
}

impl Turn<'_> {
    /// `None` if the session changed meanwhile.
    async fn take(self) -> Result<Option<Refreshed>, Failure> {
        let presented = self.presented.presented();
        let window = self.engine.config().grace_window();
        let rotation = &self.session.rotation;
        let decision = decide(rotation, &presented, self.now, window, self.ask.policy);
        let issues = !matches!(decision, Decision::Superseded | Decision::Reuse(_));
        if issues && !self.ask.format.allows(&self.session.jwt_payload) {
            return Ok(Some(Refreshed::Unauthorised(
                RefreshRefused::ProtectedClaim,
            )));
        }
        match decision {
            Decision::RepeatChild { nonce, given_at } => {
                let again = self.child_again(nonce)?;
                self.issue(
                    again,
                    Some(presented.hash),
                    self.session.expires_at,
                    given_at,
                )
                .map(Some)
            }
            Decision::RenewChild { nonce } => {
                let again = self.child_again(nonce)?;
                let next = rotation.clone().with_child(self.child(&again, nonce));
                self.write(next, again, Some(presented.hash)).await
            }
            Decision::RepeatCurrent {
                nonce,
                parent,
                since,
            } => {
                let expected = Some(rotation.current.hash);
                let again = self.made_again(nonce, parent, expected, "sessions.current_nonce")?;
                // The current token needs no confirmation any more, so its access token names no parent.
                self.issue(again, None, self.session.expires_at, since)
                    .map(Some)
            }
            Decision::MakeChild => {
                let (made, nonce) = self.successor()?;
                let next = rotation.clone().with_child(self.child(&made, nonce));
                self.write(next, made, Some(presented.hash)).await
            }
            Decision::ConfirmAndMakeChild => {
                let (made, nonce) = self.successor()?;
                let current = Current {
                    hash: presented.hash.hash2(),
                    nonce: Some(presented.nonce),
                };
                let next = rotation
                    .clone()
                    .confirmed(current, self.now)
                    .with_child(self.child(&made, nonce));
                self.write(next, made, Some(presented.hash)).await
            }
            Decision::Replace => {
                let (made, nonce) = self.successor()?;
                let current = Current {
                    hash: made.hash().hash2(),
                    nonce: Some(nonce),
                };
                let next = rotation
                    .clone()
                    .replaced(presented.hash.hash2(), current, self.now);
                self.write(next, made, None).await
            }
            Decision::Superseded => Ok(Some(Refreshed::Unauthorised(RefreshRefused::Superseded))),
            Decision::Reuse(kind) => self.reuse(kind).await.map(Some),
        }
    }

    /// The new token that is made from the presented one.
    fn successor(&self) -> Result<(RefreshToken, Nonce), Failure> {
        let nonce = self.engine.nonce()?;
        Ok((
            self.made_from(self.presented.hash(), nonce, self.ask.anti_csrf),
            nonce,
        ))
    }

    fn made_from(&self, parent: Hash1, nonce: Nonce, anti_csrf: bool) -> RefreshToken {
        self.ring.refresh().make(RefreshClaims {
            handle: self.session.handle.clone(),
            nonce,
            parent: Some(parent),
            anti_csrf,
        })
    }

    fn child(&self, made: &RefreshToken, nonce: Nonce) -> Child {
        Child {
            hash: made.hash().hash2(),
            nonce,
            given_at: self.now,
        }
    }

    fn child_again(&self, nonce: Nonce) -> Result<RefreshToken, Failure> {
        let expected = self.session.rotation.child.as_ref().map(|child| child.hash);
        self.made_again(
            nonce,
            self.presented.hash(),
            expected,
            "sessions.child_nonce",
        )
    }

    /// Makes a token again from its parent and its nonce. If it does not come out as the record has it, somebody else wrote to
    /// the store: that is its fault, and says nothing of the client.
    fn made_again(
        &self,
        nonce: Nonce,
        parent: Hash1,
        expected: Option<Hash2>,
        place: &'static str,
    ) -> Result<RefreshToken, Failure> {
        // The first answer may have been made under the other anti-CSRF setting.
        let both = [self.ask.anti_csrf, !self.ask.anti_csrf];
        let mut again = both
            .into_iter()
            .map(|anti_csrf| self.made_from(parent, nonce, anti_csrf));
        let again = again.find(|token| Some(token.hash().hash2()) == expected);
        Ok(again.ok_or_else(|| {
            StorageError::inconsistent(place, "does not make the token that is known by its hash")
        })?)
    }

    async fn write(
        &self,
        next: Rotation,
        made: RefreshToken,
        parent: Option<Hash1>,
    ) -> Result<Option<Refreshed>, Failure> {
        let expires_at = self.engine.idle_end(self.now).min(self.session.ends_at);
        let expected = self.session.rotation.counter;
        let next = Renewal {
            rotation: next,
            expires_at,
            static_key: self.static_key,
        };
        let write =
            self.engine
                .storage()
                .rotate(&self.ask.app, &self.session.handle, expected, &next);
        // The write is on its way to the disk while the token is signed.
        let (written, issued) = tokio::join!(write, async {
            self.issue(made, parent, expires_at, self.now)
        });
        match written? {
            Guarded::Written => issued.map(Some),
            Guarded::Lost => Ok(None),
        }
    }

    fn issue(
        &self,
        refresh: RefreshToken,
        parent: Option<Hash1>,
        refresh_expires_at: UnixMillis,
        refresh_created_at: UnixMillis,
    ) -> Result<Refreshed, Failure> {
        let session = &self.session;
        let view = SessionView {
            handle: session.handle.clone(),
            user_id: session.user_id.clone(),
            jwt_payload: session.jwt_payload.clone(),
        };
        let validity = self
            .engine
            .access_validity(self.ask.access_token_validity)?;
        let access_end = self.now.plus(validity).min(session.ends_at);
        let claims = claims(&view, &refresh, parent, self.now, access_end);
        let access = self.engine.mint(
            self.ring,
            &claims,
            Form {
                format: self.ask.format,
                static_key: self.static_key,
            },
        )?;
        Ok(Refreshed::Renewed(Box::new(Issued {
            session: view,
            access,
            refresh,
            refresh_expires_at,
            refresh_created_at,
        })))
    }

    async fn reuse(self, kind: Reuse) -> Result<Refreshed, Failure> {
        let Session {
            handle, user_id, ..
        } = self.session;
        tracing::warn!(app = %self.ask.app, session = %handle, ?kind, "a refresh token was used again");
        if self.ask.on_reuse == OnReuse::Revoke {
            self.engine
                .storage()
                .revoke(&self.ask.app, std::slice::from_ref(&handle))
                .await?;
        }
        Ok(Refreshed::Reuse {
            handle,
            user_id,
            kind,
        })
    }
}

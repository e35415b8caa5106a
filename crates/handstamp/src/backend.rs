//! Where sessions live: an engine in this process, or a server elsewhere. What can be asked is the same.

use std::fmt;

use crate::clock::UnixMillis;
use crate::engine::{
    AccessToken, AntiCsrf, Create, Engine, Error, Failure, Issued, OnReuse, Refresh,
    RefreshRefused, Refreshed, Regenerate, Regenerated, SessionView, SignatureCheck, Verification,
    Verify,
};
use crate::id::{AppId, SessionHandle, TenantId, UserId};
use crate::json::JsonObject;
#[cfg(feature = "remote")]
use crate::remote::Remote;
use crate::rotation::Policy;
use crate::storage::DataWrite;
use crate::token::Secret;

/// An engine in this process, or a server elsewhere. Cheap to clone; all clones are one.
///
/// ```
/// use handstamp::backend::Backend;
/// use handstamp::storage::memory::MemoryStorage;
/// use handstamp::{Config, Engine, Parts};
///
/// let backend = Backend::from(Engine::new(Parts::with_storage(MemoryStorage::new()), Config::default()));
/// ```
#[derive(Debug, Clone)]
pub struct Backend(Place);

#[derive(Debug, Clone)]
enum Place {
    Embedded {
        engine: Engine,
        app: AppId,
    },
    #[cfg(feature = "remote")]
    Remote(Remote),
}

/// Sessions of the default app.
impl From<Engine> for Backend {
    fn from(engine: Engine) -> Self {
        Self::embedded(engine, AppId::PUBLIC)
    }
}

#[cfg(feature = "remote")]
impl From<Remote> for Backend {
    fn from(remote: Remote) -> Self {
        Self(Place::Remote(remote))
    }
}

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

/// What [`Backend::check_at_once`] found.
#[derive(Debug, Clone)]
#[must_use]
pub struct Check {
    /// What the signature says of the token.
    pub verification: Verification,
    /// What to hand to [`Backend::confirm`], once for each token.
    pub confirmation: Option<Confirmation>,
}

/// That a client was seen to use what the last refresh gave it.
#[derive(Debug, Clone)]
pub struct Confirmation(Confirms);

#[derive(Debug, Clone)]
enum Confirms {
    Embedded(crate::engine::Confirmation),
    #[cfg(feature = "remote")]
    Remote(Secret),
}

impl Backend {
    /// Sessions of `app`, by an engine in this process.
    #[must_use]
    pub fn embedded(engine: Engine, app: AppId) -> Self {
        Self(Place::Embedded { engine, app })
    }

    /// Makes a session.
    ///
    /// # Errors
    /// [`Error::Invalid`] when payload or data are too large; [`Error::ProtectedClaim`]; [`Error::Failure`].
    pub async fn create(&self, new: NewSession) -> Result<Tokens, Error> {
        match &self.0 {
            Place::Embedded { engine, app } => {
                let NewSession {
                    tenant,
                    user_id,
                    jwt_payload,
                    session_data,
                    anti_csrf,
                    cookie,
                } = new;
                let create = Create {
                    app: app.clone(),
                    tenant,
                    jwt_payload,
                    session_data,
                    anti_csrf,
                    cookie: cookie.map(Into::into),
                    ..Create::new(user_id)
                };
                Ok(engine.create(create).await?.into())
            }
            #[cfg(feature = "remote")]
            Place::Remote(remote) => remote.create(new).await,
        }
    }

    /// Checks an access token by its signature; `None` where keys have to be fetched first.
    #[must_use]
    pub fn check_at_once(&self, token: &str, anti_csrf: AntiCsrf<'_>) -> Option<Check> {
        match &self.0 {
            Place::Embedded { engine, app } => engine
                .verify_by_signature_at_once(&Self::ask(app, token, anti_csrf))
                .map(Check::from),
            #[cfg(feature = "remote")]
            Place::Remote(remote) => remote
                .check_at_once(token, anti_csrf)
                .map(|check| Self::remote_check(token, check)),
        }
    }

    /// The same, with keys fetched if need be.
    ///
    /// # Errors
    /// When the keys cannot be had: then nothing is known of the token.
    pub async fn check(&self, token: &str, anti_csrf: AntiCsrf<'_>) -> Result<Check, Failure> {
        match &self.0 {
            Place::Embedded { engine, app } => engine
                .verify_by_signature(&Self::ask(app, token, anti_csrf))
                .await
                .map(Check::from),
            #[cfg(feature = "remote")]
            Place::Remote(remote) => {
                let check = remote.check(token, anti_csrf).await?;
                Ok(Self::remote_check(token, check))
            }
        }
    }

    /// Checks an access token by its signature and against the store: a session that was revoked is refused at once.
    ///
    /// # Errors
    /// When the store or the keys fail: then nothing is known of the token.
    pub async fn check_storage(
        &self,
        token: &str,
        anti_csrf: AntiCsrf<'_>,
    ) -> Result<Verification, Failure> {
        match &self.0 {
            Place::Embedded { engine, app } => {
                let ask = Verify {
                    check_storage: true,
                    ..Self::ask(app, token, anti_csrf)
                };
                engine.verify(&ask).await
            }
            #[cfg(feature = "remote")]
            Place::Remote(remote) => remote.check_storage(token, anti_csrf).await,
        }
    }

    /// Tells the store what the use of a token showed. One write; nothing to do is nothing wrong.
    ///
    /// # Errors
    /// When the store fails. Nothing is lost: the client's next refresh says the same.
    pub async fn confirm(&self, confirmation: &Confirmation) -> Result<(), Failure> {
        match (&self.0, &confirmation.0) {
            (Place::Embedded { engine, .. }, Confirms::Embedded(confirmation)) => {
                engine.confirm(confirmation).await
            }
            #[cfg(feature = "remote")]
            (Place::Remote(remote), Confirms::Remote(token)) => remote.confirm(token).await,
            // Another backend's: not for this one to confirm.
            #[cfg(feature = "remote")]
            _ => Ok(()),
        }
    }

    /// Exchanges a refresh token.
    ///
    /// # Errors
    /// When the store or the keys fail. Nothing is lost then: the same token can be presented again.
    pub async fn refresh(&self, presented: Present<'_>) -> Result<Renewal, Failure> {
        match &self.0 {
            Place::Embedded { engine, app } => {
                let Present {
                    token,
                    anti_csrf,
                    passed,
                    on_reuse,
                } = presented;
                let ask = Refresh {
                    app: app.clone(),
                    anti_csrf,
                    passed,
                    on_reuse,
                    ..Refresh::new(token)
                };
                Ok(engine.refresh(&ask).await?.into())
            }
            #[cfg(feature = "remote")]
            Place::Remote(remote) => remote.refresh(presented).await,
        }
    }

    /// Ends a session; answers whether there was one to end.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn revoke(&self, handle: &SessionHandle) -> Result<bool, Failure> {
        match &self.0 {
            Place::Embedded { engine, app } => {
                let ended = engine.revoke(app, std::slice::from_ref(handle)).await?;
                Ok(!ended.is_empty())
            }
            #[cfg(feature = "remote")]
            Place::Remote(remote) => remote.revoke(handle).await,
        }
    }

    /// Ends all sessions of a user, in every tenant; answers those that had not ended before.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn revoke_user(&self, user: &UserId) -> Result<Vec<SessionHandle>, Failure> {
        match &self.0 {
            Place::Embedded { engine, app } => engine.revoke_user(app, None, user).await,
            #[cfg(feature = "remote")]
            Place::Remote(remote) => remote.revoke_user(user).await,
        }
    }

    /// The user's sessions, in every tenant, in no particular order.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn handles_of_user(&self, user: &UserId) -> Result<Vec<SessionHandle>, Failure> {
        match &self.0 {
            Place::Embedded { engine, app } => engine.handles_of_user(app, None, user).await,
            #[cfg(feature = "remote")]
            Place::Remote(remote) => remote.handles_of_user(user).await,
        }
    }

    /// The session's data; `None` when the session was revoked or has ended.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn session_data(
        &self,
        handle: &SessionHandle,
    ) -> Result<Option<JsonObject>, Failure> {
        match &self.0 {
            Place::Embedded { engine, app } => {
                let found = engine.session_data(app, handle).await?;
                Ok(found.map(|found| found.data))
            }
            #[cfg(feature = "remote")]
            Place::Remote(remote) => remote.session_data(handle).await,
        }
    }

    /// Overwrites the session's data; answers whether there is such a session.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the data are too large; [`Error::Failure`].
    pub async fn write_session_data(
        &self,
        handle: &SessionHandle,
        data: &JsonObject,
    ) -> Result<bool, Error> {
        match &self.0 {
            Place::Embedded { engine, app } => {
                let written = engine.write_session_data(app, handle, data, None).await?;
                Ok(matches!(written, DataWrite::Written { .. }))
            }
            #[cfg(feature = "remote")]
            Place::Remote(remote) => remote.write_session_data(handle, data).await,
        }
    }

    /// Stores another payload, and makes an access token that says it, and fits into `cookie` if one is named.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the payload is too large; [`Error::ProtectedClaim`]; [`Error::Failure`].
    pub async fn regenerate(
        &self,
        token: &str,
        jwt_payload: JsonObject,
        cookie: Option<&str>,
    ) -> Result<Regenerated, Error> {
        match &self.0 {
            Place::Embedded { engine, app } => {
                let ask = Regenerate {
                    app: app.clone(),
                    token,
                    jwt_payload: Some(jwt_payload),
                    cookie,
                };
                engine.regenerate(ask).await
            }
            #[cfg(feature = "remote")]
            Place::Remote(remote) => remote.regenerate(token, jwt_payload, cookie).await,
        }
    }

    /// The time that sessions go by.
    #[cfg(feature = "web")]
    pub(crate) fn now(&self) -> UnixMillis {
        match &self.0 {
            Place::Embedded { engine, .. } => engine.now(),
            #[cfg(feature = "remote")]
            Place::Remote(remote) => remote.now(),
        }
    }

    fn ask<'a>(app: &AppId, token: &'a str, anti_csrf: AntiCsrf<'a>) -> Verify<'a> {
        Verify {
            app: app.clone(),
            anti_csrf,
            policy: Policy::ConfirmOnUse,
            ..Verify::new(token)
        }
    }

    /// `confirms` tells whether the token names a parent.
    #[cfg(feature = "remote")]
    fn remote_check(token: &str, (verification, confirms): (Verification, bool)) -> Check {
        let confirmation =
            confirms.then(|| Confirmation(Confirms::Remote(Secret::new(token.to_owned()))));
        Check {
            verification,
            confirmation,
        }
    }
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

//! Where sessions live: an engine in this process, or a server elsewhere. What can be asked is the same.

#[cfg(feature = "web")]
use crate::clock::UnixMillis;
#[cfg(feature = "web")]
use crate::engine::TryRefresh;
use crate::engine::{
    AntiCsrf, Create, Engine, Error, Failure, KeySet, Refresh, Regenerate, Regenerated,
    Verification, Verify,
};
use crate::id::{AppId, SessionHandle, UserId};
use crate::json::JsonObject;
#[cfg(feature = "remote")]
use crate::remote::Remote;
use crate::rotation::Policy;
use crate::storage::DataWrite;
#[cfg(feature = "remote")]
use crate::token::Secret;

mod asked;

use asked::Confirms;
pub use asked::{Check, Confirmation, NewSession, Present, Renewal, Tokens};

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

    /// Whether the session of a token that was found good is still there. One read, where the engine is in this process: no signature
    /// is checked again, and no token is made. A server elsewhere has to be shown the token, and may say that it is to be refreshed.
    ///
    /// # Errors
    /// When the store fails: then nothing is known of the session.
    #[cfg(feature = "web")]
    #[cfg_attr(
        not(feature = "remote"),
        expect(unused_variables, reason = "the token is for a server elsewhere")
    )]
    pub(crate) async fn is_there(
        &self,
        handle: &SessionHandle,
        token: &str,
    ) -> Result<Result<bool, TryRefresh>, Failure> {
        match &self.0 {
            Place::Embedded { engine, app } => {
                let found = engine.session(app, handle).await?;
                Ok(Ok(found.is_some()))
            }
            #[cfg(feature = "remote")]
            Place::Remote(remote) => {
                let said = remote.check_storage(token, AntiCsrf::Unchecked).await?;
                Ok(match said {
                    Verification::Valid(_) => Ok(true),
                    Verification::Unauthorised(_) => Ok(false),
                    Verification::TryRefresh(why) => Err(why),
                })
            }
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

    /// The keys that access tokens are signed by, for those who only check them; `None` where a server elsewhere publishes them itself.
    ///
    /// # Errors
    /// When the store or the keys fail.
    pub async fn key_set(&self) -> Result<Option<KeySet>, Failure> {
        match &self.0 {
            Place::Embedded { engine, app } => engine.key_set(app).await.map(Some),
            #[cfg(feature = "remote")]
            Place::Remote(_) => Ok(None),
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

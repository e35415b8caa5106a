//! A session in use.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::claims::{Claim, Guard};
use super::refusal::Refusal;
use super::request::Way;
use super::sessions::{Current, Sessions};
use crate::clock::UnixMillis;
use crate::engine::{Error, Regenerated};
use crate::id::{SessionHandle, TenantId, UserId};
use crate::json::JsonObject;

/// The session of a request, with its JWT payload read as `C`: any type that deserialises from it.
pub struct Session<C = JsonObject> {
    sessions: Sessions,
    current: Arc<Current>,
    payload: C,
}

impl<C> fmt::Debug for Session<C> {
    /// The payload belongs to the application's users: it stays out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("handle", self.handle())
            .finish_non_exhaustive()
    }
}

impl Session {
    pub(super) fn untyped(sessions: Sessions, current: Arc<Current>) -> Self {
        Self {
            sessions,
            payload: current.view.jwt_payload.clone(),
            current,
        }
    }
}

impl<C: DeserializeOwned> Session<C> {
    pub(super) fn read(sessions: Sessions, current: Arc<Current>) -> Result<Self, Refusal> {
        let payload = current.view.jwt_payload.deserialize();
        Ok(Self {
            sessions,
            payload: payload.map_err(Refusal::Payload)?,
            current,
        })
    }
}

impl<C> Session<C> {
    /// The session's name. Not a secret.
    #[must_use]
    pub fn handle(&self) -> &SessionHandle {
        &self.current.view.handle
    }

    /// Whose it is.
    #[must_use]
    pub fn user_id(&self) -> &UserId {
        &self.current.view.user_id
    }

    /// The tenant it belongs to.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        self.handle().tenant()
    }

    /// The JWT payload.
    #[must_use]
    pub fn payload(&self) -> &C {
        &self.payload
    }

    /// Until when the access token is good.
    #[must_use]
    pub fn expires_at(&self) -> UnixMillis {
        self.current.expires_at
    }

    /// The claim's value; `None` if the payload has it not.
    #[must_use]
    pub fn claim<T: Serialize + DeserializeOwned>(&self, claim: Claim<T>) -> Option<T> {
        let found = claim.value(&self.current.view.jwt_payload);
        found.map(|(value, _)| value)
    }

    /// Asks something of the session.
    ///
    /// # Errors
    /// [`Refusal::InvalidClaims`].
    pub fn require(&self, guard: &dyn Guard) -> Result<(), Refusal> {
        self.require_all([guard])
    }

    /// Asks several things of the session; all that fail are told.
    ///
    /// # Errors
    /// [`Refusal::InvalidClaims`].
    pub fn require_all<'g>(
        &self,
        guards: impl IntoIterator<Item = &'g dyn Guard>,
    ) -> Result<(), Refusal> {
        let now = self.sessions.now();
        let payload = &self.current.view.jwt_payload;
        let failed: Vec<_> = guards
            .into_iter()
            .filter_map(|guard| guard.check(payload, now).err())
            .collect();
        if failed.is_empty() {
            Ok(())
        } else {
            Err(Refusal::InvalidClaims(failed))
        }
    }

    /// Asks the store whether the session is still there: what was revoked is refused at once, and not only when its access token runs
    /// out. For routes where that matters. One read.
    ///
    /// # Errors
    /// [`Refusal::Unauthorised`] if it is gone; [`Refusal::Failed`].
    pub async fn check_storage(&self) -> Result<(), Refusal> {
        // A handler may have had it for long.
        if self.expires_at() < self.sessions.now() {
            return Err(Refusal::TryRefresh);
        }
        let token = self.current.token.expose();
        let backend = self.sessions.backend();
        match backend.is_there(self.handle(), token).await? {
            Ok(true) => Ok(()),
            Ok(false) => {
                self.sessions.forget();
                Err(Refusal::Unauthorised)
            }
            Err(_) => Err(Refusal::TryRefresh),
        }
    }

    /// The session data, read as `T`; `None` if the session is gone.
    ///
    /// # Errors
    /// [`Refusal::Payload`] if they have another shape; [`Refusal::Failed`].
    pub async fn data<T: DeserializeOwned>(&self) -> Result<Option<T>, Refusal> {
        let found = self.sessions.backend().session_data(self.handle()).await?;
        found
            .map(|data| data.deserialize().map_err(Refusal::Payload))
            .transpose()
    }

    /// Overwrites the session data; answers whether the session is still there.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the data do not serialise to an object, or are too large; [`Error::Failure`].
    pub async fn write_data(&self, data: &impl Serialize) -> Result<bool, Error> {
        let data = JsonObject::from_serialize(data)?;
        let backend = self.sessions.backend();
        backend.write_session_data(self.handle(), &data).await
    }

    /// Overwrites the JWT payload; the client gets an access token that says it with this response, and every other process reads it
    /// from that. Answers whether the session is still there.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the payload does not serialise to an object, or is too large; [`Error::ProtectedClaim`];
    /// [`Error::Failure`].
    pub async fn write_payload(&self, payload: &impl Serialize) -> Result<bool, Error> {
        self.regenerate(JsonObject::from_serialize(payload)?).await
    }

    /// Puts a claim into the payload, fetched now. The rest stays.
    ///
    /// # Errors
    /// See [`Session::write_payload`].
    pub async fn write_claim<T: Serialize + DeserializeOwned>(
        &self,
        claim: Claim<T>,
        value: &T,
    ) -> Result<bool, Error> {
        // What another handler of this request has just written is in the newest token, not in this one's.
        let current = self.sessions.current().await.ok();
        let current = current.as_ref().unwrap_or(&self.current);
        let payload = claim.add(&current.view.jwt_payload, value, self.sessions.now())?;
        self.regenerate(payload).await
    }

    async fn regenerate(&self, payload: JsonObject) -> Result<bool, Error> {
        let sessions = &self.sessions;
        let Current { token, way, .. } = &*self.current;
        let cookie = (*way == Way::Cookie).then(|| sessions.settings().cookies().access_name());
        let done = sessions
            .backend()
            .regenerate(token.expose(), payload, cookie)
            .await?;
        let Regenerated::Done { session, access } = done else {
            return Ok(false);
        };
        if let Some(access) = access {
            let settings = sessions.settings();
            let now = sessions.now();
            let kept_until = now.plus(super::settings::LONGEST);
            sessions.respond(|effects| {
                effects.set_access(settings, *way, &access, &session, kept_until, now);
            });
            sessions.replace(Current {
                view: session,
                expires_at: access.expires_at,
                token: access.token,
                way: *way,
            });
        }
        Ok(true)
    }

    /// Signs out: ends the session, and takes the tokens back with this response. Answers whether there was one to end.
    ///
    /// # Errors
    /// When the store fails; then the client keeps its tokens, and can try again.
    pub async fn revoke(&self) -> Result<bool, crate::Failure> {
        let sessions = &self.sessions;
        let ended = sessions.backend().revoke(self.handle()).await?;
        let settings = sessions.settings();
        sessions.respond(|effects| {
            effects.remove_tokens(settings, sessions.request(), self.current.way);
            if settings.clear_site_data {
                effects.clear_site_data();
            }
        });
        sessions.forget();
        Ok(ended)
    }
}

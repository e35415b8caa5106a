//! Change what access tokens say of a session.

use super::verify::Used;
use super::{AccessToken, Engine, Error, Failure, Form, SessionView};
use crate::id::{AppId, SessionHandle};
use crate::json::JsonObject;
use crate::session::Session;
use crate::token::access::{AccessClaims, TokenFormat};

/// An access token that is to say something else.
#[derive(Clone)]
pub struct Regenerate<'a> {
    /// In which app.
    pub app: AppId,
    /// The token's text. It may have run out since the caller verified it.
    pub token: &'a str,
    /// The new payload; the stored one if there is none.
    pub jwt_payload: Option<JsonObject>,
    /// The cookie that is the only place where the client can keep the token, which so has to fit into it.
    pub cookie: Option<&'a str>,
}

impl std::fmt::Debug for Regenerate<'_> {
    /// The token stays out of logs.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Regenerate")
            .field("app", &self.app)
            .finish_non_exhaustive()
    }
}

/// What a regeneration came to.
#[derive(Debug, Clone)]
#[must_use]
pub enum Regenerated {
    /// The payload is stored.
    Done {
        /// The session as it is now.
        session: SessionView,
        /// A token that says so, with the end of the one it is made from; none if that has run out.
        access: Option<AccessToken>,
    },
    /// There is no such session that is alive, or the text is not a token that was made here.
    NoSession,
}

impl Engine {
    /// The session with all that is stored of it but its data; `None` when it was revoked or has ended. One read.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn session(
        &self,
        app: &AppId,
        handle: &SessionHandle,
    ) -> Result<Option<Session>, Failure> {
        let session = self.storage().session(app, handle).await?;
        Ok(session.filter(|session| session.is_alive(self.now())))
    }

    /// Overwrites the stored payload; answers whether there is such a session. Access tokens follow at the next refresh. The
    /// payload must suit tokens of `format`.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the payload is too large; [`Error::ProtectedClaim`]; [`Error::Failure`] when the store fails.
    pub async fn write_jwt_payload(
        &self,
        app: &AppId,
        handle: &SessionHandle,
        payload: &JsonObject,
        format: TokenFormat,
    ) -> Result<bool, Error> {
        Self::check_payload(payload, format)?;
        Ok(self
            .storage()
            .write_jwt_payload(app, handle, payload, self.now())
            .await?)
    }

    /// Stores another payload and makes an access token that says it, alike in everything else.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the payload is too large; [`Error::ProtectedClaim`] also when it is the stored payload that the
    /// token cannot say; [`Error::Failure`] when the store or the keys fail.
    pub async fn regenerate(&self, ask: Regenerate<'_>) -> Result<Regenerated, Error> {
        let Ok(Used { claims, format, .. }) = self.open(&ask.app, ask.token).await? else {
            return Ok(Regenerated::NoSession);
        };
        if let Some(payload) = &ask.jwt_payload {
            Self::check_payload(payload, format)?;
            if let Some(cookie) = ask.cookie {
                let claims = AccessClaims {
                    payload: payload.clone(),
                    ..claims.clone()
                };
                self.check_token_size(&claims, format, cookie)?;
            }
        }
        let Some(session) = self.session(&ask.app, &claims.handle).await? else {
            return Ok(Regenerated::NoSession);
        };
        let form = Form {
            format,
            static_key: session.static_key,
        };
        // Before anything is written, so that what cannot be signed is not kept either.
        let ring = self
            .ring(&ask.app, self.key_kind(form.format, form.static_key))
            .await?;
        let payload = match ask.jwt_payload {
            Some(payload) => {
                let now = self.now();
                if !self
                    .storage()
                    .write_jwt_payload(&ask.app, &claims.handle, &payload, now)
                    .await?
                {
                    return Ok(Regenerated::NoSession);
                }
                payload
            }
            None if !format.allows(&session.jwt_payload) => return Err(Error::ProtectedClaim),
            None => session.jwt_payload,
        };
        let now = self.now();
        let claims = AccessClaims {
            payload,
            created_at: now,
            expires_at: claims.expires_at.min(session.ends_at),
            ..claims
        };
        let view = SessionView {
            handle: claims.handle.clone(),
            user_id: claims.user_id.clone(),
            jwt_payload: claims.payload.clone(),
        };
        if claims.expires_at < now {
            return Ok(Regenerated::Done {
                session: view,
                access: None,
            });
        }
        let access = self.mint(&ring, &claims, form)?;
        Ok(Regenerated::Done {
            session: view,
            access: Some(access),
        })
    }
}

//! Make a session.

use std::borrow::Cow;
use std::time::Duration;

use super::{Engine, Error, Failure, Form, Issued, SessionView, claims};
use crate::clock::UnixMillis;
use crate::id::{AppId, Invalid, SessionHandle, TenantId, UserId};
use crate::json::JsonObject;
use crate::rotation::Rotation;
use crate::session::Session;
use crate::storage::Guarded;
use crate::token::Nonce;
use crate::token::access::{self, AccessClaims, TokenFormat};
use crate::token::refresh::RefreshClaims;

/// What a new session is to be.
#[derive(Debug, Clone)]
pub struct Create {
    /// In which app.
    pub app: AppId,
    /// In which tenant of it.
    pub tenant: TenantId,
    /// Whose.
    pub user_id: UserId,
    /// The JWT payload, readable by the client. It stays unless it is overwritten on purpose.
    pub jwt_payload: JsonObject,
    /// The first session data: kept in the store only.
    pub session_data: JsonObject,
    /// Whether requests must bring an anti-CSRF token along.
    pub anti_csrf: bool,
    /// The form of the access token.
    pub format: TokenFormat,
    /// Whether access tokens are signed by the app's static key.
    pub static_key: bool,
    /// The cookie that is the only place where the client can keep the access token, which so has to fit into it.
    pub cookie: Option<Cow<'static, str>>,
    /// How long the access token is to live; at most as long as configured.
    pub access_token_validity: Option<Duration>,
}

impl Create {
    /// A session of the default app and tenant, with empty payload and data and without an anti-CSRF token.
    #[must_use]
    pub fn new(user_id: UserId) -> Self {
        Self {
            app: AppId::PUBLIC,
            tenant: TenantId::PUBLIC,
            user_id,
            jwt_payload: JsonObject::empty(),
            session_data: JsonObject::empty(),
            anti_csrf: false,
            format: TokenFormat::V5,
            static_key: false,
            cookie: None,
            access_token_validity: None,
        }
    }
}

impl Engine {
    /// Makes a session: one durable write, one signature.
    ///
    /// # Errors
    /// [`Error::Invalid`] when payload or data are too large; [`Error::ProtectedClaim`]; [`Error::Failure`] when the store or the keys fail.
    pub async fn create(&self, ask: Create) -> Result<Issued, Error> {
        self.check_data_size(&ask.session_data)?;
        Self::check_payload(&ask.jwt_payload, ask.format)?;
        let form = Form {
            format: ask.format,
            static_key: ask.static_key,
        };
        let ring = self
            .ring(&ask.app, self.key_kind(form.format, form.static_key))
            .await?;
        let now = self.now();
        let config = self.config();
        let ends_at = config
            .absolute_lifetime()
            .map_or(UnixMillis::MAX, |lifetime| now.plus(lifetime));
        let view = SessionView {
            handle: SessionHandle::generate(
                ask.tenant,
                config.handle_order(),
                now,
                &*self.inner.parts.entropy,
            )
            .map_err(Failure::from)?,
            user_id: ask.user_id,
            jwt_payload: ask.jwt_payload,
        };
        let refresh = ring.refresh().make(RefreshClaims {
            handle: view.handle.clone(),
            nonce: self.nonce()?,
            parent: None,
            anti_csrf: ask.anti_csrf,
        });
        let access_end = now
            .plus(self.access_validity(ask.access_token_validity)?)
            .min(ends_at);
        let claims = claims(&view, &refresh, None, now, access_end);
        if let Some(cookie) = &ask.cookie {
            self.check_token_size(&claims, ask.format, cookie)?;
        }
        let session = Session {
            handle: view.handle.clone(),
            user_id: view.user_id.clone(),
            jwt_payload: view.jwt_payload.clone(),
            created_at: now,
            expires_at: self.idle_end(now).min(ends_at),
            ends_at,
            static_key: ask.static_key,
            rotation: Rotation::starting_with(refresh.hash().hash2()),
        };
        // The write is on its way to the disk while the token is signed.
        let write = self.storage().insert(&ask.app, &session, &ask.session_data);
        let (written, access) = tokio::join!(write, async { self.mint(&ring, &claims, form) });
        match written? {
            Guarded::Written => {}
            // 74 random bits or more were the same twice, or the randomness is broken: say so, never overwrite.
            Guarded::Lost => return Err(Failure::contended("session handle").into()),
        }
        Ok(Issued {
            session: view,
            access: access?,
            refresh,
            refresh_expires_at: session.expires_at,
            refresh_created_at: now,
        })
    }

    pub(super) fn nonce(&self) -> Result<Nonce, Failure> {
        let mut bytes = [0; 16];
        self.inner.parts.entropy.fill(&mut bytes)?;
        Ok(Nonce::from_bytes(bytes))
    }

    pub(super) fn check_data_size(&self, data: &JsonObject) -> Result<(), Invalid> {
        let limit = self.config().session_data_bytes();
        if data.as_str().len() > limit {
            return Err(Invalid::new(
                "session data",
                format!("must be at most {limit} bytes of JSON"),
            ));
        }
        Ok(())
    }

    /// A browser drops a cookie that is too large without a word; the one who knows better is told here instead.
    pub(super) fn check_token_size(
        &self,
        claims: &AccessClaims,
        format: TokenFormat,
        cookie: &str,
    ) -> Result<(), Error> {
        let limit = self.config().cookie_access_token_bytes();
        let len = access::cookie_len(claims, format, cookie).map_err(Failure::from)?;
        if len > limit {
            let over = len - limit;
            return Err(Invalid::new(
                "JWT payload",
                format!(
                    "must be smaller: the access token would take {len} bytes of a cookie, {over} more than the limit of {limit}"
                ),
            )
            .into());
        }
        Ok(())
    }
}

//! Sessions that a server elsewhere keeps: one of handstamp, or a SuperTokens core.
//!
//! The server is asked over HTTP, in the newest version of the core driver interface that both know, from 4.0 and 5.0 to 5.5.
//! Access tokens are checked here, by the server's public keys; only their first use after a refresh is told to the server, as
//! the [`Backend`](crate::backend::Backend) has it.
//!
//! ```no_run
//! use handstamp::backend::{Backend, NewSession};
//! use handstamp::engine::AntiCsrf;
//! use handstamp::remote::Remote;
//! use handstamp::token::Secret;
//! use handstamp::{JsonObject, TenantId, UserId};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let remote = Remote::builder("http://h1:3567;http://h2:3567".parse()?)
//!     .api_key(Secret::new(std::env::var("API_KEY")?))
//!     .build()?;
//! let backend = Backend::from(remote);
//! let new = NewSession {
//!     tenant: TenantId::PUBLIC,
//!     user_id: UserId::parse("ada")?,
//!     jwt_payload: JsonObject::empty(),
//!     session_data: JsonObject::empty(),
//!     anti_csrf: false,
//!     cookie: None,
//! };
//! let tokens = backend.create(new).await?;
//! let _check = backend.check(tokens.access.token.expose(), AntiCsrf::Unchecked).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Several hosts
//!
//! Hosts take turns; one that failed comes last for 10 s. After a host that cannot be connected to, the next is asked. After
//! one that was lost, did not answer in time or could not do its part (status 5xx), the next is asked only where doing it again is
//! the same: for all that reads, for a refresh, and for confirming. Creating, revoking and writing answer a
//! [`Failure`] whose [`Failure::is_outcome_unknown`] is true instead. Each host is asked once, and one that is alone twice if its
//! connection broke; so a request takes at most the request timeout for each host, and as much again for each of the version
//! (once in the life of the client) and the keys, if they have to be asked for first.
//!
//! # Keys
//!
//! Keys are kept for as long as the server says (`Cache-Control: max-age`), but not longer than an hour; for a minute if it says
//! nothing, and never for less than a second. A token that names an unknown key has them asked for again, at most once a
//! second. When their time is over and the server cannot be asked, they are used for 5 minutes more; then checks fail, which says
//! nothing of the token.

use std::fmt;
use std::sync::Arc;

use crate::backend::{NewSession, Present, Renewal, Tokens};
use crate::engine::{AntiCsrf, Engine, Error, Failure, OnReuse, RefreshRefused, Regenerated};
use crate::id::{Invalid, SessionHandle, UserId};
use crate::json::JsonObject;
use crate::token::access::TokenFormat;

mod check;
mod error;
mod hosts;
mod key_set;
mod keys;
mod link;
mod messages;
mod operations;
mod settings;
mod version;

use error::Fault;
pub(crate) use error::RemoteError;
pub use hosts::Hosts;
use keys::Keys;
use link::{Answer, Ask, Link, Operation};
use messages::{Body, Reply, Status};
pub use settings::Builder;
use version::Negotiated;

/// A server elsewhere. Cheap to clone; all clones share connections and keys.
#[derive(Clone)]
pub struct Remote {
    inner: Arc<Inner>,
}

struct Inner {
    link: Link,
    version: Negotiated,
    keys: Keys,
}

impl fmt::Debug for Remote {
    /// The API key stays out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote")
            .field("hosts", &self.inner.link.hosts)
            .field("app", &self.inner.link.app)
            .finish_non_exhaustive()
    }
}

impl Remote {
    /// The settings of a client of the server at `hosts`, which all have the same store.
    #[must_use]
    pub fn builder(hosts: Hosts) -> Builder {
        Builder::new(hosts)
    }

    /// Makes sure that a server is there that speaks a known version, and reads its keys, so that no request has to wait for it.
    ///
    /// # Errors
    /// When that cannot be said. The first request will try again.
    pub async fn prepare(&self) -> Result<(), Failure> {
        let Inner {
            link,
            version,
            keys,
        } = &*self.inner;
        version.version(link).await?;
        keys.ring(link).await?;
        Ok(())
    }

    pub(crate) async fn create(&self, new: NewSession) -> Result<Tokens, Error> {
        Engine::check_payload(&new.jwt_payload, TokenFormat::V5)?;
        let body = Body {
            user_id: Some(new.user_id.as_str()),
            jwt_payload: Some(&new.jwt_payload),
            session_data: Some(&new.session_data),
            enable_anti_csrf: Some(new.anti_csrf),
            use_dynamic_signing_key: Some(true),
            ..Body::default()
        };
        let ask = Ask {
            tenant: Some(&new.tenant),
            body: Some(body),
            ..Ask::default()
        };
        let answer = self.ask(&operations::CREATE, ask).await;
        let answer = answer.map_err(RemoteError::about_input)?;
        let tokens = Reply::of(&answer, &[Status::Ok])?.tokens(new.anti_csrf)?;
        let name = new.cookie.as_deref();
        if let Err(too_large) = fits(name, tokens.access.token.expose().len()) {
            // Nobody can use it. How large a token becomes is not known before it is made elsewhere.
            self.end(&operations::REVOKE, &tokens.session.handle)
                .await?;
            return Err(too_large.into());
        }
        // Some names of tenants are read as something else by some servers.
        if *tokens.session.handle.tenant() != new.tenant {
            return Err(answer.nonsense("the session is in another tenant").into());
        }
        Ok(tokens)
    }

    pub(crate) async fn refresh(&self, presented: Present<'_>) -> Result<Renewal, Failure> {
        let passed = match (presented.anti_csrf, presented.passed) {
            (true, AntiCsrf::Passed(passed)) => passed,
            (false, AntiCsrf::Unchecked) => None,
            // To leave one of the two out would be to protect less, or to refuse more, than was asked for.
            (true, AntiCsrf::Unchecked) | (false, AntiCsrf::Passed(_)) => {
                let what = "a server makes an anti-CSRF token in a refresh if, and only if, it compares the one before";
                return Err(RemoteError::new("", "", Fault::Unspeakable(what)).into());
            }
        };
        let body = Body {
            refresh_token: Some(presented.token),
            anti_csrf_token: passed,
            enable_anti_csrf: Some(presented.anti_csrf),
            use_dynamic_signing_key: Some(true),
            ..Body::default()
        };
        let answer = self.ask(&operations::REFRESH, body.into()).await?;
        let ends = [Status::Ok, Status::Unauthorised, Status::Theft];
        let reply = Reply::of(&answer, &ends)?;
        match reply.status {
            Status::Unauthorised => Ok(Renewal::Unauthorised(refused(reply.message()))),
            Status::Theft => {
                let (handle, user_id) = reply.named()?;
                // Servers leave that to their clients. What was found out is said in any case.
                if presented.on_reuse == OnReuse::Revoke
                    && let Err(error) = self.end(&operations::END_STOLEN, &handle).await
                {
                    let error = error.chain();
                    tracing::error!(%handle, error, "a session whose tokens two parties hold was not ended");
                }
                Ok(Renewal::Reuse { handle, user_id })
            }
            _ => Ok(Renewal::Renewed(Box::new(
                reply.tokens(presented.anti_csrf)?,
            ))),
        }
    }

    pub(crate) async fn revoke(&self, handle: &SessionHandle) -> Result<bool, Failure> {
        Ok(self.end(&operations::REVOKE, handle).await?)
    }

    async fn end(&self, how: &Operation, handle: &SessionHandle) -> Result<bool, RemoteError> {
        let body = Body {
            session_handles: Some([handle.to_string()]),
            ..Body::default()
        };
        let answer = self.ask(how, body.into()).await?;
        let revoked = Reply::of(&answer, &[Status::Ok])?.revoked()?;
        Ok(revoked.contains(handle))
    }

    pub(crate) async fn revoke_user(&self, user: &UserId) -> Result<Vec<SessionHandle>, Failure> {
        let body = Body {
            user_id: Some(user.as_str()),
            revoke_across_all_tenants: Some(true),
            revoke_sessions_for_linked_accounts: Some(true),
            ..Body::default()
        };
        let answer = self.ask(&operations::REVOKE, body.into()).await?;
        Ok(Reply::of(&answer, &[Status::Ok])?.revoked()?)
    }

    pub(crate) async fn handles_of_user(
        &self,
        user: &UserId,
    ) -> Result<Vec<SessionHandle>, Failure> {
        let ask = Ask {
            query: &[
                ("userId", user.as_str()),
                ("fetchAcrossAllTenants", "true"),
                ("fetchSessionsForAllLinkedAccounts", "true"),
            ],
            ..Ask::default()
        };
        let answer = self.ask(&operations::HANDLES, ask).await?;
        Ok(Reply::of(&answer, &[Status::Ok])?.handles()?)
    }

    pub(crate) async fn session_data(
        &self,
        handle: &SessionHandle,
    ) -> Result<Option<JsonObject>, Failure> {
        let ask = Ask {
            query: &[("sessionHandle", &handle.to_string())],
            ..Ask::default()
        };
        let answer = self.ask(&operations::READ_DATA, ask).await?;
        let reply = Reply::of(&answer, &[Status::Ok, Status::Unauthorised])?;
        let is_there = reply.status == Status::Ok;
        Ok(is_there.then(|| reply.session_data()).transpose()?)
    }

    pub(crate) async fn write_session_data(
        &self,
        handle: &SessionHandle,
        data: &JsonObject,
    ) -> Result<bool, Error> {
        let body = Body {
            session_handle: Some(handle.to_string()),
            session_data: Some(data),
            ..Body::default()
        };
        let answer = self.ask(&operations::WRITE_DATA, body.into()).await;
        let answer = answer.map_err(RemoteError::about_input)?;
        let reply = Reply::of(&answer, &[Status::Ok, Status::Unauthorised])?;
        Ok(reply.status == Status::Ok)
    }

    pub(crate) async fn regenerate(
        &self,
        token: &str,
        jwt_payload: JsonObject,
        cookie: Option<&str>,
    ) -> Result<Regenerated, Error> {
        // Not every server looks at the signature.
        let Ok(used) = self.open(token).await? else {
            return Ok(Regenerated::NoSession);
        };
        Engine::check_payload(&jwt_payload, used.format)?;
        let (old, new) = (&used.claims.payload, &jwt_payload);
        let grown = new.as_str().len().saturating_sub(old.as_str().len());
        fits(cookie, token.len() + base64_len(grown))?;
        let body = Body {
            access_token: Some(token),
            jwt_payload: Some(&jwt_payload),
            ..Body::default()
        };
        let answer = self.ask(&operations::REGENERATE, body.into()).await;
        let answer = answer.map_err(RemoteError::about_input)?;
        let mut reply = Reply::of(&answer, &[Status::Ok, Status::Unauthorised])?;
        if reply.status == Status::Unauthorised {
            return Ok(Regenerated::NoSession);
        }
        let session = reply.session()?;
        if session.handle != used.claims.handle {
            return Err(answer.nonsense("it is about another session").into());
        }
        Ok(Regenerated::Done {
            session,
            access: reply.take_access(),
        })
    }

    /// Asks in the version that both know.
    async fn ask(&self, operation: &Operation, ask: Ask<'_>) -> Result<Answer, RemoteError> {
        let Inner { link, version, .. } = &*self.inner;
        let ask = Ask {
            version: Some(version.version(link).await?),
            ..ask
        };
        link.send(operation, ask).await
    }
}

/// Whether a token of that many bytes fits into the cookie that it has to travel in.
fn fits(cookie: Option<&str>, token: usize) -> Result<(), Invalid> {
    let Some(cookie) = cookie else { return Ok(()) };
    let len = cookie.len() + token;
    if len <= MAX_COOKIE {
        return Ok(());
    }
    Err(Invalid::new(
        "JWT payload",
        format!(
            "must be smaller: the access token would take {len} bytes of a cookie, {} more than the limit of {MAX_COOKIE}",
            len - MAX_COOKIE
        ),
    ))
}

/// How many characters so many bytes take.
fn base64_len(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

/// What browsers keep of a cookie at the most, with its name (RFC 6265bis, 5.6).
const MAX_COOKIE: usize = 4096;

/// Why a refresh token was refused, as far as the server's text tells.
fn refused(message: &str) -> RefreshRefused {
    match message {
        "Anti CSRF token missing, or not matching" => RefreshRefused::AntiCsrf,
        _ => RefreshRefused::NoSession,
    }
}

//! The sessions of one request's client: the one it brings, the one it is given.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use http::{HeaderMap, Method};
use serde::Serialize;

use super::refusal::Refusal;
use super::request::{Request, Way};
use super::response::Effects;
use super::session::Session;
use super::{Web, settings::Settings};
use crate::backend::{Backend, Check, NewSession, Tokens};
use crate::clock::UnixMillis;
use crate::engine::{Error, Failure, SessionView, Verification};
use crate::id::{SessionHandle, TenantId, UserId};
use crate::json::JsonObject;

/// What a request's handler asks for sessions. Nothing is read, and no store is asked, before it is used. Cheap to clone; all clones
/// are of one request.
#[derive(Clone)]
pub struct Sessions(Arc<Inner>);

struct Inner {
    web: Web,
    request: Request,
    state: Mutex<State>,
}

/// What is known of the request's session.
#[derive(Clone, Default)]
enum Known {
    /// Nobody has asked.
    #[default]
    Nothing,
    /// It was brought, or given.
    Session(Arc<Current>),
    /// It has been ended since.
    Ended,
}

#[derive(Default)]
struct State {
    current: Known,
    effects: Effects,
}

/// A session in use, and the access token that says so.
pub(super) struct Current {
    pub(super) view: SessionView,
    pub(super) expires_at: UnixMillis,
    pub(super) token: crate::token::Secret,
    pub(super) way: Way,
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("request", &self.0.request)
            .finish_non_exhaustive()
    }
}

impl Sessions {
    pub(super) fn new(web: Web, method: &Method, headers: &HeaderMap) -> Self {
        Self(Arc::new(Inner {
            web,
            request: Request::of(method, headers),
            state: Mutex::default(),
        }))
    }

    /// Signs a user in: makes a session, and gives the client its tokens with this response.
    ///
    /// ```no_run
    /// # async fn login(sessions: handstamp::web::Sessions) -> Result<(), handstamp::Error> {
    /// let session = sessions.create("ada").payload(&serde_json::json!({"plan": "free"})).send().await?;
    /// # let _ = session; Ok(()) }
    /// ```
    pub fn create(&self, user_id: impl Into<String>) -> Creation<'_> {
        Creation {
            sessions: self,
            user_id: user_id.into(),
            tenant: TenantId::PUBLIC,
            payload: Ok(JsonObject::empty()),
            data: Ok(JsonObject::empty()),
        }
    }

    /// The session that the request brings, its payload read as `C`. By the signature alone, at once; only keys that are not known yet
    /// are waited for.
    ///
    /// # Errors
    /// [`Refusal`].
    pub async fn session<C: serde::de::DeserializeOwned>(&self) -> Result<Session<C>, Refusal> {
        let current = self.current().await?;
        Session::read(self.clone(), current)
    }

    /// The same; `None` if the request brings no access token at all. One that is to be refreshed is still refused, so that the client
    /// does that.
    ///
    /// # Errors
    /// [`Refusal`], never [`Refusal::Unauthorised`].
    pub async fn session_if_any<C: serde::de::DeserializeOwned>(
        &self,
    ) -> Result<Option<Session<C>>, Refusal> {
        match self.session().await {
            Ok(session) => Ok(Some(session)),
            Err(Refusal::Unauthorised) => Ok(None),
            Err(why) => Err(why),
        }
    }

    /// Ends all sessions of a user, on every device; answers those that had not ended before. Access tokens that are out stay good until
    /// they run out, but for routes that ask the store.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn revoke_user(&self, user: &UserId) -> Result<Vec<SessionHandle>, Failure> {
        self.backend().revoke_user(user).await
    }

    /// The sessions themselves, without this request.
    #[must_use]
    pub fn backend(&self) -> &Backend {
        self.0.web.backend()
    }

    pub(super) fn settings(&self) -> &Settings {
        self.0.web.settings()
    }

    pub(super) fn request(&self) -> &Request {
        &self.0.request
    }

    pub(super) fn now(&self) -> UnixMillis {
        self.0.web.now()
    }

    /// Does something to what the response is to say.
    pub(super) fn respond(&self, act: impl FnOnce(&mut Effects)) {
        act(&mut self.state().effects);
    }

    /// What the response is to say, for good.
    pub(super) fn take_effects(&self) -> Effects {
        std::mem::take(&mut self.state().effects)
    }

    pub(super) async fn current(&self) -> Result<Arc<Current>, Refusal> {
        let known = self.state().current.clone();
        match known {
            Known::Session(current) => return Ok(current),
            Known::Ended => return Err(Refusal::Unauthorised),
            Known::Nothing => {}
        }
        let current = match self.find().await {
            Ok(current) => Arc::new(current),
            Err(why) => {
                self.respond(|effects| effects.no_store = true);
                return Err(why);
            }
        };
        self.state().current = Known::Session(Arc::clone(&current));
        Ok(current)
    }

    pub(super) fn tell_reuse(&self, handle: &SessionHandle, user_id: &UserId) {
        self.0.web.tell_reuse(handle, user_id);
    }

    /// From now on the request has no session.
    pub(super) fn forget(&self) {
        self.state().current = Known::Ended;
    }

    pub(super) fn replace(&self, current: Current) -> Arc<Current> {
        let current = Arc::new(current);
        self.state().current = Known::Session(Arc::clone(&current));
        current
    }

    /// Looks at each access token that the request brings until one is good. Where none is, one that was made here and is over counts
    /// more than none.
    async fn find(&self) -> Result<Current, Refusal> {
        let Inner { web, request, .. } = &*self.0;
        let settings = web.settings();
        let mut refusal = Refusal::Unauthorised;
        for (token, way) in request.access(settings) {
            let Some(anti_csrf) = request.anti_csrf(settings, way) else {
                refusal = Refusal::TryRefresh;
                continue;
            };
            let check = match web.backend().check_at_once(token, anti_csrf) {
                Some(check) => check,
                None => web.backend().check(token, anti_csrf).await?,
            };
            let Check {
                verification,
                confirmation,
            } = check;
            match verification {
                Verification::Valid(verified) => {
                    if let Some(confirmation) = confirmation {
                        web.confirm_later(token, confirmation);
                    }
                    return Ok(Current {
                        view: verified.session,
                        expires_at: verified.expires_at,
                        token: crate::token::Secret::new(token.to_owned()),
                        way,
                    });
                }
                // Somebody else's: the application may take bearer tokens of its own.
                Verification::TryRefresh(why) if why.is_foreign() => {}
                Verification::TryRefresh(_) => refusal = Refusal::TryRefresh,
                Verification::Unauthorised(_) => {}
            }
        }
        Err(refusal)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session to be made.
#[derive(Debug)]
#[must_use = "nothing happens before `send`"]
pub struct Creation<'a> {
    sessions: &'a Sessions,
    user_id: String,
    tenant: TenantId,
    payload: Result<JsonObject, crate::id::Invalid>,
    data: Result<JsonObject, crate::id::Invalid>,
}

impl Creation<'_> {
    /// In which tenant. Default: the app's first, `public`.
    pub fn tenant(mut self, tenant: TenantId) -> Self {
        self.tenant = tenant;
        self
    }

    /// The JWT payload: a struct or a map. The client can read it; nothing personal belongs there.
    pub fn payload(mut self, payload: &impl Serialize) -> Self {
        self.payload = JsonObject::from_serialize(payload);
        self
    }

    /// Adds a claim to the payload, fetched now.
    pub fn claim<T: Serialize + serde::de::DeserializeOwned>(
        mut self,
        claim: super::Claim<T>,
        value: &T,
    ) -> Self {
        let now = self.sessions.now();
        self.payload = self
            .payload
            .and_then(|payload| claim.add(&payload, value, now));
        self
    }

    /// The first session data: a struct or a map. Kept in the store only.
    pub fn data(mut self, data: &impl Serialize) -> Self {
        self.data = JsonObject::from_serialize(data);
        self
    }

    /// Makes it.
    ///
    /// # Errors
    /// [`Error::Invalid`] names what cannot be; [`Error::ProtectedClaim`]; [`Error::Failure`] when the store or the keys fail.
    pub async fn send(self) -> Result<Session, Error> {
        let Self {
            sessions,
            user_id,
            tenant,
            payload,
            data,
        } = self;
        let Inner { web, request, .. } = &*sessions.0;
        let settings = web.settings();
        let way = request.wanted(settings);
        let new = NewSession {
            tenant,
            user_id: UserId::parse(&user_id)?,
            jwt_payload: payload?,
            session_data: data?,
            anti_csrf: way == Way::Cookie && settings.anti_csrf() == super::AntiCsrfMode::Token,
            cookie: (way == Way::Cookie).then(|| settings.cookies().access_name().to_owned()),
        };
        let tokens = web.backend().create(new).await?;
        let now = web.now();
        sessions.respond(|effects| {
            // What the client has of another session by the other way would contradict this one.
            if way == Way::Header && request.has_cookie(settings.cookies()) {
                effects.remove_cookies(settings, request);
            }
            effects.set_tokens(settings, request, way, &tokens, now);
        });
        let Tokens {
            session, access, ..
        } = tokens;
        let current = sessions.replace(Current {
            view: session,
            expires_at: access.expires_at,
            token: access.token,
            way,
        });
        Ok(Session::untyped(sessions.clone(), current))
    }
}

//! What front ends call by themselves: the refresh and the sign-out.

use http::Method;

use super::AntiCsrfMode;
use super::refusal::{Answer, Refusal, Statuses};
use super::request::Way;
use super::session::Session;
use super::sessions::Sessions;
use super::settings::Settings;
use crate::backend::{Present, Renewal};
use crate::engine::{Failure, JwkSet, OnReuse, RefreshRefused};

/// One of the paths that the layer answers itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    Refresh,
    SignOut,
    Keys,
}

impl Endpoint {
    pub(super) fn of(settings: &Settings, method: &Method, path: &str) -> Option<Self> {
        let path = path.strip_suffix('/').unwrap_or(path);
        if method == Method::GET && path == settings.keys_path() {
            return Some(Self::Keys);
        }
        if method != Method::POST {
            None
        } else if path == settings.refresh_path() {
            Some(Self::Refresh)
        } else if path == settings.sign_out_path() {
            Some(Self::SignOut)
        } else {
            None
        }
    }

    pub(super) async fn answer(self, sessions: &Sessions) -> Answer {
        sessions.respond(|effects| effects.no_store = self != Self::Keys);
        match self {
            Self::Keys => keys(sessions)
                .await
                .unwrap_or_else(|why| Answer::failure(&why)),
            Self::Refresh => refresh(sessions)
                .await
                .unwrap_or_else(|why| Answer::failure(&why)),
            Self::SignOut => sign_out(sessions)
                .await
                .unwrap_or_else(|why| why.answer(sessions.settings().statuses())),
        }
    }
}

/// Exchanges the refresh token. Of several, as a browser sends them after a cookie's domain has changed, the first that is good: who has
/// that one besides an old one is no thief, and it is no reuse.
///
/// Nothing that is refused takes a cookie back: the answer may reach the browser after that of a newer sign-in, and what is refused is
/// dead on the server anyhow.
async fn refresh(sessions: &Sessions) -> Result<Answer, Failure> {
    let (settings, request) = (sessions.settings(), sessions.request());
    let expired = settings.expired_status;
    let mut answer = Answer::message(expired, "unauthorised");
    let mut reused = None;
    for (token, way) in request.refresh(settings) {
        let Some(passed) = request.anti_csrf_of_refresh(settings, way) else {
            continue;
        };
        let presented = Present {
            token,
            anti_csrf: way == Way::Cookie && settings.anti_csrf() == AntiCsrfMode::Token,
            passed,
            on_reuse: OnReuse::Report,
        };
        match sessions.backend().refresh(presented).await? {
            Renewal::Renewed(tokens) => {
                let now = sessions.now();
                sessions.respond(|effects| {
                    effects.set_tokens(settings, request, way, &tokens, now);
                });
                return Ok(Answer::ok(&serde_json::json!({})));
            }
            // The browser has a newer token by now, from another tab; it is neither without a session nor without a token.
            Renewal::Unauthorised(RefreshRefused::Superseded) => {
                answer = Answer::message(409, "superseded by another refresh, try again");
            }
            Renewal::Unauthorised(_) => {}
            Renewal::Reuse { handle, user_id } => reused = Some((handle, user_id)),
        }
    }
    let Some((handle, user_id)) = reused else {
        return Ok(answer);
    };
    sessions.backend().revoke(&handle).await?;
    sessions.tell_reuse(&handle, &user_id);
    Ok(Answer::message(expired, "token theft detected"))
}

/// Ends the session. An access token that is over has to be refreshed first, as it is not known to be the client's own any more.
async fn sign_out(sessions: &Sessions) -> Result<Answer, Refusal> {
    let done = Answer::ok(&serde_json::json!({ "status": "OK" }));
    let session: Option<Session> = sessions.session_if_any().await?;
    let Some(session) = session else {
        return Ok(done);
    };
    session.revoke().await?;
    Ok(done)
}

/// The public keys, for services that only check access tokens.
async fn keys(sessions: &Sessions) -> Result<Answer, Failure> {
    let Some(set) = sessions.backend().key_set().await? else {
        return Ok(Answer::message(404, "the keys are published elsewhere"));
    };
    let max_age = set.max_age;
    let body = serde_json::to_value(JwkSet::from(set)).unwrap_or_default();
    let answer = Answer::ok(&body);
    Ok(Answer {
        kept_for: Some(max_age),
        ..answer
    })
}

impl Settings {
    pub(super) fn statuses(&self) -> Statuses {
        Statuses {
            expired: self.expired_status,
            invalid_claim: self.invalid_claim_status,
        }
    }
}

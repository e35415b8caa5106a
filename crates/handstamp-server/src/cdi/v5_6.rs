//! Since 5.6 refresh tokens rotate at once, with a grace window; verification writes nothing and makes no tokens; reuse ends the
//! session here and not in the SDK. Access tokens may be asked to live shorter.

use std::time::Duration;

use axum::http::Method;
use handstamp::engine::{Create, Issued, OnReuse, Refreshed};
use handstamp::rotation::{Policy, Reuse};
use serde::Serialize;

use super::body::Body;
use super::handlers::{self, FromBody, RefreshAsk, Render, VerifyAsk};
use super::operations::Operations;
use super::parts::{Message, Status};
use super::reply::Refusal;
use super::v1_0::unauthorised_text;
use super::v2_21::{self, Issue, VerifyReply};
use super::v4_0::{self, Session, Stolen};
use super::{Call, Cdi, v5_0};
use crate::settings::RecentReuse;

pub(super) fn operations() -> Operations {
    v5_0::operations()
        .changed(
            &Method::POST,
            "/recipe/session",
            handlers::create::<CreateSession, Issue<Session>, ()>,
        )
        .changed(
            &Method::POST,
            "/recipe/session/verify",
            handlers::verify::<VerifySession, VerifyReply<Session>, ()>,
        )
        .for_public_tenant(&Method::POST, "/recipe/session/verify")
        .changed(
            &Method::POST,
            "/recipe/session/refresh",
            handlers::refresh::<RefreshSession, RefreshReply>,
        )
}

/// How long the access token is to live, if the request says so.
fn validity(body: &Body<'_>, call: &Call) -> Result<Option<Duration>, Refusal> {
    let Some(asked) = body.optional_whole("accessTokenValidity")? else {
        return Ok(None);
    };
    let longest = call.cdi.engine.config().access_token_validity();
    let asked = Duration::from_millis(u64::try_from(asked).unwrap_or(0));
    if asked.is_zero() || asked > longest {
        return Err(Refusal::bad_request(format!(
            "accessTokenValidity must be greater than 0 and at most the configured access_token_validity ({} ms)",
            longest.as_millis()
        )));
    }
    Ok(Some(asked))
}

struct CreateSession;

impl FromBody for CreateSession {
    type Ask = Create;

    fn read(body: &Body<'_>, call: &Call) -> Result<Create, Refusal> {
        let ask = v4_0::CreateSession::read(body, call)?;
        Ok(Create {
            access_token_validity: validity(body, call)?,
            ..ask
        })
    }
}

struct VerifySession;

impl FromBody for VerifySession {
    type Ask = VerifyAsk;

    fn read(body: &Body<'_>, call: &Call) -> Result<VerifyAsk, Refusal> {
        Ok(VerifyAsk {
            policy: Policy::RotateAtOnce,
            ..v2_21::VerifySession::read(body, call)?
        })
    }
}

struct RefreshSession;

impl FromBody for RefreshSession {
    type Ask = RefreshAsk;

    fn read(body: &Body<'_>, call: &Call) -> Result<RefreshAsk, Refusal> {
        let ask = v5_0::RefreshSession::read(body, call)?;
        Ok(RefreshAsk {
            policy: Policy::RotateAtOnce,
            on_reuse: OnReuse::Revoke,
            access_token_validity: validity(body, call)?,
            ..ask
        })
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum RefreshReply {
    Renewed(Box<Issue<Session>>),
    Refused(Message),
    #[serde(rename_all = "camelCase")]
    Late {
        #[serde(flatten)]
        message: Message,
        recent_token_reuse_subtype: &'static str,
    },
    #[serde(rename_all = "camelCase")]
    Theft {
        status: Status,
        session: Stolen,
        recent_token_reuse_subtype: &'static str,
    },
}

impl Render<Refreshed> for RefreshReply {
    fn render(refreshed: Refreshed, cdi: &Cdi) -> Self {
        let (handle, user, kind) = match refreshed {
            Refreshed::Renewed(issued) => {
                let issue = <Issue<Session> as Render<Issued>>::render(*issued, cdi);
                return Self::Renewed(Box::new(issue));
            }
            Refreshed::Unauthorised(why) => {
                return Self::Refused(Message::unauthorised(unauthorised_text(why)));
            }
            Refreshed::Reuse {
                handle,
                user_id,
                kind,
            } => (handle, user_id, kind),
        };
        let (recent, recent_token_reuse_subtype) = match kind {
            Reuse::Previous => (true, "RECENT_PREV"),
            Reuse::Sibling => (true, "ORPHANED_BRANCH"),
            Reuse::Stale => (false, "STALE_LINEAGE"),
        };
        if recent && cdi.recent_reuse == RecentReuse::Unauthorised {
            return Self::Late {
                message: Message::unauthorised("Refresh token has been used before"),
                recent_token_reuse_subtype,
            };
        }
        Self::Theft {
            status: Status::TokenTheftDetected,
            session: (handle, user).into(),
            recent_token_reuse_subtype,
        }
    }
}

//! What clients of protocol 2.21 get. Later protocols say more of a session, and no more of the rest.

use handstamp::engine::{Issued, SessionView, Verification};
use serde::Serialize;

use crate::cdi::Cdi;
use crate::cdi::handlers::Render;
use crate::cdi::parts::{Message, Status, Token};
use crate::cdi::v1_0::{try_refresh_text, verify_refused_text};

/// All that a client gets at creation and at each refresh.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cdi) struct Issue<S> {
    status: Status,
    session: S,
    access_token: Token,
    refresh_token: Token,
    #[serde(skip_serializing_if = "Option::is_none")]
    anti_csrf_token: Option<String>,
}

impl<S: From<SessionView> + Serialize> Render<Issued> for Issue<S> {
    fn render(issued: Issued, _: &Cdi) -> Self {
        Self {
            status: Status::Ok,
            access_token: (&issued.access).into(),
            refresh_token: Token::new(
                issued.refresh.text().expose(),
                issued.refresh_expires_at.as_millis(),
                issued.refresh_created_at.as_millis(),
            ),
            anti_csrf_token: issued
                .refresh
                .anti_csrf()
                .map(|token| token.expose().to_owned()),
            session: issued.session.into(),
        }
    }
}

impl<S: From<SessionView> + Serialize> Render<(Issued, ())> for Issue<S> {
    fn render((issued, ()): (Issued, ()), cdi: &Cdi) -> Self {
        Self::render(issued, cdi)
    }
}

#[derive(Serialize)]
#[serde(untagged)]
pub(in crate::cdi) enum VerifyReply<S> {
    #[serde(rename_all = "camelCase")]
    Valid {
        status: Status,
        session: S,
        #[serde(skip_serializing_if = "Option::is_none")]
        access_token: Option<Token>,
        /// Known only where no access token is made for it.
        #[serde(skip_serializing_if = "Option::is_none")]
        payload_update_available: Option<bool>,
    },
    Refused(Message),
}

impl<S: From<SessionView> + Serialize> Render<(Verification, ())> for VerifyReply<S> {
    fn render((verification, ()): (Verification, ()), _: &Cdi) -> Self {
        match verification {
            Verification::Valid(valid) => Self::Valid {
                status: Status::Ok,
                session: valid.session.into(),
                access_token: valid.replacement.as_ref().map(Token::from),
                payload_update_available: valid.payload_differs,
            },
            Verification::TryRefresh(why) => Self::Refused(Message {
                status: Status::TryRefreshToken,
                message: try_refresh_text(why),
            }),
            Verification::Unauthorised(why) => {
                Self::Refused(Message::unauthorised(verify_refused_text(why)))
            }
        }
    }
}

//! Since 2.6 it is the request that says whether there is protection against cross-site forgery, not the server's settings.

use axum::http::Method;
use handstamp::engine::Create;
use handstamp::rotation::Policy;

use super::Call;
use super::body::Body;
use super::handlers::{self, FromBody, Passed, RefreshAsk, VerifyAsk, keys};
use super::operations::Operations;
use super::parts::{Session, Token};
use super::reply::Refusal;
use super::v1_0::{self, Created, KeyInfo, RefreshReply, Stolen, VerifyReply};
use super::v2_3;
use super::v2_4::{self, HandshakeOf, Issue};
use handstamp::token::access::{self, TokenFormat};

pub(super) fn operations() -> Operations {
    v2_4::operations()
        .changed(
            &Method::POST,
            "/recipe/handshake",
            keys::handshake_with_body::<HandshakeOf<KeyInfo>, KeyInfo>,
        )
        .changed(
            &Method::POST,
            "/recipe/session",
            handlers::create::<CreateSession, Created<Issue>, KeyInfo>,
        )
        .changed(
            &Method::POST,
            "/recipe/session/verify",
            handlers::verify::<VerifySession, VerifyReply<Session, Token, KeyInfo, false>, _>,
        )
        .changed(
            &Method::POST,
            "/recipe/session/refresh",
            handlers::refresh::<RefreshSession, RefreshReply<Issue, Stolen>>,
        )
}

pub(super) struct CreateSession;

impl FromBody for CreateSession {
    type Ask = Create;

    fn read(body: &Body<'_>, call: &Call) -> Result<Create, Refusal> {
        let user_id = v1_0::user(&body.string("userId")?)?;
        Ok(Create {
            anti_csrf: body.boolean("enableAntiCsrf")?,
            jwt_payload: body.object("userDataInJWT")?,
            session_data: body.object("userDataInDatabase")?,
            format: TokenFormat::V2,
            static_key: call.cdi.static_keys,
            cookie: Some(access::COOKIE.into()),
            ..Create::new(user_id)
        })
    }
}

pub(super) struct VerifySession;

impl FromBody for VerifySession {
    type Ask = VerifyAsk;

    fn read(body: &Body<'_>, call: &Call) -> Result<VerifyAsk, Refusal> {
        let token = body.secret("accessToken")?;
        let anti_csrf = body.optional_secret("antiCsrfToken")?;
        let asked = body.boolean("doAntiCsrfCheck")?;
        Ok(VerifyAsk {
            token,
            anti_csrf,
            check_anti_csrf: body.boolean("enableAntiCsrf")? && asked,
            check_storage: call.cdi.blacklisting,
            policy: Policy::ConfirmOnUse,
        })
    }
}

pub(super) struct RefreshSession;

impl FromBody for RefreshSession {
    type Ask = RefreshAsk;

    fn read(body: &Body<'_>, call: &Call) -> Result<RefreshAsk, Refusal> {
        let ask = v2_3::RefreshSession::read(body, call)?;
        let passed = body.optional_secret("antiCsrfToken")?;
        let anti_csrf = body.boolean("enableAntiCsrf")?;
        Ok(RefreshAsk {
            anti_csrf,
            passed: Passed::compared_if(anti_csrf, passed),
            ..ask
        })
    }
}

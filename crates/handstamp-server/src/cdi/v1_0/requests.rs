//! What clients of protocol 1.0 send. Fields are read, and so complained of, in this order.

use handstamp::UserId;
use handstamp::engine::{Create, KeyChoice, OnReuse};
use handstamp::rotation::Policy;
use handstamp::token::access::{self, TokenFormat};

use crate::cdi::Call;
use crate::cdi::body::Body;
use crate::cdi::handlers::data::WriteDataAsk;
use crate::cdi::handlers::{
    FromBody, FromQuery, Passed, RefreshAsk, RevokeAsk, UserAsk, VerifyAsk,
};
use crate::cdi::reply::Refusal;

pub(in crate::cdi) struct CreateSession;

impl FromBody for CreateSession {
    type Ask = Create;

    fn read(body: &Body<'_>, call: &Call) -> Result<Create, Refusal> {
        let user_id = user(&body.string("userId")?)?;
        Ok(Create {
            jwt_payload: body.object("userDataInJWT")?,
            session_data: body.object("userDataInDatabase")?,
            anti_csrf: call.cdi.anti_csrf,
            format: TokenFormat::V1,
            static_key: call.cdi.static_keys,
            // Up to protocol 2.15, SDKs know no other way to carry an access token.
            cookie: Some(access::COOKIE.into()),
            ..Create::new(user_id)
        })
    }
}

pub(in crate::cdi) fn user(text: &str) -> Result<UserId, Refusal> {
    UserId::parse(text).map_err(|why| Refusal::invalid("userId", &why))
}

pub(super) struct DeleteSession;

impl FromBody for DeleteSession {
    type Ask = RevokeAsk;

    fn read(body: &Body<'_>, _: &Call) -> Result<RevokeAsk, Refusal> {
        let user_id = body.optional_string("userId")?;
        let handle = body.optional_string("sessionHandle")?;
        let handles = body.optional_strings("sessionHandles")?;
        match (user_id, handle, handles) {
            (Some(user_id), None, None) => Ok(RevokeAsk::User {
                user: user(&user_id)?,
                everywhere: true,
            }),
            (None, Some(handle), None) => Ok(RevokeAsk::Handles(vec![handle])),
            (None, None, Some(handles)) => Ok(RevokeAsk::Handles(handles)),
            _ => Err(Refusal::WrongFields(
                "Invalid JSON input - use one of userId, sessionHandle, or sessionHandles array",
            )),
        }
    }
}

pub(in crate::cdi) struct VerifySession;

impl FromBody for VerifySession {
    type Ask = VerifyAsk;

    fn read(body: &Body<'_>, call: &Call) -> Result<VerifyAsk, Refusal> {
        Ok(VerifyAsk {
            token: body.secret("accessToken")?,
            anti_csrf: body.optional_secret("antiCsrfToken")?,
            check_anti_csrf: body.boolean("doAntiCsrfCheck")? && call.cdi.anti_csrf,
            check_storage: call.cdi.blacklisting,
            policy: Policy::ConfirmOnUse,
        })
    }
}

pub(in crate::cdi) struct RefreshSession;

impl FromBody for RefreshSession {
    type Ask = RefreshAsk;

    fn read(body: &Body<'_>, call: &Call) -> Result<RefreshAsk, Refusal> {
        Ok(RefreshAsk {
            token: body.secret("refreshToken")?,
            anti_csrf: call.cdi.anti_csrf,
            passed: Passed::Unchecked,
            policy: Policy::ConfirmOnUse,
            on_reuse: OnReuse::Report,
            format: TokenFormat::V1,
            key: KeyChoice::Keep,
            access_token_validity: None,
        })
    }
}

pub(in crate::cdi) struct PutData;

impl FromBody for PutData {
    type Ask = WriteDataAsk;

    fn read(body: &Body<'_>, _: &Call) -> Result<WriteDataAsk, Refusal> {
        Ok(WriteDataAsk {
            handle: body.string("sessionHandle")?,
            data: body.object("userDataInDatabase")?,
        })
    }
}

pub(in crate::cdi) struct UserQuery;

impl FromQuery for UserQuery {
    type Ask = UserAsk;

    fn read(call: &Call) -> Result<UserAsk, Refusal> {
        Ok(UserAsk {
            user: call.input.query("userId")?.into_owned(),
            everywhere: true,
        })
    }
}

//! What clients of protocol 1.0 send. Fields are read, and so complained of, in this order.

use handstamp::UserId;
use handstamp::engine::{Create, OnReuse};
use handstamp::rotation::Policy;
use handstamp::token::Secret;
use handstamp::token::access::TokenFormat;

use crate::cdi::Cdi;
use crate::cdi::body::Body;
use crate::cdi::handlers::{self, FromBody, RefreshAsk, RevokeAsk, VerifyAsk, WriteDataAsk};
use crate::cdi::reply::Refusal;

pub(super) struct CreateSession(Create);

impl FromBody for CreateSession {
    fn read(body: &Body<'_>, cdi: &Cdi) -> Result<Self, Refusal> {
        let (app, tenant) = handlers::public();
        let user_id = body.string("userId")?;
        Ok(Self(Create {
            app,
            tenant,
            user_id: user(&user_id)?,
            jwt_payload: body.object("userDataInJWT")?,
            session_data: body.object("userDataInDatabase")?,
            anti_csrf: cdi.anti_csrf,
            format: TokenFormat::V1,
            static_key: false,
            cookie_only: true,
            access_token_validity: None,
        }))
    }
}

impl From<CreateSession> for Create {
    fn from(request: CreateSession) -> Self {
        request.0
    }
}

fn user(text: &str) -> Result<UserId, Refusal> {
    UserId::parse(text).map_err(|why| Refusal::invalid("userId", &why))
}

pub(super) struct DeleteSession(RevokeAsk);

impl FromBody for DeleteSession {
    fn read(body: &Body<'_>, _: &Cdi) -> Result<Self, Refusal> {
        let user_id = body.optional_string("userId")?;
        let handle = body.optional_string("sessionHandle")?;
        let handles = body.optional_strings("sessionHandles")?;
        match (user_id, handle, handles) {
            (Some(user_id), None, None) => Ok(Self(RevokeAsk::User(user(&user_id)?))),
            (None, Some(handle), None) => Ok(Self(RevokeAsk::Handles(vec![handle]))),
            (None, None, Some(handles)) => Ok(Self(RevokeAsk::Handles(handles))),
            _ => Err(Refusal::WrongFields(
                "Invalid JSON input - use one of userId, sessionHandle, or sessionHandles array",
            )),
        }
    }
}

impl From<DeleteSession> for RevokeAsk {
    fn from(request: DeleteSession) -> Self {
        request.0
    }
}

pub(super) struct VerifySession(VerifyAsk);

impl FromBody for VerifySession {
    fn read(body: &Body<'_>, cdi: &Cdi) -> Result<Self, Refusal> {
        Ok(Self(VerifyAsk {
            token: Secret::new(body.string("accessToken")?),
            anti_csrf: body.optional_string("antiCsrfToken")?.map(Secret::new),
            check_anti_csrf: body.boolean("doAntiCsrfCheck")? && cdi.anti_csrf,
            check_storage: cdi.blacklisting,
        }))
    }
}

impl From<VerifySession> for VerifyAsk {
    fn from(request: VerifySession) -> Self {
        request.0
    }
}

pub(super) struct RefreshSession(RefreshAsk);

impl FromBody for RefreshSession {
    fn read(body: &Body<'_>, cdi: &Cdi) -> Result<Self, Refusal> {
        Ok(Self(RefreshAsk {
            token: Secret::new(body.string("refreshToken")?),
            anti_csrf: cdi.anti_csrf,
            policy: Policy::ConfirmOnUse,
            on_reuse: OnReuse::Report,
            format: TokenFormat::V1,
        }))
    }
}

impl From<RefreshSession> for RefreshAsk {
    fn from(request: RefreshSession) -> Self {
        request.0
    }
}

pub(super) struct PutData(WriteDataAsk);

impl FromBody for PutData {
    fn read(body: &Body<'_>, _: &Cdi) -> Result<Self, Refusal> {
        Ok(Self(WriteDataAsk {
            handle: body.string("sessionHandle")?,
            data: body.object("userDataInDatabase")?,
        }))
    }
}

impl From<PutData> for WriteDataAsk {
    fn from(request: PutData) -> Self {
        request.0
    }
}

//! What clients of protocol 2.0 send.

use handstamp::engine::Create;
use handstamp::token::access::TokenFormat;

use crate::cdi::Call;
use crate::cdi::body::Body;
use crate::cdi::handlers::data::WritePayloadAsk;
use crate::cdi::handlers::{FromBody, RefreshAsk, RegenerateAsk, RevokeAsk};
use crate::cdi::reply::Refusal;
use crate::cdi::v1_0;

pub(in crate::cdi) struct CreateSession;

impl FromBody for CreateSession {
    type Ask = Create;

    fn read(body: &Body<'_>, call: &Call) -> Result<Create, Refusal> {
        Ok(Create {
            format: TokenFormat::V2,
            ..v1_0::CreateSession::read(body, call)?
        })
    }
}

pub(in crate::cdi) struct RefreshSession;

impl FromBody for RefreshSession {
    type Ask = RefreshAsk;

    fn read(body: &Body<'_>, call: &Call) -> Result<RefreshAsk, Refusal> {
        Ok(RefreshAsk {
            format: TokenFormat::V2,
            ..v1_0::RefreshSession::read(body, call)?
        })
    }
}

pub(in crate::cdi) struct RemoveSession;

impl FromBody for RemoveSession {
    type Ask = RevokeAsk;

    fn read(body: &Body<'_>, _: &Call) -> Result<RevokeAsk, Refusal> {
        let user_id = body.optional_string("userId")?;
        let handles = body.optional_strings("sessionHandles")?;
        match (user_id, handles) {
            (Some(user_id), None) => Ok(RevokeAsk::User {
                user: v1_0::user(&user_id)?,
                everywhere: true,
            }),
            (None, Some(handles)) => Ok(RevokeAsk::Handles(handles)),
            _ => Err(Refusal::WrongFields(
                "Invalid JSON input - use one of userId or sessionHandles array",
            )),
        }
    }
}

pub(in crate::cdi) struct RegenerateSession;

impl FromBody for RegenerateSession {
    type Ask = RegenerateAsk;

    fn read(body: &Body<'_>, _: &Call) -> Result<RegenerateAsk, Refusal> {
        Ok(RegenerateAsk {
            token: body.secret("accessToken")?,
            jwt_payload: body.optional_object("userDataInJWT")?,
        })
    }
}

pub(in crate::cdi) struct PutPayload;

impl FromBody for PutPayload {
    type Ask = WritePayloadAsk;

    fn read(body: &Body<'_>, _: &Call) -> Result<WritePayloadAsk, Refusal> {
        Ok(WritePayloadAsk {
            handle: body.string("sessionHandle")?,
            payload: body.object("userDataInJWT")?,
            format: TokenFormat::V2,
        })
    }
}

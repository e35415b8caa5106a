//! What clients of protocol 2.21 send.

use handstamp::engine::Create;
use handstamp::token::access::TokenFormat;

use crate::cdi::Call;
use crate::cdi::body::Body;
use crate::cdi::handlers::data::WritePayloadAsk;
use crate::cdi::handlers::keys::JwtAsk;
use crate::cdi::handlers::{FromBody, RefreshAsk, VerifyAsk};
use crate::cdi::reply::Refusal;
use crate::cdi::{v2_0, v2_6, v2_9, v2_16};

pub(in crate::cdi) struct CreateSession;

impl FromBody for CreateSession {
    type Ask = Create;

    fn read(body: &Body<'_>, call: &Call) -> Result<Create, Refusal> {
        let ask = v2_16::CreateSession::read(body, call)?;
        let dynamic = body.optional_boolean("useDynamicSigningKey")?;
        Ok(Create {
            format: TokenFormat::V3,
            static_key: dynamic == Some(false),
            ..ask
        })
    }
}

pub(in crate::cdi) struct VerifySession;

impl FromBody for VerifySession {
    type Ask = VerifyAsk;

    fn read(body: &Body<'_>, call: &Call) -> Result<VerifyAsk, Refusal> {
        let ask = v2_6::VerifySession::read(body, call)?;
        Ok(VerifyAsk {
            check_storage: body.boolean("checkDatabase")?,
            ..ask
        })
    }
}

pub(in crate::cdi) struct RefreshSession;

impl FromBody for RefreshSession {
    type Ask = RefreshAsk;

    fn read(body: &Body<'_>, call: &Call) -> Result<RefreshAsk, Refusal> {
        Ok(RefreshAsk {
            format: TokenFormat::V3,
            ..v2_6::RefreshSession::read(body, call)?
        })
    }
}

pub(in crate::cdi) struct PutPayload;

impl FromBody for PutPayload {
    type Ask = WritePayloadAsk;

    fn read(body: &Body<'_>, call: &Call) -> Result<WritePayloadAsk, Refusal> {
        Ok(WritePayloadAsk {
            format: TokenFormat::V3,
            ..v2_0::PutPayload::read(body, call)?
        })
    }
}

pub(super) struct CreateJwt;

impl FromBody for CreateJwt {
    type Ask = JwtAsk;

    fn read(body: &Body<'_>, call: &Call) -> Result<JwtAsk, Refusal> {
        let ask = v2_9::CreateJwt::read(body, call)?;
        let fixed = body.optional_boolean("useStaticSigningKey")?;
        Ok(JwtAsk {
            static_key: fixed != Some(false),
            ..ask
        })
    }
}

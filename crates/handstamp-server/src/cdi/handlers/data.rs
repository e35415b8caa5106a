//! What is kept of a session: its data, its payload, all of it.

use handstamp::JsonObject;
use handstamp::session::Session;
use handstamp::storage::DataWrite;
use handstamp::token::access::TokenFormat;

use super::{FromBody, Render};
use crate::cdi::Call;
use crate::cdi::reply::{Refusal, Reply};

/// New data for a session.
pub(in crate::cdi) struct WriteDataAsk {
    pub(in crate::cdi) handle: String,
    pub(in crate::cdi) data: JsonObject,
}

/// A new payload for a session, which must suit tokens of that format.
pub(in crate::cdi) struct WritePayloadAsk {
    pub(in crate::cdi) handle: String,
    pub(in crate::cdi) payload: JsonObject,
    pub(in crate::cdi) format: TokenFormat,
}

pub(in crate::cdi) async fn read_data<Res>(call: Call) -> Result<Reply, Refusal>
where
    Res: Render<Option<JsonObject>>,
{
    let cdi = &*call.cdi;
    let data = match call.input.query("sessionHandle")?.parse() {
        Ok(handle) => cdi.engine.session_data(&cdi.app, &handle).await?,
        Err(_) => None,
    };
    Reply::json(&Res::render(data.map(|stored| stored.data), cdi))
}

pub(in crate::cdi) async fn write_data<Req, Res>(call: Call) -> Result<Reply, Refusal>
where
    Req: FromBody<Ask = WriteDataAsk>,
    Res: Render<bool>,
{
    let ask = Req::read(&call.input.body()?, &call)?;
    let cdi = &*call.cdi;
    let written = match ask.handle.parse() {
        Ok(handle) => {
            cdi.engine
                .write_session_data(&cdi.app, &handle, &ask.data, None)
                .await?
        }
        Err(_) => DataWrite::Missing,
    };
    // Without an expected version there is no conflict.
    let written = matches!(written, DataWrite::Written(_));
    Reply::json(&Res::render(written, cdi))
}

pub(in crate::cdi) async fn read_payload<Res>(call: Call) -> Result<Reply, Refusal>
where
    Res: Render<Option<JsonObject>>,
{
    let cdi = &*call.cdi;
    let session = match call.input.query("sessionHandle")?.parse() {
        Ok(handle) => cdi.engine.session(&cdi.app, &handle).await?,
        Err(_) => None,
    };
    Reply::json(&Res::render(
        session.map(|session| session.jwt_payload),
        cdi,
    ))
}

pub(in crate::cdi) async fn write_payload<Req, Res>(call: Call) -> Result<Reply, Refusal>
where
    Req: FromBody<Ask = WritePayloadAsk>,
    Res: Render<bool>,
{
    let ask = Req::read(&call.input.body()?, &call)?;
    let cdi = &*call.cdi;
    let written = match ask.handle.parse() {
        Ok(handle) => {
            cdi.engine
                .write_jwt_payload(&cdi.app, &handle, &ask.payload, ask.format)
                .await?
        }
        Err(_) => false,
    };
    Reply::json(&Res::render(written, cdi))
}

/// All that is kept of a session. Its data are read by themselves, so a session that ends in between is one that is gone.
pub(in crate::cdi) async fn session<Res>(call: Call) -> Result<Reply, Refusal>
where
    Res: Render<Option<(Session, JsonObject)>>,
{
    let cdi = &*call.cdi;
    let mut found = None;
    if let Ok(handle) = call.input.query("sessionHandle")?.parse()
        && let Some(session) = cdi.engine.session(&cdi.app, &handle).await?
        && let Some(stored) = cdi.engine.session_data(&cdi.app, &handle).await?
    {
        found = Some((session, stored.data));
    }
    Reply::json(&Res::render(found, cdi))
}

//! The keys that tokens are signed by, for those who verify them, and JWTs that are no access tokens.

use std::time::Duration;

use handstamp::JsonObject;
use handstamp::engine::{CreateJwt, KeySet};
use handstamp::token::Secret;

use super::{FromBody, Render};
use crate::cdi::Call;
use crate::cdi::parts::Keys;
use crate::cdi::reply::{Refusal, Reply};

/// A JWT that is to be signed.
pub(in crate::cdi) struct JwtAsk {
    pub(in crate::cdi) algorithm: String,
    pub(in crate::cdi) issuer: String,
    pub(in crate::cdi) payload: JsonObject,
    pub(in crate::cdi) validity: Duration,
    pub(in crate::cdi) static_key: bool,
}

/// The handshake of protocols whose request must be JSON.
pub(in crate::cdi) async fn handshake_with_body<Res, K>(call: Call) -> Result<Reply, Refusal>
where
    Res: Render<K>,
    K: Keys,
{
    call.input.body()?;
    handshake::<Res, K>(call).await
}

pub(in crate::cdi) async fn handshake<Res, K>(call: Call) -> Result<Reply, Refusal>
where
    Res: Render<K>,
    K: Keys,
{
    let cdi = &*call.cdi;
    let keys = K::of(&cdi.engine, &cdi.app, cdi.static_keys).await?;
    Reply::json(&Res::render(keys, cdi))
}

pub(in crate::cdi) async fn create_jwt<Req, Res>(call: Call) -> Result<Reply, Refusal>
where
    Req: FromBody<Ask = JwtAsk>,
    Res: Render<Option<Secret>>,
{
    let ask = Req::read(&call.input.body()?, &call)?;
    let cdi = &*call.cdi;
    let jwt = if ask.algorithm.eq_ignore_ascii_case("RS256") {
        let ask = CreateJwt {
            app: cdi.app.clone(),
            payload: ask.payload,
            issuer: ask.issuer,
            validity: ask.validity,
            static_key: ask.static_key,
        };
        Some(cdi.engine.create_jwt(&ask).await?)
    } else {
        None
    };
    Reply::json(&Res::render(jwt, cdi))
}

pub(in crate::cdi) async fn key_set<Res>(call: Call) -> Result<Reply, Refusal>
where
    Res: Render<KeySet>,
{
    let cdi = &*call.cdi;
    let set = cdi.engine.key_set(&cdi.app).await?;
    let max_age = set.max_age;
    Reply::kept(&Res::render(set, cdi), max_age)
}

//! What the operations do: read a request, ask the engine, write what came of it. Each once, for whatever wire types an epoch
//! has for it.

use handstamp::engine::{
    AntiCsrf, Create, Issued, KeyChoice, OnReuse, Refresh, Refreshed, Regenerate, Regenerated,
    Verification, Verify,
};
use handstamp::rotation::Policy;
use handstamp::token::Secret;
use handstamp::token::access::TokenFormat;
use handstamp::{JsonObject, SessionHandle, UserId};
use serde::Serialize;
use std::time::Duration;

use super::body::Body;
use super::parts::Keys;
use super::reply::{Refusal, Reply};
use super::{Call, Cdi};

pub(super) mod data;
pub(super) mod keys;
pub(super) mod service;
pub(super) mod tenants;

/// A request of one operation, as an epoch writes it.
pub(super) trait FromBody {
    /// What it asks for.
    type Ask: Send;

    fn read(body: &Body<'_>, call: &Call) -> Result<Self::Ask, Refusal>;
}

/// A request that is all in its address.
pub(super) trait FromQuery {
    /// What it asks for.
    type Ask: Send;

    fn read(call: &Call) -> Result<Self::Ask, Refusal>;
}

/// A reply of one operation, as an epoch writes it.
pub(super) trait Render<T>: Serialize {
    fn render(outcome: T, cdi: &Cdi) -> Self;
}

/// What a verification is asked for.
pub(super) struct VerifyAsk {
    pub(super) token: Secret,
    /// Whether the anti-CSRF token is compared.
    pub(super) check_anti_csrf: bool,
    pub(super) anti_csrf: Option<Secret>,
    pub(super) check_storage: bool,
    pub(super) policy: Policy,
}

/// What a refresh is asked for.
pub(super) struct RefreshAsk {
    pub(super) token: Secret,
    pub(super) anti_csrf: bool,
    pub(super) passed: Passed,
    pub(super) policy: Policy,
    pub(super) on_reuse: OnReuse,
    pub(super) format: TokenFormat,
    pub(super) key: KeyChoice,
    pub(super) access_token_validity: Option<Duration>,
}

/// The anti-CSRF token that came along with a refresh token.
pub(super) enum Passed {
    Unchecked,
    Compared(Option<Secret>),
}

impl Passed {
    /// What came along, if there is protection at all.
    pub(super) fn compared_if(protected: bool, passed: Option<Secret>) -> Self {
        if protected {
            Self::Compared(passed)
        } else {
            Self::Unchecked
        }
    }
}

/// Which sessions are to end.
pub(super) enum RevokeAsk {
    User { user: UserId, everywhere: bool },
    Handles(Vec<String>),
}

/// Whose sessions are looked for, and whether in all tenants.
pub(super) struct UserAsk {
    pub(super) user: String,
    pub(super) everywhere: bool,
}

/// An access token that is to say something else.
pub(super) struct RegenerateAsk {
    pub(super) token: Secret,
    pub(super) jwt_payload: Option<JsonObject>,
}

pub(super) async fn create<Req, Res, K>(call: Call) -> Result<Reply, Refusal>
where
    Req: FromBody<Ask = Create>,
    Res: Render<(Issued, K)>,
    K: Keys,
{
    let ask = Req::read(&call.input.body()?, &call)?;
    let cdi = &*call.cdi;
    let ask = Create {
        app: cdi.app.clone(),
        tenant: call.tenant.clone(),
        ..ask
    };
    // First, so that nothing is written when there are none.
    let keys = K::of(&cdi.engine, &cdi.app, cdi.static_keys).await?;
    let issued = cdi.engine.create(ask).await?;
    Reply::json(&Res::render((issued, keys), cdi))
}

pub(super) async fn verify<Req, Res, K>(call: Call) -> Result<Reply, Refusal>
where
    Req: FromBody<Ask = VerifyAsk>,
    Res: Render<(Verification, K)>,
    K: Keys,
{
    let ask = Req::read(&call.input.body()?, &call)?;
    let cdi = &*call.cdi;
    let ask = Verify {
        app: cdi.app.clone(),
        token: ask.token.expose(),
        anti_csrf: if ask.check_anti_csrf {
            AntiCsrf::Passed(ask.anti_csrf.as_ref().map(Secret::expose))
        } else {
            AntiCsrf::Unchecked
        },
        check_storage: ask.check_storage,
        policy: ask.policy,
    };
    let keys = K::of(&cdi.engine, &cdi.app, cdi.static_keys).await?;
    let verification = cdi.engine.verify(&ask).await?;
    Reply::json(&Res::render((verification, keys), cdi))
}

pub(super) async fn refresh<Req, Res>(call: Call) -> Result<Reply, Refusal>
where
    Req: FromBody<Ask = RefreshAsk>,
    Res: Render<Refreshed>,
{
    let ask = Req::read(&call.input.body()?, &call)?;
    let cdi = &*call.cdi;
    let ask = Refresh {
        app: cdi.app.clone(),
        token: ask.token.expose(),
        anti_csrf: ask.anti_csrf,
        passed: match &ask.passed {
            Passed::Compared(passed) => AntiCsrf::Passed(passed.as_ref().map(Secret::expose)),
            Passed::Unchecked => AntiCsrf::Unchecked,
        },
        policy: ask.policy,
        on_reuse: ask.on_reuse,
        format: ask.format,
        key: ask.key,
        access_token_validity: ask.access_token_validity,
    };
    let refreshed = cdi.engine.refresh(&ask).await?;
    Reply::json(&Res::render(refreshed, cdi))
}

pub(super) async fn revoke<Req, Res>(call: Call) -> Result<Reply, Refusal>
where
    Req: FromBody<Ask = RevokeAsk>,
    Res: Render<Vec<SessionHandle>>,
{
    let ask = Req::read(&call.input.body()?, &call)?;
    let cdi = &*call.cdi;
    let revoked = match ask {
        RevokeAsk::User { user, everywhere } => {
            let tenant = (!everywhere).then_some(&call.tenant);
            cdi.engine.revoke_user(&cdi.app, tenant, &user).await?
        }
        RevokeAsk::Handles(texts) => {
            // What is not a handle names no session.
            let handles: Vec<_> = texts.iter().filter_map(|text| text.parse().ok()).collect();
            cdi.engine.revoke(&cdi.app, &handles).await?
        }
    };
    Reply::json(&Res::render(revoked, cdi))
}

pub(super) async fn handles_of_user<Req, Res>(call: Call) -> Result<Reply, Refusal>
where
    Req: FromQuery<Ask = UserAsk>,
    Res: Render<Vec<SessionHandle>>,
{
    let UserAsk { user, everywhere } = Req::read(&call)?;
    let cdi = &*call.cdi;
    let tenant = (!everywhere).then_some(&call.tenant);
    let handles = match UserId::parse(&user) {
        Ok(user) => cdi.engine.handles_of_user(&cdi.app, tenant, &user).await?,
        // Nobody of that id can have a session.
        Err(_) => Vec::new(),
    };
    Reply::json(&Res::render(handles, cdi))
}

pub(super) async fn regenerate<Req, Res>(call: Call) -> Result<Reply, Refusal>
where
    Req: FromBody<Ask = RegenerateAsk>,
    Res: Render<Regenerated>,
{
    let ask = Req::read(&call.input.body()?, &call)?;
    let cdi = &*call.cdi;
    let ask = Regenerate {
        cookie: None,
        app: cdi.app.clone(),
        token: ask.token.expose(),
        jwt_payload: ask.jwt_payload,
    };
    let regenerated = cdi.engine.regenerate(ask).await?;
    Reply::json(&Res::render(regenerated, cdi))
}

//! What the operations do: read a request, ask the engine, write what came of it. Each once, for whatever wire types an epoch
//! has for it.

use std::sync::Arc;

use handstamp::engine::{
    AntiCsrf, Create, Issued, OnReuse, PublicSigningKey, Refresh, Refreshed, Verification, Verify,
};
use handstamp::storage::DataWrite;
use handstamp::token::Secret;
use handstamp::token::access::TokenFormat;
use handstamp::{AppId, JsonObject, SessionHandle, TenantId, UserId, rotation::Policy};
use serde::Serialize;

use super::Cdi;
use super::body::{Body, Input};
use super::reply::{Refusal, Reply};

/// A request of one operation, as an epoch writes it.
pub(super) trait FromBody: Sized {
    fn read(body: &Body<'_>, cdi: &Cdi) -> Result<Self, Refusal>;
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
}

/// What a refresh is asked for.
pub(super) struct RefreshAsk {
    pub(super) token: Secret,
    pub(super) anti_csrf: bool,
    pub(super) policy: Policy,
    pub(super) on_reuse: OnReuse,
    pub(super) format: TokenFormat,
}

/// Which sessions are to end.
pub(super) enum RevokeAsk {
    User(UserId),
    Handles(Vec<String>),
}

/// New data for a session.
pub(super) struct WriteDataAsk {
    pub(super) handle: String,
    pub(super) data: JsonObject,
}

pub(super) async fn hello(cdi: Arc<Cdi>, _: Input) -> Result<Reply, Refusal> {
    cdi.engine.ping().await?;
    Ok(Reply::Text("Hello"))
}

pub(super) async fn config<Res: Render<Option<String>>>(
    cdi: Arc<Cdi>,
    input: Input,
) -> Result<Reply, Refusal> {
    let path = || {
        cdi.config_file
            .as_ref()
            .map(|path| path.display().to_string())
            .unwrap_or_default()
    };
    let path = is_own_pid(&input.query("pid")?).then(path);
    Reply::json(&Res::render(path, &cdi))
}

pub(super) async fn mode<Res: Render<bool>>(cdi: Arc<Cdi>, input: Input) -> Result<Reply, Refusal> {
    let allowed = is_own_pid(&input.query("pid")?);
    Reply::json(&Res::render(allowed, &cdi))
}

/// Only somebody who can see the server's processes knows its id.
fn is_own_pid(pid: &str) -> bool {
    pid == std::process::id().to_string()
}

pub(super) async fn handshake<Res: Render<PublicSigningKey>>(
    cdi: Arc<Cdi>,
    input: Input,
) -> Result<Reply, Refusal> {
    input.body()?;
    let key = cdi.engine.signing_key(&AppId::PUBLIC, false).await?;
    Reply::json(&Res::render(key, &cdi))
}

pub(super) async fn create<Req, Res>(cdi: Arc<Cdi>, input: Input) -> Result<Reply, Refusal>
where
    Req: FromBody + Into<Create>,
    Res: Render<(Issued, PublicSigningKey)>,
{
    let ask = Req::read(&input.body()?, &cdi)?;
    let issued = cdi.engine.create(ask.into()).await?;
    let key = cdi.engine.signing_key(&AppId::PUBLIC, false).await?;
    Reply::json(&Res::render((issued, key), &cdi))
}

pub(super) async fn verify<Req, Res>(cdi: Arc<Cdi>, input: Input) -> Result<Reply, Refusal>
where
    Req: FromBody + Into<VerifyAsk>,
    Res: Render<(Verification, PublicSigningKey)>,
{
    let ask: VerifyAsk = Req::read(&input.body()?, &cdi)?.into();
    let verification = cdi
        .engine
        .verify(&Verify {
            app: AppId::PUBLIC,
            token: ask.token.expose(),
            anti_csrf: if ask.check_anti_csrf {
                AntiCsrf::Passed(ask.anti_csrf.as_ref().map(Secret::expose))
            } else {
                AntiCsrf::Unchecked
            },
            check_storage: ask.check_storage,
            policy: Policy::ConfirmOnUse,
        })
        .await?;
    let key = cdi.engine.signing_key(&AppId::PUBLIC, false).await?;
    Reply::json(&Res::render((verification, key), &cdi))
}

pub(super) async fn refresh<Req, Res>(cdi: Arc<Cdi>, input: Input) -> Result<Reply, Refusal>
where
    Req: FromBody + Into<RefreshAsk>,
    Res: Render<Refreshed>,
{
    let ask: RefreshAsk = Req::read(&input.body()?, &cdi)?.into();
    let RefreshAsk {
        token,
        anti_csrf,
        policy,
        on_reuse,
        format,
    } = ask;
    let ask = Refresh {
        app: AppId::PUBLIC,
        token: token.expose(),
        anti_csrf,
        policy,
        on_reuse,
        format,
        ..Refresh::new(token.expose())
    };
    let refreshed = cdi.engine.refresh(&ask).await?;
    Reply::json(&Res::render(refreshed, &cdi))
}

pub(super) async fn revoke<Req, Res>(cdi: Arc<Cdi>, input: Input) -> Result<Reply, Refusal>
where
    Req: FromBody + Into<RevokeAsk>,
    Res: Render<Vec<SessionHandle>>,
{
    let revoked = match Req::read(&input.body()?, &cdi)?.into() {
        RevokeAsk::User(user) => cdi.engine.revoke_user(&AppId::PUBLIC, None, &user).await?,
        RevokeAsk::Handles(texts) => {
            // What is not a handle names no session.
            let handles: Vec<_> = texts.iter().filter_map(|text| text.parse().ok()).collect();
            cdi.engine.revoke(&AppId::PUBLIC, &handles).await?
        }
    };
    Reply::json(&Res::render(revoked, &cdi))
}

pub(super) async fn read_data<Res: Render<Option<JsonObject>>>(
    cdi: Arc<Cdi>,
    input: Input,
) -> Result<Reply, Refusal> {
    let data = match input.query("sessionHandle")?.parse() {
        Ok(handle) => cdi
            .engine
            .session_data(&AppId::PUBLIC, &handle)
            .await?
            .map(|stored| stored.data),
        Err(_) => None,
    };
    Reply::json(&Res::render(data, &cdi))
}

pub(super) async fn write_data<Req, Res>(cdi: Arc<Cdi>, input: Input) -> Result<Reply, Refusal>
where
    Req: FromBody + Into<WriteDataAsk>,
    Res: Render<DataWrite>,
{
    let ask: WriteDataAsk = Req::read(&input.body()?, &cdi)?.into();
    let written = match ask.handle.parse() {
        Ok(handle) => {
            cdi.engine
                .write_session_data(&AppId::PUBLIC, &handle, &ask.data, None)
                .await?
        }
        Err(_) => DataWrite::Missing,
    };
    Reply::json(&Res::render(written, &cdi))
}

pub(super) async fn handles_of_user<Res>(cdi: Arc<Cdi>, input: Input) -> Result<Reply, Refusal>
where
    Res: Render<Vec<SessionHandle>>,
{
    let handles = match UserId::parse(&input.query("userId")?) {
        Ok(user) => {
            cdi.engine
                .handles_of_user(&AppId::PUBLIC, None, &user)
                .await?
        }
        // Nobody of that id can have a session.
        Err(_) => Vec::new(),
    };
    Reply::json(&Res::render(handles, &cdi))
}

/// The default app and tenant, which protocols without a word for them mean.
pub(super) fn public() -> (AppId, TenantId) {
    (AppId::PUBLIC, TenantId::PUBLIC)
}

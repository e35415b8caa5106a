//! What is asked of the server rather than of a session.

use super::Render;
use crate::cdi::Call;
use crate::cdi::reply::{Refusal, Reply};
use crate::cdi::version::Version;

pub(in crate::cdi) async fn hello(call: Call) -> Result<Reply, Refusal> {
    call.cdi.engine.ping().await?;
    Ok(Reply::Text("Hello"))
}

/// The versions an SDK may choose from.
pub(in crate::cdi) async fn versions<Res: Render<Vec<Version>>>(
    call: Call,
) -> Result<Reply, Refusal> {
    let offered = call.cdi.allowed.offered().collect();
    Reply::json(&Res::render(offered, &call.cdi))
}

pub(in crate::cdi) async fn config<Res: Render<Option<String>>>(
    call: Call,
) -> Result<Reply, Refusal> {
    let path = || {
        let file = call.cdi.config_file.as_ref();
        file.map(|path| path.display().to_string())
            .unwrap_or_default()
    };
    let path = is_own_pid(&call.input.query("pid")?).then(path);
    Reply::json(&Res::render(path, &call.cdi))
}

pub(in crate::cdi) async fn mode<Res: Render<bool>>(call: Call) -> Result<Reply, Refusal> {
    let allowed = is_own_pid(&call.input.query("pid")?);
    Reply::json(&Res::render(allowed, &call.cdi))
}

/// An answer that is always the same.
pub(in crate::cdi) async fn constant<Res: Render<()>>(call: Call) -> Result<Reply, Refusal> {
    Reply::json(&Res::render((), &call.cdi))
}

/// Users are the application's own business: none is known here.
pub(in crate::cdi) async fn unknown_user<Res: Render<()>>(call: Call) -> Result<Reply, Refusal> {
    call.input.query("userId")?;
    Reply::json(&Res::render((), &call.cdi))
}

/// What another protocol has, or has in another place.
pub(in crate::cdi) trait Elsewhere {
    /// Which, and where.
    const TEXT: &'static str;
}

pub(in crate::cdi) async fn elsewhere<W: Elsewhere>(_: Call) -> Result<Reply, Refusal> {
    Err(Refusal::WrongFields(W::TEXT))
}

/// Only somebody who can see the server's processes knows its id.
fn is_own_pid(pid: &str) -> bool {
    pid == std::process::id().to_string()
}

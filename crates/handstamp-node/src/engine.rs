//! The class that JavaScript sees. Whatever waits for a database or signs is done by threads that are not Node.js's own.
#![expect(
    clippy::needless_pass_by_value,
    reason = "the glue makes values of what JavaScript gives"
)]

use std::sync::Arc;

use handstamp::engine::{self, Create, KeyChoice, OnReuse};
use handstamp::token::access::{self, TokenFormat};
use handstamp::{AppId, JsonObject, SessionHandle, UserId};
use napi::Env;
use napi::bindgen_prelude::{AsyncBlock, AsyncBlockBuilder, ToNapiValue};
use napi_derive::napi;

use crate::answers::{Check, Creation, Data, Done, Failed, Handles, Made, Refresh, Write};
use crate::running::Shared;
use crate::settings::EngineSettings;
use crate::upkeep::Listener;

/// Makes, checks, renews and ends sessions. Any number of them, in any number of processes and threads, work on one database.
/// One that is forgotten lets go of its database when it is collected.
#[napi]
pub struct Engine {
    shared: Arc<Shared>,
}

#[napi]
impl Engine {
    /// An engine that is to be as `settings` say. The database is opened by `open`, or by the first request. `upkeepFailed` is
    /// told of what fails while nobody asks; it keeps no process alive.
    #[napi]
    pub fn make(
        settings: EngineSettings,
        #[napi(ts_arg_type = "(told: UpkeepFailure) => void")] upkeep_failed: Listener,
    ) -> Made {
        match settings.try_into() {
            Ok(settings) => Made::Ok {
                engine: Self {
                    shared: Arc::new(Shared::new(settings, upkeep_failed)),
                },
            },
            Err(unfit) => unfit.into(),
        }
    }

    /// Opens the database, and makes the keys if there are none.
    #[napi]
    pub fn open(&self, env: Env) -> napi::Result<AsyncBlock<Done>> {
        let shared = Arc::clone(&self.shared);
        answered(env, async move {
            shared.engine().await?;
            Ok(Done::Ok)
        })
    }

    /// Finishes the writes under way and lets the database go. Requests fail from then on.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn close(&self, env: Env) -> napi::Result<AsyncBlock<()>> {
        let shared = Arc::clone(&self.shared);
        AsyncBlockBuilder::new(async move {
            shared.close().await;
            Ok(())
        })
        .build(&env)
    }

    /// Makes a session. Payload and data are JSON text.
    #[napi]
    pub fn create(
        &self,
        env: Env,
        user_id: String,
        jwt_payload: String,
        session_data: String,
    ) -> napi::Result<AsyncBlock<Creation>> {
        let shared = Arc::clone(&self.shared);
        answered(env, async move {
            let ask = Create {
                jwt_payload: object("JWT payload", &jwt_payload)?,
                session_data: object("session data", &session_data)?,
                anti_csrf: shared.settings.anti_csrf,
                format: TokenFormat::V1,
                cookie: Some(access::COOKIE.into()),
                ..Create::new(UserId::parse(&user_id)?)
            };
            let issued = shared.engine().await?.create(ask).await?;
            Ok(Creation::Ok {
                tokens: issued.into(),
            })
        })
    }

    /// Checks an access token by its signature alone; `null` where the database has to be asked first, which `verify` does. What
    /// this answers holds until the token runs out, whatever becomes of the session.
    #[napi]
    pub fn verify_at_once(
        &self,
        token: String,
        check_anti_csrf: bool,
        anti_csrf: Option<String>,
    ) -> Option<Check> {
        let ask = self
            .shared
            .verification(&token, check_anti_csrf, anti_csrf.as_deref());
        Some(match self.shared.verify_at_once(&ask)? {
            Ok(verification) => verification.into(),
            Err(failure) => failure.into(),
        })
    }

    /// Checks an access token, and asks the database where that is needed.
    #[napi]
    pub fn verify(
        &self,
        env: Env,
        token: String,
        check_anti_csrf: bool,
        anti_csrf: Option<String>,
    ) -> napi::Result<AsyncBlock<Check>> {
        let shared = Arc::clone(&self.shared);
        answered(env, async move {
            let ask = shared.verification(&token, check_anti_csrf, anti_csrf.as_deref());
            Ok(shared.engine().await?.verify(&ask).await?.into())
        })
    }

    /// Exchanges a refresh token.
    #[napi]
    pub fn refresh(&self, env: Env, token: String) -> napi::Result<AsyncBlock<Refresh>> {
        let shared = Arc::clone(&self.shared);
        answered(env, async move {
            let ask = engine::Refresh {
                anti_csrf: shared.settings.anti_csrf,
                format: TokenFormat::V1,
                key: KeyChoice::Keep,
                on_reuse: if shared.settings.revoke_on_theft {
                    OnReuse::Revoke
                } else {
                    OnReuse::Report
                },
                ..engine::Refresh::new(&token)
            };
            Ok(shared.engine().await?.refresh(&ask).await?.into())
        })
    }

    /// Ends sessions; answers those that there were. What is no handle names no session.
    #[napi]
    pub fn revoke(&self, env: Env, handles: Vec<String>) -> napi::Result<AsyncBlock<Handles>> {
        let shared = Arc::clone(&self.shared);
        answered(env, async move {
            let handles: Vec<SessionHandle> = handles
                .iter()
                .filter_map(|text| text.parse().ok())
                .collect();
            let engine = shared.engine().await?;
            Ok(engine.revoke(&AppId::PUBLIC, &handles).await?.into())
        })
    }

    /// Ends all sessions of a user; answers those that there were.
    #[napi]
    pub fn revoke_user(&self, env: Env, user_id: String) -> napi::Result<AsyncBlock<Handles>> {
        let shared = Arc::clone(&self.shared);
        answered(env, async move {
            let user = UserId::parse(&user_id)?;
            let engine = shared.engine().await?;
            let ended = engine.revoke_user(&AppId::PUBLIC, None, &user).await?;
            Ok(ended.into())
        })
    }

    /// The user's sessions, in no particular order.
    #[napi]
    pub fn handles_of_user(&self, env: Env, user_id: String) -> napi::Result<AsyncBlock<Handles>> {
        let shared = Arc::clone(&self.shared);
        answered(env, async move {
            let user = UserId::parse(&user_id)?;
            let engine = shared.engine().await?;
            let found = engine.handles_of_user(&AppId::PUBLIC, None, &user).await?;
            Ok(found.into())
        })
    }

    /// The session's data.
    #[napi]
    pub fn session_data(&self, env: Env, handle: String) -> napi::Result<AsyncBlock<Data>> {
        let shared = Arc::clone(&self.shared);
        answered(env, async move {
            let Ok(handle) = handle.parse() else {
                return Ok(Data::Missing);
            };
            let engine = shared.engine().await?;
            Ok(engine.session_data(&AppId::PUBLIC, &handle).await?.into())
        })
    }

    /// Overwrites the session's data; with a version, only if nobody else has written since that was read.
    #[napi]
    pub fn write_session_data(
        &self,
        env: Env,
        handle: String,
        data: String,
        expected_version: Option<i64>,
    ) -> napi::Result<AsyncBlock<Write>> {
        let shared = Arc::clone(&self.shared);
        answered(env, async move {
            let Ok(handle) = handle.parse() else {
                return Ok(Write::Missing);
            };
            let data = object("session data", &data)?;
            // No data ever have the versions that are not told from each other here.
            let expected = expected_version.map(|version| u64::try_from(version).unwrap_or(0));
            let engine = shared.engine().await?;
            let written = engine.write_session_data(&AppId::PUBLIC, &handle, &data, expected);
            Ok(written.await?.into())
        })
    }
}

/// The promise of an answer. The work owns all that it needs: nothing of the JavaScript object, which may go before it.
fn answered<A>(
    env: Env,
    work: impl Future<Output = Result<A, Failed>> + Send + 'static,
) -> napi::Result<AsyncBlock<A>>
where
    A: From<Failed> + ToNapiValue + Send + 'static,
{
    AsyncBlockBuilder::new(async move { Ok(work.await.unwrap_or_else(A::from)) }).build(&env)
}

fn object(field: &'static str, text: &str) -> Result<JsonObject, Failed> {
    JsonObject::parse(text).map_err(|why| Failed {
        field: Some(field.to_owned()),
        ..why.into()
    })
}

//! The class that JavaScript sees. Whatever waits for a database or signs is done by threads that are not Node.js's own.
#![expect(
    clippy::needless_pass_by_value,
    reason = "the glue makes values of what JavaScript gives"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use handstamp::engine::{self, AntiCsrf, Create, KeyChoice, OnReuse, Verify};
use handstamp::rotation::Policy;
use handstamp::storage::Storage;
use handstamp::storage::memory::MemoryStorage;
use handstamp::storage::mysql::{MySqlOptions, MySqlStorage};
use handstamp::storage::postgres::{PostgresOptions, PostgresStorage};
use handstamp::storage::sqlite::SqliteStorage;
use handstamp::token::access::{self, TokenFormat};
use handstamp::{AppId, JsonObject, Parts, SessionHandle, UserId};
use napi_derive::napi;
use tokio::sync::OnceCell;

use crate::answers::{Check, Creation, Data, Done, Failed, Handles, Refresh, Write};
use crate::settings::{Database, EngineSettings, Settings};
use crate::upkeep::{Listener, Upkeep};

/// Makes, checks, renews and ends sessions. Any number of them, in any number of processes and threads, work on one database.
#[napi]
pub struct Engine {
    settings: Settings,
    upkeep_failed: Arc<Listener>,
    running: OnceCell<Running>,
    closed: AtomicBool,
}

/// An engine whose database is open.
struct Running {
    engine: handstamp::Engine,
    upkeep: Upkeep,
}

#[napi]
impl Engine {
    /// An engine that is to be as `settings` say. The database is opened by `open`, or by the first request. `upkeepFailed` is
    /// told of what fails while nobody asks; it keeps no process alive.
    ///
    /// @throws when a setting cannot be; the text says which and what it may be
    #[napi(constructor)]
    pub fn new(
        settings: EngineSettings,
        #[napi(ts_arg_type = "(told: UpkeepFailure) => void")] upkeep_failed: Listener,
    ) -> napi::Result<Self> {
        let unfit = |why: crate::settings::Unfit| {
            napi::Error::new(napi::Status::InvalidArg, why.to_string())
        };
        Ok(Self {
            settings: settings.try_into().map_err(unfit)?,
            upkeep_failed: Arc::new(upkeep_failed),
            running: OnceCell::new(),
            closed: AtomicBool::new(false),
        })
    }

    /// Opens the database, and makes the keys if there are none.
    #[napi]
    pub async fn open(&self) -> Done {
        match self.engine().await {
            Ok(_) => Done::Ok,
            Err(failure) => failure.into(),
        }
    }

    /// Finishes the writes under way and lets the database go. Requests fail from then on.
    #[napi]
    pub async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        // Whoever is just opening it finishes first; if nobody is, nobody will.
        let running = self.running.get_or_try_init(async || Err(())).await;
        if let Ok(running) = running {
            running.upkeep.stop();
            running.engine.close().await;
        }
    }

    /// Makes a session. Payload and data are JSON text.
    #[napi]
    pub async fn create(
        &self,
        user_id: String,
        jwt_payload: String,
        session_data: String,
    ) -> Creation {
        let created = async {
            let ask = Create {
                jwt_payload: object("JWT payload", &jwt_payload)?,
                session_data: object("session data", &session_data)?,
                anti_csrf: self.settings.anti_csrf,
                format: TokenFormat::V1,
                cookie: Some(access::COOKIE.into()),
                ..Create::new(UserId::parse(&user_id)?)
            };
            Ok::<_, Failed>(self.engine().await?.create(ask).await?)
        };
        match created.await {
            Ok(issued) => Creation::Ok {
                tokens: issued.into(),
            },
            Err(failure) => failure.into(),
        }
    }

    /// Checks an access token by its signature; `null` where the database has to be asked first, which `verify` does.
    #[napi]
    pub fn verify_at_once(
        &self,
        token: String,
        check_anti_csrf: bool,
        anti_csrf: Option<String>,
    ) -> Option<Check> {
        if self.closed.load(Ordering::Acquire) {
            return Some(Failed::closed().into());
        }
        let ask = self.verification(&token, check_anti_csrf, anti_csrf.as_deref());
        let verified = self.running.get()?.engine.verify_at_once(&ask)?;
        Some(verified.into())
    }

    /// Checks an access token, and asks the database where that is needed.
    #[napi]
    pub async fn verify(
        &self,
        token: String,
        check_anti_csrf: bool,
        anti_csrf: Option<String>,
    ) -> Check {
        let ask = self.verification(&token, check_anti_csrf, anti_csrf.as_deref());
        let verified = async { Ok::<_, Failed>(self.engine().await?.verify(&ask).await?) };
        match verified.await {
            Ok(verification) => verification.into(),
            Err(failure) => failure.into(),
        }
    }

    /// Exchanges a refresh token.
    #[napi]
    pub async fn refresh(&self, token: String) -> Refresh {
        let ask = engine::Refresh {
            anti_csrf: self.settings.anti_csrf,
            format: TokenFormat::V1,
            key: KeyChoice::Keep,
            on_reuse: if self.settings.revoke_on_theft {
                OnReuse::Revoke
            } else {
                OnReuse::Report
            },
            ..engine::Refresh::new(&token)
        };
        let refreshed = async { Ok::<_, Failed>(self.engine().await?.refresh(&ask).await?) };
        match refreshed.await {
            Ok(refreshed) => refreshed.into(),
            Err(failure) => failure.into(),
        }
    }

    /// Ends sessions; answers those that there were. What is no handle names no session.
    #[napi]
    pub async fn revoke(&self, handles: Vec<String>) -> Handles {
        let handles: Vec<SessionHandle> = handles
            .iter()
            .filter_map(|text| text.parse().ok())
            .collect();
        let revoked = async {
            Ok::<_, Failed>(
                self.engine()
                    .await?
                    .revoke(&AppId::PUBLIC, &handles)
                    .await?,
            )
        };
        texts(revoked.await)
    }

    /// Ends all sessions of a user; answers those that there were.
    #[napi]
    pub async fn revoke_user(&self, user_id: String) -> Handles {
        let revoked = async {
            let user = UserId::parse(&user_id)?;
            Ok::<_, Failed>(
                self.engine()
                    .await?
                    .revoke_user(&AppId::PUBLIC, None, &user)
                    .await?,
            )
        };
        texts(revoked.await)
    }

    /// The user's sessions, in no particular order.
    #[napi]
    pub async fn handles_of_user(&self, user_id: String) -> Handles {
        let found = async {
            let user = UserId::parse(&user_id)?;
            Ok::<_, Failed>(
                self.engine()
                    .await?
                    .handles_of_user(&AppId::PUBLIC, None, &user)
                    .await?,
            )
        };
        texts(found.await)
    }

    /// The session's data.
    #[napi]
    pub async fn session_data(&self, handle: String) -> Data {
        let Ok(handle) = handle.parse() else {
            return Data::Missing;
        };
        let found = async {
            Ok::<_, Failed>(
                self.engine()
                    .await?
                    .session_data(&AppId::PUBLIC, &handle)
                    .await?,
            )
        };
        match found.await {
            Ok(found) => found.into(),
            Err(failure) => failure.into(),
        }
    }

    /// Overwrites the session's data; with a version, only if nobody else has written since that was read.
    #[napi]
    pub async fn write_session_data(
        &self,
        handle: String,
        data: String,
        expected_version: Option<i64>,
    ) -> Write {
        let Ok(handle) = handle.parse() else {
            return Write::Missing;
        };
        let written = async {
            let data = object("session data", &data)?;
            // No data ever have the versions that are not told from each other here.
            let expected = expected_version.map(|version| u64::try_from(version).unwrap_or(0));
            let engine = self.engine().await?;
            Ok::<_, Failed>(
                engine
                    .write_session_data(&AppId::PUBLIC, &handle, &data, expected)
                    .await?,
            )
        };
        match written.await {
            Ok(written) => written.into(),
            Err(failure) => failure.into(),
        }
    }

    fn verification<'a>(
        &self,
        token: &'a str,
        check_anti_csrf: bool,
        anti_csrf: Option<&'a str>,
    ) -> Verify<'a> {
        Verify {
            anti_csrf: if check_anti_csrf && self.settings.anti_csrf {
                AntiCsrf::Passed(anti_csrf)
            } else {
                AntiCsrf::Unchecked
            },
            check_storage: self.settings.blacklisting,
            policy: Policy::ConfirmOnUse,
            ..Verify::new(token)
        }
    }

    /// The engine, opened by whoever comes first. A failed attempt is made anew by the next.
    async fn engine(&self) -> Result<&handstamp::Engine, Failed> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Failed::closed());
        }
        let running = self
            .running
            .get_or_try_init(|| self.settings.start(&self.upkeep_failed))
            .await?;
        Ok(&running.engine)
    }
}

impl Settings {
    async fn start(&self, upkeep_failed: &Arc<Listener>) -> Result<Running, Failed> {
        let storage = self.storage().await?;
        let engine =
            handstamp::Engine::new(Parts::with_shared_storage(storage), self.config.clone());
        engine.prepare(&AppId::PUBLIC).await?;
        Ok(Running {
            upkeep: Upkeep::start(&engine, upkeep_failed),
            engine,
        })
    }

    async fn storage(&self) -> Result<Arc<dyn Storage>, Failed> {
        match &self.database {
            Database::Memory => Ok(Arc::new(MemoryStorage::new())),
            Database::Sqlite(path) => {
                let path = path.clone();
                let opened = tokio::task::spawn_blocking(move || SqliteStorage::open(&path)).await;
                Ok(Arc::new(
                    opened
                        .map_err(|why| Failed::lasting(&why))?
                        .map_err(|why| Failed::lasting(&why))?,
                ))
            }
            Database::Postgres(address) => {
                let options = PostgresOptions::default();
                let opened = PostgresStorage::connect(address.expose(), &options).await;
                Ok(Arc::new(opened.map_err(|why| Failed::lasting(&why))?))
            }
            Database::MySql(address) => {
                let options = MySqlOptions::default();
                let opened = MySqlStorage::connect(address.expose(), &options).await;
                Ok(Arc::new(opened.map_err(|why| Failed::lasting(&why))?))
            }
        }
    }
}

fn object(field: &'static str, text: &str) -> Result<JsonObject, Failed> {
    JsonObject::parse(text).map_err(|why| Failed {
        field: Some(field.to_owned()),
        ..why.into()
    })
}

fn texts(handles: Result<Vec<SessionHandle>, Failed>) -> Handles {
    match handles {
        Ok(handles) => Handles::Ok {
            handles: handles.iter().map(ToString::to_string).collect(),
        },
        Err(failure) => failure.into(),
    }
}

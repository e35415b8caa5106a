//! What works for a JavaScript object, and belongs to it and to its calls under way alike: Node.js may free the object while a
//! call is at work on another thread, as it does when a worker thread is stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use handstamp::engine::{AntiCsrf, Verification, Verify};
use handstamp::rotation::Policy;
use handstamp::storage::Storage;
use handstamp::storage::memory::MemoryStorage;
use handstamp::storage::mysql::{MySqlOptions, MySqlStorage};
use handstamp::storage::postgres::{PostgresOptions, PostgresStorage};
use handstamp::storage::sqlite::SqliteStorage;
use handstamp::{AppId, Parts};
use tokio::runtime::Handle;
use tokio::sync::OnceCell;

use crate::answers::Failed;
use crate::settings::{Database, Settings};
use crate::upkeep::{Listener, Upkeep};

/// An engine that is opened when it is needed. When nobody has it any more, it closes by itself.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    upkeep_failed: Arc<Listener>,
    running: OnceCell<Running>,
    closed: AtomicBool,
}

impl Shared {
    pub(crate) fn new(settings: Settings, upkeep_failed: Listener) -> Self {
        Self {
            settings,
            upkeep_failed: Arc::new(upkeep_failed),
            running: OnceCell::new(),
            closed: AtomicBool::new(false),
        }
    }

    /// The engine, opened by whoever comes first. A failed attempt is made anew by the next.
    pub(crate) async fn engine(&self) -> Result<&handstamp::Engine, Failed> {
        let open = async || {
            // Whoever opens it asks, and nobody before: `close` waits for those who have asked, and all others ask after it.
            self.check_open()?;
            self.settings.start(&self.upkeep_failed).await
        };
        let running = self.running.get_or_try_init(open).await?;
        self.check_open()?;
        Ok(&running.engine)
    }

    pub(crate) async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        // Whoever is just opening it finishes first; if nobody is, nobody will.
        let running = self.running.get_or_try_init(async || Err(())).await;
        if let Ok(running) = running {
            running.upkeep.stop();
            running.engine.close().await;
        }
    }

    /// What the signature alone says of a token; `None` where the database has to be asked.
    pub(crate) fn verify_at_once(&self, ask: &Verify<'_>) -> Option<Result<Verification, Failed>> {
        if let Err(closed) = self.check_open() {
            return Some(Err(closed));
        }
        self.running.get()?.engine.verify_at_once(ask).map(Ok)
    }

    pub(crate) fn verification<'a>(
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

    fn check_open(&self) -> Result<(), Failed> {
        if self.closed.load(Ordering::Acquire) {
            Err(Failed::closed())
        } else {
            Ok(())
        }
    }
}

/// An engine whose database is open.
struct Running {
    engine: handstamp::Engine,
    upkeep: Upkeep,
    runtime: Handle,
}

impl Drop for Running {
    /// As by `close`, which may have been before, but nobody waits. Where the process ends, there is nothing left to do it, and
    /// no need: all that was answered is stored.
    fn drop(&mut self) {
        self.upkeep.stop();
        let engine = self.engine.clone();
        self.runtime.spawn(async move { engine.close().await });
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
            runtime: Handle::current(),
        })
    }

    async fn storage(&self) -> Result<Arc<dyn Storage>, Failed> {
        match &self.database {
            Database::Memory => Ok(Arc::new(MemoryStorage::new())),
            Database::Sqlite(path) => {
                let path = path.clone();
                let opened = tokio::task::spawn_blocking(move || SqliteStorage::open(&path)).await;
                Ok(Arc::new(opened.map_err(|why| Failed::lasting(&why))??))
            }
            Database::Postgres(address) => {
                let options = PostgresOptions::default();
                Ok(Arc::new(
                    PostgresStorage::connect(address.expose(), &options).await?,
                ))
            }
            Database::MySql(address) => {
                let options = MySqlOptions::default();
                Ok(Arc::new(
                    MySqlStorage::connect(address.expose(), &options).await?,
                ))
            }
        }
    }
}

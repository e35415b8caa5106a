//! The apps that are served: one engine each, all over one store. What other servers on the store do is noticed within seconds.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use handstamp::clock::UnixMillis;
use handstamp::storage::{Guarded, Storage, TenantRecord};
use handstamp::{AppId, Engine, Failure, JsonObject, Parts, TenantId};
use serde_json::{Map, Value};
use tokio::sync::Mutex;

use super::Cdi;
use super::reply::Refusal;
use crate::settings::{Scope, ServerConfig};

/// How soon an unknown app or tenant is looked for in the store again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// The apps that are served.
#[derive(Debug)]
pub struct Registry {
    parts: Parts,
    config: ServerConfig,
    apps: RwLock<Arc<Apps>>,
    /// When the store was last asked; held while it is.
    asked: Mutex<UnixMillis>,
}

pub(super) type Apps = BTreeMap<AppId, Arc<Registered>>;

/// An app, and what was said of its tenants.
#[derive(Debug)]
pub(super) struct Registered {
    /// When it was made. An app of the same name that was made later is another, with other keys.
    made_at: UnixMillis,
    pub(super) cdi: Arc<Cdi>,
    pub(super) tenants: BTreeMap<TenantId, Map<String, Value>>,
}

impl Registry {
    /// The apps in the store of `parts`, each with its own settings over `config`.
    ///
    /// # Errors
    /// When the store or the keys fail.
    pub async fn open(parts: Parts, config: ServerConfig) -> Result<Arc<Self>, Failure> {
        let registry = Self {
            apps: RwLock::default(),
            asked: Mutex::new(parts.clock.now()),
            parts,
            config,
        };
        registry.load().await?;
        registry.public().engine.prepare(&AppId::PUBLIC).await?;
        Ok(Arc::new(registry))
    }

    fn storage(&self) -> &dyn Storage {
        &*self.parts.storage
    }

    /// The engine of the default app.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.public().engine.clone()
    }

    fn public(&self) -> Arc<Cdi> {
        match self.apps().get(&AppId::PUBLIC) {
            Some(public) => Arc::clone(&public.cdi),
            None => Arc::new(self.cdi(&AppId::PUBLIC, &self.config)),
        }
    }

    pub(super) fn apps(&self) -> Arc<Apps> {
        Arc::clone(&self.apps.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn cdi(&self, app: &AppId, config: &ServerConfig) -> Cdi {
        let engine = Engine::new(self.parts.clone(), config.engine.clone());
        Cdi::new(app.clone(), engine, config)
    }

    /// Reads the apps again. Those of which nothing else is said keep their engines.
    async fn load(&self) -> Result<(), Failure> {
        let before = self.apps();
        let mut tenants: BTreeMap<AppId, BTreeMap<TenantId, Map<String, Value>>> = BTreeMap::new();
        tenants
            .entry(AppId::PUBLIC)
            .or_default()
            .insert(TenantId::PUBLIC, Map::new());
        let mut made = BTreeMap::new();
        for record in self.storage().tenants().await? {
            if record.tenant == TenantId::PUBLIC {
                made.insert(record.app.clone(), record.created_at);
            }
            let kept = read(&record.config);
            let of = tenants.entry(record.app).or_default();
            of.insert(record.tenant, kept);
        }
        // An app that is being removed, or was left behind half removed, is none.
        tenants.retain(|_, tenants| tenants.contains_key(&TenantId::PUBLIC));
        let mut apps = Apps::new();
        for (app, tenants) in tenants {
            let own = tenants.get(&TenantId::PUBLIC);
            // The default app is never made.
            let made_at = made.get(&app).copied().filter(|_| app != AppId::PUBLIC);
            let made_at = made_at.unwrap_or(UnixMillis::MAX);
            let known = before.get(&app).filter(|known| known.made_at == made_at);
            let cdi = match known {
                Some(known) if known.tenants.get(&TenantId::PUBLIC) == own => {
                    Arc::clone(&known.cdi)
                }
                _ => match self.settings(own) {
                    Ok(config) => Arc::new(self.cdi(&app, &config)),
                    // Written by a server with other rules: the app is served as before, or not at all.
                    Err(why) => {
                        tracing::error!(%app, %why, "an app cannot be served");
                        let Some(known) = known else { continue };
                        Arc::clone(&known.cdi)
                    }
                },
            };
            apps.insert(
                app,
                Arc::new(Registered {
                    made_at,
                    cdi,
                    tenants,
                }),
            );
        }
        *self.apps.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(apps);
        Ok(())
    }

    fn settings(&self, kept: Option<&Map<String, Value>>) -> Result<ServerConfig, String> {
        match kept.and_then(|kept| kept.get("coreConfig")) {
            Some(Value::Object(own)) => self.config.with(own).map_err(|why| why.to_string()),
            None | Some(Value::Null) => Ok(self.config.clone()),
            Some(_) => Err("coreConfig must be an object".to_owned()),
        }
    }

    /// The app, if it and the tenant are there; in the store, if not here.
    pub(super) async fn find(
        &self,
        app: &AppId,
        tenant: &TenantId,
    ) -> Result<Option<Arc<Cdi>>, Failure> {
        if let Some(cdi) = self.known(app, tenant) {
            return Ok(Some(cdi));
        }
        let mut asked = self.asked.lock().await;
        let now = self.parts.clock.now();
        if now.since(*asked) >= LOOK_AGAIN {
            *asked = now;
            self.load().await?;
        }
        drop(asked);
        Ok(self.known(app, tenant))
    }

    fn known(&self, app: &AppId, tenant: &TenantId) -> Option<Arc<Cdi>> {
        let apps = self.apps();
        let app = apps.get(app)?;
        app.tenants
            .contains_key(tenant)
            .then(|| Arc::clone(&app.cdi))
    }

    /// Keeps what is said of an app's tenant, beside what was said before; answers whether it is new.
    pub(super) async fn put(
        &self,
        app: &AppId,
        tenant: &TenantId,
        said: &Map<String, Value>,
    ) -> Result<bool, Refusal> {
        /// Others may change the same one at the same time, and each time one of them is done.
        const ROUNDS: usize = 32;
        // Here one after the other, so that only other servers come in between.
        let asked = self.asked.lock().await;
        for _ in 0..ROUNDS {
            let all = self.storage().tenants().await.map_err(Failure::from)?;
            let find = |tenant: &TenantId| {
                let mut all = all.iter();
                all.find(|record| record.app == *app && record.tenant == *tenant)
            };
            let before = find(tenant).map(|record| &record.config);
            let of_app = find(&TenantId::PUBLIC).map(|record| read(&record.config));
            if *tenant == TenantId::PUBLIC {
                check_scopes(said, None)?;
            } else {
                check_scopes(said, Some(&of_app.unwrap_or_default()))?;
            }
            let kept = merged(before.map(read).unwrap_or_default(), said.clone());
            if let Err(why) = self.settings(Some(&kept)) {
                return Err(Refusal::bad_request(format!("Invalid core config: {why}")));
            }
            let record = TenantRecord {
                app: app.clone(),
                tenant: tenant.clone(),
                created_at: self.parts.clock.now(),
                config: JsonObject::from_serialize(&kept).map_err(|_| Refusal::BadJson)?,
            };
            let put = self.storage().put_tenant(&record, before).await;
            if put.map_err(Failure::from)? == Guarded::Written {
                self.load().await?;
                drop(asked);
                // The default app's default tenant is always there.
                let is_base = *app == AppId::PUBLIC && *tenant == TenantId::PUBLIC;
                return Ok(before.is_none() && !is_base);
            }
        }
        Err(Refusal::bad_request(
            "Too many change the same tenant at the same time",
        ))
    }

    pub(super) async fn remove_app(&self, app: &AppId) -> Result<bool, Refusal> {
        let was_there = self.storage().remove_app(app).await;
        self.after(was_there.map_err(Failure::from)?).await
    }

    pub(super) async fn remove_tenant(
        &self,
        app: &AppId,
        tenant: &TenantId,
    ) -> Result<bool, Refusal> {
        let was_there = self.storage().remove_tenant(app, tenant).await;
        self.after(was_there.map_err(Failure::from)?).await
    }

    async fn after(&self, was_there: bool) -> Result<bool, Refusal> {
        let asked = self.asked.lock().await;
        self.load().await?;
        drop(asked);
        Ok(was_there)
    }

    /// Looks for apps that other servers have made, and after the keys of all. Call it every few seconds.
    ///
    /// # Errors
    /// When the store or the keys fail.
    pub async fn tend(&self) -> Result<(), Failure> {
        let asked = self.asked.lock().await;
        self.load().await?;
        drop(asked);
        let mut done = Ok(());
        for app in self.apps().values() {
            done = done.and(app.cdi.engine.tend_keys().await);
        }
        done
    }
}

/// Refuses settings that would be kept and do nothing, where somebody may rely on them: those of the whole server, and for a
/// tenant those that its app has otherwise.
fn check_scopes(
    said: &Map<String, Value>,
    of_app: Option<&Map<String, Value>>,
) -> Result<(), Refusal> {
    let Some(Value::Object(settings)) = said.get("coreConfig") else {
        return Ok(());
    };
    let refused = |name: &str, why: &str| {
        Err(Refusal::bad_request(format!(
            "Invalid core config: setting `{name}` can be set {why}"
        )))
    };
    for (name, value) in settings.iter().filter(|(_, value)| !value.is_null()) {
        let in_app = of_app.map(|app| app.get("coreConfig").and_then(|own| own.get(name)));
        match Scope::of(name) {
            Scope::Server => return refused(name, "for the whole server only"),
            Scope::App if in_app.is_some_and(|in_app| in_app != Some(value)) => {
                return refused(name, "for the whole app only");
            }
            Scope::App | Scope::Nothing => {}
        }
    }
    Ok(())
}

/// What is kept of a tenant.
fn read(config: &JsonObject) -> Map<String, Value> {
    config.deserialize().unwrap_or_default()
}

/// What was kept, and what is said now, which wins. Settings are changed one by one; null takes one away.
fn merged(mut kept: Map<String, Value>, said: Map<String, Value>) -> Map<String, Value> {
    for (name, value) in said {
        let value = match value {
            Value::Object(said) if name == "coreConfig" => {
                let mut settings = match kept.remove(&name) {
                    Some(Value::Object(before)) => before,
                    _ => Map::new(),
                };
                settings.extend(said);
                settings.retain(|_, value| !value.is_null());
                Value::Object(settings)
            }
            other => other,
        };
        kept.insert(name, value);
    }
    kept
}

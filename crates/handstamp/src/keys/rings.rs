//! The key rings of all apps, as last read from the store: read without a lock, loaded by one caller at a time.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

use super::{KeyLife, KeyRing, Wanted};
use crate::clock::UnixMillis;
use crate::engine::{Failure, Parts};
use crate::id::AppId;
use crate::storage::{Guarded, KeyKind, StoredKey};
use crate::token::refresh::RefreshKey;

/// How long after a fruitless reload tokens that no key verifies are refused without another one.
const RELOAD_PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(crate) struct KeyRings {
    rings: ArcSwap<HashMap<AppId, Arc<KeyRing>>>,
    /// When a token that no key verifies last made somebody look; held while rings are read.
    loading: Mutex<HashMap<AppId, UnixMillis>>,
}

impl KeyRings {
    /// The app's ring, with a key of kind `need` that can sign at `now`; made and stored first if there is none. A refresh key
    /// is in every ring.
    pub(crate) async fn ring(
        &self,
        parts: &Parts,
        app: &AppId,
        life: KeyLife,
        need: KeyKind,
    ) -> Result<Arc<KeyRing>, Failure> {
        let now = parts.clock.now();
        let serves =
            |ring: &KeyRing| need == KeyKind::Refresh || ring.signer(need, now, life).is_some();
        match self.held(app) {
            Some(ring) if serves(&ring) => Ok(ring),
            // A ring to verify with but none to sign with: past its interval, nobody having asked for the last minute of it.
            _ => {
                let _loading = self.loading.lock().await;
                match self.held(app) {
                    Some(ring) if serves(&ring) => Ok(ring),
                    _ => self.load(parts, app, life, need).await,
                }
            }
        }
    }

    /// The ring as it is in the store now, if it may know more than `tried`: somebody may have loaded meanwhile, or the last
    /// fruitless look is long enough ago. A flood of made-up tokens must not become a flood of queries.
    pub(crate) async fn newer(
        &self,
        parts: &Parts,
        app: &AppId,
        life: KeyLife,
        tried: &Arc<KeyRing>,
    ) -> Result<Option<Arc<KeyRing>>, Failure> {
        let mut loading = self.loading.lock().await;
        if let Some(ring) = self.held(app).filter(|ring| !Arc::ptr_eq(ring, tried)) {
            return Ok(Some(ring));
        }
        let now = parts.clock.now();
        if loading
            .get(app)
            .is_some_and(|last| now.since(*last) < RELOAD_PAUSE && *last <= now)
        {
            return Ok(None);
        }
        let ring = self.load(parts, app, life, KeyKind::Refresh).await?;
        // Only such a look makes the next one wait: what the timer read a moment ago says nothing of a key made since.
        loading.insert(app.clone(), now);
        Ok(Some(ring))
    }

    /// Reads the rings in use again, so that keys that other servers made are published here too, and makes the next signing
    /// keys if their time has come. For a timer, so that no request has to wait for it. All are tended, whichever fail.
    pub(crate) async fn tend(&self, parts: &Parts, life: KeyLife) -> Result<(), Failure> {
        let held = self.rings.load_full();
        let mut done = Ok(());
        for app in held.keys() {
            let tended = self.tend_one(parts, app, life).await;
            if let Err(why) = &tended {
                tracing::warn!(%app, error = %why, "keys were not looked after");
            }
            done = done.and(tended);
        }
        done
    }

    async fn tend_one(&self, parts: &Parts, app: &AppId, life: KeyLife) -> Result<(), Failure> {
        let loading = self.loading.lock().await;
        let mut ring = self.load(parts, app, life, KeyKind::Refresh).await?;
        for kind in ring.kinds() {
            if ring.is_due(kind, parts.clock.now(), life) {
                ring = self.load(parts, app, life, kind).await?;
            }
        }
        drop(loading);
        if ring.has_dead {
            let dead = parts.clock.now().minus(life.lifetime());
            let retired = parts.storage.retire_keys(app, dead).await?;
            tracing::info!(%app, retired, "old signing keys forgotten");
        }
        Ok(())
    }

    /// The ring as last read, if it has been.
    pub(crate) fn held(&self, app: &AppId) -> Option<Arc<KeyRing>> {
        self.rings.load().get(app).cloned()
    }

    /// By one caller at a time, who holds the lock.
    async fn load(
        &self,
        parts: &Parts,
        app: &AppId,
        life: KeyLife,
        need: KeyKind,
    ) -> Result<Arc<KeyRing>, Failure> {
        let known = self.held(app);
        // Each round either reads a whole ring or makes one missing key, and there are two kinds; the rest is for servers
        // that make the same keys at the same time.
        for _ in 0..8 {
            let stored = parts.storage.keys(app).await?;
            let now = parts.clock.now();
            match KeyRing::read(app, &stored, known.as_deref(), now, life, need)? {
                Ok(ring) => {
                    let ring = Arc::new(ring);
                    let mut rings = HashMap::clone(&self.rings.load());
                    rings.insert(app.clone(), Arc::clone(&ring));
                    self.rings.store(Arc::new(rings));
                    return Ok(ring);
                }
                Err(wanted) => {
                    let key = make(parts, wanted, now).await?;
                    if parts.storage.add_key(app, &key).await? == Guarded::Written {
                        tracing::info!(%app, kind = key.kind.name(), generation = key.generation, "key made");
                    }
                }
            }
        }
        Err(Failure::contended("keys"))
    }
}

async fn make(parts: &Parts, wanted: Wanted, now: UnixMillis) -> Result<StoredKey, Failure> {
    let material = match wanted.kind {
        KeyKind::Refresh => {
            let mut secret = Zeroizing::new(vec![0; RefreshKey::LEN]);
            parts.entropy.fill(&mut secret)?;
            secret
        }
        KeyKind::Dynamic(algorithm) | KeyKind::Static(algorithm) => {
            let source = Arc::clone(&parts.keys);
            let made = tokio::task::spawn_blocking(move || source.make(algorithm)).await;
            made.map_err(|why| crate::jws::KeyError::new("generation failed", why))??
        }
    };
    Ok(StoredKey {
        kind: wanted.kind,
        generation: wanted.generation,
        created_at: now,
        material,
    })
}

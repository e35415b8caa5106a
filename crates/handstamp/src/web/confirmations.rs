//! The uses of access tokens that the store is to hear of: once for each token and process, while nobody waits.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::backend::{Backend, Confirmation};
use crate::token::Hash1;

/// As many tokens are remembered at least, and twice that at the most.
const REMEMBERED: usize = 16 * 1024;

/// Which tokens have been told of. Forgetting one costs a write that changes nothing.
#[derive(Debug, Default)]
pub(super) struct Confirmations(Mutex<Told>);

#[derive(Debug, Default)]
struct Told {
    newer: HashSet<Hash1>,
    older: HashSet<Hash1>,
}

impl Confirmations {
    /// Tells the store of the token's use, unless that has been done. One that fails is told again with the next use.
    pub(super) fn tell(self: &Arc<Self>, backend: &Backend, token: &str, what: Confirmation) {
        let token = Hash1::of(token);
        if !self.told().note(token) {
            return;
        }
        let (told, backend) = (Arc::clone(self), backend.clone());
        let task = async move {
            if let Err(why) = backend.confirm(&what).await {
                tracing::debug!(%why, "the use of a token was not told to the store yet");
                told.told().forget(&token);
            }
        };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(task);
        } else {
            self.told().forget(&token);
        }
    }

    fn told(&self) -> std::sync::MutexGuard<'_, Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Told {
    /// Answers whether the token is new.
    fn note(&mut self, token: Hash1) -> bool {
        if self.older.contains(&token) || !self.newer.insert(token) {
            return false;
        }
        if self.newer.len() >= REMEMBERED {
            self.older = std::mem::take(&mut self.newer);
        }
        true
    }

    fn forget(&mut self, token: &Hash1) {
        self.newer.remove(token);
        self.older.remove(token);
    }
}

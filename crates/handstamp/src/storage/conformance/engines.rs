//! Several engines on one store, as servers are that know nothing of each other.

use std::sync::Arc;

use super::{at, at_once};
use crate::clock::{Clock, UnixMillis};
use crate::config::Config;
use crate::engine::{Create, Engine, Parts, Refresh, Refreshed};
use crate::id::{AppId, UserId};
use crate::jws::Algorithm;
use crate::storage::Storage;

/// However long the store takes, it is the same moment.
#[derive(Debug)]
struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> UnixMillis {
        at(1_700_000_000_000)
    }
}

fn engines(storage: &Arc<dyn Storage>) -> [Engine; 3] {
    [(); 3].map(|()| {
        let config = Config::builder().signing_algorithm(Algorithm::Es256);
        let parts = Parts {
            clock: Arc::new(Stopped),
            ..Parts::with_shared_storage(Arc::clone(storage))
        };
        Engine::new(parts, config.build().expect("a configuration"))
    })
}

fn create() -> Create {
    Create::new(UserId::parse("user").expect("a user id"))
}

/// What many make of one token at once: each the text of the one they got, if they got one.
async fn refreshed(engines: &[Engine; 3], token: &str) -> Vec<Option<String>> {
    at_once(64, |n| {
        let [one, two, three] = engines;
        let engine = match n % 3 {
            0 => one,
            1 => two,
            _ => three,
        };
        let (engine, token) = (engine.clone(), token.to_owned());
        async move {
            let refreshed = engine.refresh(&Refresh::new(&token)).await;
            match refreshed.expect("refresh") {
                Refreshed::Renewed(issued) => Some(issued.refresh.text().expose().to_owned()),
                _ => None,
            }
        }
    })
    .await
}

/// All who present one token get the same one, and again when they present that.
pub async fn make_one_lineage(storage: Arc<dyn Storage>) {
    let engines = engines(&storage);
    let made = engines[0].create(create()).await.expect("a session");
    let handle = made.session.handle.clone();
    let mut token = made.refresh.text().expose().to_owned();
    for round in 0..4 {
        let mut children = refreshed(&engines, &token).await;
        children.sort();
        children.dedup();
        assert_eq!(children.len(), 1, "lineages in round {round}");
        token = children.pop().flatten().expect("a token");
    }
    let session = storage.session(&AppId::PUBLIC, &handle).await;
    let session = session.expect("session").expect("the session");
    // A child, and three times a confirmation with a child.
    assert_eq!(session.rotation.counter, 7);
}

/// However many refresh it at that moment.
pub async fn bring_no_revoked_session_back(storage: Arc<dyn Storage>) {
    let engines = engines(&storage);
    for _ in 0..4 {
        let made = engines[0].create(create()).await.expect("a session");
        let handle = made.session.handle.clone();
        let token = made.refresh.text().expose();
        let revoked = async {
            let revoked = engines[1].revoke(&AppId::PUBLIC, std::slice::from_ref(&handle));
            revoked.await.expect("revoke")
        };
        let (_, revoked) = tokio::join!(refreshed(&engines, token), revoked);
        assert_eq!(revoked, std::slice::from_ref(&handle));
        let left = storage.session(&AppId::PUBLIC, &handle).await;
        assert_eq!(left.expect("session"), None);
        assert!(refreshed(&engines, token).await.iter().all(Option::is_none));
    }
}

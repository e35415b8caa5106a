//! Several engines, each with a store of its own, as servers are that know of each other by the database alone.

use std::sync::Arc;

use handstamp::engine::{Create, Refresh, Refreshed};
use handstamp::storage::Storage as _;
use handstamp::{Config, Engine, Parts, UserId};

use crate::fixture::{APP, Store, Town};

async fn engines(town: &Town) -> (Vec<Engine>, Vec<Arc<Store>>) {
    let (mut engines, mut stores) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let (store, config) = (town.open().await, Config::builder().build().unwrap());
        stores.push(Arc::clone(&store));
        engines.push(Engine::new(Parts::with_shared_storage(store), config));
    }
    (engines, stores)
}

fn create() -> Create {
    Create::new(UserId::parse("user").unwrap())
}

/// What 64 make of one token at once: each the text of the one they got, if they got one.
async fn refreshed(engines: &[Engine], token: &str) -> Vec<Option<String>> {
    let tasks: Vec<_> = (0..64)
        .map(|n: usize| {
            let (engine, token) = (engines[n % 3].clone(), token.to_owned());
            tokio::spawn(async move {
                match engine.refresh(&Refresh::new(&token)).await.unwrap() {
                    Refreshed::Renewed(issued) => Some(issued.refresh.text().expose().to_owned()),
                    _ => None,
                }
            })
        })
        .collect();
    let mut children = Vec::new();
    for task in tasks {
        children.push(task.await.unwrap());
    }
    children
}

/// All who present one token get the same one, and again when they present that.
pub(crate) async fn many_engines_make_one_lineage(town: Town) {
    let (engines, _) = engines(&town).await;
    let made = engines[0].create(create()).await.unwrap();
    let mut token = made.refresh.text().expose().to_owned();
    for round in 0..4 {
        let mut children = refreshed(&engines, &token).await;
        children.sort();
        children.dedup();
        assert_eq!(children.len(), 1, "lineages in round {round}");
        token = children.pop().flatten().unwrap();
    }
    let mut client = town.client().await;
    let counter = "SELECT counter FROM handstamp_sessions";
    // A child, and three times a confirmation with a child.
    assert_eq!(client.number(counter).await, 7);
}

/// However many refresh it at that moment, at whichever.
pub(crate) async fn many_engines_bring_no_revoked_session_back(town: Town) {
    let (engines, stores) = engines(&town).await;
    for turn in 0..6 {
        let made = engines[0].create(create()).await.unwrap();
        let handle = made.session.handle.clone();
        let token = made.refresh.text().expose();
        let revoked = async {
            let revoked = engines[turn % 3].revoke(&APP, std::slice::from_ref(&handle));
            revoked.await.unwrap()
        };
        let (_, revoked) = tokio::join!(refreshed(&engines, token), revoked);
        assert_eq!(revoked, std::slice::from_ref(&handle));
        for store in &stores {
            assert_eq!(store.session(&APP, &handle).await.unwrap(), None);
        }
        let again = refreshed(&engines, token).await;
        assert!(again.iter().all(Option::is_none));
    }
}

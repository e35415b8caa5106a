//! A database that goes, comes back, or has no connection to spare: the same whichever kind it is.

use std::sync::Arc;
use std::time::Duration;

use handstamp::engine::{Create, Refresh, Refreshed};
use handstamp::storage::{Guarded, Storage as _, StorageFault};
use handstamp::{Config, Engine, JsonObject, Parts, UserId};
use sqlx::Row as _;
use testbed::proxy::{Proxy, Way};

use crate::fixture::{APP, Town, at, begin, handle, keep, rotate, session, until, with_child};

/// The write happens, its answer is lost, and the client presents the same token again.
pub(crate) async fn a_cut_connection_leaves_the_outcome_open_and_a_retry_gets_the_same_child(
    town: Town,
) {
    let proxy = Proxy::to_url(&town.server).unwrap();
    let storage = town
        .open_at(&proxy.url(&town.server), &town.options())
        .await;
    let config = Config::builder().build().unwrap();
    let engine = Engine::new(Parts::with_shared_storage(storage), config);
    let made = engine.create(Create::new(UserId::parse("user").unwrap()));
    let token = made.await.unwrap().refresh;

    let mut client = town.client().await;
    client
        .run("BEGIN; SELECT handle FROM handstamp_sessions FOR UPDATE")
        .await;
    let refresh = {
        let (engine, token) = (engine.clone(), token.clone());
        tokio::spawn(async move { engine.refresh(&Refresh::new(token.text().expose())).await })
    };
    client.sees_waiting(&town, 1).await;
    proxy.set(Way::Cut);
    client.run("COMMIT").await;
    let failure = refresh.await.unwrap().unwrap_err();
    assert!(
        failure.is_outcome_unknown() && failure.is_transient(),
        "{failure}"
    );

    proxy.set(Way::Open);
    let written = "SELECT child_hash FROM handstamp_sessions WHERE counter = 1";
    let written = client.rows(written).await;
    let child: Vec<u8> = written[0].get(0);
    let again = engine
        .refresh(&Refresh::new(token.text().expose()))
        .await
        .unwrap();
    let Refreshed::Renewed(issued) = again else {
        panic!("{again:?}")
    };
    assert_eq!(issued.refresh.hash().hash2().as_bytes().as_slice(), child);
    let counter = client
        .number("SELECT counter FROM handstamp_sessions")
        .await;
    assert_eq!(counter, 1);
}

pub(crate) async fn a_read_is_tried_again(town: Town) {
    let mut proxy = Proxy::to_url(&town.server).unwrap();
    let storage = town
        .open_at(&proxy.url(&town.server), &town.options())
        .await;
    keep(&storage, 0..1).await;
    proxy.go_away();
    proxy.come_back().unwrap();
    let read = storage.session(&APP, &handle(0)).await.unwrap();
    assert_eq!(read, Some(session(0)));
}

pub(crate) async fn a_database_that_was_away_is_found_again(town: Town) {
    let mut proxy = Proxy::to_url(&town.server).unwrap();
    let mut options = town.options();
    (options.lanes, options.acquire_timeout) = (1, Duration::from_secs(1));
    let storage = town.open_at(&proxy.url(&town.server), &options).await;
    keep(&storage, 0..1).await;
    proxy.go_away();
    for _ in 0..2 {
        let error = storage.session(&APP, &handle(0)).await.unwrap_err();
        assert_eq!(error.fault(), StorageFault::Unavailable, "{error}");
        assert!(error.is_transient() && !error.is_outcome_unknown());
        let (one, empty) = (session(1), JsonObject::empty());
        let error = storage.insert(&APP, &one, &empty).await.unwrap_err();
        assert_eq!(error.fault(), StorageFault::Unavailable, "{error}");
    }
    proxy.come_back().unwrap();
    until(async || storage.session(&APP, &handle(0)).await.is_ok()).await;
    keep(&storage, 1..9).await;
}

/// As when it is restarted, or somebody ends them. Whoever meets the first dead connection has the others tested before they are
/// used.
pub(crate) async fn connections_that_the_server_ends_are_replaced(town: Town) {
    let storage = town.open().await;
    keep(&storage, 0..1).await;
    let mut client = town.client().await;
    client.hold_back_readers().await;
    let reads = [(); 4].map(|()| {
        let (storage, user) = (Arc::clone(&storage), session(0).user_id);
        tokio::spawn(async move { storage.handles_of_user(&APP, None, &user, at(0)).await })
    });
    client.sees_readers(&town, 4).await;
    client.let_readers_go().await;
    for read in reads {
        assert_eq!(read.await.unwrap().unwrap(), [handle(0)]);
    }
    client.ends_connections(&town).await;

    let (one, empty) = (session(1), JsonObject::empty());
    let error = storage.insert(&APP, &one, &empty).await.unwrap_err();
    assert_eq!(error.fault(), StorageFault::Unavailable, "{error}");
    assert!(error.is_outcome_unknown(), "{error}");
    // Three more are dead.
    for id in 2..6 {
        keep(&storage, id..=id).await;
    }
}

pub(crate) async fn all_connections_in_use_are_reported(town: Town) {
    let mut options = town.options();
    options.max_connections = 1;
    options.acquire_timeout = Duration::from_secs(1);
    let storage = town.open_with(&options).await;
    keep(&storage, 0..1).await;
    let mut client = town.client().await;
    client
        .run("BEGIN; SELECT handle FROM handstamp_sessions FOR UPDATE")
        .await;
    let (one, next) = (handle(0), with_child(&session(0), 2));
    let mut write = rotate(&storage, &APP, &one, 0, &next, at(20_000));
    begin(&mut write);
    client.sees_waiting(&town, 1).await;
    let error = storage.keys(&APP).await.unwrap_err();
    assert_eq!(error.fault(), StorageFault::Busy, "{error}");
    assert!(
        error.is_transient() && error.to_string().contains("in use"),
        "{error}"
    );
    client.run("ROLLBACK").await;
    assert_eq!(write.await.unwrap(), Guarded::Written);
    storage.keys(&APP).await.unwrap();
}

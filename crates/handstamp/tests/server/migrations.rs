//! The schema: made by one of many, refused where it is not ours.

use std::time::Duration;

use handstamp::storage::{Guarded, KeyKind, Storage as _, StorageError, StorageFault, StoredKey};
use testbed::proxy::{Proxy, Way, host_and_port};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::fixture::{APP, Store, Town, at};
use crate::schema::SCHEMAS;

pub(crate) fn refused(opened: Result<Store, StorageError>) -> StorageError {
    opened.unwrap_err()
}

pub(crate) async fn a_newer_schema_is_refused(town: Town) {
    town.open().await.close().await;
    let mut client = town.client().await;
    client.run("INSERT INTO handstamp_schema VALUES (99)").await;
    for auto_migrate in [false, true] {
        let mut options = town.options();
        options.auto_migrate = auto_migrate;
        let error = refused(Store::connect(&town.server, &options).await);
        assert_eq!(error.fault(), StorageFault::Unsuitable);
        let told = error.to_string();
        assert!(told.contains("a newer version of handstamp"), "{told}");
    }
    let migrated = Store::migrate(&town.server, &town.options()).await;
    assert!(migrated.is_err());
}

pub(crate) async fn a_missing_schema_is_made_only_when_asked(town: Town) {
    let mut options = town.options();
    options.auto_migrate = false;
    let error = refused(Store::connect(&town.server, &options).await);
    assert!(
        error.to_string().contains("run `handstamp migrate`"),
        "{error}"
    );
    let made = town.client().await.number(&town.what_was_made()).await;
    assert_eq!(made, 0);

    for _ in 0..2 {
        let migrated = Store::migrate(&town.server, &options).await;
        migrated.unwrap();
    }
    town.open_with(&options).await.ping().await.unwrap();
}

pub(crate) async fn many_may_make_the_schema_at_once(town: Town) {
    let mut client = town.client().await;
    for round in 0..4 {
        let other = town.another(&mut client, round).await;
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let (server, options) = (other.server.clone(), other.options());
                tokio::spawn(async move { Store::connect(&server, &options).await })
            })
            .collect();
        let mut written = 0;
        for (seed, task) in (0..).zip(tasks) {
            let storage = task.await.unwrap().unwrap();
            let added = storage.add_key(&APP, &key(seed)).await.unwrap();
            written += usize::from(added == Guarded::Written);
            storage.close().await;
        }
        assert_eq!(written, 1);
        let sql = "SELECT count(*) FROM handstamp_schema";
        assert_eq!(other.client().await.number(sql).await, SCHEMAS);
        other.remove(&mut client).await;
    }
}

/// Both before anything was said, and in the middle.
pub(crate) async fn a_server_that_does_not_answer_is_given_up(town: Town) {
    let mut options = town.options();
    options.acquire_timeout = Duration::from_millis(500);
    let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let to_mute = town.server.replace(
        host_and_port(&town.server),
        &mute.local_addr().unwrap().to_string(),
    );
    let proxy = Proxy::to_url(&town.server).unwrap();
    proxy.set(Way::HeldAt("handstamp_schema"));
    for url in [to_mute, proxy.url(&town.server)] {
        let opened = timeout(Duration::from_mins(1), Store::connect(&url, &options));
        let error = refused(opened.await.unwrap());
        assert_eq!(error.fault(), StorageFault::Unavailable, "{error}");
        assert!(error.to_string().contains("does not answer"), "{error}");
    }
    proxy.set(Way::Open);
    Store::connect(&proxy.url(&town.server), &options)
        .await
        .unwrap();
}

pub(crate) fn key(seed: u8) -> StoredKey {
    StoredKey {
        kind: KeyKind::Refresh,
        generation: 1,
        created_at: at(i64::from(seed)),
        material: vec![seed; 32].into(),
    }
}

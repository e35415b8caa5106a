//! The schema: made by one of many, refused where it is not ours, read as each earlier version wrote it.

use std::time::Duration;

use handstamp::storage::mysql::MySqlStorage;
use handstamp::storage::{Guarded, KeyKind, Storage as _, StorageError, StorageFault, StoredKey};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::earlier;
use crate::fixture::{APP, Town, at, in_database};
use crate::proxy::{Proxy, host_and_port};

fn refused(opened: Result<MySqlStorage, StorageError>) -> StorageError {
    opened.unwrap_err()
}

pub(crate) async fn a_newer_schema_is_refused(town: Town) {
    town.open().await.close().await;
    let mut client = town.client().await;
    client.run("INSERT INTO handstamp_schema VALUES (99)").await;
    for auto_migrate in [false, true] {
        let mut options = town.options();
        options.auto_migrate = auto_migrate;
        let error = refused(MySqlStorage::connect(&town.server, &options).await);
        assert_eq!(error.fault(), StorageFault::Unsuitable);
        let told = error.to_string();
        assert!(told.contains("a newer version of handstamp"), "{told}");
    }
    let migrated = MySqlStorage::migrate(&town.server, &town.options()).await;
    assert!(migrated.is_err());
}

pub(crate) async fn a_missing_schema_is_made_only_when_asked(town: Town) {
    let mut options = town.options();
    options.auto_migrate = false;
    let error = refused(MySqlStorage::connect(&town.server, &options).await);
    assert!(
        error.to_string().contains("run `handstamp migrate`"),
        "{error}"
    );
    let sql = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE()";
    assert_eq!(town.client().await.number(sql).await, 0);

    for _ in 0..2 {
        let migrated = MySqlStorage::migrate(&town.server, &options).await;
        migrated.unwrap();
    }
    town.open_with(&options).await.ping().await.unwrap();
}

pub(crate) async fn many_may_make_the_schema_at_once(town: Town) {
    let mut client = town.client().await;
    for round in 0..4 {
        let name = format!("{}_{round}", town.name);
        client.run(&format!("CREATE DATABASE {name}")).await;
        let url = in_database(&town.server, &name);
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let (url, options) = (url.clone(), town.options());
                tokio::spawn(async move { MySqlStorage::connect(&url, &options).await })
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
        let sql = format!("SELECT COUNT(*) FROM {name}.handstamp_schema");
        assert_eq!(client.number(&sql).await, 1);
        client.run(&format!("DROP DATABASE {name}")).await;
    }
}

/// MySQL keeps what a migration made before it was interrupted.
pub(crate) async fn a_migration_that_was_interrupted_is_done_again(town: Town) {
    town.open().await.close().await;
    let mut client = town.client().await;
    client
        .run("DELETE FROM handstamp_schema; DROP TABLE handstamp_tenants, handstamp_keys")
        .await;
    let storage = town.open().await;
    let added = storage.add_key(&APP, &key(1)).await.unwrap();
    assert_eq!(added, Guarded::Written);
    assert_eq!(storage.tenants().await.unwrap(), []);
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
    let proxy = Proxy::to(&town.server).await;
    proxy.fall_silent();
    for url in [to_mute, proxy.url(&town.server)] {
        let opened = timeout(
            Duration::from_mins(1),
            MySqlStorage::connect(&url, &options),
        );
        let error = refused(opened.await.unwrap());
        assert_eq!(error.fault(), StorageFault::Unavailable, "{error}");
        assert!(error.to_string().contains("does not answer"), "{error}");
    }
    proxy.let_through();
    MySqlStorage::connect(&proxy.url(&town.server), &options)
        .await
        .unwrap();
}

/// The lock is known to one node of a cluster only.
pub(crate) async fn a_migration_that_another_node_has_noted_is_done(town: Town) {
    let mut client = town.client().await;
    client
        .run("CREATE TABLE handstamp_schema (version bigint PRIMARY KEY); BEGIN; INSERT INTO handstamp_schema VALUES (1)")
        .await;
    let opened = tokio::spawn({
        let town = town.again();
        async move { town.open().await }
    });
    client.sees_waiting(&town, 1).await;
    client.run("COMMIT").await;
    let storage = opened.await.unwrap();
    assert_eq!(storage.tenants().await.unwrap(), []);
    let noted = "SELECT COUNT(*) FROM handstamp_schema";
    assert_eq!(client.number(noted).await, 1);
}

fn key(seed: u8) -> StoredKey {
    StoredKey {
        kind: KeyKind::Refresh,
        generation: 1,
        created_at: at(i64::from(seed)),
        material: vec![seed; 32].into(),
    }
}

pub(crate) async fn an_address_is_told_without_its_password(town: Town) {
    let urls = [
        "mysql://canary-user:canary-password@127.0.0.1:1/db",
        "mysql://canary-user:canary-password@127.0.0.1:1/db?ssl-mode=canary-mode",
        "mysql://canary-user:canary-password@127.0.0.1:port/db",
        "mysql://canary-user:canary-password@127.0.0.1",
    ];
    for url in urls {
        let error = refused(MySqlStorage::connect(url, &town.options()).await);
        let told = format!("{error} {error:?}");
        assert!(!told.contains("canary-password"), "{told}");
    }
    let storage = town.open().await;
    let shown = format!("{storage:?}");
    assert!(
        shown.contains("MySqlStorage") && !shown.contains('@'),
        "{shown}"
    );
}

pub(crate) async fn a_database_that_is_not_there_is_said_plainly(town: Town) {
    let url = "mysql://root@127.0.0.1:1/db";
    let error = refused(MySqlStorage::connect(url, &town.options()).await);
    assert_eq!(error.fault(), StorageFault::Unavailable);
    let told = error.to_string();
    assert!(
        told.contains("127.0.0.1:1/db") && told.contains("refused"),
        "{told}"
    );

    let url = in_database(&town.server, "handstamp_is_not_here");
    let error = refused(MySqlStorage::connect(&url, &town.options()).await);
    let told = error.to_string();
    assert!(told.contains("Unknown database"), "{told}");

    let (_, place) = town.server.rsplit_once('@').unwrap();
    let url = format!("mysql://nobody:canary@{place}");
    let error = refused(MySqlStorage::connect(&url, &town.options()).await);
    let told = error.to_string();
    assert!(
        told.contains("Access denied") && !told.contains("canary"),
        "{told}"
    );
}

/// A database as schema 1 had it, with something in every column.
pub(crate) async fn what_schema_1_wrote_is_read(town: Town) {
    let mut client = town.client().await;
    client.run(include_str!("schema/0001.sql")).await;
    let storage = town.open().await;
    earlier::is_read(&*storage).await;
}

//! The database as an address names it, and as earlier schemas and migrations that were interrupted left it.

use handstamp::storage::mysql::MySqlStorage;
use handstamp::storage::{Guarded, Storage as _, StorageFault};

use crate::earlier;
use crate::fixture::{APP, Town, in_database};
use crate::migrations::{key, refused};

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

/// How many schemas there have been.
pub(crate) const SCHEMAS: i64 = 1;

//! The database as an address names it, and as earlier schemas left it.

use handstamp::storage::postgres::PostgresStorage;
use handstamp::storage::{Storage as _, StorageFault};

use crate::earlier;
use crate::fixture::Town;
use crate::migrations::refused;

/// Who comes second waits for the first, and has nothing left to do.
pub(crate) async fn a_migration_that_another_has_begun_is_left_to_it(town: Town) {
    let mut client = town.client().await;
    let begun = format!(
        "CREATE SCHEMA {};
         CREATE TABLE handstamp_schema (version bigint PRIMARY KEY)",
        town.schema
    );
    client.run(&begun).await;
    client
        .run("BEGIN; INSERT INTO handstamp_schema VALUES (1), (2)")
        .await;
    let opened = tokio::spawn({
        let town = town.again();
        async move { town.open().await }
    });
    client.sees_waiting(&town, 1).await;
    client.run("COMMIT").await;
    opened.await.unwrap();
    let made = "SELECT count(*) FROM pg_tables
                WHERE schemaname = current_schema() AND tablename <> 'handstamp_schema'";
    assert_eq!(client.number(made).await, 0);

    // Unless the first has given up.
    client.run("DELETE FROM handstamp_schema").await;
    client
        .run("BEGIN; INSERT INTO handstamp_schema VALUES (1), (2)")
        .await;
    let opened = tokio::spawn({
        let town = town.again();
        async move { town.open().await }
    });
    client.sees_waiting(&town, 1).await;
    client.run("ROLLBACK").await;
    let storage = opened.await.unwrap();
    assert_eq!(storage.tenants().await.unwrap(), []);
}

pub(crate) async fn an_address_is_told_without_its_password(town: Town) {
    let urls = [
        "postgres://canary-user:canary-password@127.0.0.1:1/db",
        "postgres://canary-user:canary-password@127.0.0.1:1/db?sslmode=canary-mode",
        "postgres://canary-user:canary-password@127.0.0.1:port/db",
    ];
    for url in urls {
        let error = refused(PostgresStorage::connect(url, &town.options()).await);
        let told = format!("{error} {error:?}");
        assert!(!told.contains("canary-password"), "{told}");
    }
    let storage = town.open().await;
    let shown = format!("{storage:?}");
    assert!(
        shown.contains("PostgresStorage") && !shown.contains('@'),
        "{shown}"
    );
}

pub(crate) async fn a_database_that_is_not_there_is_said_plainly(town: Town) {
    let url = "postgres://postgres@127.0.0.1:1/db";
    let error = refused(PostgresStorage::connect(url, &town.options()).await);
    assert_eq!(error.fault(), StorageFault::Unavailable);
    let told = error.to_string();
    assert!(
        told.contains("127.0.0.1:1/db") && told.contains("refused"),
        "{told}"
    );

    let mut options = town.options();
    options.schema = Some("Not Plain".to_owned());
    let error = refused(PostgresStorage::connect(&town.server, &options).await);
    assert!(
        error.to_string().contains("a schema's name must be"),
        "{error}"
    );
}

/// A database as each earlier schema had it, with something in every column.
pub(crate) async fn what_earlier_schemas_wrote_is_read(town: Town) {
    for (number, text) in [
        (1, include_str!("schema/0001.sql")),
        (2, include_str!("schema/0002.sql")),
    ] {
        let mut client = town.client().await;
        client.run(&format!("CREATE SCHEMA {}", town.schema)).await;
        client.run(text).await;
        let storage = town.open().await;
        earlier::is_read(&*storage).await;
        storage.close().await;
        let versions = client.number("SELECT count(*) FROM handstamp_schema").await;
        assert_eq!(versions, SCHEMAS, "from schema {number}");
        client
            .run(&format!("DROP SCHEMA {} CASCADE", town.schema))
            .await;
    }
}

/// How many there have been.
pub(crate) const SCHEMAS: i64 = 2;

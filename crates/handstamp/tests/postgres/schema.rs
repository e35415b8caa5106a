//! The schema: made by one of many, refused where it is not ours.

use handstamp::storage::postgres::PostgresStorage;
use handstamp::storage::{Guarded, KeyKind, Storage as _, StorageError, StorageFault, StoredKey};

use crate::earlier;
use crate::fixture::{APP, Town, at};

fn refused(opened: Result<PostgresStorage, StorageError>) -> StorageError {
    opened.unwrap_err()
}

pub(crate) async fn a_newer_schema_is_refused(town: Town) {
    town.open().await.close().await;
    let mut client = town.client().await;
    client.run("INSERT INTO handstamp_schema VALUES (99)").await;
    for auto_migrate in [false, true] {
        let mut options = town.options();
        options.auto_migrate = auto_migrate;
        let error = refused(PostgresStorage::connect(&town.server, &options).await);
        assert_eq!(error.fault(), StorageFault::Unsuitable);
        let told = error.to_string();
        assert!(told.contains("a newer version of handstamp"), "{told}");
    }
    let migrated = PostgresStorage::migrate(&town.server, &town.options()).await;
    assert!(migrated.is_err());
}

pub(crate) async fn a_missing_schema_is_made_only_when_asked(town: Town) {
    let mut options = town.options();
    options.auto_migrate = false;
    let error = refused(PostgresStorage::connect(&town.server, &options).await);
    assert!(
        error.to_string().contains("run `handstamp migrate`"),
        "{error}"
    );
    let sql = format!(
        "SELECT count(*) FROM pg_namespace WHERE nspname = '{}'",
        town.schema
    );
    assert_eq!(town.client().await.number(&sql).await, 0);

    for _ in 0..2 {
        let migrated = PostgresStorage::migrate(&town.server, &options).await;
        migrated.unwrap();
    }
    town.open_with(&options).await.ping().await.unwrap();
}

pub(crate) async fn many_may_make_the_schema_at_once(town: Town) {
    for round in 0..4 {
        let schema = format!("{}_{round}", town.schema);
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let (server, mut options) = (town.server.clone(), town.options());
                options.schema = Some(schema.clone());
                tokio::spawn(async move { PostgresStorage::connect(&server, &options).await })
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
        let mut client = town.client().await;
        let sql = format!("SELECT count(*) FROM {schema}.handstamp_schema");
        assert_eq!(client.number(&sql).await, SCHEMAS);
        client.run(&format!("DROP SCHEMA {schema} CASCADE")).await;
    }
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
const SCHEMAS: i64 = 2;

//! A database that goes, comes back, is full, held up or not to be written to.

use std::sync::Arc;
use std::time::Duration;

use handstamp::JsonObject;
use handstamp::storage::postgres::PostgresStorage;
use handstamp::storage::{Confirm, Storage as _, StorageError, StorageFault};
use handstamp::token::Hash2;
use testbed::proxy::host_and_port;

use crate::fixture::{APP, Town, at, handle, keep, rotate, session, with_child};

pub(crate) async fn a_database_to_be_read_only_is_said_to_be(town: Town) {
    let storage = town.open().await;
    keep(&storage, 0..1).await;
    let mark = if town.server.contains('?') { "&" } else { "?" };
    let url = [
        &town.server,
        mark,
        "options=-c%20default_transaction_read_only%3Don",
    ]
    .concat();
    let storage = town.open_at(&url, &town.options()).await;
    let (one, empty) = (session(1), JsonObject::empty());
    let error = storage.insert(&APP, &one, &empty).await.unwrap_err();
    assert_eq!(error.fault(), StorageFault::ReadOnly, "{error}");
    assert!(!error.is_transient() && !error.is_outcome_unknown());
    let read = storage.session(&APP, &handle(0)).await.unwrap();
    assert_eq!(read, Some(session(0)));
}

/// As where an address has moved on to another server, and connections to the one before are still there.
pub(crate) async fn a_connection_that_takes_no_writes_is_not_used_again(town: Town) {
    town.open().await;
    let mut client = town.client().await;
    let role = &town.schema;
    let make = format!(
        "CREATE ROLE {role} SUPERUSER LOGIN PASSWORD 'canary';
         ALTER ROLE {role} SET default_transaction_read_only = on"
    );
    client.run(&make).await;
    let (_, place) = town.server.rsplit_once('@').unwrap();
    let url = format!("postgres://{role}:canary@{place}");
    let storage = town.open_at(&url, &town.options()).await;
    let (one, empty) = (session(0), JsonObject::empty());
    let error = storage.insert(&APP, &one, &empty).await.unwrap_err();
    assert_eq!(error.fault(), StorageFault::ReadOnly, "{error}");
    // For connections that are made from now on.
    let reset = format!("ALTER ROLE {role} RESET default_transaction_read_only");
    client.run(&reset).await;
    keep(&storage, 1..2).await;
    storage.close().await;
    client.run(&format!("DROP ROLE {role}")).await;
}

/// The first is not there.
pub(crate) async fn of_several_hosts_one_that_is_there_is_used(town: Town) {
    let url = town.server.replacen('@', "@127.0.0.1:1,", 1);
    let storage = town.open_at(&url, &town.options()).await;
    keep(&storage, 0..1).await;

    let url = town.server.replacen('@', "@127.0.0.1:1,127.0.0.1:2,", 1);
    let url = url.replace(host_and_port(&town.server), "127.0.0.1:3");
    let error = PostgresStorage::connect(&url, &town.options()).await;
    let error = error.unwrap_err();
    assert_eq!(error.fault(), StorageFault::Unavailable, "{error}");
    let told = error.to_string();
    for host in 1..=3 {
        assert!(told.contains(&format!("127.0.0.1:{host}/")), "{told}");
    }
}

pub(crate) async fn a_server_that_takes_no_writes_is_not_connected_to(town: Town) {
    let mark = if town.server.contains('?') { "&" } else { "?" };
    let read_only = "options=-c%20default_transaction_read_only%3Don";
    let url = [&town.server, mark, read_only].concat();
    for (wanted, fits) in [("read-write", false), ("primary", true), ("any", true)] {
        let url = format!("{url}&target_session_attrs={wanted}");
        town.open().await;
        let mut options = town.options();
        options.auto_migrate = false;
        match PostgresStorage::connect(&url, &options).await {
            Ok(_) => assert!(fits, "{wanted}"),
            Err(error) => {
                assert!(!fits, "{wanted}: {error}");
                assert_eq!(error.fault(), StorageFault::ReadOnly, "{error}");
                assert!(error.to_string().contains("takes no writes"), "{error}");
            }
        }
    }
}

pub(crate) async fn a_lock_held_for_too_long_is_reported(town: Town) {
    let mut options = town.options();
    options.statement_timeout = Some(Duration::from_secs(1));
    let storage = town.open_with(&options).await;
    let mut client = town.client().await;
    client
        .run("BEGIN; LOCK TABLE handstamp_sessions IN SHARE MODE")
        .await;
    let (one, empty) = (session(1), JsonObject::empty());
    let error = storage.insert(&APP, &one, &empty).await.unwrap_err();
    assert_eq!(error.fault(), StorageFault::Busy, "{error}");
    assert!(error.is_transient() && !error.is_outcome_unknown());
    let read = storage.session(&APP, &one.handle).await.unwrap();
    assert_eq!(read, None, "reading waits for nobody");
    client.run("ROLLBACK").await;
    keep(&storage, 1..2).await;
}

/// Each of these is something that only another program can have written.
pub(crate) async fn a_row_that_contradicts_itself_is_reported_by_place(town: Town) {
    let cases = [
        ("child_hash = current_hash", "child_hash"),
        ("previous_superseded_at = 5", "previous_hash"),
        ("current_hash = '\\xcafe'", "current_hash"),
        ("current_nonce = '\\xcafe'", "current_nonce"),
        ("counter = -77", "counter"),
        ("user_id = repeat('c', 129)", "user_id"),
        ("data_version = -77", "data_version"),
        ("tenant = 'CANARY'", "tenant"),
    ];
    let storage = town.open().await;
    let mut client = town.client().await;
    client
        .run(
            "DO $$ DECLARE name text; BEGIN
                 FOR name IN SELECT conname FROM pg_constraint
                     WHERE conrelid = 'handstamp_sessions'::regclass AND contype = 'c'
                 LOOP EXECUTE format('ALTER TABLE handstamp_sessions DROP CONSTRAINT %I', name);
                 END LOOP;
             END $$",
        )
        .await;
    for (id, (change, column)) in (0..).zip(cases) {
        keep(&storage, id..=id).await;
        let one = session(id);
        let sql =
            format!("UPDATE handstamp_sessions SET {change} WHERE user_id = 'canary-user-{id}'");
        client.run(&sql).await;
        let step = Confirm {
            child: Hash2::from_bytes([2; 32]),
            parent: Hash2::from_bytes([1; 32]),
            now: at(2_000),
            expires_at: at(20_000),
        };
        let all = [
            storage.session(&APP, &one.handle).await.map(drop),
            storage.session_data(&APP, &one.handle).await.map(drop),
            storage
                .handles_of_user(&APP, None, &one.user_id, at(0))
                .await
                .map(drop),
        ];
        let errors: Vec<_> = all.into_iter().filter_map(Result::err).collect();
        assert!(!errors.is_empty(), "{change}");
        assert!(errors.iter().all(|error| !error.is_outcome_unknown()));
        let written = [
            storage.confirm(&APP, &one.handle, step).await.map(drop),
            storage
                .write_session_data(&APP, &one.handle, &JsonObject::empty(), None, at(0))
                .await
                .map(drop),
            storage
                .revoke_user(&APP, None, &one.user_id, at(0))
                .await
                .map(drop),
        ];
        let written: Vec<_> = written.into_iter().filter_map(Result::err).collect();
        // What was written stays so, though nobody can read what came of it.
        assert!(written.iter().all(StorageError::is_outcome_unknown));
        for error in errors.into_iter().chain(written) {
            assert_eq!(error.fault(), StorageFault::Inconsistent, "{error}");
            let told = format!("{error} {error:?}");
            let place = format!("handstamp_sessions.{column}");
            assert!(told.contains(&place), "{change}: {told}");
            let told = told.to_lowercase();
            assert!(!told.contains("canary") && !told.contains("77"), "{told}");
        }
    }
    // Another schema than ours.
    client
        .run("ALTER TABLE handstamp_sessions DROP COLUMN counter CASCADE")
        .await;
    let next = with_child(&session(0), 2);
    let rotated = rotate(&storage, &APP, &handle(0), 0, &next, at(20_000)).await;
    assert_eq!(rotated.unwrap_err().fault(), StorageFault::Inconsistent);
    drop(Arc::clone(&storage));
}

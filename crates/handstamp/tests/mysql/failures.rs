//! A database that goes, comes back, is held up, too small or not to be written to.

use std::time::Duration;

use handstamp::JsonObject;
use handstamp::storage::mysql::MySqlStorage;
use handstamp::storage::{Confirm, Guarded, Storage as _, StorageFault};
use handstamp::token::Hash2;
use testbed::proxy::Proxy;

use crate::fixture::{APP, Town, all, at, begin, handle, keep, rotate, session, until, with_child};

/// Of steps that share a transaction, none has happened when its connection goes before the end.
pub(crate) async fn a_connection_cut_within_a_transaction_leaves_nothing(town: Town) {
    let mut proxy = Proxy::to_url(&town.server).unwrap();
    let mut options = town.options();
    options.lanes = 1;
    let storage = town.open_at(&proxy.url(&town.server), &options).await;
    keep(&storage, 0..3).await;
    let hold = async |id| {
        let mut client = town.client().await;
        let one = format!("user_id = 'canary-user-{id}' AND app = 'public'");
        client
            .run(&format!(
                "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; BEGIN;
                 SELECT handle FROM handstamp_sessions WHERE {one} FOR UPDATE"
            ))
            .await;
        client
    };
    let (mut first, mut last) = (hold(0).await, hold(2).await);
    let handles: Vec<_> = (0..3).map(handle).collect();
    let next = with_child(&session(0), 2);
    let rotate = |id: usize| rotate(&storage, &APP, &handles[id], 0, &next, at(20_000));
    let mut alone = rotate(0);
    begin(&mut alone);
    first.sees_waiting(&town, 1).await;
    let mut together = [rotate(1), rotate(2)];
    together.iter_mut().for_each(begin);
    first.run("COMMIT").await;
    assert_eq!(alone.await.unwrap(), Guarded::Written);
    // They have locked the row of one of them, and wait for the other's.
    last.sees_waiting(&town, 1).await;
    proxy.go_away();
    for rotated in all(together.into_iter()).await {
        let error = rotated.unwrap_err();
        assert_eq!(error.fault(), StorageFault::Unavailable, "{error}");
        assert!(error.is_outcome_unknown());
    }
    last.run("COMMIT").await;
    proxy.come_back().unwrap();
    for id in [1, 2] {
        let mut rotated = rotate(id).await;
        while rotated.is_err() {
            rotated = rotate(id).await;
        }
        assert_eq!(
            rotated.unwrap(),
            Guarded::Written,
            "{id} was as it had been"
        );
    }
}

pub(crate) async fn a_lock_held_for_too_long_is_reported(town: Town) {
    let mut options = town.options();
    options.statement_timeout = Some(Duration::from_secs(1));
    let storage = town.open_with(&options).await;
    keep(&storage, 1..3).await;
    let mut client = town.client().await;
    client
        .run("BEGIN; SELECT handle FROM handstamp_sessions FOR UPDATE")
        .await;
    let handles = [handle(1), handle(2)];
    let next = with_child(&session(1), 2);
    let rotated = rotate(&storage, &APP, &handles[0], 0, &next, at(20_000));
    let (rotated, revoked) = tokio::join!(rotated, storage.revoke(&APP, &handles));
    for error in [rotated.unwrap_err(), revoked.unwrap_err()] {
        assert_eq!(error.fault(), StorageFault::Busy, "{error}");
        assert!(error.is_transient() && !error.is_outcome_unknown());
    }
    let read = storage.session(&APP, &handles[0]).await.unwrap();
    assert_eq!(read, Some(session(1)), "reading waits for nobody");
    // What gave up let its locks go.
    let held = format!(
        "SELECT COUNT(*) FROM information_schema.innodb_trx AS t
         JOIN information_schema.processlist AS p ON p.id = t.trx_mysql_thread_id
         WHERE p.db = '{}' AND p.id <> CONNECTION_ID()",
        town.name
    );
    until(async || client.number(&held).await == 0).await;
    client.run("ROLLBACK").await;
    assert_eq!(storage.revoke(&APP, &handles).await.unwrap().len(), 2);
}

/// An account that may only read.
pub(crate) async fn a_database_to_be_read_only_is_said_to_be(town: Town) {
    let storage = town.open().await;
    keep(&storage, 0..1).await;
    let name = &town.name;
    let mut client = town.client().await;
    client
        .run(&format!(
            "CREATE USER {name}@'%' IDENTIFIED BY 'reader'; GRANT SELECT ON {name}.* TO {name}@'%'"
        ))
        .await;
    let (_, place) = town.server.rsplit_once('@').unwrap();
    let url = format!("mysql://{name}:reader@{place}");
    let storage = town.open_at(&url, &town.options()).await;
    let (one, empty) = (session(1), JsonObject::empty());
    let error = storage.insert(&APP, &one, &empty).await.unwrap_err();
    assert_eq!(error.fault(), StorageFault::ReadOnly, "{error}");
    assert!(!error.is_transient() && !error.is_outcome_unknown());
    let read = storage.session(&APP, &handle(0)).await.unwrap();
    assert_eq!(read, Some(session(0)));
    storage.close().await;
    client.run(&format!("DROP USER {name}@'%'")).await;
}

/// MySQL hangs up at a statement that is larger than it likes; it is not sent.
pub(crate) async fn a_value_that_is_too_large_for_the_server_is_refused(town: Town) {
    let storage = town.open().await;
    let mut client = town.client().await;
    let most = "SELECT CAST(@@max_allowed_packet AS SIGNED)";
    let most = usize::try_from(client.number(most).await).unwrap();
    let long = ["{\"long\":\"", &"x".repeat(most), "\"}"].concat();
    let long = JsonObject::parse(&long).unwrap();
    let one = session(1);
    keep(&storage, 1..2).await;
    let other = session(2);
    let errors = [
        storage.insert(&APP, &other, &long).await.map(drop),
        storage
            .write_session_data(&APP, &one.handle, &long, None, at(0))
            .await
            .map(drop),
        storage
            .write_jwt_payload(&APP, &one.handle, &long, at(0))
            .await
            .map(drop),
    ];
    for error in errors {
        let error = error.unwrap_err();
        assert!(!error.is_transient() && !error.is_outcome_unknown());
        let told = error.to_string();
        assert!(told.contains("max_allowed_packet"), "{told}");
    }
    assert_eq!(storage.session(&APP, &one.handle).await.unwrap(), Some(one));
    assert_eq!(storage.session(&APP, &other.handle).await.unwrap(), None);
}

/// Each of these is something that only another program can have written.
pub(crate) async fn a_row_that_contradicts_itself_is_reported_by_place(town: Town) {
    let cases = [
        ("child_hash = current_hash", "child_hash"),
        ("previous_superseded_at = 5", "previous_hash"),
        ("counter = -777777", "counter"),
        ("user_id = REPEAT('c', 129)", "user_id"),
        ("user_id = X'ff00'", "user_id"),
        ("data_version = -777777", "data_version"),
        ("payload_version = -777777", "payload_version"),
        ("tenant = 'CANARY'", "tenant"),
        ("data = 'canary'", "data"),
        ("jwt_payload = '[777777]'", "jwt_payload"),
    ];
    let storage = town.open().await;
    let mut client = town.client().await;
    client.run("SET check_constraint_checks = 0").await;
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
        let confirmed = storage.confirm(&APP, &one.handle, step).await;
        for error in errors.into_iter().chain(confirmed.err()) {
            assert_eq!(error.fault(), StorageFault::Inconsistent, "{error}");
            let told = format!("{error} {error:?}");
            let place = format!("handstamp_sessions.{column}");
            // Who writes to the row meets its constraints first.
            let known = told.contains(&place) || told.contains("CONSTRAINT `handstamp_sessions_");
            assert!(known, "{change}: {told}");
            let told = told.to_lowercase();
            assert!(
                !told.contains("canary") && !told.contains("777777"),
                "{told}"
            );
            assert!(!error.is_outcome_unknown(), "{error}");
        }
    }
    // Whatever a row means, when it has ended it goes, and keeps no other.
    keep(&storage, 100..103).await;
    let swept = storage.sweep(at(i64::MAX), 100).await.unwrap();
    assert_eq!(swept, 3 + u32::try_from(cases.len()).unwrap());
    let left = "SELECT COUNT(*) FROM handstamp_sessions";
    assert_eq!(client.number(left).await, 0);
    // Another schema than ours.
    client
        .run("DROP TABLE handstamp_sessions; CREATE TABLE handstamp_sessions (app varbinary(64))")
        .await;
    let next = with_child(&session(0), 2);
    let rotated = rotate(&storage, &APP, &handle(0), 0, &next, at(20_000)).await;
    assert_eq!(rotated.unwrap_err().fault(), StorageFault::Inconsistent);
}

/// What a server is told to do by its own configuration changes nothing.
pub(crate) async fn a_server_with_other_habits_is_served_as_well(town: Town) {
    let mut client = town.client().await;
    client
        .run(
            "SET @@global.init_connect = 'SET autocommit = 0, sql_mode = \\'ANSI_QUOTES,PIPES_AS_CONCAT\\',
                 tx_isolation = \\'SERIALIZABLE\\''",
        )
        .await;
    // It is not run for those who may do everything.
    let name = format!("{}_x", town.name);
    client
        .run(&format!(
            "CREATE USER {name}@'%' IDENTIFIED BY 'word'; GRANT ALL ON {}.* TO {name}@'%'",
            town.name
        ))
        .await;
    let (_, place) = town.server.rsplit_once('@').unwrap();
    let url = format!("mysql://{name}:word@{place}");
    let opened = MySqlStorage::connect(&url, &town.options()).await;
    let storage = opened.unwrap();
    keep(&storage, 0..4).await;
    let next = with_child(&session(0), 2);
    let rotated = rotate(&storage, &APP, &handle(0), 0, &next, at(20_000)).await;
    assert_eq!(rotated.unwrap(), Guarded::Written);
    let handles = [handle(1), handle(2)];
    assert_eq!(storage.revoke(&APP, &handles).await.unwrap().len(), 2);
    client.run("SET @@global.init_connect = ''").await;
    let seen = "SELECT COUNT(*) FROM handstamp_sessions WHERE counter = 1";
    assert_eq!(client.number(seen).await, 1, "it was not committed");
    storage.close().await;
    client.run(&format!("DROP USER {name}@'%'")).await;
}

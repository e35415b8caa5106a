//! What steps cost: indexes that are used, indexes that are left alone, sweeps that do not wait.

use handstamp::jws::Algorithm;
use handstamp::session::Session;
use handstamp::storage::postgres::PostgresStorage;
use handstamp::storage::{
    Confirm, DataWrite, Guarded, KeyKind, Storage as _, StoredKey, TenantRecord,
};
use handstamp::token::Hash2;
use handstamp::{AppId, JsonObject, SessionHandle, TenantId};

use crate::fixture::{
    APP, Client, Town, all, at, handle, keep, rotate, session, until, with_child,
};

/// Every kind of step, often enough for PostgreSQL to have made a plan that it keeps.
pub(crate) async fn every_statement_uses_an_index(town: Town) {
    const SESSIONS: u32 = 4_000;
    const ROUNDS: u32 = 12;
    let storage = town.open().await;
    for from in (0..SESSIONS).step_by(1_000) {
        keep(&storage, from..from + 1_000).await;
    }
    let mut client = town.client().await;
    client.run("ANALYZE handstamp_sessions").await;
    let scans = "SELECT coalesce(sum(seq_scan), 0)::bigint FROM pg_stat_user_tables
                 WHERE relid = 'handstamp_sessions'::regclass";
    until_told(&mut client, "n_tup_ins", i64::from(SESSIONS), &storage).await;
    let before = client.number(scans).await;
    let by_index = "SELECT sum(idx_tup_read)::bigint FROM pg_stat_user_indexes
                    WHERE relid = 'handstamp_sessions'::regclass";
    let read_before = client.number(by_index).await;

    let storage = town.open().await;
    let empty = JsonObject::empty();
    for round in 0..ROUNDS {
        // The first ones will be swept.
        let one = session(500 + round);
        // Alone, and many at once.
        for many in [1, 40] {
            let sessions: Vec<_> = (0..many).map(|n| session(1_000 + 50 * round + n)).collect();
            take_steps_about(&storage, &sessions).await;
        }
        let user = &one.user_id;
        let handles = storage
            .handles_of_user(&APP, None, user, at(0))
            .await
            .unwrap();
        assert_eq!(handles, std::slice::from_ref(&one.handle));
        assert_eq!(
            storage.revoke_user(&APP, None, user, at(0)).await.unwrap(),
            handles
        );
        let others = [handle(2_000 + round), handle(3_000 + round)];
        assert_eq!(storage.revoke(&APP, &others).await.unwrap().len(), 2);
        assert_eq!(storage.sweep(at(9_999), 10).await.unwrap(), 0);
        assert_eq!(storage.sweep(at(10_000), 3).await.unwrap(), 3);
        let key = StoredKey {
            kind: KeyKind::Dynamic(Algorithm::Rs256),
            generation: round + 1,
            created_at: at(0),
            material: vec![1].into(),
        };
        assert_eq!(storage.add_key(&APP, &key).await.unwrap(), Guarded::Written);
        assert_eq!(
            storage.keys(&APP).await.unwrap().len(),
            usize::from(round > 0) + 1
        );
        storage.retire_keys(&APP, at(1)).await.unwrap();
        let still = handle(3_500 + round);
        let payload = storage.write_jwt_payload(&APP, &still, &empty, at(0));
        assert!(payload.await.unwrap());
        remove_others(&storage, round).await;
        storage.ping().await.unwrap();
    }
    let deleted = i64::from(ROUNDS * (1 + 2 + 3 + 2));
    until_told(&mut client, "n_tup_del", deleted, &storage).await;
    assert_eq!(
        client.number(scans).await,
        before,
        "the whole table was read"
    );
    // Each step reads what it is about, and no step all that an index has.
    let read = client.number(by_index).await - read_before;
    assert!(read < 20_000, "{read} entries of indexes were read");
}

/// Each kind of step that is about one session, about each of these.
async fn take_steps_about(storage: &PostgresStorage, sessions: &[Session]) {
    let empty = JsonObject::empty();
    let next: Vec<_> = sessions.iter().map(|one| with_child(one, 2)).collect();
    for read in all(sessions
        .iter()
        .map(|one| storage.session(&APP, &one.handle)))
    .await
    {
        assert!(read.unwrap().is_some());
    }
    let reads = sessions
        .iter()
        .map(|one| storage.session_data(&APP, &one.handle));
    for read in all(reads).await {
        assert!(read.unwrap().is_some());
    }
    let rotations = sessions
        .iter()
        .zip(&next)
        .map(|(one, next)| rotate(storage, &APP, &one.handle, 0, next, at(20_000)));
    for rotated in all(rotations).await {
        let _: Guarded = rotated.unwrap();
    }
    let step = Confirm {
        child: Hash2::from_bytes([2; 32]),
        parent: Hash2::from_bytes([1; 32]),
        now: at(2_000),
        expires_at: at(20_000),
    };
    let confirmations = sessions
        .iter()
        .map(|one| storage.confirm(&APP, &one.handle, step));
    for confirmed in all(confirmations).await {
        confirmed.unwrap();
    }
    let writes = sessions
        .iter()
        .map(|one| storage.write_session_data(&APP, &one.handle, &empty, None, at(0)));
    for written in all(writes).await {
        assert!(matches!(written.unwrap(), DataWrite::Written(_)));
    }
    let again = all(sessions.iter().map(|one| storage.insert(&APP, one, &empty))).await;
    for inserted in again {
        assert_eq!(inserted.unwrap(), Guarded::Lost);
    }
}

/// Nobody has counted the rows yet, and a plan that is made now is kept while the table grows.
pub(crate) async fn plans_for_an_empty_table_are_good_for_a_full_one(town: Town) {
    const SESSIONS: u32 = 5_000;
    let storage = town.open().await;
    let mut client = town.client().await;
    client
        .run("ALTER TABLE handstamp_sessions SET (autovacuum_enabled = off)")
        .await;
    // Often enough for PostgreSQL to keep its plans.
    for _ in 0..12 {
        ask_about(&storage, 1, false).await;
    }
    // What is a good plan for few rows is one for some more only by chance.
    for rows in [0..500, 500..1_500, 1_500..SESSIONS] {
        let first = rows.start;
        keep(&storage, rows).await;
        for id in first..first + 10 {
            ask_about(&storage, id, true).await;
        }
        let sessions: Vec<_> = (first + 200..first + 240).map(session).collect();
        take_steps_about(&storage, &sessions).await;
    }
    until_gone(&mut client, &town, &storage).await;
    let scans = "SELECT seq_scan FROM pg_stat_user_tables
                 WHERE relid = 'handstamp_sessions'::regclass";
    // Making the indexes has read the table.
    let making = client.number(scans).await;
    assert!(making <= 4, "the table was read {making} times");
    let by_index = "SELECT sum(idx_tup_read)::bigint FROM pg_stat_user_indexes
                    WHERE relid = 'handstamp_sessions'::regclass";
    let read = client.number(by_index).await;
    assert!(
        read < i64::from(SESSIONS),
        "{read} entries of indexes were read"
    );
}

/// Each kind of step about a session that is there, or is not.
async fn ask_about(storage: &PostgresStorage, id: u32, there: bool) {
    let (one, before) = (handle(id), session(id));
    let next = with_child(&before, 2);
    let step = Confirm {
        child: Hash2::from_bytes([2; 32]),
        parent: Hash2::from_bytes([1; 32]),
        now: at(2_000),
        expires_at: at(20_000),
    };
    let empty = JsonObject::empty();
    assert_eq!(storage.session(&APP, &one).await.unwrap().is_some(), there);
    let data = storage.session_data(&APP, &one).await;
    assert_eq!(data.unwrap().is_some(), there);
    let rotated = rotate(storage, &APP, &one, 0, &next, at(20_000)).await;
    assert_eq!(rotated.unwrap() == Guarded::Written, there);
    let confirmed = storage.confirm(&APP, &one, step).await.unwrap();
    assert_eq!(confirmed.is_some(), there);
    let written = storage.write_session_data(&APP, &one, &empty, None, at(0));
    assert_eq!(written.await.unwrap() != DataWrite::Missing, there);
    let payload = storage.write_jwt_payload(&APP, &one, &empty, at(0));
    assert_eq!(payload.await.unwrap(), there);
    let user = &before.user_id;
    let theirs = storage.handles_of_user(&APP, None, user, at(0)).await;
    assert_eq!(theirs.unwrap().len(), usize::from(there));
    let handles = std::slice::from_ref(&one);
    assert_eq!(
        storage.revoke(&APP, handles).await.unwrap().len(),
        usize::from(there)
    );
    let user = &session(id + 100).user_id;
    let theirs = storage.revoke_user(&APP, None, user, at(0)).await.unwrap();
    assert_eq!(theirs.len(), usize::from(there));
    assert_eq!(storage.sweep(at(10), 10).await.unwrap(), 0);
    let nobody = TenantId::parse("nobody").unwrap();
    assert!(!storage.remove_tenant(&APP, &nobody).await.unwrap());
    let nowhere = AppId::parse("nowhere").unwrap();
    assert!(!storage.remove_app(&nowhere).await.unwrap());
}

/// Another tenant, and another app, each with one session.
async fn remove_others(storage: &PostgresStorage, round: u32) {
    let (empty, now) = (JsonObject::empty(), at(0));
    let apps = [
        (APP, TenantId::parse("other").unwrap()),
        (AppId::parse("other").unwrap(), TenantId::PUBLIC),
    ];
    for (app, tenant) in apps {
        let record = TenantRecord {
            app: app.clone(),
            tenant: tenant.clone(),
            created_at: now,
            config: JsonObject::empty(),
        };
        for before in [None, Some(&record.config)] {
            let put = storage.put_tenant(&record, before).await.unwrap();
            assert_eq!(put, Guarded::Written);
        }
        let mut one = session(9_000 + round);
        one.handle = SessionHandle::new(tenant.clone(), one.handle.id());
        let kept = storage.insert(&app, &one, &empty).await.unwrap();
        assert_eq!(kept, Guarded::Written);
        assert_eq!(storage.tenants().await.unwrap().len(), 1);
        let removed = if app == APP {
            storage.remove_tenant(&app, &tenant).await
        } else {
            storage.remove_app(&app).await
        };
        assert!(removed.unwrap());
        assert_eq!(storage.session(&app, &one.handle).await.unwrap(), None);
    }
}

/// Only HOT updates leave all indexes as they are.
pub(crate) async fn rotations_touch_no_index(town: Town) {
    let storage = town.open().await;
    // As many as fit into a page together with their next versions.
    keep(&storage, 0..6).await;
    for id in 0..6 {
        let (before, next) = (session(id), with_child(&session(id), 2));
        let rotated = rotate(&storage, &APP, &before.handle, 0, &next, at(20_000));
        assert_eq!(rotated.await.unwrap(), Guarded::Written);
        let step = Confirm {
            child: Hash2::from_bytes([2; 32]),
            parent: Hash2::from_bytes([1; 32]),
            now: at(2_000),
            expires_at: at(30_000),
        };
        let confirmed = storage.confirm(&APP, &before.handle, step).await.unwrap();
        assert_eq!(confirmed.unwrap().expires_at, at(30_000));
    }
    let mut client = town.client().await;
    until_told(&mut client, "n_tup_upd", 12, &storage).await;
    let hot = "SELECT n_tup_hot_upd FROM pg_stat_user_tables
               WHERE relid = 'handstamp_sessions'::regclass";
    assert_eq!(client.number(hot).await, 12);
}

/// Closes the store, and waits until all processes of the server that worked for it have told what they did.
async fn until_gone(client: &mut Client, town: &Town, storage: &PostgresStorage) {
    storage.close().await;
    let sql = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = '{}'",
        town.schema
    );
    until(async || client.number(&sql).await == 0).await;
}

/// A server's process tells what it did when it ends, so the store is closed.
async fn until_told(client: &mut Client, what: &str, count: i64, storage: &PostgresStorage) {
    storage.close().await;
    let sql = format!(
        "SELECT {what} FROM pg_stat_user_tables WHERE relid = 'handstamp_sessions'::regclass"
    );
    until(async || client.number(&sql).await >= count).await;
}

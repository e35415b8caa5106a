//! What steps cost: how many rows they read, rows that are left alone, sweeps that do not wait.

use handstamp::JsonObject;
use handstamp::jws::Algorithm;
use handstamp::storage::{Confirm, DataWrite, Guarded, KeyKind, Storage as _, StoredKey};
use handstamp::token::Hash2;

use crate::fixture::{APP, Client, Town, all, at, handle, keep, rotate, session, with_child};

/// How many rows of the table were read since the last time somebody asked.
async fn rows_read(client: &mut Client, town: &Town, table: &str) -> i64 {
    let sql = format!(
        "SELECT CAST(COALESCE(SUM(rows_read), 0) AS SIGNED) FROM information_schema.table_statistics
         WHERE table_schema = '{}' AND table_name = '{table}'",
        town.name
    );
    client.number(&sql).await
}

/// Every kind of step, alone and many at once: none reads more than a few rows for each of those it is about.
pub(crate) async fn every_statement_uses_an_index(town: Town) {
    const SESSIONS: u32 = 3_000;
    const SOME: u32 = 40;
    let mut client = town.client().await;
    // MariaDB's own account of it.
    client.run("SET GLOBAL userstat = 1").await;
    let storage = town.open().await;
    for from in (0..SESSIONS).step_by(1_000) {
        keep(&storage, from..from + 1_000).await;
    }
    client.run("ANALYZE TABLE handstamp_sessions").await;

    let mut before = rows_read(&mut client, &town, "handstamp_sessions").await;
    let mut check = async |what: &str, about: u32| {
        let now = rows_read(&mut client, &town, "handstamp_sessions").await;
        let read = now - before;
        before = now;
        // Those that share a transaction are read when they are locked, and when they are written.
        let most = i64::from(about) * 4 + 4;
        assert!((1..=most).contains(&read), "{what} of {about}: {read} rows");
    };
    let empty = JsonObject::empty();
    for many in [1, SOME] {
        let sessions: Vec<_> = (100..100 + many).map(session).collect();
        let next: Vec<_> = sessions.iter().map(|one| with_child(one, 2)).collect();
        let reads = sessions
            .iter()
            .map(|one| storage.session(&APP, &one.handle));
        for read in all(reads).await {
            assert!(read.unwrap().is_some());
        }
        check("session", many).await;
        let reads = sessions
            .iter()
            .map(|one| storage.session_data(&APP, &one.handle));
        for read in all(reads).await {
            assert!(read.unwrap().is_some());
        }
        check("session_data", many).await;
        let rotations = sessions
            .iter()
            .zip(&next)
            .map(|(one, next)| rotate(&storage, &APP, &one.handle, 0, next, at(20_000)));
        for rotated in all(rotations).await {
            let _: Guarded = rotated.unwrap();
        }
        check("rotate", many).await;
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
        check("confirm", 2 * many).await;
        for expected in [None, Some(9)] {
            let writes = sessions
                .iter()
                .map(|one| storage.write_session_data(&APP, &one.handle, &empty, expected, at(0)));
            for written in all(writes).await {
                let _: DataWrite = written.unwrap();
            }
            check("write_session_data", 2 * many).await;
        }
    }
    let one = session(1_000);
    let written = storage.write_jwt_payload(&APP, &one.handle, &empty, at(0));
    assert!(written.await.unwrap());
    check("write_jwt_payload", 1).await;
    let user = &one.user_id;
    let handles = storage.handles_of_user(&APP, None, user, at(0)).await;
    assert_eq!(handles.unwrap(), std::slice::from_ref(&one.handle));
    check("handles_of_user", 1).await;
    let revoked = storage.revoke_user(&APP, None, user, at(0)).await.unwrap();
    assert_eq!(revoked, std::slice::from_ref(&one.handle));
    check("revoke_user", 2).await;
    let others: Vec<_> = (2_000..2_000 + SOME).map(handle).collect();
    let revoked = storage.revoke(&APP, &others).await.unwrap();
    assert_eq!(revoked.len(), others.len());
    check("revoke", SOME).await;
    assert_eq!(storage.sweep(at(10_000), 30).await.unwrap(), 30);
    check("sweep", 30).await;

    for (generation, created_at) in [(1, 0), (2, 9)] {
        let key = StoredKey {
            kind: KeyKind::Dynamic(Algorithm::Rs256),
            generation,
            created_at: at(created_at),
            material: vec![1].into(),
        };
        assert_eq!(storage.add_key(&APP, &key).await.unwrap(), Guarded::Written);
    }
    assert_eq!(storage.keys(&APP).await.unwrap().len(), 2);
    assert_eq!(storage.retire_keys(&APP, at(1)).await.unwrap(), 1);
}

pub(crate) async fn a_sweep_puts_off_those_that_live_on(town: Town) {
    let storage = town.open().await;
    keep(&storage, 0..5).await;
    let rotate = async |id, expires_at| {
        let (handle, next) = (handle(id), with_child(&session(id), 2));
        let rotated = rotate(&storage, &APP, &handle, 0, &next, at(expires_at));
        assert_eq!(rotated.await.unwrap(), Guarded::Written);
    };
    for id in 0..3 {
        rotate(id, 20_000).await;
    }
    let mut client = town.client().await;
    let indexed = "SELECT COUNT(*) FROM handstamp_sessions WHERE sweep_at = 10000";
    assert_eq!(
        client.number(indexed).await,
        5,
        "a rotation touched an index"
    );
    // A clock may be set back, or the configuration changed.
    rotate(4, 5_000).await;
    assert_eq!(storage.sweep(at(5_000), 1).await.unwrap(), 1);
    assert_eq!(storage.sweep(at(9_999), 9).await.unwrap(), 0);
    // Three that live on may come before the one that has ended.
    assert_eq!(storage.sweep(at(10_000), 1).await.unwrap(), 1);
    assert_eq!(storage.sweep(at(10_000), 9).await.unwrap(), 0);
    let put_off = "SELECT COUNT(*) FROM handstamp_sessions WHERE sweep_at = 20000";
    assert_eq!(client.number(put_off).await, 3);
    assert_eq!(storage.sweep(at(20_000), 2).await.unwrap(), 2);
    assert_eq!(storage.sweep(at(20_000), 2).await.unwrap(), 1);
}

pub(crate) async fn sweeps_pass_by_rows_in_use(town: Town) {
    let storage = town.open().await;
    keep(&storage, 0..3).await;
    let mut client = town.client().await;
    client
        .run(
            "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; BEGIN;
             UPDATE handstamp_sessions SET counter = 5 WHERE user_id = 'canary-user-1' AND app = 'public'",
        )
        .await;
    assert_eq!(storage.sweep(at(10_000), 10).await.unwrap(), 2);
    client.run("COMMIT").await;
    assert_eq!(storage.sweep(at(10_000), 10).await.unwrap(), 1);
}

pub(crate) async fn servers_share_the_sweeping(town: Town) {
    let stores = [town.open().await, town.open().await, town.open().await];
    keep(&stores[0], 0..900).await;
    let sweeps = stores.map(|storage| {
        tokio::spawn(async move {
            let mut swept = 0;
            loop {
                match storage.sweep(at(10_000), 50).await.unwrap() {
                    0 => return swept,
                    some => swept += some,
                }
            }
        })
    });
    let mut swept = 0;
    for sweep in sweeps {
        swept += sweep.await.unwrap();
    }
    assert_eq!(swept, 900, "each was counted once");
}

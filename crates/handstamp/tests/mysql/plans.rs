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

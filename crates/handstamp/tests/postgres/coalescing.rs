//! Steps that share a statement, and what each comes to.

use std::sync::Arc;

use handstamp::JsonObject;
use handstamp::clock::UnixMillis;
use handstamp::session::Session;
use handstamp::storage::{Confirm, DataWrite, Guarded, Storage as _, StorageFault};
use handstamp::token::Hash2;

use crate::fixture::{
    APP, Begun, Town, all, at, begin, behind_a_lock, handle, keep, rotate, session, with_child,
};

/// A transaction marks the rows it writes.
const TRANSACTIONS: &str = "SELECT count(DISTINCT xmin::text) FROM handstamp_sessions";

pub(crate) async fn waiting_writes_share_a_transaction(town: Town) {
    let mut options = town.options();
    (options.lanes, options.batch) = (1, 64);
    let storage = town.open_with(&options).await;
    let (sessions, empty): (Vec<_>, _) = ((0..100).map(session).collect(), JsonObject::empty());
    let mut writes = sessions.iter().map(|one| storage.insert(&APP, one, &empty));
    let first = writes.next().unwrap();
    for outcome in behind_a_lock(&town, first, writes.collect()).await {
        assert_eq!(outcome.unwrap(), Guarded::Written);
    }
    let mut client = town.client().await;
    assert_eq!(
        client.number(TRANSACTIONS).await,
        3,
        "the first, 64, the rest"
    );
    let rows = client.number("SELECT count(*) FROM handstamp_sessions");
    assert_eq!(rows.await, 100);
}

pub(crate) async fn each_of_a_shared_statement_has_its_own_outcome(town: Town) {
    let mut options = town.options();
    options.lanes = 1;
    let storage = town.open_with(&options).await;
    keep(&storage, 0..5).await;
    let next = with_child(&session(0), 2);

    let handles: Vec<_> = (0..100).map(handle).collect();
    let rotate =
        |id: usize, expected| rotate(&storage, &APP, &handles[id], expected, &next, at(20_000));
    let others = vec![rotate(1, 0), rotate(2, 5), rotate(99, 0), rotate(3, 0)];
    let rotated = behind_a_lock(&town, rotate(0, 0), others).await;
    let rotated: Vec<_> = rotated.into_iter().map(Result::unwrap).collect();
    let (written, lost) = (Guarded::Written, Guarded::Lost);
    assert_eq!(rotated, [written, written, lost, lost, written]);

    let data: Vec<_> = (0..100)
        .map(|id| JsonObject::parse(&format!("{{\"of\":{id}}}")).unwrap())
        .collect();
    let write = |id: usize, expected, now| {
        storage.write_session_data(&APP, &handles[id], &data[id], expected, at(now))
    };
    let others = vec![
        write(1, None, 0),
        write(2, Some(9), 0),
        write(99, None, 0),
        write(3, Some(1), 0),
        write(4, None, 10_000),
    ];
    let outcomes = behind_a_lock(&town, write(0, None, 0), others).await;
    let outcomes: Vec<_> = outcomes.into_iter().map(Result::unwrap).collect();
    let expected = [
        DataWrite::Written(2),
        DataWrite::Written(2),
        DataWrite::Conflict,
        DataWrite::Missing,
        DataWrite::Written(2),
        DataWrite::Missing,
    ];
    assert_eq!(outcomes, expected);
    let mut client = town.client().await;
    let shared = "SELECT count(DISTINCT xmin::text) FROM handstamp_sessions WHERE data_version = 2";
    assert_eq!(
        client.number(shared).await,
        2,
        "the first, and the others together"
    );

    let reads = [3, 99, 0, 3, 2, 1].map(|id: usize| storage.session_data(&APP, &handles[id]));
    let read: Vec<_> = all(reads.into_iter()).await;
    let read: Vec<_> = read
        .into_iter()
        .map(|one| one.unwrap().map(|one| one.data))
        .collect();
    let of = |id: usize| Some(data[id].clone());
    assert_eq!(
        read,
        [of(3), None, of(0), of(3), Some(JsonObject::empty()), of(1)]
    );
}

pub(crate) async fn a_bad_row_fails_nobody_else(town: Town) {
    let mut options = town.options();
    options.lanes = 1;
    let storage = town.open_with(&options).await;
    // No row may end before its expiry; this one tries.
    let impossible = Session {
        ends_at: at(9_999),
        ..session(3)
    };
    let sessions = [session(1), session(2), impossible, session(4), session(2)];
    let empty = JsonObject::empty();
    let mut writes = sessions.iter().map(|one| storage.insert(&APP, one, &empty));
    let first = writes.next().unwrap();
    let outcomes = behind_a_lock(&town, first, writes.collect()).await;
    let outcomes: Vec<_> = outcomes
        .into_iter()
        .map(|outcome| {
            outcome.map_err(|error| {
                let told = format!("{error} {error:?}");
                assert!(!told.contains("canary") && !told.contains("9999"), "{told}");
                assert!(!error.is_outcome_unknown());
                error.fault()
            })
        })
        .collect();
    let expected = [
        Ok(Guarded::Written),
        Ok(Guarded::Written),
        Err(StorageFault::Inconsistent),
        Ok(Guarded::Written),
        Ok(Guarded::Lost),
    ];
    assert_eq!(outcomes, expected);
}

/// `READ COMMITTED`: a statement that waited for another's write goes by the row as that left it.
pub(crate) async fn guards_are_looked_at_again_after_waiting(town: Town) {
    let storage = town.open().await;
    keep(&storage, 0..6).await;
    let mut client = town.client().await;
    client
        .run(
            "BEGIN;
             UPDATE handstamp_sessions SET counter = 1, data_version = 2, current_hash = sha256('')
             WHERE user_id <> 'canary-user-5';
             DELETE FROM handstamp_sessions WHERE user_id = 'canary-user-5'",
        )
        .await;
    let (handles, empty): (Vec<_>, _) = ((0..6).map(handle).collect(), JsonObject::empty());
    let next = with_child(&session(0), 2);
    let step = Confirm {
        child: Hash2::from_bytes([2; 32]),
        parent: Hash2::from_bytes([1; 32]),
        now: at(2_000),
        expires_at: at(20_000),
    };
    let mut rotate = rotate(&storage, &APP, &handles[0], 0, &next, at(20_000));
    begin(&mut rotate);
    client.sees_waiting(&town, 1).await;
    let mut confirm = storage.confirm(&APP, &handles[1], step);
    begin(&mut confirm);
    client.sees_waiting(&town, 2).await;
    let write = |id: usize, expected| {
        storage.write_session_data(&APP, &handles[id], &empty, expected, at(2_000))
    };
    let mut writes = [
        write(2, Some(1)),
        write(3, Some(2)),
        write(4, None),
        write(5, None),
    ];
    writes.iter_mut().for_each(begin);
    client.sees_waiting(&town, 3).await;
    client.run("COMMIT").await;

    assert_eq!(rotate.await.unwrap(), Guarded::Lost);
    assert_eq!(confirm.await.unwrap(), None);
    let [old, newer, any, gone] = writes;
    assert_eq!(old.await.unwrap(), DataWrite::Conflict);
    // It did not know of that version when it began, nor did its snapshot.
    assert_eq!(newer.await.unwrap(), DataWrite::Written(3));
    assert_eq!(any.await.unwrap(), DataWrite::Written(3));
    assert_eq!(gone.await.unwrap(), DataWrite::Missing);
}

/// PostgreSQL ends one of those that wait in a circle; if it is ours, it is done again.
pub(crate) async fn a_step_that_lost_a_deadlock_is_done_again(town: Town) {
    let mark = if town.server.contains('?') { "&" } else { "?" };
    let url = [&town.server, mark, "options=-c%20deadlock_timeout%3D3s"].concat();
    let storage = town.open_at(&url, &town.options()).await;
    keep(&storage, 1..3).await;
    let mut client = town.client().await;
    // It is the store's statement that looks for a circle.
    client
        .run("SET deadlock_timeout = '1min'; BEGIN; UPDATE handstamp_sessions SET counter = 1 WHERE user_id = 'canary-user-2'")
        .await;
    let handles = [handle(1), handle(2)];
    let mut revoke = storage.revoke(&APP, &handles);
    let other = async {
        client.sees_waiting(&town, 1).await;
        client
            .run("UPDATE handstamp_sessions SET counter = 1 WHERE user_id = 'canary-user-1'")
            .await;
        client.run("COMMIT").await;
    };
    let (revoked, ()) = tokio::join!(&mut revoke, other);
    assert_eq!(revoked.unwrap().len(), 2);
}

pub(crate) async fn writes_from_two_servers_do_not_lock_each_other_out(town: Town) {
    const SESSIONS: u32 = 300;
    let stores = [town.open().await, town.open().await];
    keep(&stores[0], 0..SESSIONS).await;
    for storage in &stores {
        // So that the planner knows of them.
        storage.ping().await.unwrap();
    }
    let tasks: Vec<_> = stores
        .iter()
        .map(|storage| {
            let storage = Arc::clone(storage);
            tokio::spawn(async move {
                let sessions: Vec<_> = (0..SESSIONS).map(session).collect();
                let next: Vec<_> = sessions.iter().map(|one| with_child(one, 2)).collect();
                let empty = JsonObject::empty();
                let rotations: Vec<Begun<'_, _>> = sessions
                    .iter()
                    .zip(&next)
                    .rev()
                    .map(|(one, next)| {
                        rotate(&storage, &APP, &one.handle, 0, next, UnixMillis::MAX)
                    })
                    .collect();
                let data = sessions
                    .iter()
                    .map(|one| storage.write_session_data(&APP, &one.handle, &empty, None, at(0)));
                let (rotated, written) = tokio::join!(all(rotations.into_iter()), all(data));
                for outcome in written {
                    assert!(matches!(outcome.unwrap(), DataWrite::Written(_)));
                }
                let rotated = rotated.into_iter().map(Result::unwrap);
                rotated.filter(|one| *one == Guarded::Written).count()
            })
        })
        .collect();
    let mut written = 0;
    for task in tasks {
        written += task.await.unwrap();
    }
    assert_eq!(written, usize::try_from(SESSIONS).unwrap());
    let mut client = town.client().await;
    let versions = "SELECT count(*) FROM handstamp_sessions WHERE data_version = 3 AND counter = 1";
    assert_eq!(client.number(versions).await, i64::from(SESSIONS));
}

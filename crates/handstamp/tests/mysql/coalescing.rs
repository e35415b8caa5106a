//! Steps that share a statement or a transaction, and what each comes to.

use std::sync::Arc;

use handstamp::session::Session;
use handstamp::storage::{Confirm, DataWrite, Guarded, Storage as _, StorageFault};
use handstamp::token::Hash2;
use handstamp::{JsonObject, UserId};

use crate::fixture::{
    APP, Town, all, at, begin, behind_a_lock, handle, keep, rotate, session, with_child,
};

/// What locks a row that is not there yet, and rows that are.
pub(crate) const GAPS: &str = "SELECT COUNT(*) FROM handstamp_sessions FOR UPDATE";
pub(crate) const ROWS: &str = "SELECT handle FROM handstamp_sessions FOR UPDATE";

pub(crate) async fn waiting_writes_share_a_statement(town: Town) {
    let mut options = town.options();
    (options.lanes, options.batch) = (1, 64);
    let storage = town.open_with(&options).await;
    let mut client = town.client().await;
    // The time does not pass within a statement.
    client
        .run(
            "CREATE TABLE noted (handle binary(16), by_whom bigint, at_what_time datetime(6));
             CREATE TRIGGER note AFTER INSERT ON handstamp_sessions FOR EACH ROW
                 INSERT INTO noted VALUES (NEW.handle, CONNECTION_ID(), NOW(6))",
        )
        .await;
    let (sessions, empty): (Vec<_>, _) = ((0..100).map(session).collect(), JsonObject::empty());
    let mut writes = sessions.iter().map(|one| storage.insert(&APP, one, &empty));
    let first = writes.next().unwrap();
    for outcome in behind_a_lock(&town, GAPS, first, writes.collect()).await {
        assert_eq!(outcome.unwrap(), Guarded::Written);
    }
    let statements = "SELECT COUNT(DISTINCT by_whom, at_what_time) FROM noted";
    assert_eq!(
        client.number(statements).await,
        3,
        "the first, 64, the rest"
    );
    let rows = client.number("SELECT COUNT(*) FROM handstamp_sessions");
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
    let rotated = behind_a_lock(&town, ROWS, rotate(0, 0), others).await;
    let rotated: Vec<_> = rotated.into_iter().map(Result::unwrap).collect();
    let (written, lost) = (Guarded::Written, Guarded::Lost);
    assert_eq!(rotated, [written, written, lost, lost, written]);
    for (id, counter) in [(0, 1), (1, 1), (2, 0), (3, 1), (4, 0)] {
        let read = storage.session(&APP, &handle(id)).await.unwrap().unwrap();
        assert_eq!(read.rotation.counter, counter, "{id}");
        if counter == 1 {
            assert_eq!((read.rotation, read.expires_at), (next.clone(), at(20_000)));
        }
    }

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
    let outcomes = behind_a_lock(&town, ROWS, write(0, None, 0), others).await;
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
    let outcomes = behind_a_lock(&town, GAPS, first, writes.collect()).await;
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

/// A statement that waited for another's write goes by the row as that left it, alone and together with others.
pub(crate) async fn guards_are_looked_at_again_after_waiting(town: Town) {
    for lanes in [1, 8] {
        let mut options = town.options();
        options.lanes = lanes;
        let storage = town.open_with(&options).await;
        let mut client = town.client().await;
        client.run("DELETE FROM handstamp_sessions").await;
        keep(&storage, 0..8).await;
        client
            .run(
                "BEGIN;
                 UPDATE handstamp_sessions
                 SET counter = 1, data_version = 2, current_hash = UNHEX(SHA2('', 256))
                 WHERE user_id NOT IN ('canary-user-5', 'canary-user-7');
                 DELETE FROM handstamp_sessions WHERE user_id = 'canary-user-5';
                 UPDATE handstamp_sessions SET payload_version = 2, jwt_payload = '{\"new\":1}'
                 WHERE user_id = 'canary-user-7'",
            )
            .await;
        let (handles, empty): (Vec<_>, _) = ((0..8).map(handle).collect(), JsonObject::empty());
        let next = with_child(&session(0), 2);
        let step = Confirm {
            child: Hash2::from_bytes([2; 32]),
            parent: Hash2::from_bytes([1; 32]),
            now: at(2_000),
            expires_at: at(20_000),
        };
        let rotate = |id: usize| rotate(&storage, &APP, &handles[id], 0, &next, at(20_000));
        let (mut first, mut second) = (rotate(0), rotate(6));
        begin(&mut first);
        begin(&mut second);
        client.sees_waiting(&town, 1).await;
        // These two have read the rows as they were.
        let (mut confirm, mut payload) = (
            storage.confirm(&APP, &handles[1], step),
            storage.confirm(&APP, &handles[7], step),
        );
        begin(&mut confirm);
        begin(&mut payload);
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
        client.sees_waiting(&town, 2).await;
        client.run("COMMIT").await;

        assert_eq!(first.await.unwrap(), Guarded::Lost);
        assert_eq!(second.await.unwrap(), Guarded::Lost);
        assert_eq!(confirm.await.unwrap(), None);
        let confirmed = payload.await.unwrap().unwrap();
        assert_eq!(confirmed.jwt_payload.as_str(), "{\"new\":1}");
        assert_eq!(confirmed.rotation.counter, 1);
        let [old, newer, any, gone] = writes;
        assert_eq!(old.await.unwrap(), DataWrite::Conflict);
        assert_eq!(newer.await.unwrap(), DataWrite::Written(3));
        assert_eq!(any.await.unwrap(), DataWrite::Written(3));
        assert_eq!(gone.await.unwrap(), DataWrite::Missing);
    }
}

/// The server ends one of those that wait in a circle, the one that has written less: that is ours, and is done again.
pub(crate) async fn a_step_that_lost_a_deadlock_is_done_again(town: Town) {
    let storage = town.open().await;
    keep(&storage, 1..9).await;
    let mut client = town.client().await;
    client
        .run(
            "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; BEGIN;
             UPDATE handstamp_sessions SET counter = 1 WHERE app = 'public' AND user_id > 'canary-user-1'",
        )
        .await;
    let handles = [handle(1), handle(2)];
    let revoke = storage.revoke(&APP, &handles);
    let other = async {
        client.sees_waiting(&town, 1).await;
        client
            .run("UPDATE handstamp_sessions SET counter = 1 WHERE app = 'public' AND user_id = 'canary-user-1'")
            .await;
        client.run("COMMIT").await;
    };
    let (revoked, ()) = tokio::join!(revoke, other);
    assert_eq!(revoked.unwrap().len(), 2);
}

pub(crate) async fn writes_from_two_servers_do_not_lock_each_other_out(town: Town) {
    const SESSIONS: u32 = 300;
    let stores = [town.open().await, town.open().await];
    keep(&stores[0], 0..SESSIONS).await;
    let tasks: Vec<_> = stores
        .iter()
        .map(|storage| {
            let storage = Arc::clone(storage);
            tokio::spawn(async move {
                let sessions: Vec<_> = (0..SESSIONS).map(session).collect();
                let next: Vec<_> = sessions.iter().map(|one| with_child(one, 2)).collect();
                let empty = JsonObject::empty();
                let rotations =
                    sessions.iter().zip(&next).rev().map(|(one, next)| {
                        rotate(&storage, &APP, &one.handle, 0, next, at(30_000))
                    });
                let data = sessions
                    .iter()
                    .map(|one| storage.write_session_data(&APP, &one.handle, &empty, None, at(0)));
                let (rotated, written) = tokio::join!(all(rotations), all(data));
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
    let versions = "SELECT COUNT(*) FROM handstamp_sessions WHERE data_version = 3 AND counter = 1";
    assert_eq!(client.number(versions).await, i64::from(SESSIONS));
}

/// Who was not there when the others were locked may be there when they are written.
pub(crate) async fn who_comes_between_locking_and_writing_is_told_so(town: Town) {
    let mut options = town.options();
    options.lanes = 1;
    let (storage, another) = (town.open_with(&options).await, town.open().await);
    keep(&storage, [0, 1, 3].into_iter()).await;
    let hold = async |id| {
        let mut client = town.client().await;
        client
            .run(&format!(
                "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; BEGIN;
                 SELECT handle FROM handstamp_sessions
                 WHERE app = 'public' AND user_id = 'canary-user-{id}' FOR UPDATE"
            ))
            .await;
        client
    };
    let (mut first, mut last) = (hold(0).await, hold(3).await);
    let (handles, empty): (Vec<_>, _) = ((0..4).map(handle).collect(), JsonObject::empty());
    let write = |id: usize| storage.write_session_data(&APP, &handles[id], &empty, None, at(0));
    let mut alone = write(0);
    begin(&mut alone);
    first.sees_waiting(&town, 1).await;
    let mut together = [write(1), write(2), write(3)];
    together.iter_mut().for_each(begin);
    first.run("COMMIT").await;
    assert_eq!(alone.await.unwrap(), DataWrite::Written(2));
    // The last one's row is waited for; the second one's was not found.
    last.sees_waiting(&town, 1).await;
    keep(&another, 2..3).await;
    last.run("COMMIT").await;
    for written in all(together.into_iter()).await {
        assert_eq!(written.unwrap(), DataWrite::Written(2));
    }
}

/// One handle of many is taken: it is left as it is, and the others are kept.
pub(crate) async fn a_handle_that_is_taken_is_refused_among_many(town: Town) {
    let mut options = town.options();
    options.lanes = 1;
    let storage = town.open_with(&options).await;
    keep(&storage, 2..3).await;
    let sessions = [0, 1, 2, 3].map(|id| Session {
        user_id: UserId::parse("usurper").unwrap(),
        ..session(id)
    });
    let empty = JsonObject::empty();
    let mut writes = sessions.iter().map(|one| storage.insert(&APP, one, &empty));
    let first = writes.next().unwrap();
    let outcomes = behind_a_lock(&town, GAPS, first, writes.collect()).await;
    let outcomes: Vec<_> = outcomes.into_iter().map(Result::unwrap).collect();
    let (written, lost) = (Guarded::Written, Guarded::Lost);
    assert_eq!(outcomes, [written, written, lost, written]);
    let left = storage.session(&APP, &handle(2)).await.unwrap();
    assert_eq!(left, Some(session(2)));
}

/// What a confirmation answers is the session as it is then, alone and together with others.
pub(crate) async fn a_confirmation_answers_the_payload_that_is_there(town: Town) {
    let mut options = town.options();
    options.lanes = 1;
    let storage = town.open_with(&options).await;
    keep(&storage, 0..3).await;
    let mut client = town.client().await;
    let held = "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED; BEGIN;
         SELECT handle FROM handstamp_sessions
         WHERE app = 'public' AND user_id = 'canary-user-0' FOR UPDATE";
    client.run(held).await;
    let (one, next) = (handle(0), with_child(&session(0), 2));
    let mut first = rotate(&storage, &APP, &one, 0, &next, at(20_000));
    begin(&mut first);
    client.sees_waiting(&town, 1).await;
    let step = Confirm {
        child: Hash2::from_bytes([2; 32]),
        parent: Hash2::from_bytes([1; 32]),
        now: at(2_000),
        expires_at: at(20_000),
    };
    let confirmations = [1, 2].map(|id| {
        let storage = Arc::clone(&storage);
        tokio::spawn(async move { storage.confirm(&APP, &handle(id), step).await })
    });
    // By then they have read the sessions, and wait behind the first.
    for _ in 0..50 {
        storage.session(&APP, &handle(1)).await.unwrap();
        tokio::task::yield_now().await;
    }
    let payload = JsonObject::parse("{\"new\":1}").unwrap();
    let written = storage
        .write_jwt_payload(&APP, &handle(1), &payload, at(0))
        .await;
    assert!(written.unwrap());
    client.run("COMMIT").await;
    assert_eq!(first.await.unwrap(), Guarded::Written);
    let [changed, other] = confirmations;
    let changed = changed.await.unwrap().unwrap().unwrap();
    assert_eq!(changed.jwt_payload, payload);
    assert_eq!(changed.rotation.counter, 1);
    let other = other.await.unwrap().unwrap().unwrap();
    assert_eq!(other.jwt_payload, session(2).jwt_payload);
}

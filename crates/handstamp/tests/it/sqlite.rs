//! What SQLite adds to the contract: the file, its neighbours, the shared commit, the full disk.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests are not seen to be tests"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use handstamp::clock::UnixMillis;
use handstamp::rotation::{Child, Rotation};
use handstamp::session::Session;
use handstamp::storage::sqlite::{SqliteOptions, SqliteStorage};
use handstamp::storage::{
    Confirm, DataWrite, Guarded, KeyKind, Renewal, Storage, StorageError, StorageFault, StoredKey,
};
use handstamp::token::{Hash2, Nonce};
use handstamp::{AppId, JsonObject, SessionHandle, TenantId, UserId};
use rusqlite::Connection;
use tempfile::TempDir;
use uuid::Uuid;
use zeroize::Zeroizing;

const APP: AppId = AppId::PUBLIC;

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("handstamp.db");
    (folder, path)
}

fn at(millis: i64) -> UnixMillis {
    UnixMillis::new(millis)
}

fn session(id: u128) -> Session {
    Session {
        handle: SessionHandle::new(TenantId::PUBLIC, Uuid::from_u128(id)),
        user_id: UserId::parse("canary-user").unwrap(),
        jwt_payload: JsonObject::parse(r#"{"canary":"payload"}"#).unwrap(),
        created_at: at(1_000),
        expires_at: at(10_000),
        ends_at: UnixMillis::MAX,
        static_key: false,
        rotation: Rotation::starting_with(Hash2::from_bytes([1; 32])),
    }
}

fn with_child(session: &Session, seed: u8) -> Rotation {
    session.rotation.clone().with_child(Child {
        hash: Hash2::from_bytes([seed; 32]),
        nonce: Nonce::from_bytes([seed; 16]),
        given_at: at(2_000),
    })
}

fn data(bytes: usize) -> JsonObject {
    JsonObject::parse(&["{\"canary\":\"", &"x".repeat(bytes), "\"}"].concat()).unwrap()
}

fn key(seed: u8) -> StoredKey {
    StoredKey {
        kind: KeyKind::Refresh,
        generation: 1,
        created_at: at(i64::from(seed)),
        material: Zeroizing::new(vec![seed; 32]),
    }
}

/// Hands all of `writes` to the store while another connection holds the lock; answers what they come to once it lets go.
async fn queued_behind_a_lock<T>(
    path: &Path,
    writes: impl Iterator<Item = impl Future<Output = T>>,
) -> Vec<T> {
    let lock = Connection::open(path).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut writes: Vec<_> = writes.map(Box::pin).collect();
    for write in &mut writes {
        let mut context = Context::from_waker(Waker::noop());
        assert!(write.as_mut().poll(&mut context).is_pending());
    }
    lock.execute_batch("ROLLBACK").unwrap();
    let mut outcomes = Vec::new();
    for write in writes {
        outcomes.push(write.await);
    }
    outcomes
}

/// How many commits the write-ahead log holds: frames of its present round that carry the size of the file.
fn commits(path: &Path) -> usize {
    let log = std::fs::read(path.with_extension("db-wal")).unwrap();
    let number = |at: usize| u32::from_be_bytes(log[at..at + 4].try_into().unwrap());
    let page = usize::try_from(number(8)).unwrap();
    let salt = &log[16..24];
    let frames = (32..log.len()).step_by(24 + page);
    frames
        .filter(|frame| &log[frame + 8..frame + 16] == salt && number(frame + 4) != 0)
        .count()
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let session = session(1);
    let rotated = with_child(&session, 2);
    for closing in [false, true] {
        // A store that is dropped lets its file go a little later.
        let (_folder, path) = folder();
        let id = u128::from(closing);
        let session = Session {
            handle: self::session(id).handle,
            ..session.clone()
        };
        let storage = SqliteStorage::open(&path).unwrap();
        let inserted = storage.insert(&APP, &session, &data(1)).await.unwrap();
        assert_eq!(inserted, Guarded::Written);
        let outcome = {
            let next = renewal(&rotated, at(20_000));
            storage.rotate(&APP, &session.handle, 0, &next).await
        };
        assert_eq!(outcome.unwrap(), Guarded::Written);
        let long = data(100_000);
        let written = storage.write_session_data(&APP, &session.handle, &long, None, at(0));
        assert_eq!(written.await.unwrap(), DataWrite::Written(2));
        if closing {
            storage.close().await;
            assert!(!path.with_extension("db-wal").exists());
        }
        drop(storage);

        let storage = SqliteStorage::open(&path).unwrap();
        let read = storage.session(&APP, &session.handle).await.unwrap();
        let read = read.unwrap();
        assert_eq!(read.rotation, rotated);
        assert_eq!(read.expires_at, at(20_000));
        let data = storage.session_data(&APP, &session.handle).await.unwrap();
        assert_eq!(data.unwrap().data, long);
    }
}

#[tokio::test]
async fn what_is_queued_is_written_before_closing() {
    let (_folder, path) = folder();
    let storage = SqliteStorage::open(&path).unwrap();
    let (sessions, empty): (Vec<_>, _) = ((0..50).map(session).collect(), data(0));
    let writes = sessions.iter().map(|one| storage.insert(&APP, one, &empty));
    let (outcomes, ()) = tokio::join!(queued_behind_a_lock(&path, writes), storage.close());
    for outcome in outcomes {
        assert_eq!(outcome.unwrap(), Guarded::Written);
    }
    let storage = SqliteStorage::open(&path).unwrap();
    for session in sessions {
        let read = storage.session(&APP, &session.handle).await.unwrap();
        assert_eq!(read, Some(session));
    }
}

#[tokio::test]
async fn waiting_writes_share_a_commit() {
    let (_folder, path) = folder();
    let storage = SqliteStorage::open(&path).unwrap();
    let (sessions, empty): (Vec<_>, _) = ((0..300).map(session).collect(), data(0));
    let inserted = storage.insert(&APP, &session(1_000), &empty).await.unwrap();
    assert_eq!(inserted, Guarded::Written);
    let before = commits(&path);

    let writes = sessions.iter().map(|one| storage.insert(&APP, one, &empty));
    for outcome in queued_behind_a_lock(&path, writes).await {
        assert_eq!(outcome.unwrap(), Guarded::Written);
    }
    assert_eq!(commits(&path) - before, 2, "256 and the rest");
}

#[tokio::test]
async fn each_of_a_shared_commit_has_its_own_outcome() {
    let (_folder, path) = folder();
    let storage = SqliteStorage::open(&path).unwrap();
    let (first, empty) = (session(1), data(0));
    let inserted = storage.insert(&APP, &first, &empty).await.unwrap();
    assert_eq!(inserted, Guarded::Written);
    // No row may end before its expiry; this one tries.
    let impossible = Session {
        ends_at: at(9_999),
        static_key: false,
        ..session(2)
    };
    let sessions = [session(3), first.clone(), impossible.clone(), session(4)];
    let writes = sessions.iter().map(|one| storage.insert(&APP, one, &empty));
    let outcomes = queued_behind_a_lock(&path, writes).await;
    let faults: Vec<_> = outcomes
        .into_iter()
        .map(|outcome| outcome.map_err(|error| error.fault()))
        .collect();
    let expected = [
        Ok(Guarded::Written),
        Ok(Guarded::Lost),
        Err(StorageFault::Inconsistent),
        Ok(Guarded::Written),
    ];
    assert_eq!(faults, expected);
    let read = storage.session(&APP, &impossible.handle).await.unwrap();
    assert_eq!(read, None);
}

#[tokio::test]
async fn a_full_disk_fails_those_it_must_and_no_other() {
    let (_folder, path) = folder();
    let mut options = SqliteOptions::default();
    options.max_bytes = Some(256 * 1024);
    let storage = SqliteStorage::open_with(&path, &options).unwrap();
    let sessions: Vec<_> = (0..40).map(session).collect();
    let (short, long) = (data(10), data(512 * 1024));
    let writes = sessions.iter().enumerate().map(|(n, session)| {
        let data = if n == 10 { &long } else { &short };
        storage.insert(&APP, session, data)
    });
    let outcomes = queued_behind_a_lock(&path, writes).await;
    for (n, outcome) in outcomes.iter().enumerate() {
        match outcome {
            Ok(outcome) => assert_eq!(*outcome, Guarded::Written),
            Err(error) => {
                assert_eq!(error.fault(), StorageFault::Full, "{n}");
                assert!(!error.is_outcome_unknown(), "{n}");
            }
        }
    }
    assert!(outcomes[10].is_err());
    assert!(outcomes[11].is_ok() && outcomes[39].is_ok());
    drop(storage);

    let storage = SqliteStorage::open_with(&path, &options).unwrap();
    for (n, (session, outcome)) in sessions.iter().zip(&outcomes).enumerate() {
        let read = storage.session(&APP, &session.handle).await.unwrap();
        assert_eq!(read.is_some(), outcome.is_ok(), "{n}");
        let data = storage.session_data(&APP, &session.handle).await.unwrap();
        assert_eq!(data.is_some(), outcome.is_ok(), "{n}");
    }
}

#[tokio::test]
async fn a_full_disk_with_room_again_is_written_to() {
    let (_folder, path) = folder();
    let mut options = SqliteOptions::default();
    options.max_bytes = Some(256 * 1024);
    let storage = SqliteStorage::open_with(&path, &options).unwrap();
    let mut sessions = Vec::new();
    let error = loop {
        let session = session(u128::try_from(sessions.len()).unwrap());
        match storage.insert(&APP, &session, &data(20_000)).await {
            Ok(outcome) => assert_eq!(outcome, Guarded::Written),
            Err(error) => break error,
        }
        sessions.push(session.handle);
    };
    assert_eq!(error.fault(), StorageFault::Full);
    assert!(!error.is_transient() && !error.is_outcome_unknown());

    let revoked = storage.revoke(&APP, &sessions).await.unwrap();
    assert_eq!(revoked, sessions);
    let inserted = storage.insert(&APP, &session(999), &data(20_000)).await;
    assert_eq!(inserted.unwrap(), Guarded::Written);
}

#[tokio::test]
async fn a_lock_held_for_too_long_is_reported() {
    let (_folder, path) = folder();
    let mut options = SqliteOptions::default();
    options.busy_timeout = Duration::from_millis(1);
    let storage = SqliteStorage::open_with(&path, &options).unwrap();
    let (session, empty) = (session(1), data(0));
    let lock = Connection::open(&path).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = storage.insert(&APP, &session, &empty).await.unwrap_err();
    assert_eq!(error.fault(), StorageFault::Busy);
    assert!(error.is_transient() && !error.is_outcome_unknown());
    let read = storage.session(&APP, &session.handle).await.unwrap();
    assert_eq!(read, None, "reading waits for nobody");

    lock.execute_batch("ROLLBACK").unwrap();
    // On a busy machine a millisecond may be too short even for a lock that is free; the error says that trying again helps.
    let mut inserted = storage.insert(&APP, &session, &empty).await;
    for _ in 0..1000 {
        if !matches!(&inserted, Err(why) if why.is_transient()) {
            break;
        }
        inserted = storage.insert(&APP, &session, &empty).await;
    }
    assert_eq!(inserted.unwrap(), Guarded::Written);
}

#[tokio::test]
async fn two_stores_on_one_file_agree() {
    let (_folder, path) = folder();
    let open = || Arc::new(SqliteStorage::open(&path).unwrap());
    let stores = [open(), open()];
    let session = session(1);
    let inserted = stores[0].insert(&APP, &session, &data(0)).await.unwrap();
    assert_eq!(inserted, Guarded::Written);
    let read = stores[1].session(&APP, &session.handle).await.unwrap();
    assert_eq!(read.as_ref(), Some(&session));

    let tasks: Vec<_> = (0..32_u8)
        .map(|n| {
            let (storage, session) = (Arc::clone(&stores[usize::from(n % 2)]), session.clone());
            tokio::spawn(async move {
                let next = with_child(&session, n);
                let rotated = {
                    let next = renewal(&next, at(20_000));
                    storage.rotate(&APP, &session.handle, 0, &next).await
                };
                let rotated = rotated.unwrap();
                (rotated, storage.add_key(&APP, &key(n)).await.unwrap())
            })
        })
        .collect();
    let mut written = (0, 0);
    for task in tasks {
        let (rotated, added) = task.await.unwrap();
        written.0 += usize::from(rotated == Guarded::Written);
        written.1 += usize::from(added == Guarded::Written);
    }
    assert_eq!(written, (1, 1));
    let keys = stores[0].keys(&APP).await.unwrap();
    assert_eq!(keys.len(), 1);
    assert_eq!(stores[1].keys(&APP).await.unwrap(), keys);
}

#[tokio::test]
async fn many_may_make_the_file_at_once() {
    // Not every round is a race; a handful is.
    for _ in 0..32 {
        let (_folder, path) = folder();
        let stores: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| SqliteStorage::open(&path).unwrap()))
                .collect();
            threads.into_iter().map(|one| one.join().unwrap()).collect()
        });
        let mut written = 0;
        for (n, storage) in (0..).zip(&stores) {
            let added = storage.add_key(&APP, &key(n)).await.unwrap();
            written += usize::from(added == Guarded::Written);
        }
        assert_eq!(written, 1);
    }
}

#[test]
fn a_file_of_a_newer_version_is_refused() {
    let (_folder, path) = folder();
    drop(SqliteStorage::open(&path).unwrap());
    let other = Connection::open(&path).unwrap();
    other.execute_batch("PRAGMA user_version = 99").unwrap();
    let error = SqliteStorage::open(&path).unwrap_err();
    assert_eq!(error.fault(), StorageFault::Unsuitable);
    assert!(
        chain(&error).contains("newer version of handstamp"),
        "{}",
        chain(&error)
    );
}

#[test]
fn a_file_of_another_program_is_left_alone() {
    let foreign = [
        "CREATE TABLE t (a)",
        "PRAGMA application_id = 77",
        "PRAGMA user_version = 1",
        "PRAGMA application_id = 1213420624",
    ];
    for sql in foreign {
        let (_folder, path) = folder();
        let other = Connection::open(&path).unwrap();
        other.execute_batch(sql).unwrap();
        drop(other);
        assert_refused(&path, "another program");
    }
    let (_folder, path) = folder();
    std::fs::write(
        &path,
        "a letter, not a database; long enough for a header".repeat(99),
    )
    .unwrap();
    assert_refused(&path, "not a database");
}

fn assert_refused(path: &Path, why: &str) {
    let before = std::fs::read(path).unwrap();
    let error = SqliteStorage::open(path).unwrap_err();
    assert_eq!(error.fault(), StorageFault::Unsuitable);
    let told = chain(&error);
    assert!(told.contains(why), "{told}");
    assert!(told.contains(path.to_str().unwrap()), "{told}");
    assert_eq!(std::fs::read(path).unwrap(), before);
    assert!(!path.with_extension("db-wal").exists());
}

#[test]
fn a_missing_folder_is_named() {
    let (folder, _) = folder();
    let missing = folder.path().join("missing");
    let error = SqliteStorage::open(&missing.join("handstamp.db")).unwrap_err();
    assert_eq!(error.fault(), StorageFault::Unavailable);
    let named = ["missing", " cannot be opened"].concat();
    assert!(error.to_string().contains(&named), "{error}");
    assert!(!missing.exists());

    let error = SqliteStorage::open(folder.path()).unwrap_err();
    assert_eq!(error.fault(), StorageFault::Unavailable);
}

#[cfg(unix)]
#[tokio::test]
async fn files_are_for_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;

    let (_folder, path) = folder();
    let storage = SqliteStorage::open(&path).unwrap();
    let added = storage.add_key(&APP, &key(1)).await.unwrap();
    assert_eq!(added, Guarded::Written);
    for name in ["db", "db-wal", "db-shm"] {
        let metadata = std::fs::metadata(path.with_extension(name)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{name}");
    }
}

/// Each of these is something that only another program can have written.
#[tokio::test]
async fn a_row_that_contradicts_itself_is_reported_by_place() {
    let cases = [
        (
            "UPDATE sessions SET child_hash = zeroblob(32)",
            "sessions.child_hash",
        ),
        (
            "UPDATE sessions SET previous_superseded_at = 5",
            "sessions.previous_hash",
        ),
        (
            "UPDATE sessions SET current_hash = x'cafe'",
            "sessions.current_hash",
        ),
        (
            "UPDATE sessions SET current_nonce = x'cafe'",
            "sessions.current_nonce",
        ),
        (
            "UPDATE sessions SET handle = zeroblob(15)",
            "sessions.handle",
        ),
        ("UPDATE sessions SET counter = -77", "sessions.counter"),
        (
            "UPDATE sessions SET user_id = printf('%.*c', 129, 'c')",
            "sessions.user_id",
        ),
        ("DELETE FROM session_data", "session_data.session_id"),
        (
            "UPDATE session_data SET version = -77",
            "session_data.version",
        ),
        ("UPDATE keys SET kind = 'canary'", "keys.kind"),
        ("UPDATE keys SET generation = -77", "keys.generation"),
    ];
    for (sql, place) in cases {
        let (_folder, path) = folder();
        let storage = SqliteStorage::open(&path).unwrap();
        let session = session(1);
        let inserted = storage.insert(&APP, &session, &data(0)).await.unwrap();
        assert_eq!(inserted, Guarded::Written);
        assert_eq!(
            storage.add_key(&APP, &key(1)).await.unwrap(),
            Guarded::Written
        );
        let vandal = Connection::open(&path).unwrap();
        vandal
            .execute_batch("PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF;")
            .unwrap();
        vandal.execute_batch(sql).unwrap();

        let handle = &session.handle;
        let step = Confirm {
            child: Hash2::from_bytes([2; 32]),
            parent: Hash2::from_bytes([1; 32]),
            now: at(2_000),
            expires_at: at(20_000),
        };
        let user = &session.user_id;
        let all = [
            storage.session(&APP, handle).await.map(drop),
            storage.session_data(&APP, handle).await.map(drop),
            storage.keys(&APP).await.map(drop),
            storage
                .handles_of_user(&APP, None, user, at(0))
                .await
                .map(drop),
            storage.revoke_user(&APP, None, user, at(0)).await.map(drop),
        ];
        let errors: Vec<_> = all.into_iter().filter_map(Result::err).collect();
        assert!(!errors.is_empty(), "{sql}");
        for error in &errors {
            assert!(chain(error).contains(place), "{sql}: {}", chain(error));
        }
        // The schema's own checks know no place, but come first where a row is written.
        let confirmed = storage.confirm(&APP, handle, step).await;
        for error in errors.into_iter().chain(confirmed.err()) {
            let told = chain(&error);
            assert_eq!(error.fault(), StorageFault::Inconsistent, "{told}");
            assert!(!told.contains("canary") && !told.contains("77"), "{told}");
        }
    }
}

#[tokio::test]
async fn a_write_that_fails_leaves_nothing() {
    let (_folder, path) = folder();
    let storage = SqliteStorage::open(&path).unwrap();
    let session = session(1);
    let inserted = storage.insert(&APP, &session, &data(0)).await.unwrap();
    assert_eq!(inserted, Guarded::Written);
    let other = Connection::open(&path).unwrap();
    other
        .execute_batch("UPDATE sessions SET user_id = printf('%.*c', 129, 'c')")
        .unwrap();
    // Changes the row, then cannot read it.
    let step = Confirm {
        child: Hash2::from_bytes([2; 32]),
        parent: Hash2::from_bytes([1; 32]),
        now: at(2_000),
        expires_at: at(20_000),
    };
    let error = storage
        .confirm(&APP, &session.handle, step)
        .await
        .unwrap_err();
    assert!(!error.is_outcome_unknown());
    let counter: i64 = other
        .query_row("SELECT counter FROM sessions", [], |row| row.get(0))
        .unwrap();
    assert_eq!(counter, 0);
}

/// The error with its causes.
fn chain(error: &StorageError) -> String {
    let mut told = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        told.push_str(": ");
        told.push_str(&cause.to_string());
        source = cause.source();
    }
    told
}

fn renewal(rotation: &Rotation, expires_at: UnixMillis) -> Renewal {
    Renewal {
        rotation: rotation.clone(),
        expires_at,
        static_key: false,
    }
}

/// A file as schema 1 had it, with something in every column.
#[tokio::test]
async fn what_schema_1_wrote_is_read() {
    let (_folder, path) = folder();
    let file = Connection::open(&path).unwrap();
    file.execute_batch(include_str!("schema/sqlite_0001.sql"))
        .unwrap();
    drop(file);
    let storage = SqliteStorage::open(&path).unwrap();
    crate::earlier::is_read(&storage).await;
    storage.close().await;
}

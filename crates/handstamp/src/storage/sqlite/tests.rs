//! What can only be seen from inside: the writer's pragmas, its batches, its failures.

use tempfile::TempDir;

use super::*;

fn store(options: &SqliteOptions) -> (SqliteStorage, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let storage = SqliteStorage::open_with(&folder.path().join("db"), options).unwrap();
    (storage, folder)
}

async fn pragma(storage: &SqliteStorage, sql: &'static str) -> i64 {
    let read = move |db: &mut Statements<'_>| db.one(sql, [], |row| Ok(row.get(0).unwrap()));
    storage.write(read).await.unwrap().unwrap()
}

fn orphan(db: &mut Statements<'_>, id: i64) -> Result<usize, StorageError> {
    db.execute("PRAGMA defer_foreign_keys = ON", [])?;
    db.execute("INSERT INTO session_data VALUES (?1, 1, '{}')", [id])
}

#[tokio::test]
async fn an_answer_waits_for_the_disk_by_default() {
    let (storage, _folder) = store(&SqliteOptions::default());
    assert_eq!(pragma(&storage, "PRAGMA synchronous").await, 2);
    assert_eq!(pragma(&storage, "PRAGMA foreign_keys").await, 1);
    let mode = |db: &mut Statements<'_>| {
        db.one("PRAGMA journal_mode", [], |row| Ok(row.get::<_, String>(0)))
    };
    let mode = storage.write(mode).await.unwrap().unwrap().unwrap();
    assert_eq!(mode, "wal");

    let options = SqliteOptions {
        synchronous: Synchronous::Normal,
        ..SqliteOptions::default()
    };
    let (storage, _folder) = store(&options);
    assert_eq!(pragma(&storage, "PRAGMA synchronous").await, 1);
}

#[tokio::test]
async fn readers_cannot_write() {
    let (storage, _folder) = store(&SqliteOptions::default());
    let error = storage
        .read(|db| db.execute("DELETE FROM sessions", []))
        .await
        .unwrap_err();
    assert_eq!(error.fault(), StorageFault::ReadOnly);
}

/// The foreign key is checked by the commit.
#[tokio::test]
async fn an_answer_waits_for_the_commit() {
    let (storage, _folder) = store(&SqliteOptions::default());
    let error = storage.write(|db| orphan(db, 9)).await.unwrap_err();
    assert_eq!(error.fault(), StorageFault::Inconsistent);
    assert!(!error.is_outcome_unknown());
    let left = pragma(&storage, "SELECT count(*) FROM session_data").await;
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_panic_costs_its_caller_only() {
    let (storage, _folder) = store(&SqliteOptions::default());
    for _ in 0..3 {
        let write = storage.write::<()>(|db| {
            db.execute("INSERT INTO sessions DEFAULT VALUES", [])
                .unwrap_err();
            orphan(db, 9).unwrap();
            panic!("in a write")
        });
        let error = write.await.unwrap_err();
        assert!(error.is_outcome_unknown());
        let read = storage.read::<()>(|_| panic!("in a read"));
        assert!(!read.await.unwrap_err().is_outcome_unknown());
    }
    let left = pragma(&storage, "SELECT count(*) FROM session_data").await;
    assert_eq!(left, 0);
    storage.ping().await.unwrap();
    storage.close().await;
}

#[tokio::test]
async fn threads_end_with_the_store() {
    let (storage, _folder) = store(&SqliteOptions::default());
    let threads = std::mem::take(&mut *storage.threads.lock().await);
    assert_eq!(threads.len(), 3);
    drop(storage);
    for mut thread in threads {
        thread.ended().await;
        thread.join();
    }
}

//! The file: how it is made, opened and recognised.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::statements::{failed, roll_back};
use super::{SqliteOptions, Synchronous};
use crate::storage::{StorageError, StorageFault};

/// Brings a file from each version of the schema to the next. Never change one that was released.
const MIGRATIONS: &[&str] = &[include_str!("../../../migrations/sqlite/0001_sessions.sql")];

/// "HSTP"; the first migration writes it.
const APPLICATION_ID: i64 = 0x4853_5450;

/// How often the change to the write-ahead log is tried. Whoever gets it done, gets it done for all.
const WAL_ATTEMPTS: usize = 16;

/// Opens the file for writing, makes it and its schema if need be, and sees that it is ours.
pub(super) fn open_writer(
    path: &Path,
    options: &SqliteOptions,
) -> Result<Connection, StorageError> {
    create(path)?;
    let connection = open(path, options)?;
    let opened = recognise(&connection, options);
    opened
        .map_err(|why| StorageError::new(why.fault(), path.display().to_string()).because(why))?;
    Ok(connection)
}

/// Opens the file, which has its schema, for reading.
pub(super) fn open_reader(
    path: &Path,
    options: &SqliteOptions,
) -> Result<Connection, StorageError> {
    let connection = open(path, options)?;
    connection
        .execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -8192;")
        .map_err(failed)?;
    Ok(connection)
}

/// The same path, but spelt so that SQLite takes it for nothing but a path: not `:memory:`, not `file:`.
pub(super) fn whole_path(path: &Path) -> Result<PathBuf, StorageError> {
    std::path::absolute(path).map_err(|why| cannot_open(path, why))
}

fn open(path: &Path, options: &SqliteOptions) -> Result<Connection, StorageError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection =
        Connection::open_with_flags(path, flags).map_err(|why| cannot_open(path, why))?;
    connection
        .busy_timeout(options.busy_timeout)
        .map_err(failed)?;
    // Views and triggers that somebody slipped into the file get to call nothing.
    connection
        .execute_batch("PRAGMA trusted_schema = OFF; PRAGMA temp_store = MEMORY;")
        .map_err(failed)?;
    Ok(connection)
}

/// Makes an empty file that only its owner may read, because it will hold keys. SQLite gives the files beside it the same mode.
fn create(path: &Path) -> Result<(), StorageError> {
    let mut new = fs::OpenOptions::new();
    new.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut new, 0o600);
    match new.open(path) {
        Ok(file) => {
            // POSIX: when a process closes a file it loses its locks on it, those of SQLite's connections included. Another
            // thread may have one already, so this handle stays open.
            #[cfg(unix)]
            let _: std::os::fd::RawFd = std::os::fd::IntoRawFd::into_raw_fd(file);
            #[cfg(not(unix))]
            drop(file);
            Ok(())
        }
        Err(_) if path.is_dir() => Err(cannot_open(
            path,
            io::Error::from(io::ErrorKind::IsADirectory),
        )),
        Err(why) if why.kind() == io::ErrorKind::AlreadyExists => {
            warn_of_readers(path);
            Ok(())
        }
        Err(why) => match path.parent().filter(|parent| !parent.exists()) {
            Some(parent) => Err(cannot_open(parent, why)),
            None => Err(cannot_open(path, why)),
        },
    }
}

/// A file that somebody else made may be open to others, and it holds the keys.
fn warn_of_readers(path: &Path) {
    #[cfg(unix)]
    if let Ok(about) = fs::metadata(path) {
        let mode = std::os::unix::fs::PermissionsExt::mode(&about.permissions()) & 0o777;
        if mode & 0o077 != 0 {
            let path = path.display();
            tracing::warn!(%path, "others than its owner may read the database, which holds the signing keys; chmod 600 it");
        }
    }
}

fn cannot_open(path: &Path, why: impl std::error::Error + Send + Sync + 'static) -> StorageError {
    StorageError::new(
        StorageFault::Unavailable,
        format!("{} cannot be opened", path.display()),
    )
    .because(why)
}

fn recognise(connection: &Connection, options: &SqliteOptions) -> Result<(), StorageError> {
    migrate(connection)?;
    write_ahead(connection)?;
    connection
        .execute_batch(match options.synchronous {
            Synchronous::Full => "PRAGMA synchronous = FULL;",
            Synchronous::Normal => "PRAGMA synchronous = NORMAL;",
        })
        .map_err(failed)?;
    connection
        .execute_batch(
            "PRAGMA foreign_keys = ON;
             PRAGMA cache_size = -16384;
             PRAGMA wal_autocheckpoint = 4096;
             PRAGMA journal_size_limit = 67108864;",
        )
        .map_err(failed)?;
    if let Some(bytes) = options.max_bytes {
        let page = number(connection, "PRAGMA page_size")?.max(1);
        let pages = i64::try_from(bytes).unwrap_or(i64::MAX) / page;
        connection
            .pragma_update(None, "max_page_count", pages.max(1))
            .map_err(failed)?;
    }
    Ok(())
}

/// Looks and acts in one transaction, so that of several processes that start together one does it. A file that is not ours
/// is left as it is.
fn migrate(connection: &Connection) -> Result<(), StorageError> {
    connection
        .execute_batch("BEGIN IMMEDIATE")
        .map_err(failed)?;
    let migrated = missing(connection).and_then(|missing| {
        for migration in missing {
            connection.execute_batch(migration).map_err(failed)?;
        }
        connection.execute_batch("COMMIT").map_err(failed)
    });
    roll_back(connection);
    migrated
}

/// The migrations that the file has not seen.
fn missing(connection: &Connection) -> Result<&'static [&'static str], StorageError> {
    let refused = |why| Err(StorageError::new(StorageFault::Unsuitable, why));
    let version = number(connection, "PRAGMA user_version")?;
    let application = number(connection, "PRAGMA application_id")?;
    let tables = number(connection, "SELECT count(*) FROM sqlite_schema")?;
    match (application, version, tables) {
        (0, 0, 0) => Ok(MIGRATIONS),
        (APPLICATION_ID, 1.., 1..) => {
            let seen = usize::try_from(version).unwrap_or(usize::MAX);
            MIGRATIONS.get(seen..).map_or_else(
                || refused("the file was written by a newer version of handstamp"),
                Ok,
            )
        }
        _ => refused("the file is a database of another program"),
    }
}

fn write_ahead(connection: &Connection) -> Result<(), StorageError> {
    let mut attempt = 1;
    loop {
        let mode = connection.query_row("PRAGMA journal_mode = WAL", [], |row| {
            row.get::<_, String>(0)
        });
        match mode {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(_) => {
                let why = "its file system does not allow for a write-ahead log";
                return Err(StorageError::new(StorageFault::Other, why));
            }
            Err(why)
                if why.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && attempt < WAL_ATTEMPTS =>
            {
                attempt += 1;
                // This change does not wait for others who are at it too; an empty transaction does.
                let waited = connection.execute_batch("BEGIN IMMEDIATE; COMMIT;");
                roll_back(connection);
                waited.map_err(failed)?;
            }
            Err(why) => return Err(failed(why)),
        }
    }
}

fn number(connection: &Connection, sql: &'static str) -> Result<i64, StorageError> {
    connection
        .query_row(sql, [], |row| row.get(0))
        .map_err(failed)
}

//! The one way to run SQL here: static text, prepared once per connection, faults told in our terms.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use rusqlite::{Connection, ErrorCode, Params, Row, Statement};

use crate::storage::{StorageError, StorageFault};

/// A connection with the statements it has prepared. rusqlite's own cache is an optional part of some of the versions that we
/// accept and unknown to others.
pub(super) struct Statements<'c> {
    connection: &'c Connection,
    prepared: HashMap<&'static str, Statement<'c>>,
}

impl<'c> Statements<'c> {
    pub(super) fn of(connection: &'c Connection) -> Self {
        Self {
            connection,
            prepared: HashMap::new(),
        }
    }

    pub(super) fn connection(&self) -> &'c Connection {
        self.connection
    }

    /// Answers how many rows it changed, those of other tables not counted.
    pub(super) fn execute(
        &mut self,
        sql: &'static str,
        params: impl Params,
    ) -> Result<usize, StorageError> {
        self.prepare(sql)?.execute(params).map_err(failed)
    }

    /// Reads all rows. A statement that writes and returns rows is only done when it is read to its end.
    pub(super) fn all<T>(
        &mut self,
        sql: &'static str,
        params: impl Params,
        read: impl Fn(&Row<'_>) -> Result<T, StorageError>,
    ) -> Result<Vec<T>, StorageError> {
        let mut rows = self.prepare(sql)?.query(params).map_err(failed)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            found.push(read(row)?);
        }
        Ok(found)
    }

    /// Reads the row there is at most one of.
    pub(super) fn one<T>(
        &mut self,
        sql: &'static str,
        params: impl Params,
        read: impl Fn(&Row<'_>) -> Result<T, StorageError>,
    ) -> Result<Option<T>, StorageError> {
        Ok(self.all(sql, params, read)?.into_iter().next())
    }

    /// Does all of `work`, or leaves nothing of it in the transaction under way. If that cannot be had, the transaction is
    /// rolled back as a whole, which [`Connection::is_autocommit`] shows.
    pub(super) fn all_or_nothing<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, StorageError>,
    ) -> Result<T, StorageError> {
        self.execute("SAVEPOINT job", [])?;
        let done = work(self);
        // SQLite has rolled everything back, the savepoint with it.
        if self.connection.is_autocommit() {
            return done;
        }
        let undone = match &done {
            Ok(_) => Ok(0),
            Err(_) => self.execute("ROLLBACK TO job", []),
        };
        match undone.and_then(|_| self.execute("RELEASE job", [])) {
            Ok(_) => done,
            Err(error) => {
                roll_back(self.connection);
                Err(error)
            }
        }
    }

    fn prepare(&mut self, sql: &'static str) -> Result<&mut Statement<'c>, StorageError> {
        match self.prepared.entry(sql) {
            Entry::Occupied(held) => Ok(held.into_mut()),
            Entry::Vacant(place) => Ok(place.insert(self.connection.prepare(sql).map_err(failed)?)),
        }
    }
}

/// Ends the transaction under way, if there still is one.
pub(super) fn roll_back(connection: &Connection) {
    if !connection.is_autocommit() {
        // What a failed rollback leaves open is rolled back before the next transaction, or by the next to open the file.
        drop(connection.execute_batch("ROLLBACK"));
    }
}

/// What SQLite reports, in our terms.
pub(super) fn failed(error: rusqlite::Error) -> StorageError {
    StorageError::new(fault_of(&error), "SQLite").because(error)
}

/// See [`failed`].
pub(super) fn fault_of(error: &rusqlite::Error) -> StorageFault {
    match error.sqlite_error_code() {
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::FileLockingProtocolFailed,
        ) => StorageFault::Busy,
        Some(ErrorCode::DiskFull) => StorageFault::Full,
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => StorageFault::ReadOnly,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::ConstraintViolation) => {
            StorageFault::Inconsistent
        }
        Some(ErrorCode::NotADatabase) => StorageFault::Unsuitable,
        Some(ErrorCode::CannotOpen | ErrorCode::SystemIoFailure) => StorageFault::Unavailable,
        _ => StorageFault::Other,
    }
}

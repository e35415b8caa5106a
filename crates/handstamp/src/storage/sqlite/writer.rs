//! The thread that writes. It takes what is waiting into one transaction, so that many writes share one wait for the disk, and
//! answers nobody before that is committed.

use std::iter;
use std::sync::Arc;

use async_channel::Receiver;
use rusqlite::{Connection, ErrorCode};
use tokio::sync::oneshot;

use super::statements::{Statements, fault_of, roll_back};
use crate::storage::{StorageError, StorageFault};

/// How many jobs share a transaction at the most.
const BATCH: usize = 256;

/// A write, and who waits for it.
pub(super) trait Job: Send {
    /// Does the work, inside a transaction, and keeps the outcome. Answers what went wrong, if anything.
    fn run(&mut self, db: &mut Statements<'_>) -> Result<(), StorageFault>;

    /// Tells the caller what became of it: the outcome, if the transaction was committed.
    fn answer(self: Box<Self>, committed: Result<(), StorageError>);
}

/// A job and the channel that the caller gets its outcome by.
pub(super) fn job<T: Send + 'static>(
    work: impl FnOnce(&mut Statements<'_>) -> Result<T, StorageError> + Send + 'static,
) -> (Box<dyn Job>, oneshot::Receiver<Result<T, StorageError>>) {
    let (caller, outcome) = oneshot::channel();
    let pending = Pending {
        state: State::Waiting(work),
        caller,
    };
    (Box::new(pending), outcome)
}

struct Pending<T, W> {
    state: State<T, W>,
    caller: oneshot::Sender<Result<T, StorageError>>,
}

enum State<T, W> {
    Waiting(W),
    Running,
    Done(Result<T, StorageError>),
}

impl<T, W> Job for Pending<T, W>
where
    T: Send,
    W: FnOnce(&mut Statements<'_>) -> Result<T, StorageError> + Send,
{
    fn run(&mut self, db: &mut Statements<'_>) -> Result<(), StorageFault> {
        let State::Waiting(work) = std::mem::replace(&mut self.state, State::Running) else {
            return Err(StorageFault::Other);
        };
        let outcome = db.all_or_nothing(work);
        let ran = outcome.as_ref().map(drop).map_err(StorageError::fault);
        self.state = State::Done(outcome);
        ran
    }

    fn answer(self: Box<Self>, committed: Result<(), StorageError>) {
        let outcome = match (self.state, committed) {
            (State::Done(outcome), Ok(())) => outcome,
            // Its own fault says more than that of the transaction.
            (State::Done(Err(error)), Err(_)) | (_, Err(error)) => Err(error),
            (State::Waiting(_) | State::Running, Ok(())) => Err(stopped()),
        };
        // A caller that has gone away does not want to know.
        drop(self.caller.send(outcome));
    }
}

/// What a caller is told whose job was dropped half-way.
pub(super) fn stopped() -> StorageError {
    StorageError::new(StorageFault::Other, "the work stopped half-way").with_outcome_unknown()
}

/// Works until the queue is closed and empty.
pub(super) fn serve(connection: &Connection, queue: &Receiver<Box<dyn Job>>) {
    // Left open by a panic.
    roll_back(connection);
    let mut db = Statements::of(connection);
    while let Ok(first) = queue.recv_blocking() {
        run_batch(&mut db, first, queue);
    }
    drop(db);
    // Another process may hold the file open; the last to close it would do this by itself.
    drop(connection.execute_batch("PRAGMA wal_checkpoint(PASSIVE)"));
}

fn run_batch(db: &mut Statements<'_>, first: Box<dyn Job>, queue: &Receiver<Box<dyn Job>>) {
    let connection = db.connection();
    // What arrives while the lock is waited for, and while others run, still comes along.
    let waiting = iter::from_fn(|| queue.try_recv().ok());
    let jobs = iter::once(first).chain(waiting).take(BATCH);

    if let Err(error) = connection.execute_batch("BEGIN IMMEDIATE") {
        roll_back(connection);
        // Those behind have waited as long, and would wait once more each.
        let error = Arc::new(error);
        return answer(jobs, || Err(refused("no transaction", &error)));
    }
    let mut batch = Vec::new();
    for mut job in jobs {
        let ran = job.run(db);
        batch.push(job);
        // A full disk makes SQLite roll back on its own. What ran after that would be committed at once, each by itself.
        if connection.is_autocommit() {
            let fault = ran.err().unwrap_or(StorageFault::Other);
            return answer(batch, || {
                Err(StorageError::new(fault, "rolled back with others"))
            });
        }
    }
    match connection.execute_batch("COMMIT") {
        Ok(()) => answer(batch, || Ok(())),
        Err(error) => {
            roll_back(connection);
            let error = Arc::new(error);
            answer(batch, || {
                let refused = refused("not committed", &error);
                Err(if leaves_nothing(&error) {
                    refused
                } else {
                    refused.with_outcome_unknown()
                })
            });
        }
    }
}

fn answer(
    jobs: impl IntoIterator<Item = Box<dyn Job>>,
    committed: impl Fn() -> Result<(), StorageError>,
) {
    for job in jobs {
        job.answer(committed());
    }
}

fn refused(what: &'static str, error: &Arc<rusqlite::Error>) -> StorageError {
    StorageError::new(fault_of(error), what).because(Arc::clone(error))
}

/// Whether SQLite reports this of a commit only when it has not handed it to the disk.
fn leaves_nothing(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::DiskFull
                | ErrorCode::ReadOnly
                | ErrorCode::ConstraintViolation
        )
    )
}

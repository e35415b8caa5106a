//! The threads that wait for SQLite, so that the async runtime does not.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::{self, JoinHandle};

use async_channel::Receiver;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::statements::Statements;
use crate::storage::{StorageError, StorageFault};

/// A read: it tells its caller by itself.
pub(super) type Read = Box<dyn FnOnce(&mut Statements<'_>) + Send>;

/// A thread with a connection of its own.
#[derive(Debug)]
pub(super) struct Thread {
    handle: JoinHandle<()>,
    ended: oneshot::Receiver<()>,
}

impl Thread {
    /// Runs `serve` until it returns. A panic costs those whose work was under way, and nobody else.
    pub(super) fn start(
        name: &str,
        connection: Connection,
        serve: impl Fn(&Connection) + Send + 'static,
    ) -> Result<Self, StorageError> {
        let (end, ended) = oneshot::channel();
        let body = move || {
            while catch_unwind(AssertUnwindSafe(|| serve(&connection))).is_err() {}
            drop(connection);
            drop(end);
        };
        let started = thread::Builder::new().name(name.to_owned()).spawn(body);
        let handle = started.map_err(|why| {
            StorageError::new(StorageFault::Unavailable, "no thread for SQLite").because(why)
        })?;
        Ok(Self { handle, ended })
    }

    /// Waits for the end without holding up the runtime.
    pub(super) async fn ended(&mut self) {
        // Nothing is ever sent: the sender goes when the thread is about to.
        drop((&mut self.ended).await);
    }

    /// Only after [`Thread::ended`].
    pub(super) fn join(self) {
        // Panics were caught; there is nothing to pass on.
        drop(self.handle.join());
    }
}

/// Reads until the queue is closed and empty.
pub(super) fn serve_reads(connection: &Connection, queue: &Receiver<Read>) {
    let mut db = Statements::of(connection);
    while let Ok(read) = queue.recv_blocking() {
        read(&mut db);
    }
}

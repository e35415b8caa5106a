//! Many clients at work while something happens.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use testbed::wait;

use crate::client::{Client, Trouble};

/// What all clients know, and what became of their requests.
#[derive(Default)]
pub(crate) struct Board {
    servers: Mutex<Vec<SocketAddr>>,
    answered: AtomicU64,
    failed: AtomicU64,
    lost: AtomicU64,
    /// Whether servers are killed, so that connections may end.
    servers_die: AtomicBool,
    enough: AtomicBool,
}

impl Board {
    pub(crate) fn of(servers: &[SocketAddr]) -> Self {
        Self {
            servers: Mutex::new(servers.to_vec()),
            ..Self::default()
        }
    }

    pub(crate) fn servers(&self) -> Vec<SocketAddr> {
        let servers = self.servers.lock();
        servers.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From now on these are asked.
    pub(crate) fn set_servers(&self, servers: &[SocketAddr]) {
        *self.servers.lock().unwrap() = servers.to_vec();
    }

    /// From now on connections may be lost.
    pub(crate) fn servers_die(&self) {
        self.servers_die.store(true, Ordering::SeqCst);
    }

    pub(crate) fn may_lose(&self) -> bool {
        self.servers_die.load(Ordering::SeqCst)
    }

    pub(crate) fn answered(&self) {
        self.answered.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn troubled(&self, trouble: Trouble) {
        match trouble {
            Trouble::Failed => self.failed.fetch_add(1, Ordering::SeqCst),
            Trouble::Lost => self.lost.fetch_add(1, Ordering::SeqCst),
        };
    }

    /// Waits until so many more requests have been answered.
    pub(crate) fn see_answers(&self, more: u64) {
        Self::see(&self.answered, more, "requests are answered");
    }

    /// Waits until so many more requests have failed for the database's sake.
    pub(crate) fn see_failures(&self, more: u64) {
        Self::see(&self.failed, more, "requests fail");
    }

    /// How many requests have failed for the database's sake.
    pub(crate) fn failures(&self) -> u64 {
        self.failed.load(Ordering::SeqCst)
    }

    fn see(counter: &AtomicU64, more: u64, what: &str) {
        let aim = counter.load(Ordering::SeqCst) + more;
        let seen = || Ok((counter.load(Ordering::SeqCst) >= aim).then_some(()));
        wait::until(what, seen).unwrap();
    }
}

/// The clients.
pub(crate) struct Crew(pub(crate) Vec<Client>);

impl Crew {
    pub(crate) fn of(clients: u64) -> Self {
        Self((1..=clients).map(Client::new).collect())
    }

    /// Has all clients work until `meanwhile` is over.
    pub(crate) fn work<T>(&mut self, board: &Board, meanwhile: impl FnOnce() -> T) -> T {
        board.enough.store(false, Ordering::SeqCst);
        std::thread::scope(|scope| {
            for client in &mut self.0 {
                scope.spawn(|| {
                    while !board.enough.load(Ordering::SeqCst) {
                        // What is in trouble, the client comes back to.
                        let _ = client.step(board);
                    }
                });
            }
            let done = Ended(board);
            let outcome = meanwhile();
            drop(done);
            outcome
        })
    }

    /// Looks at everything that was acknowledged, at every server.
    pub(crate) fn audit(&mut self, board: &Board) {
        for client in &mut self.0 {
            client.audit(board);
        }
    }

    /// The end: everything holds, and every session can be gone on with.
    pub(crate) fn finish(mut self, board: &Board) -> Vec<String> {
        self.audit(board);
        let revoked: usize = self.0.iter().map(|client| client.revoked.len()).sum();
        assert!(revoked > 0, "nothing was revoked");
        for client in &mut self.0 {
            client.go_on(board);
        }
        println!(
            "  {} answers, {} failures, {} connections lost, {revoked} sessions revoked",
            board.answered.load(Ordering::SeqCst),
            board.failures(),
            board.lost.load(Ordering::SeqCst),
        );
        self.0
            .into_iter()
            .flat_map(|client| client.secrets)
            .collect()
    }
}

/// Tells the clients to stop, even if what they worked beside has failed.
struct Ended<'b>(&'b Board);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.enough.store(true, Ordering::SeqCst);
    }
}

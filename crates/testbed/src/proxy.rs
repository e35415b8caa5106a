//! A way to a server that can be slowed down, held up and cut.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;

use crate::wait;

/// What becomes of answers; questions always pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// They pass.
    Open,
    /// They pass after a while.
    Slow(Duration),
    /// They wait until the way is another.
    Held,
    /// The connection is closed instead.
    Cut,
    /// So is it at the first of so many answers; the others pass.
    CutOneOf(u32),
}

/// Listens at a port of its own, and is gone with the value.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    server: String,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    way: Way,
    answers: u32,
    ended: bool,
}

impl Proxy {
    /// To the server at `address`, a host and a port.
    ///
    /// # Errors
    /// When there is no port for it.
    pub fn to(address: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let shared = Arc::new(Shared {
            server: address.to_owned(),
            state: Mutex::new(State {
                way: Way::Open,
                answers: 0,
                ended: false,
            }),
            changed: Condvar::new(),
        });
        let proxy = Self {
            address: listener.local_addr()?,
            shared: Arc::clone(&shared),
        };
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if shared.state().ended {
                    break;
                }
                // Who cannot be passed on is hung up on.
                drop(pass(client, &shared));
            }
        });
        Ok(proxy)
    }

    /// The host and the port.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// From now on.
    pub fn set(&self, way: Way) {
        self.shared.state().way = way;
        self.shared.changed.notify_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.state().ended = true;
        self.set(Way::Cut);
        // Wakes the one that listens.
        drop(TcpStream::connect(self.address));
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits as long as an answer has to; whether it passes.
    fn lets_pass(&self) -> bool {
        let mut state = self.state();
        while state.way == Way::Held {
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.answers = state.answers.wrapping_add(1);
        let (way, answers) = (state.way, state.answers);
        drop(state);
        match way {
            Way::Slow(span) => wait::pause(span),
            Way::Cut => return false,
            Way::CutOneOf(many) => return !answers.is_multiple_of(many),
            Way::Open | Way::Held => {}
        }
        true
    }
}

fn pass(client: TcpStream, shared: &Arc<Shared>) -> Result<()> {
    let server = TcpStream::connect(&shared.server)?;
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
    }
    let questions = (client.try_clone()?, server.try_clone()?);
    std::thread::spawn(move || copy(questions.0, questions.1, || true));
    let shared = Arc::clone(shared);
    std::thread::spawn(move || copy(server, client, || shared.lets_pass()));
    Ok(())
}

/// Until one of the two ends, or something must not pass; then both end.
fn copy(mut from: TcpStream, mut to: TcpStream, mut passes: impl FnMut() -> bool) {
    let mut buffer = vec![0; 65_536];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let Some(bytes) = buffer.get(..read).filter(|_| passes()) else {
            break;
        };
        if to.write_all(bytes).is_err() {
            break;
        }
    }
    for stream in [from, to] {
        drop(stream.shutdown(Shutdown::Both));
    }
}

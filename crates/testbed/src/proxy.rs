//! A way to a server that can be slowed down, held up, cut and taken away.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Result;

use crate::wait;

/// What becomes of answers; but for the last of these, questions always pass.
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
    /// Answers pass, and a question that holds this waits until the way is another.
    HeldAt(&'static str),
}

/// Listens at a port of its own, and is gone with the value.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: Option<JoinHandle<()>>,
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
    away: bool,
    /// Both ends of each connection, for going away.
    ends: Vec<TcpStream>,
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
                away: false,
                ends: Vec::new(),
            }),
            changed: Condvar::new(),
        });
        Ok(Self {
            address: listener.local_addr()?,
            listening: Some(listen(listener, Arc::clone(&shared))),
            shared,
        })
    }

    /// To the server that a database's address names.
    ///
    /// # Errors
    /// When there is no port for it.
    pub fn to_url(url: &str) -> Result<Self> {
        Self::to(host_and_port(url))
    }

    /// The host and the port.
    #[must_use]
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// The same address of a database, but through here.
    #[must_use]
    pub fn url(&self, url: &str) -> String {
        url.replace(host_and_port(url), &self.address())
    }

    /// From now on.
    pub fn set(&self, way: Way) {
        self.shared.state().way = way;
        self.shared.changed.notify_all();
    }

    /// Closes everything; who comes is refused.
    pub fn go_away(&mut self) {
        let Some(listening) = self.listening.take() else {
            return;
        };
        self.shared.state().away = true;
        // Wakes the one that listens, and what it listened at goes with it.
        drop(TcpStream::connect(self.address));
        drop(listening.join());
        for end in std::mem::take(&mut self.shared.state().ends) {
            drop(end.shutdown(Shutdown::Both));
        }
    }

    /// Is there again, at the same port.
    ///
    /// # Errors
    /// When somebody else has it by now.
    pub fn come_back(&mut self) -> Result<()> {
        self.go_away();
        let listener = wait::until("the port is free", || {
            Ok(TcpListener::bind(self.address).ok())
        })?;
        self.shared.state().away = false;
        self.listening = Some(listen(listener, Arc::clone(&self.shared)));
        Ok(())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // What is held up goes on, and ends.
        self.set(Way::Cut);
        self.go_away();
    }
}

fn listen(listener: TcpListener, shared: Arc<Shared>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            if shared.state().away {
                break;
            }
            // Who cannot be passed on is hung up on.
            drop(pass(client, &shared));
        }
    })
}

/// The server and its port, as they stand in a database's address.
#[must_use]
pub fn host_and_port(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let place = rest.get(..end).unwrap_or(rest);
    place.rsplit_once('@').map_or(place, |(_, place)| place)
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
            Way::Open | Way::Held | Way::HeldAt(_) => {}
        }
        true
    }

    /// Waits as long as a question has to.
    fn holds(&self, question: &[u8]) {
        let mut state = self.state();
        while let Way::HeldAt(words) = state.way {
            let mut parts = question.windows(words.len().max(1));
            if !parts.any(|part| part == words.as_bytes()) {
                break;
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn pass(client: TcpStream, shared: &Arc<Shared>) -> Result<()> {
    let server = TcpStream::connect(&shared.server)?;
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
        let mut state = shared.state();
        // Those that were closed go.
        state.ends.retain(|end| end.peer_addr().is_ok());
        state.ends.push(stream.try_clone()?);
    }
    let questions = (client.try_clone()?, server.try_clone()?);
    let asked = Arc::clone(shared);
    std::thread::spawn(move || {
        copy(questions.0, questions.1, |question| {
            asked.holds(question);
            true
        });
    });
    let shared = Arc::clone(shared);
    std::thread::spawn(move || copy(server, client, |_| shared.lets_pass()));
    Ok(())
}

/// Until one of the two ends, or something must not pass; then both end.
fn copy(mut from: TcpStream, mut to: TcpStream, mut passes: impl FnMut(&[u8]) -> bool) {
    let mut buffer = vec![0; 65_536];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let Some(bytes) = buffer.get(..read).filter(|bytes| passes(bytes)) else {
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

//! What a throw-away server has of its own: a port, and a password.

use std::fs;
use std::io::Read as _;
use std::net::TcpListener;

use anyhow::{Context as _, Result};

pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("no free port")?;
    Ok(listener.local_addr()?.port())
}

/// Other users of the machine must not get into the server.
pub(crate) fn random_word() -> Result<String> {
    use std::fmt::Write as _;

    let mut bytes = [0; 16];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let mut word = String::new();
    for byte in bytes {
        write!(word, "{byte:02x}")?;
    }
    Ok(word)
}

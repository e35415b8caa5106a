//! What the machine allows: the cost of a signature, of a check, of a durable commit, of a bare HTTP reply.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use handstamp::jws::{Algorithm, KeySource, SigningKey, SystemKeySource};
use http_body_util::Full;
use hyper::Request;

use crate::client::Server;
use crate::load::{self, Measured};
use crate::meter::{self, Stopwatch};

/// Set in the environment of the process that only replies.
pub(crate) const BARE_SERVER: &str = "HANDSTAMP_BENCH_BARE_SERVER";

pub(crate) struct Limits {
    /// CPU time of one RSA-2048 signature.
    pub(crate) sign: Duration,
    /// CPU time of one check.
    pub(crate) check: Duration,
    /// CPU time of a server process for one bare HTTP reply, at 1, 8 and 32 clients.
    pub(crate) reply: Vec<(usize, Measured)>,
    /// Durable one-row commits a second, each by itself.
    pub(crate) commits: f64,
    /// Durable one-row writes a second, 32 to a commit.
    pub(crate) grouped: f64,
}

impl Limits {
    /// CPU time of a bare reply with that many clients.
    pub(crate) fn reply_cpu(&self, clients: usize) -> Duration {
        self.reply
            .iter()
            .find(|(with, _)| *with == clients)
            .map_or(Duration::ZERO, |(_, measured)| measured.cpu_each())
    }
}

pub(crate) async fn measure(folder: &Path, seconds: f64) -> Result<Limits> {
    let key = SigningKey::from_pkcs8(Algorithm::Rs256, &SystemKeySource.make(Algorithm::Rs256)?)?;
    let message = [b'x'; 600];
    let signature = key.sign(&message)?;
    let sign = cpu_each(seconds, || key.sign(&message).map(drop).context("sign"))?;
    let check = cpu_each(seconds, || {
        key.verifies(&message, &signature)
            .then_some(())
            .context("check")
    })?;
    let commits = commits(&folder.join("single.db"), 1, seconds)?;
    let grouped = commits_grouped(folder, seconds)?;
    Ok(Limits {
        sign,
        check,
        reply: bare_replies(seconds).await?,
        commits,
        grouped,
    })
}

fn commits_grouped(folder: &Path, seconds: f64) -> Result<f64> {
    commits(&folder.join("grouped.db"), 32, seconds)
}

/// CPU time of one call, over a run of that many seconds.
fn cpu_each(seconds: f64, mut call: impl FnMut() -> Result<()>) -> Result<Duration> {
    let (watch, before, mut calls) = (Stopwatch::start(), meter::own_cpu()?, 0_u32);
    while watch.elapsed().as_secs_f64() < seconds {
        for _ in 0..32 {
            call()?;
        }
        calls += 32;
    }
    Ok(meter::own_cpu()?.saturating_sub(before) / calls)
}

/// Rows a second, with the settings that sessions are kept by, and nothing but the database.
fn commits(path: &Path, per_commit: u32, seconds: f64) -> Result<f64> {
    let db = rusqlite::Connection::open(path)?;
    db.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (id INTEGER PRIMARY KEY, x BLOB)")?;
    let mut insert = db.prepare("INSERT INTO t (x) VALUES (zeroblob(400))")?;
    let (watch, mut rows) = (Stopwatch::start(), 0_u32);
    while watch.elapsed().as_secs_f64() < seconds {
        db.execute_batch("BEGIN IMMEDIATE")?;
        for _ in 0..per_commit {
            insert.execute([])?;
        }
        db.execute_batch("COMMIT")?;
        rows += per_commit;
    }
    Ok(f64::from(rows) / watch.elapsed().as_secs_f64())
}

/// A server of the same make that only says hello, in a process of its own.
async fn bare_replies(seconds: f64) -> Result<Vec<(usize, Measured)>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.env(BARE_SERVER, "1");
    let server = Server::of(command)?;
    let hello = Request::builder()
        .uri("/hello")
        .header("host", "localhost")
        .body(Full::default())?;
    let mut measured = Vec::new();
    for clients in crate::CLIENTS {
        let requests = vec![hello.clone(); clients];
        let replies = load::replies(server.address, server.pid(), &requests, seconds).await?;
        measured.push((clients, replies));
    }
    Ok(measured)
}

/// What the process does that [`bare_replies`] starts.
pub(crate) fn serve_bare_replies() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        println!("http://{}", listener.local_addr()?);
        let router = axum::Router::new().fallback(|| async { "Hello\n" });
        Ok(axum_server::from_tcp(listener)?
            .serve(router.into_make_service())
            .await?)
    })
}

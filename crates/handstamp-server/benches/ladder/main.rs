//! What handstamp's operations cost, each beside the limit that this machine sets: `cargo xtask bench`.
//!
//! Limits and operations are measured in one run, because the machine's speed drifts. The figure to trust is the CPU time of
//! the server process per operation; throughput and latency depend on who else is on the machine.

mod client;
mod limits;
mod load;
mod meter;
mod report;

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use handstamp::storage::Storage;
use handstamp::storage::sqlite::SqliteStorage;
use handstamp::{AppId, Config, Engine, Parts};

use client::{EngineClient, HttpClient, Server};
use report::Report;

/// How many clients at a time.
const CLIENTS: [usize; 3] = [1, 8, 32];

struct Options {
    seconds: f64,
    sessions: u32,
    output: Option<String>,
}

fn options() -> Result<Options> {
    let mut options = Options {
        seconds: 2.0,
        sessions: 1_000_000,
        output: None,
    };
    let mut args = std::env::args().skip(1).filter(|arg| arg != "--bench");
    while let Some(arg) = args.next() {
        let mut value = || args.next().with_context(|| format!("{arg} takes a value"));
        match arg.as_str() {
            "--seconds" => {
                options.seconds = value()?.parse().context("--seconds takes a number")?;
            }
            "--sessions" => {
                options.sessions = value()?
                    .parse()
                    .context("--sessions takes a whole number")?;
            }
            "--output" => options.output = Some(value()?),
            _ => anyhow::bail!(
                "{arg} is not known; there are --seconds N, --sessions N and --output FILE"
            ),
        }
    }
    Ok(options)
}

fn main() -> Result<()> {
    if std::env::var_os(limits::BARE_SERVER).is_some() {
        return limits::serve_bare_replies();
    }
    let options = options()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let text = runtime.block_on(measure(&options))?;
    if let Some(path) = &options.output {
        std::fs::write(path, text).with_context(|| format!("cannot write {path}"))?;
        println!("\nwritten to {path}");
    }
    Ok(())
}

async fn measure(options: &Options) -> Result<String> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let mut report = Report::new();

    println!("limits of this machine ...");
    let limits = limits::measure(folder.path(), options.seconds).await?;
    report.limits(&limits);

    println!("in process, durable SQLite ...");
    let engine = open(&folder.path().join("in-process.db")).await?;
    for clients in CLIENTS {
        let connect = || async { Ok(EngineClient::new(engine.clone())) };
        report.operations(
            "in process",
            clients,
            &limits,
            &load::run(connect, clients, options.seconds, None).await?,
        );
    }
    engine.close().await;

    println!("over HTTP, durable SQLite ...");
    let server = Server::start(&folder.path().join("http.db")).await?;
    report.start(server.ready_after, meter::resident(server.pid())?);
    let address = server.address;
    for clients in CLIENTS {
        let connect = || HttpClient::connect(address);
        let measured = load::run(connect, clients, options.seconds, Some(server.pid())).await?;
        report.operations("over HTTP", clients, &limits, &measured);
    }
    report.busy(meter::resident(server.pid())?);
    drop(server);

    if options.sessions > 0 {
        println!("with {} stored sessions ...", options.sessions);
        with_many(&mut report, folder.path(), options, &limits).await?;
    }
    Ok(report.finish())
}

/// The same operations on a server whose database is well filled.
async fn with_many(
    report: &mut Report,
    folder: &Path,
    options: &Options,
    limits: &limits::Limits,
) -> Result<()> {
    let path = folder.join("many.db");
    let storage: Arc<dyn Storage> = Arc::new(SqliteStorage::open(&path)?);
    load::fill(&storage, options.sessions).await?;
    storage.close().await;
    let size = std::fs::metadata(&path)?.len();
    let server = Server::start(&path).await?;
    let address = server.address;
    let connect = || HttpClient::connect(address);
    let measured = load::run(connect, 8, options.seconds, Some(server.pid())).await?;
    let mut label = String::new();
    write!(label, "over HTTP, {} sessions stored", options.sessions)?;
    report.operations(&label, 8, limits, &measured);
    report.filled(
        options.sessions,
        size,
        meter::resident(server.pid())?,
        server.ready_after,
    );
    Ok(())
}

async fn open(path: &Path) -> Result<Engine> {
    let storage = Arc::new(SqliteStorage::open(path)?);
    let engine = Engine::new(Parts::with_shared_storage(storage), Config::default());
    engine.prepare(&AppId::PUBLIC).await?;
    Ok(engine)
}

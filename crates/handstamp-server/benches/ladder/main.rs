//! What handstamp's operations cost, each beside the limit that this machine sets: `cargo xtask bench`.
//!
//! Limits and operations are measured in one run, because the machine's speed drifts. The figure to trust is the CPU time of
//! the server process per operation; throughput and latency depend on who else is on the machine.

mod client;
mod limits;
mod load;
mod meter;
mod plans;
mod postgres;
mod report;
mod rounds;
mod scale;
mod web;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
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
    /// How many sessions are stored for the last part, if that was said.
    sessions: Option<u32>,
    database: Database,
    /// The program with `tower-sessions`, if it is web applications that are to be measured.
    web: Option<PathBuf>,
    output: Option<String>,
}

#[derive(PartialEq, Eq)]
enum Database {
    Sqlite,
    Postgres,
}

fn options() -> Result<Options> {
    let mut options = Options {
        seconds: 2.0,
        sessions: None,
        database: Database::Sqlite,
        web: None,
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
                let sessions = value()?.parse();
                options.sessions = Some(sessions.context("--sessions takes a whole number")?);
            }
            "--database" => {
                options.database = match value()?.as_str() {
                    "sqlite" => Database::Sqlite,
                    "postgres" => Database::Postgres,
                    other => anyhow::bail!("--database is sqlite or postgres, not {other}"),
                };
            }
            "--web" => options.web = Some(value()?.into()),
            "--output" => options.output = Some(value()?),
            _ => anyhow::bail!(
                "{arg} is not known; there are --database NAME, --seconds N, --sessions N, --web PROGRAM and --output FILE"
            ),
        }
    }
    Ok(options)
}

fn main() -> Result<()> {
    if std::env::var_os(limits::BARE_SERVER).is_some() {
        return limits::serve_bare_replies();
    }
    if let Some(database) = std::env::var_os(web::APPLICATION) {
        return web::serve_application(database.as_ref());
    }
    let options = options()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let text = runtime.block_on(measure(&options))?;
    if let Some(path) = &options.output {
        std::fs::write(path, text).with_context(|| format!("cannot write {path}"))?;
    }
    Ok(())
}

async fn measure(options: &Options) -> Result<String> {
    if options.database == Database::Postgres {
        let report = postgres::measure(options.seconds, options.sessions.unwrap_or(0)).await?;
        return Ok(report.finish());
    }
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    if let Some(others) = &options.web {
        let report = web::measure(folder.path(), options.seconds, others).await?;
        return Ok(report.finish());
    }
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
            &load::run(connect, clients, options.seconds, &[]).await?,
        );
    }
    engine.close().await;

    println!("over HTTP, durable SQLite ...");
    let server = Server::start(&sqlite(&folder.path().join("http.db"))).await?;
    report.start(server.ready_after, meter::resident(server.pid())?);
    let address = server.address;
    for clients in CLIENTS {
        let connect = || HttpClient::connect(address);
        let measured = load::run(connect, clients, options.seconds, &[server.pid()]).await?;
        report.operations("over HTTP", clients, &limits, &measured);
    }
    report.busy(meter::resident(server.pid())?);
    drop(server);

    let sessions = options.sessions.unwrap_or(1_000_000);
    if sessions > 0 {
        println!("with {sessions} stored sessions ...");
        with_many(
            &mut report,
            folder.path(),
            (options.seconds, sessions),
            &limits,
        )
        .await?;
    }
    Ok(report.finish())
}

/// The same operations on a server whose database is well filled.
async fn with_many(
    report: &mut Report,
    folder: &Path,
    (seconds, sessions): (f64, u32),
    limits: &limits::Limits,
) -> Result<()> {
    let path = folder.join("many.db");
    let storage: Arc<dyn Storage> = Arc::new(SqliteStorage::open(&path)?);
    load::fill(&storage, sessions).await?;
    storage.close().await;
    let size = std::fs::metadata(&path)?.len();
    let server = Server::start(&sqlite(&path)).await?;
    let address = server.address;
    let connect = || HttpClient::connect(address);
    let measured = load::run(connect, 8, seconds, &[server.pid()]).await?;
    let mut label = String::new();
    write!(label, "over HTTP, {sessions} sessions stored")?;
    report.operations(&label, 8, limits, &measured);
    report.filled(
        sessions,
        size,
        meter::resident(server.pid())?,
        server.ready_after,
    );
    Ok(())
}

fn sqlite(path: &Path) -> String {
    format!("sqlite:{}", path.display())
}

async fn open(path: &Path) -> Result<Engine> {
    let storage = Arc::new(SqliteStorage::open(path)?);
    let engine = Engine::new(Parts::with_shared_storage(storage), Config::default());
    engine.prepare(&AppId::PUBLIC).await?;
    Ok(engine)
}

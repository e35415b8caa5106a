//! What operations cost with PostgreSQL, beside what the same database does with one-row statements in the same run.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, ensure};
use handstamp::clock::{Clock, SystemClock};
use handstamp::rotation::{Child, Rotation};
use handstamp::storage::postgres::{PostgresOptions, PostgresStorage};
use handstamp::storage::{DataWrite, Guarded, Renewal, Storage};
use handstamp::token::{Hash2, Nonce};
use handstamp::{AppId, Config, Engine, JsonObject, Parts};
use testbed::postgres::Postgres;

pub(crate) mod one_row;

use one_row::{Limits, limits, together};

use crate::client::{DATA, EngineClient, HttpClient, PAYLOAD, Server};
use crate::load::{self, Measured, Operation, Timings, stored_session};
use crate::meter::Stopwatch;
use crate::report::{Report, millis};

/// How many clients at a time.
pub(crate) const CLIENTS: usize = 32;

/// As a small server of its own would be set up; a commit is on the disk when it is acknowledged.
const SETTINGS: [&str; 5] = [
    "fsync=on",
    "synchronous_commit=on",
    "shared_buffers=1GB",
    "max_wal_size=4GB",
    "checkpoint_timeout=15min",
];

/// A way to use the database.
#[derive(Clone, Copy)]
struct Mode {
    name: &'static str,
    coalesced: bool,
    servers: usize,
}

const MODES: [Mode; 4] = [
    Mode {
        name: "one server, one by one",
        coalesced: false,
        servers: 1,
    },
    Mode {
        name: "one server, coalesced",
        coalesced: true,
        servers: 1,
    },
    Mode {
        name: "two servers, one by one",
        coalesced: false,
        servers: 2,
    },
    Mode {
        name: "two servers, coalesced",
        coalesced: true,
        servers: 2,
    },
];

impl Mode {
    /// One by one, each client has a connection to itself, as those have that the limits are measured with.
    pub(crate) fn options(self) -> PostgresOptions {
        let mut options = PostgresOptions::default();
        if !self.coalesced {
            options.batch = 1;
            options.lanes = CLIENTS;
            options.max_connections = 32;
        }
        options
    }

    async fn open(self, url: &str) -> Result<Vec<Arc<PostgresStorage>>> {
        let mut storages = Vec::new();
        for _ in 0..self.servers {
            let storage = PostgresStorage::connect(url, &self.options()).await?;
            storages.push(Arc::new(storage));
        }
        Ok(storages)
    }
}

pub(crate) async fn measure(seconds: f64, sessions: u32) -> Result<Report> {
    let postgres = Postgres::start(&SETTINGS)?;
    let mut report = Report::begin(HEAD);
    report.line(&postgres.sql("SELECT split_part(version(), ' on ', 1)")?);
    report.line(&format!("with `{}`.", SETTINGS.join("`, `")));

    println!("limits of the database ...");
    let limits = limits(&mut report, &postgres, seconds).await?;
    println!("steps of the store ...");
    steps(&mut report, &postgres, seconds, limits).await?;
    println!("in process ...");
    engines(&mut report, &postgres, seconds, limits).await?;
    println!("over HTTP ...");
    servers(&mut report, &postgres, seconds, limits).await?;
    if sessions > 0 {
        crate::scale::measure(&mut report, &postgres, seconds, sessions).await?;
    }
    Ok(report)
}

const HEAD: &str = "# PostgreSQL

Written by `cargo xtask bench --database postgres`, in one run on one machine: the database, the servers and the clients share its
processors. *Limit* is what one-row statements by key reach on the same database in the same run, prepared, each its own
transaction, with as many connections as there are clients; a ratio above 1 is what coalescing wins over that. *One by one* is
the same store with coalescing turned off and a connection for each client. Each client works on a session of its own, again and
again, and the disk has other users, too: a single cell varies by a factor of two or three from run to run.
";

fn told(measured: &Measured) -> String {
    let (p50, p99) = (
        millis(measured.percentile(50)),
        millis(measured.percentile(99)),
    );
    format!("{:.0} /s, p50 {p50}, p99 {p99}", measured.per_second())
}

/// The same with what part of a limit that is.
fn compared(measured: &Measured, limit: Option<f64>) -> String {
    let ratio = limit.map(|limit| format!("**{:.2}**, ", measured.per_second() / limit));
    format!("{}{}", ratio.unwrap_or_default(), told(measured))
}

fn head(report: &mut Report, title: &str, columns: &[&str]) {
    report.line("");
    report.line(title);
    report.line("");
    report.line(&format!("| | {} |", columns.join(" | ")));
    report.line(&format!("|---|{}", "---|".repeat(columns.len())));
}

/// What a durable write of the store costs, with nothing signed.
#[derive(Clone, Copy)]
enum Step {
    Insert,
    Rotate,
    WriteData,
}

async fn steps(
    report: &mut Report,
    postgres: &Postgres,
    seconds: f64,
    limits: Limits,
) -> Result<()> {
    let title = format!("## Durable writes of the store, {CLIENTS} clients");
    head(report, &title, &MODES.map(|mode| mode.name));
    for (name, step, limit) in [
        ("insert a session", Step::Insert, limits.insert),
        (
            "rotate its refresh token, guarded",
            Step::Rotate,
            limits.update,
        ),
        ("overwrite its data", Step::WriteData, limits.update),
    ] {
        let mut cells = Vec::new();
        for mode in MODES {
            let storages = mode.open(&postgres.url()).await?;
            let mut tasks = Vec::new();
            for number in 0..CLIENTS {
                let at = number.checked_rem(storages.len()).unwrap_or(0);
                let storage = Arc::clone(storages.get(at).context("no store")?);
                tasks.push(move |watch| write(storage, step, watch, seconds));
            }
            cells.push(compared(&together(tasks).await?, Some(limit)));
            for storage in storages {
                storage.close().await;
            }
        }
        report.line(&format!("| {name} | {} |", cells.join(" | ")));
    }
    Ok(())
}

async fn write(
    storage: Arc<PostgresStorage>,
    step: Step,
    watch: Stopwatch,
    seconds: f64,
) -> Result<Timings> {
    let mut timings = Timings::default();
    let (payload, data) = (JsonObject::parse(PAYLOAD)?, JsonObject::parse(DATA)?);
    let app = AppId::PUBLIC;
    let mut own = stored_session("bench", payload.clone())?;
    ensure!(storage.insert(&app, &own, &data).await? == Guarded::Written);
    while watch.elapsed().as_secs_f64() < seconds {
        let now = SystemClock.now();
        let made = stored_session("bench", payload.clone())?;
        let start = Stopwatch::start();
        match step {
            Step::Insert => {
                ensure!(storage.insert(&app, &made, &data).await? == Guarded::Written);
            }
            Step::Rotate => {
                let next = renewal(&own.rotation, now);
                let expected = own.rotation.counter;
                let rotated = storage.rotate(&app, &own.handle, expected, &next).await?;
                ensure!(rotated == Guarded::Written);
                own.rotation = next.rotation;
            }
            Step::WriteData => {
                let written = storage.write_session_data(&app, &own.handle, &data, None, now);
                ensure!(matches!(written.await?, DataWrite::Written(_)));
            }
        }
        timings.add(start.elapsed());
    }
    Ok(timings)
}

/// What a refresh writes.
pub(crate) fn renewal(rotation: &Rotation, now: handstamp::clock::UnixMillis) -> Renewal {
    Renewal {
        rotation: rotation.clone().with_child(Child {
            hash: Hash2::from_bytes([7; 32]),
            nonce: Nonce::from_bytes([7; 16]),
            given_at: now,
        }),
        expires_at: now.plus(std::time::Duration::from_hours(2400)),
        static_key: false,
    }
}

async fn engines(
    report: &mut Report,
    postgres: &Postgres,
    seconds: f64,
    limits: Limits,
) -> Result<()> {
    let mut columns = Vec::new();
    for mode in MODES {
        let mut engines = Vec::new();
        for storage in mode.open(&postgres.url()).await? {
            let engine = Engine::new(Parts::with_shared_storage(storage), Config::default());
            engine.prepare(&AppId::PUBLIC).await?;
            engines.push(engine);
        }
        let next = AtomicUsize::new(0);
        let connect = || {
            let turn = next.fetch_add(1, Ordering::Relaxed);
            let engine = turn.checked_rem(engines.len());
            let engine = engine.and_then(|at| engines.get(at)).cloned();
            async { engine.map(EngineClient::new).context("no engine") }
        };
        columns.push(load::run(connect, CLIENTS, seconds, &[]).await?);
        for engine in engines {
            engine.close().await;
        }
    }
    let title = format!("## Operations in process, {CLIENTS} clients");
    let names = MODES.map(|mode| mode.name);
    operations(report, &title, &names, &columns, limits);
    Ok(())
}

async fn servers(
    report: &mut Report,
    postgres: &Postgres,
    seconds: f64,
    limits: Limits,
) -> Result<()> {
    let mut columns = Vec::new();
    for count in [1, 2] {
        let mut servers = Vec::new();
        for _ in 0..count {
            servers.push(Server::start(&postgres.url()).await?);
        }
        let addresses: Vec<_> = servers.iter().map(|server| server.address).collect();
        let pids: Vec<_> = servers.iter().map(Server::pid).collect();
        let next = AtomicUsize::new(0);
        let connect = || {
            let turn = next.fetch_add(1, Ordering::Relaxed);
            let address = turn.checked_rem(addresses.len());
            let address = address.and_then(|at| addresses.get(at)).copied();
            async move { HttpClient::connect(address.context("no server")?).await }
        };
        columns.push(load::run(connect, CLIENTS, seconds, &pids).await?);
    }
    let title = format!("## Operations over HTTP, {CLIENTS} clients, coalesced");
    operations(
        report,
        &title,
        &["one server", "two servers"],
        &columns,
        limits,
    );
    Ok(())
}

fn operations(
    report: &mut Report,
    title: &str,
    names: &[&str],
    columns: &[Vec<(Operation, Measured)>],
    limits: Limits,
) {
    head(report, title, names);
    for (at, operation) in Operation::ALL.into_iter().enumerate() {
        let limit = match operation {
            Operation::Create => Some(limits.insert),
            Operation::Refresh | Operation::WriteData | Operation::Revoke => Some(limits.update),
            // Nothing is written, or more than one row.
            Operation::Verify | Operation::ReadData | Operation::RefreshAndUse => None,
        };
        let cells: Vec<_> = columns
            .iter()
            .filter_map(|column| Some(compared(&column.get(at)?.1, limit)))
            .collect();
        report.line(&format!("| {} | {} |", operation.name(), cells.join(" | ")));
    }
}

/// Puts a part of the report in its place: that of SQLite comes first, and neither knows of the other.
pub(crate) fn replace_part(path: &Path, report: &str) -> Result<()> {
    const BEGIN: &str = "# PostgreSQL\n";
    let before = std::fs::read_to_string(path).unwrap_or_default();
    let (sqlite, postgres) = match before.find(BEGIN) {
        Some(at) => before.split_at(at),
        None => (before.as_str(), ""),
    };
    let whole = if report.starts_with(BEGIN) {
        [sqlite.trim_end(), "\n\n", report].concat()
    } else if postgres.is_empty() {
        report.to_owned()
    } else {
        [report.trim_end(), "\n\n", postgres].concat()
    };
    std::fs::write(path, whole).with_context(|| format!("cannot write {}", path.display()))
}

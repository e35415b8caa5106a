//! What operations cost with PostgreSQL, beside what the same database does with one-row statements in the same run.

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

mod one_row;

pub(crate) use one_row::together;

use crate::client::{DATA, EngineClient, HttpClient, PAYLOAD, Server};
use crate::load::{self, Measured, Operation, Timings, stored_session};
use crate::meter::Stopwatch;
use crate::report::Report;
use crate::rounds::{ROUNDS, Rounds};
use one_row::Limits;

/// How many clients at a time.
pub(crate) const CLIENTS: usize = 32;

/// As a small server of its own would be set up; a commit is on the disk when it is acknowledged.
const SETTINGS: [&str; 6] = [
    "fsync=on",
    "synchronous_commit=on",
    "shared_buffers=6GB",
    "max_wal_size=8GB",
    "checkpoint_timeout=30min",
    "shared_preload_libraries=pg_stat_statements",
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
    let mut limits = Limits::prepare(&postgres)?;
    let mut steps = STEPS.map(|_| MODES.map(|_| Rounds::default()));
    let mut engines = Table::new(MODES.len());
    let mut servers = Table::new(SERVERS.len());
    for round in 0..ROUNDS {
        println!("round {} of {ROUNDS} ...", round + 1);
        limits.measure(&postgres, seconds, round).await?;
        measure_steps(&mut steps, &postgres, seconds).await?;
        for (column, mode) in MODES.into_iter().enumerate() {
            engines.add(column, in_process(mode, &postgres, seconds).await?);
        }
        for (column, count) in SERVERS.into_iter().enumerate() {
            servers.add(column, over_http(count, &postgres, seconds).await?);
        }
    }

    let mut report = Report::begin(HEAD);
    report.line(&postgres.sql("SELECT split_part(version(), ' on ', 1)")?);
    report.line(&format!("with `{}`.", SETTINGS.join("`, `")));
    limits.report(&mut report);
    report_steps(&mut report, &steps, &limits);
    let title = format!("## Operations in process, {CLIENTS} clients");
    engines.report(&mut report, &title, &MODES.map(|mode| mode.name), &limits);
    let title = format!("## Operations over HTTP, {CLIENTS} clients, coalesced");
    servers.report(&mut report, &title, &["one server", "two servers"], &limits);
    if sessions > 0 {
        crate::scale::measure(&mut report, &postgres, seconds, sessions).await?;
    }
    Ok(report)
}

const HEAD: &str = "# PostgreSQL

Written by `cargo xtask bench --database postgres`, in one run on one machine: the database, the servers and the clients share its
processors. Everything is measured in five rounds, one after the other; what is told is the median. *Limit* is what one-row statements
by key reach on the same database in the same round, prepared, each its own transaction, with as many connections as there are
clients. A ratio above 1 is what coalescing wins over that; the lowest and the highest of the rounds stand in brackets. *One by one*
is the same store with coalescing turned off and a connection for each client. Each client works on a session of its own, again and
again. The disk has other users, too.
";

fn head(report: &mut Report, title: &str, columns: &[&str]) {
    report.line("");
    report.line(title);
    report.line("");
    report.line(&format!("| | {} |", columns.join(" | ")));
    report.line(&format!("|---|{}", "---|".repeat(columns.len())));
}

/// A durable write of the store, with nothing signed.
#[derive(Clone, Copy)]
enum Step {
    Insert,
    Rotate,
    WriteData,
    WritePayload,
}

const STEPS: [(&str, Step); 4] = [
    ("insert a session", Step::Insert),
    ("rotate its refresh token, guarded", Step::Rotate),
    ("overwrite its data", Step::WriteData),
    ("overwrite its JWT payload", Step::WritePayload),
];

type StepRounds = [[Rounds; MODES.len()]; STEPS.len()];

async fn measure_steps(steps: &mut StepRounds, postgres: &Postgres, seconds: f64) -> Result<()> {
    for (row, (_, step)) in steps.iter_mut().zip(STEPS) {
        for (rounds, mode) in row.iter_mut().zip(MODES) {
            let storages = mode.open(&postgres.url()).await?;
            let mut tasks = Vec::new();
            for number in 0..CLIENTS {
                let at = number.checked_rem(storages.len()).unwrap_or(0);
                let storage = Arc::clone(storages.get(at).context("no store")?);
                tasks.push(move |watch| write(storage, step, watch, seconds));
            }
            rounds.add(together(tasks).await?);
            for storage in storages {
                storage.close().await;
            }
        }
    }
    Ok(())
}

fn report_steps(report: &mut Report, steps: &StepRounds, limits: &Limits) {
    let title = format!("## Durable writes of the store, {CLIENTS} clients");
    head(report, &title, &MODES.map(|mode| mode.name));
    let mut least = f64::INFINITY;
    for (row, (name, step)) in steps.iter().zip(STEPS) {
        let limit = match step {
            Step::Insert => &limits.inserts,
            Step::Rotate | Step::WriteData | Step::WritePayload => &limits.updates,
        };
        let cells: Vec<_> = row
            .iter()
            .map(|rounds| rounds.compared(Some(limit)))
            .collect();
        report.line(&format!("| {name} | {} |", cells.join(" | ")));
        for (rounds, mode) in row.iter().zip(MODES) {
            if mode.coalesced {
                least = least.min(rounds.ratio(limit));
            }
        }
    }
    let verdict = if least > 1.0 {
        "exceed"
    } else {
        "**do not all exceed**"
    };
    report.line("");
    report.line(&format!(
        "Coalesced writes {verdict} what one-row statements reach; the least ratio is {least:.2}."
    ));
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
            Step::WritePayload => {
                let written = storage.write_jwt_payload(&app, &own.handle, &payload, now);
                ensure!(written.await?);
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

/// How many servers there are for each column.
const SERVERS: [usize; 2] = [1, 2];

/// All operations in one mode, in one round.
async fn in_process(
    mode: Mode,
    postgres: &Postgres,
    seconds: f64,
) -> Result<Vec<(Operation, Measured)>> {
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
    let measured = load::run(connect, CLIENTS, seconds, &[]).await?;
    for engine in engines {
        engine.close().await;
    }
    Ok(measured)
}

/// All operations with so many servers, in one round.
async fn over_http(
    count: usize,
    postgres: &Postgres,
    seconds: f64,
) -> Result<Vec<(Operation, Measured)>> {
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
    load::run(connect, CLIENTS, seconds, &pids).await
}

/// All operations in several ways.
struct Table(Vec<[Rounds; Operation::ALL.len()]>);

impl Table {
    fn new(columns: usize) -> Self {
        let column = || Operation::ALL.map(|_| Rounds::default());
        Self(std::iter::repeat_with(column).take(columns).collect())
    }

    fn add(&mut self, column: usize, measured: Vec<(Operation, Measured)>) {
        if let Some(column) = self.0.get_mut(column) {
            for (rounds, (_, measured)) in column.iter_mut().zip(measured) {
                rounds.add(measured);
            }
        }
    }

    fn report(&self, report: &mut Report, title: &str, names: &[&str], limits: &Limits) {
        head(report, title, names);
        for (at, operation) in Operation::ALL.into_iter().enumerate() {
            let limit = match operation {
                Operation::Create => Some(&limits.inserts),
                Operation::Refresh | Operation::WriteData | Operation::Revoke => {
                    Some(&limits.updates)
                }
                // Nothing is written, or more than one row.
                Operation::Verify | Operation::ReadData | Operation::RefreshAndUse => None,
            };
            let columns = self.0.iter().filter_map(|column| column.get(at));
            let cells: Vec<_> = columns.map(|rounds| rounds.compared(limit)).collect();
            report.line(&format!("| {} | {} |", operation.name(), cells.join(" | ")));
        }
    }
}

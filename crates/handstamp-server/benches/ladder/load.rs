//! Clients at work, and what they measured.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use handstamp::clock::{Clock, SystemClock, UnixMillis};
use handstamp::entropy::{Entropy, SystemEntropy};
use handstamp::rotation::Rotation;
use handstamp::session::Session;
use handstamp::storage::{Guarded, Storage};
use handstamp::token::Hash2;
use handstamp::{AppId, JsonObject, SessionHandle, TenantId, UserId};
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use tokio::task::JoinSet;

use crate::client::{Client, DATA, Held, HttpClient, PAYLOAD};
use crate::meter::{self, Stopwatch};

/// How long each of many calls took.
#[derive(Default)]
pub(crate) struct Timings(Vec<Duration>);

impl Timings {
    pub(crate) fn add(&mut self, took: Duration) {
        self.0.push(took);
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }
}

/// One operation with one number of clients.
pub(crate) struct Measured {
    sorted: Vec<Duration>,
    took: Duration,
    cpu: Duration,
}

impl Measured {
    pub(crate) fn new(timings: Timings, took: Duration, cpu: Duration) -> Self {
        let mut sorted = timings.0;
        sorted.sort_unstable();
        Self { sorted, took, cpu }
    }

    pub(crate) fn with_cpu(self, cpu: Duration) -> Self {
        Self { cpu, ..self }
    }

    pub(crate) fn per_second(&self) -> f64 {
        f64::from(self.calls()) / self.took.as_secs_f64()
    }

    pub(crate) fn cpu_each(&self) -> Duration {
        self.cpu.checked_div(self.calls()).unwrap_or_default()
    }

    /// The time that `percent` of the calls stayed below.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        self.sorted
            .get(self.sorted.len() * percent / 100)
            .copied()
            .unwrap_or_default()
    }

    pub(crate) fn calls(&self) -> u32 {
        u32::try_from(self.sorted.len()).unwrap_or(u32::MAX)
    }
}

/// The operations that are measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Operation {
    Create,
    Verify,
    Refresh,
    RefreshAndUse,
    ReadData,
    WriteData,
    Revoke,
}

impl Operation {
    pub(crate) const ALL: [Self; 7] = [
        Self::Create,
        Self::Verify,
        Self::Refresh,
        Self::RefreshAndUse,
        Self::ReadData,
        Self::WriteData,
        Self::Revoke,
    ];

    /// How many durable writes it is.
    pub(crate) fn writes(self) -> u8 {
        match self {
            Self::Verify | Self::ReadData => 0,
            Self::Create | Self::Refresh | Self::WriteData | Self::Revoke => 1,
            Self::RefreshAndUse => 2,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Verify => "verify",
            Self::Refresh => "refresh",
            Self::RefreshAndUse => "refresh and first use",
            Self::ReadData => "get session data",
            Self::WriteData => "update session data",
            Self::Revoke => "revoke",
        }
    }
}

/// Runs every operation for some seconds with so many clients, each on a session of its own. CPU time is that of the processes
/// `pids`, or of this one if none is named.
pub(crate) async fn run<C: Client, F>(
    connect: impl Fn() -> F,
    clients: usize,
    seconds: f64,
    pids: &[u32],
) -> Result<Vec<(Operation, Measured)>>
where
    F: Future<Output = Result<C>>,
{
    let cpu = || {
        if pids.is_empty() {
            return meter::own_cpu();
        }
        pids.iter().map(|pid| meter::cpu(*pid)).sum()
    };
    let mut workers = Vec::new();
    for number in 0..clients {
        let mut client = connect().await?;
        let held = client.create(&format!("bench-{number}")).await?;
        workers.push((client, held, Vec::new()));
    }
    let mut measured = Vec::new();
    for operation in Operation::ALL {
        let (watch, before) = (Stopwatch::start(), cpu()?);
        let mut tasks = JoinSet::new();
        for (client, held, created) in workers.drain(..) {
            tasks.spawn(work(operation, client, held, created, watch, seconds));
        }
        let mut all = Timings::default();
        while let Some(done) = tasks.join_next().await {
            let (worker, timings) = done??;
            workers.push(worker);
            all.merge(timings);
        }
        measured.push((
            operation,
            Measured::new(all, watch.elapsed(), cpu()?.saturating_sub(before)),
        ));
    }
    Ok(measured)
}

type Worker<C> = (C, Held, Vec<Held>);

async fn work<C: Client>(
    operation: Operation,
    mut client: C,
    mut held: Held,
    mut created: Vec<Held>,
    watch: Stopwatch,
    seconds: f64,
) -> Result<(Worker<C>, Timings)> {
    let mut timings = Timings::default();
    while watch.elapsed().as_secs_f64() < seconds {
        let start = Stopwatch::start();
        match operation {
            Operation::Create => created.push(client.create("bench").await?),
            Operation::Verify => client.verify(&mut held).await?,
            Operation::Refresh => client.refresh(&mut held).await?,
            Operation::RefreshAndUse => {
                client.refresh(&mut held).await?;
                client.verify(&mut held).await?;
            }
            Operation::ReadData => client.read_data(&held).await?,
            Operation::WriteData => client.write_data(&held).await?,
            // What the creations left is what there is to revoke.
            Operation::Revoke => match created.pop() {
                Some(held) => client.revoke(&held).await?,
                None => break,
            },
        }
        timings.add(start.elapsed());
    }
    Ok(((client, held, created), timings))
}

/// Sends these requests to a server for some seconds: each by a client of its own, again and again. CPU time is that of the process
/// `pid`.
pub(crate) async fn replies(
    address: SocketAddr,
    pid: u32,
    requests: &[Request<Full<Bytes>>],
    seconds: f64,
) -> Result<Measured> {
    let mut clients = Vec::new();
    for request in requests {
        clients.push((HttpClient::connect(address).await?, request.clone()));
    }
    let (watch, before) = (Stopwatch::start(), meter::cpu(pid)?);
    let mut tasks = JoinSet::new();
    for (mut client, request) in clients {
        tasks.spawn(async move {
            let mut timings = Timings::default();
            while watch.elapsed().as_secs_f64() < seconds {
                let start = Stopwatch::start();
                let status = client.exchange(request.clone()).await?.status();
                ensure!(status.is_success(), "{}: {status}", request.uri());
                timings.add(start.elapsed());
            }
            anyhow::Ok(timings)
        });
    }
    let mut all = Timings::default();
    while let Some(timings) = tasks.join_next().await {
        all.merge(timings??);
    }
    let cpu = meter::cpu(pid)?.saturating_sub(before);
    Ok(Measured::new(all, watch.elapsed(), cpu))
}

/// Stores so many sessions, as quickly as the store takes them.
pub(crate) async fn fill(storage: &Arc<dyn Storage>, sessions: u32) -> Result<()> {
    const TASKS: u32 = 256;
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let storage = Arc::clone(storage);
        let share = sessions / TASKS + u32::from(task < sessions % TASKS);
        tasks.spawn(async move {
            let (payload, data) = (JsonObject::parse(PAYLOAD)?, JsonObject::parse(DATA)?);
            for number in 0..share {
                let session = stored_session(&format!("user-{task}-{number}"), payload.clone())?;
                ensure!(storage.insert(&AppId::PUBLIC, &session, &data).await? == Guarded::Written);
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

/// A session as the store has it; nobody holds its tokens.
pub(crate) fn stored_session(user: &str, jwt_payload: JsonObject) -> Result<Session> {
    let mut random = [0; 42];
    SystemEntropy.fill(&mut random)?;
    let (id, hash) = random.split_first_chunk::<10>().context("random")?;
    let now = SystemClock.now();
    let millis = u64::try_from(now.as_millis())?;
    let id = uuid::Builder::from_unix_timestamp_millis(millis, id).into_uuid();
    let expires_at = now.plus(Duration::from_hours(2400));
    Ok(Session {
        handle: SessionHandle::new(TenantId::PUBLIC, id),
        user_id: UserId::parse(user)?,
        jwt_payload,
        created_at: now,
        expires_at,
        ends_at: UnixMillis::MAX,
        static_key: false,
        rotation: Rotation::starting_with(Hash2::from_bytes(hash.try_into()?)),
    })
}

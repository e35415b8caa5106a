//! The same steps on a table that is nearly empty and on one that is well filled, with either version of handles.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use handstamp::clock::{Clock, SystemClock};
use handstamp::entropy::{Entropy, SystemEntropy};
use handstamp::storage::postgres::{PostgresOptions, PostgresStorage};
use handstamp::storage::{Guarded, Storage};
use handstamp::{AppId, JsonObject, SessionHandle, TenantId};
use testbed::postgres::Postgres;

use crate::client::{DATA, PAYLOAD};
use crate::load::{Measured, Timings, stored_session};
use crate::meter::{self, Stopwatch};
use crate::plans;
use crate::postgres::{CLIENTS, renewal, together};
use crate::report::{Report, micros};
use crate::rounds::{ROUNDS, Rounds, median};

const FEW: u32 = 10_000;
const AT_ONCE: u32 = 250_000;
/// The handles that are the default. Plans do not depend on them.
const PLANNED: &str = "v7";

/// A table that was filled, and what was measured on it.
struct Filled {
    sessions: u32,
    schema: String,
    storage: Arc<PostgresStorage>,
    steps: [Costs; STEPS.len()],
}

/// What a step costs everybody, and the database in particular.
#[derive(Default)]
struct Costs {
    rounds: Rounds,
    /// Pages touched, and bytes written to the log, for one call; in each round.
    pages: Vec<f64>,
    logged: Vec<f64>,
}

pub(crate) async fn measure(
    report: &mut Report,
    postgres: &Postgres,
    seconds: f64,
    sessions: u32,
) -> Result<()> {
    postgres.sql("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")?;
    report.line("");
    report.line(&format!(
        "## With {FEW} and with {sessions} sessions stored, {CLIENTS} clients"
    ));
    report.line("");
    report.line(HEAD);
    report
        .line("| | handles | sessions | | processor time of the database | pages | bytes logged |");
    report.line("|---|---|---|---|---|---|---|");
    let (mut sizes, mut plans) = (Vec::new(), Vec::new());
    let mut lines = STEPS.map(|_| Vec::new());
    for version in ["v7", "v4"] {
        let mut tables = Vec::new();
        for sessions in [FEW, sessions] {
            println!("filling to {sessions} sessions, {version} ...");
            tables.push(Filled::make(postgres, version, sessions).await?);
        }
        // From here on, what is measured alone writes to the disk.
        postgres.sql("CHECKPOINT")?;
        for round in 0..ROUNDS {
            println!("round {} of {ROUNDS} ...", round + 1);
            for table in &mut tables {
                table.round(postgres, version, seconds).await?;
            }
        }
        for table in tables {
            for ((lines, (name, _)), costs) in lines.iter_mut().zip(STEPS).zip(&table.steps) {
                let sessions = table.sessions;
                lines.push(format!(
                    "| {name} | {version} | {sessions} | {} |",
                    costs.told()
                ));
            }
            table.storage.close().await;
            if table.sessions != FEW {
                sizes.push((version, size(postgres, &table.schema)?));
                if version == PLANNED {
                    let handles = sample(postgres, &table.schema, table.sessions)?;
                    plans = plans::made(postgres, &table.schema, &handles).await?;
                }
            }
            postgres.sql(&format!("DROP SCHEMA {} CASCADE", table.schema))?;
        }
    }
    for line in lines.iter().flatten() {
        report.line(line);
    }
    report.line("");
    report.line("| bytes a session | table | primary key | index of users | index to sweep by |");
    report.line("|---|---|---|---|---|");
    for (version, size) in sizes {
        report.line(&format!("| {version} | {} |", size.join(" | ")));
    }
    report.line("");
    report.line(&format!(
        "The plan of each statement on the table of {sessions} sessions, as PostgreSQL makes it by itself: without what our"
    ));
    report.line("connections say to its planner.");
    report.line("");
    report.line("```text");
    for plan in plans {
        report.line(&plan.to_string());
    }
    report.line("```");
    Ok(())
}

const HEAD: &str = "\
Each step is about a session chosen by chance among all; *refresh* is a read and a guarded write. Both tables are there at the same
time, and take turns. *Pages* are those of the table and its indexes that the statements touched, for one call; *bytes logged* are what
PostgreSQL wrote ahead for it. It writes a whole page of 8 kB when that page is changed for the first time after a checkpoint: of a small
table each page soon has been, and of a big one, used all over, hardly any. The sizes are those of a table that grew row by row.
";

impl Filled {
    async fn make(postgres: &Postgres, version: &'static str, sessions: u32) -> Result<Self> {
        let schema = format!("of_{sessions}");
        let url = format!("{}?schema={schema}", postgres.url());
        let storage = PostgresStorage::connect(&url, &PostgresOptions::default()).await?;
        fill(postgres, &schema, version, sessions)?;
        Ok(Self {
            sessions,
            schema,
            storage: Arc::new(storage),
            steps: STEPS.map(|_| Costs::default()),
        })
    }

    async fn round(
        &mut self,
        postgres: &Postgres,
        version: &'static str,
        seconds: f64,
    ) -> Result<()> {
        if self.sessions == FEW {
            // Those that the last round revoked.
            fill(postgres, &self.schema, version, FEW)?;
        }
        let handles = sample(postgres, &self.schema, self.sessions)?;
        for (costs, (_, step)) in self.steps.iter_mut().zip(STEPS) {
            postgres.sql("SELECT pg_stat_statements_reset()")?;
            let before = database_cpu(postgres)?;
            let measured = run(&self.storage, step, &handles, version, seconds).await?;
            let measured = measured.with_cpu(database_cpu(postgres)?.saturating_sub(before));
            let used = postgres.sql(
                "SELECT sum(shared_blks_hit + shared_blks_read), sum(wal_bytes)
                 FROM pg_stat_statements WHERE query LIKE '%handstamp_sessions%'",
            )?;
            let (pages, logged) = used.split_once('|').context("pages and bytes")?;
            costs
                .pages
                .push(pages.parse::<f64>()? / f64::from(measured.calls()));
            costs
                .logged
                .push(logged.parse::<f64>()? / f64::from(measured.calls()));
            costs.rounds.add(measured);
        }
        Ok(())
    }
}

impl Costs {
    fn told(&self) -> String {
        let each = |values: &[f64]| median(values.iter().copied()).unwrap_or(0.0);
        format!(
            "{} | {} | {:.1} | {:.0}",
            self.rounds.told(),
            micros(self.rounds.cpu_each()),
            each(&self.pages),
            each(&self.logged)
        )
    }
}

fn database_cpu(postgres: &Postgres) -> Result<Duration> {
    meter::family_cpu(postgres.pid().context("PostgreSQL runs")?)
}

/// Sessions as the last weeks made them, those that are there already left out. In portions, so that the log of writes does not
/// grow.
fn fill(postgres: &Postgres, schema: &str, version: &str, sessions: u32) -> Result<()> {
    let now = SystemClock.now().as_millis();
    let time = format!("{now} - ({sessions} - n) * 250");
    let random = "md5(n::text)";
    let handle = match version {
        "v4" => format!("overlay(overlay({random} placing '4' from 13) placing '8' from 17)::uuid"),
        _ => format!(
            "(lpad(to_hex({time}), 12, '0') || '7' || left({random}, 3) || '8' || right({random}, 15))::uuid"
        ),
    };
    for begin in (0..sessions).step_by(usize::try_from(AT_ONCE)?) {
        let end = sessions.min(begin + AT_ONCE);
        postgres.sql(&format!(
            "INSERT INTO {schema}.handstamp_sessions (
                 app, tenant, handle, user_id, jwt_payload, data, data_version, created_at, expires_at, sweep_at, ends_at,
                 static_key, current_hash, counter)
             SELECT 'public', 'public', {handle}, 'user-' || n / 3, '{PAYLOAD}', '{DATA}', 1, {time}, {time} + 8640000000,
                 {time} + 8640000000, 9223372036854775807, false, decode(md5(n::text) || md5(n::text || 'x'), 'hex'), 0
             FROM generate_series({begin} + 1, {end}::bigint) AS n
             ON CONFLICT DO NOTHING"
        ))?;
    }
    postgres
        .sql(&format!("VACUUM (ANALYZE) {schema}.handstamp_sessions"))
        .map(drop)
}

/// Handles of sessions from all over the table, in no order, others each time.
fn sample(postgres: &Postgres, schema: &str, sessions: u32) -> Result<Vec<SessionHandle>> {
    let share = (100.0 * 400_000.0 / f64::from(sessions)).min(100.0);
    let handles = postgres.sql(&format!(
        "SELECT handle FROM {schema}.handstamp_sessions TABLESAMPLE BERNOULLI ({share}) ORDER BY random()"
    ))?;
    let handles = handles.lines().map(str::parse);
    handles.collect::<Result<_, _>>().context("a handle")
}

fn size(postgres: &Postgres, schema: &str) -> Result<Vec<String>> {
    let sizes = postgres.sql(&format!(
        "SELECT pg_table_size(c.oid) / s.n, pg_relation_size('{schema}.handstamp_sessions_pkey') / s.n,
             pg_relation_size('{schema}.handstamp_sessions_by_user') / s.n,
             pg_relation_size('{schema}.handstamp_sessions_to_sweep') / s.n
         FROM pg_class AS c, (SELECT count(*) AS n FROM {schema}.handstamp_sessions) AS s
         WHERE c.oid = '{schema}.handstamp_sessions'::regclass"
    ))?;
    Ok(sizes.split('|').map(ToOwned::to_owned).collect())
}

#[derive(Clone, Copy)]
enum Step {
    Insert,
    Refresh,
    ReadData,
    Revoke,
}

/// Revoking comes last: it takes sessions away.
const STEPS: [(&str, Step); 4] = [
    ("insert", Step::Insert),
    ("refresh", Step::Refresh),
    ("get data", Step::ReadData),
    ("revoke", Step::Revoke),
];

async fn run(
    storage: &Arc<PostgresStorage>,
    step: Step,
    handles: &[SessionHandle],
    version: &'static str,
    seconds: f64,
) -> Result<Measured> {
    let mut tasks = Vec::new();
    for own in handles
        .chunks((handles.len() / CLIENTS).max(1))
        .take(CLIENTS)
    {
        let (storage, own) = (Arc::clone(storage), own.to_vec());
        tasks.push(move |watch| work(storage, step, own, version, watch, seconds));
    }
    together(tasks).await
}

async fn work(
    storage: Arc<PostgresStorage>,
    step: Step,
    own: Vec<SessionHandle>,
    version: &'static str,
    watch: Stopwatch,
    seconds: f64,
) -> Result<Timings> {
    let mut timings = Timings::default();
    let (payload, data) = (JsonObject::parse(PAYLOAD)?, JsonObject::parse(DATA)?);
    let app = AppId::PUBLIC;
    let rounds = if matches!(step, Step::Revoke) {
        1
    } else {
        usize::MAX
    };
    for handle in std::iter::repeat_n(own, rounds).flatten() {
        if watch.elapsed().as_secs_f64() >= seconds {
            break;
        }
        let (random, user) = random()?;
        let mut made = stored_session(&user, payload.clone())?;
        if version == "v4" {
            made.handle = random;
        }
        let start = Stopwatch::start();
        match step {
            Step::Insert => {
                ensure!(storage.insert(&app, &made, &data).await? == Guarded::Written);
            }
            Step::Refresh => {
                let session = storage.session(&app, &handle).await?.context("a session")?;
                let next = renewal(&session.rotation, SystemClock.now());
                let expected = session.rotation.counter;
                let rotated = storage.rotate(&app, &handle, expected, &next).await?;
                ensure!(rotated == Guarded::Written);
            }
            Step::ReadData => {
                ensure!(storage.session_data(&app, &handle).await?.is_some());
            }
            Step::Revoke => {
                ensure!(storage.revoke(&app, &[handle]).await?.len() == 1);
            }
        }
        timings.add(start.elapsed());
    }
    Ok(timings)
}

/// A handle that tells no time, and a user from anywhere in the index.
fn random() -> Result<(SessionHandle, String)> {
    let mut random = [0; 20];
    SystemEntropy.fill(&mut random)?;
    let (id, user) = random.split_first_chunk::<16>().context("random")?;
    let id = uuid::Builder::from_random_bytes(*id).into_uuid();
    let user = user
        .iter()
        .fold(0_u32, |number, byte| (number << 8) | u32::from(*byte));
    Ok((
        SessionHandle::new(TenantId::PUBLIC, id),
        format!("user-{user}"),
    ))
}

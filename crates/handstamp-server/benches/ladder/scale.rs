//! The same steps on a table that is nearly empty and on one that is well filled, with either version of handles.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use handstamp::clock::{Clock, SystemClock};
use handstamp::storage::postgres::{PostgresOptions, PostgresStorage};
use handstamp::storage::{Guarded, Storage};
use handstamp::{AppId, JsonObject, SessionHandle};
use testbed::postgres::Postgres;
use tokio::task::JoinSet;

use crate::client::{DATA, PAYLOAD};
use crate::load::{Measured, Timings, stored_session};
use crate::meter::Stopwatch;
use crate::plans;
use crate::postgres::{CLIENTS, renewal};
use crate::report::{Report, millis};

const FEW: u32 = 10_000;
const AT_ONCE: u32 = 250_000;
/// The handles that are the default. Plans do not depend on them.
const PLANNED: &str = "7";

pub(crate) async fn measure(
    report: &mut Report,
    postgres: &Postgres,
    seconds: f64,
    sessions: u32,
) -> Result<()> {
    report.line("");
    report.line(&format!(
        "## With {FEW} and with {sessions} sessions stored, {CLIENTS} clients"
    ));
    report.line("");
    report.line("Each step is about a session chosen by chance among all; *refresh* is a read and a guarded write. The sizes are");
    report.line("those of a table that grew row by row, with its indexes.");
    report.line("");
    report.line("| handles | sessions | insert | refresh | get data | revoke | sequential scans |");
    report.line("|---|---|---|---|---|---|---|");
    let (mut sizes, mut plans) = (Vec::new(), Vec::new());
    for version in ["7", "4"] {
        let url = format!("{}?schema=version_{version}", postgres.url());
        let storage = PostgresStorage::connect(&url, &PostgresOptions::default()).await?;
        let storage = Arc::new(storage);
        let mut stored = 0;
        for many in [FEW, sessions] {
            println!("filling to {many} sessions ...");
            fill(postgres, version, stored, many)?;
            let handles = sample(postgres, version, many)?;
            let scans = sequential_scans(postgres, version)?;
            let mut cells = Vec::new();
            for step in [Step::Insert, Step::Refresh, Step::ReadData, Step::Revoke] {
                let measured = run(&storage, step, &handles, version, seconds).await?;
                let (p50, p99) = (measured.percentile(50), measured.percentile(99));
                let rate = measured.per_second();
                cells.push(format!(
                    "{rate:.0} /s, p50 {}, p99 {}",
                    millis(p50),
                    millis(p99)
                ));
            }
            let scans = sequential_scans(postgres, version)? - scans;
            report.line(&format!(
                "| v{version} | {many} | {} | {scans} |",
                cells.join(" | ")
            ));
            stored = many;
        }
        sizes.push((version, size(postgres, version)?));
        storage.close().await;
        if version == PLANNED {
            let handles = sample(postgres, version, sessions)?;
            plans = plans::made(postgres, &format!("version_{version}"), &handles).await?;
        }
        postgres.sql(&format!("DROP SCHEMA version_{version} CASCADE"))?;
    }
    report.line("");
    report.line("| bytes a session | table | primary key | index of users | index to sweep by |");
    report.line("|---|---|---|---|---|");
    for (version, size) in sizes {
        report.line(&format!("| v{version} | {} |", size.join(" | ")));
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

/// Sessions as a month makes them. In portions, so that the log of writes does not grow.
fn fill(postgres: &Postgres, version: &str, from: u32, to: u32) -> Result<()> {
    let time = "1767225600000 + n * 250";
    let handle = match version {
        "4" => "gen_random_uuid()".to_owned(),
        _ => format!(
            "(lpad(to_hex({time}), 12, '0') || '7' || left(md5(n::text), 3) || '8' || right(md5(n::text), 15))::uuid"
        ),
    };
    for begin in (from..to).step_by(usize::try_from(AT_ONCE)?) {
        let end = to.min(begin + AT_ONCE);
        postgres.sql(&format!(
            "INSERT INTO version_{version}.handstamp_sessions (
                 app, tenant, handle, user_id, jwt_payload, data, data_version, created_at, expires_at, sweep_at, ends_at,
                 static_key, current_hash, counter)
             SELECT 'public', 'public', {handle}, 'user-' || n / 3, '{PAYLOAD}', '{DATA}', 1, {time}, {time} + 8640000000,
                 {time} + 8640000000, 9223372036854775807, false, decode(md5(n::text) || md5(n::text || 'x'), 'hex'), 0
             FROM generate_series({begin} + 1, {end}::bigint) AS n"
        ))?;
    }
    postgres.sql(&format!(
        "VACUUM (ANALYZE) version_{version}.handstamp_sessions"
    ))?;
    postgres.sql("CHECKPOINT").map(drop)
}

/// Handles of sessions from all over the table, in no order.
fn sample(postgres: &Postgres, version: &str, sessions: u32) -> Result<Vec<SessionHandle>> {
    let share = (100.0 * 400_000.0 / f64::from(sessions)).min(100.0);
    let handles = postgres.sql(&format!(
        "SELECT handle FROM (
             SELECT handle FROM version_{version}.handstamp_sessions TABLESAMPLE BERNOULLI ({share}) REPEATABLE (7)) AS sample
         ORDER BY md5(handle::text)"
    ))?;
    let handles = handles.lines().map(str::parse);
    handles.collect::<Result<_, _>>().context("a handle")
}

fn sequential_scans(postgres: &Postgres, version: &str) -> Result<i64> {
    // Connections tell what they did when they have been idle for a while, or when this is asked for.
    let scans = postgres.sql(&format!(
        "SELECT pg_stat_clear_snapshot(), seq_scan FROM pg_stat_user_tables
         WHERE schemaname = 'version_{version}' AND relname = 'handstamp_sessions'"
    ))?;
    Ok(scans.trim_start_matches('|').parse()?)
}

fn size(postgres: &Postgres, version: &str) -> Result<Vec<String>> {
    let sizes = postgres.sql(&format!(
        "SELECT pg_table_size(c.oid) / s.n, pg_relation_size('version_{version}.handstamp_sessions_pkey') / s.n,
             pg_relation_size('version_{version}.handstamp_sessions_of_user') / s.n,
             pg_relation_size('version_{version}.handstamp_sessions_to_sweep') / s.n
         FROM pg_class AS c, (SELECT count(*) AS n FROM version_{version}.handstamp_sessions) AS s
         WHERE c.oid = 'version_{version}.handstamp_sessions'::regclass"
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

async fn run(
    storage: &Arc<PostgresStorage>,
    step: Step,
    handles: &[SessionHandle],
    version: &'static str,
    seconds: f64,
) -> Result<Measured> {
    let (watch, mut tasks) = (Stopwatch::start(), JoinSet::new());
    let share = handles.len() / CLIENTS;
    for own in handles.chunks(share.max(1)).take(CLIENTS) {
        // At its end, what the others begin with: each session is revoked once.
        let (storage, mut own) = (Arc::clone(storage), own.to_vec());
        tasks.spawn(async move {
            let mut timings = Timings::default();
            let (payload, data) = (JsonObject::parse(PAYLOAD)?, JsonObject::parse(DATA)?);
            let app = AppId::PUBLIC;
            while watch.elapsed().as_secs_f64() < seconds {
                let Some(handle) = own.pop() else {
                    break;
                };
                let mut made = stored_session("bench", payload.clone())?;
                if version == "4" {
                    made.handle = random_handle()?;
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
            anyhow::Ok(timings)
        });
    }
    let mut all = Timings::default();
    while let Some(timings) = tasks.join_next().await {
        all.merge(timings??);
    }
    Ok(Measured::new(
        all,
        watch.elapsed(),
        std::time::Duration::ZERO,
    ))
}

fn random_handle() -> Result<SessionHandle> {
    use handstamp::TenantId;
    use handstamp::entropy::{Entropy, SystemEntropy};

    let mut random = [0; 16];
    SystemEntropy.fill(&mut random)?;
    let id = uuid::Builder::from_random_bytes(random).into_uuid();
    Ok(SessionHandle::new(TenantId::PUBLIC, id))
}

//! What one-row statements reach, and many tasks at once.

use anyhow::Result;
use sqlx::{Connection, Executor, PgConnection, query};
use testbed::postgres::Postgres;
use tokio::task::JoinSet;

use super::{CLIENTS, told};
use crate::load::{Measured, Timings};
use crate::meter::Stopwatch;
use crate::report::Report;

/// One-row statements a second.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) update: f64,
    pub(super) insert: f64,
}

pub(super) async fn limits(
    report: &mut Report,
    postgres: &Postgres,
    seconds: f64,
) -> Result<Limits> {
    postgres.sql(
        "CREATE TABLE limit_rows (id bigint PRIMARY KEY, counter bigint, hash bytea, payload text)
             WITH (fillfactor = 80);
         INSERT INTO limit_rows SELECT n, 0, sha256('x'), repeat('x', 120) FROM generate_series(1, 10000) AS n",
    )?;
    postgres.sql("VACUUM ANALYZE limit_rows")?;
    report.line("");
    report.line("| limit | 8 connections | 32 connections |");
    report.line("|---|---|---|");
    let mut most = Vec::new();
    for (name, sql) in [
        (
            "one-row UPDATE by key",
            "UPDATE limit_rows SET counter = counter + 1, hash = sha256('y') WHERE id = $1",
        ),
        (
            "one-row INSERT",
            "INSERT INTO limit_rows VALUES ($1, 0, sha256('x'), repeat('x', 120))",
        ),
    ] {
        let mut reached = Vec::new();
        for connections in [8, CLIENTS] {
            let is_insert = sql.starts_with("INSERT");
            let measured = one_row(postgres, sql, is_insert, connections, seconds).await?;
            reached.push(measured);
        }
        let cells: Vec<_> = reached.iter().map(told).collect();
        report.line(&format!("| {name} | {} |", cells.join(" | ")));
        most.push(reached.pop().map_or(0.0, |measured| measured.per_second()));
    }
    let [update, insert] = most.as_slice() else {
        anyhow::bail!("two limits were measured");
    };
    Ok(Limits {
        update: *update,
        insert: *insert,
    })
}

async fn one_row(
    postgres: &Postgres,
    sql: &'static str,
    is_insert: bool,
    connections: usize,
    seconds: f64,
) -> Result<Measured> {
    let mut tasks = Vec::new();
    for number in 0..connections {
        let mut connection = PgConnection::connect(&postgres.url()).await?;
        // Prepared, and in use by others only rarely.
        let first = i64::try_from(number)? * 300;
        tasks.push(async move |watch: Stopwatch| {
            let (mut timings, mut turn) = (Timings::default(), 0_i64);
            while watch.elapsed().as_secs_f64() < seconds {
                turn += 1;
                let id = if is_insert {
                    (first + i64::try_from(connections)?) * 10_000_000 + turn
                } else {
                    first + turn.rem_euclid(300) + 1
                };
                let start = Stopwatch::start();
                connection.execute(query(sql).bind(id)).await?;
                timings.add(start.elapsed());
            }
            anyhow::Ok(timings)
        });
    }
    together(tasks).await
}

/// Runs all at once, and puts together what they measured.
pub(crate) async fn together<F, T>(tasks: Vec<F>) -> Result<Measured>
where
    F: FnOnce(Stopwatch) -> T,
    T: Future<Output = Result<Timings>> + Send + 'static,
{
    let (watch, mut running) = (Stopwatch::start(), JoinSet::new());
    for task in tasks {
        running.spawn(task(watch));
    }
    let mut all = Timings::default();
    while let Some(timings) = running.join_next().await {
        all.merge(timings??);
    }
    Ok(Measured::new(
        all,
        watch.elapsed(),
        std::time::Duration::ZERO,
    ))
}

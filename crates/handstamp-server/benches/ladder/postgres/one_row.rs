//! What one-row statements reach, and many tasks at once.

use anyhow::Result;
use sqlx::{Connection, Executor, PgConnection, query};
use testbed::postgres::Postgres;
use tokio::task::JoinSet;

use super::CLIENTS;
use crate::load::{Measured, Timings};
use crate::meter::Stopwatch;
use crate::report::Report;
use crate::rounds::Rounds;

/// One-row statements, with few connections and with as many as there are clients.
#[derive(Default)]
pub(super) struct Limits {
    few_updates: Rounds,
    few_inserts: Rounds,
    pub(super) updates: Rounds,
    pub(super) inserts: Rounds,
}

const FEW: usize = 8;
const UPDATE: &str =
    "UPDATE limit_rows SET counter = counter + 1, hash = sha256('y') WHERE id = $1";
const INSERT: &str = "INSERT INTO limit_rows VALUES ($1, 0, sha256('x'), repeat('x', 120))";

impl Limits {
    pub(super) fn prepare(postgres: &Postgres) -> Result<Self> {
        postgres.sql(
            "CREATE TABLE limit_rows (id bigint PRIMARY KEY, counter bigint, hash bytea, payload text)
                 WITH (fillfactor = 80);
             INSERT INTO limit_rows SELECT n, 0, sha256('x'), repeat('x', 120) FROM generate_series(1, 10000) AS n",
        )?;
        postgres.sql("VACUUM ANALYZE limit_rows")?;
        Ok(Self::default())
    }

    pub(super) async fn measure(
        &mut self,
        postgres: &Postgres,
        seconds: f64,
        round: usize,
    ) -> Result<()> {
        for (sql, connections, rounds) in [
            (UPDATE, FEW, &mut self.few_updates),
            (UPDATE, CLIENTS, &mut self.updates),
            (INSERT, FEW, &mut self.few_inserts),
            (INSERT, CLIENTS, &mut self.inserts),
        ] {
            rounds.add(one_row(postgres, sql, connections, seconds, round).await?);
        }
        Ok(())
    }

    pub(super) fn report(&self, report: &mut Report) {
        report.line("");
        report.line(&format!(
            "| limit | {FEW} connections | {CLIENTS} connections |"
        ));
        report.line("|---|---|---|");
        for (name, few, many) in [
            ("one-row UPDATE by key", &self.few_updates, &self.updates),
            ("one-row INSERT", &self.few_inserts, &self.inserts),
        ] {
            report.line(&format!("| {name} | {} | {} |", few.told(), many.told()));
        }
    }
}

async fn one_row(
    postgres: &Postgres,
    sql: &'static str,
    connections: usize,
    seconds: f64,
    round: usize,
) -> Result<Measured> {
    let mut tasks = Vec::new();
    for number in 0..connections {
        let mut connection = PgConnection::connect(&postgres.url()).await?;
        // Prepared, and in use by others only rarely.
        let first = i64::try_from(number)? * 300;
        // What nobody has inserted before.
        let new = i64::try_from((round * 2 + connections / CLIENTS) * CLIENTS + number + 1)?;
        tasks.push(async move |watch: Stopwatch| {
            let (mut timings, mut turn) = (Timings::default(), 0_i64);
            while watch.elapsed().as_secs_f64() < seconds {
                turn += 1;
                let id = if sql == INSERT {
                    new * 10_000_000 + turn
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

//! A schema for each test, and what to put into it.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use handstamp::storage::postgres::{PostgresOptions, PostgresStorage};
use libtest_mimic::Failed;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _};

pub(crate) use crate::sessions::*;

pub(crate) type Store = PostgresStorage;

/// A place of its own in the server's database.
pub(crate) struct Town {
    pub(crate) server: String,
    pub(crate) schema: String,
}

/// Runs a test in a schema of its own, which is removed afterwards, however the test ends.
pub(crate) fn run<F>(server: &str, test: impl Fn(Town) -> F) -> Result<(), Failed>
where
    F: Future<Output = ()>,
{
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::SeqCst);
    let schema = format!("test_{}_{number}", std::process::id());
    let town = || Town {
        server: server.to_owned(),
        schema: schema.clone(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()?;
    let ended = catch_unwind(AssertUnwindSafe(|| runtime.block_on(test(town()))));
    runtime.block_on(async {
        let drop = format!("DROP SCHEMA IF EXISTS {schema} CASCADE");
        town().client().await.run(&drop).await;
    });
    ended.unwrap_or_else(|why| resume_unwind(why));
    Ok(())
}

impl Town {
    /// The same, for a task of its own.
    pub(crate) fn again(&self) -> Self {
        Self {
            server: self.server.clone(),
            schema: self.schema.clone(),
        }
    }

    pub(crate) fn options(&self) -> PostgresOptions {
        let mut options = PostgresOptions::default();
        options.schema = Some(self.schema.clone());
        options
    }

    pub(crate) async fn open(&self) -> Arc<PostgresStorage> {
        self.open_with(&self.options()).await
    }

    pub(crate) async fn open_with(&self, options: &PostgresOptions) -> Arc<PostgresStorage> {
        self.open_at(&self.server, options).await
    }

    /// By another way to the same server. Its connections bear the schema's name.
    pub(crate) async fn open_at(
        &self,
        url: &str,
        options: &PostgresOptions,
    ) -> Arc<PostgresStorage> {
        let mark = if url.contains('?') { "&" } else { "?" };
        let url = [url, mark, "application_name=", &self.schema].concat();
        let storage = PostgresStorage::connect(&url, options).await;
        Arc::new(storage.unwrap())
    }

    /// A connection that is not the store's.
    pub(crate) async fn client(&self) -> Client {
        let options: PgConnectOptions = self.server.parse().unwrap();
        let options = options.options([("search_path", &self.schema)]);
        Client(options.connect().await.unwrap())
    }
}

impl Town {
    /// Another one, on the same server.
    #[expect(clippy::unused_async, reason = "of MySQL it asks something")]
    pub(crate) async fn another(&self, _: &mut Client, number: u32) -> Self {
        Self {
            server: self.server.clone(),
            schema: format!("{}_{number}", self.schema),
        }
    }

    pub(crate) async fn remove(self, client: &mut Client) {
        let drop = format!("DROP SCHEMA {} CASCADE", self.schema);
        client.run(&drop).await;
    }

    /// Counts what a migration makes.
    pub(crate) fn what_was_made(&self) -> String {
        format!(
            "SELECT count(*) FROM pg_namespace WHERE nspname = '{}'",
            self.schema
        )
    }
}

/// Somebody else at the database.
pub(crate) struct Client(PgConnection);

impl Client {
    pub(crate) async fn run(&mut self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        sqlx::raw_sql(sql).execute(&mut self.0).await.unwrap();
    }

    pub(crate) async fn rows(&mut self, sql: &str) -> Vec<PgRow> {
        let sql = AssertSqlSafe(sql.to_owned());
        sqlx::raw_sql(sql).fetch_all(&mut self.0).await.unwrap()
    }

    pub(crate) async fn number(&mut self, sql: &str) -> i64 {
        let rows = self.rows(sql).await;
        rows[0].get(0)
    }

    /// Waits until as many statements of the test's store wait for a lock.
    pub(crate) async fn sees_waiting(&mut self, town: &Town, statements: i64) {
        let sql = format!(
            "SELECT count(*) FROM pg_stat_activity
             WHERE wait_event_type = 'Lock' AND application_name = '{}'",
            town.schema
        );
        until(async || {
            // Within a transaction the activity is read once.
            self.run("SELECT pg_stat_clear_snapshot()").await;
            self.number(&sql).await >= statements
        })
        .await;
    }

    /// From now on whoever reads waits.
    pub(crate) async fn hold_back_readers(&mut self) {
        self.run("BEGIN; LOCK TABLE handstamp_sessions IN ACCESS EXCLUSIVE MODE")
            .await;
    }

    pub(crate) async fn sees_readers(&mut self, town: &Town, readers: i64) {
        self.sees_waiting(town, readers).await;
    }

    pub(crate) async fn let_readers_go(&mut self) {
        self.run("COMMIT").await;
    }

    /// Ends the connections of the test's store.
    pub(crate) async fn ends_connections(&mut self, town: &Town) {
        let theirs = format!(
            "FROM pg_stat_activity WHERE application_name = '{}'",
            town.schema
        );
        self.run(&format!("SELECT pg_terminate_backend(pid) {theirs}"))
            .await;
        let left = format!("SELECT count(*) {theirs}");
        until(async || self.number(&left).await == 0).await;
    }
}

/// Hands `others` to the store while `first` is under way and waits for a lock; answers what all come to once it lets go.
pub(crate) async fn behind_a_lock<T>(
    town: &Town,
    mut first: Begun<'_, T>,
    mut others: Vec<Begun<'_, T>>,
) -> Vec<T> {
    let mut client = town.client().await;
    client
        .run("BEGIN; LOCK TABLE handstamp_sessions IN SHARE MODE")
        .await;
    begin(&mut first);
    client.sees_waiting(town, 1).await;
    others.iter_mut().for_each(begin);
    client.run("COMMIT").await;
    let mut outcomes = vec![first.await];
    for other in others {
        outcomes.push(other.await);
    }
    outcomes
}

//! A database for each test, and what to put into it.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use handstamp::storage::mysql::{MySqlOptions, MySqlStorage};
use libtest_mimic::Failed;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _};

pub(crate) use crate::sessions::*;

pub(crate) type Store = MySqlStorage;

/// A database of its own on the server.
pub(crate) struct Town {
    /// The address of the database.
    pub(crate) server: String,
    pub(crate) name: String,
}

/// Runs a test in a database of its own, which is removed afterwards, however the test ends.
pub(crate) fn run<F>(server: &str, test: impl Fn(Town) -> F) -> Result<(), Failed>
where
    F: Future<Output = ()>,
{
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::SeqCst);
    let name = format!("test_{}_{number}", std::process::id());
    let town = || Town {
        server: in_database(server, &name),
        name: name.clone(),
    };
    let elsewhere = Town {
        server: server.to_owned(),
        name: String::new(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        // What is there must not help: neither the collation nor the character set.
        let create =
            format!("CREATE DATABASE {name} CHARACTER SET latin1 COLLATE latin1_swedish_ci");
        elsewhere.client().await.run(&create).await;
    });
    let ended = catch_unwind(AssertUnwindSafe(|| runtime.block_on(test(town()))));
    runtime.block_on(async {
        let drop = format!("DROP DATABASE IF EXISTS {name}");
        elsewhere.client().await.run(&drop).await;
    });
    ended.unwrap_or_else(|why| resume_unwind(why));
    Ok(())
}

/// The same server's address, with another database.
pub(crate) fn in_database(server: &str, name: &str) -> String {
    let (address, values) = match server.split_once('?') {
        Some((address, values)) => (address, format!("?{values}")),
        None => (server, String::new()),
    };
    let (place, _) = address.rsplit_once('/').unwrap();
    format!("{place}/{name}{values}")
}

impl Town {
    /// The same, for a task of its own.
    pub(crate) fn again(&self) -> Self {
        Self {
            server: self.server.clone(),
            name: self.name.clone(),
        }
    }

    #[expect(clippy::unused_self, reason = "a town may have options of its own")]
    pub(crate) fn options(&self) -> MySqlOptions {
        MySqlOptions::default()
    }

    pub(crate) async fn open(&self) -> Arc<MySqlStorage> {
        self.open_with(&self.options()).await
    }

    pub(crate) async fn open_with(&self, options: &MySqlOptions) -> Arc<MySqlStorage> {
        self.open_at(&self.server, options).await
    }

    /// By another way to the same server.
    pub(crate) async fn open_at(&self, url: &str, options: &MySqlOptions) -> Arc<MySqlStorage> {
        let storage = MySqlStorage::connect(url, options).await;
        Arc::new(storage.unwrap())
    }

    /// A connection that is not the store's.
    pub(crate) async fn client(&self) -> Client {
        let options: MySqlConnectOptions = self.server.parse().unwrap();
        Client(options.connect().await.unwrap())
    }
}

impl Town {
    /// Another one, on the same server.
    pub(crate) async fn another(&self, client: &mut Client, number: u32) -> Self {
        let name = format!("{}_{number}", self.name);
        client.run(&format!("CREATE DATABASE {name}")).await;
        Self {
            server: in_database(&self.server, &name),
            name,
        }
    }

    pub(crate) async fn remove(self, client: &mut Client) {
        let drop = format!("DROP DATABASE {}", self.name);
        client.run(&drop).await;
    }

    /// Counts what a migration makes.
    pub(crate) fn what_was_made(&self) -> String {
        format!(
            "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = '{}'",
            self.name
        )
    }
}

/// Somebody else at the database.
pub(crate) struct Client(MySqlConnection);

impl Client {
    pub(crate) async fn run(&mut self, sql: &str) {
        let sql = AssertSqlSafe(sql.to_owned());
        sqlx::raw_sql(sql).execute(&mut self.0).await.unwrap();
    }

    pub(crate) async fn rows(&mut self, sql: &str) -> Vec<MySqlRow> {
        let sql = AssertSqlSafe(sql.to_owned());
        sqlx::raw_sql(sql).fetch_all(&mut self.0).await.unwrap()
    }

    pub(crate) async fn number(&mut self, sql: &str) -> i64 {
        let rows = self.rows(sql).await;
        rows[0].get(0)
    }

    /// Waits until as many of the test's transactions wait for a lock.
    pub(crate) async fn sees_waiting(&mut self, town: &Town, statements: usize) {
        until(async || self.waiting(town).await >= statements).await;
    }

    /// By what the server writes about itself: its tables show the same picture for as long as somebody looks at it.
    async fn waiting(&mut self, town: &Town) -> usize {
        let sql = format!(
            "SELECT CAST(id AS SIGNED) FROM information_schema.processlist WHERE db = '{}'",
            town.name
        );
        let threads = self.rows(&sql).await;
        let threads: Vec<i64> = threads.iter().map(|row| row.get(0)).collect();
        let status = self.rows("SHOW ENGINE INNODB STATUS").await;
        let status: String = status[0].get(2);
        let waits = |transaction: &&str| {
            let thread = |id: &i64| transaction.contains(&format!("thread id {id},"));
            transaction.contains("LOCK WAIT") && threads.iter().any(thread)
        };
        status.split("---TRANSACTION").filter(waits).count()
    }

    /// From now on whoever reads waits.
    pub(crate) async fn hold_back_readers(&mut self) {
        self.run("LOCK TABLES handstamp_sessions WRITE").await;
    }

    pub(crate) async fn sees_readers(&mut self, town: &Town, readers: i64) {
        let count = format!(
            "SELECT COUNT(*) FROM {} AND state LIKE 'Waiting for table%'",
            theirs(town)
        );
        until(async || self.number(&count).await == readers).await;
    }

    pub(crate) async fn let_readers_go(&mut self) {
        self.run("UNLOCK TABLES").await;
    }

    /// Ends the connections of the test's store.
    pub(crate) async fn ends_connections(&mut self, town: &Town) {
        let ids = format!("SELECT CAST(id AS SIGNED) FROM {}", theirs(town));
        for row in self.rows(&ids).await {
            let id: i64 = row.get(0);
            self.run(&format!("KILL {id}")).await;
        }
        let left = format!("SELECT COUNT(*) FROM {}", theirs(town));
        until(async || self.number(&left).await == 0).await;
    }
}

/// Where the connections of the test's store are told.
fn theirs(town: &Town) -> String {
    format!(
        "information_schema.processlist WHERE db = '{}' AND id <> CONNECTION_ID()",
        town.name
    )
}

/// Hands `others` to the store while `first` is under way and waits for a lock; answers what all come to once it lets go.
pub(crate) async fn behind_a_lock<T>(
    town: &Town,
    held: &str,
    mut first: Begun<'_, T>,
    mut others: Vec<Begun<'_, T>>,
) -> Vec<T> {
    let mut client = town.client().await;
    client.run("BEGIN").await;
    client.run(held).await;
    begin(&mut first);
    client.sees_waiting(town, 1).await;
    others.iter_mut().for_each(begin);
    client.run("ROLLBACK").await;
    let mut outcomes = vec![first.await];
    for other in others {
        outcomes.push(other.await);
    }
    outcomes
}

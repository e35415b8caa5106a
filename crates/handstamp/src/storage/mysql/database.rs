//! MySQL as the pool knows it, and the two usual shapes of work: a statement that brings back rows, and one that is counted.

use std::time::Duration;

use sqlx::error::DatabaseError;
use sqlx::mysql::{MySqlArguments, MySqlConnectOptions, MySqlConnection, MySqlRow};
use sqlx::query::Query;
use sqlx::{
    ConnectOptions as _, Connection as _, Error, MySql, Row as _, Transaction, query, raw_sql,
};
use tokio::time::timeout;
use uuid::Uuid;

use super::MySqlOptions;
use super::{address, failures};
use crate::storage::coalesce::Failed;
use crate::storage::pool::{
    Access, Driver, Limits, NoConnection, Pool, Remedy, Source, Work, to_connect,
};
use crate::storage::rows::Cells;
use crate::storage::{StorageError, StorageFault};

/// A statement with its values.
pub(super) type Bound<'q> = Query<'q, MySql, MySqlArguments>;

impl Driver for MySql {
    const NAME: &'static str = "MySQL";
    type Connection = MySqlConnection;
    type Source = Host;

    fn reported(error: &dyn DatabaseError, access: Access) -> (Failed, Remedy) {
        failures::reported(error, access)
    }

    async fn close(connection: MySqlConnection) {
        drop(connection.close().await);
    }
}

/// The server.
pub(in crate::storage) struct Host {
    connect: MySqlConnectOptions,
    /// How long a statement may take.
    limit: Option<Duration>,
}

impl Source<MySql> for Host {
    async fn connect(&self, limit: Duration) -> Result<MySqlConnection, NoConnection> {
        let place = address::place(&self.connect);
        let made = async {
            let mut connection = self.connect.connect().await?;
            settle(&mut connection, self.limit).await?;
            Ok(connection)
        };
        let (fault, why) = match timeout(limit, made).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(error)) => to_connect::<MySql>(&error),
            Err(_) => (StorageFault::Unavailable, "it does not answer".to_owned()),
        };
        Err(NoConnection::new(fault, format!("MySQL at {place}: {why}")))
    }

    async fn is_of_use(&self, connection: &mut MySqlConnection) -> Result<bool, Error> {
        connection.ping().await.map(|()| true)
    }

    fn is_a_choice(&self) -> bool {
        false
    }
}

/// Settles on a new connection what a statement may rely on, so that nothing of it is left to how the server happens to be
/// configured.
pub(super) async fn settle(
    connection: &mut MySqlConnection,
    limit: Option<Duration>,
) -> Result<(), Error> {
    // Guards are looked at again in the row as it is, and gaps between rows are nobody's.
    raw_sql("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        .execute(&mut *connection)
        .await?;
    raw_sql("SET autocommit = 1, sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION'")
        .execute(&mut *connection)
        .await?;
    if let Some(limit) = limit {
        query("SET @handstamp_limit = ?")
            .bind(i64::try_from(limit.as_millis()).unwrap_or(i64::MAX))
            .execute(&mut *connection)
            .await?;
        raw_sql(LIMITS).execute(&mut *connection).await?;
    }
    Ok(())
}

// Who waits for a lock tries again some times within the limit. Each of the two has a limit that the other does not know: these
// comments are read by one of them only.
const LIMITS: &str = "SET innodb_lock_wait_timeout = GREATEST(1, @handstamp_limit DIV 5000)
     /*!80000 , max_execution_time = @handstamp_limit */
     /*M!100000 , max_statement_time = @handstamp_limit / 1000 */";

/// The connections. Cheap to clone.
#[derive(Clone)]
pub(super) struct Database {
    pool: Pool<MySql>,
    /// How many bytes a statement may bring along.
    pub(super) most_bytes: usize,
}

impl Database {
    pub(super) fn new(
        connect: MySqlConnectOptions,
        options: &MySqlOptions,
        most_bytes: usize,
    ) -> Result<Self, StorageError> {
        let limits = Limits {
            connections: options.max_connections,
            acquire: options.acquire_timeout,
            statement: options.statement_timeout,
        };
        let host = Host {
            connect,
            limit: options.statement_timeout,
        };
        Ok(Self {
            pool: Pool::new(host, limits)?,
            most_bytes,
        })
    }

    pub(super) async fn run<W: Work<MySql>>(
        &self,
        access: Access,
        work: &W,
    ) -> Result<W::Outcome, Failed> {
        self.pool.run(access, work).await
    }

    /// Runs what `statement` makes, and answers its rows.
    pub(super) async fn rows<'q>(
        &self,
        access: Access,
        statement: impl Fn() -> Bound<'q> + Send + Sync,
    ) -> Result<Vec<MySqlRow>, Failed> {
        self.pool.run(access, &Rows(statement)).await
    }

    /// Runs what `statement` makes, and answers how many rows it was about: the driver has the server count those that an UPDATE
    /// found, also if they were as it would make them.
    pub(super) async fn count<'q>(
        &self,
        statement: impl Fn() -> Bound<'q> + Send + Sync,
    ) -> Result<u64, Failed> {
        let counted = self.pool.run(Access::Write, &Counted(statement)).await?;
        Ok(counted.rows)
    }

    /// The same, with what the statement gave to `LAST_INSERT_ID`.
    pub(super) async fn count_and_id<'q>(
        &self,
        statement: impl Fn() -> Bound<'q> + Send + Sync,
    ) -> Result<Count, Failed> {
        self.pool.run(Access::Write, &Counted(statement)).await
    }

    /// Whether the INSERT that `statement` makes found no row of the same key.
    pub(super) async fn inserted<'q>(
        &self,
        statement: impl Fn() -> Bound<'q> + Send + Sync,
    ) -> Result<bool, Failed> {
        self.pool.run(Access::Write, &Inserted(statement)).await
    }

    pub(super) fn is_closed(&self) -> bool {
        self.pool.is_closed()
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }
}

/// What a statement did.
pub(super) struct Count {
    pub(super) rows: u64,
    pub(super) id: u64,
}

struct Rows<F>(F);

impl<'q, F: Fn() -> Bound<'q> + Send + Sync> Work<MySql> for Rows<F> {
    type Outcome = Vec<MySqlRow>;

    async fn run(&self, connection: &mut MySqlConnection) -> Result<Vec<MySqlRow>, Error> {
        (self.0)().fetch_all(connection).await
    }
}

struct Counted<F>(F);

impl<'q, F: Fn() -> Bound<'q> + Send + Sync> Work<MySql> for Counted<F> {
    type Outcome = Count;

    async fn run(&self, connection: &mut MySqlConnection) -> Result<Count, Error> {
        let done = (self.0)().execute(connection).await?;
        Ok(Count {
            rows: done.rows_affected(),
            id: done.last_insert_id(),
        })
    }
}

struct Inserted<F>(F);

impl<'q, F: Fn() -> Bound<'q> + Send + Sync> Work<MySql> for Inserted<F> {
    type Outcome = bool;

    async fn run(&self, connection: &mut MySqlConnection) -> Result<bool, Error> {
        match (self.0)().execute(connection).await {
            Ok(_) => Ok(true),
            Err(error) if failures::is_duplicate(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Steps of several statements: all of them, or none.
pub(super) trait Steps: Sync {
    type Outcome: Send;

    fn steps(
        &self,
        transaction: &mut Transaction<'_, MySql>,
    ) -> impl Future<Output = Result<Self::Outcome, Error>> + Send;
}

/// Work that is a transaction.
pub(super) struct Together<S>(pub(super) S);

impl<S: Steps> Work<MySql> for Together<S> {
    type Outcome = S::Outcome;

    async fn run(&self, connection: &mut MySqlConnection) -> Result<S::Outcome, Error> {
        let mut transaction = connection.begin().await?;
        match self.0.steps(&mut transaction).await {
            Ok(outcome) => {
                transaction.commit().await?;
                Ok(outcome)
            }
            Err(error) => {
                // At once: it would hold its locks until somebody uses the connection. If that fails, they go with the connection,
                // which that failure condemns.
                transaction.rollback().await?;
                Err(error)
            }
        }
    }
}

/// Somebody changed what was seen before it was locked: to be done again. No statement of ours fails in this way by itself.
pub(super) fn overtaken() -> Error {
    Error::RowNotFound
}

impl Cells for MySqlRow {
    fn integer(&self, index: usize) -> Result<Option<i64>, Error> {
        self.try_get(index)
    }

    fn flag(&self, index: usize) -> Result<bool, Error> {
        self.try_get(index)
    }

    /// Ids are kept as bytes.
    fn text(&self, index: usize) -> Result<&str, Error> {
        std::str::from_utf8(self.try_get(index)?).map_err(|why| Error::Decode(why.into()))
    }

    fn bytes(&self, index: usize) -> Result<Option<&[u8]>, Error> {
        self.try_get(index)
    }

    fn uuid(&self, index: usize) -> Result<Uuid, Error> {
        Uuid::from_slice(self.try_get(index)?).map_err(|why| Error::Decode(why.into()))
    }
}

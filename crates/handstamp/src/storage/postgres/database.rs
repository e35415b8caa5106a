//! PostgreSQL as the pool knows it, and statements that bring back rows.

use sqlx::error::DatabaseError;
use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::query::Query;
use sqlx::{Connection as _, Error, Postgres, Row as _};
use uuid::Uuid;

use super::PostgresOptions;
use super::failures;
use super::hosts::Hosts;
use super::uuids::Id;
use crate::storage::StorageError;
use crate::storage::coalesce::Failed;
use crate::storage::pool::{Access, Driver, Limits, Pool, Remedy, Work};
use crate::storage::rows::Cells;

/// A statement with its values.
pub(super) type Bound<'q> = Query<'q, Postgres, PgArguments>;

impl Driver for Postgres {
    const NAME: &'static str = "PostgreSQL";
    type Connection = PgConnection;
    type Source = Hosts;

    fn reported(error: &dyn DatabaseError, access: Access) -> (Failed, Remedy) {
        failures::reported(error, access)
    }

    async fn close(connection: PgConnection) {
        drop(connection.close().await);
    }
}

/// The connections. Cheap to clone.
#[derive(Clone)]
pub(super) struct Database(Pool<Postgres>);

impl Database {
    pub(super) fn new(hosts: Hosts, options: &PostgresOptions) -> Result<Self, StorageError> {
        let limits = Limits {
            connections: options.max_connections,
            acquire: options.acquire_timeout,
            statement: options.statement_timeout,
        };
        Pool::new(hosts, limits).map(Self)
    }

    /// Runs what `statement` makes, and answers its rows.
    pub(super) async fn rows<'q>(
        &self,
        access: Access,
        statement: impl Fn() -> Bound<'q> + Send + Sync,
    ) -> Result<Vec<PgRow>, Failed> {
        self.0.run(access, &Rows(statement)).await
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    pub(super) async fn close(&self) {
        self.0.close().await;
    }
}

struct Rows<F>(F);

impl<'q, F: Fn() -> Bound<'q> + Send + Sync> Work<Postgres> for Rows<F> {
    type Outcome = Vec<PgRow>;

    async fn run(&self, connection: &mut PgConnection) -> Result<Vec<PgRow>, Error> {
        (self.0)().fetch_all(connection).await
    }
}

impl Cells for PgRow {
    fn integer(&self, index: usize) -> Result<Option<i64>, Error> {
        self.try_get(index)
    }

    fn flag(&self, index: usize) -> Result<bool, Error> {
        self.try_get(index)
    }

    fn text(&self, index: usize) -> Result<&str, Error> {
        self.try_get(index)
    }

    fn bytes(&self, index: usize) -> Result<Option<&[u8]>, Error> {
        self.try_get(index)
    }

    fn uuid(&self, index: usize) -> Result<Uuid, Error> {
        self.try_get::<Id, _>(index).map(|id| id.0)
    }
}

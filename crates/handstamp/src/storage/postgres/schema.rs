//! The schema: looked at, brought up to date, refused.

use sqlx::postgres::PgConnection;
use sqlx::{Connection, Error, Postgres, query, query_scalar, raw_sql};
use tokio::time::timeout;

use super::PostgresOptions;
use super::failures::code;
use super::hosts::Hosts;
use crate::storage::pool::{Source as _, not_connected, step_aside};
use crate::storage::versions::{fits, seen};
use crate::storage::{StorageError, StorageFault};

/// In order; each is done once, and never edited afterwards.
const MIGRATIONS: &[&str] = &[
    include_str!("../../../migrations/postgres/0001_sessions.sql"),
    include_str!("../../../migrations/postgres/0002_users.sql"),
];

/// Sees to it that the schema is ours: brings it up to date, or refuses one that is not.
pub(super) async fn prepare(hosts: &Hosts, options: &PostgresOptions) -> Result<(), StorageError> {
    let place = hosts.to_string();
    let failed = |error: Error| not_connected::<Postgres>(&error, &place);
    let connected = hosts.connect(options.acquire_timeout).await;
    let mut connection = connected.map_err(|why| why.failed().told())?;
    // Migrations take the time they take, and this takes none.
    let looked = timeout(options.acquire_timeout, version(&mut connection)).await;
    let mut version = looked.map_err(|_| silent(&place))?.map_err(failed)?;
    if version < MIGRATIONS.len() && options.auto_migrate {
        version = migrate(&mut connection, options).await.map_err(failed)?;
    }
    // What goes wrong here has no consequences.
    drop(timeout(options.acquire_timeout, connection.close()).await);
    fits(version, MIGRATIONS.len(), &place)
}

fn silent(place: &str) -> StorageError {
    let why = format!("PostgreSQL at {place} does not answer");
    StorageError::new(StorageFault::Unavailable, why)
}

/// How many migrations the schema has seen.
async fn version(connection: &mut PgConnection) -> Result<usize, Error> {
    let version = query_scalar("SELECT max(version) FROM handstamp_schema")
        .fetch_one(connection)
        .await;
    match version {
        Ok(version) => Ok(seen(version)),
        Err(error) if code(&error).as_deref() == Some(UNDEFINED_TABLE) => Ok(0),
        Err(error) => Err(error),
    }
}

async fn migrate(connection: &mut PgConnection, options: &PostgresOptions) -> Result<usize, Error> {
    let mut attempt = 1;
    loop {
        match try_migrate(connection, options).await {
            // Others are at it too, and were first to make what was not there.
            Err(error) if made_by_another(&error) && attempt < ATTEMPTS => {
                step_aside(attempt).await;
                attempt += 1;
            }
            migrated => return migrated,
        }
    }
}

/// In one transaction, so that a process that dies leaves nothing. Each migration begins with its row: of several processes that
/// start together the others wait for the first to be done with it, and then find it there. That takes no lock that some of those
/// who speak PostgreSQL's protocol do not know.
async fn try_migrate(
    connection: &mut PgConnection,
    options: &PostgresOptions,
) -> Result<usize, Error> {
    let mut transaction = connection.begin().await?;
    // Others may have to wait, and a migration takes the time it takes.
    raw_sql("SET LOCAL statement_timeout = 0")
        .execute(&mut *transaction)
        .await?;
    if let Some(schema) = &options.schema {
        query("SELECT set_config('handstamp.schema', $1, true)")
            .bind(schema)
            .execute(&mut *transaction)
            .await?;
        raw_sql(MAKE_SCHEMA).execute(&mut *transaction).await?;
    }
    raw_sql("CREATE TABLE IF NOT EXISTS handstamp_schema (version bigint PRIMARY KEY)")
        .execute(&mut *transaction)
        .await?;
    let version = query_scalar("SELECT max(version) FROM handstamp_schema")
        .fetch_one(&mut *transaction)
        .await?;
    let seen = seen(version);
    for (number, migration) in (1_i64..).zip(MIGRATIONS).skip(seen) {
        query("INSERT INTO handstamp_schema (version) VALUES ($1)")
            .bind(number)
            .execute(&mut *transaction)
            .await?;
        raw_sql(*migration).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(seen.max(MIGRATIONS.len()))
}

// `IF NOT EXISTS` would ask for the privilege even if there is nothing to make.
const MAKE_SCHEMA: &str = "DO $$ BEGIN
         IF to_regnamespace(quote_ident(current_setting('handstamp.schema'))) IS NULL THEN
             EXECUTE format('CREATE SCHEMA %I', current_setting('handstamp.schema'));
         END IF;
     END $$";

/// Another was first to make what was not there, or to begin the migration: `IF NOT EXISTS` looks, and then makes, and in between is
/// time. Of a migration itself these may tell of a table of another program, and that is there the next time as well.
fn made_by_another(error: &Error) -> bool {
    matches!(
        code(error).as_deref(),
        Some("23505" | "42P06" | "42P07" | "40001" | "40P01" | "XX000")
    )
}

const UNDEFINED_TABLE: &str = "42P01";
const ATTEMPTS: u32 = 8;

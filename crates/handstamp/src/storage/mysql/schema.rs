//! The schema: looked at, brought up to date, refused.

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{ConnectOptions, Connection, Error, MySql, Row as _, query, query_scalar, raw_sql};
use tokio::time::timeout;

use super::MySqlOptions;
use super::database::settle;
use super::failures::{is_deadlock, is_duplicate, is_missing_table};
use crate::storage::pool::{not_connected, step_aside};
use crate::storage::versions::{fits, seen};
use crate::storage::{StorageError, StorageFault};

/// In order; each is done once, and never edited afterwards. MySQL commits after each statement of theirs, so that one may be there
/// and the next not: each has to do no harm when it is done again.
const MIGRATIONS: &[&str] = &[include_str!("../../../migrations/mysql/0001_sessions.sql")];

/// What was learned of the server.
pub(super) struct Server {
    /// How many bytes a statement may bring along.
    pub(super) most_bytes: usize,
}

/// Sees to it that the schema is ours: brings it up to date, or refuses one that is not.
pub(super) async fn prepare(
    connect: &MySqlConnectOptions,
    place: &str,
    options: &MySqlOptions,
) -> Result<Server, StorageError> {
    let failed = |error: Error| not_opened(&error, place);
    let unsuitable = |why| Err(StorageError::new(StorageFault::Unsuitable, why));
    // Migrations take the time they take, and this takes hardly any.
    let looked = timeout(options.acquire_timeout, look(connect)).await;
    let looked = looked.map_err(|_| silent(place))?.map_err(failed)?;
    let (mut connection, told, most_bytes) = looked;
    if !is_known(&told) {
        let why = format!("MySQL at {place} is version {told}: 8.0.16 or MariaDB 10.6 is needed");
        return unsuitable(why);
    }
    let looked = timeout(options.acquire_timeout, version(&mut connection)).await;
    let mut version = looked.map_err(|_| silent(place))?.map_err(failed)?;
    if version < MIGRATIONS.len() && options.auto_migrate {
        version = migrate(&mut connection, place).await?;
    }
    // What goes wrong here has no consequences.
    drop(timeout(options.acquire_timeout, connection.close()).await);
    fits(version, MIGRATIONS.len(), place)?;
    Ok(Server { most_bytes })
}

/// Connects, and asks who that is.
async fn look(connect: &MySqlConnectOptions) -> Result<(MySqlConnection, String, usize), Error> {
    let mut connection = connect.connect().await?;
    // Others may have to wait.
    settle(&mut connection, None).await?;
    let (told, most_bytes) = server(&mut connection).await?;
    Ok((connection, told, most_bytes))
}

fn silent(place: &str) -> StorageError {
    let why = format!("MySQL at {place} does not answer");
    StorageError::new(StorageFault::Unavailable, why)
}

/// The driver's words for one failure are for those who compile it.
fn not_opened(error: &Error, place: &str) -> StorageError {
    let told = not_connected::<MySql>(error, place);
    if !told.to_string().contains("mysql-rsa") {
        return told;
    }
    let why = format!("MySQL at {place}: this account needs TLS (`ssl-mode=REQUIRED`) or a socket");
    StorageError::new(StorageFault::Other, why)
}

/// Its version, and how much a statement may bring along.
async fn server(connection: &mut MySqlConnection) -> Result<(String, usize), Error> {
    let row = query("SELECT VERSION(), CAST(@@max_allowed_packet AS SIGNED)")
        .fetch_one(connection)
        .await?;
    let most = usize::try_from(row.try_get::<i64, _>(1)?).unwrap_or(usize::MAX);
    // Beside the values there is the statement.
    Ok((row.try_get(0)?, most.saturating_sub(most / 8)))
}

/// Both number themselves: `8.0.36`, `10.11.6-MariaDB`.
fn is_known(version: &str) -> bool {
    let mut numbers = version
        .split(|other: char| !other.is_ascii_digit())
        .map_while(|number| number.parse::<u32>().ok());
    let mut next = || numbers.next().unwrap_or(0);
    let number = (next(), next(), next());
    if version.contains("MariaDB") {
        number >= (10, 6, 0)
    } else {
        number >= (8, 0, 16)
    }
}

/// How many migrations the schema has seen.
async fn version(connection: &mut MySqlConnection) -> Result<usize, Error> {
    let version = query_scalar("SELECT MAX(version) FROM handstamp_schema")
        .fetch_one(connection)
        .await;
    match version {
        Ok(version) => Ok(seen(version)),
        Err(error) if is_missing_table(&error) => Ok(0),
        Err(error) => Err(error),
    }
}

/// One at a time: of several that start together the others wait, and find it done.
async fn migrate(connection: &mut MySqlConnection, place: &str) -> Result<usize, StorageError> {
    let failed = |error: Error| not_connected::<MySql>(&error, place);
    let locked: Option<i64> = query_scalar(LOCK)
        .bind(LOCK_SECONDS)
        .fetch_one(&mut *connection)
        .await
        .map_err(failed)?;
    if locked != Some(1) {
        let why = format!("another has been at the schema in {place} for {LOCK_SECONDS} seconds");
        return Err(StorageError::new(StorageFault::Busy, why));
    }
    // The lock goes with the connection, whatever happens.
    let mut attempt = 1;
    loop {
        match migrate_alone(connection).await {
            Err(error) if is_deadlock(&error) && attempt < ATTEMPTS => {
                step_aside(attempt).await;
                attempt += 1;
            }
            migrated => return migrated.map_err(failed),
        }
    }
}

/// But for processes at other nodes of a cluster, where the lock is not known. What they do is the same, and does no harm twice.
async fn migrate_alone(connection: &mut MySqlConnection) -> Result<usize, Error> {
    raw_sql(VERSIONS).execute(&mut *connection).await?;
    let seen = version(connection).await?;
    for (number, migration) in (1_i64..).zip(MIGRATIONS).skip(seen) {
        raw_sql(*migration).execute(&mut *connection).await?;
        let noted = query("INSERT INTO handstamp_schema (version) VALUES (?)")
            .bind(number)
            .execute(&mut *connection)
            .await;
        match noted {
            Err(error) if !is_duplicate(&error) => return Err(error),
            _ => {}
        }
    }
    Ok(seen.max(MIGRATIONS.len()))
}

// A name is for the whole server, of 64 characters at the most, and not about capitals.
const LOCK: &str =
    "SELECT CAST(GET_LOCK(CONCAT('handstamp-schema-', SHA1(DATABASE())), ?) AS SIGNED)";
const LOCK_SECONDS: i64 = 60;
const ATTEMPTS: u32 = 8;

const VERSIONS: &str =
    "CREATE TABLE IF NOT EXISTS handstamp_schema (version bigint PRIMARY KEY) ENGINE = InnoDB";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_that_needs_encryption_is_told_so() {
        // As the driver has it in `connection/auth.rs`.
        let error = Error::Configuration("enable feature `mysql-rsa`".into());
        let told = not_opened(&error, "db:3306/x").to_string();
        assert!(told.contains("ssl-mode=REQUIRED"), "{told}");
    }

    #[test]
    fn versions_are_told_apart() {
        for known in [
            "8.0.16",
            "8.4.3",
            "9.1.0-log",
            "10.6.4-MariaDB",
            "11.4.2-MariaDB-ubu2404",
            "12.0.1-MariaDB",
        ] {
            assert!(is_known(known), "{known}");
        }
        for old in [
            "5.7.44",
            "8.0.11",
            "10.5.9-MariaDB",
            "5.5.5-10.3.1-MariaDB",
            "",
            "x",
        ] {
            assert!(!is_known(old), "{old}");
        }
    }
}

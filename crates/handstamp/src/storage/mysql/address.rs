//! The address of a database, and what it may be shown as.

use std::str::FromStr;

use sqlx::ConnectOptions;
use sqlx::mysql::MySqlConnectOptions;

use crate::storage::parameters::known_only;
use crate::storage::{StorageError, StorageFault};

/// Reads an address. It has to name a database.
pub(super) fn parse(url: &str) -> Result<MySqlConnectOptions, StorageError> {
    let failed = |why: String| StorageError::new(StorageFault::Other, why);
    let parsed = MySqlConnectOptions::from_str(&known_only(url, &KNOWN))
        .map_err(|why| failed(format!("the address of MySQL cannot be read: {why}")))?;
    if parsed.get_database().is_none_or(str::is_empty) {
        return Err(failed("the address of MySQL names no database".to_owned()));
    }
    // The mode and the time zone are ours to set. Statements hold no values, but there are many of them.
    Ok(parsed
        .pipes_as_concat(false)
        .no_engine_substitution(false)
        .timezone(None)
        .charset("utf8mb4")
        .disable_statement_logging())
}

/// What the driver knows.
const KNOWN: [&str; 14] = [
    "sslmode",
    "ssl-mode",
    "sslca",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "charset",
    "collation",
    "statement-cache-capacity",
    "socket",
    "timezone",
    "time-zone",
];

/// The server and the database, without user and password.
pub(super) fn place(connect: &MySqlConnectOptions) -> String {
    let database = connect.get_database().unwrap_or_default();
    match connect.get_socket() {
        Some(socket) => format!("{}/{database}", socket.display()),
        None => format!("{}:{}/{database}", connect.get_host(), connect.get_port()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_addresses_are_understood() {
        let cases = [
            ("mysql://me:secret@db/x", "db:3306/x"),
            ("mariadb://me:s%40crt@db:1/x?ssl-mode=REQUIRED", "db:1/x"),
            (
                "mysql://me@localhost/x?socket=/run/mysqld/s",
                "/run/mysqld/s/x",
            ),
        ];
        for (url, shown) in cases {
            assert_eq!(place(&parse(url).unwrap()), shown);
        }
    }

    #[test]
    fn an_address_names_a_database() {
        for url in ["mysql://me:canary@db", "mysql://me:canary@db/", "mysql:"] {
            let told = parse(url).unwrap_err().to_string();
            assert!(!told.contains("canary"), "{told}");
        }
    }
}

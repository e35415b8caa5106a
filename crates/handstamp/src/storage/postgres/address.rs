//! The address of a database, and what it may be shown as.

use std::str::FromStr;

use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

use super::PostgresOptions;
use crate::storage::{StorageError, StorageFault};

/// Reads an address. The schema it names goes into `options`.
pub(super) fn parse(
    url: &str,
    options: &mut PostgresOptions,
) -> Result<PgConnectOptions, StorageError> {
    let url = take_schema(url, options);
    let parsed = PgConnectOptions::from_str(&url).map_err(|why| {
        let why = format!("the address of PostgreSQL cannot be read: {why}");
        StorageError::new(StorageFault::Other, why)
    })?;
    // Statements hold no values, but there are many of them.
    let mut connect = parsed.disable_statement_logging();
    if connect.get_application_name().is_none() {
        connect = connect.application_name("handstamp");
    }
    // By the first message, so that it costs no round trip of its own.
    if let Some(limit) = options.statement_timeout {
        connect = connect.options([("statement_timeout", limit.as_millis())]);
    }
    if let Some(schema) = &options.schema {
        if !is_plain(schema) {
            let why =
                "a schema's name must be 1 to 63 of a-z, 0-9 and _, and not begin with a digit";
            return Err(StorageError::new(StorageFault::Other, why));
        }
        connect = connect.options([("search_path", schema)]);
    }
    Ok(connect)
}

/// The server and the database, without user and password.
pub(super) fn place(connect: &PgConnectOptions) -> String {
    let server = match connect.get_socket() {
        Some(folder) => folder.display().to_string(),
        None => connect.get_host().to_owned(),
    };
    let database = connect.get_database().unwrap_or(connect.get_username());
    format!("{server}:{}/{database}", connect.get_port())
}

/// Takes `schema=NAME` out of the address: it is our own word, the driver does not know it.
fn take_schema(url: &str, options: &mut PostgresOptions) -> String {
    let Some((address, values)) = url.split_once('?') else {
        return url.to_owned();
    };
    let (schema, others): (Vec<_>, Vec<_>) = values
        .split('&')
        .partition(|value| value.starts_with("schema="));
    if let Some((_, name)) = schema.last().and_then(|value| value.split_once('=')) {
        options.schema = Some(name.to_owned());
    }
    [address, "?", &others.join("&")].concat()
}

/// Whether the name means the same with and without quotation marks.
fn is_plain(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=63).contains(&name.len())
        && name.bytes().all(plain)
        && !name.starts_with(|first: char| first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> (PgConnectOptions, PostgresOptions) {
        let mut options = PostgresOptions::default();
        (parse(url, &mut options).unwrap(), options)
    }

    #[test]
    fn usual_addresses_are_understood() {
        let cases = [
            ("postgres://me:secret@db/x", "db:5432/x"),
            ("postgresql://me:s%40crt@db:1/x?sslmode=require", "db:1/x"),
            ("postgres://me@%2Frun%2Fpg/x", "/run/pg:5432/x"),
            ("postgres://me@db/x?host=/run/pg&schema=a", "/run/pg:5432/x"),
        ];
        for (url, shown) in cases {
            assert_eq!(place(&parsed(url).0), shown);
        }
        let (connect, _) = parsed("postgres://db/x?application_name=mine");
        assert_eq!(connect.get_application_name(), Some("mine"));
        let (connect, _) = parsed("postgres://db/x");
        assert_eq!(connect.get_application_name(), Some("handstamp"));
    }

    #[test]
    fn the_schema_and_the_limit_go_with_the_first_message() {
        let (connect, options) = parsed("postgres://db/x?schema=mine&sslmode=disable");
        assert_eq!(options.schema.as_deref(), Some("mine"));
        assert_eq!(
            connect.get_options(),
            Some("-c statement_timeout=10000 -c search_path=mine")
        );
        let mut options = PostgresOptions {
            statement_timeout: None,
            ..PostgresOptions::default()
        };
        let connect = parse("postgres://db/x", &mut options).unwrap();
        assert_eq!(connect.get_options(), None, "for a pooler that takes none");
    }

    #[test]
    fn a_schema_is_a_plain_name() {
        for name in ["", "A", "1a", "a b", "a,b", "a\"b", "a-b", &"a".repeat(64)] {
            let mut options = PostgresOptions {
                schema: Some(name.to_owned()),
                ..PostgresOptions::default()
            };
            parse("postgres://db/x", &mut options).unwrap_err();
        }
    }
}

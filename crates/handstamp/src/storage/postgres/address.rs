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

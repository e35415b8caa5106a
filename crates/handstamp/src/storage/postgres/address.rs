//! The address of a database, as libpq's users write it.

use std::str::FromStr;

use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;

use super::PostgresOptions;
use super::hosts::{Hosts, Wanted};
use crate::storage::parameters::known_only;
use crate::storage::{StorageError, StorageFault};

/// Reads an address. The schema it names goes into `options`.
pub(super) fn parse(url: &str, options: &mut PostgresOptions) -> Result<Hosts, StorageError> {
    // Our own words and libpq's, which the driver does not know.
    let (url, schema) = take(url, "schema=");
    let (url, wanted) = take(&url, "target_session_attrs=");
    if schema.is_some() {
        options.schema = schema;
    }
    let urls = one_by_one(&known_only(&url, &KNOWN));
    let wanted = match wanted {
        Some(name) => Wanted::from_name(&name).ok_or_else(|| {
            wrong(
                "target_session_attrs must be read-write, primary or any: sessions are written to",
            )
        })?,
        // Whoever names several means the one that takes writes.
        None if urls.len() > 1 => Wanted::ReadWrite,
        None => Wanted::Any,
    };
    let hosts: Result<_, _> = urls.iter().map(|url| parse_one(url, options)).collect();
    Ok(Hosts::new(hosts?, wanted))
}

fn parse_one(url: &str, options: &PostgresOptions) -> Result<PgConnectOptions, StorageError> {
    let parsed = PgConnectOptions::from_str(url)
        .map_err(|why| wrong(&format!("the address of PostgreSQL cannot be read: {why}")))?;
    // Statements hold no values, but there are many of them.
    let mut connect = parsed.disable_statement_logging();
    if connect.get_application_name().is_none() {
        connect = connect.application_name("handstamp");
    }
    // By the first message, so that it costs no round trip of its own.
    if let Some(limit) = options.statement_timeout {
        connect = connect
            .options([("statement_timeout", limit.as_millis())])
            .options(PLANS);
    }
    if let Some(schema) = &options.schema {
        if !is_plain(schema) {
            return Err(wrong(
                "a schema's name must be 1 to 63 of a-z, 0-9 and _, and not begin with a digit",
            ));
        }
        connect = connect.options([("search_path", schema)]);
    }
    Ok(connect)
}

/// What the driver knows.
const KNOWN: [&str; 18] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

/// Rows are found by keys only. A plan that was made while the table was empty, and is kept until somebody counts its rows,
/// would be one that reads all of it. What has to be read as a whole still is, and is not worth compiling.
const PLANS: [(&str, &str); 4] = [
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("jit", "off"),
];

fn wrong(why: &str) -> StorageError {
    StorageError::new(StorageFault::Other, why.to_owned())
}

/// The address once for each of the hosts that it names: `//USER@ONE:5432,TWO:5433/DATABASE`.
fn one_by_one(url: &str) -> Vec<String> {
    let Some((scheme, rest)) = url.split_once("//") else {
        return vec![url.to_owned()];
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (login, hosts) = match authority.rsplit_once('@') {
        Some((login, hosts)) => ([login, "@"].concat(), hosts),
        None => (String::new(), authority),
    };
    let urls = hosts.split(',');
    urls.map(|host| [scheme, "//", &login, host, path].concat())
        .collect()
}

/// Takes a value out of the address; `name` ends in `=`.
fn take(url: &str, name: &str) -> (String, Option<String>) {
    let Some((address, values)) = url.split_once('?') else {
        return (url.to_owned(), None);
    };
    let (taken, others): (Vec<_>, Vec<_>) =
        values.split('&').partition(|value| value.starts_with(name));
    let value = taken.last().and_then(|value| value.split_once('='));
    let value = value.map(|(_, value)| value.to_owned());
    ([address, "?", &others.join("&")].concat(), value)
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
        let hosts = parse(url, &mut options).unwrap();
        (hosts.all().0[0].clone(), options)
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
            let hosts = parse(url, &mut PostgresOptions::default()).unwrap();
            assert_eq!(hosts.to_string(), shown);
            assert_eq!(hosts.all().1, Wanted::Any);
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
            Some(
                "-c statement_timeout=10000 -c enable_seqscan=off -c enable_hashjoin=off \
                 -c enable_mergejoin=off -c jit=off -c search_path=mine"
            )
        );
        let mut options = PostgresOptions {
            statement_timeout: None,
            ..PostgresOptions::default()
        };
        let hosts = parse("postgres://db/x", &mut options).unwrap();
        assert_eq!(
            hosts.all().0[0].get_options(),
            None,
            "for a pooler that takes none"
        );
    }

    #[test]
    fn several_hosts_share_all_but_their_ports() {
        let mut options = PostgresOptions::default();
        let url = "postgres://me:s,crt@one:1,two,[::1]:3/x?sslmode=disable&schema=mine";
        let hosts = parse(url, &mut options).unwrap();
        assert_eq!(hosts.to_string(), "one:1/x, two:5432/x, [::1]:3/x");
        assert_eq!(options.schema.as_deref(), Some("mine"));
        let (all, wanted) = hosts.all();
        assert_eq!(wanted, Wanted::ReadWrite);
        for host in all {
            assert_eq!(host.get_username(), "me");
            assert_eq!(host.get_application_name(), Some("handstamp"));
        }
    }

    #[test]
    fn what_a_server_has_to_be_can_be_said() {
        let cases = [
            ("one", "read-write", Some(Wanted::ReadWrite)),
            ("one,two", "any", Some(Wanted::Any)),
            ("one,two", "primary", Some(Wanted::Primary)),
            ("one", "standby", None),
            ("one", "prefer-standby", None),
        ];
        for (hosts, name, wanted) in cases {
            let url = format!("postgres://{hosts}/x?target_session_attrs={name}&sslmode=disable");
            let parsed = parse(&url, &mut PostgresOptions::default());
            assert_eq!(parsed.ok().map(|hosts| hosts.all().1), wanted, "{url}");
        }
    }

    #[test]
    fn a_schema_is_a_plain_name() {
        for name in ["", "A", "1a", "a b", "a,b", "a\"b", "a-b", &"a".repeat(64)] {
            let mut options = PostgresOptions {
                schema: Some(name.to_owned()),
                ..PostgresOptions::default()
            };
            assert!(parse("postgres://db/x", &mut options).is_err());
        }
    }
}

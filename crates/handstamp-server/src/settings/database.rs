//! Where sessions are kept, as an operator writes it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where sessions are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// In the process; forgotten when it ends.
    Memory,
    /// In one file.
    Sqlite(PathBuf),
    /// In a PostgreSQL database.
    Postgres(ServerUrl),
    /// In a MySQL or MariaDB database.
    MySql(ServerUrl),
}

/// What `database` may be.
pub(super) const ALLOWED: &str = "sqlite:PATH, postgres://USER:PASSWORD@HOST/DATABASE, mysql://USER:PASSWORD@HOST/DATABASE or memory:";

impl FromStr for DatabaseUrl {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.split_once(':') {
            Some(("memory", "")) => Ok(Self::Memory),
            // What SQLite itself would take for a database in memory is not a file of that name.
            Some(("sqlite", path)) if !path.is_empty() && !path.ends_with(":memory:") => {
                // Both sqlite:PATH and sqlite://PATH are about.
                Ok(Self::Sqlite(
                    path.strip_prefix("//")
                        .filter(|path| !path.is_empty())
                        .unwrap_or(path)
                        .into(),
                ))
            }
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => {
                Ok(Self::Postgres(ServerUrl(text.to_owned())))
            }
            Some(("mysql" | "mariadb", rest)) if rest.starts_with("//") => {
                Ok(Self::MySql(ServerUrl(text.to_owned())))
            }
            _ => Err(()),
        }
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory:"),
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) | Self::MySql(url) => url.fmt(f),
        }
    }
}

/// The address of a database server, which may hold a password: shown without.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerUrl(String);

impl ServerUrl {
    /// The address with all that is in it, for connecting. Not for logs.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&masked(&self.0))
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What `database` is set to, as it may be shown: without user and password, however wrong it is otherwise.
pub(super) fn masked(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once(':') else {
        return text.to_owned();
    };
    if matches!(scheme, "memory" | "sqlite") {
        return text.to_owned();
    }
    let slashes = if rest.starts_with("//") { "//" } else { "" };
    let place = match rest.rsplit_once('@') {
        Some((_, place)) => format!("{slashes}***@{place}"),
        None => rest.to_owned(),
    };
    let values: Vec<_> = place.split('&').map(without_password).collect();
    format!("{scheme}:{}", values.join("&"))
}

/// `password=...` is one of the values that may stand behind a `?`.
fn without_password(value: &str) -> String {
    match value.split_once("password=") {
        Some((before, _)) => format!("{before}password=***"),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_shows_its_password() {
        let cases = [
            ("postgres://me:canary@db/x", "postgres://***@db/x"),
            ("postgres://me:c@nary/?#@db:1/x", "postgres://***@db:1/x"),
            (
                "postgresql://db/x?user=me&password=canary&sslmode=require",
                "postgresql://db/x?user=me&password=***&sslmode=require",
            ),
            (
                "postgres://db/x?password=canary",
                "postgres://db/x?password=***",
            ),
            ("mysql://me:c@nary@db:1/x", "mysql://***@db:1/x"),
            ("mariadb://me:canary@db/x", "mariadb://***@db/x"),
            ("oracle:me:canary@db", "oracle:***@db"),
            ("sqlite:a@b.db", "sqlite:a@b.db"),
            ("memory:", "memory:"),
        ];
        for (text, shown) in cases {
            assert_eq!(masked(text), shown);
            if let Ok(url) = text.parse::<DatabaseUrl>() {
                assert_eq!(url.to_string(), shown);
                assert!(!format!("{url:?}").contains("canary"));
            }
        }
    }

    #[test]
    fn a_server_is_told_from_a_file() {
        for text in [
            "postgres://db/x",
            "postgresql://me@db:5432/x?sslmode=require",
        ] {
            let url = text.parse();
            assert_eq!(url, Ok(DatabaseUrl::Postgres(ServerUrl(text.to_owned()))));
        }
        for text in ["mysql://db/x", "mariadb://me@db:3306/x?ssl-mode=REQUIRED"] {
            let url = text.parse();
            assert_eq!(url, Ok(DatabaseUrl::MySql(ServerUrl(text.to_owned()))));
        }
        for text in [
            "postgres:",
            "postgres:db",
            "Postgres://db",
            "mysql:db",
            "mariadb:",
        ] {
            text.parse::<DatabaseUrl>().unwrap_err();
        }
    }
}

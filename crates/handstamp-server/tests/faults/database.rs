//! The databases that the faults happen to: one list of tests for each kind.

use testbed::mariadb::MariaDb;
use testbed::postgres::Postgres;
use testbed::{Client, Stop};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Postgres,
    MariaDb,
}

impl Kind {
    pub(crate) const ALL: [Self; 2] = [Self::Postgres, Self::MariaDb];

    /// As it stands in the names of tests.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::MariaDb => "mariadb",
        }
    }

    /// Whether the server's programs are there.
    pub(crate) fn is_there(self) -> bool {
        match self {
            Self::Postgres => testbed::postgres::programs().is_some(),
            Self::MariaDb => testbed::mariadb::is_there(),
        }
    }
}

/// A server of its own, with an account for handstamp that may do with the tables what it likes, and nothing else.
pub(crate) enum Database {
    Postgres(Postgres),
    MariaDb(MariaDb),
}

impl Database {
    pub(crate) fn start(kind: Kind) -> Self {
        let database = match kind {
            Kind::Postgres => Self::Postgres(Postgres::start(&[]).unwrap()),
            Kind::MariaDb => Self::MariaDb(MariaDb::start().unwrap()),
        };
        database.sql(match kind {
            Kind::Postgres => {
                "CREATE ROLE crowd LOGIN PASSWORD 'canary'; GRANT ALL ON SCHEMA public TO crowd"
            }
            Kind::MariaDb => {
                "CREATE USER crowd@'127.0.0.1' IDENTIFIED BY 'canary';
                 GRANT ALL ON handstamp.* TO crowd@'127.0.0.1'"
            }
        });
        database
    }

    /// As handstamp's account.
    pub(crate) fn url(&self) -> String {
        self.url_by(&self.address())
    }

    /// The same, by another way.
    pub(crate) fn url_by(&self, address: &str) -> String {
        match self {
            Self::Postgres(_) => format!("postgres://crowd:canary@{address}/postgres"),
            Self::MariaDb(_) => format!("mysql://crowd:canary@{address}/handstamp"),
        }
    }

    pub(crate) fn address(&self) -> String {
        match self {
            Self::Postgres(server) => server.address(),
            Self::MariaDb(server) => server.address(),
        }
    }

    pub(crate) fn stop(&mut self, how: Stop) {
        let stopped = match self {
            Self::Postgres(server) => server.stop(how),
            Self::MariaDb(server) => server.stop(how),
        };
        stopped.unwrap();
    }

    pub(crate) fn start_again(&mut self) {
        let started = match self {
            Self::Postgres(server) => server.start_again(),
            Self::MariaDb(server) => server.start_again(),
        };
        started.unwrap();
    }

    /// As somebody who may do everything.
    pub(crate) fn sql(&self, sql: &str) -> String {
        let told = match self {
            Self::Postgres(server) => server.sql(sql),
            Self::MariaDb(server) => server.sql(sql),
        };
        told.unwrap()
    }

    pub(crate) fn number(&self, sql: &str) -> u64 {
        self.sql(sql).parse().unwrap()
    }

    pub(crate) fn client(&self) -> Client {
        let client = match self {
            Self::Postgres(server) => server.client(),
            Self::MariaDb(server) => server.client(),
        };
        client.unwrap()
    }

    /// How many statements wait for a row that somebody else has locked.
    pub(crate) fn waiting(&self) -> u64 {
        self.number(match self {
            Self::Postgres(_) => {
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            }
            Self::MariaDb(_) => {
                "SELECT variable_value FROM information_schema.global_status
                 WHERE variable_name = 'INNODB_ROW_LOCK_CURRENT_WAITS'"
            }
        })
    }

    /// Nobody else writes to the sessions until it is let go.
    pub(crate) fn hold_writes(&self) -> Client {
        let mut client = self.client();
        let hold = match self {
            Self::Postgres(_) => "BEGIN; LOCK TABLE handstamp_sessions IN SHARE MODE",
            Self::MariaDb(_) => "LOCK TABLES handstamp_sessions READ",
        };
        client.run(hold).unwrap();
        client
    }

    /// From now on handstamp gets no more connections than that, and has none.
    pub(crate) fn leave_two_connections(&self) {
        self.sql(match self {
            Self::Postgres(_) => "ALTER ROLE crowd CONNECTION LIMIT 2",
            Self::MariaDb(_) => "ALTER USER crowd@'127.0.0.1' WITH MAX_USER_CONNECTIONS 2",
        });
        self.sql(match self {
            Self::Postgres(_) => {
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                 WHERE usename = 'crowd'"
            }
            Self::MariaDb(_) => "KILL USER crowd@'127.0.0.1'",
        });
    }

    /// Whether connections beyond those were asked for.
    pub(crate) fn has_refused_connections(&self) -> bool {
        match self {
            Self::Postgres(server) => server.log().contains("too many connections for role"),
            Self::MariaDb(_) => {
                let refused = "SELECT variable_value FROM information_schema.global_status
                               WHERE variable_name = 'ABORTED_CONNECTS'";
                self.number(refused) > 0
            }
        }
    }

    pub(crate) fn leave_all_connections(&self) {
        self.sql(match self {
            Self::Postgres(_) => "ALTER ROLE crowd CONNECTION LIMIT -1",
            Self::MariaDb(_) => "ALTER USER crowd@'127.0.0.1' WITH MAX_USER_CONNECTIONS 0",
        });
    }

    /// Takes no writes, or takes them again.
    pub(crate) fn set_read_only(&self, read_only: bool) {
        match self {
            Self::Postgres(_) => {
                let mut client = self.client();
                for sql in [
                    "SET default_transaction_read_only = off",
                    &format!("ALTER SYSTEM SET default_transaction_read_only = {read_only}"),
                    "SELECT pg_reload_conf()",
                ] {
                    client.run(sql).unwrap();
                }
            }
            Self::MariaDb(_) => {
                self.sql(&format!("SET GLOBAL read_only = {read_only}"));
            }
        }
    }
}

//! Where the primary may be: the hosts that an address names, and which of them is of use.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection, Error, Postgres, query_scalar};
use tokio::time::{Instant, timeout_at};

use crate::storage::StorageFault;
use crate::storage::pool::{NoConnection, Source, may_pass, to_connect};

/// What a server has to be, as `target_session_attrs` says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// There.
    Any,
    /// One that takes writes.
    ReadWrite,
    /// One that follows no other.
    Primary,
}

impl Wanted {
    pub(super) fn from_name(name: &str) -> Option<Self> {
        match name {
            "any" => Some(Self::Any),
            "read-write" => Some(Self::ReadWrite),
            "primary" => Some(Self::Primary),
            _ => None,
        }
    }

    /// A question that a server answers with yes if it is not what is wanted.
    fn question(self) -> Option<&'static str> {
        match self {
            Self::Any => None,
            Self::ReadWrite => Some("SELECT current_setting('transaction_read_only')::boolean"),
            Self::Primary => Some("SELECT pg_is_in_recovery()"),
        }
    }
}

/// The servers that may be asked; all but one of them are not what is wanted, or not there, most of the time.
pub(in crate::storage) struct Hosts {
    all: Vec<PgConnectOptions>,
    wanted: Wanted,
    /// The one that was of use last.
    last: AtomicUsize,
}

impl Hosts {
    pub(super) fn new(all: Vec<PgConnectOptions>, wanted: Wanted) -> Self {
        Self {
            all,
            wanted,
            last: AtomicUsize::new(0),
        }
    }

    async fn connect_to(
        &self,
        host: &PgConnectOptions,
        until: Instant,
    ) -> Result<PgConnection, (StorageFault, String)> {
        let silent = |_| (StorageFault::Unavailable, "it does not answer".to_owned());
        let connected = timeout_at(until, host.connect()).await.map_err(silent)?;
        let mut connection = connected.map_err(|error| to_connect::<Postgres>(&error))?;
        let fits = timeout_at(until, self.is_of_use(&mut connection)).await;
        match fits.map_err(silent)? {
            Ok(true) => Ok(connection),
            Ok(false) => {
                // What goes wrong here has no consequences.
                drop(timeout_at(until, connection.close()).await);
                Err((StorageFault::ReadOnly, "it takes no writes".to_owned()))
            }
            Err(error) => Err(to_connect::<Postgres>(&error)),
        }
    }
}

impl Source<Postgres> for Hosts {
    fn is_a_choice(&self) -> bool {
        self.wanted != Wanted::Any
    }

    /// Connects to one that is what is wanted. Each is asked once at the most, first the one that was of use last; what cannot
    /// pass by itself, as a wrong password, ends the round.
    async fn connect(&self, limit: Duration) -> Result<PgConnection, NoConnection> {
        let (begin, count) = (self.last.load(Ordering::Relaxed), self.all.len());
        // One that does not answer must not use up the time of all.
        let each = limit / u32::try_from(count.max(1)).unwrap_or(u32::MAX);
        let mut reasons: Vec<(StorageFault, String)> = Vec::new();
        for turn in 0..count {
            let at = begin.saturating_add(turn).checked_rem(count).unwrap_or(0);
            let Some(host) = self.all.get(at) else {
                continue;
            };
            match self.connect_to(host, Instant::now() + each).await {
                Ok(connection) => {
                    self.last.store(at, Ordering::Relaxed);
                    return Ok(connection);
                }
                Err((fault, why)) => {
                    let why = format!("{}: {why}", place(host));
                    if !may_pass(fault) {
                        return Err(no_connection(fault, &why));
                    }
                    reasons.push((fault, why));
                }
            }
        }
        let mut faults = reasons.iter().map(|(fault, _)| *fault);
        let first = faults.next().unwrap_or(StorageFault::Unavailable);
        let fault = if faults.all(|fault| fault == first) {
            first
        } else {
            StorageFault::Unavailable
        };
        let why: Vec<_> = reasons.into_iter().map(|(_, why)| why).collect();
        Err(no_connection(fault, &why.join("; ")))
    }

    /// Whether the server at the other end answers, and is what is wanted still.
    async fn is_of_use(&self, connection: &mut PgConnection) -> Result<bool, Error> {
        match self.wanted.question() {
            None => connection.ping().await.map(|()| true),
            Some(question) => {
                let isnt: bool = query_scalar(question).fetch_one(connection).await?;
                Ok(!isnt)
            }
        }
    }
}

fn no_connection(fault: StorageFault, why: &str) -> NoConnection {
    NoConnection::new(fault, format!("PostgreSQL at {why}"))
}

/// The servers and the database, without user and password.
impl fmt::Display for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places: Vec<_> = self.all.iter().map(place).collect();
        f.write_str(&places.join(", "))
    }
}

/// The server and the database, without user and password.
fn place(connect: &PgConnectOptions) -> String {
    let server = match connect.get_socket() {
        Some(folder) => folder.display().to_string(),
        None => connect.get_host().to_owned(),
    };
    let database = connect.get_database().unwrap_or(connect.get_username());
    format!("{server}:{}/{database}", connect.get_port())
}

#[cfg(test)]
impl Hosts {
    pub(super) fn all(&self) -> (&[PgConnectOptions], Wanted) {
        (&self.all, self.wanted)
    }
}

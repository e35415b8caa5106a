//! From a configuration to a server that answers, and back to a clean end.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use axum_server::Handle;
use handstamp::engine::{KEYS_EVERY, SWEEP_EVERY};
use handstamp::storage::memory::MemoryStorage;
use handstamp::storage::mysql::{MySqlOptions, MySqlStorage};
use handstamp::storage::postgres::{PostgresOptions, PostgresStorage};
use handstamp::storage::sqlite::SqliteStorage;
use handstamp::storage::{Storage, StorageError};
use handstamp::{Engine, Failure, Parts};
use hyper_util::rt::TokioTimer;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{JoinHandle, JoinSet};

use crate::cdi::{self, Registry};
use crate::chain::Chain;
use crate::settings::{DatabaseUrl, ServerConfig, ServerUrl};

/// How long a client may take over a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a server did not start, or did not end well. What lies behind it is its source.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The database cannot be used.
    #[error("cannot open the database {url}")]
    Database {
        /// Which one.
        url: DatabaseUrl,
        /// The reason.
        source: StorageError,
    },
    /// The database was opened, and then did not give or take the keys.
    #[error("cannot prepare the signing keys in {url}")]
    Keys {
        /// Which database.
        url: DatabaseUrl,
        /// The reason.
        source: Failure,
    },
    /// Nobody can connect.
    #[error("cannot listen on {host}:{port}{}", hint(.source))]
    Listen {
        /// Where.
        host: String,
        /// At which port.
        port: u16,
        /// The reason.
        source: io::Error,
    },
    /// A server that ran stopped by itself.
    #[error("the server failed")]
    Server(#[from] io::Error),
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => " (is another server running? choose another with --port)",
        io::ErrorKind::PermissionDenied => " (ports below 1024 need a privilege)",
        _ => "",
    }
}

impl ServeError {
    /// The exit code of a process that ends for this reason: 3 for the database, 4 for the port, 1 for the rest.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Database { .. } | Self::Keys { .. } => 3,
            Self::Listen { .. } => 4,
            Self::Server(_) => 1,
        }
    }
}

/// Serves until SIGTERM or SIGINT, calling `ready` with the addresses once requests are answered.
///
/// # Errors
/// [`ServeError`].
pub async fn run(
    config: &ServerConfig,
    ready: impl FnOnce(&[SocketAddr]),
) -> Result<(), ServeError> {
    let listeners = listen(&config.host, config.port).map_err(|source| ServeError::Listen {
        host: config.host.clone(),
        port: config.port,
        source,
    })?;
    let storage = open(config).await?;
    let opened = Registry::open(Parts::with_shared_storage(storage), config.clone()).await;
    let registry = opened.map_err(|source| ServeError::Keys {
        url: config.database.clone(),
        source,
    })?;

    let router = cdi::router(Arc::clone(&registry), config);
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let handle = Handle::new();
    let mut servers = JoinSet::new();
    let mut addresses = Vec::new();
    for listener in listeners {
        addresses.push(listener.local_addr()?);
        let mut server = axum_server::from_tcp(listener)?
            .handle(handle.clone())
            .http1_only();
        server
            .http_builder()
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT);
        servers.spawn(server.serve(service.clone()));
    }
    let upkeep = [
        tokio::spawn(tend(Arc::clone(&registry))),
        // Any engine sweeps for all apps.
        tokio::spawn(sweep(registry.engine())),
    ];
    let mut stop = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    ready(&addresses);

    let ended = tokio::select! {
        _ = stop.0.recv() => None,
        _ = stop.1.recv() => None,
        ended = servers.join_next() => ended,
    };
    tracing::info!(in_flight = handle.connection_count(), "stopping");
    handle.graceful_shutdown(Some(config.shutdown_timeout));
    upkeep.iter().for_each(JoinHandle::abort);
    tokio::select! {
        () = async { while servers.join_next().await.is_some() {} } => {}
        // Asked twice, it does not wait for anybody; what was acknowledged is on the disk.
        _ = stop.0.recv() => {}
        _ = stop.1.recv() => {}
    }
    registry.engine().close().await;
    tracing::info!("stopped");
    match ended {
        Some(Ok(Err(error))) => Err(error.into()),
        Some(Err(panicked)) => Err(io::Error::other(panicked).into()),
        Some(Ok(Ok(()))) | None => Ok(()),
    }
}

/// Brings the schema in the database up to date, and does nothing else.
///
/// # Errors
/// [`ServeError::Database`].
pub async fn migrate(config: &ServerConfig) -> Result<(), ServeError> {
    match &config.database {
        DatabaseUrl::Postgres(url) => {
            let options = of_postgres(config);
            let migrated = PostgresStorage::migrate(url.expose(), &options).await;
            migrated.map_err(not_opened(&config.database))
        }
        DatabaseUrl::MySql(url) => {
            let options = of_mysql(config);
            let migrated = MySqlStorage::migrate(url.expose(), &options).await;
            migrated.map_err(not_opened(&config.database))
        }
        // A file is brought up to date by being opened.
        DatabaseUrl::Memory | DatabaseUrl::Sqlite(_) => {
            open(config).await?.close().await;
            Ok(())
        }
    }
}

async fn open(config: &ServerConfig) -> Result<Arc<dyn Storage>, ServeError> {
    let opened = match &config.database {
        DatabaseUrl::Memory => Ok(shared(MemoryStorage::new())),
        DatabaseUrl::Sqlite(path) => {
            let path = path.clone();
            let opened = tokio::task::spawn_blocking(move || SqliteStorage::open(&path)).await;
            opened.map_err(io::Error::other)?.map(shared)
        }
        DatabaseUrl::Postgres(url) => postgres(url, config).await.map(shared),
        DatabaseUrl::MySql(url) => mysql(url, config).await.map(shared),
    };
    opened.map_err(not_opened(&config.database))
}

fn shared(storage: impl Storage + 'static) -> Arc<dyn Storage> {
    Arc::new(storage)
}

async fn postgres(url: &ServerUrl, config: &ServerConfig) -> Result<PostgresStorage, StorageError> {
    PostgresStorage::connect(url.expose(), &of_postgres(config)).await
}

fn of_postgres(config: &ServerConfig) -> PostgresOptions {
    let mut options = PostgresOptions::default();
    options.auto_migrate = config.auto_migrate;
    options.max_connections = config.pool.size.get();
    options.acquire_timeout = config.pool.timeout;
    options.statement_timeout = config.pool.statement_timeout;
    options
}

async fn mysql(url: &ServerUrl, config: &ServerConfig) -> Result<MySqlStorage, StorageError> {
    MySqlStorage::connect(url.expose(), &of_mysql(config)).await
}

fn of_mysql(config: &ServerConfig) -> MySqlOptions {
    let mut options = MySqlOptions::default();
    options.auto_migrate = config.auto_migrate;
    options.max_connections = config.pool.size.get();
    options.acquire_timeout = config.pool.timeout;
    options.statement_timeout = config.pool.statement_timeout;
    options
}

fn not_opened(url: &DatabaseUrl) -> impl FnOnce(StorageError) -> ServeError {
    let url = url.clone();
    move |source| ServeError::Database { url, source }
}

/// Listens on every address that `host` stands for: `localhost` is two, and clients try either first.
fn listen(host: &str, port: u16) -> io::Result<Vec<TcpListener>> {
    // An IPv6 address is often written as in a URL.
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    bind_all((bare, port).to_socket_addrs()?, port, |address| {
        TcpListener::bind(address)
    })
}

/// Binds what can be bound. A machine without IPv6 may still have a name for it, so one address is enough; but an address that
/// somebody else has, or that is not for us, is what the operator must hear of.
fn bind_all(
    addresses: impl Iterator<Item = SocketAddr>,
    mut port: u16,
    bind: impl Fn(SocketAddr) -> io::Result<TcpListener>,
) -> io::Result<Vec<TcpListener>> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    let mut skipped = io::Error::new(
        io::ErrorKind::AddrNotAvailable,
        "no address goes by that name",
    );
    for mut address in addresses {
        address.set_port(port);
        match bind(address) {
            Ok(listener) => {
                listener.set_nonblocking(true)?;
                // With port 0 the first address draws one, and the others follow.
                port = listener.local_addr()?.port();
                listeners.push(listener);
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied
                ) =>
            {
                return Err(error);
            }
            Err(error) => skipped = error,
        }
    }
    if listeners.is_empty() {
        Err(skipped)
    } else {
        Ok(listeners)
    }
}

/// Looks after apps and keys. What fails is tried again at the next turn.
async fn tend(registry: Arc<Registry>) {
    let mut turns = every(KEYS_EVERY);
    loop {
        turns.tick().await;
        if let Err(error) = registry.tend().await {
            tracing::error!(error = %Chain(&error), "apps and keys were not looked after; they will be at the next turn");
        }
    }
}

/// Forgets sessions that have ended. What fails is tried again at the next turn.
async fn sweep(engine: Engine) {
    let mut turns = every(SWEEP_EVERY);
    loop {
        turns.tick().await;
        match engine.sweep_all().await {
            Ok(0) => {}
            Ok(swept) => tracing::info!(swept, "ended sessions forgotten"),
            Err(error) => {
                tracing::error!(error = %Chain(&error), "ended sessions were not swept; they will be at the next turn");
            }
        }
    }
}

/// Turns that do not catch up with those that were missed.
fn every(period: Duration) -> tokio::time::Interval {
    let mut turns = tokio::time::interval(period);
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    turns
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses() -> impl Iterator<Item = SocketAddr> {
        ["[::1]:0", "127.0.0.1:0"]
            .into_iter()
            .map(|text| text.parse().unwrap())
    }

    #[test]
    fn one_address_that_is_there_is_enough() {
        let bind = |address: SocketAddr| {
            if address.is_ipv6() {
                Err(io::Error::from_raw_os_error(97))
            } else {
                TcpListener::bind(address)
            }
        };
        assert_eq!(bind_all(addresses(), 0, bind).unwrap().len(), 1);
    }

    #[test]
    fn an_address_that_somebody_has_is_not_passed_over() {
        for kind in [io::ErrorKind::AddrInUse, io::ErrorKind::PermissionDenied] {
            let bind = |address: SocketAddr| {
                if address.is_ipv6() {
                    Err(kind.into())
                } else {
                    TcpListener::bind(address)
                }
            };
            assert_eq!(bind_all(addresses(), 0, bind).unwrap_err().kind(), kind);
        }
    }

    #[test]
    fn without_any_address_the_last_reason_is_given() {
        let bind = |_| Err(io::Error::from_raw_os_error(97));
        assert_eq!(
            bind_all(addresses(), 0, bind).unwrap_err().raw_os_error(),
            Some(97)
        );
        assert_eq!(
            bind_all(std::iter::empty(), 0, bind).unwrap_err().kind(),
            io::ErrorKind::AddrNotAvailable
        );
    }
}

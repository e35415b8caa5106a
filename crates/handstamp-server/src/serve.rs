//! From a configuration to a server that answers, and back to a clean end.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use axum_server::Handle;
use handstamp::storage::memory::MemoryStorage;
use handstamp::storage::sqlite::SqliteStorage;
use handstamp::storage::{Storage, StorageError};
use handstamp::{Engine, Failure, Parts};
use hyper_util::rt::TokioTimer;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use crate::cdi::{self, Registry};
use crate::settings::{DatabaseUrl, ServerConfig};

/// How long a client may take over a request's head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How often keys are looked after.
const KEYS_EVERY: Duration = Duration::from_secs(5);
/// How often ended sessions are swept, and how many at a time, so that nobody waits long behind it.
const SWEEP_EVERY: Duration = Duration::from_mins(1);
const SWEEP_BATCH: u32 = 500;

/// Why a server did not start, or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The database cannot be used.
    #[error("cannot open the database {url}: {error}")]
    Database {
        /// Which one.
        url: DatabaseUrl,
        /// The reason.
        error: StorageError,
    },
    /// The database was opened, and then did not give or take the keys.
    #[error("cannot prepare the signing keys in {url}: {error}")]
    Keys {
        /// Which database.
        url: DatabaseUrl,
        /// The reason.
        error: Failure,
    },
    /// Nobody can connect.
    #[error("cannot listen on {host}:{port}: {error}{}", hint(.error))]
    Listen {
        /// Where.
        host: String,
        /// At which port.
        port: u16,
        /// The reason.
        error: io::Error,
    },
    /// A server that ran stopped by itself.
    #[error("the server failed: {0}")]
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
    let listeners = listen(&config.host, config.port).map_err(|error| ServeError::Listen {
        host: config.host.clone(),
        port: config.port,
        error,
    })?;
    let storage = open(&config.database).await?;
    let opened = Registry::open(Parts::with_shared_storage(storage), config.clone()).await;
    let registry = opened.map_err(|error| ServeError::Keys {
        url: config.database.clone(),
        error,
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
    let upkeep = tokio::spawn(look_after(Arc::clone(&registry)));
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
    upkeep.abort();
    while servers.join_next().await.is_some() {}
    registry.engine().close().await;
    tracing::info!("stopped");
    match ended {
        Some(Ok(Err(error))) => Err(error.into()),
        Some(Err(panicked)) => Err(io::Error::other(panicked).into()),
        Some(Ok(Ok(()))) | None => Ok(()),
    }
}

async fn open(url: &DatabaseUrl) -> Result<Arc<dyn Storage>, ServeError> {
    let path = match url {
        DatabaseUrl::Memory => return Ok(Arc::new(MemoryStorage::new())),
        DatabaseUrl::Sqlite(path) => path.clone(),
    };
    let opened = tokio::task::spawn_blocking(move || SqliteStorage::open(&path)).await;
    match opened.map_err(io::Error::other)? {
        Ok(storage) => Ok(Arc::new(storage)),
        Err(error) => Err(ServeError::Database {
            url: url.clone(),
            error,
        }),
    }
}

/// Listens on every address that `host` stands for: `localhost` is two, and clients try either first.
fn listen(host: &str, port: u16) -> io::Result<Vec<TcpListener>> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    let mut port = port;
    for mut address in (host, port).to_socket_addrs()? {
        address.set_port(port);
        match TcpListener::bind(address) {
            Ok(listener) => {
                listener.set_nonblocking(true)?;
                // With port 0 the first address draws one, and the others follow.
                port = listener.local_addr()?.port();
                listeners.push(listener);
            }
            // A machine without IPv6 may still have a name for it.
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {}
            Err(error) => return Err(error),
        }
    }
    if listeners.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::AddrNotAvailable,
            "no address of this machine goes by that name",
        ));
    }
    Ok(listeners)
}

/// Apps, keys and sweeping. What fails here is tried again at the next turn.
async fn look_after(registry: Arc<Registry>) {
    // Any engine sweeps for all apps.
    let engine = registry.engine();
    let mut keys = tokio::time::interval(KEYS_EVERY);
    let mut sweep = tokio::time::interval(SWEEP_EVERY);
    loop {
        let failed = tokio::select! {
            _ = keys.tick() => registry.tend().await.err(),
            _ = sweep.tick() => sweep_all(&engine).await.err(),
        };
        if let Some(error) = failed {
            tracing::error!(%error, "upkeep failed; it will be tried again");
        }
    }
}

async fn sweep_all(engine: &Engine) -> Result<(), Failure> {
    let mut swept = 0;
    loop {
        let batch = engine.sweep(SWEEP_BATCH).await?;
        swept += batch;
        if batch < SWEEP_BATCH {
            break;
        }
    }
    if swept > 0 {
        tracing::info!(swept, "ended sessions forgotten");
    }
    Ok(())
}

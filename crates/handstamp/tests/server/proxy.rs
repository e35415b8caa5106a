//! A way to the server that can be cut.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Everything passes.
    Open,
    /// What is asked passes; at the answer the connection is closed.
    NoAnswers,
    /// From when somebody asks for the schema's version, nothing passes; the connection stays.
    Silent,
}

/// Listens on a port of its own.
pub(crate) struct Proxy {
    address: SocketAddr,
    server: String,
    way: Arc<watch::Sender<Way>>,
    serving: Option<AbortHandle>,
}

impl Proxy {
    /// To the server at `url`, by its TCP port.
    pub(crate) async fn to(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut proxy = Self {
            address: listener.local_addr().unwrap(),
            server: host_and_port(url).to_owned(),
            way: Arc::new(watch::Sender::new(Way::Open)),
            serving: None,
        };
        proxy.serve(listener);
        proxy
    }

    /// The same address, but through here.
    pub(crate) fn url(&self, url: &str) -> String {
        url.replace(host_and_port(url), &self.address.to_string())
    }

    /// From now on statements get through, and their answers do not.
    pub(crate) fn swallow_answers(&self) {
        self.way.send_replace(Way::NoAnswers);
    }

    /// Who asks for the schema's version waits for ever.
    pub(crate) fn fall_silent(&self) {
        self.way.send_replace(Way::Silent);
    }

    pub(crate) fn let_through(&self) {
        self.way.send_replace(Way::Open);
    }

    /// Closes everything; who comes is refused.
    pub(crate) fn go_away(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
        }
    }

    /// Is there again, at the same port.
    pub(crate) async fn come_back(&mut self) {
        // The listener that was there goes with its task, in a moment.
        loop {
            if let Ok(listener) = TcpListener::bind(self.address).await {
                return self.serve(listener);
            }
            tokio::task::yield_now().await;
        }
    }

    fn serve(&mut self, listener: TcpListener) {
        let (server, way) = (self.server.clone(), Arc::clone(&self.way));
        let serving = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let (server, way) = (server.clone(), Arc::clone(&way));
                connections.spawn(async move {
                    let server = TcpStream::connect(server).await.unwrap();
                    pass(client, server, &way).await;
                });
            }
        });
        self.serving = Some(serving.abort_handle());
    }
}

async fn pass(client: TcpStream, server: TcpStream, way: &watch::Sender<Way>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let questions = async {
        let mut buffer = vec![0; 65_536];
        while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
            let asks = |part: &[u8]| part == b"handstamp_schema";
            if *way.borrow() == Way::Silent && buffer[..read].windows(16).any(asks) {
                std::future::pending::<()>().await;
            }
            if to_server.write_all(&buffer[..read]).await.is_err() {
                return;
            }
        }
    };
    let answers = async {
        let mut buffer = vec![0; 65_536];
        while let Ok(read @ 1..) = from_server.read(&mut buffer).await {
            if *way.borrow() == Way::NoAnswers {
                return;
            }
            to_client.write_all(&buffer[..read]).await.unwrap();
        }
    };
    tokio::select! {
        () = questions => {}
        () = answers => {}
    }
}

pub(crate) fn host_and_port(url: &str) -> &str {
    let rest = url.split_once("://").unwrap().1;
    let rest = rest.split_once('@').map_or(rest, |(_, rest)| rest);
    rest.split(['/', '?']).next().unwrap()
}

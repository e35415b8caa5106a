//! What the tests share: servers on a database, and what has to be true of them at the end.

use std::net::SocketAddr;
use std::path::Path;

use testbed::handstamp::Handstamp;
use testbed::http::{self, Reply};
use testbed::wait;

use crate::client::is_plain_failure;
use crate::crew::{Board, Crew};
use crate::database::{Database, Kind};

pub(crate) const CLIENTS: u64 = 8;

/// Short limits, so that what is in trouble says so soon.
const LIMITS: [(&str, &str); 3] = [
    ("LOG_LEVEL", "DEBUG"),
    ("DATABASE_POOL_TIMEOUT", "1"),
    ("DATABASE_STATEMENT_TIMEOUT", "1"),
];

/// Starts a server on the database at `url`.
pub(crate) fn serve(url: &str, settings: &[(&str, &str)]) -> Handstamp {
    let mut all = LIMITS.to_vec();
    all.push(("DATABASE", url));
    all.extend(settings);
    Handstamp::start(Path::new(env!("CARGO_BIN_EXE_handstamp")), &all).unwrap()
}

pub(crate) fn hello(server: SocketAddr) -> Reply {
    http::call(server, "GET", "/hello", &[], "").unwrap()
}

/// Waits until the server says that its database is in trouble; it must not say anything else but hello.
pub(crate) fn see_trouble(server: SocketAddr) -> Reply {
    let told = || {
        let reply = hello(server);
        assert!(reply.status == 200 || is_plain_failure(&reply), "{reply:?}");
        Ok((reply.status == 500).then_some(reply))
    };
    wait::until("the server tells of its database", told).unwrap()
}

pub(crate) fn see_hello(server: SocketAddr) {
    let told = || Ok((hello(server).status == 200).then_some(()));
    wait::until("the server says hello again", told).unwrap();
}

/// A server on a database of its own, with clients that have begun to work.
pub(crate) struct Town {
    pub(crate) database: Database,
    pub(crate) server: Handstamp,
    pub(crate) board: Board,
    pub(crate) crew: Crew,
}

impl Town {
    /// `url` is how the server gets to the database.
    pub(crate) fn on(database: Database, url: &str, settings: &[(&str, &str)]) -> Self {
        let server = serve(url, settings);
        let board = Board::of(&[server.address()]);
        let mut crew = Crew::of(CLIENTS);
        crew.work(&board, || board.see_answers(100));
        assert_eq!(board.failures(), 0, "{}", server.log());
        Self {
            database,
            server,
            board,
            crew,
        }
    }

    pub(crate) fn new(kind: Kind, settings: &[(&str, &str)]) -> Self {
        let database = Database::start(kind);
        let url = database.url();
        Self::on(database, &url, settings)
    }

    /// Everything holds, and nobody was told a secret.
    pub(crate) fn finish(self) {
        let secrets = self.crew.finish(&self.board);
        end(vec![self.server], &secrets);
    }
}

/// Stops the servers in order, and looks through what they logged.
pub(crate) fn end(servers: Vec<Handstamp>, secrets: &[String]) {
    for server in servers {
        let (ended, log) = server.stop().unwrap();
        assert_eq!(ended.code(), Some(0), "{log}");
        assert!(log.contains("stopped"), "{log}");
        // Among others the password of the database.
        let known = ["canary"].into_iter();
        for secret in known.chain(secrets.iter().map(String::as_str)) {
            assert!(!log.contains(secret), "the log tells {secret}");
        }
    }
}

//! A primary, a standby that has every commit before it is acknowledged, and two servers that follow the one that takes writes.

use std::net::SocketAddr;

use testbed::handstamp::Handstamp;
use testbed::postgres::Postgres;
use testbed::{Stop, wait};

use crate::crew::{Board, Crew};
use crate::town::{CLIENTS, end, hello, see_hello, see_trouble, serve};

struct Pair {
    primary: Postgres,
    standby: Postgres,
    servers: Vec<Handstamp>,
    board: Board,
    crew: Crew,
}

impl Pair {
    fn start() -> Self {
        let primary = Postgres::start(&[]).unwrap();
        let standby = primary.standby().unwrap();
        let url = format!(
            "postgres://{}@{},{}/postgres?target_session_attrs=read-write",
            primary.login(),
            standby.address(),
            primary.address()
        );
        let servers = vec![serve(&url, &[]), serve(&url, &[])];
        let board = Board::of(&addresses(&servers));
        Self {
            primary,
            standby,
            servers,
            board,
            crew: Crew::of(CLIENTS),
        }
    }

    fn finish(self) {
        let mut secrets = self.crew.finish(&self.board);
        secrets.push(self.primary.password().to_owned());
        end(self.servers, &secrets);
    }
}

fn addresses(servers: &[Handstamp]) -> Vec<SocketAddr> {
    servers.iter().map(Handstamp::address).collect()
}

pub(crate) fn a_standby_takes_over_from_a_killed_primary() {
    let mut pair = Pair::start();
    let (board, servers) = (&pair.board, addresses(&pair.servers));
    let recovery = pair.crew.work(board, || {
        board.see_answers(300);
        pair.primary.stop(Stop::Kill).unwrap();
        for server in &servers {
            see_trouble(*server);
        }
        board.see_failures(8);
        let begun = wait::now();
        pair.standby.promote().unwrap();
        for server in &servers {
            see_hello(*server);
        }
        board.see_answers(1);
        let recovery = begun.elapsed();
        board.see_answers(300);
        recovery
    });
    println!(
        "  {} ms from the promotion to the first answers",
        recovery.as_millis()
    );
    pair.finish();
}

/// As where the two change places while both run.
pub(crate) fn a_primary_that_takes_no_writes_any_more_is_left() {
    let mut pair = Pair::start();
    let (board, servers) = (&pair.board, addresses(&pair.servers));
    pair.crew.work(board, || {
        board.see_answers(300);
        let mut other = pair.primary.client().unwrap();
        other
            .run("ALTER SYSTEM SET default_transaction_read_only = on")
            .unwrap();
        other.run("SELECT pg_reload_conf()").unwrap();
        for server in &servers {
            let told = see_trouble(*server);
            assert_eq!(told.body, "Internal Error: the database is read-only\n");
        }
        board.see_failures(8);
        pair.standby.promote().unwrap();
        for server in &servers {
            see_hello(*server);
        }
        board.see_answers(300);
    });
    // It is there to the end, and nobody has asked it for anything since.
    let sessions = "SELECT count(*) FROM handstamp_sessions";
    assert_ne!(pair.primary.sql(sessions).unwrap(), "0");
    pair.finish();
}

/// What is to be on both is not acknowledged while one is away: writes wait, and callers are told so.
pub(crate) fn writes_wait_while_the_standby_is_away() {
    let mut pair = Pair::start();
    let (board, servers) = (&pair.board, addresses(&pair.servers));
    for how in [Stop::Fast, Stop::Kill] {
        pair.crew.work(board, || {
            board.see_answers(200);
            pair.standby.stop(how).unwrap();
            board.see_failures(24);
            // It can still be read, and so can access tokens.
            for server in &servers {
                assert_eq!(hello(*server).status, 200);
            }
            pair.standby.start_again().unwrap();
            board.see_answers(300);
        });
        pair.crew.audit(board);
    }
    // The primary has writes that the standby has not, and nobody was told of them.
    pair.crew.work(board, || {
        board.see_answers(100);
        pair.standby.stop(Stop::Fast).unwrap();
        board.see_failures(24);
        pair.primary.stop(Stop::Kill).unwrap();
        pair.standby.start_again().unwrap();
        pair.standby.promote().unwrap();
        for server in &servers {
            see_hello(*server);
        }
        board.see_answers(300);
    });
    pair.finish();
}

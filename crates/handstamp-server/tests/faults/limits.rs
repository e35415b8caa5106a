//! A database that takes no more connections, no more statements, or no writes.

use testbed::wait;

use crate::database::{Database, Kind};
use crate::town::{Town, hello, see_hello, see_trouble};

/// Of the eight that the server may have, it gets two.
pub(crate) fn connections_run_out(kind: Kind) {
    let mut town = Town::new(kind, &[]);
    let (board, database, server) = (&town.board, &town.database, town.server.address());
    town.crew.work(board, || {
        database.leave_two_connections();
        let refused = || Ok(database.has_refused_connections().then_some(()));
        wait::until("the server wants more", refused).unwrap();
        // Two are enough to go on with: whoever gets no other waits for one of them.
        board.see_answers(20);
        let before = board.failures();
        board.see_answers(100);
        assert_eq!(board.failures(), before, "{}", town.server.log());
        database.leave_all_connections();
        see_hello(server);
        board.see_answers(100);
    });
    town.finish();
}

/// Somebody holds a lock that all writes wait for, for longer than the server does.
pub(crate) fn the_pool_runs_out(kind: Kind) {
    let mut town = Town::new(kind, &[("DATABASE_POOL_SIZE", "1")]);
    let (board, database, server) = (&town.board, &town.database, town.server.address());
    town.crew.work(board, || {
        let other = database.hold_writes();
        board.see_failures(16);
        drop(other);
        see_hello(server);
        board.see_answers(200);
    });
    let log = town.server.log();
    for told in ["the database is busy", "are in use"] {
        assert!(log.contains(told), "{log}");
    }
    town.finish();
}

pub(crate) fn the_database_is_read_only_for_a_while(kind: Kind) {
    // What the address asks for, and whether a server that takes no writes is one that is not there.
    let ways: &[_] = match kind {
        Kind::Postgres => &[
            ("?target_session_attrs=any", false),
            ("?target_session_attrs=read-write", true),
        ],
        Kind::MariaDb => &[("", false)],
    };
    for (wanted, is_trouble) in ways {
        let database = Database::start(kind);
        let url = database.url() + wanted;
        let mut town = Town::on(database, &url, &[]);
        let (board, database, server) = (&town.board, &town.database, town.server.address());
        town.crew.work(board, || {
            database.set_read_only(true);
            board.see_failures(16);
            if *is_trouble {
                let told = see_trouble(server);
                assert_eq!(told.body, "Internal Error: the database is read-only\n");
            } else {
                // It can still be read, and so can access tokens.
                assert_eq!(hello(server).status, 200);
            }
            database.set_read_only(false);
            see_hello(server);
            board.see_answers(100);
        });
        assert!(town.server.log().contains("the database is read-only"));
        town.finish();
    }
}

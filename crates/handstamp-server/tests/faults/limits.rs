//! A database that takes no more connections, no more statements, or no writes.

use testbed::postgres::Postgres;
use testbed::wait;

use crate::town::{Town, hello, see_hello, see_trouble};

/// Of the eight that the server may have, it gets two.
pub(crate) fn connections_run_out() {
    let postgres = Postgres::start(&[]).unwrap();
    let role = "CREATE ROLE crowd LOGIN PASSWORD 'canary'; GRANT ALL ON SCHEMA public TO crowd";
    postgres.sql(role).unwrap();
    let url = postgres.url().replace(&postgres.login(), "crowd:canary");
    let mut town = Town::on(postgres, &url, &[]);
    let (board, postgres, server) = (&town.board, &town.postgres, town.server.address());
    town.crew.work(board, || {
        postgres.sql("ALTER ROLE crowd CONNECTION LIMIT 2").unwrap();
        let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                   WHERE usename = 'crowd'";
        postgres.sql(end).unwrap();
        let refused = || {
            Ok(postgres
                .log()
                .contains("too many connections for role")
                .then_some(()))
        };
        wait::until("the server wants more", refused).unwrap();
        // Two are enough to go on with: whoever gets no other waits for one of them.
        board.see_answers(20);
        let before = board.failures();
        board.see_answers(100);
        assert_eq!(board.failures(), before, "{}", town.server.log());
        postgres
            .sql("ALTER ROLE crowd CONNECTION LIMIT -1")
            .unwrap();
        see_hello(server);
        board.see_answers(100);
    });
    town.finish();
}

/// Somebody holds a lock that all writes wait for, for longer than the server does.
pub(crate) fn the_pool_runs_out() {
    let mut town = Town::new(&[("POSTGRESQL_CONNECTION_POOL_SIZE", "1")]);
    let (board, postgres, server) = (&town.board, &town.postgres, town.server.address());
    town.crew.work(board, || {
        let mut other = postgres.client().unwrap();
        other
            .run("BEGIN; LOCK TABLE handstamp_sessions IN SHARE MODE")
            .unwrap();
        board.see_failures(16);
        other.run("COMMIT").unwrap();
        see_hello(server);
        board.see_answers(200);
    });
    let log = town.server.log();
    for told in [
        "the database is busy",
        "all connections to PostgreSQL are in use",
    ] {
        assert!(log.contains(told), "{log}");
    }
    town.finish();
}

pub(crate) fn the_database_is_read_only_for_a_while() {
    for wanted in ["any", "read-write"] {
        let postgres = Postgres::start(&[]).unwrap();
        let url = format!("{}?target_session_attrs={wanted}", postgres.url());
        let mut town = Town::on(postgres, &url, &[]);
        let (board, postgres, server) = (&town.board, &town.postgres, town.server.address());
        town.crew.work(board, || {
            let mut other = postgres.client().unwrap();
            other
                .run("SET default_transaction_read_only = off")
                .unwrap();
            let mut set = |value: &str| {
                let set = format!("ALTER SYSTEM SET default_transaction_read_only = {value}");
                other.run(&set).unwrap();
                other.run("SELECT pg_reload_conf()").unwrap();
            };
            set("on");
            board.see_failures(16);
            if wanted == "any" {
                // It can still be read, and so can access tokens.
                assert_eq!(hello(server).status, 200);
            } else {
                let told = see_trouble(server);
                assert_eq!(told.body, "Internal Error: the database is read-only\n");
            }
            set("off");
            see_hello(server);
            board.see_answers(100);
        });
        assert!(town.server.log().contains("the database is read-only"));
        town.finish();
    }
}

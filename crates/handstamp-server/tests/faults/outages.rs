//! A database that goes away and comes back.

use testbed::postgres::Stop;

use crate::town::{Town, hello, see_hello, see_trouble};

pub(crate) fn the_database_is_killed() {
    goes_and_comes_back(&[Stop::Kill, Stop::Kill, Stop::Kill], &[]);
}

/// Once by a shutdown that needs a recovery, once by one that does not; and with the oldest rules for rotation.
pub(crate) fn the_database_stops_at_once() {
    let strict = [("REFRESH_TOKEN_ROTATION_GRACE_PERIOD", "0")];
    goes_and_comes_back(&[Stop::Immediate, Stop::Fast, Stop::Immediate], &strict);
}

fn goes_and_comes_back(rounds: &[Stop], settings: &[(&str, &str)]) {
    let mut town = Town::new(settings);
    let (server, board, postgres) = (town.server.address(), &town.board, &mut town.postgres);
    for how in rounds {
        town.crew.work(board, || {
            board.see_answers(100);
            postgres.stop(*how).unwrap();
            let told = see_trouble(server);
            assert_eq!(told.body, "Internal Error: the database is not available\n");
            board.see_failures(8);
            assert_eq!(hello(server).status, 500);
            postgres.start_again().unwrap();
            see_hello(server);
            board.see_answers(100);
        });
        town.crew.audit(board);
    }
    town.finish();
}

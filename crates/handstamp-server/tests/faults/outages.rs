//! A database that goes away and comes back.

use testbed::Stop;

use crate::database::Kind;
use crate::town::{Town, hello, see_hello, see_trouble};

pub(crate) fn the_database_is_killed(kind: Kind) {
    goes_and_comes_back(kind, &[Stop::Kill, Stop::Kill, Stop::Kill], &[]);
}

/// Once by a shutdown that needs a recovery, once by one that does not; and with the oldest rules for rotation.
pub(crate) fn the_database_stops_at_once(kind: Kind) {
    let strict = [("REFRESH_TOKEN_ROTATION_GRACE_PERIOD", "0")];
    goes_and_comes_back(
        kind,
        &[Stop::Immediate, Stop::Fast, Stop::Immediate],
        &strict,
    );
}

fn goes_and_comes_back(kind: Kind, rounds: &[Stop], settings: &[(&str, &str)]) {
    let mut town = Town::new(kind, settings);
    let (server, board, database) = (town.server.address(), &town.board, &mut town.database);
    for how in rounds {
        town.crew.work(board, || {
            board.see_answers(100);
            database.stop(*how);
            let told = see_trouble(server);
            assert_eq!(told.body, "Internal Error: the database is not available\n");
            board.see_failures(8);
            assert_eq!(hello(server).status, 500);
            database.start_again();
            see_hello(server);
            board.see_answers(100);
        });
        town.crew.audit(board);
    }
    town.finish();
}

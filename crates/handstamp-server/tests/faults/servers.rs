//! Several servers on one database.

use testbed::handstamp::Handstamp;

use crate::crew::{Board, Crew};
use crate::database::{Database, Kind};
use crate::town::{CLIENTS, end, serve};

/// Three that start at the same moment, on what the first to come has to set up.
pub(crate) fn three(database: &Database) -> Vec<Handstamp> {
    let url = database.url();
    let url = url.as_str();
    std::thread::scope(|scope| {
        let starts = [(); 3].map(|()| scope.spawn(move || serve(url, &[])));
        starts.map(|start| start.join().unwrap()).into()
    })
}

/// Its clients go to the others, with the tokens they have.
pub(crate) fn a_server_is_killed_and_the_others_go_on(kind: Kind) {
    let database = Database::start(kind);
    let mut servers = three(&database);
    let addresses: Vec<_> = servers.iter().map(Handstamp::address).collect();
    let board = Board::of(&addresses);
    let mut crew = Crew::of(CLIENTS);
    crew.work(&board, || {
        board.see_answers(200);
        board.servers_die();
        servers[0].kill().unwrap();
        // As long as it is asked, it does not answer.
        board.see_answers(100);
        board.set_servers(&addresses[1..]);
        board.see_answers(200);
        assert_eq!(board.failures(), 0, "{}", servers[1].log());
    });
    let secrets = crew.finish(&board);
    end(servers.split_off(1), &secrets);
}

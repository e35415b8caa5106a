//! Connections to the database that are cut, slow or silent.

use std::time::Duration;

use serde_json::{Value, json};
use testbed::http;
use testbed::proxy::{Proxy, Way};
use testbed::wait;

use crate::client::is_plain_failure;
use crate::database::{Database, Kind};
use crate::town::{Town, end, hello, see_hello, see_trouble, serve};

fn town(kind: Kind) -> (Town, Proxy) {
    let database = Database::start(kind);
    let proxy = Proxy::to(&database.address()).unwrap();
    let url = database.url_by(&proxy.address());
    (Town::on(database, &url, &[]), proxy)
}

/// What is asked gets through, and the answer does not: nobody knows what was written.
pub(crate) fn connections_are_cut_after_the_write(kind: Kind) {
    let (mut town, proxy) = town(kind);
    let board = &town.board;
    for one_of in [40, 12, 25] {
        town.crew.work(board, || {
            proxy.set(Way::CutOneOf(one_of));
            board.see_failures(20);
            proxy.set(Way::Open);
            board.see_answers(100);
        });
        town.crew.audit(board);
    }
    town.crew.work(board, || {
        proxy.set(Way::Cut);
        board.see_failures(20);
        see_trouble(town.server.address());
        proxy.set(Way::Open);
        board.see_answers(100);
    });
    town.finish();
}

pub(crate) fn the_database_is_slow_and_then_silent(kind: Kind) {
    let (mut town, proxy) = town(kind);
    let (board, server) = (&town.board, town.server.address());
    town.crew.work(board, || {
        let before = board.failures();
        // What PostgreSQL does in one round trip takes MariaDB several.
        let slow = match kind {
            Kind::Postgres => 150,
            Kind::MariaDb => 40,
        };
        proxy.set(Way::Slow(Duration::from_millis(slow)));
        board.see_answers(60);
        assert_eq!(hello(server).status, 200);
        let log = town.server.log();
        assert_eq!(board.failures(), before, "slow is not broken: {log}");
        proxy.set(Way::Held);
        see_trouble(server);
        board.see_failures(8);
        // What was held up is answered at last, to those who have gone.
        proxy.set(Way::Open);
        see_hello(server);
        board.see_answers(100);
    });
    town.finish();
}

/// The same by the clock and without it: the client repeats its token, and goes on.
pub(crate) fn acknowledged_rotations_are_lost_on_the_way(kind: Kind) {
    for window in ["0", "10"] {
        let database = Database::start(kind);
        let proxy = Proxy::to(&database.address()).unwrap();
        let url = database.url_by(&proxy.address());
        let settings = [("REFRESH_TOKEN_ROTATION_GRACE_PERIOD", window)];
        let server = serve(&url, &settings);
        let call = |path: &str, body: &Value| {
            let body = body.to_string();
            http::call(server.address(), "POST", path, &[], &body).unwrap()
        };
        let read = |reply: http::Reply| -> Value {
            let read: Value = serde_json::from_str(&reply.body).unwrap();
            assert_eq!(read["status"], "OK", "{read}");
            read
        };
        let counter = "SELECT counter FROM handstamp_sessions";

        let session = json!({"userId": "canary", "userDataInJWT": {}, "userDataInDatabase": {}});
        let mut held = read(call("/session", &session));
        let mut secrets = Vec::new();
        for turn in 0..4 {
            let token = held["refreshToken"]["token"].as_str().unwrap().to_owned();
            let before = database.number(counter);
            let mut other = database.client();
            other
                .run("BEGIN; SELECT counter FROM handstamp_sessions FOR UPDATE")
                .unwrap();
            let lost = std::thread::scope(|scope| {
                let refresh =
                    scope.spawn(|| call("/session/refresh", &json!({"refreshToken": token})));
                let waits = || Ok((database.waiting() == 1).then_some(()));
                wait::until("the rotation waits", waits).unwrap();
                proxy.set(Way::Cut);
                other.run("COMMIT").unwrap();
                refresh.join().unwrap()
            });
            assert!(is_plain_failure(&lost), "{lost:?}");
            proxy.set(Way::Open);
            let after = database.number(counter);
            assert_ne!(before, after, "turn {turn}: the rotation was written");

            let again = json!({"refreshToken": token});
            let first = read(crate::client::insist(|| {
                let reply = call("/session/refresh", &again);
                let is_answer = reply.status == 200;
                is_answer
                    .then_some(reply)
                    .ok_or(crate::client::Trouble::Failed)
            }));
            let second = read(call("/session/refresh", &again));
            if window != "0" {
                let new = |reply: &Value| reply["refreshToken"]["token"].clone();
                assert_eq!(new(&first), new(&second), "one successor");
                assert_eq!(database.number(counter), after, "nothing more was written");
            }
            let used =
                json!({"accessToken": second["accessToken"]["token"], "doAntiCsrfCheck": false});
            read(call("/session/verify", &used));
            secrets.push(token);
            held = second;
        }
        end(vec![server], &secrets);
    }
}

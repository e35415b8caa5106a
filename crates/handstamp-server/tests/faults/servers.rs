//! Several servers on one database.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde_json::{Value, json};
use testbed::handstamp::Handstamp;
use testbed::http;
use testbed::wait;

use crate::crew::{Board, Crew};
use crate::database::{Database, Kind};
use crate::town::{CLIENTS, end, serve};

/// Three that start at the same moment, on what the first to come has to set up.
fn three(database: &Database) -> Vec<Handstamp> {
    let url = database.url();
    let url = url.as_str();
    std::thread::scope(|scope| {
        let starts = [(); 3].map(|()| scope.spawn(move || serve(url, &[])));
        starts.map(|start| start.join().unwrap()).into()
    })
}

fn key_ids(server: SocketAddr) -> BTreeSet<String> {
    let set = http::call(server, "GET", "/.well-known/jwks.json", &[], "").unwrap();
    let set: Value = serde_json::from_str(&set.body).unwrap();
    let keys = set["keys"].as_array().unwrap().iter();
    keys.map(|key| key["kid"].as_str().unwrap().to_owned())
        .collect()
}

/// In the newest protocol but one, where access tokens name their key.
fn ask(server: SocketAddr, path: &str, body: &Value) -> Value {
    let headers = [("cdi-version", "5.4")];
    let reply = http::call(server, "POST", path, &headers, &body.to_string()).unwrap();
    assert_eq!(reply.status, 200, "{path}: {reply:?}");
    let reply: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!(reply["status"], "OK", "{path}: {reply}");
    reply
}

fn key_of(token: &str) -> String {
    let head = token.split('.').next().unwrap();
    let head = base64(head);
    let head: Value = serde_json::from_slice(&head).unwrap();
    head["kid"].as_str().unwrap().to_owned()
}

fn base64(text: &str) -> Vec<u8> {
    let digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (mut bits, mut held, mut bytes) = (0_u32, 0_u32, Vec::new());
    for letter in text.chars() {
        held = (held << 6) | u32::try_from(digits.find(letter).unwrap()).unwrap();
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((held >> bits) & 0xff).unwrap());
        }
    }
    bytes
}

/// A key's successor is known to all servers before it signs: no access token is ever refused, wherever it is shown.
pub(crate) fn keys_follow_each_other_under_load(kind: Kind) {
    let database = Database::start(kind);
    // The key of the first server is about to have been in use for its week.
    drop(serve(&database.url(), &[]));
    let young = "SELECT count(*) FROM handstamp_keys WHERE kind = 'dynamic-rs256'";
    assert_eq!(database.number(young), 1);
    let aged = "UPDATE handstamp_keys SET created_at = created_at - 168 * 3600000 + 8000
                WHERE kind = 'dynamic-rs256'";
    database.sql(aged);
    let servers = three(&database);
    let addresses: Vec<_> = servers.iter().map(Handstamp::address).collect();
    let known: Vec<_> = addresses.iter().map(|server| key_ids(*server)).collect();
    assert!(known.iter().all(|keys| *keys == known[0]), "{known:?}");

    let body = json!({
        "userId": "user", "userDataInJWT": {}, "userDataInDatabase": {},
        "enableAntiCsrf": false, "useDynamicSigningKey": true,
    });
    let (mut signed_by, mut checks) = (BTreeSet::new(), 0);
    wait::until("the next key signs at each server", || {
        for at in 0..3 {
            let published = [0, 1, 2].map(|server: usize| key_ids(addresses[server]));
            let made = ask(addresses[at], "/recipe/session", &body);
            let renewed = json!({
                "refreshToken": made["refreshToken"]["token"],
                "enableAntiCsrf": false, "useDynamicSigningKey": true,
            });
            let other = addresses[(at + 1) % 3];
            let renewed = ask(other, "/recipe/session/refresh", &renewed);
            for (reply, signer) in [(made, at), (renewed, (at + 1) % 3)] {
                let token = reply["accessToken"]["token"].as_str().unwrap();
                let key = key_of(token);
                for (server, keys) in addresses.iter().zip(&published) {
                    assert!(keys.contains(&key), "{key} was not published before");
                    let check = json!({
                        "accessToken": token,
                        "doAntiCsrfCheck": false, "enableAntiCsrf": false, "checkDatabase": false,
                    });
                    ask(*server, "/recipe/session/verify", &check);
                    checks += 1;
                }
                signed_by.insert((signer, key));
            }
        }
        Ok((signed_by.len() == 6).then_some(()))
    })
    .unwrap();
    let keys: BTreeSet<_> = signed_by.into_iter().map(|(_, key)| key).collect();
    assert_eq!(keys.len(), 2, "one key and its successor: {keys:?}");
    println!("  {checks} verifications, none refused");
    end(servers, &[]);
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

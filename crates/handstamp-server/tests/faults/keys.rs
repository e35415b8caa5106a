//! Signing keys that change while many look at what they sign.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Value, json};
use testbed::handstamp::Handstamp;
use testbed::{http, wait};

use crate::database::{Database, Kind};
use crate::servers::three;
use crate::town::{end, serve};

const CROWD: usize = 8;

/// What is published.
fn key_set(server: SocketAddr) -> JwkSet {
    let set = http::call(server, "GET", "/.well-known/jwks.json", &[], "").unwrap();
    assert_eq!(set.status, 200, "{set:?}");
    serde_json::from_str(&set.body).unwrap()
}

fn key_ids(set: &JwkSet) -> BTreeSet<&str> {
    let keys = set.keys.iter();
    keys.map(|key| key.common.key_id.as_deref().unwrap())
        .collect()
}

/// As a backend does that asks nobody: the key that the token names is in the set that it holds, and made the signature.
fn verify_alone(token: &str, held: &JwkSet) {
    let id = key_of(token);
    let key = held.find(&id);
    assert!(key.is_some(), "{id} was not published before it signed");
    let key = key.unwrap();
    let key = DecodingKey::from_jwk(key).unwrap();
    let verified = decode::<Value>(token, &key, &Validation::new(Algorithm::RS256));
    assert_eq!(verified.unwrap().claims["sub"], "user");
}

fn verify_by_asking(token: &str, server: SocketAddr) {
    let check = json!({
        "accessToken": token,
        "doAntiCsrfCheck": false, "enableAntiCsrf": false, "checkDatabase": false,
    });
    ask(server, "/recipe/session/verify", &check);
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
    decode_header(token).unwrap().kid.unwrap()
}

fn access(reply: &Value) -> String {
    reply["accessToken"]["token"].as_str().unwrap().to_owned()
}

/// What the crowd has seen together.
#[derive(Default)]
struct Seen {
    /// Which servers signed with which keys.
    signed_by: Mutex<BTreeSet<(SocketAddr, String)>>,
    checks: AtomicU32,
}

impl Seen {
    /// Whether each server has signed with one key and with its successor.
    fn all(&self) -> bool {
        let signed_by = self.signed_by.lock();
        signed_by.unwrap_or_else(PoisonError::into_inner).len() == 6
    }
}

/// One turn of one of the crowd: a session made at one server and renewed at another, whose tokens are shown to everybody.
fn turn(servers: &[SocketAddr], at: usize, seen: &Seen) -> String {
    let held: Vec<_> = servers.iter().map(|server| key_set(*server)).collect();
    let (first, second) = (servers[at % 3], servers[(at + 1) % 3]);
    let body = json!({
        "userId": "user", "userDataInJWT": {}, "userDataInDatabase": {},
        "enableAntiCsrf": false, "useDynamicSigningKey": true,
    });
    let made = ask(first, "/recipe/session", &body);
    let renew = json!({
        "refreshToken": made["refreshToken"]["token"],
        "enableAntiCsrf": false, "useDynamicSigningKey": true,
    });
    let renewed = ask(second, "/recipe/session/refresh", &renew);
    for (reply, signer) in [(&made, first), (&renewed, second)] {
        let token = access(reply);
        for (server, held) in servers.iter().zip(&held) {
            verify_alone(&token, held);
            verify_by_asking(&token, *server);
            seen.checks.fetch_add(2, Ordering::SeqCst);
        }
        let key = key_of(&token);
        seen.signed_by.lock().unwrap().insert((signer, key));
    }
    access(&made)
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
    let known: Vec<_> = addresses.iter().map(|server| key_set(*server)).collect();
    let known: Vec<_> = known.iter().map(key_ids).collect();
    assert!(known.iter().all(|keys| *keys == known[0]), "{known:?}");

    let seen = Seen::default();
    std::thread::scope(|scope| {
        for number in 0..CROWD {
            let (seen, addresses) = (&seen, &addresses);
            scope.spawn(move || {
                let (mut first, mut turns) = (None, number);
                wait::until("the next key signs at each server", || {
                    let made = turn(addresses, turns, seen);
                    turns += 1;
                    // What the key before has signed is good as long as it lives.
                    let first = first.get_or_insert(made);
                    for server in addresses {
                        verify_by_asking(first, *server);
                        verify_alone(first, &key_set(*server));
                    }
                    Ok(seen.all().then_some(()))
                })
                .unwrap();
            });
        }
    });
    let signed_by = seen.signed_by.into_inner().unwrap();
    let keys: BTreeSet<_> = signed_by.into_iter().map(|(_, key)| key).collect();
    assert_eq!(keys.len(), 2, "one key and its successor: {keys:?}");
    let checks = seen.checks.into_inner();
    println!("  {CROWD} clients, {checks} verifications, none refused");
    end(servers, &[]);
}

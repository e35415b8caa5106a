//! One client: an honest one, which keeps its newest tokens, repeats what failed, and writes down what it was told.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use testbed::{http, wait};

use crate::crew::Board;
use crate::random::Random;

/// A session as its client knows it.
pub(crate) struct Journal {
    pub(crate) handle: String,
    pub(crate) refresh: String,
    pub(crate) access: String,
    /// What the stored data can be: several things while the answers to updates are outstanding.
    possible: Vec<u64>,
    /// What was begun and has to be repeated until it is answered.
    unfinished: Option<Step>,
    /// Whether a revocation may have been carried out.
    doomed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Refresh,
    Verify,
    Update,
    Read,
    Revoke,
}

/// Why nobody knows what became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The server said that its database failed.
    Failed,
    /// There was no answer.
    Lost,
}

pub(crate) struct Client {
    user: String,
    random: Random,
    pub(crate) live: Vec<Journal>,
    pub(crate) revoked: Vec<Journal>,
    /// All tokens it ever got.
    pub(crate) secrets: Vec<String>,
    writes: u64,
}

const SESSIONS: usize = 4;

impl Client {
    pub(crate) fn new(number: u64) -> Self {
        Self {
            user: format!("client-{number}"),
            random: Random::new(number),
            live: Vec::new(),
            revoked: Vec::new(),
            secrets: Vec::new(),
            writes: 0,
        }
    }

    /// Does one thing. What is in trouble is repeated before anything else is done with the session.
    pub(crate) fn step(&mut self, board: &Board) -> Result<(), Trouble> {
        let servers = board.servers();
        let server = servers[self.random.below(servers.len())];
        if self.live.len() < SESSIONS {
            return self.create(board, server);
        }
        let chosen = self.random.below(self.live.len());
        let at = self
            .live
            .iter()
            .position(|session| session.unfinished.is_some())
            .unwrap_or(chosen);
        let step = self.live[at]
            .unfinished
            .unwrap_or_else(|| match self.random.below(20) {
                0..8 => Step::Refresh,
                8..12 => Step::Verify,
                12..16 => Step::Update,
                16..19 => Step::Read,
                _ => Step::Revoke,
            });
        self.live[at].unfinished = Some(step);
        self.take(step, at, board, server)?;
        match step {
            Step::Revoke => {
                let session = self.live.swap_remove(at);
                self.revoked.push(session);
            }
            _ => self.live[at].unfinished = None,
        }
        Ok(())
    }

    fn take(
        &mut self,
        step: Step,
        at: usize,
        board: &Board,
        server: SocketAddr,
    ) -> Result<(), Trouble> {
        match step {
            Step::Refresh => self.refresh(at, board, server),
            Step::Verify => self.verify(at, board, server),
            Step::Update => self.update(at, board, server),
            Step::Read => self.read(at, board, server),
            Step::Revoke => self.revoke(at, board, server),
        }
    }

    fn create(&mut self, board: &Board, server: SocketAddr) -> Result<(), Trouble> {
        self.writes += 1;
        let body = json!({
            "userId": self.user,
            "userDataInJWT": {"canary": "canary-payload"},
            "userDataInDatabase": {"n": self.writes, "canary": "canary-data"},
        });
        let reply = self.ok("create", board.call(server, "POST", "/session", &body)?);
        let mut session = Journal {
            handle: text(&reply, "/session/handle").unwrap(),
            refresh: String::new(),
            access: String::new(),
            possible: vec![self.writes],
            unfinished: None,
            doomed: false,
        };
        self.keep(&mut session, &reply);
        self.live.push(session);
        Ok(())
    }

    fn keep(&mut self, session: &mut Journal, reply: &Value) {
        if let Some(access) = text(reply, "/accessToken/token") {
            self.secrets.push(access.clone());
            session.access = access;
        }
        if let Some(refresh) = text(reply, "/refreshToken/token") {
            self.secrets.push(refresh.clone());
            session.refresh = refresh;
        }
    }

    pub(crate) fn refresh(
        &mut self,
        at: usize,
        board: &Board,
        server: SocketAddr,
    ) -> Result<(), Trouble> {
        let body = json!({"refreshToken": self.live[at].refresh});
        let reply = board.call(server, "POST", "/session/refresh", &body)?;
        let reply = self.ok("refresh", reply);
        self.take_tokens(at, &reply);
        Ok(())
    }

    pub(crate) fn verify(
        &mut self,
        at: usize,
        board: &Board,
        server: SocketAddr,
    ) -> Result<(), Trouble> {
        let body = json!({"accessToken": self.live[at].access, "doAntiCsrfCheck": false});
        let reply = board.call(server, "POST", "/session/verify", &body)?;
        let reply = self.ok("verify", reply);
        self.take_tokens(at, &reply);
        Ok(())
    }

    fn take_tokens(&mut self, at: usize, reply: &Value) {
        let mut session = self.live.swap_remove(at);
        self.keep(&mut session, reply);
        self.live.push(session);
        let last = self.live.len() - 1;
        self.live.swap(at, last);
    }

    fn update(&mut self, at: usize, board: &Board, server: SocketAddr) -> Result<(), Trouble> {
        self.writes += 1;
        let data = json!({"n": self.writes, "canary": "canary-data"});
        let session = &mut self.live[at];
        session.possible.push(self.writes);
        let body = json!({"sessionHandle": session.handle, "userDataInDatabase": data});
        let reply = board.call(server, "PUT", "/session/data", &body)?;
        session.possible = vec![self.writes];
        self.ok("update", reply);
        Ok(())
    }

    pub(crate) fn read(
        &mut self,
        at: usize,
        board: &Board,
        server: SocketAddr,
    ) -> Result<(), Trouble> {
        let path = format!("/session/data?sessionHandle={}", self.live[at].handle);
        let reply = self.ok("read", board.call(server, "GET", &path, &Value::Null)?);
        let n = reply["userDataInDatabase"]["n"].as_u64().unwrap();
        let session = &mut self.live[at];
        assert!(
            session.possible.contains(&n),
            "{}: the data are {n}, none of {:?}",
            self.user,
            session.possible
        );
        // What was read is durable: no later fault takes it back.
        session.possible = vec![n];
        Ok(())
    }

    fn revoke(&mut self, at: usize, board: &Board, server: SocketAddr) -> Result<(), Trouble> {
        let session = &mut self.live[at];
        let before = std::mem::replace(&mut session.doomed, true);
        let body = json!({"sessionHandle": session.handle});
        let reply = board.call(server, "DELETE", "/session", &body)?;
        let reply = self.ok("revoke", reply);
        // Unless an earlier attempt may have been carried out, the session was there.
        let revoked = reply["numberOfSessionsRevoked"].as_u64().unwrap();
        assert!(before || revoked == 1, "{}: nothing to revoke", self.user);
        Ok(())
    }

    /// Everything that was acknowledged holds.
    pub(crate) fn audit(&mut self, board: &Board) {
        for server in board.servers() {
            let path = format!("/session/user?userId={}", self.user);
            let listed = insist(|| board.call(server, "GET", &path, &Value::Null));
            let listed = self.ok("list", listed);
            let listed: Vec<_> = listed["sessionHandles"].as_array().unwrap().clone();
            for at in 0..self.live.len() {
                if self.live[at].doomed {
                    continue;
                }
                let handle = Value::from(self.live[at].handle.clone());
                assert!(listed.contains(&handle), "{}: one is missing", self.user);
                insist(|| self.read(at, board, server));
            }
            for session in &self.revoked {
                let handle = Value::from(session.handle.clone());
                assert!(!listed.contains(&handle), "{}: one is back", self.user);
                let path = format!("/session/data?sessionHandle={}", session.handle);
                let refresh = json!({"refreshToken": session.refresh});
                let gone = [
                    insist(|| board.call(server, "GET", &path, &Value::Null)),
                    insist(|| board.call(server, "POST", "/session/refresh", &refresh)),
                ];
                for reply in gone {
                    assert_eq!(reply["status"], "UNAUTHORISED", "{}: {reply}", self.user);
                }
            }
        }
    }

    /// Each session that was not revoked can still be gone on with, twice over.
    pub(crate) fn go_on(&mut self, board: &Board) {
        for at in 0..self.live.len() {
            if self.live[at].doomed {
                continue;
            }
            for server in board.servers() {
                insist(|| self.refresh(at, board, server));
                insist(|| self.verify(at, board, server));
                insist(|| self.refresh(at, board, server));
            }
        }
    }

    fn ok(&self, what: &str, reply: Value) -> Value {
        let status = &reply["status"];
        let user = &self.user;
        assert_eq!(
            status, "OK",
            "{user}, {what}: an honest client was told {reply}"
        );
        reply
    }
}

/// Asks until there is an answer: what has recovered answers at last.
pub(crate) fn insist<T>(mut asked: impl FnMut() -> Result<T, Trouble>) -> T {
    wait::until("an answer after the fault", || Ok(asked().ok())).unwrap()
}

impl Board {
    /// Sends a request; answers what it came to, if anybody knows.
    pub(crate) fn call(
        &self,
        server: SocketAddr,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Result<Value, Trouble> {
        let text = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let trouble = match http::call(server, method, path, &[], &text) {
            Ok(reply) if reply.status == 200 => {
                self.answered();
                return Ok(serde_json::from_str(&reply.body).unwrap());
            }
            Ok(reply) => {
                assert!(is_plain_failure(&reply), "{method} {path}: {reply:?}");
                Trouble::Failed
            }
            Err(_) => {
                assert!(self.may_lose(), "{method} {path}: the connection was lost");
                Trouble::Lost
            }
        };
        self.troubled(trouble);
        // Nobody is helped by clients that ask as fast as they can; and what a server had sent on before it was killed is
        // carried out before the client comes back.
        wait::pause(Duration::from_millis(match trouble {
            Trouble::Failed => 5,
            Trouble::Lost => 100,
        }));
        Err(trouble)
    }
}

/// A fault of the database is told as one, and as nothing else.
pub(crate) fn is_plain_failure(reply: &http::Reply) -> bool {
    let texts = [
        "the database is not available",
        "the database is busy",
        "the database is read-only",
    ];
    let told = reply.body.strip_prefix("Internal Error: ");
    reply.status == 500 && told.is_some_and(|told| texts.contains(&told.trim_end()))
}

fn text(reply: &Value, pointer: &str) -> Option<String> {
    Some(reply.pointer(pointer)?.as_str()?.to_owned())
}

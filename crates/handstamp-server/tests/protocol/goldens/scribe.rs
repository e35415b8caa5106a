//! Asks, and writes down what was asked and answered, without what differs from run to run.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use handstamp::clock::{ManualClock, UnixMillis};

use super::super::*;

/// When every scenario begins, which is not on the second; times are written as milliseconds from here.
const START: i64 = 1_700_000_000_123;

/// What differs from run to run, by its value, and what is written in its place.
#[derive(Default)]
struct Names {
    written: HashMap<String, String>,
    counts: BTreeMap<&'static str, usize>,
}

impl Names {
    fn learn(&mut self, value: &Value, field: &str, parent: &str) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    self.learn(value, name, field);
                }
            }
            Value::Array(all) => all
                .iter()
                .for_each(|value| self.learn(value, field, parent)),
            Value::String(text) => {
                let name = match (parent, field) {
                    ("accessToken", "token") => "access-token",
                    ("refreshToken", "token") => "refresh-token",
                    ("idRefreshToken", "token") => "id-refresh-token",
                    (_, "antiCsrfToken") => "anti-csrf-token",
                    (_, "handle" | "sessionHandle") => "handle",
                    (_, "jwt") => "jwt",
                    (_, "jwtSigningPublicKey" | "publicKey") => "key",
                    (_, "refreshTokenHash1" | "parentRefreshTokenHash1") => "hash",
                    (_, "n") => "modulus",
                    _ => return,
                };
                if !self.written.contains_key(text) {
                    let count = self.counts.entry(name).or_default();
                    *count += 1;
                    self.written
                        .insert(text.clone(), format!("<{name}-{count}>"));
                }
            }
            Value::Number(number) => {
                let Some(time) = number.as_i64() else { return };
                for (unit, start) in [("time", START), ("second", START / 1000)] {
                    // Rounded ones are a little before the start.
                    let since = time - start;
                    if since >= -999 && start > since {
                        let name = format!("<{unit}{since:+}>").replace("+0>", ">");
                        self.written.insert(number.to_string(), name);
                        return;
                    }
                }
            }
            _ => {}
        }
    }

    fn hide(&self, text: &str) -> String {
        let mut known: Vec<_> = self.written.iter().collect();
        known.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
        known
            .into_iter()
            .fold(text.to_owned(), |text, (value, name)| {
                text.replace(value, name)
            })
    }
}

/// Asks, and keeps the minutes.
pub(super) struct Scribe {
    server: Server,
    clock: Arc<ManualClock>,
    pub(super) version: Version,
    names: Names,
    pub(super) text: String,
}

impl Scribe {
    pub(super) async fn new(version: Version, settings: &[(&'static str, &str)]) -> Self {
        let clock = Arc::new(ManualClock::new(UnixMillis::new(START)));
        let parts = Parts {
            clock: clock.clone(),
            ..Parts::with_storage(MemoryStorage::new())
        };
        Self {
            server: Server::over(parts, settings).await,
            clock,
            version,
            names: Names {
                written: HashMap::from([(START.to_string(), "<time>".to_owned())]),
                ..Names::default()
            },
            text: String::new(),
        }
    }

    /// Lets time pass.
    pub(super) fn wait(&mut self, span: Duration) {
        self.clock.advance(span);
        writeln!(self.text, "\n## {} s later", span.as_secs()).unwrap();
    }

    /// Sends, and writes down what was sent and what came back.
    pub(super) async fn raw(
        &mut self,
        title: &str,
        ask: &str,
        version: &str,
        body: Option<&Value>,
    ) -> Value {
        let answer = self
            .server
            .send(ask, &[("cdi-version", version)], body)
            .await;
        let reply: Option<Value> = serde_json::from_str(&answer.text).ok();
        let said: Vec<_> = reply.iter().flat_map(said).collect();
        for value in reply.iter().chain(said.iter().map(|(_, value)| value)) {
            self.names.learn(value, "", "");
        }
        let mut text = format!("\n# {title}\n{ask}\n");
        if version != self.version.to_string() {
            writeln!(text, "cdi-version: {version}").unwrap();
        }
        if let Some(body) = body {
            writeln!(text, "{body}").unwrap();
        }
        let kind = answer.kind.as_deref().unwrap_or("-");
        writeln!(text, "=> {} {kind}", answer.status.as_u16()).unwrap();
        if let Some(cache) = &answer.cache {
            writeln!(text, "cache-control: {cache}").unwrap();
        }
        match &reply {
            Some(Value::Object(members)) => {
                for (name, value) in members {
                    writeln!(text, "   {name}: {value}").unwrap();
                }
            }
            _ => writeln!(text, "   {}", answer.text.trim_end()).unwrap(),
        }
        for (part, value) in &said {
            writeln!(text, "   {part}: {value}").unwrap();
        }
        self.text += &self.names.hide(&text);
        reply.unwrap_or_default()
    }

    /// The same on the epoch's own path.
    pub(super) async fn tell(&mut self, title: &str, ask: &str, body: Option<Value>) -> Value {
        let ask = ask.replacen(' ', &format!(" {}", base(self.version)), 1);
        let version = self.version.to_string();
        self.raw(title, &ask, &version, body.as_ref()).await
    }

    pub(super) async fn at_root(&mut self, title: &str, ask: &str) {
        let version = self.version.to_string();
        self.raw(title, ask, &version, None).await;
    }
}

/// What the access token or the JWT in a reply says.
fn said(reply: &Value) -> Vec<(&'static str, Value)> {
    let token = reply.pointer("/accessToken/token").or(reply.get("jwt"));
    let Some(token) = token.and_then(Value::as_str) else {
        return vec![];
    };
    let parts = ["token header", "token payload"].into_iter();
    let read = |part: &str| {
        // Tokens of the old forms are padded, JWTs are not.
        let engine = if token.contains('=') {
            STANDARD
        } else {
            URL_SAFE_NO_PAD
        };
        serde_json::from_slice(&engine.decode(part).unwrap()).unwrap()
    };
    parts.zip(token.split('.').map(read)).collect()
}

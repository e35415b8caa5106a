//! Every request and reply of one scenario, frozen per epoch, so that no answer changes unnoticed.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::path::Path;

use handstamp::clock::{ManualClock, UnixMillis};

use super::*;

const HOW: &str = "UPDATE_GOLDENS=1 cargo test -p handstamp-server --test protocol goldens";
/// When every scenario happens; times are written as milliseconds from here.
const START: i64 = 1_700_000_000_000;
const EPOCHS: [&str; 15] = [
    "1.0", "2.0", "2.2", "2.3", "2.4", "2.6", "2.7", "2.8", "2.9", "2.16", "2.21", "3.0", "4.0",
    "5.0", "5.6",
];

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
                    (_, "kid") => "kid",
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
                if let Some(since) = number.as_i64().and_then(|time| time.checked_sub(START))
                    && since >= 0
                {
                    let name = format!("<time+{since}>").replace("+0>", ">");
                    self.written.insert(number.to_string(), name);
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

struct Scribe {
    server: Server,
    version: Version,
    names: Names,
    text: String,
}

impl Scribe {
    /// Sends, and writes down what was sent and what came back.
    async fn raw(&mut self, title: &str, ask: &str, version: &str, body: Option<&Value>) -> Value {
        let answer = self
            .server
            .send(ask, &[("cdi-version", version)], body)
            .await;
        let reply: Option<Value> = serde_json::from_str(&answer.text).ok();
        if let Some(reply) = &reply {
            self.names.learn(reply, "", "");
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
        self.text += &self.names.hide(&text);
        reply.unwrap_or_default()
    }

    /// The same on the epoch's own path.
    async fn tell(&mut self, title: &str, ask: &str, body: Option<Value>) -> Value {
        let ask = ask.replacen(' ', &format!(" {}", base(self.version)), 1);
        let version = self.version.to_string();
        self.raw(title, &ask, &version, body.as_ref()).await
    }

    async fn at_root(&mut self, title: &str, ask: &str) {
        let version = self.version.to_string();
        self.raw(title, ask, &version, None).await;
    }
}

fn renewing(issued: &Value) -> Value {
    let mut ask = refreshing(&issued["refreshToken"]["token"]);
    ask["enableAntiCsrf"] = json!(true);
    if let Some(token) = issued.get("antiCsrfToken") {
        ask["antiCsrfToken"] = token.clone();
    }
    ask
}

async fn scenario(version: Version) -> String {
    let parts = Parts {
        clock: Arc::new(ManualClock::new(UnixMillis::new(START))),
        ..Parts::with_storage(MemoryStorage::new())
    };
    let settings = [
        ("enable_anti_csrf", "true"),
        ("cookie_domain", "x.org"),
        ("refresh_token_rotation_grace_period", "0"),
    ];
    let server = Server::over(parts, &settings).await;
    let mut s = Scribe {
        server,
        version,
        names: Names::default(),
        text: format!("Protocol {version}. To replace this on purpose: {HOW}\n"),
    };
    service(&mut s).await;
    let (handle, old) = session(&mut s).await;
    data(&mut s, &handle).await;
    s.tell("theft", "POST /session/refresh", Some(renewing(&old)))
        .await;
    removal(&mut s).await;
    bad_inputs(&mut s).await;
    s.text
}

async fn service(s: &mut Scribe) {
    s.at_root("hello", "GET /hello").await;
    s.at_root("versions", "GET /apiversion").await;
    s.tell("handshake", "POST /handshake", Some(json!({})))
        .await;
    let jwt = json!({
        "payload": {"a": 1}, "algorithm": "RS256", "jwksDomain": "https://x.org", "validity": 60,
        "useStaticSigningKey": true,
    });
    s.tell("jwt", "POST /jwt", Some(jwt)).await;
    s.tell("jwks", "GET /jwt/jwks", None).await;
    s.at_root("well-known jwks", "GET /.well-known/jwks.json")
        .await;
}

async fn session(s: &mut Scribe) -> (String, Value) {
    let mut ask = creation("u");
    ask["enableAntiCsrf"] = json!(true);
    let first = s.tell("create", "POST /session", Some(ask)).await;
    let ask = verifying(&first["accessToken"]["token"]);
    s.tell("verify fresh", "POST /session/verify", Some(ask))
        .await;
    let second = s
        .tell("refresh", "POST /session/refresh", Some(renewing(&first)))
        .await;
    let ask = verifying(&second["accessToken"]["token"]);
    let used = s
        .tell("verify first use", "POST /session/verify", Some(ask))
        .await;
    let wrong = refreshing(&json!("wrong"));
    s.tell("refresh, wrong token", "POST /session/refresh", Some(wrong))
        .await;
    let token = used
        .get("accessToken")
        .unwrap_or(&second["accessToken"])
        .get("token");
    let ask = json!({"accessToken": token, "userDataInJWT": {"role": "y"}});
    s.tell("regenerate", "POST /session/regenerate", Some(ask))
        .await;
    (
        first["session"]["handle"].as_str().unwrap().to_owned(),
        first,
    )
}

async fn data(s: &mut Scribe, handle: &str) {
    let ask = format!("GET /session?sessionHandle={handle}");
    s.tell("session", &ask, None).await;
    let get = format!("GET /session/data?sessionHandle={handle}");
    s.tell("data", &get, None).await;
    let ask = json!({"sessionHandle": handle, "userDataInDatabase": {"n": 2}});
    s.tell("write data", "PUT /session/data", Some(ask)).await;
    s.tell("data, written", &get, None).await;
    let get = format!("GET /jwt/data?sessionHandle={handle}");
    s.tell("payload", &get, None).await;
    let ask = json!({"sessionHandle": handle, "userDataInJWT": {"role": "z"}});
    s.tell("write payload", "PUT /jwt/data", Some(ask)).await;
    s.tell("payload, written", &get, None).await;
    s.tell("sessions of a user", "GET /session/user?userId=u", None)
        .await;
}

async fn removal(s: &mut Scribe) {
    let made = s
        .tell("create another", "POST /session", Some(creation("v")))
        .await;
    let handle = made["session"]["handle"].as_str().unwrap().to_owned();
    let ask = json!({"sessionHandles": [handle]});
    s.tell("remove", "POST /session/remove", Some(ask.clone()))
        .await;
    s.tell("remove, in 1.0", "DELETE /session", Some(ask)).await;
    let ask = format!("GET /session/data?sessionHandle={handle}");
    s.tell("data, removed", &ask, None).await;
    let ask = verifying(&made["accessToken"]["token"]);
    s.tell("verify, removed", "POST /session/verify", Some(ask))
        .await;
}

async fn bad_inputs(s: &mut Scribe) {
    let missing = json!({"userDataInJWT": {}, "userDataInDatabase": {}, "enableAntiCsrf": false});
    s.tell("a field is missing", "POST /session", Some(missing))
        .await;
    let wrong = json!({"userId": "u", "userDataInJWT": 1, "userDataInDatabase": {}, "enableAntiCsrf": false});
    s.tell("a field has a wrong type", "POST /session", Some(wrong))
        .await;
    s.tell("no body", "POST /session/refresh", None).await;
    s.tell("no parameter", "GET /session/data", None).await;
    s.tell("no such path", "GET /nowhere", None).await;
    let path = format!("GET {}/session/user?userId=u", base(s.version));
    s.raw("a malformed version", &path, "5..6", None).await;
    s.raw("an unknown version", &path, "77.7", None).await;
}

#[tokio::test]
async fn each_epoch_answers_as_it_did() {
    let update = std::env::var("UPDATE_GOLDENS").is_ok();
    let ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!(update && ci), "UPDATE_GOLDENS is not for CI");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/protocol/goldens");
    let mut changed = Vec::new();
    for epoch in EPOCHS {
        let text = scenario(Version::spoken(epoch).unwrap()).await;
        let path = folder.join(format!("{epoch}.txt"));
        if update {
            std::fs::write(&path, &text).unwrap();
        }
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        if golden != text {
            let (at, now) = text
                .lines()
                .enumerate()
                .find(|(at, line)| golden.lines().nth(*at) != Some(line))
                .unwrap_or((text.lines().count(), "(end)"));
            let was = golden.lines().nth(at).unwrap_or("(end)");
            changed.push(format!("{epoch}.txt:{}\n  was {was}\n  now {now}", at + 1));
        }
    }
    assert!(
        changed.is_empty(),
        "Answers changed. If that is on purpose: {HOW}\n{}",
        changed.join("\n")
    );
}

//! The examples, run as users run them: as processes, asked over a socket.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests are not seen to be tests"
)]

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use cookie::Cookie;
use tempfile::TempDir;
use testbed::http::{self, Reply};

const REFRESH: &str = "/auth/session/refresh";
const SIGN_OUT: &str = "/auth/signout";

/// Where the examples are, built: whoever runs all tests says so. For this test alone they are built here, with the features it has.
static BUILT: LazyLock<PathBuf> = LazyLock::new(|| {
    if let Some(folder) = std::env::var_os("HANDSTAMP_EXAMPLES") {
        return folder.into();
    }
    let features = [
        ("actix", cfg!(feature = "actix")),
        ("axum", cfg!(feature = "axum")),
        ("mysql", cfg!(feature = "mysql")),
        ("postgres", cfg!(feature = "postgres")),
        ("remote", cfg!(feature = "remote")),
        ("sqlite", cfg!(feature = "sqlite")),
    ];
    let features = features.iter().filter(|(_, is_on)| *is_on);
    let built = Command::new(env!("CARGO"))
        .args(["build", "--package", "handstamp", "--examples"])
        .args(features.flat_map(|(name, _)| ["--features", name]))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status();
    assert!(built.unwrap().success(), "the examples do not build");
    // This program is at <target>/debug/deps.
    let own = std::env::current_exe().unwrap();
    own.ancestors().nth(2).unwrap().join("examples")
});

/// An example that answers; it is ended with the value.
struct Example {
    process: Child,
    address: SocketAddr,
}

impl Example {
    fn start(name: &str, folder: &Path, settings: &[(&str, &str)]) -> Self {
        let mut process = Command::new(BUILT.join(name))
            .arg("127.0.0.1:0")
            .env_clear()
            .envs(settings.iter().copied())
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect(name);
        let out = process.stdout.take().unwrap();
        // Made before it is known to be ready, so that it is ended in any case.
        let mut example = Self {
            process,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
        };
        let mut ready = String::new();
        BufReader::new(out).read_line(&mut ready).unwrap();
        let address = ready.trim_end().strip_prefix("ready at http://");
        example.address = address.expect("not ready").parse().unwrap();
        example
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// A browser, as far as cookies go.
#[derive(Clone, Default)]
struct Browser(Vec<(String, String)>);

impl Browser {
    fn send(&mut self, example: &Example, method: &str, path: &str, body: &str) -> Reply {
        self.send_to(example.address, method, path, body)
    }

    fn send_to(&mut self, address: SocketAddr, method: &str, path: &str, body: &str) -> Reply {
        let cookies: Vec<_> = self
            .0
            .iter()
            .map(|(name, it)| format!("{name}={it}"))
            .collect();
        let cookies = [("cookie", cookies.join("; "))];
        let cookies = cookies.each_ref().map(|(name, it)| (*name, it.as_str()));
        let reply = http::call(address, method, path, &cookies, body).unwrap();
        for (name, value) in &reply.headers {
            if name != "set-cookie" {
                continue;
            }
            let cookie = Cookie::parse(value.as_str()).unwrap();
            self.0.retain(|(name, _)| name != cookie.name());
            if !cookie.value().is_empty() {
                self.0
                    .push((cookie.name().to_owned(), cookie.value().to_owned()));
            }
        }
        reply
    }

    fn get(&mut self, example: &Example, path: &str) -> (u16, String) {
        let Reply { status, body, .. } = self.send(example, "GET", path, "");
        (status, body)
    }

    fn post(&mut self, example: &Example, path: &str, body: &str) -> u16 {
        self.send(example, "POST", path, body).status
    }
}

const UNAUTHORISED: &str = r#"{"message":"unauthorised"}"#;

/// Signs in by `login` and its body, and goes through all that there is.
fn goes_the_whole_way(name: &str, login: (&str, &str)) {
    let folder = TempDir::new().unwrap();
    let example = Example::start(name, folder.path(), &[]);
    let mut browser = Browser::default();
    let unauthorised = (401, UNAUTHORISED.to_owned());
    assert_eq!(browser.get(&example, "/me"), unauthorised);

    assert_eq!(browser.post(&example, login.0, login.1), 200);
    let hello = (200, "hello ada".to_owned());
    assert_eq!(browser.get(&example, "/me"), hello);

    let first = browser.clone();
    assert_eq!(browser.post(&example, REFRESH, ""), 200);
    assert_eq!(browser.0.len(), 2);
    assert!(browser.0.iter().all(|cookie| !first.0.contains(cookie)));
    assert_eq!(browser.get(&example, "/me"), hello);

    // What is kept in a file outlives the process.
    drop(example);
    let example = Example::start(name, folder.path(), &[]);
    assert_eq!(browser.get(&example, "/me"), hello);
    assert_eq!(browser.post(&example, REFRESH, ""), 200);
    assert_eq!(browser.get(&example, "/me"), hello);

    let mut stolen = browser.clone();
    assert_eq!(browser.post(&example, SIGN_OUT, ""), 200);
    assert_eq!(browser.0, []);
    assert_eq!(browser.get(&example, "/me"), unauthorised);
    assert_eq!(browser.post(&example, REFRESH, ""), 401);
    assert_eq!(stolen.post(&example, REFRESH, ""), 401);
}

#[test]
fn axum() {
    goes_the_whole_way("axum", ("/login", "ada"));
}

#[test]
fn actix() {
    goes_the_whole_way("actix", ("/login", "ada"));
}

#[test]
fn tower() {
    goes_the_whole_way("tower", ("/login?ada", ""));
}

#[test]
fn two_services() {
    let folder = TempDir::new().unwrap();
    let example = Example::start("two-services", folder.path(), &[]);
    let mut browser = Browser::default();
    let (_, reports) = browser.get(&example, "/reports");
    let (address, path) = reports["http://".len()..].split_once('/').unwrap();
    let (address, path) = (address.parse().unwrap(), format!("/{path}"));
    assert_eq!(browser.send_to(address, "GET", &path, "").status, 401);
    assert_eq!(browser.post(&example, "/login", "ada"), 200);
    let report = browser.send_to(address, "GET", &path, "");
    assert_eq!((report.status, &*report.body), (200, "report for ada"));
    // Before the first service has seen the new token in use.
    assert_eq!(browser.post(&example, REFRESH, ""), 200);
    let report = browser.send_to(address, "GET", &path, "");
    assert_eq!((report.status, &*report.body), (200, "report for ada"));
    let planted = Browser(vec![("sAccessToken".to_owned(), "a.b.c".to_owned())]);
    assert_eq!(
        planted.clone().send_to(address, "GET", &path, "").status,
        401
    );
}

#[test]
fn axum_with_a_page() {
    let folder = TempDir::new().unwrap();
    let here = [("LISTEN", "127.0.0.1:0"), ("MOVABLE_CLOCK", "yes")];
    let example = Example::start("axum-spa", folder.path(), &here);
    let mut browser = Browser::default();
    assert_eq!(browser.post(&example, "/login", "ada"), 200);
    let ada = (200, r#"{"user":"ada"}"#.to_owned());
    assert_eq!(browser.get(&example, "/me"), ada);
    assert_eq!(browser.send(&example, "PUT", "/note", "milk").status, 200);

    // The laptop is closed.
    assert_eq!(browser.post(&example, "/clock/28800", ""), 200);
    let over = (401, r#"{"message":"try refresh token"}"#.to_owned());
    assert_eq!(browser.get(&example, "/me"), over);
    assert_eq!(browser.post(&example, SIGN_OUT, ""), 401);
    assert_eq!(browser.post(&example, REFRESH, ""), 200);
    assert_eq!(browser.get(&example, "/me"), ada);
    let note = (200, r#"{"note":"milk"}"#.to_owned());
    assert_eq!(browser.get(&example, "/note"), note);
    let one = (200, r#"{"devices":1}"#.to_owned());
    assert_eq!(browser.get(&example, "/devices"), one);
    assert_eq!(browser.post(&example, SIGN_OUT, ""), 200);
    assert_eq!(browser.get(&example, "/me").0, 401);
}

/// Nobody moves the clock of an application that is not told to let them.
#[test]
fn a_clock_stays_where_it_is() {
    let folder = TempDir::new().unwrap();
    let example = Example::start("axum-spa", folder.path(), &[("LISTEN", "127.0.0.1:0")]);
    let mut browser = Browser::default();
    assert_eq!(browser.post(&example, "/login", "ada"), 200);
    assert!((400..500).contains(&browser.post(&example, "/clock/28800", "")));
    assert_eq!(browser.get(&example, "/me").0, 200);
}

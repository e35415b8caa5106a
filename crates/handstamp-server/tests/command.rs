//! The command `handstamp` as an operator meets it: what it prints, how it ends, and with which code.

#![expect(clippy::unwrap_used, reason = "in a test, what goes wrong may stop it")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, Output, Stdio};

fn handstamp(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_handstamp"));
    command.args(arguments).current_dir(folder).env_clear();
    command
}

/// Runs the command to its end.
fn run(folder: &Path, arguments: &[&str]) -> Output {
    handstamp(folder, arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A server that is ready; killed if the test ends before it does.
struct Server {
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: BufReader<ChildStderr>,
    ready: String,
}

impl Server {
    fn start(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let mut ready = String::new();
        stdout.read_line(&mut ready).unwrap();
        Self {
            child,
            stdout,
            stderr,
            ready,
        }
    }

    fn address(&self) -> &str {
        self.ready
            .split("http://")
            .nth(1)
            .unwrap()
            .split([' ', ';'])
            .next()
            .unwrap()
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address()).unwrap()
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// What it printed after the ready line, its log, and its exit code.
    fn end(mut self) -> (String, String, Option<i32>) {
        let (mut out, mut log) = (String::new(), String::new());
        self.stdout.read_to_string(&mut out).unwrap();
        self.stderr.read_to_string(&mut log).unwrap();
        (out, log, self.child.wait().unwrap().code())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a request and reads until the server closes the connection.
fn exchange(mut stream: TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
}

#[test]
fn one_line_says_that_it_is_ready_and_where() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(handstamp(folder.path(), &["serve", "--port", "0"]));
    let line = server.ready.clone();
    let newest = handstamp_server::cdi::SPOKEN.last().unwrap();
    let start = concat!("handstamp ", env!("CARGO_PKG_VERSION"), " ready at http://");
    assert!(
        line.starts_with(start)
            && line.ends_with(&format!(
                "; database sqlite:handstamp.db; core protocol 1.0 to {newest}\n"
            )),
        "{line}"
    );
    assert!(exchange(server.connect(), &get("/hello")).ends_with("\r\n\r\nHello\n"));
    assert!(folder.path().join("handstamp.db").is_file());

    server.signal("-TERM");
    let (out, log, code) = server.end();
    assert_eq!((out.as_str(), code), ("", Some(0)));
    assert!(
        log.contains("key made") && log.trim_end().ends_with("stopped"),
        "{log}"
    );
}

#[test]
fn a_request_in_flight_is_finished_before_the_end() {
    let folder = tempfile::tempdir().unwrap();
    for signal in ["-TERM", "-INT"] {
        let mut server = Server::start(handstamp(folder.path(), &["serve", "--port", "0"]));
        let body = r#"{"userId":"u","userDataInJWT":{},"userDataInDatabase":{}}"#;
        let (first, rest) = body.split_at(20);
        let mut stream = server.connect();
        let length = body.len();
        let head = format!(
            "POST /session HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\nExpect: 100-continue\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        // The server asks for the body, so it is at work on the request when the signal comes.
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        assert_eq!(line, "HTTP/1.1 100 Continue\r\n");
        stream.write_all(first.as_bytes()).unwrap();
        server.signal(signal);
        // It says so in its log; from then on nobody new is let in.
        let mut log = String::new();
        while !log.contains("stopping") {
            assert!(server.stderr.read_line(&mut log).unwrap() > 0, "{log}");
        }
        stream.write_all(rest.as_bytes()).unwrap();
        let mut reply = String::new();
        reader.read_to_string(&mut reply).unwrap();
        assert!(
            reply.contains("HTTP/1.1 200 OK") && reply.contains(r#""status":"OK""#),
            "{reply}"
        );
        let (_, _, code) = server.end();
        assert_eq!(code, Some(0));
    }
}

#[test]
fn a_port_in_use_is_said_plainly() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = run(
        folder.path(),
        &["serve", "--host", "127.0.0.1", "--port", &port],
    );
    assert_eq!(output.status.code(), Some(4));
    let log = text(&output.stderr);
    assert!(
        log.contains(&format!("cannot listen on 127.0.0.1:{port}"))
            && log.contains("another server"),
        "{log}"
    );
    assert!(
        !folder.path().join("handstamp.db").exists(),
        "nothing was made"
    );
}

#[test]
fn a_database_that_cannot_be_opened_is_said_plainly_and_why() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(
        at("notes.txt"),
        "not a database, but long enough to be looked at".repeat(50),
    )
    .unwrap();
    let other = rusqlite::Connection::open(at("other.db")).unwrap();
    other
        .execute_batch("CREATE TABLE accounts (id INTEGER)")
        .unwrap();
    run_until_ready(folder.path(), "newer.db");
    let newer = rusqlite::Connection::open(at("newer.db")).unwrap();
    newer.execute_batch("PRAGMA user_version = 99").unwrap();
    for (name, why) in [
        ("missing/folder/x.db", "No such file or directory"),
        (".", "is a directory"),
        ("notes.txt", "file is not a database"),
        ("other.db", "database of another program"),
        ("newer.db", "written by a newer version of handstamp"),
        ("postgres://127.0.0.1:1/sessions", "Connection refused"),
        ("mysql://127.0.0.1:1/sessions", "Connection refused"),
    ] {
        let url = if name.contains("://") {
            name.to_owned()
        } else {
            format!("sqlite:{name}")
        };
        let output = run(folder.path(), &["serve", "--port", "0", "--database", &url]);
        let log = text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{log}");
        assert!(
            log.contains(&format!("cannot open the database {url}")),
            "{log}"
        );
        assert!(log.contains(why), "{name}: {log}");
    }
}

/// Makes a database.
fn run_until_ready(folder: &Path, name: &str) {
    let url = format!("sqlite:{name}");
    let server = Server::start(handstamp(
        folder,
        &["serve", "--port", "0", "--database", &url],
    ));
    server.signal("-TERM");
    let (_, log, code) = server.end();
    assert_eq!(code, Some(0), "{log}");
}

/// A write that fails says where and why in the log, and nothing to the caller.
#[test]
fn a_failed_request_is_logged_with_its_place_and_cause() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(handstamp(folder.path(), &["serve", "--port", "0"]));
    let db = rusqlite::Connection::open(folder.path().join("handstamp.db")).unwrap();
    db.execute_batch("DROP TABLE session_data").unwrap();
    let body = r#"{"userId":"u","userDataInJWT":{},"userDataInDatabase":{}}"#;
    let length = body.len();
    let request = format!(
        "POST /session HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    let reply = exchange(server.connect(), &request);
    assert!(
        reply.starts_with("HTTP/1.1 500") && reply.ends_with("\r\n\r\nInternal Error\n"),
        "{reply}"
    );
    server.signal("-TERM");
    let (_, log, _) = server.end();
    let line = log
        .lines()
        .find(|line| line.contains("a request failed"))
        .unwrap();
    for part in ["ERROR", "method=POST", "path=\"/session\"", "no such table"] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
}

#[test]
fn a_password_is_said_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let url = "postgres://me:canary@127.0.0.1:1/x";
    for arguments in [
        &["serve", "--port", "0", "--database", url][..],
        &["migrate", "--database", url],
        &["config", "--database", url],
        &["config", "--database", "postgrse://me:canary@db/x"],
    ] {
        let output = run(folder.path(), arguments);
        let told = text(&output.stdout) + &text(&output.stderr);
        assert!(told.contains("***@") && !told.contains("canary"), "{told}");
    }
}

/// What the driver does not know it would say in the log.
#[test]
fn a_part_of_an_address_that_is_not_known_is_said_by_its_name_only() {
    let folder = tempfile::tempdir().unwrap();
    for url in [
        "postgres://me@127.0.0.1:1/x?sslpassword=canary",
        "mysql://me@127.0.0.1:1/x?sslpassword=canary",
    ] {
        let output = run(folder.path(), &["serve", "--port", "0", "--database", url]);
        assert!(!output.status.success());
        let told = text(&output.stdout) + &text(&output.stderr);
        assert!(told.contains("sslpassword"), "{told}");
        assert!(!told.contains("canary"), "{told}");
    }
}

#[test]
fn a_file_is_brought_up_to_date_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["migrate", "--database", "sqlite:new.db"]);
    assert_eq!(output.status.code(), Some(0));
    let told = text(&output.stdout);
    assert_eq!(told, "the schema in sqlite:new.db is up to date\n");
    assert!(folder.path().join("new.db").is_file());
}

#[test]
fn wrong_settings_stop_the_start() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("config.yaml"),
        "access_token_validity: 0\n",
    )
    .unwrap();
    let cases: &[(&[&str], &str)] = &[
        (
            &["serve", "--port", "70000"],
            "setting `port` is \"70000\" (flag --port), but must be a port number",
        ),
        (
            &["serve", "--config", "config.yaml"],
            "setting `access_token_validity` is \"0\" (file config.yaml)",
        ),
        (
            &["serve", "--config", "missing.yaml"],
            "cannot read the configuration file missing.yaml",
        ),
        (
            &["config", "--database", "oracle:x"],
            "setting `database` is \"oracle:x\" (flag --database)",
        ),
        (&["serve", "--nonsense"], "unexpected argument '--nonsense'"),
        (&[], "Usage: handstamp"),
    ];
    for (arguments, expected) in cases {
        let output = run(folder.path(), arguments);
        let log = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {log}");
        assert!(log.contains(expected), "{arguments:?}: {log}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn config_shows_every_setting_and_its_origin_and_what_it_shows_works() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("old.yaml"),
        "cookie_domain: api.example.com\nport: 4000\n",
    )
    .unwrap();
    let show = |file: &str| {
        let mut command = handstamp(
            folder.path(),
            &["config", "--config", file, "--port", "4001"],
        );
        text(
            &command
                .env("ENABLE_ANTI_CSRF", "false")
                .output()
                .unwrap()
                .stdout,
        )
    };
    let shown = show("old.yaml");
    for line in [
        "port: 4001  # flag --port",
        "cookie_domain: \"api.example.com\"  # file old.yaml",
        "enable_anti_csrf: false  # environment ENABLE_ANTI_CSRF",
        "access_token_validity: 3600  # default",
    ] {
        assert!(
            shown.lines().any(|shown| shown == line),
            "{line} is not in\n{shown}"
        );
    }
    fs::write(folder.path().join("new.yaml"), &shown).unwrap();
    assert!(show("new.yaml").contains("cookie_domain: \"api.example.com\"  # file new.yaml"));
}

#[test]
fn logs_are_one_json_object_a_line_if_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = handstamp(
        folder.path(),
        &["serve", "--port", "0", "--database", "memory:"],
    );
    command.env("LOG_FORMAT", "json");
    let server = Server::start(command);
    server.signal("-TERM");
    let (_, log, code) = server.end();
    assert_eq!(code, Some(0));
    assert!(log.lines().count() >= 2);
    for line in log.lines() {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(entry["level"], "INFO", "{line}");
    }
}

/// By the socket's address, whatever a header says of it.
#[test]
fn addresses_are_let_in_or_not_by_rule() {
    let folder = tempfile::tempdir().unwrap();
    for (allow, deny, status) in [
        (r"127\.0\.0\.1", "", "200 OK"),
        (r"10\..*|127\..*", r"192\.168\..*", "200 OK"),
        ("", r"10\..*", "200 OK"),
        (r"10\..*", "", "403 Forbidden"),
        ("", r"127\.0\.0\.1", "403 Forbidden"),
        (r"127\..*", r".*\.1", "403 Forbidden"),
        // The whole address, not a part of it.
        (r"127\.", "", "403 Forbidden"),
    ] {
        let mut command = handstamp(
            folder.path(),
            &["serve", "--host", "127.0.0.1", "--port", "0"],
        );
        command
            .env("IP_ALLOW_REGEX", allow)
            .env("IP_DENY_REGEX", deny);
        let server = Server::start(command);
        for forwarded in ["10.0.0.1", "127.0.0.1"] {
            let headers = format!("\r\nX-Forwarded-For: {forwarded}\r\nForwarded: for={forwarded}");
            for path in ["/hello", "/recipe/session/user?userId=u", "/nowhere"] {
                let request = get(path).replacen("\r\n", &format!("{headers}\r\n"), 1);
                let reply = exchange(server.connect(), &request);
                let expected = match (status, path) {
                    ("200 OK", "/nowhere") => "404 Not Found",
                    _ => status,
                };
                let start = format!("HTTP/1.1 {expected}\r\n");
                assert!(reply.starts_with(&start), "{allow} {deny} {path}: {reply}");
                if status.starts_with("403") {
                    assert!(reply.ends_with("\r\n\r\n"), "nothing is told: {reply}");
                }
            }
        }
    }
}

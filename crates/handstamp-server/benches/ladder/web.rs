//! What a session costs a route of a web application, beside the same route without one, and beside `tower-sessions`.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hyper::Method;

mod application;
mod browser;
mod serve;

use browser::{Browser, Way, login};

use crate::CLIENTS;
use crate::client::{HttpClient, Server};
use crate::load;
use crate::report::{Report, micros};
use crate::rounds::{ROUNDS, Rounds};

/// Set in the environment of the process that is the application: its database.
pub(crate) const APPLICATION: &str = "HANDSTAMP_BENCH_WEB_APPLICATION";

/// The processes, in the order in which they are started.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Handstamp,
    Memory,
    Sqlite,
}

/// A route, and how it is asked.
struct Route {
    name: &'static str,
    place: Place,
    path: &'static str,
    way: Way,
}

const ROUTES: [Route; 10] = {
    use Place::{Handstamp, Memory, Sqlite};
    use Way::{Bearer, Cookie, Nobody};
    const fn route(name: &'static str, place: Place, path: &'static str, way: Way) -> Route {
        Route {
            name,
            place,
            path,
            way,
        }
    }
    [
        route(
            "handstamp's program, unprotected",
            Handstamp,
            "/open",
            Nobody,
        ),
        route(
            "handstamp, in the layer, no session asked for",
            Handstamp,
            "/layer",
            Cookie,
        ),
        route(
            "handstamp, `Session`, token in a cookie",
            Handstamp,
            "/me",
            Cookie,
        ),
        route(
            "handstamp, `Session`, token in `Authorization`",
            Handstamp,
            "/me",
            Bearer,
        ),
        route(
            "handstamp, `Session` and `check_storage`",
            Handstamp,
            "/checked",
            Cookie,
        ),
        route(
            "`tower-sessions`' program, unprotected",
            Memory,
            "/open",
            Nobody,
        ),
        route(
            "`tower-sessions`, `MemoryStore`, in the layer, no session asked for",
            Memory,
            "/layer",
            Cookie,
        ),
        route("`tower-sessions`, `MemoryStore`", Memory, "/me", Cookie),
        route(
            "`tower-sessions`, `SqliteStore`, in the layer, no session asked for",
            Sqlite,
            "/layer",
            Cookie,
        ),
        route("`tower-sessions`, `SqliteStore`", Sqlite, "/me", Cookie),
    ]
};

const LOGINS: [(&str, Place); 3] = [
    ("handstamp, SQLite", Place::Handstamp),
    ("`tower-sessions`, `SqliteStore`", Place::Sqlite),
    ("`tower-sessions`, `MemoryStore`", Place::Memory),
];

/// What the process does that is the application.
pub(crate) fn serve_application(database: &Path) -> Result<()> {
    serve::serve(async { application::router(database) })
}

/// `others` is the program with `tower-sessions`.
pub(crate) async fn measure(folder: &Path, seconds: f64, others: &Path) -> Result<Report> {
    let mut own = Command::new(std::env::current_exe()?);
    own.env(APPLICATION, folder.join("handstamp.db"));
    let mut sqlite = Command::new(others);
    sqlite.arg(folder.join("tower-sessions.db"));
    let servers = [
        Server::of(own)?,
        Server::of(Command::new(others))?,
        Server::of(sqlite)?,
    ];
    let mut report = Report::begin(HEAD);
    let settings = HttpClient::connect(server(&servers, Place::Sqlite)?.address)
        .await?
        .send(Method::GET, "/durability", Vec::new())
        .await?;
    report.line(&format!(
        "{ROUNDS} rounds of {seconds} s for each figure. `SqliteStore` runs with {}, which is what handstamp runs with.",
        std::str::from_utf8(&settings)?
    ));
    for clients in CLIENTS {
        let mut routes = ROUTES.map(|_| Rounds::default());
        let mut logins = LOGINS.map(|_| Rounds::default());
        for round in 0..ROUNDS {
            println!("{clients} clients, round {} of {ROUNDS} ...", round + 1);
            for (route, rounds) in ROUTES.iter().zip(&mut routes) {
                rounds.add(asked(route, server(&servers, route.place)?, clients, seconds).await?);
            }
            for ((_, place), rounds) in LOGINS.iter().zip(&mut logins) {
                let server = server(&servers, *place)?;
                let requests = vec![login()?; clients];
                let done = load::replies(server.address, server.pid(), &requests, seconds).await?;
                rounds.add(done);
            }
        }
        report_routes(&mut report, clients, &routes);
        report_logins(&mut report, &logins);
    }
    Ok(report)
}

fn server(servers: &[Server], place: Place) -> Result<&Server> {
    let at = [Place::Handstamp, Place::Memory, Place::Sqlite]
        .iter()
        .position(|it| *it == place);
    at.and_then(|at| servers.get(at)).context("not started")
}

/// Each client has a session of its own.
async fn asked(
    route: &Route,
    server: &Server,
    clients: usize,
    seconds: f64,
) -> Result<load::Measured> {
    let mut requests = Vec::new();
    for _ in 0..clients {
        let browser = Browser::sign_in(server, route.place == Place::Handstamp).await?;
        is_guarded(route, server, &browser).await?;
        requests.push(browser.request(route.path, route.way)?);
    }
    // The first answers are slower for everybody.
    load::replies(server.address, server.pid(), &requests, seconds / 4.0).await?;
    load::replies(server.address, server.pid(), &requests, seconds).await
}

/// What is measured would say nothing if somebody without a session got the same answer.
async fn is_guarded(route: &Route, server: &Server, browser: &Browser) -> Result<()> {
    let mut client = HttpClient::connect(server.address).await?;
    let answer = client
        .exchange(browser.request(route.path, route.way)?)
        .await?;
    ensure!(
        answer.status() == 200 && answer.body() == "hello ada",
        "{}",
        route.name
    );
    let answer = client
        .exchange(browser.request(route.path, Way::Nobody)?)
        .await?;
    let is_open = matches!(route.path, "/open" | "/layer");
    let expected = if is_open { 200 } else { 401 };
    ensure!(
        answer.status() == expected,
        "{}: {}",
        route.name,
        answer.status()
    );
    Ok(())
}

/// A route is held against the unprotected one of its own program.
fn report_routes(report: &mut Report, clients: usize, measured: &[Rounds]) {
    let find = |place: Place, path: &str| {
        let at = ROUTES
            .iter()
            .position(|it| it.place == place && it.path == path);
        at.and_then(|at| measured.get(at))
    };
    report.line("");
    report.line(&format!("## A route, {}", many(clients)));
    report.line("");
    report.line("| route | requests/s | p50 | p99 | CPU | requests/s, of the unprotected | CPU, times the unprotected | CPU beyond it | requests/s, times `MemoryStore` | times `SqliteStore` |");
    report.line("|---|---|---|---|---|---|---|---|---|---|");
    for (route, rounds) in ROUTES.iter().zip(measured) {
        let program = match route.place {
            Place::Handstamp => Place::Handstamp,
            Place::Memory | Place::Sqlite => Place::Memory,
        };
        let bare = find(program, "/open").filter(|_| route.path != "/open");
        let beside = |store| {
            let other = find(store, "/me").filter(|_| matches!(route.path, "/me" | "/checked"));
            other.map_or_else(dash, |other| format!("{:.2}", rounds.ratio(other)))
        };
        report.line(&format!(
            "| {} | {:.0} | {} | {} | {} | {} | {} | {} | {} | {} |",
            route.name,
            rounds.per_second(),
            micros(rounds.percentile(50)),
            micros(rounds.percentile(99)),
            tenths(rounds.cpu_each()),
            bare.map_or_else(dash, |bare| rounds.spread(bare)),
            bare.map_or_else(dash, |bare| format!("{:.2}", rounds.cpu_ratio(bare))),
            bare.map_or_else(dash, |bare| tenths(
                rounds.cpu_each().saturating_sub(bare.cpu_each())
            )),
            beside(Place::Memory),
            beside(Place::Sqlite),
        ));
    }
}

fn report_logins(report: &mut Report, measured: &[Rounds; 3]) {
    let [_, others, _] = measured;
    report.line("");
    report.line("A login, by as many clients:");
    report.line("");
    report.line("| login | per second | p50 | p99 | CPU | per second, times `SqliteStore` | CPU, times `SqliteStore` |");
    report.line("|---|---|---|---|---|---|---|");
    for ((name, _), rounds) in LOGINS.iter().zip(measured) {
        report.line(&format!(
            "| {name} | {:.0} | {} | {} | {} | {} | {:.2} |",
            rounds.per_second(),
            micros(rounds.percentile(50)),
            micros(rounds.percentile(99)),
            tenths(rounds.cpu_each()),
            rounds.spread(others),
            rounds.cpu_ratio(others),
        ));
    }
}

fn many(clients: usize) -> String {
    let noun = if clients == 1 { "client" } else { "clients" };
    format!("{clients} {noun}")
}

fn dash() -> String {
    "-".to_owned()
}

fn tenths(time: Duration) -> String {
    format!("{:.1} µs", time.as_secs_f64() * 1_000_000.0)
}

const HEAD: &str = "# Web applications

Written by `cargo xtask bench --web`, in one run on one machine: what a session costs a route of an axum application. One route is
asked over the loopback by clients that keep their connections, each with a session of its own; servers and clients share the
processors. It answers `hello ada`, with the name out of the session, and without one where it is unprotected. The servers are
processes of their own, built and served in the same way. Routes take turns; what is told is the median, and in brackets the lowest and
the highest round. *CPU* is the processor time of the server process for one request: the figure to trust, as rates and latencies
depend on who else uses the machine. A route is held against the unprotected one of its own program in the same round, which is asked
without a token.

What is compared is not the same:

- **handstamp, `Session`** checks a signed access token (RS256), as one comes of a refresh, and asks no store. Any process that has the
  public keys can do that, without a way to the database. A session that is revoked is refused at its next refresh, and until then for
  as long as an access token is good (an hour by default, a setting).
- **handstamp, `Session` and `check_storage`** does the same, and then reads the session's row: what is revoked is refused at once.
- **`tower-sessions`, `SqliteStore`** reads the session's row by the id in the cookie, which is not signed: a session that is deleted is
  gone at once, and every process needs the database. It is `check_storage` that does as much.
- **`tower-sessions`, `MemoryStore`** looks the id up in a map of this process. No other process knows the session, and all are gone
  with the process. It does less than any of the others.

A login is one durable write in either SQLite. handstamp signs an access token and makes a refresh token besides; `tower-sessions` has
neither, nor the rotation and theft detection that they are for.

`tower-sessions` is at 0.14, the newest that there is a SQLite store for (`tower-sessions-sqlx-store` 0.15), with its own defaults and
those of its pool, but for the write-ahead log.
";

//! What was measured, as text that people read: printed while it comes in, and kept as Markdown.

use std::time::Duration;

use crate::limits::Limits;
use crate::load::{Measured, Operation};

pub(crate) struct Report(String);

impl Report {
    pub(crate) fn new() -> Self {
        let mut report = Self(String::new());
        report.line("# Benchmarks");
        report.line("");
        report.line("Written by `cargo xtask bench`, in one run on one machine. Absolute figures depend on the machine and on");
        report.line("who else uses it; the ratios hold. *CPU* is the processor time of the process that does the work, per");
        report.line("operation; over HTTP that is the server process alone. The work beside a signature or a check is the");
        report.line("ratio less one. *Writes / commit limit* holds an operation's durable writes a second against what the");
        report.line("database does with nothing else to do: single commits for one client, 32 rows to a commit for more.");
        report
    }

    pub(crate) fn limits(&mut self, limits: &Limits) {
        self.line("");
        self.line("## Limits of this machine");
        self.line("");
        self.line("| limit | |");
        self.line("|---|---|");
        self.line(&format!(
            "| RSA-2048 signature, CPU | {} |",
            micros(limits.sign)
        ));
        self.line(&format!(
            "| RSA-2048 check, CPU | {} |",
            micros(limits.check)
        ));
        self.line(&format!(
            "| durable commits, one row each | {:.0} /s |",
            limits.commits
        ));
        self.line(&format!(
            "| durable rows, 32 to a commit | {:.0} /s |",
            limits.grouped
        ));
        for (clients, reply) in &limits.reply {
            let (p50, p99) = (micros(reply.percentile(50)), micros(reply.percentile(99)));
            self.line(&format!(
                "| bare HTTP reply, {clients} clients | {:.0} /s, p50 {p50}, p99 {p99}, CPU {} |",
                reply.per_second(),
                micros(reply.cpu_each())
            ));
        }
    }

    pub(crate) fn operations(
        &mut self,
        place: &str,
        clients: usize,
        limits: &Limits,
        measured: &[(Operation, Measured)],
    ) {
        self.line("");
        self.line(&format!(
            "## Operations {place}, {clients} {}",
            if clients == 1 { "client" } else { "clients" }
        ));
        self.line("");
        self.line("| operation | per second | p50 | p99 | CPU | CPU limit | CPU / limit | writes / commit limit |");
        self.line("|---|---|---|---|---|---|---|---|");
        for (operation, measured) in measured {
            let (limit, named) = limit_of(
                *operation,
                limits,
                place.starts_with("over HTTP").then_some(clients),
            );
            let ratio = measured.cpu_each().as_secs_f64() / limit.as_secs_f64();
            let ratio = if ratio.is_finite() {
                format!("{ratio:.2}")
            } else {
                "-".to_owned()
            };
            let rows = measured.per_second() * f64::from(operation.writes());
            // One client can only commit one write after the other; several share commits.
            let most = if clients == 1 {
                limits.commits
            } else {
                limits.grouped
            };
            let commits = if rows > 0.0 {
                format!("{:.2}", rows / most)
            } else {
                "-".to_owned()
            };
            self.line(&format!(
                "| {} | {:.0} | {} | {} | {} | {named} | {ratio} | {commits} |",
                operation.name(),
                measured.per_second(),
                micros(measured.percentile(50)),
                micros(measured.percentile(99)),
                micros(measured.cpu_each()),
            ));
        }
    }

    pub(crate) fn start(&mut self, ready_after: Duration, resident: u64) {
        self.line("");
        self.line("## The server process");
        self.line("");
        self.line(&format!(
            "- From start to the first `/hello`, new database and keys included: {:.0} ms; resident memory then: {}.",
            ready_after.as_secs_f64() * 1000.0,
            mebibytes(resident)
        ));
    }

    pub(crate) fn busy(&mut self, resident: u64) {
        self.line("");
        self.line(&format!(
            "Resident memory after all of this: {}.",
            mebibytes(resident)
        ));
    }

    pub(crate) fn filled(
        &mut self,
        sessions: u32,
        file: u64,
        resident: u64,
        ready_after: Duration,
    ) {
        self.line("");
        self.line(&format!(
            "With {sessions} sessions stored, the database file has {} ({} bytes a session), the server was ready after {:.0} ms,",
            mebibytes(file),
            file / u64::from(sessions.max(1)),
            ready_after.as_secs_f64() * 1000.0,
        ));
        self.line(&format!(
            "and had {} resident after the operations above.",
            mebibytes(resident)
        ));
    }

    pub(crate) fn finish(self) -> String {
        self.0
    }

    /// Begins with a text.
    pub(crate) fn begin(head: &str) -> Self {
        let mut report = Self(String::new());
        report.line(head);
        report
    }

    pub(crate) fn line(&mut self, text: &str) {
        println!("{text}");
        self.0.push_str(text);
        self.0.push('\n');
    }
}

/// What an operation cannot be cheaper than: its signatures and checks, and over HTTP a reply each.
fn limit_of(
    operation: Operation,
    limits: &Limits,
    http_clients: Option<usize>,
) -> (Duration, &'static str) {
    let reply = http_clients.map_or(Duration::ZERO, |clients| limits.reply_cpu(clients));
    let in_process = http_clients.is_none();
    match operation {
        Operation::Create | Operation::Refresh if in_process => (limits.sign, "signature"),
        Operation::Create | Operation::Refresh => (limits.sign + reply, "signature + reply"),
        Operation::Verify if in_process => (limits.check, "check"),
        Operation::Verify => (limits.check + reply, "check + reply"),
        Operation::RefreshAndUse if in_process => {
            (limits.sign * 2 + limits.check, "2 signatures + check")
        }
        Operation::RefreshAndUse => (
            limits.sign * 2 + limits.check + reply * 2,
            "2 signatures + check + 2 replies",
        ),
        Operation::ReadData | Operation::WriteData | Operation::Revoke if in_process => {
            (Duration::ZERO, "-")
        }
        Operation::ReadData | Operation::WriteData | Operation::Revoke => (reply, "reply"),
    }
}

pub(crate) fn micros(time: Duration) -> String {
    format!("{:.0} µs", time.as_secs_f64() * 1_000_000.0)
}

pub(crate) fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

fn mebibytes(bytes: u64) -> String {
    format!("{} MiB", bytes.div_ceil(1024 * 1024))
}

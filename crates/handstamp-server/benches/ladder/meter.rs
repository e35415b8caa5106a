//! Clocks and counters of the machine.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// A stopwatch on the wall.
#[derive(Clone, Copy)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// CPU time that process `pid` has used, all threads, user and system.
pub(crate) fn cpu(pid: u32) -> Result<Duration> {
    Ok(Stat::read(pid)?.own)
}

/// CPU time that process `pid` and its children have used, those that have ended, too.
pub(crate) fn family_cpu(pid: u32) -> Result<Duration> {
    let parent = Stat::read(pid)?;
    let mut sum = parent.own + parent.ended_children;
    for entry in std::fs::read_dir("/proc")? {
        let Some(id) = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        // Others come and go meanwhile.
        sum += Stat::read(id)
            .ok()
            .filter(|stat| stat.parent == u64::from(pid))
            .map_or(Duration::ZERO, |stat| stat.own);
    }
    Ok(sum)
}

/// What the kernel knows of a process; times are counted in hundredths of a second.
struct Stat {
    parent: u64,
    own: Duration,
    ended_children: Duration,
}

impl Stat {
    fn read(pid: u32) -> Result<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .context("CPU time is read from /proc")?;
        // The second field is the program's name in parentheses and may hold spaces; these are the ones from the third on.
        let fields: Vec<&str> = stat
            .rsplit_once(')')
            .map(|(_, rest)| rest.split_whitespace().collect())
            .unwrap_or_default();
        let number = |at: usize| {
            fields
                .get(at)
                .and_then(|text| text.parse::<u64>().ok())
                .context("/proc/PID/stat")
        };
        let time =
            |at: usize| anyhow::Ok(Duration::from_millis((number(at)? + number(at + 1)?) * 10));
        Ok(Self {
            parent: number(1)?,
            own: time(11)?,
            ended_children: time(13)?,
        })
    }
}

/// CPU time that this process has used.
pub(crate) fn own_cpu() -> Result<Duration> {
    cpu(std::process::id())
}

/// Bytes of memory that process `pid` has resident.
pub(crate) fn resident(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))
        .context("memory is read from /proc")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("/proc/PID/status")?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib * 1024)
}

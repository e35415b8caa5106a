//! Where the servers are, and which of them is asked next.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::Url;

use crate::clock::UnixMillis;
use crate::id::Invalid;

/// How long a host that was not there is asked after the others only.
const REST: Duration = Duration::from_secs(10);

/// The addresses of one or several servers over the same store, each with the path below which it answers.
///
/// ```
/// use handstamp::remote::Hosts;
///
/// let hosts: Hosts = "http://h1:3567;https://h2/base/path".parse()?;
/// # Ok::<(), handstamp::Invalid>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Hosts(Vec<Url>);

impl Hosts {
    /// Reads addresses, one a text.
    ///
    /// # Errors
    /// When there is none, when there are two alike, or when one is not `http://` or `https://` with a host, and at most a port
    /// and a path: what lets somebody in belongs into the API key.
    pub fn list<T: AsRef<str>>(addresses: impl IntoIterator<Item = T>) -> Result<Self, Invalid> {
        let invalid = || {
            let expected = "must be http:// or https:// addresses with nothing but a port and a path \
                 behind the host, separated by ;";
            Invalid::new("hosts", expected)
        };
        let mut hosts = Vec::new();
        for address in addresses {
            let mut url = Url::parse(address.as_ref().trim()).map_err(|_| invalid())?;
            let is_plain = matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none();
            if !is_plain {
                return Err(invalid());
            }
            // Without what would come twice before the paths that are asked for.
            let path = url.path().trim_end_matches('/').to_owned();
            url.set_path(&path);
            if hosts.contains(&url) {
                return Err(Invalid::new("hosts", "must all be different"));
            }
            hosts.push(url);
        }
        if hosts.is_empty() {
            return Err(invalid());
        }
        Ok(Self(hosts))
    }

    pub(super) fn urls(&self) -> &[Url] {
        &self.0
    }

    /// Whether any is asked over TLS.
    pub(super) fn has_tls(&self) -> bool {
        self.0.iter().any(|url| url.scheme() == "https")
    }

    /// Whether the path of any names an app.
    pub(super) fn name_an_app(&self) -> bool {
        self.0
            .iter()
            .filter_map(Url::path_segments)
            .flatten()
            .any(|segment| segment.to_ascii_lowercase().starts_with("appid-"))
    }
}

impl FromStr for Hosts {
    type Err = Invalid;

    /// Reads addresses that are separated by `;`.
    fn from_str(text: &str) -> Result<Self, Invalid> {
        let addresses = text.split(';').map(str::trim);
        Self::list(addresses.filter(|address| !address.is_empty()))
    }
}

impl fmt::Display for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, url) in self.0.iter().enumerate() {
            let between = if at > 0 { ";" } else { "" };
            write!(f, "{between}{}", shown(url))?;
        }
        Ok(())
    }
}

impl fmt::Debug for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hosts({self})")
    }
}

/// An address as it was written.
pub(super) fn shown(url: &Url) -> &str {
    url.as_str().trim_end_matches('/')
}

/// Whose turn it is.
#[derive(Debug)]
pub(super) struct Turns {
    next: AtomicUsize,
    /// When each host last failed, in milliseconds since the epoch.
    failed: Vec<AtomicI64>,
}

impl Turns {
    pub(super) fn of(hosts: usize) -> Self {
        let never = || AtomicI64::new(i64::MIN);
        Self {
            next: AtomicUsize::new(0),
            failed: std::iter::repeat_with(never).take(hosts).collect(),
        }
    }

    /// In which order the hosts are asked: each begins in its turn, and those that failed a moment ago come last.
    pub(super) fn order(&self, now: UnixMillis) -> Vec<usize> {
        let count = self.failed.len();
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let mut order: Vec<_> = (0..count)
            .map(|at| first.wrapping_add(at) % count.max(1))
            .collect();
        order.sort_by_key(|at| self.rests(*at, now));
        order
    }

    /// The host was not there, or could not do its part.
    pub(super) fn failed(&self, host: usize, now: UnixMillis) {
        if let Some(at) = self.failed.get(host) {
            at.store(now.as_millis(), Ordering::Relaxed);
        }
    }

    /// The host did its part.
    pub(super) fn worked(&self, host: usize) {
        if let Some(at) = self.failed.get(host) {
            at.store(i64::MIN, Ordering::Relaxed);
        }
    }

    fn rests(&self, host: usize, now: UnixMillis) -> bool {
        self.failed.get(host).is_some_and(|at| {
            let at = UnixMillis::new(at.load(Ordering::Relaxed));
            at <= now && now.since(at) < REST
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_hosts_ports_and_paths() {
        let hosts: Hosts = " http://h1:3567 ; https://h2/base/path/;".parse().unwrap();
        assert_eq!(hosts.to_string(), "http://h1:3567;https://h2/base/path");
        assert!(hosts.has_tls());
        for text in [
            "",
            ";",
            "localhost:3567",
            "h1",
            "ftp://h1",
            "http://",
            "http://user@h1",
            "http://user:word@h1",
            "http://h1?x=1",
            "http://h1#x",
            "http://h1;http://h1/",
        ] {
            let refused = text.parse::<Hosts>().unwrap_err();
            assert_eq!(refused.field(), "hosts", "{text}");
            assert!(!refused.to_string().contains("word"));
        }
    }

    #[test]
    fn hosts_take_turns_and_those_that_failed_come_last() {
        let turns = Turns::of(3);
        let now = UnixMillis::new(1_000_000);
        assert_eq!(turns.order(now), [0, 1, 2]);
        assert_eq!(turns.order(now), [1, 2, 0]);
        turns.failed(2, now);
        assert_eq!(turns.order(now), [0, 1, 2]);
        assert_eq!(turns.order(now), [0, 1, 2]);
        assert_eq!(turns.order(now), [1, 0, 2]);
        assert_eq!(turns.order(now.plus(REST)), [2, 0, 1]);
        turns.failed(0, now);
        turns.worked(0);
        assert_eq!(turns.order(now), [0, 1, 2]);
    }
}

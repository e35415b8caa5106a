//! Which version of the protocol is spoken: found out once.

use std::cmp::Reverse;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use reqwest::Method;
use serde::Deserialize;
use tokio::sync::Mutex;

use super::error::RemoteError;
use super::link::{Answer, Ask, Effect, Link, Operation};

/// Those that are alike in all that is asked for here, oldest first: tokens are JWTs that name tenant and user, their use
/// confirms them, and a refresh says which kind of key is to sign. Since 5.6 refreshes rotate at once.
const SPOKEN: [&str; 7] = ["4.0", "5.0", "5.1", "5.2", "5.3", "5.4", "5.5"];

const VERSIONS: Operation = Operation {
    method: Method::GET,
    path: "/apiversion",
    effect: Effect::Reads,
    name: "for its versions",
    is_public: false,
};

#[derive(Deserialize)]
struct Versions {
    versions: Vec<String>,
}

/// The version, once it is known.
#[derive(Debug, Default)]
pub(super) struct Negotiated {
    spoken: OnceLock<&'static str>,
    /// What came of the last attempt; held during one.
    asking: Mutex<Option<RemoteError>>,
    /// How many attempts have ended.
    ended: AtomicU64,
}

impl Negotiated {
    /// The newest that both know. One caller asks; who comes meanwhile gets the same answer.
    pub(super) async fn version(&self, link: &Link) -> Result<&'static str, RemoteError> {
        if let Some(version) = self.spoken.get() {
            return Ok(version);
        }
        let ended = self.ended.load(Ordering::Acquire);
        let mut last = self.asking.lock().await;
        if let Some(version) = self.spoken.get() {
            return Ok(version);
        }
        if let Some(error) = last
            .as_ref()
            .filter(|_| self.ended.load(Ordering::Acquire) != ended)
        {
            return Err(error.clone());
        }
        let asked = link.send(&VERSIONS, Ask::default()).await;
        let found = asked.and_then(|answer| newest_common(&answer));
        self.ended.fetch_add(1, Ordering::AcqRel);
        match found {
            Ok(version) => Ok(self.spoken.get_or_init(|| version)),
            Err(error) => {
                *last = Some(error.clone());
                Err(error)
            }
        }
    }
}

fn newest_common(answer: &Answer) -> Result<&'static str, RemoteError> {
    let Versions { versions } = answer.read()?;
    let mut ours = SPOKEN.into_iter().rev();
    ours.find(|ours| versions.iter().any(|theirs| theirs == ours))
        .ok_or_else(|| answer.no_version(&listed(&versions)))
}

/// The newest of them, for a person to read.
fn listed(versions: &[String]) -> String {
    const MOST: usize = 8;
    let parsed = |text: &String| {
        let (major, minor) = text.split_once('.')?;
        Some((major.parse::<u16>().ok()?, minor.parse::<u16>().ok()?))
    };
    let mut known: Vec<_> = versions.iter().filter_map(parsed).collect();
    known.sort_unstable_by_key(|version| Reverse(*version));
    let shown = known
        .iter()
        .take(MOST)
        .map(|(major, minor)| format!("{major}.{minor}"));
    let shown: Vec<_> = shown.collect();
    let rest = if known.len() > MOST { " and older" } else { "" };
    format!("({}{rest})", shown.join(", "))
}

//! One request and its answer, from whichever host is there.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Response, Url};
use serde::Deserialize;

use super::error::{Fault, RemoteError, fit};
use super::hosts::{Hosts, Turns, shown};
use super::messages::Body;
use crate::clock::Clock;
use crate::id::{AppId, TenantId};

/// The longest answer that is read: more than any session's data, and more than the handles of 100,000 sessions.
const LONGEST: usize = 8 * 1024 * 1024;
/// The longest text of a refusal that is read.
const LONGEST_REFUSAL: usize = 4 * 1024;

const API_KEY: HeaderName = HeaderName::from_static("api-key");
const VERSION: HeaderName = HeaderName::from_static("cdi-version");

/// What an operation does to what is stored, and so whether it may be asked for again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing.
    Reads,
    /// The second time the same as the first.
    WritesOnce,
    /// Something else each time, or with another answer.
    Writes,
}

/// Something that servers can be asked for.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) method: Method,
    pub(super) path: &'static str,
    pub(super) effect: Effect,
    /// How errors name it.
    pub(super) name: &'static str,
    /// Whether it is for everybody, and the API key stays here.
    pub(super) is_public: bool,
}

/// A request.
#[derive(Default)]
pub(super) struct Ask<'a> {
    pub(super) version: Option<&'static str>,
    pub(super) tenant: Option<&'a TenantId>,
    pub(super) query: &'a [(&'static str, &'a str)],
    pub(super) body: Option<Body<'a>>,
}

/// An answer with status 200.
pub(super) struct Answer {
    name: &'static str,
    host: Box<str>,
    writes: bool,
    pub(super) headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    /// Reads it as JSON.
    pub(super) fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T, RemoteError> {
        // The reason may quote what is written there.
        serde_json::from_slice(&self.body).map_err(|why| {
            let (line, column) = (why.line(), why.column());
            self.nonsense(format!("unexpected JSON at line {line}, column {column}"))
        })
    }

    pub(super) fn nonsense(&self, what: impl Into<std::borrow::Cow<'static, str>>) -> RemoteError {
        RemoteError::new(self.name, &self.host, Fault::Nonsense(what.into()))
            .with_outcome_unknown_if(self.writes)
    }

    pub(super) fn no_version(&self, theirs: &str) -> RemoteError {
        RemoteError::new(self.name, &self.host, Fault::NoVersion(theirs.into()))
    }
}

/// What requests go through.
pub(super) struct Link {
    pub(super) client: Client,
    pub(super) hosts: Hosts,
    pub(super) turns: Turns,
    pub(super) app: AppId,
    /// Marked as sensitive, so that nobody shows it.
    pub(super) api_key: Option<HeaderValue>,
    pub(super) timeout: Duration,
    pub(super) clock: Arc<dyn Clock>,
}

impl Link {
    /// Asks the hosts in turn until one answers: each once, and one that is alone twice if its connection broke. The next is
    /// asked only where the one before surely did nothing, or where doing it again is the same.
    pub(super) async fn send(
        &self,
        operation: &Operation,
        ask: Ask<'_>,
    ) -> Result<Answer, RemoteError> {
        let body = ask.body.as_ref().map(serde_json::to_vec).transpose();
        let body = body.map_err(|_| {
            let what = "what is to be sent cannot be written as JSON";
            RemoteError::new(operation.name, "", Fault::Unspeakable(what))
        })?;
        let repeats = operation.effect != Effect::Writes;
        let mut order = self.turns.order(self.clock.now());
        let alone = order.len() == 1;
        if alone {
            order.extend_from_within(..);
        }
        let mut open = false;
        let mut last = None;
        for at in order {
            let Some(url) = self.hosts.urls().get(at) else {
                continue;
            };
            let error = match self.send_to(url, operation, &ask, body.as_deref()).await {
                Ok(answer) => {
                    self.turns.worked(at);
                    return Ok(answer);
                }
                Err(error) => error,
            };
            open |= operation.effect != Effect::Reads && error.leaves_open();
            let error = error.with_outcome_unknown_if(open);
            if !error.is_transient() {
                return Err(error);
            }
            self.turns.failed(at, self.clock.now());
            let goes_on = if alone {
                repeats && error.is_lost()
            } else {
                repeats || error.is_surely_undone()
            };
            if !goes_on {
                return Err(error);
            }
            tracing::warn!(error = error.chain(), "a server did not answer");
            last = Some(error);
        }
        Err(last.unwrap_or_else(|| RemoteError::new(operation.name, "", Fault::Away)))
    }

    async fn send_to(
        &self,
        host: &Url,
        operation: &Operation,
        ask: &Ask<'_>,
        body: Option<&[u8]>,
    ) -> Result<Answer, RemoteError> {
        let failed = |fault| RemoteError::new(operation.name, shown(host), fault);
        let url = self.address(host, operation, ask);
        let mut request = self.client.request(operation.method.clone(), url);
        request = request.timeout(self.timeout);
        if let Some(version) = ask.version {
            request = request.header(VERSION, version);
        }
        if let Some(key) = self.api_key.as_ref().filter(|_| !operation.is_public) {
            request = request.header(API_KEY, key.clone());
        }
        if let Some(body) = body {
            let json = HeaderValue::from_static("application/json; charset=utf-8");
            request = request.header(CONTENT_TYPE, json).body(body.to_vec());
        }
        let broke = |why: reqwest::Error| {
            let fault = if why.is_connect() {
                Fault::Away
            } else if why.is_timeout() {
                Fault::TimedOut
            } else {
                Fault::Lost
            };
            failed(fault).because(why)
        };
        let response = request.send().await.map_err(broke)?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        if status != 200 {
            let text = read(response, LONGEST_REFUSAL).await.unwrap_or_default();
            let said = text.and_then(|text| fit(&String::from_utf8_lossy(&text)));
            return Err(failed(Fault::Refused { status, said }));
        }
        let body = read(response, LONGEST).await.map_err(broke)?;
        let body = body.ok_or_else(|| failed(Fault::Nonsense("the answer is too long".into())))?;
        Ok(Answer {
            name: operation.name,
            host: shown(host).into(),
            writes: operation.effect != Effect::Reads,
            headers,
            body,
        })
    }

    fn address(&self, host: &Url, operation: &Operation, ask: &Ask<'_>) -> Url {
        let mut path = host.path().trim_end_matches('/').to_owned();
        if self.app != AppId::PUBLIC {
            path.push_str("/appid-");
            path.push_str(self.app.as_str());
        }
        if let Some(tenant) = ask.tenant.filter(|tenant| **tenant != TenantId::PUBLIC) {
            path.push('/');
            path.push_str(tenant.as_str());
        }
        path.push_str(operation.path);
        let mut url = host.clone();
        url.set_path(&path);
        if !ask.query.is_empty() {
            url.query_pairs_mut().extend_pairs(ask.query);
        }
        url
    }
}

/// The whole body; `None` if it is longer than that.
async fn read(mut response: Response, longest: usize) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let announced = response.content_length().unwrap_or(0);
    if usize::try_from(announced).map_or(true, |announced| announced > longest) {
        return Ok(None);
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len().saturating_add(chunk.len()) > longest {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

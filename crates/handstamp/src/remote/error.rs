//! What a server did not do.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::engine::{Error, Failure};
use crate::id::Invalid;

/// A server did not do its part. Says whether a write may have happened all the same. No text of it has a token, an API key or
/// anything of a session in it.
#[derive(Debug, Clone)]
pub(crate) struct RemoteError {
    /// What was asked, and where.
    asked: &'static str,
    host: Box<str>,
    fault: Fault,
    outcome_unknown: bool,
    source: Option<Arc<reqwest::Error>>,
}

#[derive(Debug, Clone)]
pub(super) enum Fault {
    /// No connection: the request surely did not arrive.
    Away,
    /// The connection broke.
    Lost,
    /// No answer in time.
    TimedOut,
    /// An answer that is not the one hoped for, and what it says if that is known to be fit for a log.
    Refused { status: u16, said: Option<Box<str>> },
    /// An answer that no server of ours gives.
    Nonsense(Cow<'static, str>),
    /// No version of the protocol that both know.
    NoVersion(Box<str>),
    /// Nothing that the protocol has words for.
    Unspeakable(&'static str),
}

impl RemoteError {
    pub(super) fn new(asked: &'static str, host: &str, fault: Fault) -> Self {
        Self {
            asked,
            host: host.into(),
            fault,
            outcome_unknown: false,
            source: None,
        }
    }

    pub(super) fn because(self, source: reqwest::Error) -> Self {
        // An address may name a user.
        let source = Some(Arc::new(source.without_url()));
        Self { source, ..self }
    }

    pub(super) fn with_outcome_unknown_if(self, unknown: bool) -> Self {
        Self {
            outcome_unknown: unknown,
            ..self
        }
    }

    /// Whether what was asked for surely was not done, so that another host may be asked.
    pub(super) fn is_surely_undone(&self) -> bool {
        matches!(self.fault, Fault::Away | Fault::Refused { status: 429, .. })
    }

    /// Whether the connection was there and is no more.
    pub(super) fn is_lost(&self) -> bool {
        matches!(self.fault, Fault::Lost)
    }

    /// Whether a write may have been done if this is the answer to it.
    pub(super) fn leaves_open(&self) -> bool {
        match self.fault {
            Fault::Lost | Fault::TimedOut | Fault::Nonsense(_) => true,
            Fault::Refused { status, .. } => status >= 500,
            Fault::Away | Fault::NoVersion(_) | Fault::Unspeakable(_) => false,
        }
    }

    pub(crate) fn is_outcome_unknown(&self) -> bool {
        self.outcome_unknown
    }

    pub(crate) fn is_transient(&self) -> bool {
        match self.fault {
            Fault::Away | Fault::Lost | Fault::TimedOut => true,
            Fault::Refused { status, .. } => status >= 500 || matches!(status, 408 | 429),
            Fault::Nonsense(_) | Fault::NoVersion(_) | Fault::Unspeakable(_) => false,
        }
    }

    pub(crate) fn cause(&self) -> Option<&(dyn StdError + 'static)> {
        let source = self.source.as_deref()?;
        Some(source)
    }

    /// The text, and those of the causes behind it.
    pub(super) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.cause();
        while let Some(why) = cause {
            text.push_str(": ");
            text.push_str(&why.to_string());
            cause = why.source();
        }
        text
    }

    /// The same, as what it says of what was sent, if it does.
    pub(super) fn about_input(self) -> Error {
        match self.fault {
            Fault::Refused {
                status: 400,
                said: Some(said),
            } => about_field(&said).unwrap_or(Error::Failure(
                Self {
                    fault: Fault::Refused {
                        status: 400,
                        said: Some(said),
                    },
                    ..self
                }
                .into(),
            )),
            // The payload is checked before it is sent.
            Fault::Refused { status: 413, .. } => {
                Invalid::new("session data", "must be less: the server takes no more").into()
            }
            _ => Error::Failure(self.into()),
        }
    }
}

/// What the server says of a value that cannot be.
fn about_field(said: &str) -> Option<Error> {
    if said == "The user payload contains protected field" {
        return Some(Error::ProtectedClaim);
    }
    let (field, why) = said
        .strip_prefix("Field name '")?
        .split_once("' is invalid in JSON input")?;
    let field = match field {
        "userDataInDatabase" => "session data",
        "userDataInJWT" => "JWT payload",
        "userId" => "user id",
        _ => return None,
    };
    let why = why
        .strip_prefix(": it ")
        .unwrap_or("must be what the server can store");
    Some(Invalid::new(field, why.to_owned()).into())
}

/// How servers begin the texts of their refusals. No other text is passed on: somebody on the way, or a page for whoever looks
/// for a fault, may say again what was sent.
const KNOWN: &[&str] = &[
    "AppId or tenantId not found",
    "Field name '",
    "Internal Error",
    "Invalid API key",
    "Invalid JSON input - ",
    "Invalid Json Input",
    "Method not supported",
    "Not found",
    "Only public tenantId can call this app specific API",
    "The request's body ",
    "The user payload contains protected field",
    "cdi-version ",
];

/// The text, if it is fit for a log.
pub(super) fn fit(text: &str) -> Option<Box<str>> {
    const LONGEST: usize = 300;
    let text = text.trim();
    let is_fit = text.len() <= LONGEST
        && !text.contains(char::is_control)
        && KNOWN.iter().any(|known| text.starts_with(known));
    is_fit.then(|| text.into())
}

impl fmt::Display for RemoteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { asked, host, .. } = self;
        match &self.fault {
            Fault::Away => write!(f, "no server is there at {host}")?,
            Fault::Lost => write!(
                f,
                "the server at {host} was lost while it was asked {asked}"
            )?,
            Fault::TimedOut => write!(f, "the server at {host} did not answer {asked} in time")?,
            Fault::Refused { status, said } => {
                write!(
                    f,
                    "the server at {host} answered {asked} with status {status}"
                )?;
                if let Some(said) = said {
                    write!(f, ": {said}")?;
                }
            }
            Fault::Nonsense(what) => {
                write!(
                    f,
                    "what is at {host} does not answer {asked} as a server does: {what}"
                )?;
            }
            Fault::NoVersion(theirs) => write!(
                f,
                "the server at {host} speaks versions {theirs} of the core protocol, and none of 4.0 and 5.0 to 5.5"
            )?,
            Fault::Unspeakable(what) => f.write_str(what)?,
        }
        if self.outcome_unknown {
            f.write_str(" (the write may have happened)")?;
        }
        Ok(())
    }
}

impl From<RemoteError> for Failure {
    fn from(error: RemoteError) -> Self {
        Self::remote(error)
    }
}

impl From<RemoteError> for Error {
    fn from(error: RemoteError) -> Self {
        Self::Failure(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_servers_are_known_to_say_is_said_again() {
        assert_eq!(fit("Invalid API key\n").as_deref(), Some("Invalid API key"));
        for text in [
            "",
            "<html>502</html>",
            "api-key: canary",
            "Not found\r\nSet-Cookie: canary",
            &format!("Not found{}", "x".repeat(300)),
        ] {
            assert_eq!(fit(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_said_of_a_field_becomes_what_the_engine_says() {
        let said = "Field name 'userDataInDatabase' is invalid in JSON input: it must be short";
        let error = about_field(said).unwrap();
        assert_eq!(error.to_string(), "session data must be short");
        assert!(about_field("Field name 'x' is invalid in JSON input").is_none());
        let protected = about_field("The user payload contains protected field");
        assert!(matches!(protected, Some(Error::ProtectedClaim)));
    }
}

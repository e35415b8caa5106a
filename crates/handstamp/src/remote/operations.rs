//! What a server can be asked for.

use reqwest::Method;

use super::link::Effect::{Reads, Writes, WritesOnce};
use super::link::{Ask, Effect, Operation};
use super::messages::Body;

const fn operation(
    method: Method,
    path: &'static str,
    effect: Effect,
    name: &'static str,
) -> Operation {
    Operation {
        method,
        path,
        effect,
        name,
        is_public: false,
    }
}

const REMOVE: &str = "/recipe/session/remove";
const DATA: &str = "/recipe/session/data";

pub(super) const CREATE: Operation =
    operation(Method::POST, "/recipe/session", Writes, "for a new session");

/// A use that was told is told, however often.
pub(super) const VERIFY: Operation = operation(
    Method::POST,
    "/recipe/session/verify",
    WritesOnce,
    "about an access token",
);

/// A repeated refresh gets the same tokens, or others that are as good.
pub(super) const REFRESH: Operation = operation(
    Method::POST,
    "/recipe/session/refresh",
    WritesOnce,
    "for a refresh",
);

/// The second time there is nothing left to end, and that is not what its caller is to be told.
pub(super) const REVOKE: Operation = operation(Method::POST, REMOVE, Writes, "to end sessions");

/// Nobody is told what that found.
pub(super) const END_STOLEN: Operation =
    operation(Method::POST, REMOVE, WritesOnce, "to end a session");

pub(super) const HANDLES: Operation = operation(
    Method::GET,
    "/recipe/session/user",
    Reads,
    "for a user's sessions",
);

pub(super) const READ_DATA: Operation = operation(Method::GET, DATA, Reads, "for a session's data");

/// Somebody else may write in between.
pub(super) const WRITE_DATA: Operation =
    operation(Method::PUT, DATA, Writes, "to write a session's data");

/// The same of the payload.
pub(super) const REGENERATE: Operation = operation(
    Method::POST,
    "/recipe/session/regenerate",
    Writes,
    "for an access token with another payload",
);

impl<'a> From<Body<'a>> for Ask<'a> {
    fn from(body: Body<'a>) -> Self {
        Self {
            body: Some(body),
            ..Self::default()
        }
    }
}

//! What PostgreSQL and MySQL are asked for, and how values of ours go to them.

use super::Guarded;
use crate::clock::UnixMillis;
use crate::json::JsonObject;
use crate::token::{Hash2, Nonce};

/// Session data that is to be written.
pub(super) struct NewData {
    pub(super) data: JsonObject,
    pub(super) expected: Option<u64>,
    pub(super) now: UnixMillis,
}

/// A JWT payload that is to be written.
pub(super) struct NewPayload {
    pub(super) payload: JsonObject,
    pub(super) now: UnixMillis,
}

/// A number of ours for a column. What is too large is negative there, which no column holds.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(-1)
}

pub(super) fn bytes(hash: &Hash2) -> &[u8] {
    hash.as_bytes()
}

pub(super) fn nonce(nonce: &Nonce) -> &[u8] {
    nonce.as_bytes()
}

pub(super) fn guarded(done: bool) -> Guarded {
    if done {
        Guarded::Written
    } else {
        Guarded::Lost
    }
}

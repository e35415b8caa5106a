//! What a session is.

use crate::clock::UnixMillis;
use crate::id::{SessionHandle, UserId};
use crate::json::JsonObject;
use crate::rotation::Rotation;

/// A session as stores keep it, but for its session data, which is read and written by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its name.
    pub handle: SessionHandle,
    /// Whose it is.
    pub user_id: UserId,
    /// The JWT payload: set at creation, sent to the client, returned by every verification.
    pub jwt_payload: JsonObject,
    /// When it began.
    pub created_at: UnixMillis,
    /// When it ends unless it is used before; never later than `ends_at`.
    pub expires_at: UnixMillis,
    /// When it ends whatever happens; [`UnixMillis::MAX`] for a session without an absolute end.
    pub ends_at: UnixMillis,
    /// Whether its access tokens are signed by the app's static key; by a dynamic one otherwise.
    pub static_key: bool,
    /// Its refresh tokens.
    pub rotation: Rotation,
}

impl Session {
    /// Whether the session can still be used at `now`.
    #[must_use]
    pub fn is_alive(&self, now: UnixMillis) -> bool {
        now < self.expires_at
    }
}

/// The session data: kept only in the store, overwritten at any time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionData {
    /// The data.
    pub data: JsonObject,
    /// How often it was written, the creation included: 1 for a new session.
    pub version: u64,
    /// When the session ends.
    pub expires_at: UnixMillis,
}

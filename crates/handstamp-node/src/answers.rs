//! What the engine answers, as JavaScript reads it.

use napi_derive::napi;

use crate::engine::Engine;

mod conversions;

/// A session as its client may see it.
#[napi(object, object_from_js = false)]
pub struct Session {
    /// Its name.
    pub handle: String,
    /// Whose it is.
    pub user_id: String,
    /// The JWT payload, as JSON text.
    pub jwt_payload: String,
}

/// A token with its times, in milliseconds.
#[napi(object, object_from_js = false)]
#[expect(
    clippy::struct_field_names,
    reason = "the documented API calls it a token's token"
)]
pub struct Token {
    /// The text.
    pub token: String,
    /// When it ends.
    pub expiry: i64,
    /// When it was made.
    pub created_time: i64,
}

/// All that a client gets at creation and at each refresh.
#[napi(object, object_from_js = false)]
pub struct Tokens {
    /// The session.
    pub session: Session,
    /// The access token.
    pub access_token: Token,
    /// The refresh token.
    pub refresh_token: Token,
    /// Tells a frontend that there is a session, and when it has changed.
    pub id_refresh_token: Token,
    /// What requests must bring along beside their cookies, if anything.
    pub anti_csrf_token: Option<String>,
}

/// Why nothing was done, or nothing is known. Never a statement about the session.
#[napi(object, object_from_js = false)]
pub struct Failed {
    /// `INVALID`: the request cannot be met as it stands. `CLOSED`: the engine is. `UNAVAILABLE`: the same may succeed later.
    /// `FAILED`: it will not by itself.
    pub code: FailureCode,
    /// What was wrong, if the code is `INVALID`: `user id`, `JWT payload`, `session data`, `session handle`.
    pub field: Option<String>,
    /// In words.
    pub message: String,
    /// Whether something may have been written all the same.
    pub outcome_unknown: bool,
}

/// See `Failed`.
#[napi(string_enum = "UPPERCASE")]
pub enum FailureCode {
    /// The request cannot be met as it stands.
    Invalid,
    /// The engine is closed.
    Closed,
    /// The same request may succeed later.
    Unavailable,
    /// Somebody has to mend something first.
    Failed,
}

/// What came of settings.
#[napi(
    discriminant = "status",
    discriminant_case = "UPPER_SNAKE",
    object_from_js = false
)]
pub enum Made {
    /// They can be.
    Ok {
        /// It goes by them.
        engine: Engine,
    },
    /// One of them cannot be.
    Unfit {
        /// Which.
        setting: String,
        /// What it may be: it must be that.
        allowed: String,
    },
}

/// What became of something that either works or does not.
#[napi(
    discriminant = "status",
    discriminant_case = "UPPER_SNAKE",
    object_from_js = false
)]
pub enum Done {
    /// It is done.
    Ok,
    /// It is not.
    Failed {
        /// Why.
        failure: Failed,
    },
}

/// What a creation came to.
#[napi(
    discriminant = "status",
    discriminant_case = "UPPER_SNAKE",
    object_from_js = false
)]
pub enum Creation {
    /// There is a session.
    Ok {
        /// Its tokens.
        tokens: Tokens,
    },
    /// There is none.
    Failed {
        /// Why.
        failure: Failed,
    },
}

/// What an access token is worth.
#[napi(
    discriminant = "status",
    discriminant_case = "UPPER_SNAKE",
    object_from_js = false
)]
pub enum Check {
    /// It is good.
    Ok {
        /// The session.
        session: Session,
        /// Until when it is good; the new one, if there is one.
        expiry: i64,
        /// A token to use from now on instead.
        access_token: Option<Token>,
    },
    /// It is not good (any more); a refresh will tell whether the session is.
    TryRefreshToken {
        /// Why.
        message: String,
    },
    /// The session is gone.
    Unauthorised {
        /// Why.
        message: String,
    },
    /// Nothing is known.
    Failed {
        /// Why.
        failure: Failed,
    },
}

/// What a refresh came to.
#[napi(
    discriminant = "status",
    discriminant_case = "UPPER_SNAKE",
    object_from_js = false
)]
pub enum Refresh {
    /// New tokens, or the same again.
    Ok {
        /// The tokens.
        tokens: Tokens,
    },
    /// No session goes with the token.
    Unauthorised {
        /// Why.
        message: String,
    },
    /// Somebody else holds the session's tokens.
    TokenTheftDetected {
        /// The session.
        handle: String,
        /// Whose it is.
        user_id: String,
    },
    /// Nothing is known; the same token can be presented again.
    Failed {
        /// Why.
        failure: Failed,
    },
}

/// The sessions that were meant.
#[napi(
    discriminant = "status",
    discriminant_case = "UPPER_SNAKE",
    object_from_js = false
)]
pub enum Handles {
    /// These.
    Ok {
        /// Their handles.
        handles: Vec<String>,
    },
    /// Nothing is known.
    Failed {
        /// Why.
        failure: Failed,
    },
}

/// A session's data.
#[napi(
    discriminant = "status",
    discriminant_case = "UPPER_SNAKE",
    object_from_js = false
)]
pub enum Data {
    /// Here they are.
    Ok {
        /// As JSON text.
        data: String,
        /// How often they were written.
        version: i64,
        /// When the session ends unless it is used before.
        expiry: i64,
    },
    /// There is no such session that is alive.
    Missing,
    /// Nothing is known.
    Failed {
        /// Why.
        failure: Failed,
    },
}

/// What became of new session data.
#[napi(
    discriminant = "status",
    discriminant_case = "UPPER_SNAKE",
    object_from_js = false
)]
pub enum Write {
    /// They are stored.
    Ok {
        /// Their version.
        version: i64,
    },
    /// Somebody else wrote since that version was read; nothing was stored.
    Conflict,
    /// There is no such session that is alive.
    Missing,
    /// Nothing is known.
    Failed {
        /// Why.
        failure: Failed,
    },
}

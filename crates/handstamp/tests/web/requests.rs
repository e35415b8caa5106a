//! Requests that bring sessions.

//! Protocol 1.0: the sessions-only core of 2020, as `supertokens-node` 1.0 speaks it. No version header, cookies described in
//! every reply, access tokens V1.

use axum::http::Method;

use super::handlers;
use super::operations::Operations;

mod parts;
mod replies;
mod requests;

use replies::{
    ConfigPath, Created, DataReply, DataWritten, Deleted, Handshake, Mode, RefreshReply,
    UserSessions, VerifyReply,
};
use requests::{CreateSession, DeleteSession, PutData, RefreshSession, VerifySession};

pub(super) fn operations() -> Operations {
    let hello = handlers::hello;
    Operations::default()
        .added(Method::GET, "/hello", hello)
        .added(Method::POST, "/hello", hello)
        .added(Method::PUT, "/hello", hello)
        .added(Method::DELETE, "/hello", hello)
        .added(Method::GET, "/config", handlers::config::<ConfigPath>)
        .added(Method::GET, "/devproductionmode", handlers::mode::<Mode>)
        .added(Method::POST, "/handshake", handlers::handshake::<Handshake>)
        .added(
            Method::POST,
            "/session",
            handlers::create::<CreateSession, Created>,
        )
        .added(
            Method::DELETE,
            "/session",
            handlers::revoke::<DeleteSession, Deleted>,
        )
        .added(
            Method::POST,
            "/session/verify",
            handlers::verify::<VerifySession, VerifyReply>,
        )
        .added(
            Method::POST,
            "/session/refresh",
            handlers::refresh::<RefreshSession, RefreshReply>,
        )
        .added(
            Method::GET,
            "/session/data",
            handlers::read_data::<DataReply>,
        )
        .added(
            Method::PUT,
            "/session/data",
            handlers::write_data::<PutData, DataWritten>,
        )
        .added(
            Method::GET,
            "/session/user",
            handlers::handles_of_user::<UserSessions>,
        )
}

//! Protocol 1.0: the sessions-only core of 2020, as `supertokens-node` 1.0 speaks it. No version header, cookies described in
//! every reply, access tokens V1.

use axum::http::Method;
use handstamp::engine::PublicSigningKey;

use super::handlers::{self, data, keys, service};
use super::operations::Operations;
use super::parts::{Session, Token};

mod parts;
mod replies;
mod requests;

pub(super) use parts::{Issue, KeyInfo, TokenInfo};
pub(super) use replies::{
    ConfigPath, Created, DataReply, Handshake, Mode, RefreshReply, Stolen, UserSessions,
    VerifyReply, Written, try_refresh_text, unauthorised_text, verify_refused_text,
};
use replies::{Deleted, NotYet, RemoveIsDelete};
use requests::DeleteSession;
pub(super) use requests::{CreateSession, PutData, RefreshSession, UserQuery, VerifySession, user};

pub(super) fn operations() -> Operations {
    let hello = service::hello;
    Operations::default()
        .added(Method::GET, "/hello", hello)
        .added(Method::POST, "/hello", hello)
        .added(Method::PUT, "/hello", hello)
        .added(Method::DELETE, "/hello", hello)
        .added(Method::GET, "/config", service::config::<ConfigPath>)
        .added(Method::GET, "/devproductionmode", service::mode::<Mode>)
        .added(
            Method::POST,
            "/handshake",
            keys::handshake_with_body::<Handshake, PublicSigningKey>,
        )
        .added(
            Method::POST,
            "/session",
            handlers::create::<CreateSession, Created<Issue<Session, TokenInfo, Token>>, _>,
        )
        .added(
            Method::DELETE,
            "/session",
            handlers::revoke::<DeleteSession, Deleted>,
        )
        .added(
            Method::POST,
            "/session/verify",
            handlers::verify::<VerifySession, VerifyReply<Session, TokenInfo, KeyInfo, false>, _>,
        )
        .added(
            Method::POST,
            "/session/refresh",
            handlers::refresh::<
                RefreshSession,
                RefreshReply<Issue<Session, TokenInfo, Token>, Stolen>,
            >,
        )
        .added(
            Method::POST,
            "/session/remove",
            service::elsewhere::<RemoveIsDelete>,
        )
        .added(
            Method::POST,
            "/session/regenerate",
            service::elsewhere::<NotYet>,
        )
        .added(Method::GET, "/jwt/data", service::elsewhere::<NotYet>)
        .added(Method::PUT, "/jwt/data", service::elsewhere::<NotYet>)
        .added(Method::GET, "/session/data", data::read_data::<DataReply>)
        .added(
            Method::PUT,
            "/session/data",
            data::write_data::<PutData, Written>,
        )
        .added(
            Method::GET,
            "/session/user",
            handlers::handles_of_user::<UserQuery, UserSessions>,
        )
}

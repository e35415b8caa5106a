//! Since 5.0 what concerns the whole app is asked on the default tenant's path only, and a refresh says by which kind of key.

use axum::http::Method;
use handstamp::TenantId;

use super::Call;
use super::body::Body;
use super::handlers::tenants::{self, Factors};
use super::handlers::{self, FromBody, FromQuery, RefreshAsk, RevokeAsk, UserAsk};
use super::operations::Operations;
use super::reply::Refusal;
use super::v1_0::{RefreshReply, UserSessions};
use super::v2_0::Revoked;
use super::v2_21::Issue;
use super::v3_0;
use super::v4_0::{self, Session, Stolen};

pub(super) fn operations() -> Operations {
    v4_0::operations()
        .changed(
            &Method::POST,
            "/recipe/session/refresh",
            handlers::refresh::<RefreshSession, RefreshReply<Issue<Session>, Stolen>>,
        )
        .changed(
            &Method::GET,
            "/recipe/session/user",
            handlers::handles_of_user::<UserQuery, UserSessions>,
        )
        .changed(
            &Method::POST,
            "/recipe/session/remove",
            handlers::revoke::<RemoveSession, Revoked>,
        )
        .for_public_tenant(&Method::GET, "/apiversion")
        .for_public_tenant(&Method::GET, "/telemetry")
        .for_public_tenant(&Method::POST, "/recipe/jwt")
        .for_public_tenant(&Method::GET, "/recipe/jwt/jwks")
        .for_public_tenant(&Method::GET, "/user/id")
        .added(Method::PUT, "/recipe/multitenancy/app/v2", tenants::put_app)
        .added(
            Method::GET,
            "/recipe/multitenancy/app/list/v2",
            tenants::list_apps::<Factors>,
        )
        .added(
            Method::PUT,
            "/recipe/multitenancy/tenant/v2",
            tenants::put_tenant,
        )
        .added(
            Method::GET,
            "/recipe/multitenancy/tenant/v2",
            tenants::tenant::<Factors>,
        )
        .for_any_tenant(&Method::GET, "/recipe/multitenancy/tenant/v2")
        .added(
            Method::GET,
            "/recipe/multitenancy/tenant/list/v2",
            tenants::list_tenants::<Factors>,
        )
}

/// Who asks for all tenants does so on the default one's path.
fn check(call: &Call, everywhere: bool) -> Result<(), Refusal> {
    if everywhere && call.tenant != TenantId::PUBLIC {
        return Err(Refusal::PublicTenantOnly);
    }
    Ok(())
}

pub(super) struct RefreshSession;

impl FromBody for RefreshSession {
    type Ask = RefreshAsk;

    fn read(body: &Body<'_>, call: &Call) -> Result<RefreshAsk, Refusal> {
        let ask = v4_0::RefreshSession::read(body, call)?;
        body.boolean("useDynamicSigningKey")?;
        Ok(ask)
    }
}

struct UserQuery;

impl FromQuery for UserQuery {
    type Ask = UserAsk;

    fn read(call: &Call) -> Result<UserAsk, Refusal> {
        let ask = v3_0::UserQuery::read(call)?;
        check(call, ask.everywhere)?;
        Ok(ask)
    }
}

struct RemoveSession;

impl FromBody for RemoveSession {
    type Ask = RevokeAsk;

    fn read(body: &Body<'_>, call: &Call) -> Result<RevokeAsk, Refusal> {
        let ask = v4_0::RemoveSession::read(body, call)?;
        if let RevokeAsk::User { everywhere, .. } = ask {
            check(call, everywhere)?;
        }
        Ok(ask)
    }
}

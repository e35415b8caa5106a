//! From a request's path to the app, the tenant and the operation that it names.

use std::collections::BTreeSet;

use handstamp::{AppId, TenantId};

use super::version::LEGACY;

/// First segments that are no tenants: paths began with them before there were any.
const RESERVED: &[&str] = &[
    "apiversion",
    "config",
    "devproductionmode",
    "ee",
    "handshake",
    "hello",
    "jwt",
    "recipe",
    "session",
    "telemetry",
    "user",
    "users",
];

/// Whether a tenant must not have that name.
pub(super) fn is_reserved(tenant: &str) -> bool {
    RESERVED.contains(&tenant)
}

/// What a path names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) app: AppId,
    pub(super) tenant: TenantId,
    /// The operations' path, as their tables have it.
    pub(super) path: &'static str,
    /// Whether it was written like that.
    pub(super) exact: bool,
}

impl Route {
    /// Reads `path` below `base`; `known` are the paths of all operations there are.
    pub(super) fn read(path: &str, base: &str, known: &BTreeSet<&'static str>) -> Option<Self> {
        let rest = path.strip_prefix(base)?;
        let (app, rest) = match rest.get(..7) {
            Some(prefix) if prefix.eq_ignore_ascii_case("/appid-") => {
                let named = rest.get(7..)?;
                let (name, rest) = named.split_at(named.find('/').unwrap_or(named.len()));
                (AppId::parse(&name.to_ascii_lowercase()).ok()?, rest)
            }
            _ => (AppId::PUBLIC, rest),
        };
        let rest = if rest.is_empty() { "/" } else { rest };
        if let Some((path, exact)) = find(rest, known) {
            return Some(Self {
                app,
                tenant: TenantId::PUBLIC,
                path,
                exact,
            });
        }
        let named = rest.strip_prefix('/')?;
        let (name, rest) = named.split_at(named.find('/').unwrap_or(named.len()));
        let name = name.to_ascii_lowercase();
        let tenant = TenantId::parse(&name)
            .ok()
            .filter(|_| !is_reserved(&name))?;
        // What is only a tenant, or nothing known, is a path that nobody has heard of.
        let (path, exact) = find(rest, known).filter(|(path, _)| *path != "/")?;
        Some(Self {
            app,
            tenant,
            path,
            exact,
        })
    }

    /// Whether only the oldest SDKs ask for this.
    pub(super) fn is_legacy(&self) -> bool {
        self.path
            .split('/')
            .nth(1)
            .is_some_and(|first| LEGACY.contains(&first))
    }
}

fn find(path: &str, known: &BTreeSet<&'static str>) -> Option<(&'static str, bool)> {
    if let Some(found) = known.get(path) {
        return Some((found, true));
    }
    let plain = path.to_ascii_lowercase();
    let plain = match plain.strip_suffix('/') {
        Some(plain) if !plain.is_empty() => plain,
        _ => &plain,
    };
    known.get(plain).map(|found| (*found, false))
}

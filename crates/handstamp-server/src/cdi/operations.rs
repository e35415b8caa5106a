//! A table of operations: which path and method leads where. An epoch's table is the one before it, amended; an amendment that
//! does not fit stops the start.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::http::Method;
use axum::response::Response;
use handstamp::TenantId;

use super::Call;
use super::reply::{Refusal, Reply};

type Running = Pin<Box<dyn Future<Output = Response> + Send>>;
type Handler = Arc<dyn Fn(Call) -> Running + Send + Sync>;

/// The operations of one epoch.
#[derive(Default)]
pub(super) struct Operations {
    entries: BTreeMap<&'static str, Vec<Entry>>,
    forgiving: bool,
    tenants: bool,
}

struct Entry {
    method: Method,
    handler: Handler,
    public_only: bool,
    /// Whether it is asked about tenants that there are not, too.
    any_tenant: bool,
}

impl Operations {
    /// The same, and `handler` for `method` on `path`, which must not have one yet.
    pub(super) fn added<H, F>(mut self, method: Method, path: &'static str, handler: H) -> Self
    where
        H: Fn(Call) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Reply, Refusal>> + Send + 'static,
    {
        let entries = self.entries.entry(path).or_default();
        assert!(
            entries.iter().all(|entry| entry.method != method),
            "{method} {path} is there already"
        );
        entries.push(Entry {
            handler: boxed(method.clone(), path, handler),
            method,
            public_only: false,
            any_tenant: false,
        });
        self
    }

    /// The same with another `handler` for `method` on `path`, which must have one.
    pub(super) fn changed<H, F>(mut self, method: &Method, path: &'static str, handler: H) -> Self
    where
        H: Fn(Call) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Reply, Refusal>> + Send + 'static,
    {
        self.entry(method, path, "change").handler = boxed(method.clone(), path, handler);
        self
    }

    /// The same without `method` on `path`, which must be there.
    pub(super) fn removed(mut self, method: &Method, path: &'static str) -> Self {
        self.entry(method, path, "remove");
        if let Some(entries) = self.entries.get_mut(path) {
            entries.retain(|entry| entry.method != *method);
            if entries.is_empty() {
                self.entries.remove(path);
            }
        }
        self
    }

    /// The same with all of path `from`, which must be there, on path `to`, which must not.
    pub(super) fn moved(mut self, from: &'static str, to: &'static str) -> Self {
        let entries = self.entries.remove(from);
        assert!(entries.is_some(), "{from} was not there to move");
        let taken = self.entries.insert(to, entries.unwrap_or_default());
        assert!(taken.is_none(), "{to} is there already");
        self
    }

    /// The same, but `method` on `path`, which must be there, can be called on the default tenant's path only.
    pub(super) fn for_public_tenant(mut self, method: &Method, path: &'static str) -> Self {
        self.entry(method, path, "restrict").public_only = true;
        self
    }

    /// The same, but `method` on `path`, which must be there, can be asked about tenants that there are not, too.
    pub(super) fn for_any_tenant(mut self, method: &Method, path: &'static str) -> Self {
        self.entry(method, path, "open").any_tenant = true;
        self
    }

    /// The same, but paths match whatever their case, and with a slash at their end as well.
    pub(super) fn with_forgiving_paths(self) -> Self {
        Self {
            forgiving: true,
            ..self
        }
    }

    /// The same, but paths can begin with a tenant.
    pub(super) fn with_tenants(self) -> Self {
        Self {
            tenants: true,
            ..self
        }
    }

    fn entry(&mut self, method: &Method, path: &str, to: &str) -> &mut Entry {
        let entries = self.entries.get_mut(path);
        let entry = entries.and_then(|all| all.iter_mut().find(|entry| entry.method == *method));
        assert!(entry.is_some(), "{method} {path} was not there to {to}");
        #[expect(
            clippy::expect_used,
            reason = "asserted just before, with a better text"
        )]
        entry.expect("an entry")
    }

    pub(super) fn paths(&self) -> impl Iterator<Item = &'static str> {
        self.entries.keys().copied()
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.entries.contains_key(path)
    }

    pub(super) fn knows_tenants(&self) -> bool {
        self.tenants
    }

    /// What `method` on `path` is, called on the path of `tenant`. `exact` says whether the path was written as it is here.
    pub(super) fn find(
        &self,
        method: &Method,
        path: &str,
        exact: bool,
        tenant: &TenantId,
    ) -> Result<Found<'_>, Refusal> {
        let entries = self.entries.get(path).ok_or(Refusal::NotFound)?;
        if !exact && !self.forgiving {
            return Err(Refusal::NotFound);
        }
        let entry = entries.iter().find(|entry| entry.method == *method);
        let entry = entry.ok_or(Refusal::MethodNotSupported)?;
        if entry.public_only && *tenant != TenantId::PUBLIC {
            return Err(Refusal::PublicTenantOnly);
        }
        Ok(Found {
            run: &*entry.handler,
            any_tenant: entry.any_tenant,
        })
    }
}

/// An operation.
pub(super) struct Found<'o> {
    pub(super) run: &'o (dyn Fn(Call) -> Running + Send + Sync),
    /// Whether it is asked about tenants that there are not, too.
    pub(super) any_tenant: bool,
}

fn boxed<H, F>(method: Method, path: &'static str, handler: H) -> Handler
where
    H: Fn(Call) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Result<Reply, Refusal>> + Send + 'static,
{
    Arc::new(move |call| {
        let (handler, method) = (handler.clone(), method.clone());
        Box::pin(async move {
            let done = handler(call).await;
            if let Err(refusal) = &done {
                refusal.log(&method, path);
            }
            done.map_or_else(Refusal::into, Reply::into)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn none(_: Call) -> Result<Reply, Refusal> {
        Ok(Reply::Text("none"))
    }

    #[test]
    #[should_panic(expected = "POST /x was not there to change")]
    fn what_is_not_there_cannot_be_changed() {
        drop(Operations::default().changed(&Method::POST, "/x", none));
    }

    #[test]
    #[should_panic(expected = "POST /x is there already")]
    fn what_is_there_cannot_be_added() {
        drop(
            Operations::default()
                .added(Method::POST, "/x", none)
                .added(Method::POST, "/x", none),
        );
    }

    #[test]
    #[should_panic(expected = "GET /x was not there to remove")]
    fn what_is_not_there_cannot_be_removed() {
        drop(
            Operations::default()
                .added(Method::POST, "/x", none)
                .removed(&Method::GET, "/x"),
        );
    }
}

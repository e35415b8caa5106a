//! A table of operations: which path and method leads where. Paths match exactly, so a trailing slash is another path.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::Method;
use axum::response::Response;

use super::Cdi;
use super::body::Input;
use super::reply::{Refusal, Reply};
use crate::chain::Chain;

type Running = Pin<Box<dyn Future<Output = Response> + Send>>;
type Handler = Box<dyn Fn(Arc<Cdi>, Request) -> Running + Send + Sync>;

/// The operations of one epoch.
#[derive(Default)]
pub(super) struct Operations(HashMap<&'static str, Vec<(Method, Handler)>>);

impl Operations {
    /// The same, and `handler` for `method` on `path`, which must not have one yet.
    pub(super) fn added<H, F>(mut self, method: Method, path: &'static str, handler: H) -> Self
    where
        H: Fn(Arc<Cdi>, Input) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<Reply, Refusal>> + Send + 'static,
    {
        let methods = self.0.entry(path).or_default();
        assert!(
            methods.iter().all(|(taken, _)| *taken != method),
            "{method} {path} is there already"
        );
        let named = method.clone();
        let run = move |cdi: Arc<Cdi>, request| -> Running {
            let (handler, method) = (handler.clone(), named.clone());
            Box::pin(async move {
                let done = match Input::read(request, cdi.body_limit).await {
                    Ok(input) => handler(cdi, input).await,
                    Err(refusal) => Err(refusal),
                };
                if let Err(Refusal::Failed(why)) = &done {
                    tracing::error!(%method, path, error = %Chain(&**why), "a request failed");
                }
                done.map_or_else(Refusal::into, Reply::into)
            })
        };
        methods.push((method, Box::new(run)));
        self
    }

    /// Does what `request` asks for.
    pub(super) async fn run(&self, cdi: Arc<Cdi>, request: Request) -> Response {
        let Some(methods) = self.0.get(request.uri().path()) else {
            return Refusal::NotFound.into();
        };
        match methods
            .iter()
            .find(|(method, _)| method == request.method())
        {
            Some((_, handler)) => handler(cdi, request).await,
            None => Refusal::MethodNotSupported.into(),
        }
    }
}

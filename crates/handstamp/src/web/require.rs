//! A tower layer around routes that need a session, whatever their handlers do.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::{Guard, Refusal, Session, Sessions};

/// Lets only those requests through that bring a session which passes all guards. It belongs inside a [`super::SessionLayer`]; with
/// `axum`, add it by `Router::route_layer`.
///
/// ```
/// use handstamp::web::{Claim, RequireLayer};
///
/// const ROLES: Claim<Vec<String>> = Claim::new("st-role");
/// let admins = RequireLayer::session().guard(ROLES.includes("admin".to_owned()));
/// ```
#[derive(Clone, Default)]
pub struct RequireLayer(Vec<Arc<dyn Guard>>);

impl fmt::Debug for RequireLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequireLayer({} guards)", self.0.len())
    }
}

impl RequireLayer {
    /// Asks for a session, whatever it says.
    #[must_use]
    pub fn session() -> Self {
        Self::default()
    }

    /// Asks for more.
    #[must_use]
    pub fn guard(mut self, guard: impl Guard + 'static) -> Self {
        self.0.push(Arc::new(guard));
        self
    }
}

impl<S> Layer<S> for RequireLayer {
    type Service = RequireService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequireService {
            inner,
            guards: self.0.clone(),
        }
    }
}

/// See [`RequireLayer`].
#[derive(Clone)]
pub struct RequireService<S> {
    inner: S,
    guards: Vec<Arc<dyn Guard>>,
}

impl<S> fmt::Debug for RequireService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequireService({} guards)", self.guards.len())
    }
}

impl<S, In, Out> Service<Request<In>> for RequireService<S>
where
    S: Service<Request<In>, Response = Response<Out>> + Clone + Send + 'static,
    S::Future: Send,
    In: Send + 'static,
    Out: From<String> + 'static,
{
    type Response = Response<Out>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<In>) -> Self::Future {
        let sessions = request.extensions().get::<Sessions>().cloned();
        let guards = self.guards.clone();
        // The service that is ready is the one to call; its clone need not be.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        Box::pin(async move {
            match pass(sessions.as_ref(), &guards).await {
                Ok(()) => inner.call(request).await,
                Err(refusal) => Ok(refusal.response()),
            }
        })
    }
}

async fn pass(sessions: Option<&Sessions>, guards: &[Arc<dyn Guard>]) -> Result<(), Refusal> {
    let sessions = sessions.ok_or(Refusal::NoLayer)?;
    let session: Session = sessions.session().await?;
    session.require_all(guards.iter().map(|guard| &**guard))
}

//! A tower layer: what any framework on tower needs to have sessions.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{HeaderValue, Request, Response, StatusCode, header};
use tower_layer::Layer;
use tower_service::Service;

use super::endpoints::Endpoint;
use super::refusal::{Answer, Refusal};
use super::{Sessions, Web};

/// Puts [`Sessions`] into the extensions of each request, answers the refresh and the sign-out, and writes into each response what its
/// handler did to sessions.
///
/// With `axum`, add it by `Router::layer` after all routes that are to have sessions, to the outermost router: one that is nested in
/// another (`Router::nest`) is not told the path that it is nested at, so that the refresh and the sign-out would not be recognised.
#[derive(Debug, Clone)]
pub struct SessionLayer(Web);

impl SessionLayer {
    /// A layer for these sessions.
    #[must_use]
    pub fn new(web: Web) -> Self {
        Self(web)
    }
}

impl<S> Layer<S> for SessionLayer {
    type Service = SessionService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        SessionService {
            inner,
            web: self.0.clone(),
        }
    }
}

/// See [`SessionLayer`].
#[derive(Debug, Clone)]
pub struct SessionService<S> {
    inner: S,
    web: Web,
}

impl<S, In, Out> Service<Request<In>> for SessionService<S>
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

    fn call(&mut self, mut request: Request<In>) -> Self::Future {
        let sessions = self.web.sessions(request.method(), request.headers());
        let endpoint = self.web.endpoint(request.method(), request.uri().path());
        if let Some(endpoint) = endpoint {
            return Box::pin(async move { Ok(respond(endpoint, &sessions).await) });
        }
        request.extensions_mut().insert(sessions.clone());
        // The service that is ready is the one to call; its clone need not be.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        Box::pin(async move {
            let mut response = inner.call(request).await?;
            if let Some(refusal) = response.extensions().get::<Arc<Refusal>>() {
                let statuses = sessions.settings().statuses();
                let status = refusal.kind().map(|kind| statuses.of(kind));
                if let Some(status) = status.and_then(|it| StatusCode::from_u16(it).ok()) {
                    *response.status_mut() = status;
                }
            }
            sessions.take_effects().apply(response.headers_mut());
            Ok(response)
        })
    }
}

async fn respond<Out: From<String>>(endpoint: Endpoint, sessions: &Sessions) -> Response<Out> {
    let answer = endpoint.answer(sessions).await;
    let mut response = answer.into_response();
    sessions.take_effects().apply(response.headers_mut());
    response
}

impl Answer {
    pub(super) fn into_response<Out: From<String>>(self) -> Response<Out> {
        let kept = self.cache_control();
        let Self {
            status,
            body,
            retry_after,
            ..
        } = self;
        let mut response = Response::new(Out::from(body));
        *response.status_mut() =
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/json; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, json);
        if let Some(Ok(kept)) = kept.map(HeaderValue::try_from) {
            headers.insert(header::CACHE_CONTROL, kept);
        }
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

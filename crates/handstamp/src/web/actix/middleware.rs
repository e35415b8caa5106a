//! The middleware, in actix-web's two halves: one that an application has, and one that each of its workers has.

use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::EitherBody;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::{HttpMessage as _, HttpResponse};

use super::{headers, status_code};
use crate::web::refusal::{RefusalKind, Statuses};
use crate::web::response::Effects;
use crate::web::{Sessions, Web};

/// Gives each request its [`Sessions`], answers the refresh and the sign-out, and writes into each response what its handler did to
/// sessions.
///
/// For `App::wrap`: around a scope alone it does not see the refresh and the sign-out, unless their path is below the scope's.
#[derive(Debug, Clone)]
pub struct SessionMiddleware(Web);

impl SessionMiddleware {
    /// A middleware for these sessions. All workers of a server are to have clones of one [`Web`].
    #[must_use]
    pub fn new(web: Web) -> Self {
        Self(web)
    }
}

impl<S, B> Transform<S, ServiceRequest> for SessionMiddleware
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = actix_web::Error;
    type Transform = SessionMiddlewareService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        let web = self.0.clone();
        ready(Ok(SessionMiddlewareService { inner, web }))
    }
}

/// See [`SessionMiddleware`].
#[derive(Debug)]
pub struct SessionMiddlewareService<S> {
    inner: S,
    web: Web,
}

impl<S, B> Service<ServiceRequest> for SessionMiddlewareService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>>>>;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let method = headers::method(request.method());
        let sessions = self
            .web
            .sessions(&method, &headers::of_request(request.headers()));
        if let Some(endpoint) = self.web.endpoint(&method, request.path()) {
            return Box::pin(async move {
                let mut response = endpoint.answer(&sessions).await.into_http_response();
                headers::apply(sessions.take_effects(), response.headers_mut());
                Ok(request.into_response(response).map_into_right_body())
            });
        }
        request.extensions_mut().insert(sessions.clone());
        let response = self.inner.call(request);
        Box::pin(async move {
            let response = response.await;
            let said = Said::by(&sessions);
            match response {
                Ok(mut response) => {
                    said.write(response.response_mut());
                    Ok(response.map_into_left_body())
                }
                // A middleware's, after a handler may have done something. It becomes a response later, perhaps more than once.
                Err(mut error) => {
                    error.add_response_mapper(move |mut response| {
                        said.clone().write(&mut response);
                        response
                    });
                    Err(error)
                }
            }
        })
    }
}

/// What a response is to say of sessions.
#[derive(Clone)]
struct Said {
    effects: Effects,
    statuses: Statuses,
}

impl Said {
    fn by(sessions: &Sessions) -> Self {
        Self {
            effects: sessions.take_effects(),
            statuses: sessions.settings().statuses(),
        }
    }

    fn write<B>(self, response: &mut HttpResponse<B>) {
        let refused = response.extensions().get::<RefusalKind>().copied();
        if let Some(kind) = refused {
            *response.status_mut() = status_code(self.statuses.of(kind));
        }
        headers::apply(self.effects, response.headers_mut());
    }
}

//! Sessions in a web application, from outside: requests in, responses out. The application is one of axum; that of actix-web passes the
//! same cases.

mod app;
mod browser;
mod cookies;
mod failures;
mod refreshes;
mod requests;
mod settings;
mod support;

//! Sessions in a web application, from outside: requests in, responses out.

mod browser;
mod cookies;
mod refreshes;
mod requests;
mod settings;
mod support;

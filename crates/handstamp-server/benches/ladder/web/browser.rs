//! Somebody who has signed in, and what is sent from then on.

use anyhow::{Context, Result, ensure};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, COOKIE, SET_COOKIE};
use hyper::{Request, Response};

use crate::client::{HttpClient, Server};

/// How a request says who sends it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Not at all.
    Nobody,
    Cookie,
    /// `Authorization: Bearer`, with what the cookie holds.
    Bearer,
}

/// The cookies that are sent to any path.
#[derive(Clone)]
pub(super) struct Browser {
    cookies: Vec<String>,
}

impl Browser {
    /// Signs in. With handstamp the session is refreshed once as well, as all of its tokens but the first come of a refresh.
    pub(super) async fn sign_in(server: &Server, refreshes: bool) -> Result<Self> {
        let mut client = HttpClient::connect(server.address).await?;
        let mut response = client.exchange(login()?).await?;
        if refreshes {
            let all = set_cookies(&response, |_| true)?.join("; ");
            let request = Request::post("/auth/session/refresh")
                .header("host", "localhost")
                .header(COOKIE, all)
                .body(Full::default())?;
            response = client.exchange(request).await?;
        }
        ensure!(
            response.status() == 200,
            "no session: {}",
            response.status()
        );
        let cookies = set_cookies(&response, |path| path == "/")?;
        ensure!(cookies.len() == 1, "{} cookies were set", cookies.len());
        Ok(Self { cookies })
    }

    pub(super) fn request(&self, path: &str, way: Way) -> Result<Request<Full<Bytes>>> {
        let request = Request::get(path).header("host", "localhost");
        let request = match way {
            Way::Nobody => request,
            Way::Cookie => request.header(COOKIE, self.cookies.join("; ")),
            Way::Bearer => {
                let cookie = self.cookies.first().context("no cookie")?;
                let (_, token) = cookie.split_once('=').context("no token")?;
                request.header(AUTHORIZATION, format!("Bearer {token}"))
            }
        };
        Ok(request.body(Full::default())?)
    }
}

pub(super) fn login() -> Result<Request<Full<Bytes>>> {
    let request = Request::post("/login").header("host", "localhost");
    Ok(request.body(Full::from("ada"))?)
}

/// The cookies that are set for such a path, as a browser sends them back.
fn set_cookies(response: &Response<Bytes>, is_for: impl Fn(&str) -> bool) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for header in response.headers().get_all(SET_COOKIE) {
        let mut parts = header.to_str()?.split("; ");
        let pair = parts.next().context("an empty cookie")?;
        let path = parts.find_map(|part| part.strip_prefix("Path="));
        if is_for(path.context("a cookie without a path")?) {
            found.push(pair.to_owned());
        }
    }
    Ok(found)
}

//! A client: a browser that keeps cookies as browsers do, or an app that keeps tokens.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests are not seen to be tests"
)]

use cookie::Cookie;
use http::{HeaderMap, Request, StatusCode, header};

use crate::support::World;

/// A response, read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        Some(self.headers.get(name)?.to_str().unwrap())
    }

    /// The `Set-Cookie` headers, as they are.
    pub(crate) fn set_cookies(&self) -> Vec<&str> {
        let all = self.headers.get_all(header::SET_COOKIE).iter();
        all.map(|it| it.to_str().unwrap()).collect()
    }

    /// What `front-token` says.
    pub(crate) fn front_token(&self) -> serde_json::Value {
        use base64::Engine as _;
        let text = self.header("front-token").expect("a front token");
        let json = base64::engine::general_purpose::STANDARD.decode(text);
        serde_json::from_slice(&json.unwrap()).unwrap()
    }
}

/// A browser at one origin. `Max-Age` is taken for for ever, or for the end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Browser {
    /// Name, path, domain and value, the oldest first.
    pub(crate) jar: Vec<(String, String, Option<String>, String)>,
    /// Headers that are sent each time.
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Browser {
    pub(crate) async fn signed_in(world: &World) -> Self {
        let mut browser = Self::default();
        let answer = browser.post(world, "/login/ada").await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        browser
    }

    pub(crate) async fn get(&mut self, world: &World, path: &str) -> Answer {
        self.send(world, "GET", path, "").await
    }

    pub(crate) async fn post(&mut self, world: &World, path: &str) -> Answer {
        self.send(world, "POST", path, "").await
    }

    pub(crate) async fn refresh(&mut self, world: &World) -> Answer {
        self.post(world, "/auth/session/refresh").await
    }

    /// Sends a request and takes what the answer brings.
    pub(crate) async fn send(
        &mut self,
        world: &World,
        method: &str,
        path: &str,
        body: &str,
    ) -> Answer {
        let answer = self.ask(world, method, path, body).await;
        self.take(&answer);
        answer
    }

    /// Sends a request; the answer is lost, or comes later.
    pub(crate) async fn ask(&self, world: &World, method: &str, path: &str, body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let cookies: Vec<_> = self
            .jar
            .iter()
            .filter(|(_, at, ..)| path.starts_with(at.as_str()))
            .map(|(name, _, _, value)| format!("{name}={value}"))
            .collect();
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        let request = request.body(body.to_owned()).unwrap();
        world.send(request).await
    }

    pub(crate) fn take(&mut self, answer: &Answer) {
        for header in answer.set_cookies() {
            let cookie = Cookie::parse(header).unwrap();
            let domain = cookie.domain().map(str::to_owned);
            let place = (cookie.name(), cookie.path().unwrap(), &domain);
            self.jar
                .retain(|(name, path, domain, _)| (name.as_str(), path.as_str(), domain) != place);
            let is_over = cookie
                .max_age()
                .is_some_and(cookie::time::Duration::is_zero);
            if !is_over {
                self.jar.push((
                    cookie.name().to_owned(),
                    cookie.path().unwrap().to_owned(),
                    domain,
                    cookie.value().to_owned(),
                ));
            }
        }
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        let found = self.jar.iter().find(|(known, ..)| known == name)?;
        Some(&found.3)
    }
}

//! The two ways to handstamp: the engine in this process, and a server at the other end of a connection.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use handstamp::engine::{Create, Refresh, Refreshed, Verification, Verify};
use handstamp::storage::DataWrite;
use handstamp::token::access::TokenFormat;
use handstamp::{AppId, Engine, JsonObject, SessionHandle, UserId};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::SendRequest;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};

use crate::meter::Stopwatch;

/// What a client holds of its session.
#[derive(Clone, Default)]
pub(crate) struct Held {
    pub(crate) handle: String,
    access: String,
    refresh: String,
}

/// Somebody who can do the measured operations.
pub(crate) trait Client: Send + 'static {
    fn create(&mut self, user: &str) -> impl Future<Output = Result<Held>> + Send;
    fn verify(&mut self, held: &mut Held) -> impl Future<Output = Result<()>> + Send;
    fn refresh(&mut self, held: &mut Held) -> impl Future<Output = Result<()>> + Send;
    fn read_data(&mut self, held: &Held) -> impl Future<Output = Result<()>> + Send;
    fn write_data(&mut self, held: &Held) -> impl Future<Output = Result<()>> + Send;
    fn revoke(&mut self, held: &Held) -> impl Future<Output = Result<()>> + Send;
}

pub(crate) const PAYLOAD: &str = r#"{"role":"editor","team":"north","plan":7}"#;
pub(crate) const DATA: &str = r#"{"cart":[{"id":17,"count":2}],"seen":"2026-01-01","theme":null}"#;

pub(crate) struct EngineClient(Engine);

impl EngineClient {
    pub(crate) fn new(engine: Engine) -> Self {
        Self(engine)
    }
}

impl Client for EngineClient {
    async fn create(&mut self, user: &str) -> Result<Held> {
        let issued = self
            .0
            .create(Create {
                jwt_payload: JsonObject::parse(PAYLOAD)?,
                session_data: JsonObject::parse(DATA)?,
                anti_csrf: true,
                format: TokenFormat::V1,
                ..Create::new(UserId::parse(user)?)
            })
            .await?;
        Ok(Held {
            handle: issued.session.handle.to_string(),
            access: issued.access.token.expose().to_owned(),
            refresh: issued.refresh.text().expose().to_owned(),
        })
    }

    async fn verify(&mut self, held: &mut Held) -> Result<()> {
        let ask = Verify::new(&held.access);
        let Verification::Valid(valid) = self.0.verify(&ask).await? else {
            anyhow::bail!("not verified");
        };
        if let Some(replacement) = valid.replacement {
            replacement.token.expose().clone_into(&mut held.access);
        }
        Ok(())
    }

    async fn refresh(&mut self, held: &mut Held) -> Result<()> {
        let ask = Refresh {
            anti_csrf: true,
            format: TokenFormat::V1,
            ..Refresh::new(&held.refresh)
        };
        let Refreshed::Renewed(issued) = self.0.refresh(&ask).await? else {
            anyhow::bail!("not refreshed");
        };
        issued.access.token.expose().clone_into(&mut held.access);
        issued.refresh.text().expose().clone_into(&mut held.refresh);
        Ok(())
    }

    async fn read_data(&mut self, held: &Held) -> Result<()> {
        let handle: SessionHandle = held.handle.parse()?;
        ensure!(
            self.0
                .session_data(&AppId::PUBLIC, &handle)
                .await?
                .is_some()
        );
        Ok(())
    }

    async fn write_data(&mut self, held: &Held) -> Result<()> {
        let handle: SessionHandle = held.handle.parse()?;
        let written = self
            .0
            .write_session_data(&AppId::PUBLIC, &handle, &JsonObject::parse(DATA)?, None)
            .await?;
        ensure!(matches!(written, DataWrite::Written(_)));
        Ok(())
    }

    async fn revoke(&mut self, held: &Held) -> Result<()> {
        let handle: SessionHandle = held.handle.parse()?;
        ensure!(self.0.revoke(&AppId::PUBLIC, &[handle]).await?.len() == 1);
        Ok(())
    }
}

/// One connection, kept alive.
pub(crate) struct HttpClient {
    sender: SendRequest<Full<Bytes>>,
}

impl HttpClient {
    pub(crate) async fn connect(address: SocketAddr) -> Result<Self> {
        let stream = tokio::net::TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { sender })
    }

    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Bytes> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost")
            .header("content-type", "application/json;charset=utf-8")
            .body(Full::new(body.into()))?;
        let response = self.exchange(request).await?;
        ensure!(response.status() == 200, "{path}: {}", response.status());
        Ok(response.into_body())
    }

    /// Sends a request as it is, and reads the whole answer, whatever it says.
    pub(crate) async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>> {
        // The last reply may have been read to its end before the connection noticed.
        self.sender.ready().await?;
        let (head, body) = self.sender.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Response::from_parts(head, body))
    }

    async fn call(&mut self, method: Method, path: &str, body: &Value) -> Result<Value> {
        let reply: Value =
            serde_json::from_slice(&self.send(method, path, serde_json::to_vec(body)?).await?)?;
        ensure!(
            reply.get("status") == Some(&json!("OK")),
            "{path} was refused"
        );
        Ok(reply)
    }
}

/// A text somewhere in a reply.
fn text(reply: &Value, pointer: &str) -> Result<String> {
    Ok(reply
        .pointer(pointer)
        .and_then(Value::as_str)
        .with_context(|| format!("no {pointer}"))?
        .to_owned())
}

impl Client for HttpClient {
    async fn create(&mut self, user: &str) -> Result<Held> {
        let (payload, data): (Value, Value) =
            (serde_json::from_str(PAYLOAD)?, serde_json::from_str(DATA)?);
        let body = json!({"userId": user, "userDataInJWT": payload, "userDataInDatabase": data});
        let reply = self.call(Method::POST, "/session", &body).await?;
        Ok(Held {
            handle: text(&reply, "/session/handle")?,
            access: text(&reply, "/accessToken/token")?,
            refresh: text(&reply, "/refreshToken/token")?,
        })
    }

    async fn verify(&mut self, held: &mut Held) -> Result<()> {
        let body = json!({"accessToken": held.access, "doAntiCsrfCheck": false});
        let reply = self.call(Method::POST, "/session/verify", &body).await?;
        if reply.get("accessToken").is_some() {
            held.access = text(&reply, "/accessToken/token")?;
        }
        Ok(())
    }

    async fn refresh(&mut self, held: &mut Held) -> Result<()> {
        let reply = self
            .call(
                Method::POST,
                "/session/refresh",
                &json!({"refreshToken": held.refresh}),
            )
            .await?;
        held.access = text(&reply, "/accessToken/token")?;
        held.refresh = text(&reply, "/refreshToken/token")?;
        Ok(())
    }

    async fn read_data(&mut self, held: &Held) -> Result<()> {
        let path = format!("/session/data?sessionHandle={}", held.handle);
        let reply = self.send(Method::GET, &path, Vec::new()).await?;
        ensure!(reply.starts_with(br#"{"status":"OK""#));
        Ok(())
    }

    async fn write_data(&mut self, held: &Held) -> Result<()> {
        let data: Value = serde_json::from_str(DATA)?;
        let body = json!({"sessionHandle": held.handle, "userDataInDatabase": data});
        self.call(Method::PUT, "/session/data", &body)
            .await
            .map(drop)
    }

    async fn revoke(&mut self, held: &Held) -> Result<()> {
        let reply = self
            .call(
                Method::DELETE,
                "/session",
                &json!({"sessionHandle": held.handle}),
            )
            .await?;
        ensure!(reply.get("numberOfSessionsRevoked") == Some(&json!(1)));
        Ok(())
    }
}

/// A server process, ended with the value.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    /// From the start of the process to the first answer.
    pub(crate) ready_after: Duration,
}

impl Server {
    pub(crate) async fn start(database: &str) -> Result<Self> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_handstamp"));
        command
            .args([
                "serve",
                "--host",
                "127.0.0.1",
                "--port",
                "0",
                "--database",
                database,
            ])
            .env("LOG_LEVEL", "WARN");
        let started = Stopwatch::start();
        let mut server = Self::of(command)?;
        let hello = HttpClient::connect(server.address)
            .await?
            .send(Method::GET, "/hello", Vec::new())
            .await?;
        server.ready_after = started.elapsed();
        ensure!(hello.starts_with(b"Hello"));
        Ok(server)
    }

    /// Starts a process that prints its address in its first line.
    pub(crate) fn of(mut command: Command) -> Result<Self> {
        let started = Stopwatch::start();
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        let out = child.stdout.take().context("no standard output")?;
        BufReader::new(out).read_line(&mut line)?;
        let address = line
            .split("http://")
            .nth(1)
            .and_then(|rest| rest.split([' ', ';', '\n']).next());
        let address = address
            .with_context(|| format!("not a ready line: {line:?}"))?
            .parse()?;
        Ok(Self {
            child,
            address,
            ready_after: started.elapsed(),
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

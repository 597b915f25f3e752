//! One HTTP/1.1 connection to Restate, kept open.

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Largest answer read, in bytes.
const MAX_ANSWER: usize = 1 << 20;

/// A connection to `host:port`, opened at its first request and again after a failure.
#[derive(Debug)]
pub(super) struct Connection {
    authority: String,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Connection {
    pub(super) fn new(authority: impl Into<String>) -> Self {
        Self { authority: authority.into(), sender: None }
    }

    /// Sends a JSON body, or none where it is empty; gives the body of a 2xx answer.
    pub(super) async fn send(&mut self, method: Method, path: &str, body: Bytes) -> Result<Bytes> {
        let mut sender = match self.sender.take() {
            Some(sender) if !sender.is_closed() => sender,
            _ => self.open().await?,
        };
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.authority.as_str());
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        sender.ready().await.context("connection lost")?;
        let answer = sender.send_request(request.body(Full::new(body))?).await?;
        let status = answer.status();
        let body = match Limited::new(answer.into_body(), MAX_ANSWER).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => bail!("read the answer: {error}"),
        };
        self.sender = Some(sender);
        if !status.is_success() {
            bail!("{}", refusal(path, status, &body));
        }
        Ok(body)
    }

    async fn open(&self) -> Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect(&self.authority)
            .await
            .with_context(|| format!("connect to {}", self.authority))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        // Its errors come back by the sender.
        tokio::spawn(async move { connection.await.ok() });
        Ok(sender)
    }
}

fn refusal(path: &str, status: StatusCode, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(500)]);
    format!("{path}: {status}: {}", text.trim())
}

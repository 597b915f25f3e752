//! The server of a script.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited, StreamBody};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::cache::{Cache, Input};
use super::chance::Rules;
use super::{Fault, LABEL, Prompt, Reply, Script, plan, speak};
use crate::settings::Dialect;

/// Longest question, in bytes.
const LONGEST: usize = 16 * 1024 * 1024;
/// Questions that are remembered.
const REMEMBERED: usize = 10_000;
/// How long the other end is listened to after the last word.
const LINGER: Duration = Duration::from_secs(2);
/// How every connection of HTTP/2 begins.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A running stand-in. Dropping it closes it and all its connections.
pub struct Server {
    address: SocketAddr,
    scheme: &'static str,
    state: Arc<State>,
    task: tokio::task::JoinHandle<()>,
}

/// A question that came, and what it would have cost.
#[derive(Debug, Clone)]
pub struct Asked {
    /// What was asked.
    pub prompt: Prompt,
    /// The status it was answered with.
    pub status: u16,
    /// Tokens in; none for a refusal.
    pub input: u64,
    /// Of these, read from a cache.
    pub cached: u64,
    /// Of these, written to one.
    pub written: u64,
    /// Tokens of the whole answer; none for a refusal.
    pub output: u64,
    /// The header `idempotency-key`.
    pub idempotency: Option<String>,
}

struct State {
    script: Script,
    rules: Rules,
    cache: Mutex<Cache>,
    asked: Mutex<VecDeque<Asked>>,
    connections: AtomicUsize,
    n: AtomicU64,
    /// Questions that waited for others.
    gathered: watch::Sender<u64>,
}

impl Server {
    /// Serves a script on a free port of this machine, without TLS.
    ///
    /// # Errors
    /// No port can be had.
    pub async fn start(script: Script) -> io::Result<Self> {
        Self::on(script, SocketAddr::from(([127, 0, 0, 1], 0)), None).await
    }

    /// Serves a script at an address, with TLS if there is one.
    ///
    /// # Errors
    /// The address cannot be listened on.
    pub async fn on(
        script: Script,
        address: SocketAddr,
        tls: Option<Arc<rustls::ServerConfig>>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let state = Arc::new(State {
            rules: Rules::new(&script),
            script,
            cache: Mutex::default(),
            asked: Mutex::default(),
            connections: AtomicUsize::new(0),
            n: AtomicU64::new(0),
            gathered: watch::Sender::new(0),
        });
        let task = tokio::spawn(state.clone().accept(listener, tls.map(TlsAcceptor::from)));
        Ok(Self { address, scheme, state, task })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL for every dialect.
    pub fn base_url(&self) -> String {
        format!("{}://{}/v1", self.scheme, self.address)
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::Relaxed)
    }

    /// Questions so far.
    pub fn questions(&self) -> u64 {
        self.state.n.load(Ordering::Relaxed)
    }

    /// The last questions, in the order in which they came.
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.state.asked).iter().cloned().collect()
    }

    /// Serves until it fails, which it does not by itself.
    pub async fn run(mut self) {
        let _ = (&mut self.task).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How the server's side of a connection ended.
#[derive(PartialEq, Eq)]
enum End {
    /// All has been said.
    Said,
    /// In the middle of it, as the script says.
    Torn,
}

/// A connection, and its socket once more: it is open until both are closed.
fn twice(stream: TcpStream) -> io::Result<(TcpStream, std::net::TcpStream)> {
    let stream = stream.into_std()?;
    let twin = stream.try_clone()?;
    Ok((TcpStream::from_std(stream)?, twin))
}

/// Reads what the other end still says, until it closes or some time is over. A socket that is closed before that answers
/// it with a reset, at which a client drops answers that it has but has not read (RFC 9112, section 9.6).
async fn hear_out(stream: std::net::TcpStream) {
    let Ok(mut stream) = TcpStream::from_std(stream) else { return };
    let mut piece = [0; 4096];
    let rest = async { while let Ok(1..) = stream.read(&mut piece).await {} };
    let _ = tokio::time::timeout(LINGER, rest).await;
}

impl State {
    async fn accept(self: Arc<Self>, listener: TcpListener, tls: Option<TlsAcceptor>) {
        let mut all = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        self.connections.fetch_add(1, Ordering::Relaxed);
                        all.spawn(self.clone().connection(stream, tls.clone()));
                    }
                    // Files may be scarce; others close some.
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                },
                Some(_) = all.join_next() => {}
            }
        }
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, tls: Option<TlsAcceptor>) {
        let _ = stream.set_nodelay(true);
        let Ok((stream, twin)) = twice(stream) else { return };
        let end = match tls {
            Some(tls) => {
                let Ok(stream) = tls.accept(stream).await else { return };
                let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
                self.serve(stream, is_http2).await
            }
            None => {
                let is_http2 = begins_like_http2(&stream).await;
                self.serve(stream, is_http2).await
            }
        };
        if end == End::Said {
            hear_out(twin).await;
        }
    }

    async fn serve<S>(self: Arc<Self>, stream: S, is_http2: bool) -> End
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (leave, cut) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let service = service_fn({
            let (leave, cut) = (leave.clone(), cut.clone());
            move |request| self.clone().answer(request, leave.clone(), cut.clone())
        });
        let stream = TokioIo::new(stream);
        // One after the other: a connection ends, is told to end, or is torn.
        macro_rules! drive {
            ($connection:expr) => {{
                let connection = $connection;
                tokio::pin!(connection);
                loop {
                    tokio::select! {
                        _ = connection.as_mut() => return End::Said,
                        () = leave.notified() => connection.as_mut().graceful_shutdown(),
                        () = cut.notified() => return End::Torn,
                    }
                }
            }};
        }
        if is_http2 {
            let mut builder = http2::Builder::new(TokioExecutor::new());
            drive!(builder.max_concurrent_streams(100).serve_connection(stream, service))
        }
        drive!(http1::Builder::new().serve_connection(stream, service))
    }

    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        leave: Arc<Notify>,
        cut: Arc<Notify>,
    ) -> Result<Response<StreamBody<plan::Body>>, io::Error> {
        let n = self.n.fetch_add(1, Ordering::Relaxed) + 1;
        let dialect = match request.uri().path().rsplit_once("/v1/").map(|(_, path)| path) {
            Some("chat/completions") => Dialect::Chat,
            Some("responses") => Dialect::Responses,
            Some("messages") => Dialect::Messages,
            _ => {
                return Ok(refusal(
                    Dialect::Chat,
                    n,
                    404,
                    "not_found_error",
                    "there is nothing here",
                ));
            }
        };
        let header = |name: &str| {
            request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let bearer = header("authorization")
            .and_then(|text| text.strip_prefix("Bearer ").map(str::to_owned));
        let shown = match dialect {
            Dialect::Messages => bearer.or_else(|| header("x-api-key")),
            Dialect::Chat | Dialect::Responses => bearer,
        };
        if self.script.key.is_some() && self.script.key != shown {
            return Ok(refusal(
                dialect,
                n,
                401,
                "authentication_error",
                "the key is not the script's",
            ));
        }
        if dialect == Dialect::Messages && header("anthropic-version").is_none() {
            let message = "anthropic-version: header is required";
            return Ok(refusal(dialect, n, 400, "invalid_request_error", message));
        }
        let idempotency = header("idempotency-key");
        let Ok(body) = Limited::new(request.into_body(), LONGEST).collect().await else {
            return Ok(refusal(dialect, n, 413, "request_too_large", "the question is too large"));
        };
        let body = serde_json::from_slice(&body.to_bytes()).map_err(|error| error.to_string());
        let prompt = match body.and_then(|body| Prompt::read(dialect, body)) {
            Ok(prompt) => prompt,
            Err(why) => return Ok(refusal(dialect, n, 400, "invalid_request_error", &why)),
        };
        let computed = self.script.answer.as_ref().and_then(|answer| answer(&prompt));
        let Some((reply, fault)) = computed.or_else(|| self.rules.answer(&prompt)) else {
            let last: String = prompt.last.chars().take(200).collect();
            let message = format!("no rule of the script fits: {last}");
            return Ok(refusal(dialect, n, 400, "invalid_request_error", &message));
        };
        if let Some(count) = fault.gather {
            self.gather(count.max(1)).await;
        }
        tokio::time::sleep(Duration::from_millis(fault.before_ms)).await;
        if fault.drop_connection {
            cut.notify_one();
            return Err(io::Error::other("closed, as the script says"));
        }
        let response = match fault.status {
            Some(status) => {
                self.remember(prompt, status, Input::default(), 0, idempotency);
                refused(dialect, n, status, &fault)
            }
            None => self.stream(prompt, n, &reply, &fault, leave, idempotency).await,
        };
        Ok(with_headers(response, &fault))
    }

    /// Waits until a whole group of so many questions has come.
    async fn gather(&self, count: u64) {
        let mut own = 0;
        self.gathered.send_modify(|all| {
            *all += 1;
            own = *all;
        });
        let whole = own.div_ceil(count) * count;
        let _ = self.gathered.subscribe().wait_for(|all| *all >= whole).await;
    }

    async fn stream(
        &self,
        prompt: Prompt,
        n: u64,
        reply: &Reply,
        fault: &Fault,
        leave: Arc<Notify>,
        idempotency: Option<String>,
    ) -> Response<StreamBody<plan::Body>> {
        let dialect = prompt.dialect;
        let input = lock(&self.cache).count(&prompt, self.script.shortest_cached);
        let unread = input.all.saturating_sub(input.cached);
        let micros = unread.saturating_mul(self.script.micros_per_token);
        tokio::time::sleep(Duration::from_micros(micros)).await;
        let events = speak::events(&speak::About { prompt: &prompt, input, n }, reply);
        let steps = plan::steps(dialect, &events, fault);
        self.remember(prompt, 200, input, speak::output(reply), idempotency);
        let mut response = labelled(dialect, n, plan::body(steps, leave));
        let kind = HeaderValue::from_static("text/event-stream; charset=utf-8");
        response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
        response
    }

    fn remember(
        &self,
        prompt: Prompt,
        status: u16,
        input: Input,
        output: u64,
        idempotency: Option<String>,
    ) {
        let mut asked = lock(&self.asked);
        if asked.len() >= REMEMBERED {
            asked.pop_front();
        }
        let Input { all, cached, written } = input;
        asked.push_back(Asked { prompt, status, input: all, cached, written, output, idempotency });
    }
}

/// Looks at the first bytes without taking them.
async fn begins_like_http2(stream: &TcpStream) -> bool {
    let mut start = [0; PREFACE.len()];
    loop {
        let Ok(count) = stream.peek(&mut start).await else { return false };
        let same = start.iter().zip(PREFACE).take(count).take_while(|(a, b)| a == b).count();
        if count == 0 || same < count || count == PREFACE.len() {
            return count > 0 && same == count;
        }
        // So far it is the same, and the rest is on its way.
        tokio::task::yield_now().await;
    }
}

fn labelled(dialect: Dialect, n: u64, body: plan::Body) -> Response<StreamBody<plan::Body>> {
    let mut response = Response::new(StreamBody::new(body));
    let id = HeaderValue::try_from(format!("req_{n}")).unwrap_or(HeaderValue::from_static("req"));
    let name = if dialect == Dialect::Messages { "request-id" } else { "x-request-id" };
    response.headers_mut().insert(name, id);
    response.headers_mut().insert(LABEL, HeaderValue::from_static("true"));
    response
}

fn whole(dialect: Dialect, n: u64, status: u16, text: String) -> Response<StreamBody<plan::Body>> {
    let steps = VecDeque::from([plan::Step::Send(Bytes::from(text))]);
    let mut response = labelled(dialect, n, plan::body(steps, Arc::new(Notify::new())));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
    response
}

fn refusal(
    dialect: Dialect,
    n: u64,
    status: u16,
    name: &str,
    message: &str,
) -> Response<StreamBody<plan::Body>> {
    whole(dialect, n, status, speak::refusal(dialect, name, message).to_string())
}

/// The refusal that a rule asks for.
fn refused(
    dialect: Dialect,
    n: u64,
    status: u16,
    fault: &Fault,
) -> Response<StreamBody<plan::Body>> {
    let name = fault.error.as_deref().unwrap_or(match status {
        429 => "rate_limit_error",
        529 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    });
    match &fault.body {
        Some(body) => whole(dialect, n, status, body.clone()),
        None => refusal(dialect, n, status, name, "the script refuses"),
    }
}

fn with_headers(
    mut response: Response<StreamBody<plan::Body>>,
    fault: &Fault,
) -> Response<StreamBody<plan::Body>> {
    for (name, value) in &fault.headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

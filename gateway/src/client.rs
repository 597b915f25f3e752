//! Asks a gateway: over the socket of the process that owns a data directory, or over HTTP.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aob_engine::catalogue;
use async_trait::async_trait;
use http::HeaderValue;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::RequestBuilder;
use serde_json::Value;
use tokio::net::UnixStream;

use crate::caller::{TOKEN, USER};
use crate::operation::{About, Operations, Request};
use crate::problem::{Problem, Result, Sent};
use crate::route::{self, Method, Route};
use crate::socket::{self, Way};

/// Most bytes of an answer: a page of events or log lines.
const LONGEST: usize = 512 << 20;
/// How long an answer may take beyond what it waits for itself.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long an idle connection is kept: less than a gateway keeps it.
const IDLE: Duration = Duration::from_secs(4);
/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(10);

/// Letters told of an answer that is no gateway's.
const TOLD: usize = 300;

/// A gateway to ask.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    /// What every address begins with, without a slash at its end.
    base: String,
    /// What people call it.
    name: String,
    /// What is sent with every request.
    proof: Proof,
    tenant: Option<String>,
    _way: Option<Way>,
}

/// How the caller proves who it is.
#[derive(Clone)]
pub enum Proof {
    /// By the socket, or by being on the same machine; the name: `ada`.
    User(String),
    /// By a token.
    Token(String),
    /// By a token, to a gateway behind somebody who keeps the usual header for itself.
    Relayed(String),
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::User(_) => "User",
            Self::Token(_) => "Token",
            Self::Relayed(_) => "Relayed",
        })
    }
}

impl Client {
    /// Connects to the process that owns a data directory, in the name of a user: `ada`.
    ///
    /// # Errors
    /// An error of the system if nobody listens there, or another user does.
    pub async fn in_folder(dir: &Path, user: &str) -> std::io::Result<Self> {
        let way = Way::to(dir)?;
        let stream = UnixStream::connect(way.path()).await?;
        if !socket::is_ours(&stream)? {
            let message = "the socket is another user's";
            return Err(std::io::Error::new(std::io::ErrorKind::PermissionDenied, message));
        }
        drop(stream);
        let http = reqwest::Client::builder()
            .unix_socket(PathBuf::from(way.path()))
            .connect_timeout(CONNECT)
            .pool_idle_timeout(IDLE)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(std::io::Error::other)?;
        Ok(Self {
            http,
            base: "http://localhost".to_owned(),
            name: dir.display().to_string(),
            proof: Proof::User(user.to_owned()),
            tenant: None,
            _way: Some(way),
        })
    }

    /// Asks a gateway behind a socket that leads on: `base` is what addresses begin with there, `name` what people call
    /// it.
    ///
    /// # Errors
    /// [`catalogue::UNREACHABLE`] if no client can be made.
    pub fn through(
        socket: &Path,
        base: &str,
        name: &str,
        proof: Proof,
        tenant: Option<String>,
    ) -> Result<Self> {
        let http = reqwest::Client::builder()
            .unix_socket(socket.to_owned())
            .connect_timeout(CONNECT)
            .pool_idle_timeout(IDLE)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| Problem::new(&catalogue::UNREACHABLE, name, error.to_string()))?;
        let (base, name) = (base.to_owned(), name.to_owned());
        Ok(Self { http, base, name, proof, tenant, _way: None })
    }

    /// Asks a gateway at an address: `https://aob.example.com`. Certificates in PEM are trusted beside the system's.
    ///
    /// # Errors
    /// [`catalogue::USAGE`] if that is no address, or the certificates cannot be read.
    pub fn at(
        address: &str,
        proof: Proof,
        tenant: Option<String>,
        trusted: Option<&[u8]>,
    ) -> Result<Self> {
        let wrong = |why: String| Problem::new(&catalogue::USAGE, address, why);
        let url = url::Url::parse(address).map_err(|error| wrong(error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(wrong("a gateway's address begins with https:// or http://".to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
            return Err(wrong("a gateway's address has neither a user nor parameters".to_owned()));
        }
        let mut http = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .pool_idle_timeout(IDLE)
            .redirect(reqwest::redirect::Policy::none());
        if is_near(&url) {
            // No proxy leads back to this machine.
            http = http.no_proxy();
        }
        if let Some(pem) = trusted {
            let certificates = reqwest::Certificate::from_pem_bundle(pem)
                .map_err(|error| wrong(format!("the certificates cannot be read: {error}")))?;
            http = http.tls_certs_merge(certificates);
        }
        let http = http.build().map_err(|error| wrong(error.to_string()))?;
        let base = url.as_str().trim_end_matches('/').to_owned();
        Ok(Self { http, name: base.clone(), base, proof, tenant, _way: None })
    }

    /// What answers there.
    ///
    /// # Errors
    /// [`catalogue::PROTOCOL`] if it speaks another version.
    pub async fn about(&self) -> Result<About> {
        let answer = self.call(Request::About {}).await?;
        let api = answer.get("api").and_then(Value::as_u64);
        if api != Some(u64::from(About::API)) {
            let theirs =
                api.map_or_else(|| "another protocol".to_owned(), |api| format!("version {api}"));
            let message =
                format!("{} speaks {theirs}, this program version {}", self.name, About::API);
            return Err(Problem::new(&catalogue::PROTOCOL, &self.name, message));
        }
        serde_json::from_value(answer)
            .map_err(|error| Problem::new(&catalogue::PROTOCOL, &self.name, error.to_string()))
    }

    fn request(&self, request: &Request) -> Result<(RequestBuilder, &'static Route)> {
        let (route, encoded) = route::encode(request)?;
        let url = format!("{}{}", self.base, encoded.target);
        let method = match route.method {
            Method::Get => reqwest::Method::GET,
            Method::Post => reqwest::Method::POST,
            Method::Put => reqwest::Method::PUT,
            Method::Delete => reqwest::Method::DELETE,
        };
        let mut built = self.http.request(method, url);
        let waits = match request {
            Request::Watch { wait_ms, .. } => Duration::from_millis(*wait_ms),
            _ => Duration::ZERO,
        };
        built = built.timeout(PATIENCE + waits);
        if let Some(tenant) = &self.tenant {
            built = built.query(&[(route::TENANT, tenant)]);
        }
        built = match &self.proof {
            Proof::User(user) => built.header(USER, user),
            Proof::Token(token) => built.header(AUTHORIZATION, format!("Bearer {token}")),
            Proof::Relayed(token) => {
                let mut value = HeaderValue::from_str(token).map_err(|_| {
                    Problem::new(
                        &catalogue::USAGE,
                        &self.name,
                        "the token is none that a header takes",
                    )
                })?;
                value.set_sensitive(true);
                built.header(TOKEN, value)
            }
        };
        if let Some(body) = &encoded.body {
            built = built.header(CONTENT_TYPE, "application/json").body(body.to_string());
        }
        Ok((built, route))
    }

    fn gone(&self, error: &reqwest::Error) -> Problem {
        let mut why = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(deeper) = cause {
            why = format!("{why}: {deeper}");
            cause = deeper.source();
        }
        let message = format!("{} does not answer: {why}", self.name);
        Problem::new(&catalogue::UNREACHABLE, &self.name, message)
    }

    /// Somebody on the way has answered in the place of a gateway.
    fn strange(&self, status: reqwest::StatusCode, value: &Value) -> Problem {
        let why = value.get("message").and_then(Value::as_str).unwrap_or_default();
        let why: String = why.chars().take(TOLD).collect();
        let message = format!("what answers for {} says {status}: {why}", self.name);
        let entry = match status.as_u16() {
            401 | 403 => &catalogue::NOT_ALLOWED,
            _ => &catalogue::UNREACHABLE,
        };
        Problem::new(entry, &self.name, message)
    }

    async fn bytes(&self, mut response: reqwest::Response) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.gone(&error))? {
            if bytes.len() + chunk.len() > LONGEST {
                let message = format!("{} answers with more than {LONGEST} bytes", self.name);
                return Err(Problem::new(&catalogue::PROTOCOL, &self.name, message));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes)
    }
}

/// Whether an address is this machine's own.
fn is_near(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

#[async_trait]
impl Operations for Client {
    async fn call(&self, request: Request) -> Result<Value> {
        let (built, route) = self.request(&request)?;
        let response = match built.send().await {
            // A connection that had idled may be closed just when it is used again; looking twice does no harm.
            Err(error)
                if route.method == Method::Get && !error.is_connect() && !error.is_timeout() =>
            {
                self.request(&request)?.0.send().await
            }
            sent => sent,
        };
        let response = response.map_err(|error| self.gone(&error))?;
        let status = response.status();
        let bytes = self.bytes(response).await?;
        let value: Value = serde_json::from_slice(&bytes).map_err(|error| {
            let message = format!("{} does not speak this protocol ({status}): {error}", self.name);
            Problem::new(&catalogue::PROTOCOL, &self.name, message)
        })?;
        if status.is_success() {
            return Ok(value);
        }
        let after = value.get("retryAfterMs").and_then(Value::as_u64).map(Duration::from_millis);
        let findings = value.get("findings").cloned().unwrap_or_default();
        let sent: Vec<Sent> = serde_json::from_value(findings).unwrap_or_default();
        let mut problem = match sent.is_empty() {
            true => self.strange(status, &value),
            false => Problem::from(sent),
        };
        problem.retry_after = after;
        // What is not there is an answer.
        let is_missing = route.missing.is_some() && problem.entry() == route.missing;
        if is_missing { Ok(Value::Null) } else { Err(problem) }
    }
}

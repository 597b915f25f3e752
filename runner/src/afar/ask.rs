//! Requests to the gateway, each with the token as its file has it now.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::header::CONTENT_TYPE;
use reqwest::{Certificate, Client, StatusCode};
use serde_json::Value;

use crate::clock;

/// How long an answer may take, the wait of a claim included.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an idle connection is kept: less than a gateway keeps it.
const IDLE: Duration = Duration::from_secs(4);
/// Most bytes of an answer: a claim's tasks with their inputs.
const LONGEST: usize = 64 << 20;
/// How often the token's file is read again.
const RENEWED: Duration = Duration::from_secs(60);

/// A gateway, and what proves who asks.
pub(super) struct Gateway {
    http: Client,
    base: String,
    file: PathBuf,
    token: Mutex<(Arc<str>, Instant)>,
    /// When it last did what it was asked, in milliseconds since 1970.
    heard: AtomicU64,
}

/// Why a request came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Error {
    /// It will be refused again.
    #[error("refused with {status}: {message}")]
    Refused { status: u16, message: String },
    /// Another time it may go better.
    #[error("{0}")]
    Away(String),
}

impl Gateway {
    pub(super) fn open(
        address: &str,
        trusted: Option<&[u8]>,
        token: &Path,
    ) -> Result<Self, String> {
        let url = url::Url::parse(address).map_err(|error| format!("--gateway: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err("--gateway: an address begins with https:// or http://".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
            return Err("--gateway: an address has neither a user nor parameters".to_owned());
        }
        let mut http = Client::builder()
            .connect_timeout(CONNECT)
            .timeout(PATIENCE)
            .pool_idle_timeout(IDLE)
            // Its own gateway is never behind a proxy that requests of workflows go through.
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none());
        if let Some(pem) = trusted {
            let found = Certificate::from_pem_bundle(pem).map_err(|error| {
                format!("--gateway-ca: the certificates cannot be read: {error}")
            })?;
            http = http.tls_certs_merge(found);
        }
        let text = read(token)?;
        Ok(Self {
            http: http.build().map_err(|error| format!("--gateway: {error}"))?,
            base: url.as_str().trim_end_matches('/').to_owned(),
            file: token.to_owned(),
            token: Mutex::new((text, Instant::now())),
            heard: AtomicU64::new(0),
        })
    }

    /// When the gateway last did what it was asked, in milliseconds since 1970; 0: never.
    pub(super) fn heard(&self) -> u64 {
        self.heard.load(Ordering::Relaxed)
    }

    /// Posts to a path below `/api/v1/work/`, and reads the answer.
    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, Error> {
        // What is sent may hold what a model said: an error says where it went wrong, never what was sent.
        let away = |error: reqwest::Error| Error::Away(chain(&error.without_url()));
        let mut answer = self
            .http
            .post(format!("{}/api/v1/work/{path}", self.base))
            .bearer_auth(self.token())
            .header(CONTENT_TYPE, "application/json")
            .body(body.to_string())
            .send()
            .await
            .map_err(away)?;
        let status = answer.status();
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(away)? {
            if bytes.len() + chunk.len() > LONGEST {
                return Err(Error::Away("the gateway's answer has no end".to_owned()));
            }
            bytes.extend_from_slice(&chunk);
        }
        let value: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        if status.is_success() {
            self.heard.store(clock::now(), Ordering::Relaxed);
            return Ok(value);
        }
        let message = told(&value);
        if status == StatusCode::UNAUTHORIZED {
            // It may just have been renewed.
            self.forget();
        }
        let passes = status.is_server_error()
            || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::UNAUTHORIZED);
        Err(match passes {
            true => Error::Away(format!("{status} {message}")),
            false => Error::Refused { status: status.as_u16(), message },
        })
    }

    fn token(&self) -> Arc<str> {
        let mut kept = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.1.elapsed() >= RENEWED {
            kept.1 = Instant::now();
            match read(&self.file) {
                Ok(text) => kept.0 = text,
                Err(why) => tracing::warn!(why, "the token cannot be read again"),
            }
        }
        kept.0.clone()
    }

    /// Has the token read again before the next request.
    fn forget(&self) {
        let mut kept = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(text) = read(&self.file) {
            *kept = (text, Instant::now());
        }
    }
}

fn read(file: &Path) -> Result<Arc<str>, String> {
    let wrong = |why: &str| format!("--token-file {}: {why}", file.display());
    let text = std::fs::read_to_string(file).map_err(|error| wrong(&error.to_string()))?;
    let text = text.trim();
    match text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.is_empty() {
        true => Ok(text.into()),
        false => Err(wrong("it holds no token")),
    }
}

/// What a problem says, in a line.
fn told(problem: &Value) -> String {
    let text = |name: &str| problem.get(name).and_then(Value::as_str).unwrap_or_default();
    let told = [text("code"), text("title"), text("detail")];
    let said: Vec<&str> = told.into_iter().filter(|part| !part.is_empty()).collect();
    aob_engine::issue::excerpt(&said.join(" ")).to_string()
}

fn chain(error: &reqwest::Error) -> String {
    let mut why = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(deeper) = cause {
        why = format!("{why}: {deeper}");
        cause = deeper.source();
    }
    why
}

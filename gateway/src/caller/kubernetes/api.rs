//! The two calls to an API server, over HTTPS with its own certificates.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aob_engine::catalogue;
use aob_engine::issue::excerpt;
use reqwest::Certificate;
use reqwest::redirect::Policy;
use serde_json::{Value, json};

use super::Settings;
use crate::problem::{Problem, Result};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most bytes of an answer.
const LONGEST: usize = 1 << 20;
/// How often the gateway's own token is read again.
const RENEWED: Duration = Duration::from_secs(60);

/// An API server.
pub(super) struct Api {
    http: reqwest::Client,
    server: String,
    file: PathBuf,
    token: Mutex<(Arc<str>, Instant)>,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Api {
    pub(super) fn open(settings: &Settings) -> Result<Self> {
        let wrong = |about: &PathBuf, why: String| {
            Problem::new(&catalogue::NO_CLUSTER, about.display().to_string(), why)
        };
        let pem = fs::read(&settings.trusted)
            .map_err(|error| wrong(&settings.trusted, error.to_string()))?;
        let trusted = Certificate::from_pem_bundle(&pem)
            .map_err(|error| wrong(&settings.trusted, error.to_string()))?;
        let token = fs::read_to_string(&settings.token)
            .map_err(|error| wrong(&settings.token, error.to_string()))?;
        let http = reqwest::Client::builder()
            .tls_certs_only(trusted)
            .https_only(true)
            .no_proxy()
            .redirect(Policy::none())
            .connect_timeout(PATIENCE)
            .timeout(PATIENCE)
            .build()
            .map_err(|error| wrong(&settings.trusted, error.to_string()))?;
        Ok(Self {
            http,
            server: settings.server.trim_end_matches('/').to_owned(),
            file: settings.token.clone(),
            token: Mutex::new((token.trim().into(), Instant::now())),
        })
    }

    /// Posts an object that is answered and kept nowhere, and gives its status.
    pub(super) async fn review(
        &self,
        path: &str,
        version: &str,
        kind: &str,
        spec: Value,
    ) -> Result<Value> {
        let silent = |why: String| Problem {
            retry_after: Some(Duration::from_secs(1)),
            ..Problem::new(&catalogue::CLUSTER_SILENT, kind.to_owned(), why)
        };
        let body = json!({"apiVersion": version, "kind": kind, "spec": spec});
        // What is sent holds a token: an error says where it went wrong, never what was sent.
        let plain = |error: reqwest::Error| silent(error.without_url().to_string());
        let mut answer = self
            .http
            .post(format!("{}{path}", self.server))
            .bearer_auth(self.token())
            .json(&body)
            .send()
            .await
            .map_err(plain)?;
        let status = answer.status();
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(plain)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > LONGEST {
                return Err(silent("its answer has no end".to_owned()));
            }
        }
        let value: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        if !status.is_success() {
            let message = excerpt(value["message"].as_str().unwrap_or_default());
            return Err(silent(format!("{status} {message}").trim_end().to_owned()));
        }
        match value["status"].is_object() {
            true => Ok(value["status"].clone()),
            false => Err(silent("its answer has no status".to_owned())),
        }
    }

    /// The gateway's own token, as the file has it.
    fn token(&self) -> Arc<str> {
        let mut kept = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.1.elapsed() >= RENEWED {
            kept.1 = Instant::now();
            match fs::read_to_string(&self.file) {
                Ok(text) => kept.0 = text.trim().into(),
                Err(error) => {
                    tracing::warn!(%error, "the gateway's own token cannot be read again")
                }
            }
        }
        kept.0.clone()
    }
}

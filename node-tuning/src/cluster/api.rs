//! The few calls to the cluster's API.

use std::path::Path;
use std::time::Duration;

use reqwest::{Certificate, Client, Method, StatusCode};
use serde_json::{Value, json};

use super::report::{LABEL, Report};
use crate::problem::{Problem, Result};

/// Where a pod finds its token and the cluster's certificate.
const FOLDER: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The longest answer.
const LONGEST: usize = 4 << 20;

/// Access to the API server.
pub(super) struct Api {
    client: Client,
    server: String,
    folder: String,
}

impl Api {
    /// From inside a pod. `AOB_NODE_API` and `AOB_NODE_ACCOUNT` name another server and another folder.
    pub(super) fn within() -> Result<Self> {
        let folder = std::env::var("AOB_NODE_ACCOUNT").unwrap_or_else(|_| FOLDER.to_owned());
        let server = match std::env::var("AOB_NODE_API") {
            Ok(server) => server,
            Err(_) => {
                let part = |name| {
                    std::env::var(name)
                        .map_err(|_| failed(format!("{name} is not set: no pod?"), None))
                };
                let (host, port) =
                    (part("KUBERNETES_SERVICE_HOST")?, part("KUBERNETES_SERVICE_PORT")?);
                let host = if host.contains(':') { format!("[{host}]") } else { host };
                format!("https://{host}:{port}")
            }
        };
        let mut builder = Client::builder()
            .timeout(Duration::from_secs(20))
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none());
        let authority = Path::new(&folder).join("ca.crt");
        if authority.exists() {
            let pem =
                std::fs::read(&authority).map_err(|error| Problem::file(&authority, error))?;
            let bad = |error: reqwest::Error| failed(format!("ca.crt: {error}"), None);
            let certificates = Certificate::from_pem_bundle(&pem).map_err(bad)?;
            builder = builder.tls_certs_only(certificates);
        }
        let client = builder.build().map_err(|error| failed(error.to_string(), None))?;
        Ok(Self { client, server, folder })
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        form: &str,
        body: Option<&Value>,
    ) -> Result<Value> {
        let asked = format!("{method} {path}");
        // The kubelet puts a new token there before the old one ends.
        let token_file = Path::new(&self.folder).join("token");
        let token = std::fs::read_to_string(&token_file)
            .map_err(|error| Problem::file(&token_file, error))?;
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.server))
            .bearer_auth(token.trim())
            .header("accept", if body.is_some() { "application/json" } else { form });
        if let Some(body) = body {
            request = request.header("content-type", form).body(body.to_string());
        }
        let wrong =
            |error: reqwest::Error| failed(format!("{asked}: {}", error.without_url()), None);
        let mut answer = request.send().await.map_err(wrong)?;
        let status = answer.status();
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(wrong)? {
            if bytes.len() + chunk.len() > LONGEST {
                return Err(failed(
                    format!("{asked}: the answer is longer than {LONGEST} bytes"),
                    None,
                ));
            }
            bytes.extend_from_slice(&chunk);
        }
        let value: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        if status.is_success() {
            return Ok(value);
        }
        let why = value["message"].as_str().unwrap_or_default();
        Err(failed(format!("{asked}: {status} {why}"), Some(status.as_u16())))
    }

    /// What the ConfigMap says is to be done: `apply` unless it says otherwise.
    pub(super) async fn mode(&self, namespace: &str, map: &str) -> Result<String> {
        let path = format!("/api/v1/namespaces/{namespace}/configmaps/{map}");
        let map = self.call(Method::GET, &path, "application/json", None).await?;
        Ok(map["data"]["mode"].as_str().unwrap_or("apply").to_owned())
    }

    /// Says in the ConfigMap what is to be done.
    pub(super) async fn set_mode(&self, namespace: &str, map: &str, mode: &str) -> Result<()> {
        let path = format!("/api/v1/namespaces/{namespace}/configmaps/{map}");
        let patch = json!({"data": {"mode": mode}});
        self.call(Method::PATCH, &path, "application/merge-patch+json", Some(&patch))
            .await
            .map(drop)
    }

    /// Says on the Node how it stands; `turned` if it stood otherwise before.
    pub(super) async fn tell(&self, node: &str, report: &Report, turned: bool) -> Result<()> {
        let path = format!("/api/v1/nodes/{node}");
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let condition = report.condition(&now, turned);
        // The label first: it is what brings pods here or keeps them away.
        let metadata = report.metadata();
        self.call(Method::PATCH, &path, "application/merge-patch+json", Some(&metadata)).await?;
        let status = format!("{path}/status");
        self.call(
            Method::PATCH,
            &status,
            "application/strategic-merge-patch+json",
            Some(&condition),
        )
        .await
        .map(drop)
    }

    /// Nodes that say they are tuned, or try to be.
    pub(super) async fn held(&self) -> Result<Vec<String>> {
        let form = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
        let mut held = Vec::new();
        let mut next = String::new();
        loop {
            let path = format!("/api/v1/nodes?limit=500{next}");
            let list = self.call(Method::GET, &path, form, None).await?;
            for node in list["items"].as_array().into_iter().flatten() {
                let metadata = &node["metadata"];
                let annotated = metadata["annotations"].get("aob.dev/tuning").is_some();
                if annotated || metadata["labels"].get(LABEL).is_some() {
                    held.push(metadata["name"].as_str().unwrap_or("?").to_owned());
                }
            }
            match list["metadata"]["continue"].as_str() {
                Some(token) if !token.is_empty() => {
                    next = format!("&continue={}", escape(token));
                }
                _ => return Ok(held),
            }
        }
    }

    /// Whether the DaemonSet is gone, or going: not found, being deleted, or the agent's own rights are gone already.
    /// An API server that does not answer says nothing.
    pub(super) async fn gone(&self, namespace: &str, set: &str) -> bool {
        let path = format!("/apis/apps/v1/namespaces/{namespace}/daemonsets/{set}");
        let gone = [StatusCode::NOT_FOUND, StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN];
        match self.call(Method::GET, &path, "application/json", None).await {
            Ok(set) => set["metadata"].get("deletionTimestamp").is_some(),
            Err(Problem::Cluster { status: Some(status), .. }) => {
                gone.iter().any(|one| one.as_u16() == status)
            }
            Err(_) => false,
        }
    }
}

fn failed(what: String, status: Option<u16>) -> Problem {
    Problem::Cluster { what, status }
}

/// A continue token as part of a query.
fn escape(token: &str) -> String {
    token.bytes().fold(String::new(), |mut text, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            use std::fmt::Write as _;
            let _ = write!(text, "%{byte:02X}");
        }
        text
    })
}

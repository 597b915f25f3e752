//! A gateway with tokens, runners on the server that are told that tenants have their own, and one of those.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use aob_engine::check::Ceiling;
use aob_engine::registry::Registry;
use aob_provider::script::{Script, Server as Model};
use aob_runner::runs::Runs;
use aob_store::testing::RedisServer;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::gateway::Gateway;
use crate::local::{redis, server};
use crate::process::{Process, runner};

/// Tokens of runners of two tenants.
pub(crate) const OURS: &str = "token-of-the-runners-of-default";
pub(crate) const THEIRS: &str = "token-of-the-runners-of-other";
/// What is in the secret `erp/token`.
pub(crate) const SECRET: &str = "hunter2-hunter2";
/// Seconds that a task may go without a sign of life.
const LEASE: &str = "2";

pub(crate) struct Place {
    pub(crate) runs: Arc<Runs>,
    pub(crate) gateway: Gateway,
    pub(crate) near: Process,
    folder: tempfile::TempDir,
    _server: RedisServer,
}

impl Place {
    pub(crate) async fn new() -> Self {
        let (server, folder) = (server(), tempfile::tempdir().unwrap());
        let tokens = folder.path().join("tokens.yaml");
        let one = |name: &str, token: &str, tenant: &str| {
            let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(token));
            json!({"name": name, "sha256": digest, "tenants": [tenant], "roles": ["worker"]})
        };
        let all = [one("service:ours", OURS, "default"), one("service:theirs", THEIRS, "other")];
        std::fs::write(&tokens, json!({"tokens": all}).to_string()).unwrap();
        std::fs::create_dir_all(folder.path().join("secrets/erp")).unwrap();
        std::fs::write(folder.path().join("secrets/erp/token"), SECRET).unwrap();
        let url = server.url();
        let flags = ["--tokens", tokens.to_str().unwrap(), "--tenant-runners", "--lease", LEASE];
        let gateway = Gateway::start(&url, None, &flags);
        let mut command = runner();
        command.args(["--redis", &url, "--coordinate", "--tenant-runners", "--lease", LEASE]);
        command.env_remove("OPENAI_API_KEY");
        let near = Process::spawn(&mut command, &folder.path().join("near.log"));
        let registry = Registry::builtin().with_tenant_runners(true);
        let runs = Runs::new(redis(&server, 4).await, registry, Ceiling::default());
        Self { runs, gateway, near, folder, _server: server }
    }

    /// A runner of the tenant `default`, which may reach this machine.
    pub(crate) fn far(&self, name: &str, more: &[&str]) -> Process {
        self.far_with(name, more, &[])
    }

    /// The same, with more in its environment.
    pub(crate) fn far_with(&self, name: &str, more: &[&str], env: &[(&str, &str)]) -> Process {
        let token = self.folder.path().join("token");
        std::fs::write(&token, format!("{OURS}\n")).unwrap();
        let mut command = runner();
        command.args(["--gateway", &self.gateway.url(), "--allow-private"]);
        command.arg("--token-file").arg(&token).arg("--secrets").arg(self.path("secrets"));
        command.args(more).env("OPENAI_API_KEY", "none").envs(env.iter().copied());
        Process::spawn(&mut command, &self.path(&format!("{name}.log")))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Asks the gateway in the name of a token: status and answer.
    pub(crate) async fn work(&self, token: &str, path: &str, body: Value) -> (u16, Value) {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("{}/api/v1/work/{path}", self.gateway.url());
        let answer = http.post(url).bearer_auth(token).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }
}

/// What stands in for a model, by the script of an example.
pub(crate) async fn model(file: &str) -> Model {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("examples/models");
    let script = std::fs::read_to_string(path.join(file)).unwrap();
    Model::start(Script::parse(&script).unwrap()).await.unwrap()
}

/// A server that answers when it is let, and keeps what it was asked.
pub(crate) struct Host {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<String>>>,
    opened: watch::Sender<bool>,
}

impl Host {
    pub(crate) async fn start(open: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let (asked, (opened, gate)) = (Arc::new(Mutex::new(Vec::new())), watch::channel(open));
        let kept = asked.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, kept.clone(), gate.clone()));
            }
        });
        Self { url, asked, opened }
    }

    /// The heads of all requests so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn open(&self) {
        self.opened.send_replace(true);
    }
}

async fn answer(
    stream: tokio::net::TcpStream,
    asked: Arc<Mutex<Vec<String>>>,
    mut gate: watch::Receiver<bool>,
) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let mut head = String::new();
    while let Ok(Some(line)) = lines.next_line().await {
        if line.is_empty() {
            break;
        }
        head.push_str(&line);
        head.push('\n');
    }
    asked.lock().unwrap().push(head);
    // Whoever asked may be killed meanwhile.
    let mut rest = lines.into_inner();
    let mut byte = [0; 1];
    tokio::select! {
        _ = gate.wait_for(|open| *open) => {}
        _ = rest.read(&mut byte) => return,
    }
    let body = "{\"ok\":true}";
    let text = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let _ = write.write_all(text.as_bytes()).await;
}

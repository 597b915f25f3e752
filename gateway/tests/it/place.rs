//! A gateway in this process, on a store of its own, with everything that moves runs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use aob_engine::check::Ceiling;
use aob_engine::registry::Registry;
use aob_gateway::caller::Door;
use aob_gateway::caller::open::Open;
use aob_gateway::client::{Client, Proof};
use aob_gateway::http::{Limits, Serve, ServeOptions, Server};
use aob_gateway::operation::{About, Asked, Needs, Request, Standing, Started};
use aob_gateway::perform::Performer;
use aob_runner::node::{self, Policy};
use aob_runner::runs::Runs;
use aob_runner::secret::Secrets;
use aob_runner::service::{Service, ServiceOptions};
use aob_store::embedded::{Embedded, Options};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Longest wait for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A folder with a certificate for 127.0.0.1 that signs itself, `cert.pem`, and its `key.pem`.
pub(crate) fn certificate() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let made = std::process::Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-nodes", "-days", "2", "-subj", "/CN=api"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(path("key.pem"))
        .arg("-out")
        .arg(path("cert.pem"))
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    dir
}

/// A gateway and its client.
pub(crate) struct Place {
    server: Option<Server>,
    service: Option<Service>,
    options: ServeOptions,
    pub(crate) runs: Arc<Runs>,
    pub(crate) asked: Asked,
    pub(crate) http: reqwest::Client,
    _dir: TempDir,
}

impl Place {
    pub(crate) async fn new() -> Self {
        Self::with(Arc::new(Open::new("user:ada")), Limits::default()).await
    }

    pub(crate) async fn with(door: Arc<dyn Door>, limits: Limits) -> Self {
        Self::part(Serve::All, door, limits).await
    }

    /// One that serves a part of the API.
    pub(crate) async fn part(serve: Serve, door: Arc<dyn Door>, limits: Limits) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Embedded::open(dir.path(), Options::default()).unwrap();
        let runs = Runs::new(Arc::new(store), Registry::builtin(), Ceiling::default());
        let policy = Arc::new(Policy::allowing(None, None).unwrap());
        let nodes = Arc::new(node::Registry::built_in(&policy));
        let types = nodes.names().map(Arc::from).collect();
        let service = Service::spawn(&ServiceOptions {
            runs: runs.clone(),
            nodes,
            policy,
            secrets: Arc::new(Secrets::none()),
            types,
            coordinate: true,
            lanes: 1,
            slots: 16,
            lease: Duration::from_secs(30),
            sweep: Duration::from_millis(20),
            idle: Duration::from_millis(50),
            drain: Duration::from_secs(1),
        });
        let performer = Performer::new(runs.clone(), About::this(None));
        let options = ServeOptions { serve, performer, door, limits };
        let server = Server::on_address("127.0.0.1:0".parse().unwrap(), None, options.clone());
        let server = server.await.unwrap();
        let url = format!("http://{}", server.address().unwrap());
        let client = Client::at(&url, Proof::User("ada".to_owned()), None, None).unwrap();
        Self {
            server: Some(server),
            service: Some(service),
            runs,
            options,
            asked: Arc::new(client),
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
            _dir: dir,
        }
    }

    /// A further gateway on the same runs.
    pub(crate) async fn also_at(
        &self,
        address: SocketAddr,
    ) -> aob_gateway::problem::Result<Server> {
        Server::on_address(address, None, self.options.clone()).await
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.server.as_ref().unwrap().address().unwrap()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    /// A client with this proof.
    pub(crate) fn client(&self, proof: Proof) -> Asked {
        Arc::new(Client::at(&self.url(""), proof, None, None).unwrap())
    }

    /// Number and body of an answer.
    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        read(self.http.get(self.url(path)).send().await.unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        let request = self.http.post(self.url(path)).header("content-type", "application/json");
        read(request.body(body.to_string()).send().await.unwrap()).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> (u16, Value) {
        let request = self.http.put(self.url(path)).header("content-type", "application/json");
        read(request.body(body.to_string()).send().await.unwrap()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> (u16, Value) {
        read(self.http.delete(self.url(path)).send().await.unwrap()).await
    }

    /// Starts a workflow of these nodes and edges (YAML lists) and waits until nothing but a person can move it.
    pub(crate) async fn run(&self, name: &str, nodes: Value, edges: Value) -> String {
        let started: Started = self
            .asked
            .ask(Request::Start {
                workflow: None,
                inline: Some(workflow(name, nodes, edges)),
                input: None,
                key: None,
                patch_set: None,
            })
            .await
            .unwrap();
        self.settled(&started.run).await;
        started.run
    }

    pub(crate) async fn settled(&self, run: &str) -> Standing {
        let look = async {
            loop {
                let standing: Standing =
                    self.asked.ask(Request::Standing { run: run.to_owned() }).await.unwrap();
                if matches!(standing.needs, Needs::Nothing | Needs::Person | Needs::Resume) {
                    return standing;
                }
                let seq = standing.head.seq;
                let watch = Request::Watch { run: run.to_owned(), seq, wait_ms: 1_000 };
                let _seq: u64 = self.asked.ask(watch).await.unwrap();
            }
        };
        tokio::time::timeout(PATIENCE, look).await.unwrap()
    }

    /// Sends bytes and reads until the other side hangs up.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        let talk = async {
            let mut stream = TcpStream::connect(self.address()).await.unwrap();
            // It may hang up before it has read all.
            drop(stream.write_all(bytes).await);
            let mut answer = Vec::new();
            drop(stream.read_to_end(&mut answer).await);
            String::from_utf8_lossy(&answer).into_owned()
        };
        tokio::time::timeout(PATIENCE, talk).await.unwrap()
    }

    pub(crate) async fn end(mut self) {
        self.server.take().unwrap().end().await;
        self.service.take().unwrap().stop().await;
    }
}

pub(crate) fn workflow(name: &str, nodes: Value, edges: Value) -> Value {
    json!({
        "apiVersion": "aob.dev/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": name},
        "spec": {"nodes": nodes, "edges": edges, "retention": {"succeeded": "1h", "failed": "1h"}},
    })
}

async fn read(response: reqwest::Response) -> (u16, Value) {
    let status = response.status().as_u16();
    let media = response.headers()["content-type"].to_str().unwrap().to_owned();
    let text = response.text().await.unwrap();
    let wanted = if status == 200 { "application/json" } else { "application/problem+json" };
    assert_eq!(media, wanted, "{status} {text}");
    (status, serde_json::from_str(&text).unwrap())
}

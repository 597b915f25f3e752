//! What a real API server says of the corpus: it has nothing but our resource definitions to judge by.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Case, Failure, Verdicts};
use crate::cluster;
use crate::shell::{root, run};

/// How long it may take to begin, on a machine that builds beside.
const PATIENCE: Duration = Duration::from_secs(180);
/// Who asks.
const TOKEN: &str = "corpus";
/// Documents of which it says something else than the schema, and why that is as it should be.
const DIFFERS: [(&str, &str); 8] = [
    ("invalid/graph-duplicate-id-across-scopes.json", "nodes are a map by id for it"),
    ("invalid/graph-duplicate-id.json", "nodes are a map by id for it"),
    ("invalid/shape-label-null.json", "a null is absent for it"),
    ("invalid/shape-labels-null.json", "a null is absent for it"),
    ("invalid/shape-name-long.json", "names of objects are its own; the webhook refuses this one"),
    ("invalid/shape-timeout-null.json", "a null is absent for it"),
    ("invalid/shape-unknown-field-top.json", "an object has a status"),
    ("invalid/shape-within-null.json", "a null is absent for it"),
];

/// Why the server's verdict is another than the schema's.
pub(super) fn differs(name: &str) -> Option<&'static str> {
    DIFFERS.iter().find(|(document, _)| *document == name).map(|(_, why)| *why)
}

/// Starts one, defines our kind, and puts every workflow to it.
pub(super) fn judge(python: &Path, cases: &BTreeMap<String, Case>) -> Result<Verdicts, Failure> {
    let programs = cluster::kubernetes()?;
    let folder = tempfile::Builder::new().prefix("aob-corpus-").tempdir()?;
    let server = Server::start(&programs, folder.path())?;
    let kubectl = programs.join("kubectl").to_string_lossy().into_owned();
    let config = server.config(folder.path())?;
    let manifest = root().join("crds/manifests/workflows.yaml");
    let manifest = manifest.to_string_lossy();
    run(&kubectl, &["--kubeconfig", &config, "create", "-f", &manifest], &[])?;
    let wait = ["wait", "--for=condition=Established", "crd/workflows.aob.dev", "--timeout=120s"];
    run(&kubectl, &[&["--kubeconfig", &config][..], &wait].concat(), &[])?;
    let documents: BTreeMap<&String, Value> =
        cases.iter().filter_map(|(name, case)| Some((name, object(name, case)?))).collect();
    let spaces: BTreeSet<&str> = cases.values().filter_map(|case| space(&case.document)).collect();
    for space in spaces.into_iter().filter(|space| *space != "default") {
        run(&kubectl, &["--kubeconfig", &config, "create", "namespace", space], &[])?;
    }
    let asked = json!({"url": server.url, "token": TOKEN, "documents": documents});
    let mut child = Command::new(python)
        .args(["-c", include_str!("ask.py")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    child.stdin.take().ok_or("no input")?.write_all(asked.to_string().as_bytes())?;
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Err("the API server cannot judge the corpus".into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// A workflow and where it goes. A request to patch is no object: a RunPatch has other fields.
fn object(name: &str, case: &Case) -> Option<Value> {
    if !is_object(name) {
        return None;
    }
    let space = space(&case.document).unwrap_or("default");
    let path = format!("/apis/aob.dev/v1alpha1/namespaces/{space}/workflows");
    Some(json!({"path": path, "object": case.document}))
}

/// Whether a document of the corpus is one that an API server knows.
pub(super) fn is_object(name: &str) -> bool {
    !name.starts_with("patch/") && !name.starts_with("event/")
}

fn space(object: &Value) -> Option<&str> {
    object.pointer("/metadata/namespace").and_then(Value::as_str)
}

/// etcd and an API server, ended with this.
struct Server {
    url: String,
    parts: Vec<Child>,
}

impl Server {
    fn start(programs: &Path, folder: &Path) -> Result<Self, Failure> {
        let free = || TcpListener::bind("127.0.0.1:0")?.local_addr().map(|at| at.port());
        let (store, peer, port) = (free()?, free()?, free()?);
        let file = |name: &str| folder.join(name).to_string_lossy().into_owned();
        run("openssl", &["genrsa", "-out", &file("key"), "2048"], &[])?;
        fs::write(file("tokens"), format!("{TOKEN},corpus,corpus,system:masters\n"))?;
        let (at, peers) = (format!("http://127.0.0.1:{store}"), format!("http://127.0.0.1:{peer}"));
        let mut server = Self { url: format!("https://127.0.0.1:{port}"), parts: Vec::new() };
        server.part(
            programs.join("etcd"),
            &file("etcd.log"),
            &[
                "--name=corpus".to_owned(),
                format!("--data-dir={}", file("etcd")),
                format!("--listen-client-urls={at}"),
                format!("--advertise-client-urls={at}"),
                format!("--listen-peer-urls={peers}"),
                format!("--initial-advertise-peer-urls={peers}"),
                format!("--initial-cluster=corpus={peers}"),
                "--unsafe-no-fsync".to_owned(),
            ],
        )?;
        server.part(
            programs.join("kube-apiserver"),
            &file("api.log"),
            &[
                format!("--etcd-servers={at}"),
                "--bind-address=127.0.0.1".to_owned(),
                format!("--secure-port={port}"),
                format!("--cert-dir={}", file("certificates")),
                format!("--token-auth-file={}", file("tokens")),
                "--authorization-mode=RBAC".to_owned(),
                "--disable-admission-plugins=ServiceAccount".to_owned(),
                "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
                format!("--service-account-key-file={}", file("key")),
                format!("--service-account-signing-key-file={}", file("key")),
                "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
            ],
        )?;
        let kubectl = programs.join("kubectl");
        let config = server.config(folder)?;
        let began = Instant::now();
        let ready = || {
            let asked = Command::new(&kubectl)
                .args(["--kubeconfig", &config, "get", "namespace", "default"])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
            asked.is_ok_and(|status| status.success())
        };
        while !ready() {
            if began.elapsed() > PATIENCE {
                let said = fs::read_to_string(file("api.log")).unwrap_or_default();
                return Err(format!("the API server does not begin: {said}").into());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(server)
    }

    fn part(&mut self, program: PathBuf, log: &str, arguments: &[String]) -> Result<(), Failure> {
        let log = File::create(log)?;
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        self.parts.push(child);
        Ok(())
    }

    /// The file by which kubectl finds it.
    fn config(&self, folder: &Path) -> Result<String, Failure> {
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": self.url, "insecure-skip-tls-verify": true}}],
            "users": [{"name": "c", "user": {"token": TOKEN}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
        });
        let path = folder.join("kubeconfig");
        fs::write(&path, config.to_string())?;
        Ok(path.to_string_lossy().into_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for child in self.parts.iter_mut().rev() {
            // What counts is that it is gone.
            drop(child.kill());
            drop(child.wait());
        }
    }
}

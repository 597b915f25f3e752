//! The agent against a small API server that keeps a Node, a ConfigMap and a DaemonSet. The real one is asked by the
//! cluster's tests.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::command::program;
use crate::tree::{get, mission, put};

const LIMIT: Duration = Duration::from_secs(30);

/// What the server keeps.
struct Cluster {
    mode: String,
    /// Status that the DaemonSet is answered with; 200 if it is there.
    set: u16,
    node: Value,
    told: usize,
}

struct Server {
    address: String,
    cluster: Arc<Mutex<Cluster>>,
}

impl Server {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let node = json!({"metadata": {"name": "n1", "labels": {}, "annotations": {}}, "status": {"conditions": []}});
        let cluster =
            Arc::new(Mutex::new(Cluster { mode: "apply".to_owned(), set: 200, node, told: 0 }));
        let kept = cluster.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = kept.clone();
                std::thread::spawn(move || while answer(&stream, &kept).is_some() {});
            }
        });
        Self { address, cluster }
    }

    fn set(&self, change: impl FnOnce(&mut Cluster)) {
        change(&mut self.cluster.lock().unwrap());
    }

    /// Waits until the Node is so.
    fn until(&self, what: &str, is: impl Fn(&Value) -> bool) {
        let start = Instant::now();
        while !is(&self.cluster.lock().unwrap().node) {
            assert!(start.elapsed() < LIMIT, "never {what}: {}", self.cluster.lock().unwrap().node);
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// One request of a connection; none when it has ended.
fn answer(stream: &TcpStream, cluster: &Mutex<Cluster>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok().filter(|length| *length > 0)?;
    let (mut length, mut authorised) = (0, false);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(number) = line.strip_prefix("content-length:") {
            length = number.trim().parse().unwrap();
        }
        authorised |= line == "authorization: bearer secret-token";
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let mut cluster = cluster.lock().unwrap();
    let mut words = first.split(' ');
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let (status, value) =
        if authorised { respond(&mut cluster, method, path, &body) } else { (401, json!({})) };
    drop(cluster);
    let body = value.to_string();
    write!(
        &mut &*stream,
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .ok()
}

fn respond(cluster: &mut Cluster, method: &str, path: &str, body: &[u8]) -> (u16, Value) {
    let read = || serde_json::from_slice::<Value>(body).unwrap();
    match (method, path) {
        ("GET", "/api/v1/namespaces/tuning/configmaps/map") => {
            (200, json!({"data": {"mode": cluster.mode}}))
        }
        ("PATCH", "/api/v1/namespaces/tuning/configmaps/map") => {
            cluster.mode = read()["data"]["mode"].as_str().unwrap().to_owned();
            (200, json!({}))
        }
        ("GET", "/apis/apps/v1/namespaces/tuning/daemonsets/set") => {
            (cluster.set, json!({"metadata": {}}))
        }
        ("PATCH", "/api/v1/nodes/n1") => {
            merge(&mut cluster.node, &read());
            cluster.told += 1;
            (200, cluster.node.clone())
        }
        ("PATCH", "/api/v1/nodes/n1/status") => {
            cluster.node["status"]["conditions"] = read()["status"]["conditions"].clone();
            (200, cluster.node.clone())
        }
        ("GET", path) if path.starts_with("/api/v1/nodes?") => {
            (200, json!({"metadata": {}, "items": [cluster.node]}))
        }
        _ => (404, json!({"message": format!("no {method} {path}")})),
    }
}

/// A JSON merge patch.
fn merge(value: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *value = patch.clone();
        return;
    };
    for (key, part) in patch {
        if part.is_null() {
            value.as_object_mut().unwrap().remove(key);
        } else {
            merge(value.as_object_mut().unwrap().entry(key).or_insert(json!({})), part);
        }
    }
}

struct Agent(Child);

impl Agent {
    fn start(root: &Path, account: &Path, server: &Server) -> Self {
        std::fs::write(account.join("token"), "secret-token\n").unwrap();
        let child = program()
            .args([
                "agent",
                "--node",
                "n1",
                "--namespace",
                "tuning",
                "--set",
                "set",
                "--map",
                "map",
                "--every",
                "1",
                "--kubernetes",
            ])
            .arg("--root")
            .arg(root)
            .env("AOB_NODE_API", &server.address)
            .env("AOB_NODE_ACCOUNT", account)
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        Self(child)
    }

    /// SIGTERM, and how it ends.
    fn stop(mut self) -> Option<i32> {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.0.wait().unwrap().code()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn label(node: &Value) -> Option<&str> {
    node["metadata"]["labels"]["aob.dev/tuned"].as_str()
}

fn state(node: &Value) -> &str {
    node["metadata"]["annotations"]["aob.dev/tuning"].as_str().unwrap_or("none")
}

const KEY: &str = "proc/sys/fs/inotify/max_user_instances";

#[test]
fn a_node_is_tuned_watched_and_put_back() {
    let (root, account) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    mission(root.path());
    let server = Server::new();
    let agent = Agent::start(root.path(), account.path(), &server);
    server.until("tuned", |node| label(node) == Some("true") && state(node) == "Tuned");
    assert_eq!(get(root.path(), KEY), "8192");
    server.until("a condition", |node| node["status"]["conditions"][0]["status"] == "True");

    // Somebody changes it: the node says so and loses its label; the value is not fought over.
    put(root.path(), KEY, "500");
    server.until("degraded", |node| label(node).is_none() && state(node) == "Degraded");
    let why = server.cluster.lock().unwrap().node["metadata"]["annotations"]["aob.dev/tuning-why"]
        .clone();
    assert_eq!(why, "fs.inotify.max_user_instances is 500, should be 8192");
    assert_eq!(get(root.path(), KEY), "500");
    put(root.path(), KEY, "8192");
    server.until("tuned again", |node| label(node) == Some("true"));

    // Before an uninstall: `release` has every agent put its node back, and waits for it.
    let released = program()
        .args(["release", "--timeout", "30", "--map", "map", "--namespace", "tuning"])
        .env("AOB_NODE_API", &server.address)
        .env("AOB_NODE_ACCOUNT", account.path())
        .output()
        .unwrap();
    assert!(released.status.success(), "{}", String::from_utf8_lossy(&released.stderr));
    assert_eq!(get(root.path(), KEY), "128");
    assert!(label(&server.cluster.lock().unwrap().node).is_none());
    assert_eq!(server.cluster.lock().unwrap().node["metadata"]["annotations"], json!({}));
    assert_eq!(agent.stop(), Some(0));
}

#[test]
fn a_new_version_puts_nothing_back_and_an_uninstall_does() {
    for (set, expected) in [(200, "8192"), (404, "128"), (401, "128"), (503, "8192")] {
        let (root, account) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        mission(root.path());
        let server = Server::new();
        let agent = Agent::start(root.path(), account.path(), &server);
        server.until("tuned", |node| label(node) == Some("true"));
        server.set(|cluster| cluster.set = set);
        assert_eq!(agent.stop(), Some(0));
        assert_eq!(get(root.path(), KEY), expected, "the DaemonSet is answered with {set}");
    }
}

#[test]
fn a_node_that_is_still_held_is_named() {
    let account = tempfile::tempdir().unwrap();
    std::fs::write(account.path().join("token"), "secret-token").unwrap();
    let server = Server::new();
    server.set(|cluster| cluster.node["metadata"]["labels"]["aob.dev/tuned"] = json!("true"));
    let released = program()
        .args(["release", "--timeout", "1", "--map", "map", "--namespace", "tuning"])
        .env("AOB_NODE_API", &server.address)
        .env("AOB_NODE_ACCOUNT", account.path())
        .output()
        .unwrap();
    assert_eq!(released.status.code(), Some(1));
    let said = String::from_utf8_lossy(&released.stderr).into_owned();
    assert!(said.contains("still tuned: n1"), "{said}");
    assert!(!said.contains("secret-token"), "{said}");
}

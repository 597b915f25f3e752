//! The cluster, its tools, and namespaces that end with the test.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Where AOB is installed.
pub(crate) const SYSTEM: &str = "aob-system";
/// Longest wait for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A program that `cargo xtask cluster programs` has built.
pub(crate) fn program(name: &str) -> PathBuf {
    let cache = std::env::var_os("AOB_CACHE").unwrap_or_else(|| "/var/cache/aob".into());
    let path = Path::new(&cache).join(name);
    assert!(path.exists(), "{} is missing: cargo xtask cluster programs", path.display());
    path
}

/// What the cluster keeps.
pub(crate) fn folder() -> PathBuf {
    std::env::var_os("AOB_CLUSTER").map_or_else(|| "/var/lib/aob-cluster".into(), PathBuf::from)
}

pub(crate) fn kubeconfig() -> PathBuf {
    let path = folder().join("kubeconfig");
    assert!(path.exists(), "{} is missing: cargo xtask cluster up", path.display());
    path
}

/// A command of kubectl for the cluster.
pub(crate) fn kubectl(arguments: &[&str]) -> Command {
    let mut command = Command::new(program("kubernetes/kubectl"));
    command.arg("--kubeconfig").arg(kubeconfig()).args(arguments).current_dir(root());
    command
}

/// A command of helm for the cluster.
pub(crate) fn helm(arguments: &[&str]) -> Command {
    let mut command = Command::new(program("helm/helm"));
    command.args(arguments).env("KUBECONFIG", kubeconfig()).current_dir(root());
    command
}

/// `aob`, as it was built for the images, asking a gateway at an address.
pub(crate) fn aob(url: &str, tenant: &str, token: &str, arguments: &[&str]) -> Output {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join("aob")).unwrap();
    let server = serde_json::json!({"server": url, "tenant": tenant});
    let config = serde_json::json!({"current": "test", "contexts": {"test": server}});
    std::fs::write(home.path().join("aob/config.yaml"), config.to_string()).unwrap();
    let mut command = Command::new(crate::inside::built("aob"));
    command.args(arguments).env("XDG_CONFIG_HOME", home.path()).env("AOB_TOKEN", token);
    command.stdin(Stdio::null()).output().unwrap()
}

/// What a command prints; it must succeed.
pub(crate) fn done(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", text(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// What a command says on both of its outputs.
pub(crate) fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Runs a command with something to read.
pub(crate) fn fed(mut command: Command, input: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// The condition of an object.
pub(crate) fn condition(object: &Value, kind: &str) -> Value {
    let mut all = object["status"]["conditions"].as_array().into_iter().flatten();
    all.find(|one| one["type"] == kind).cloned().unwrap_or_default()
}

/// Looks until it is so.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "not within {} s: {what}", PATIENCE.as_secs());
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// A namespace, under the restricted profile.
pub(crate) struct Space {
    pub(crate) name: String,
}

impl Space {
    pub(crate) fn new(word: &str) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("test-{word}-{}-{number}", std::process::id());
        done(kubectl(&["create", "namespace", &name]));
        let restricted = "pod-security.kubernetes.io/enforce=restricted";
        done(kubectl(&["label", "namespace", &name, restricted]));
        Self { name }
    }

    /// kubectl in this namespace.
    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Command {
        let mut all = vec!["--namespace", self.name.as_str()];
        all.extend(arguments);
        kubectl(&all)
    }

    /// Applies documents; they must be taken.
    pub(crate) fn apply(&self, documents: &str) {
        let output = fed(self.kubectl(&["apply", "-f", "-"]), documents);
        assert!(output.status.success(), "{}", text(&output));
    }

    /// An object as it is now.
    pub(crate) fn get(&self, what: &str) -> Value {
        let output = self.kubectl(&["get", what, "-o", "json"]).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }

    /// Waits until a condition has a reason, and answers the object.
    pub(crate) fn reason(&self, what: &str, kind: &str, reason: &str) -> Value {
        let mut last = Value::Null;
        until(&format!("{what}: {kind} because of {reason}"), || {
            last = self.get(what);
            condition(&last, kind)["reason"] == reason
        });
        last
    }

    /// Waits until a run is over.
    pub(crate) fn complete(&self, run: &str) -> Value {
        let run = format!("run/{run}");
        let mut last = Value::Null;
        until(&format!("{run} is over"), || {
            last = self.get(&run);
            condition(&last, "Complete")["status"] == "True"
        });
        last
    }

    /// Reasons of the events about an object.
    pub(crate) fn events(&self, name: &str) -> Vec<String> {
        let all = self.get("events.events.k8s.io");
        let of = |event: &&Value| event["regarding"]["name"] == name;
        let items = all["items"].as_array().into_iter().flatten().filter(of);
        items.map(|event| event["reason"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// A token of a service account, for a gateway.
    pub(crate) fn token(&self, account: &str, audience: &str) -> String {
        let arguments = ["create", "token", account, "--audience", audience];
        done(self.kubectl(&arguments)).trim().to_owned()
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        drop(kubectl(&["delete", "namespace", &self.name, "--wait=false"]).output());
    }
}

/// A way to a service's port, as long as this lives.
pub(crate) struct Forward {
    child: Child,
    pub(crate) url: String,
}

impl Forward {
    pub(crate) fn to(space: &str, service: &str, port: u16) -> Self {
        Self::to_target(space, &format!("service/{service}"), port)
    }

    /// To `pod/NAME` or `service/NAME`. A pod may have done its work before its kubelet has told
    /// that it is ready, and until then kubectl forwards nothing to it.
    pub(crate) fn to_target(space: &str, target: &str, port: u16) -> Self {
        if target.starts_with("pod/") {
            let ready = ["wait", "--for=condition=Ready", target, "--timeout=60s"];
            done(kubectl(&[&["--namespace", space], &ready[..]].concat()));
        }
        let ports = format!(":{port}");
        let mut child = kubectl(&["--namespace", space, "port-forward", target, &ports])
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next().expect("kubectl says which port").unwrap();
        let address = line.trim_start_matches("Forwarding from ").split(' ').next().unwrap();
        let url = format!("http://{address}");
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url }
    }

    /// What a page there says.
    pub(crate) fn get(&self, path: &str) -> String {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let asked = http.get(format!("{}{path}", self.url));
        runtime.block_on(async { asked.send().await.unwrap().text().await.unwrap() })
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The pods of a part of AOB that are ready.
pub(crate) fn pods(space: &str, part: &str) -> Vec<String> {
    let label = format!("app.kubernetes.io/component={part}");
    let listed = done(kubectl(&["-n", space, "get", "pods", "-l", &label, "-o", "json"]));
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let ready = |pod: &&Value| {
        pod["metadata"].get("deletionTimestamp").is_none()
            && pod["status"]["containerStatuses"][0]["ready"] == true
    };
    let items = listed["items"].as_array().unwrap().iter().filter(ready);
    items.map(|pod| pod["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

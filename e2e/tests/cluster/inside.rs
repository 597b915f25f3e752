//! The cluster from within: its network, the files of its node; and its gateway, asked with any token.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::place::folder;

/// A program of this workspace, as it was built last.
pub(crate) fn built(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().and_then(Path::parent).unwrap().join(name);
    assert!(path.exists(), "{} is missing: cargo build --workspace --bins", path.display());
    path
}

/// Posts to an address with a token; status and answer.
pub(crate) fn post(url: &str, token: &str, body: &Value) -> (u16, Value) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    runtime.block_on(async {
        let answer = http.post(url).bearer_auth(token).json(body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    })
}

/// The cluster from within: its network, and the mounts of its node.
pub(crate) struct Inside {
    first: String,
}

impl Inside {
    pub(crate) fn here() -> Self {
        let text = std::fs::read_to_string(folder().join("run/first")).unwrap();
        Self { first: text.split(' ').next().unwrap().to_owned() }
    }

    /// A file of the cluster's folder.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        folder().join(relative)
    }

    /// A command that runs there.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.first, "--mount", "--net", "--pid", "--cgroup", "--"]);
        command.args(words);
        command
    }

    /// A process that shares the network of a pod, and ends with its handle.
    pub(crate) fn spawn_in(&self, pod: &Value, words: &[&str]) -> Spawned {
        let mut command = self.in_pod(pod, words);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::inherit());
        Spawned(command.spawn().unwrap())
    }

    /// A command of this machine that shares the network of a pod.
    pub(crate) fn in_pod(&self, pod: &Value, words: &[&str]) -> Command {
        let uid = pod["metadata"]["uid"].as_str().unwrap();
        let is_of = |process: &PathBuf| {
            let cgroup = std::fs::read_to_string(process.join("cgroup")).unwrap_or_default();
            cgroup.contains(&format!("pod{uid}"))
        };
        let all = std::fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
        let process = all.into_iter().find(is_of).expect("a process of the pod");
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", process.join("ns/net").display())).arg("--").args(words);
        command
    }

    /// The API server, as this machine reaches it.
    pub(crate) fn server(&self) -> String {
        let text = std::fs::read_to_string(self.path("kubeconfig")).unwrap();
        let read: Value = serde_json::from_str(&text).unwrap();
        read["clusters"][0]["cluster"]["server"].as_str().unwrap().to_owned()
    }
}

/// A process that ends with its handle.
pub(crate) struct Spawned(Child);

impl Drop for Spawned {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

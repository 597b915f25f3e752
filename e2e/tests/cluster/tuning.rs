//! The chart of node tuning on the cluster's only node, and a machine that is as it was found when it ends.

use std::fs;

use serde_json::{Value, json};

use crate::inside::{Inside, built};
use crate::place::{Forward, done, helm, kubectl};

/// The node's own name for itself.
pub(crate) const NODE: &str = "aob-node";
/// What is written for the next boot.
pub(crate) const FILE: &str = "/etc/sysctl.d/99-zz-aob.conf";
/// What was found before.
pub(crate) const STATE: &str = "/var/lib/aob/node-tuning";

/// The one setting that reaches all of a machine and is on. The cluster's node shares its kernel with this machine.
const SETTING: &str = "/proc/sys/fs/inotify/max_user_instances";
/// Namespace, DaemonSet and service account.
const NAME: &str = "aob-node-tuning";

/// The setting's value.
pub(crate) fn found() -> String {
    fs::read_to_string(SETTING).unwrap().trim().to_owned()
}

/// Changes it, as somebody would who knows nothing of AOB.
pub(crate) fn set(value: &str) {
    fs::write(SETTING, value).unwrap();
}

/// The Node.
pub(crate) fn node() -> Value {
    serde_json::from_str(&done(kubectl(&["get", "node", NODE, "-o", "json"]))).unwrap()
}

/// The release, as long as this lives.
pub(crate) struct Tuning {
    before: String,
    there: bool,
}

impl Tuning {
    pub(crate) fn install() -> Self {
        let tuning = Self { before: found(), there: true };
        tuning.upgrade("first");
        tuning
    }

    fn upgrade(&self, word: &str) {
        let values = format!(
            "image.repository=aob.local/aob-node,every=1,planes={{runner}},admin=127.0.0.1:9465,podAnnotations.word={word}"
        );
        let chart = ["upgrade", "--install", "tuning", "charts/aob-node-tuning"];
        let flags = ["--namespace", "default", "--wait", "--timeout", "2m", "--set", &values];
        done(helm(&[&chart[..], &flags[..]].concat()));
    }

    /// Another version takes the agent's place, or the place that it left.
    pub(crate) fn is_replaced(&self) {
        let before = self.pod();
        self.upgrade("next");
        let after = self.pod();
        assert!(before.is_none() || before != after, "the same pod");
    }

    /// Somebody deletes the DaemonSet, without a word to helm.
    pub(crate) fn loses_its_set(&self) {
        done(kubectl(&["-n", NAME, "delete", "daemonset", NAME]));
    }

    /// What docs/node-tuning.md says.
    pub(crate) fn uninstall(mut self) {
        let flags = ["--namespace", "default", "--wait", "--timeout", "2m"];
        done(helm(&[&["uninstall", "tuning"], &flags[..]].concat()));
        self.there = false;
    }

    /// The digest of the profiles of this repository.
    pub(crate) fn digest(&self) -> String {
        let mut command = std::process::Command::new(built("aob-node"));
        command.args(["plan", "--kubernetes", "-o", "json"]);
        let plan: Value = serde_json::from_str(&done(command)).unwrap();
        plan["profiles"].as_str().unwrap().to_owned()
    }

    /// Its pod that goes on.
    fn pod(&self) -> Option<String> {
        let list = done(kubectl(&["-n", NAME, "get", "pods", "-o", "json"]));
        let list: Value = serde_json::from_str(&list).unwrap();
        let live = |pod: &&Value| pod["metadata"].get("deletionTimestamp").is_none();
        let pod = list["items"].as_array().unwrap().iter().find(live)?;
        Some(pod["metadata"]["uid"].as_str().unwrap().to_owned())
    }

    /// What the agent's metrics say in this line.
    pub(crate) fn measures(&self, line: &str) {
        let list = done(kubectl(&["-n", NAME, "get", "pods", "-o", "name"]));
        let pod = list.lines().next().expect("the agent's pod");
        let text = Forward::to_target(NAME, pod, 9465).get("/metrics");
        assert!(text.lines().any(|one| one == line), "{line} is missing: {text}");
    }

    /// A token of the account that is no node's changes none; the agent's own changes only what is AOB's.
    pub(crate) fn agent_has_no_rights_to_spare(&self) {
        let any = done(kubectl(&["-n", NAME, "create", "token", NAME]));
        let uid = self.pod().expect("the agent's pod");
        let path = format!("kubelet/pods/{uid}/volumes/kubernetes.io~projected/account/token");
        let inside = Inside::here();
        let own = done(inside.command(&["cat", inside.path(&path).to_str().unwrap()]));
        let label = |name: &str| json!({"metadata": {"labels": {name: "x"}}});
        for (token, patch, refused) in [
            (&any, label("aob.dev/x"), "its own Node only"),
            (&own, label("kubernetes.io/role"), "labels below aob.dev only"),
            (&own, json!({"spec": {"unschedulable": true}}), "no spec"),
        ] {
            let (status, told) = patched(token.trim(), &patch);
            let why = told["message"].as_str().unwrap_or_default();
            assert!(status == 422 && why.contains(refused), "{patch}: {status} {told}");
        }
    }
}

impl Drop for Tuning {
    fn drop(&mut self) {
        if self.there {
            drop(helm(&["uninstall", "tuning", "--namespace", "default", "--wait"]).output());
            drop(kubectl(&["label", "node", NODE, "aob.dev/tuned-"]).output());
        }
        // Whatever was said: the machine is not this test's.
        if found() != self.before {
            set(&self.before);
        }
    }
}

fn patched(token: &str, patch: &Value) -> (u16, Value) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let http = reqwest::Client::builder().no_proxy().tls_danger_accept_invalid_certs(true);
    let http = http.build().unwrap();
    let url = format!("{}/api/v1/nodes/{NODE}", Inside::here().server());
    runtime.block_on(async {
        let asked = http.patch(url).bearer_auth(token);
        let asked = asked.header("content-type", "application/merge-patch+json");
        let answer = asked.body(patch.to_string()).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    })
}

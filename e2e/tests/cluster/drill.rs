//! What one does on a bad day, as docs/backup.md says it: the store is copied, and restored into a new install.

use std::process::Stdio;

use serde_json::json;

use crate::place::{
    SYSTEM, Space, aob, condition, done, fed, helm, kubectl, pods, root, text, until, values,
};
use crate::rights::{Gateway, bind};

/// Where the store is restored: the same cluster, another release.
const DRILL: &str = "aob-drill";

const OBJECTS: &str = "
apiVersion: aob.dev/v1alpha1
kind: Workflow
metadata: {name: asks}
spec:
  nodes:
    - {id: first, type: transform, config: {value: {rows: 3}}}
    - {id: gate, type: approval, config: {title: Go on}}
    - {id: last, type: transform, config: {value: \"${ nodes.first.output.rows }\"}}
  edges:
    - {from: first, to: gate}
    - {from: gate, to: last}
---
apiVersion: aob.dev/v1alpha1
kind: Workflow
metadata: {name: quick}
spec: {nodes: [{id: one, type: transform, config: {value: 7}}]}
---
apiVersion: aob.dev/v1alpha1
kind: Run
metadata: {name: asks-1}
spec: {workflowRef: {name: asks}}
---
apiVersion: aob.dev/v1alpha1
kind: Run
metadata: {name: quick-1}
spec: {workflowRef: {name: quick}}
";

/// Runs of the drill, and who may look at them and answer.
pub(crate) struct Kept {
    pub(crate) space: Space,
    pub(crate) waits: String,
    pub(crate) ended: String,
}

impl Kept {
    pub(crate) fn new() -> Self {
        let space = Space::new("kept");
        done(space.kubectl(&["create", "serviceaccount", "ada"]));
        bind(&space, "aob-author", "ada");
        bind(&space, "aob-approver", "ada");
        space.apply(OBJECTS);
        space.complete("quick-1");
        space.reason("run/asks-1", "Waiting", "TicketsOpen");
        let id = |run: &str| space.get(run)["status"]["id"].as_str().unwrap().to_owned();
        let (waits, ended) = (id("run/asks-1"), id("run/quick-1"));
        Self { space, waits, ended }
    }

    /// What `aob` says by way of a gateway.
    pub(crate) fn ask(&self, gateway: &Gateway, arguments: &[&str]) -> String {
        let token = self.space.token("ada", "aob");
        let output = aob(gateway.url(), &self.space.name, &token, arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// A line of docs/backup.md, for a release, as a shell takes it.
fn shell(script: &str) -> std::process::Command {
    let mut command = std::process::Command::new("sh");
    let programs = crate::place::program("kubernetes/kubectl");
    let path =
        format!("{}:{}", programs.parent().unwrap().display(), std::env::var("PATH").unwrap());
    command.args(["-euc", script]).env("PATH", path).env("KUBECONFIG", crate::place::kubeconfig());
    command.current_dir(root());
    command
}

/// The commands of a page, by the word after `console`.
fn commands(page: &str, which: &str) -> String {
    let text = std::fs::read_to_string(root().join(page)).unwrap();
    let start = format!("```sh {which}\n");
    let (_, rest) =
        text.split_once(&start).unwrap_or_else(|| panic!("{page} has no block {which}"));
    rest.split_once("\n```").unwrap().0.to_owned()
}

#[test]
fn a_copy_of_the_store_is_all_that_a_new_install_needs() {
    let kept = Kept::new();
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("aob.rdb");
    let copy_name = copy.display().to_string();
    let page = |which: &str| commands("docs/backup.md", which);
    done(with(shell(&page("backup")), SYSTEM, "aob", &copy_name));
    assert!(copy.metadata().unwrap().len() > 100);

    let values = values("aob", SYSTEM);
    let labelled = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": DRILL, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
    });
    assert!(fed(kubectl(&["apply", "-f", "-"]), &labelled.to_string()).status.success());
    // One operator acts in a cluster; a new cluster has its own.
    let flags = ["--set", "operator.enabled=false,crds.enabled=false,rbac.roles=false"];
    let install =
        ["install", DRILL, "charts/aob", "--namespace", DRILL, "--wait", "--timeout", "5m"];
    let values = values.path().to_str().unwrap();
    done(helm(&[&install[..], &flags, &["--values", values]].concat()));
    done(with(shell(&page("restore")), DRILL, DRILL, &copy_name));

    until("it is there again", || {
        ["redis", "gateway", "runner"].iter().all(|part| pods(DRILL, part).len() == 1)
    });
    let there = Gateway::of(DRILL, "aob-drill-gateway");
    let here = Gateway::new();
    for run in [&kept.waits, &kept.ended] {
        let told = kept.ask(&there, &["verify", run]);
        println!("{}", told.trim());
        let get = ["get", run, "-o", "json"];
        assert_eq!(kept.ask(&there, &get), kept.ask(&here, &get));
    }
    // What waited goes on there; here it still waits.
    let ticket =
        kept.space.get("run/asks-1")["status"]["tickets"][0]["id"].as_str().unwrap().to_owned();
    kept.ask(&there, &["approve", &ticket, "approve"]);
    until("it has ended there", || {
        kept.ask(&there, &["get", &kept.waits, "-o", "json"]).contains("\"succeeded\"")
    });
    let waits = kept.space.get("run/asks-1");
    assert_eq!(condition(&waits, "Waiting")["status"], "True");
    drop(there);
    done(helm(&["uninstall", DRILL, "--namespace", DRILL, "--wait"]));
    done(kubectl(&["delete", "namespace", DRILL, "--timeout=120s"]));
}

/// With what the page's commands are about.
fn with(
    mut command: std::process::Command,
    space: &str,
    release: &str,
    copy: &str,
) -> std::process::Command {
    command.env("NAMESPACE", space).env("RELEASE", release).env("COPY", copy);
    command.env("SHELL_IMAGE", "aob.local/shell:0.1.0").stdin(Stdio::null());
    command
}

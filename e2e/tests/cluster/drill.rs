//! What one does on a bad day, as docs/backup.md says it: the store is copied, its volume is lost, the copy is restored.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::place::{
    SYSTEM, Space, aob, condition, done, kubeconfig, kubectl, pods, program, root, text, until,
};
use crate::rights::{Gateway, bind};

const WORKFLOWS: &str = "
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
";

/// Runs that wait for a person, and somebody who may look at them and answer.
pub(crate) struct Kept {
    pub(crate) space: Space,
}

impl Kept {
    pub(crate) fn new() -> Self {
        let space = Space::new("kept");
        done(space.kubectl(&["create", "serviceaccount", "ada"]));
        bind(&space, "aob-author", "ada");
        bind(&space, "aob-approver", "ada");
        space.apply(WORKFLOWS);
        space.reason("workflow/asks", "Ready", "Published");
        Self { space }
    }

    /// Begins one, and waits until it asks; its id.
    pub(crate) fn asks(&self, name: &str) -> String {
        self.space.apply(&format!(
            "{{apiVersion: aob.dev/v1alpha1, kind: Run, metadata: {{name: {name}}}, spec: {{workflowRef: {{name: asks}}}}}}"
        ));
        let run = self.space.reason(&format!("run/{name}"), "Waiting", "TicketsOpen");
        run["status"]["id"].as_str().unwrap().to_owned()
    }

    /// Answers it; how it went.
    pub(crate) fn approve(&self, gateway: &Gateway, name: &str) -> Value {
        let run = self.space.reason(&format!("run/{name}"), "Waiting", "TicketsOpen");
        let ticket = run["status"]["tickets"][0]["id"].as_str().unwrap();
        self.ask(gateway, &["approve", ticket, "approve"]);
        self.space.complete(name)
    }

    /// What `aob` says by way of a gateway.
    pub(crate) fn ask(&self, gateway: &Gateway, arguments: &[&str]) -> String {
        let token = self.space.token("ada", "aob");
        let mut output = aob(gateway.url(), &self.space.name, &token, arguments);
        until("the gateway answers", || {
            if !output.status.success() {
                output = aob(gateway.url(), &self.space.name, &token, arguments);
            }
            output.status.success()
        });
        String::from_utf8(output.stdout).unwrap()
    }

    /// How a run stands in the store.
    fn stands(&self, gateway: &Gateway, id: &str) -> Value {
        serde_json::from_str(&self.ask(gateway, &["get", id, "-o", "json"])).unwrap()
    }
}

/// A shell that has kubectl and helm for the cluster, as whoever follows a page has them.
pub(crate) fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    let folder = |name: &str| program(name).parent().unwrap().display().to_string();
    let own = std::env::var("PATH").unwrap();
    let path = format!("{}:{}:{own}", folder("kubernetes/kubectl"), folder("helm/helm"));
    command.args(["-euc", script]).env("PATH", path).env("KUBECONFIG", kubeconfig());
    command.current_dir(root()).stdin(Stdio::null());
    command
}

/// The commands of a page's block: what follows its first line up to its end.
pub(crate) fn commands(page: &str, first: &str) -> String {
    let text = std::fs::read_to_string(root().join(page)).unwrap();
    let (_, rest) = text.split_once(first).unwrap_or_else(|| panic!("{page} has no block {first}"));
    rest.split_once("\n```").unwrap().0.to_owned()
}

/// Runs a block of docs/backup.md.
fn page(block: &str, copy: &std::path::Path) {
    let mut command = shell(&commands("docs/backup.md", &format!("```sh {block}\n")));
    command.env("NAMESPACE", SYSTEM).env("RELEASE", "aob").env("COPY", copy);
    command.env("SHELL_IMAGE", "aob.local/shell:0.1.0");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{block}: {}", text(&output));
}

/// Takes the store's volume away; the server begins on an empty one.
fn lose_the_volume() {
    let scale = |count: &str| {
        done(kubectl(&["-n", SYSTEM, "scale", "statefulset/aob-redis", "--replicas", count]));
    };
    scale("0");
    done(kubectl(&["-n", SYSTEM, "wait", "--for=delete", "pod/aob-redis-0", "--timeout=120s"]));
    done(kubectl(&["-n", SYSTEM, "delete", "pvc/data-aob-redis-0", "--timeout=60s"]));
    scale("1");
    until("an empty store is there", || pods(SYSTEM, "redis").len() == 1);
}

#[test]
fn a_lost_volume_is_restored_and_every_run_goes_on_or_says_what_became_of_it() {
    let kept = Kept::new();
    let gateway = Gateway::new();
    let waits = kept.asks("waits");
    let ends = kept.asks("ends");
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("aob.rdb");
    page("backup", &copy);
    println!("a copy of {} bytes", copy.metadata().unwrap().len());
    // What happens after the copy: one ends, one begins.
    let ended = kept.approve(&gateway, "ends");
    assert_eq!(ended["status"]["phase"], "Succeeded", "{}", ended["status"]);
    let later = kept.asks("later");

    lose_the_volume();
    for name in ["waits", "later"] {
        let run = kept.space.reason(&format!("run/{name}"), "Complete", "Missing");
        assert_eq!(condition(&run, "Complete")["status"], "Unknown");
    }
    assert!(kept.space.events("waits").contains(&"Missing".to_owned()));

    page("restore", &copy);
    let gateway = Gateway::new();
    println!("{}", kept.ask(&gateway, &["verify", &waits]).trim());
    // What is in the copy goes on.
    let run = kept.approve(&gateway, "waits");
    assert_eq!(run["status"]["phase"], "Succeeded", "{}", run["status"]);
    assert_eq!((&run["status"]["id"], &run["status"]["progress"]), (&waits.into(), &"3/3".into()));
    // What had ended since does not go on a second time.
    until("what came back is ended", || kept.stands(&gateway, &ends)["status"] == "cancelled");
    assert_eq!(kept.space.get("run/ends")["status"], ended["status"]);
    // What had begun since says so, and is let go of.
    let run = kept.space.get("run/later");
    let complete = condition(&run, "Complete");
    assert_eq!((&complete["status"], &complete["reason"]), (&"Unknown".into(), &"Missing".into()));
    assert!(complete["message"].as_str().unwrap().contains(&later), "{complete}");
    done(kept.space.kubectl(&["delete", "run/later", "--timeout=40s"]));
}

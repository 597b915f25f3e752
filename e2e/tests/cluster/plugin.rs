//! `kubectl aob`: the command line as a plugin, by the way and with the rights that kubectl has.

use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::inside::built;
use crate::place::{SYSTEM, Space, done, kubeconfig, kubectl, program, text, until};
use crate::rights::bind;

/// A user with a kubeconfig of their own, and kubectl with its plugin.
struct User {
    folder: TempDir,
    space: String,
}

impl User {
    /// Known by a token of the API server, as any other way would do.
    fn new(space: &Space, account: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        symlink(built("aob"), folder.path().join("kubectl-aob")).unwrap();
        symlink(program("kubernetes/kubectl"), folder.path().join("kubectl")).unwrap();
        let text = std::fs::read_to_string(kubeconfig()).unwrap();
        let mut config: Value = serde_json::from_str(&text).unwrap();
        let token = done(space.kubectl(&["create", "token", account]));
        config["users"][0]["user"] = json!({"token": token.trim()});
        config["contexts"][0]["context"]["namespace"] = json!(space.name);
        std::fs::write(folder.path().join("kubeconfig"), config.to_string()).unwrap();
        Self { folder, space: space.name.clone() }
    }

    fn kubectl(&self, arguments: &[&str]) -> Command {
        let own = |name: &str| -> PathBuf { self.folder.path().join(name) };
        let mut command = Command::new(own("kubectl"));
        let path = std::env::var("PATH").unwrap();
        command.env("PATH", format!("{}:{path}", self.folder.path().display()));
        command.env("KUBECONFIG", own("kubeconfig")).env("HOME", self.folder.path());
        command.env_remove("AOB_TOKEN").env_remove("AOB_REDIS").args(arguments);
        command
    }

    fn asks(&self, arguments: &[&str]) -> Output {
        self.kubectl(&[&["aob"], arguments].concat()).output().unwrap()
    }
}

const HELLO: &str = "
apiVersion: aob.dev/v1alpha1
kind: Workflow
metadata: {name: hello}
spec:
  output: \"${ nodes.pause.outcome }\"
  nodes:
    - {id: greet, type: transform, config: {value: {greeting: It works.}}}
    - {id: pause, type: delay, config: {for: 4s}}
  edges: [{from: greet, to: pause}]
";

#[test]
fn kubectl_aob_reaches_the_gateway_as_kubectl_may_and_asks_as_its_account() {
    let space = Space::new("plugin");
    for account in ["ada", "aob", "eve"] {
        done(space.kubectl(&["create", "serviceaccount", account]));
    }
    // What Ada may in Kubernetes: reach the gateway, and ask in the name of one account, which may write workflows.
    let ada = format!("--serviceaccount={}:ada", space.name);
    let reach = format!("reach-{}", space.name);
    done(kubectl(&["-n", SYSTEM, "create", "rolebinding", &reach, "--role=aob-reach", &ada]));
    space.apply(
        "{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: as-aob}, rules: [{apiGroups: [\"\"], resources: [serviceaccounts/token], resourceNames: [aob], verbs: [create]}]}",
    );
    done(space.kubectl(&["create", "rolebinding", "as-aob", "--role=as-aob", &ada]));
    bind(&space, "aob-author", "aob");
    let user = User::new(&space, "ada");
    let file = user.folder.path().join("hello.yaml");
    std::fs::write(&file, HELLO).unwrap();
    let file = file.to_str().unwrap();
    until("the roles are known", || user.asks(&["ls", "runs"]).status.success());
    let applied = user.asks(&["apply", "-f", file]);
    assert!(applied.status.success(), "{}", text(&applied));

    space.apply(HELLO);
    space.apply("{apiVersion: aob.dev/v1alpha1, kind: Run, metadata: {name: hello-1}, spec: {workflowRef: {name: hello}}}");
    let mut id = String::new();
    until("the run has begun", || {
        let run = space.get("run/hello-1");
        id = run["status"]["id"].as_str().unwrap_or_default().to_owned();
        !id.is_empty()
    });
    // It follows the run to its end.
    let followed = user.asks(&["logs", "stream", &id]);
    let said = text(&followed);
    assert!(
        followed.status.success() && said.contains("greet") && said.contains("pause"),
        "{said}"
    );
    println!("{said}");
    let got = user.asks(&["get", &id, "-o", "json", "-n", &user.space]);
    assert!(text(&got).contains("succeeded"), "{}", text(&got));

    // Another namespace is not Ada's, and nobody who may not reach the gateway does.
    let elsewhere = user.asks(&["ls", "runs", "-n", "default"]);
    assert!(
        !elsewhere.status.success() && text(&elsewhere).contains("AOB5006"),
        "{}",
        text(&elsewhere)
    );
    let eve = User::new(&space, "eve");
    let refused = eve.asks(&["ls", "runs"]);
    let said = text(&refused);
    assert!(!refused.status.success() && said.contains("serviceaccounts"), "{said}");
    done(kubectl(&["-n", SYSTEM, "delete", "rolebinding", &reach]));
    let token = space.token("aob", "aob");
    let mut last = String::new();
    until("the way is closed", || {
        let output =
            user.kubectl(&["aob", "ls", "runs"]).env("AOB_TOKEN", &token).output().unwrap();
        last = text(&output);
        !output.status.success()
    });
    assert!(last.contains("AOB"), "{last}");
}

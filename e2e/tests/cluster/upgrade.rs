//! AOB is taken away, and the version before comes back to what was left; `helm upgrade` from that, with runs under way.
//!
//! Going back is what nobody is promised. It holds as long as the store's format has not changed since the newest tag; the
//! first change of it has this test begin with an empty store.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};

use crate::drill::Kept;
use crate::place::{SYSTEM, Space, done, helm, kubectl, root, until, values};
use crate::rights::Gateway;

const LONG: &str = "
apiVersion: aob.dev/v1alpha1
kind: Workflow
metadata: {name: long}
spec:
  output: \"${ nodes.save.output }\"
  nodes:
    - {id: fetch, type: transform, config: {value: {rows: 3}}}
    - {id: pause, type: delay, config: {for: 25s}}
    - {id: save, type: transform, config: {value: \"${ nodes.fetch.output.rows }\"}}
  edges:
    - {from: fetch, to: pause}
    - {from: pause, to: save}
";

/// The chart of the newest tag, packed; where nothing was tagged yet, today's as an earlier version.
fn before(folder: &Path) -> PathBuf {
    let mut git = Command::new("git");
    git.args(["tag", "--list", "v*", "--merged", "HEAD", "--sort=-version:refname"]);
    git.current_dir(root());
    let tags = done(git);
    let to = folder.to_str().unwrap();
    let mut pack = match tags.lines().next() {
        Some(tag) => {
            println!("from the chart of {tag}");
            let script = "git archive \"$0\" charts/aob | tar -x -C \"$1\"";
            let mut taken = Command::new("sh");
            taken.args(["-c", script, tag, to]).current_dir(root());
            done(taken);
            helm(&["package", folder.join("charts/aob").to_str().unwrap()])
        }
        None => {
            println!("nothing is tagged: from today's chart, as 0.0.9");
            helm(&["package", "charts/aob", "--version", "0.0.9"])
        }
    };
    pack.args(["--destination", to]);
    done(pack);
    let mut packed = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    packed.find(|path| path.extension().is_some_and(|end| end == "tgz")).unwrap()
}

fn installed(how: &str, chart: &str, values: &Path) {
    let values = values.to_str().unwrap();
    let begun = Instant::now();
    let flags = ["--namespace", SYSTEM, "--values", values, "--wait", "--timeout", "5m"];
    done(helm(&[&[how, "aob", chart], &flags[..]].concat()));
    println!("{how} {chart}: {:.1} s", begun.elapsed().as_secs_f64());
}

/// The version of the chart that each pod is of.
fn versions() -> Vec<String> {
    let label = "app.kubernetes.io/part-of=aob";
    let pods = done(kubectl(&["-n", SYSTEM, "get", "pods", "-l", label, "-o", "json"]));
    let pods: Value = serde_json::from_str(&pods).unwrap();
    let live = |pod: &&Value| pod["metadata"].get("deletionTimestamp").is_none();
    let of = |pod: &Value| pod["metadata"]["labels"]["helm.sh/chart"].as_str().unwrap().to_owned();
    pods["items"].as_array().unwrap().iter().filter(live).map(of).collect()
}

/// Takes AOB away, and looks at what is left of it.
fn taken_away(kept: &Kept) {
    done(helm(&["uninstall", "aob", "--namespace", SYSTEM, "--wait", "--timeout", "3m"]));
    let there =
        |what: &[&str]| kubectl(&[&["get"], what].concat()).output().unwrap().status.success();
    for kind in ["workflows", "runs", "runpatches", "nodetypes"] {
        assert!(there(&["crd", &format!("{kind}.aob.dev")]), "{kind}");
    }
    let volume =
        ["-n", SYSTEM, "get", "pvc", "-l", "app.kubernetes.io/component=redis", "-o", "json"];
    let volume: Value = serde_json::from_str(&done(kubectl(&volume))).unwrap();
    assert_eq!(volume["items"][0]["status"]["phase"], "Bound");
    for name in ["aob-redis", "aob-webhook-certificate"] {
        assert!(there(&["-n", SYSTEM, "secret", name]), "the Secret {name} is gone");
    }
    let run = kept.space.get("run/asks-1");
    assert_eq!(run["status"]["id"], json!(kept.waits));
    for gone in [&["clusterrole", "aob-operator"][..], &["mutatingwebhookconfiguration", "aob"]] {
        assert!(!there(gone), "{gone:?} is left");
    }
    until("its pods are gone", || versions().is_empty());
}

#[test]
fn what_was_left_is_found_again_and_runs_of_the_version_before_go_on_in_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let values = values("aob", SYSTEM);
    let before = before(folder.path());
    let kept = Kept::new();
    taken_away(&kept);
    installed("install", before.to_str().unwrap(), values.path());
    let gateway = Gateway::new();
    for run in [&kept.waits, &kept.ended] {
        kept.ask(&gateway, &["verify", run]);
    }
    drop(gateway);
    let old = versions();
    let space = Space::new("upgrade");
    until("the webhook answers", || {
        let output = crate::place::fed(space.kubectl(&["apply", "-f", "-"]), LONG);
        output.status.success()
    });
    space.reason("workflow/long", "Ready", "Published");
    let run = |number| {
        format!(
            "---\napiVersion: aob.dev/v1alpha1\nkind: Run\nmetadata: {{name: l{number}}}\nspec: {{workflowRef: {{name: long}}}}\n"
        )
    };
    space.apply(&(0..6).map(run).collect::<String>());
    until("all go on", || {
        let all = space.get("runs");
        let live = |one: &&Value| one["status"]["phase"] == "Running";
        all["items"].as_array().is_some_and(|all| all.iter().filter(live).count() == 6)
    });
    let digest = space.get("workflow/long")["status"]["digest"].clone();
    installed("upgrade", "charts/aob", values.path());
    until("every pod is a new one", || versions().iter().all(|version| !old.contains(version)));
    for number in 0..6 {
        let run = space.complete(&format!("l{number}"));
        assert_eq!(run["status"]["phase"], "Succeeded", "{}", run["status"]);
        assert_eq!(run["status"]["progress"], "3/3");
    }
    // The same document is the same version to both.
    space.apply(LONG);
    assert_eq!(space.get("workflow/long")["status"]["digest"], digest);
    // What has waited through all of it goes on.
    let ticket = kept.space.get("run/asks-1")["status"]["tickets"][0]["id"].clone();
    kept.ask(&Gateway::new(), &["approve", ticket.as_str().unwrap(), "approve"]);
    let run = kept.space.complete("asks-1");
    assert_eq!(run["status"]["phase"], "Succeeded", "{}", run["status"]);
    assert_eq!(run["status"]["id"], json!(kept.waits));
}

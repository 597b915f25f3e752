//! AOB is taken away, and the version before comes back to what was left; then the commands of docs/install.md upgrade it,
//! with runs under way.
//!
//! Going back is what nobody is promised. It holds as long as the store's format has not changed since the newest tag; the
//! first change of it has this test begin with an empty store. Its images are today's under another name.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};

use crate::drill::{Kept, commands, shell};
use crate::place::{SYSTEM, done, fed, helm, kubectl, root, text, until};
use crate::rights::Gateway;

/// Runs that go on meanwhile.
const UNDER_WAY: usize = 6;

const LONG: &str = "
apiVersion: aob.dev/v1alpha1
kind: Workflow
metadata: {name: long}
spec:
  output: \"${ nodes.save.output }\"
  nodes:
    - {id: fetch, type: transform, config: {value: {rows: 3}}}
    - {id: pause, type: delay, config: {for: 30s}}
    - {id: save, type: transform, config: {value: \"${ nodes.fetch.output.rows }\"}}
  edges:
    - {from: fetch, to: pause}
    - {from: pause, to: save}
";

const PATCH: &str = "
apiVersion: aob.dev/v1alpha1
kind: RunPatch
metadata: {name: look-again}
spec:
  runRef: {name: patched}
  reason: Rows are looked at once more.
  operations:
    - {op: add, path: /nodes/-, value: {id: check, type: noop}}
    - {op: add, path: /edges/-, value: {from: gate, to: check}}
    - {op: add, path: /edges/-, value: {from: check, to: last}}
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

/// Runs the commands of a part of docs/install.md in a folder that has what they name.
fn page(part: &str, folder: &Path) {
    let script = commands("docs/install.md", &format!("## {part}\n\n```console\n"));
    let begun = Instant::now();
    let mut command = shell(&script.replace("\n$ ", "\n").replacen("$ ", "", 1));
    let output = command.current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{part}: {}", text(&output));
    println!("{part}: {:.1} s", begun.elapsed().as_secs_f64());
}

/// A label of each object of some kind that the chart made.
fn chart_of(what: &[&str]) -> Vec<String> {
    let arguments = ["get", "-l", "app.kubernetes.io/part-of=aob", "-o", "json"];
    let all = done(kubectl(&[&arguments[..], what].concat()));
    let all: Value = serde_json::from_str(&all).unwrap();
    let live = |one: &&Value| one["metadata"].get("deletionTimestamp").is_none();
    let of = |one: &Value| one["metadata"]["labels"]["helm.sh/chart"].as_str().unwrap().to_owned();
    all["items"].as_array().unwrap().iter().filter(live).map(of).collect()
}

/// The image that each pod of AOB's own runs.
fn images() -> Vec<String> {
    let label = "app.kubernetes.io/part-of=aob,helm.sh/chart";
    let pods = done(kubectl(&["-n", SYSTEM, "get", "pods", "-l", label, "-o", "json"]));
    let pods: Value = serde_json::from_str(&pods).unwrap();
    let live = |pod: &&Value| pod["metadata"].get("deletionTimestamp").is_none();
    let of = |pod: &Value| pod["spec"]["containers"][0]["image"].as_str().unwrap().to_owned();
    pods["items"].as_array().unwrap().iter().filter(live).map(of).collect()
}

/// Takes AOB away as the page says, and looks at what is left of it.
fn taken_away(folder: &Path, kept: &Kept, waits: &str) {
    page("Take it away", folder);
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
    assert_eq!(kept.space.get("run/waits")["status"]["id"], waits);
    for gone in [&["clusterrole", "aob-operator"][..], &["mutatingwebhookconfiguration", "aob"]] {
        assert!(!there(gone), "{gone:?} is left");
    }
    until("its pods are gone", || images().is_empty());
}

/// How many instances have settled in a run's events, and how often it began.
fn counts(kept: &Kept, gateway: &Gateway, run: &str) -> [usize; 2] {
    let token = kept.space.token("ada", "aob");
    let (status, page) = gateway.ask(Some(&token), &format!("/runs/{run}/events"), None);
    assert_eq!(status, 200, "{page}");
    let changes: Vec<&Value> = page["events"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|event| event["changes"].as_array())
        .flatten()
        .collect();
    ["settled", "started"].map(|what| changes.iter().filter(|one| one["change"] == what).count())
}

#[test]
fn what_was_left_is_found_again_and_runs_of_the_version_before_go_on_in_the_next() {
    let folder = tempfile::tempdir().unwrap();
    // What the page's commands name, in a folder of their own.
    std::os::unix::fs::symlink(root().join("charts"), folder.path().join("charts")).unwrap();
    std::fs::create_dir(folder.path().join("images")).unwrap();
    let now = done(helm(&["get", "values", "aob", "--namespace", SYSTEM, "--output", "json"]));
    let now: Value = serde_json::from_str(&now).unwrap();
    let images_now = json!({"image": {"digests": now["image"]["digests"]}});
    std::fs::write(folder.path().join("images/values.json"), images_now.to_string()).unwrap();
    let mut old = now.clone();
    old["image"] = json!({"registry": now["image"]["registry"], "tag": "0.1.0"});
    let old_values = folder.path().join("old.json");
    std::fs::write(&old_values, old.to_string()).unwrap();
    let packed = tempfile::tempdir().unwrap();
    let chart = before(packed.path());

    let kept = Kept::new();
    let waits = kept.asks("waits");
    let patched = kept.asks("patched");
    taken_away(folder.path(), &kept, &waits);
    let begun = Instant::now();
    let flags = ["--namespace", SYSTEM, "--wait", "--timeout", "5m", "--values"];
    let install = ["install", "aob", chart.to_str().unwrap()];
    done(helm(&[&install[..], &flags[..], &[old_values.to_str().unwrap()]].concat()));
    println!("the version before: {:.1} s", begun.elapsed().as_secs_f64());
    let by_tag = |image: &String| image.ends_with(":0.1.0");
    assert!(images().iter().all(by_tag), "{:?}", images());
    let crds = chart_of(&["crd"]);
    assert_eq!(crds.len(), 4);

    until("the webhook answers", || {
        fed(kept.space.kubectl(&["apply", "-f", "-"]), LONG).status.success()
    });
    kept.space.reason("workflow/long", "Ready", "Published");
    let digest = kept.space.get("workflow/long")["status"]["digest"].clone();
    let run = |number| {
        format!(
            "---\napiVersion: aob.dev/v1alpha1\nkind: Run\nmetadata: {{name: l{number}}}\nspec: {{workflowRef: {{name: long}}}}\n"
        )
    };
    kept.space.apply(&(0..UNDER_WAY).map(run).collect::<String>());
    until("all go on", || {
        let all = kept.space.get("runs");
        let live = |one: &&Value| one["status"]["phase"] == "Running";
        all["items"].as_array().is_some_and(|all| all.iter().filter(live).count() == UNDER_WAY)
    });

    page("Upgrade", folder.path());
    let by_digest = |image: &String| image.contains("@sha256:");
    until("every pod runs a new image", || {
        let images = images();
        images.len() >= 4 && images.iter().all(by_digest)
    });
    let new = chart_of(&["crd"]);
    assert!(
        new.len() == 4 && new.iter().all(|version| !crds.contains(version)),
        "{crds:?} {new:?}"
    );

    let gateway = Gateway::new();
    for number in 0..UNDER_WAY {
        let run = kept.space.complete(&format!("l{number}"));
        assert_eq!(run["status"]["phase"], "Succeeded", "{}", run["status"]);
        assert_eq!(run["status"]["progress"], "3/3");
        let id = run["status"]["id"].as_str().unwrap();
        assert_eq!(counts(&kept, &gateway, id)[0], 3, "{id} did something twice");
        kept.ask(&gateway, &["verify", id]);
    }
    // The same document is the same version to both.
    kept.space.apply(LONG);
    assert_eq!(kept.space.get("workflow/long")["status"]["digest"], digest);
    // What has waited through all of it goes on, and is patched as ever.
    kept.space.apply(PATCH);
    kept.space.reason("runpatch/look-again", "Applied", "Applied");
    for (name, id, progress) in [("waits", &waits, "3/3"), ("patched", &patched, "4/4")] {
        let run = kept.approve(&gateway, name);
        let status = &run["status"];
        assert_eq!(
            (&status["phase"], &status["progress"]),
            (&json!("Succeeded"), &json!(progress))
        );
        assert_eq!(status["id"], json!(id));
    }
    // Nobody began anything a second time.
    let rows = kept.ask(&gateway, &["ls", "runs", "-o", "json"]);
    let rows: Value = serde_json::from_str(&rows).unwrap();
    let rows = rows["items"].as_array().or(rows.as_array()).unwrap().len();
    assert_eq!(rows, UNDER_WAY + 2);
}

//! A store that is empty, or was restored from a copy: what is not there is not therefore over.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use aob_store::Store;
use aob_store::redis::RedisStore;
use serde_json::Value;

use crate::ground::Plot;
use crate::guarded::Guarded;
use crate::world::{condition, operator_by, runner, store};

const WORKFLOWS: &str = "
apiVersion: aob.dev/v1alpha1
kind: Workflow
metadata: {name: slow}
spec: {nodes: [{id: pause, type: delay, config: {for: 1h}}]}
---
apiVersion: aob.dev/v1alpha1
kind: Workflow
metadata: {name: quick}
spec: {nodes: [{id: pause, type: delay, config: {for: 3s}}]}
";

fn run(name: &str, workflow: &str) -> String {
    format!(
        "---
apiVersion: aob.dev/v1alpha1
kind: Run
metadata: {{name: {name}}}
spec: {{workflowRef: {{name: {workflow}}}}}
"
    )
}

/// A server whose data can be taken away and brought back.
struct Server {
    folder: tempfile::TempDir,
    process: Option<Guarded>,
    address: String,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (address, process) = store(folder.path());
        Self { folder, process: Some(process), address }
    }

    /// What it has written; nobody writes meanwhile.
    fn copy(&self, name: &str) {
        let from = self.folder.path().join("appendonlydir");
        copy(&from, &self.folder.path().join(name));
    }

    /// Ends it and starts it on a copy, or on nothing.
    fn on(&mut self, name: Option<&str>) {
        self.process.take().unwrap().kill();
        let folder = self.folder.path();
        std::fs::remove_dir_all(folder.join("appendonlydir")).unwrap();
        std::fs::remove_file(folder.join("redis.sock")).unwrap();
        if let Some(name) = name {
            copy(&folder.join(name), &folder.join("appendonlydir"));
        }
        self.process = Some(store(folder).1);
        if name.is_some() {
            // As docs/backup.md has it: the server cannot tell a copy from its own disk.
            let keys = (0..4).map(|shard| format!("aob:{{s{shard}}}:epoch"));
            let socket = folder.join("redis.sock");
            let mut command = Command::new("redis-cli");
            command.arg("-e").arg("-s").arg(socket).arg("del").args(keys);
            assert!(command.output().unwrap().status.success());
        }
    }

    async fn ask(&self) -> RedisStore {
        RedisStore::open(&self.address).await.unwrap()
    }
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-r").args([from, to]).status().unwrap().success());
}

/// Operators of a plot on a server of its own: one acts, the other goes on where that one lost its lease, as on a machine
/// that builds beside it may.
fn operators(plot: &Plot, server: &Server, word: &str) -> [Guarded; 2] {
    let also = ["--namespace", &plot.name, "--watch-namespaces", &plot.name];
    let folder = &plot.ground.plane.folder;
    [0, 1].map(|number| {
        let pod = format!("{}-{word}{number}", plot.name);
        operator_by(folder, &plot.direct(), &server.address, &pod, &also)
    })
}

fn says(object: &Value, kind: &str, status: &str, reason: &str) -> bool {
    let one = condition(object, kind);
    one.is_some_and(|one| one["status"] == status && one["reason"] == reason)
}

fn id(object: &Value) -> &str {
    object["status"]["id"].as_str().unwrap()
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < Duration::from_secs(90), "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_the_store_lost_is_missing_and_one_that_it_dropped_is_gone() {
    let plot = Plot::new("missing");
    let mut server = Server::start();
    let _runner = runner(server.folder.path(), &server.address);
    let first = operators(&plot, &server, "a");
    plot.apply(WORKFLOWS);
    for workflow in ["slow", "quick"] {
        plot.until(&format!("workflow/{workflow}"), "it is ready", |one| {
            says(one, "Ready", "True", "Published")
        });
    }
    let goes = |one: &Value| says(one, "Complete", "False", "Running");
    for name in ["kept", "ended", "later"] {
        if name == "later" {
            // What comes after is not in the copy.
            server.copy("before");
        }
        plot.apply(&run(name, "slow"));
        plot.until(&format!("run/{name}"), "it goes on", goes);
    }
    plot.kubectl(&["patch", "run/ended", "--type=merge", "-p", "{\"spec\":{\"cancel\":\"Now\"}}"])
        .unwrap();
    let ended = plot.until("run/ended", "it is over", |one| {
        says(one, "Succeeded", "False", "Cancelled") && one["metadata"].get("finalizers").is_none()
    });

    // Nothing is there, and nothing is begun anew.
    server.on(None);
    for name in ["kept", "later"] {
        let missing = plot.until(&format!("run/{name}"), "it is missing", |one| {
            says(one, "Complete", "Unknown", "Missing")
        });
        assert_eq!(missing["status"]["phase"], "Running");
        let message = condition(&missing, "Complete").unwrap()["message"].as_str().unwrap();
        assert!(message.contains(id(&missing)), "{message}");
    }
    let tenant = plot.name.as_str();
    assert_eq!(server.ask().await.runs(tenant, None, 10).await.unwrap().0.len(), 0);

    // The copy is there: what it has goes on, what it has not is still missing.
    server.on(Some("before"));
    let kept = plot.until("run/kept", "it is there again", goes);
    let missing = |one: &Value| says(one, "Complete", "Unknown", "Missing");
    assert!(missing(&plot.get("run/later")), "{}", plot.get("run/later"));
    // What had ended since is not done a second time.
    let is_live = async |id: &str| {
        let state = server.ask().await.load(id).await.unwrap();
        state.is_some_and(|state| !state.is_ended())
    };
    assert!(is_live(id(&ended)).await);
    first.into_iter().for_each(Guarded::kill);
    let second = operators(&plot, &server, "b");
    until("what came back is ended", async || !is_live(id(&ended)).await).await;
    assert!(is_live(id(&kept)).await);
    assert_eq!(plot.get("run/ended")["status"], ended["status"]);
    assert!(missing(&plot.get("run/later")));

    // One that ended and was dropped, in a store that has lost nothing since it was seen.
    plot.apply(&run("short", "quick"));
    let short = plot.until("run/short", "it goes on", goes);
    second.into_iter().for_each(Guarded::kill);
    until("it has ended", async || !is_live(id(&short)).await).await;
    let store = server.ask().await;
    for shard in 0..store.shards() {
        store.drop_expired(shard, u64::MAX / 4, 100).await.unwrap();
    }
    assert!(store.load(id(&short)).await.unwrap().is_none());
    let _third = operators(&plot, &server, "c");
    plot.until("run/short", "it is gone", |one| says(one, "Complete", "True", "Gone"));
    assert!(missing(&plot.get("run/later")));
}

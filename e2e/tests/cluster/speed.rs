//! How long it takes from the word to the first node: 100 Runs applied one after the other, by the times of their events.
//! Figures are printed and none is asserted: machines differ. What is asserted is that they are figures of something.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use aob_engine::time::instant;
use serde_json::{Value, json};

use crate::place::{Forward, SYSTEM, Space, done, kubectl, until};

/// So many as a tenant may start in a minute.
const RUNS: usize = 100;
/// Between two of them.
const PAUSE: Duration = Duration::from_millis(100);

/// The API server without a handshake for each request.
struct Proxy {
    child: Child,
    url: String,
}

impl Proxy {
    fn start() -> Self {
        let mut child = kubectl(&["proxy", "--port=0"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = lines.next().unwrap().unwrap();
        let url = format!("http://{}", line.rsplit(' ').next().unwrap().trim());
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

/// Applies the Runs of a workflow; the milliseconds that each took to its start, and to the end of its first node.
async fn measure(
    space: &Space,
    runs: usize,
    proxy: &Proxy,
    (gateway, token): (&str, &str),
) -> Vec<[u64; 2]> {
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let path = format!("{}/apis/aob.dev/v1alpha1/namespaces/{}/runs", proxy.url, space.name);
    let mut applied = Vec::with_capacity(runs);
    let begun = Instant::now();
    for number in 0..runs {
        let run = json!({
            "apiVersion": "aob.dev/v1alpha1", "kind": "Run", "metadata": {"name": format!("run-{number}")},
            "spec": {"workflowRef": {"name": "quick"}},
        });
        let at = now();
        let answer = http.post(&path).json(&run).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
        applied.push(at);
        let next = PAUSE * (number as u32 + 1);
        tokio::time::sleep(next.saturating_sub(begun.elapsed())).await;
    }
    let mut ids = vec![String::new(); runs];
    until("every run has succeeded", || {
        let all = space.get("runs");
        let all = all["items"].as_array().cloned().unwrap_or_default();
        for run in &all {
            let name = run["metadata"]["name"].as_str().unwrap_or_default();
            let number = name.strip_prefix("run-").and_then(|number| number.parse::<usize>().ok());
            if let Some(number) = number.filter(|_| run["status"]["phase"] == "Succeeded") {
                ids[number] = run["status"]["id"].as_str().unwrap_or_default().to_owned();
            }
        }
        ids.iter().all(|id| !id.is_empty())
    });
    let mut took = Vec::with_capacity(runs);
    for (id, at) in ids.iter().zip(applied) {
        let url = format!("{gateway}/api/v1/runs/{id}/events");
        let page: Value =
            http.get(url).bearer_auth(token).send().await.unwrap().json().await.unwrap();
        let events = page["events"].as_array().unwrap();
        let time = |event: &Value| instant(event["t"].as_str().unwrap()).unwrap();
        let first = |change: &str| {
            let has = |event: &&Value| {
                let changes = event["changes"].as_array().into_iter().flatten();
                changes.into_iter().any(|one| one["change"] == change)
            };
            time(events.iter().find(has).unwrap())
        };
        let (started, settled) = (first("started"), first("settled"));
        assert!(started <= settled, "{events:?}");
        took.push([started.saturating_sub(at), settled.saturating_sub(at)]);
    }
    took
}

fn tell(what: &str, took: &[[u64; 2]]) {
    for (column, name) in ["its start", "the end of its first node"].into_iter().enumerate() {
        let mut all: Vec<u64> = took.iter().map(|one| one[column]).collect();
        all.sort_unstable();
        let at = |share: usize| all[(all.len() - 1) * share / 100];
        println!(
            "{what}: applied to {name}: p50 {} ms, p99 {} ms, most {} ms, of {} runs",
            at(50),
            at(99),
            at(100),
            all.len()
        );
    }
}

#[test]
fn from_the_word_to_the_first_node() {
    let proxy = Proxy::start();
    let forward = Forward::to(SYSTEM, "aob-gateway", 80);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for (word, runner) in [("system", None), ("tenant", Some(json!({"memory": "64Mi"})))] {
        let space = Space::new(word);
        let mut spec = json!({"nodes": [{"id": "a", "type": "transform", "config": {"value": 7}}]});
        if let Some(runner) = runner {
            spec["runner"] = runner;
        }
        let workflow = json!({
            "apiVersion": "aob.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": "quick"}, "spec": spec,
        });
        space.apply(&workflow.to_string());
        done(space.kubectl(&["create", "serviceaccount", "looks"]));
        let subject = format!("--serviceaccount={}:looks", space.name);
        done(space.kubectl(&[
            "create",
            "rolebinding",
            "looks",
            "--clusterrole=aob-viewer",
            &subject,
        ]));
        if word == "tenant" {
            // A first one has the pod begin.
            let warm = "{apiVersion: aob.dev/v1alpha1, kind: Run, metadata: {name: warm}, spec: {workflowRef: {name: quick}}}";
            space.apply(warm);
            space.complete("warm");
        }
        // A tenant may start a hundred in a minute; the one that warmed is among them.
        let runs = if word == "tenant" { RUNS - 1 } else { RUNS };
        let token = space.token("looks", "aob");
        let took = runtime.block_on(measure(&space, runs, &proxy, (&forward.url, &token)));
        tell(&format!("{word} pool"), &took);
    }
}

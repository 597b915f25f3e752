//! Many Run objects, and a large workflow: what an operator needs for them.
//!
//! `AOB_MANY` says how many; `cargo xtask soak` tries 5,000.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use aob_crds::Run;
use futures::{StreamExt as _, TryStreamExt as _};
use kube::api::{ListParams, PostParams};
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::faults::reconciles;
use crate::ground::Plot;

/// Most memory of an operator, in KiB, at its highest.
const MEMORY: u64 = 96 << 10;
/// Most writes to the API server for a run of two nodes: the finalizer twice, events of its begin and its end, its status
/// at the begin, after the first node and at the end; and one that came too late and was made again.
const WRITES: usize = 8;
/// Most looks at a run, from its making to its end.
const LOOKS: u64 = 12;
/// Largest status, in bytes.
const STATUS: usize = 64 << 10;

async fn admin(plot: &Plot) -> Client {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let read = Kubeconfig::read_from(&plot.ground.plane.kubeconfig).unwrap();
    let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await.unwrap();
    Client::try_from(config).unwrap()
}

fn highest(process: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// What an operator has asked of a namespace, by verb and resource.
fn asked(plot: &Plot) -> BTreeMap<(String, String), usize> {
    let text = fs::read_to_string(plot.ground.plane.folder.join("audit.json")).unwrap();
    let mut counts = BTreeMap::new();
    for line in text.lines() {
        // The last one may be half written.
        let Ok(event) = serde_json::from_str::<Value>(line) else { continue };
        let about = &event["objectRef"];
        let is_own =
            event["user"]["username"] == "aob-operator" && about["namespace"] == *plot.name;
        if !is_own || event["stage"] != "ResponseComplete" && event["verb"] != "watch" {
            continue;
        }
        let part = |name: &str| about[name].as_str().unwrap_or_default().to_owned();
        let resource = [part("resource"), part("subresource")].join("/");
        let verb = event["verb"].as_str().unwrap_or_default().to_owned();
        *counts.entry((verb, resource)).or_insert(0) += 1;
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn many_runs_cost_little_each() {
    let count: usize = std::env::var("AOB_MANY").map_or(500, |count| count.parse().unwrap());
    let plot = Plot::new("many");
    let (operator, port) = plot.operator(&plot.direct(), "a");
    plot.apply(
        "
apiVersion: aob.dev/v1alpha1
kind: Workflow
metadata: {name: quick}
spec:
  nodes: [{id: one, type: noop}, {id: two, type: delay, config: {for: 2s}}]
  edges: [{from: one, to: two}]
",
    );
    plot.until("workflow/quick", "it is ready", |one| crate::ground::holds(one, "Ready"));
    let api = Api::<Run>::namespaced(admin(&plot).await, &plot.name);
    let begun = Instant::now();
    let make = |number: usize| {
        let api = api.clone();
        async move {
            let run = json!({
                "apiVersion": "aob.dev/v1alpha1", "kind": "Run",
                "metadata": {"name": format!("r{number}")},
                "spec": {"workflowRef": {"name": "quick"}, "input": {"text": "x".repeat(500)}},
            });
            api.create(&PostParams::default(), &serde_json::from_value(run).unwrap()).await
        }
    };
    let made = futures::stream::iter((0..count).map(make)).buffer_unordered(16);
    made.try_for_each(|_| async { Ok(()) }).await.unwrap();
    println!("{count} runs applied in {:.1} s", begun.elapsed().as_secs_f64());
    // A machine that does ten a second is slow enough.
    let patience = Duration::from_secs(120 + count as u64 / 10);
    loop {
        let all = api.list(&ListParams::default()).await.unwrap().items;
        let over = |run: &&Run| {
            let phase = run.status.as_ref().map(|status| status.phase);
            phase == Some(aob_crds::Phase::Succeeded) && run.metadata.finalizers.is_none()
        };
        let done = all.iter().filter(over).count();
        if done == count {
            break;
        }
        assert!(begun.elapsed() < patience, "{done} of {count} are over: {}", operator.said());
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    println!("all over after {:.1} s", begun.elapsed().as_secs_f64());
    let (memory, looks) = (highest(operator.id()), reconciles(port));
    let asked = asked(&plot);
    for ((verb, resource), times) in &asked {
        println!("{verb:<8}{resource:<24}{times:>8}");
    }
    let of = |wanted: &dyn Fn(&str, &str) -> bool| -> usize {
        let all = asked.iter().filter(|((verb, resource), _)| wanted(verb, resource));
        all.map(|(_, times)| times).sum()
    };
    let is_write = |verb: &str| matches!(verb, "create" | "update" | "patch" | "delete");
    let writes = of(&|verb, resource| is_write(verb) && !resource.starts_with("leases"));
    let lists = of(&|verb, resource| verb == "list" && resource == "runs/");
    println!(
        "{:.2} writes and {:.1} looks for each run, {lists} lists, {memory} KiB at the highest",
        writes as f64 / count as f64,
        looks as f64 / count as f64,
    );
    assert!(writes <= count * WRITES + 10, "{writes} writes for {count} runs");
    assert!(looks <= count as u64 * LOOKS, "{looks} looks at {count} runs");
    // Once, when it began: no event makes it list again.
    assert!(lists <= 1, "{lists} lists of runs");
    assert!(memory <= MEMORY, "{memory} KiB");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workflow_of_a_thousand_nodes_is_as_any_other() {
    let plot = Plot::new("large");
    let (_operator, _) = plot.operator(&plot.direct(), "a");
    let id = |number: usize| format!("n{number}");
    let node = |number| json!({"id": id(number), "type": "noop"});
    // Ten lines beside each other.
    let edge = |number| json!({"from": id(number), "to": id(number + 10)});
    let workflow = json!({
        "apiVersion": "aob.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": "large"},
        "spec": {
            "nodes": (0..1_000).map(node).collect::<Vec<_>>(),
            "edges": (0..990).map(edge).collect::<Vec<_>>(),
        },
    });
    plot.apply(&workflow.to_string());
    plot.apply("{apiVersion: aob.dev/v1alpha1, kind: Run, metadata: {name: one}, spec: {workflowRef: {name: large}}}");
    let run = plot.completed(1).remove(0);
    assert_eq!(run["status"]["phase"], "Succeeded", "{}", run["status"]);
    assert_eq!(run["status"]["progress"], "1000/1000");
    let workflow = plot.get("workflow/large");
    assert_eq!(workflow["status"]["nodes"], 1_000);
    for object in [&run, &workflow] {
        let size = object["status"].to_string().len();
        println!("{}: a status of {size} bytes", object["kind"]);
        assert!(size <= STATUS);
    }
}

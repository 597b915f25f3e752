//! `aob run`, killed and begun again under the same key until it ends.

use std::time::Duration;

use rand::Rng as _;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::documents::{in_a_row, workflow};
use crate::local::PATIENCE;
use crate::process::{Process, aob};
use crate::turn::Turn;

/// Nodes in a row; each writes its name into the witness.
const NODES: usize = 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aob_run_is_killed() {
    let turn = Turn::take("crash of aob run").await;
    let mut random = turn.random();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let names: Vec<String> = (0..NODES).map(|n| format!("n{n}")).collect();
    let nodes = names.iter().map(|name| {
        let script = format!("echo {name} >> witness; sleep 0.01");
        let config = json!({"command": ["sh", "-c", script]});
        json!({"id": name, "type": "exec", "effect": "idempotent", "config": config})
    });
    let nodes: Vec<Value> = nodes.collect();
    let mut document = workflow("command", &nodes, &in_a_row(&nodes));
    document["spec"]["output"] = json!("${ nodes.n19.output.exitCode }");
    std::fs::write(path("flow.json"), document.to_string()).unwrap();
    let until = Instant::now() + PATIENCE;
    let mut kills = 0;
    loop {
        let mut command = aob();
        command.current_dir(folder.path()).args([
            "run",
            "flow.json",
            "--allow-exec",
            "--key",
            "k",
            "--data-dir",
            "data",
        ]);
        let mut process = Process::spawn(&mut command, &path("log"));
        let dies = Instant::now() + Duration::from_millis(random.random_range(20..200));
        let ended = loop {
            if process.ended().is_some() {
                break true;
            }
            if Instant::now() > dies {
                break false;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        };
        if ended {
            break;
        }
        process.kill9();
        kills += 1;
        assert!(Instant::now() < until, "it does not end: {}", process.said());
    }
    let witness = std::fs::read_to_string(path("witness")).unwrap();
    let mut lines: Vec<&str> = witness.lines().collect();
    let executions = lines.len();
    println!("{kills} kills, {executions} executions of {NODES} nodes");
    assert!(executions <= NODES + kills, "{lines:?}");
    // One after the other: whatever was executed again was the last that had begun.
    lines.dedup();
    assert_eq!(lines, names);
    assert!(kills > 0);
    let mut command = aob();
    command.current_dir(folder.path()).args(["ls", "runs", "-o", "json", "--data-dir", "data"]);
    let listed: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "a key is a run: {listed}");
    let mut command = aob();
    let run = listed[0]["run"].as_str().unwrap();
    assert!(
        command
            .current_dir(folder.path())
            .args(["verify", run, "--data-dir", "data"])
            .status()
            .unwrap()
            .success()
    );
}

//! Parts of a live cluster that are killed while runs are under way: each run ends as if nothing had been, once.

use std::collections::BTreeSet;
use std::time::Instant;

use serde_json::{Value, json};

use crate::place::{SYSTEM, Space, done, fed, kubectl, pods, text, until};
use crate::process::Process;
use crate::rights::{Gateway, bind};

/// Runs that are under way, and those that are asked for while the part is away.
const UNDER_WAY: usize = 6;
const MEANWHILE: usize = 2;

/// Long enough to be killed in, and with something to lose before and after.
const WORKFLOW: &str = "
apiVersion: aob.dev/v1alpha1
kind: Workflow
metadata: {name: steady}
spec:
  output: \"${ nodes.save.output }\"
  nodes:
    - {id: fetch, type: transform, config: {value: {rows: 3}}}
    - {id: pause, type: delay, config: {for: 6s}}
    - {id: save, type: transform, config: {value: \"${ nodes.fetch.output.rows }\"}}
  edges:
    - {from: fetch, to: pause}
    - {from: pause, to: save}
";

fn runs(numbers: std::ops::Range<usize>) -> String {
    let one = |number| {
        format!(
            "---
apiVersion: aob.dev/v1alpha1
kind: Run
metadata: {{name: r{number}}}
spec: {{workflowRef: {{name: steady}}}}
"
        )
    };
    numbers.map(one).collect()
}

/// Applies when it is taken: what serves it may be away.
fn applied(space: &Space, documents: &str) {
    until("what is applied is taken", || {
        let output = fed(space.kubectl(&["apply", "-f", "-"]), documents);
        let said = text(&output);
        assert!(!said.contains("AOB"), "a rule is broken: {said}");
        output.status.success()
    });
}

/// Kills something while runs go on, and says how long it was until all had ended.
fn survives(what: &str, victims: &[&dyn Fn() -> Option<Process>]) {
    let space = Space::new("fault");
    done(space.kubectl(&["create", "serviceaccount", "ada"]));
    bind(&space, "aob-author", "ada");
    applied(&space, WORKFLOW);
    space.reason("workflow/steady", "Ready", "Published");
    applied(&space, &runs(0..UNDER_WAY));
    until("runs are under way", || {
        let all = space.get("runs");
        let live = |one: &&Value| one["status"]["phase"] == "Running";
        all["items"].as_array().is_some_and(|all| all.iter().filter(live).count() >= UNDER_WAY / 2)
    });
    let one = |victim: &&dyn Fn() -> Option<Process>| {
        victim().unwrap_or_else(|| panic!("one of {what} does not run"))
    };
    let before: Vec<Process> = victims.iter().map(one).collect();
    before.iter().for_each(Process::kill);
    let killed = Instant::now();
    applied(&space, &runs(UNDER_WAY..UNDER_WAY + MEANWHILE));
    let all = UNDER_WAY + MEANWHILE;
    let mut ids = BTreeSet::new();
    for number in 0..all {
        let run = space.complete(&format!("r{number}"));
        assert_eq!(run["status"]["phase"], "Succeeded", "{what}: {}", run["status"]);
        assert_eq!(run["status"]["progress"], "3/3", "{what}");
        ids.insert(run["status"]["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(ids.len(), all, "{what}: {ids:?}");
    println!("{what}: killed, all {all} runs ended after {:.1} s", killed.elapsed().as_secs_f64());
    until("it is there again", || {
        let mut both = victims.iter().zip(&before);
        both.all(|(victim, before)| victim().is_some_and(|now| now != *before))
    });
    // What the gateway says of the store: these runs, and no other.
    let token = space.token("ada", "aob");
    let gateway = Gateway::new();
    let mut known = Value::Null;
    until("the gateway answers", || {
        let (status, told) = gateway.ask(Some(&token), "/runs?most=100", None);
        // What it asks itself may not be there again.
        assert!(status == 200 || status >= 500, "{what}: {status} {told}");
        known = told;
        status == 200
    });
    let rows = known["items"].as_array().unwrap();
    let of = |row: &Value| row["run"].as_str().unwrap().to_owned();
    assert_eq!(rows.iter().map(of).collect::<BTreeSet<_>>(), ids, "{what}");
}

/// The first process of a part's only pod.
fn of(part: &'static str) -> impl Fn() -> Option<Process> {
    move || Process::of_pod(SYSTEM, pods(SYSTEM, part).first()?)
}

#[test]
fn a_killed_leader_a_killed_runner_and_a_killed_store_lose_nothing() {
    let scale = |count: usize| {
        let replicas = format!("--replicas={count}");
        done(kubectl(&["-n", SYSTEM, "scale", "deployment/aob-operator", &replicas]));
        until("operators are ready", || pods(SYSTEM, "operator").len() == count);
    };
    scale(2);
    // A test before may have had another one for leader; whoever it is now holds the lease.
    let leader = || {
        let jsonpath = "jsonpath={.spec.holderIdentity}";
        let lease = ["-n", SYSTEM, "get", "lease/aob-operator", "-o", jsonpath];
        let output = kubectl(&lease).output().ok()?;
        let holder = String::from_utf8(output.stdout).ok()?;
        let (pod, _) = holder.rsplit_once('-')?;
        Process::of_pod(SYSTEM, pod)
    };
    // Each has runs of its own under way. They are killed in the same seconds, for the lease alone is silent for twenty.
    std::thread::scope(|scope| {
        scope.spawn(|| survives("the operator that leads", &[&leader]));
        scope.spawn(|| survives("runner", &[&of("runner")]));
        scope.spawn(|| survives("redis", &[&of("redis")]));
    });
    scale(1);
}

#[test]
fn a_killed_gateway_loses_nothing_that_it_was_asked_for() {
    let space = Space::new("asked");
    done(space.kubectl(&["create", "serviceaccount", "ada"]));
    bind(&space, "aob-author", "ada");
    let token = space.token("ada", "aob");
    let workflow = json!({
        "apiVersion": "aob.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": "asked"},
        "spec": {"nodes": [{"id": "pause", "type": "delay", "config": {"for": "5s"}}]},
    });
    let start = json!({"inline": workflow});
    let gateway = Gateway::new();
    let mut answer = (0, Value::Null);
    until("ada may start", || {
        answer = gateway.ask(Some(&token), "/runs", Some(start.clone()));
        answer.0 == 200
    });
    let run = answer.1["run"].as_str().unwrap().to_owned();
    let before = of("gateway")().unwrap();
    before.kill();
    drop(gateway);
    until("another one is there", || of("gateway")().is_some_and(|now| now != before));
    let gateway = Gateway::new();
    until("the run has ended well", || {
        let (status, told) = gateway.ask(Some(&token), &format!("/runs/{run}"), None);
        assert_eq!(status, 200, "{told}");
        told["status"] == json!("succeeded")
    });
}

#[test]
fn a_killed_kubelet_and_api_server_are_not_missed_by_what_runs() {
    let named = |program: &'static str| move || Process::named(program);
    survives("kubelet and API server", &[&named("kubelet"), &named("kube-apiserver")]);
}

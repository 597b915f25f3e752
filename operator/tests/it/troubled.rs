//! An API server that is slow, refuses, or forgets where a watch was; an operator that loses its lease between deciding
//! and writing.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aob_store::Store as _;
use aob_store::redis::RedisStore;
use tokio::sync::watch;

use crate::ground::{Plot, is_let_go};
use crate::proxy::{Fate, Proxy};

const RUNS: usize = 6;

fn objects(pause: &str) -> String {
    let mut text = format!(
        "
apiVersion: aob.dev/v1alpha1
kind: Workflow
metadata: {{name: slow}}
spec:
  nodes:
    - {{id: fetch, type: transform, config: {{value: {{rows: 3}}}}}}
    - {{id: pause, type: delay, config: {{for: {pause}}}}}
    - {{id: save, type: transform, config: {{value: \"${{ nodes.fetch.output.rows }}\"}}}}
  edges:
    - {{from: fetch, to: pause}}
    - {{from: pause, to: save}}
"
    );
    for number in 0..RUNS {
        text.push_str(&format!(
            "---
apiVersion: aob.dev/v1alpha1
kind: Run
metadata: {{name: r{number}}}
spec: {{workflowRef: {{name: slow}}}}
"
        ));
    }
    text
}

/// Every run succeeded, and there is one in the store for each object.
async fn nothing_is_lost_nor_twice(plot: &Plot) {
    for run in plot.completed(RUNS) {
        assert_eq!(run["status"]["phase"], "Succeeded", "{}", run["status"]);
        assert_eq!(run["status"]["progress"], "3/3");
    }
    let store = RedisStore::open(&plot.ground.redis).await.unwrap();
    let runs = store.runs(&plot.name, None, 100).await.unwrap().0;
    assert_eq!(runs.len(), RUNS, "{runs:?}");
}

/// How late each answer is. `cargo xtask soak` says 5, the most that a leader takes; a machine that is busy with all other
/// tests adds its own.
fn lateness() -> Duration {
    let seconds = std::env::var("AOB_LATE").map_or(3, |seconds| seconds.parse().unwrap());
    Duration::from_secs(seconds)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_seconds_late_loses_nothing() {
    let plot = Plot::new("late");
    let late = lateness();
    let proxy = Proxy::start(&plot.direct(), Box::new(move |_| Fate::Late(late))).await;
    let (operator, _) = plot.operator(&proxy.kubeconfig, "a");
    plot.apply(&objects("20s"));
    nothing_is_lost_nor_twice(&plot).await;
    // It has renewed its lease all the time, and no other has been there.
    assert!(!operator.has_ended(), "{}", operator.said());
    let lease = plot.get("lease/aob-operator");
    assert_eq!(lease["spec"]["leaseTransitions"], 1, "{lease}");
    let began = proxy.sent().first().map(|first| first.at).unwrap();
    println!("{} requests in {} s", proxy.sent().len(), began.elapsed().as_secs());
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_conflicts_and_forgotten_watches_lose_nothing() {
    let plot = Plot::new("refused-often");
    let watches: Mutex<BTreeMap<String, usize>> = Mutex::default();
    let rule = move |asked: &crate::proxy::Asked| {
        if asked.is_watch {
            let mut all = watches.lock().unwrap();
            let count = all.entry(asked.path.clone()).or_default();
            *count += 1;
            return match *count % 3 {
                1 => Fate::Expired,
                2 => Fate::Refused(410),
                _ => Fate::Pass,
            };
        }
        match asked.number % 7 {
            1 | 3 => Fate::Refused(429),
            5 if asked.is_write() => Fate::Refused(409),
            _ => Fate::Pass,
        }
    };
    let proxy = Proxy::start(&plot.direct(), Box::new(rule)).await;
    let (operator, admin) = plot.operator(&proxy.kubeconfig, "a");
    plot.apply(&objects("3s"));
    plot.until("runs", "some go on", |all| {
        all["items"].as_array().is_some_and(|all| all.iter().any(|one| one["status"].is_object()))
    });
    proxy.tear();
    nothing_is_lost_nor_twice(&plot).await;
    assert!(!operator.has_ended(), "{}", operator.said());
    // All watches begin anew, with everything there is: nothing is written for it.
    let before = plot.versions();
    let looked = crate::faults::reconciles(admin);
    proxy.rule(Box::new(|_| Fate::Pass));
    let lists = |proxy: &Proxy| {
        proxy
            .sent()
            .iter()
            .filter(|one| one.asked.path.ends_with("/runs") && !one.asked.is_watch)
            .count()
    };
    let listed = lists(&proxy);
    let forgotten: Mutex<BTreeMap<String, usize>> = Mutex::default();
    proxy.rule(Box::new(move |asked| {
        let mut all = forgotten.lock().unwrap();
        let is_first = asked.is_watch && all.insert(asked.path.clone(), 1).is_none();
        if is_first { Fate::Expired } else { Fate::Pass }
    }));
    proxy.tear();
    let begun = Instant::now();
    // A workflow and the runs, each once more.
    while crate::faults::reconciles(admin) < looked + RUNS as u64 + 1 {
        assert!(begun.elapsed() < Duration::from_secs(120), "{}", operator.said());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(lists(&proxy) > listed, "the runs were not listed again");
    assert_eq!(plot.versions(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_sends_after_it_lost_its_lease_is_not_taken() {
    let plot = Plot::new("lost");
    let proxy = Proxy::start(&plot.direct(), Box::new(|_| Fate::Pass)).await;
    let (first, _) = plot.operator(&proxy.kubeconfig, "a");
    let holder = |wanted: &str| {
        plot.until("lease/aob-operator", "it is held", |lease| {
            let holder = lease["spec"]["holderIdentity"].as_str().unwrap_or_default();
            holder.starts_with(&format!("lost-{wanted}-"))
        })
    };
    holder("a");
    // It begins runs, and what it writes of them is on its way for long.
    let (open, gate) = watch::channel(false);
    let held = Arc::new(AtomicUsize::new(0));
    let rule = |is_leader: bool| {
        let (gate, held) = (gate.clone(), held.clone());
        Box::new(move |asked: &crate::proxy::Asked| {
            if !is_leader && asked.path.contains("/leases/") {
                return Fate::Refused(500);
            }
            let is_status = asked.is_write()
                && asked.path.contains("/runs/")
                && asked.path.ends_with("/status");
            if !is_status {
                return Fate::Pass;
            }
            held.fetch_add(1, Ordering::SeqCst);
            Fate::Held(gate.clone())
        })
    };
    proxy.rule(rule(true));
    plot.apply(&objects("4s"));
    let begun = Instant::now();
    while held.load(Ordering::SeqCst) == 0 {
        assert!(begun.elapsed() < Duration::from_secs(120), "{}", first.said());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    proxy.rule(rule(false));
    let (_second, _) = plot.operator(&plot.direct(), "b");
    holder("b");
    let taken = Instant::now();
    nothing_is_lost_nor_twice(&plot).await;
    let begun = Instant::now();
    while !first.has_ended() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{}", first.said());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let all = plot.get("runs");
    assert!(all["items"].as_array().unwrap().iter().all(is_let_go));
    let before = plot.versions();
    // What it had sent when it still had the lease arrives now.
    let known = proxy.sent().len();
    open.send(true).unwrap();
    let late = held.load(Ordering::SeqCst);
    let begun = Instant::now();
    while proxy.sent().len() < known + late {
        assert!(begun.elapsed() < Duration::from_secs(60), "{late} were held back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let sent = proxy.sent();
    for late in &sent[known..] {
        assert_eq!(late.code, 409, "{late:?}");
    }
    println!("{} writes came late, all refused", sent.len() - known);
    assert_eq!(plot.versions(), before);
    let after = |one: &&crate::proxy::Sent| one.asked.is_write() && one.at > taken;
    let beyond: Vec<_> = sent.iter().filter(after).collect();
    assert!(beyond.is_empty(), "{beyond:?}");
}

//! Patches every 50 ms to live runs while runners and the server are killed: each is applied whole or not at all, and
//! whoever asks again gets the same answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aob_e2e::answer;
use aob_e2e::witness::{self, QUICK, SLOW};
use aob_engine::check::Ceiling;
use aob_engine::patch::Record;
use aob_runner::runs::{PatchAsk, Runs};
use rand::Rng as _;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::ask;
use crate::crash::Fleet;
use crate::documents::{in_a_row, workflow};
use crate::local::{PATIENCE, publish, redis, request, server};
use crate::turn::{Turn, number};

/// How often somebody patches.
const EVERY: Duration = Duration::from_millis(50);
/// So many patches at least: in their time the server is killed twice, and a runner eight times.
const STEPS: u64 = 62;

/// What was asked of a run, and the last answer that came.
struct Asked {
    run: Arc<str>,
    ask: PatchAsk,
    node: String,
    answer: Option<Record>,
}

fn chain() -> Value {
    let node = |n: usize| match n % 2 {
        0 => json!({"id": format!("quick{n}"), "type": QUICK}),
        _ => json!({"id": format!("slow{n}"), "type": SLOW, "config": {"pause": 200}}),
    };
    let nodes: Vec<Value> = (0..12).map(node).collect();
    let mut document = workflow("patched-chain", &nodes, &in_a_row(&nodes));
    document["spec"]["limits"] = json!({"patches": 200});
    document
}

/// Between two neighbours of the first graph, beside the edge that is there: behind what runs now, or ahead of it.
fn insertion(random: &mut StdRng, id: &str) -> Value {
    let at = random.random_range(0..11);
    let name =
        |n: usize| if n.is_multiple_of(2) { format!("quick{n}") } else { format!("slow{n}") };
    json!({"operations": [
        {"op": "add", "path": "/nodes/-", "value": {"id": id, "type": QUICK}},
        {"op": "add", "path": "/edges/-", "value": {"from": name(at), "to": id}},
        {"op": "add", "path": "/edges/-", "value": {"from": id, "to": name(at + 1)}},
    ]})
}

async fn keep_asking(runs: &Arc<Runs>, asked: &mut Asked) {
    if let Ok(patched) = runs.patch(&asked.run, &asked.ask).await {
        if let Some(known) = &asked.answer {
            // What a run that is over refuses is not kept, so the time is not that of the first answer.
            assert_eq!(known.answer, patched.record.answer, "asked again, answered otherwise");
        }
        asked.answer = Some(patched.record);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patches_survive_kills() {
    let turn = Turn::take("crash of patched runs").await;
    let mut random = turn.random();
    let seconds = Duration::from_secs(number("AOB_CRASH_SECONDS").unwrap_or(12));
    let live = number("AOB_PATCHED_RUNS").unwrap_or(200) as usize;
    let mut server = server();
    let folder = server.dir().to_owned();
    let mut fleet = Fleet::start(&server, 3);
    let store = redis(&server, 4).await;
    let runs = Runs::new(store, witness::registry().unwrap(), Ceiling::default());
    let digest = publish(&runs, &chain()).await;
    let mut all: Vec<Arc<str>> = Vec::new();
    let mut asked: Vec<Asked> = Vec::new();
    let until = Instant::now() + seconds;
    let (mut kills, mut restarts, mut step) = (0, 0, 0_u64);
    let mut open: BTreeSet<Arc<str>> = BTreeSet::new();
    // So long, and however slow the machine is, until enough was killed.
    while Instant::now() < until || step < STEPS {
        step += 1;
        while open.len() < live {
            let key = Some(format!("run-{}", all.len()));
            match runs.start(&request(&digest, json!({}), key)).await {
                Ok(started) => {
                    open.insert(started.run.clone());
                    all.push(started.run);
                }
                Err(_) => break,
            }
        }
        let run = open.iter().nth(random.random_range(0..open.len().max(1))).cloned();
        if let Some(run) = run {
            let node = format!("extra{}", asked.len());
            let request = insertion(&mut random, &node);
            let mut one = Asked { run, ask: ask(request), node, answer: None };
            keep_asking(&runs, &mut one).await;
            asked.push(one);
        }
        if step.is_multiple_of(7) {
            fleet.replace(random.random_range(0..fleet.len()));
            kills += 1;
        }
        if step.is_multiple_of(STEPS / 2) {
            server = tokio::task::spawn_blocking(move || {
                server.kill9();
                server.restart().unwrap();
                server
            })
            .await
            .unwrap();
            restarts += 1;
        }
        if step.is_multiple_of(10) {
            let mut ended = Vec::new();
            for run in &open {
                if let Ok(Some(state)) = runs.store().load(run).await
                    && state.is_ended()
                {
                    ended.push(run.clone());
                }
            }
            open.retain(|run| !ended.contains(run));
            let _ = answer::unknown_outcomes(&runs).await;
        }
        tokio::time::sleep(EVERY).await;
    }
    // Everything ends, and whoever has no answer yet, or had one, gets it.
    let patience = Instant::now() + PATIENCE;
    while !open.is_empty() {
        assert!(Instant::now() < patience, "{} runs are stuck; {}", open.len(), fleet.said());
        let run = open.first().cloned().unwrap();
        match runs.wait(&run, Duration::from_secs(5)).await {
            Ok(state) if state.is_ended() => drop(open.remove(&run)),
            _ => drop(answer::unknown_outcomes(&runs).await),
        }
    }
    let (mut accepted, mut refused) = (BTreeMap::<Arc<str>, Vec<String>>::new(), 0);
    for one in &mut asked {
        keep_asking(&runs, one).await;
        let record = one.answer.as_ref().expect("a server that is there answers");
        match record.accepted() {
            Some(_) => accepted.entry(one.run.clone()).or_default().push(one.node.clone()),
            None => refused += 1,
        }
    }
    let mut count = 0;
    for run in &all {
        let view = runs.view(run).await.unwrap();
        let extra: BTreeSet<&str> = view
            .ir
            .nodes
            .iter()
            .map(|node| &*node.id)
            .filter(|id| id.starts_with("extra"))
            .collect();
        let wanted: BTreeSet<&str> =
            accepted.get(run).into_iter().flatten().map(String::as_str).collect();
        assert_eq!(extra, wanted, "{run}: each patch is there whole, or not at all");
        assert_eq!(view.state.head.revision as usize, wanted.len());
        count += wanted.len();
        runs.verify(run).await.unwrap().unwrap_or_else(|why| panic!("{run}: {why}"));
    }
    drop(fleet);
    println!(
        "{} runs, {kills} kills of runners, {restarts} of the server, {} patches: {count} accepted, {refused} refused; {}",
        all.len(),
        asked.len(),
        folder.display()
    );
    assert!(count > asked.len() / 10, "enough are accepted");
    drop(server);
}

//! A runner that sleeps beyond its lease and wakes after another has done its work.

use std::time::Duration;

use aob_e2e::witness::{self, Execution, SLOW};
use aob_engine::check::Ceiling;
use aob_engine::event::{Cause, Change};
use aob_engine::state::RunOutcome;
use aob_engine::step::{Answer, Input, Verdict};
use aob_runner::runs::Runs;
use rustix::process::Signal;
use serde_json::json;
use tokio::time::Instant;

use super::fleet::Fleet;
use crate::documents::{in_a_row, workflow};
use crate::local::{PATIENCE, publish, redis, server, start};
use crate::turn::Turn;

/// How long the attempt goes on after its effect.
const PAUSE: u64 = 1_500;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_zombie_is_refused() {
    let _turn = Turn::take("crash: a zombie").await;
    let server = server();
    // One shard, so that one lane serves all: what it is given later it answers later.
    let runs = Runs::new(redis(&server, 1).await, witness::registry().unwrap(), Ceiling::default());
    let nodes = [
        json!({"id": "work", "type": SLOW, "config": {"pause": PAUSE}}),
        json!({"id": "gate", "type": "approval", "config": {"title": "Go on?"}}),
    ];
    let digest = publish(&runs, &workflow("zombie", &nodes, &in_a_row(&nodes))).await;
    let file = server.dir().join("witness");
    let mut fleet = Fleet::start(&server, 1);
    let run = start(&runs, &digest, json!({})).await;
    let first = executions(&file, 1).await.remove(0);
    fleet.process(0).signal(Signal::STOP);
    fleet.add();
    // The second process finds the lease over, does the work, and the run comes to its gate.
    let mut state = runs.view(&run).await.unwrap().state;
    let until = Instant::now() + PATIENCE;
    while state.status() != "waiting" {
        assert!(Instant::now() < until, "{state:?}; {}", fleet.said());
        runs.store().watch(&run, state.head.seq, PATIENCE).await.unwrap();
        state = runs.view(&run).await.unwrap().state;
    }
    let both = executions(&file, 2).await;
    assert_ne!(both[1].fence, first.fence);
    assert_eq!(both[1].process, fleet.process(1).id());
    let before = runs.history(&run).await.unwrap();

    // The zombie wakes alone and completes; then it serves another run, which it does after that.
    fleet.remove(1);
    fleet.process(0).signal(Signal::CONT);
    let proof = [json!({"id": "proof", "type": SLOW})];
    let digest = publish(&runs, &workflow("proof", &proof, &[])).await;
    tokio::time::sleep(Duration::from_millis(PAUSE)).await;
    let other = start(&runs, &digest, json!({})).await;
    let ended = runs.wait(&other, PATIENCE).await.unwrap();
    assert_eq!(ended.head.outcome, Some(RunOutcome::Succeeded), "{}", fleet.said());
    let all = executions(&file, 3).await;
    assert_eq!(all[2].process, first.process, "it is the zombie that did it");

    // Its completion changed nothing, and what it said is refused for what it is.
    let after = runs.history(&run).await.unwrap();
    assert_eq!(after, before);
    let settled = after.iter().flat_map(|(event, _)| &event.changes);
    let settled =
        settled.filter(|change| matches!(change, Change::Settled { at, .. } if at == "work"));
    assert_eq!(settled.count(), 1);
    let lost = after
        .iter()
        .flat_map(|(event, _)| &event.changes)
        .filter(|change| matches!(change, Change::Lost { .. }));
    assert_eq!(lost.count(), 1);
    let kept = runs.output(&run, Some("work")).await.unwrap().unwrap();
    assert_eq!(*kept, json!({"fence": both[1].fence.to_string()}));
    let late = Input::Settled {
        instance: "work".to_owned(),
        fence: first.fence,
        result: Answer::Output(std::sync::Arc::new(json!({"fence": first.fence.to_string()}))),
    };
    assert_eq!(runs.apply(&run, vec![late]).await.unwrap(), [Verdict::Superseded]);
    assert!(matches!(
        after
            .iter()
            .flat_map(|(event, _)| &event.changes)
            .find(|change| matches!(change, Change::Settled { .. })),
        Some(Change::Settled { cause: Cause::Completion, .. })
    ));
    runs.verify(&run).await.unwrap().unwrap();
}

/// Waits until so many executions have been written down.
async fn executions(file: &std::path::Path, count: usize) -> Vec<Execution> {
    let until = Instant::now() + PATIENCE;
    loop {
        let all = witness::read(file).unwrap();
        if all.len() >= count {
            assert_eq!(all.len(), count, "{all:?}");
            return all;
        }
        assert!(Instant::now() < until, "{all:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

//! Leases: who gives a sign of life keeps its tasks; who does not loses each once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Launcher;
use super::fixture::{
    AT_ONCE, BEGIN, LONG, applied, claim, instances, next, run_id, signals, start,
};
use aob_engine::step::{Answer, Input};
use aob_store::{Beat, Kept, Signal, Store, TaskRef};
use serde_json::json;

async fn beat(store: &dyn Store, name: &str, tasks: &[&TaskRef], begin: &[usize]) -> Kept {
    let beat = Beat {
        consumer: name.into(),
        shard: 0,
        types: [Arc::from("noop")].into(),
        tasks: tasks.iter().map(|&task| task.clone()).collect(),
        begin: begin.to_vec(),
        lease: 30_000,
    };
    store.beat(&beat).await.unwrap()
}

/// Whether a beat that names the task keeps it.
async fn keeps(store: &dyn Store, name: &str, task: &TaskRef) -> bool {
    beat(store, name, &[task], &[]).await.kept == [true]
}

/// Beats within the lease keep a task for as long as they come; then it is lost.
pub(crate) async fn beat_keeps(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let lease = Duration::from_millis(400);
    applied(&*store, start(&*store, &run_id(), 1).publish(0)).await;
    let task = claim(&*store, "w", 1).await.remove(0);
    let since = Instant::now();
    let mut latest = Instant::now();
    while since.elapsed() < 3 * lease {
        assert_eq!(store.sweep(0, lease, BEGIN).await.unwrap().0, 0);
        if latest.elapsed() > lease / 2 {
            // A machine that slept through the lease proves nothing about the store.
            assert!(latest.elapsed() < lease, "this machine is too slow for the case");
            // The lease counts from when the store had the beat, which is before its answer.
            let sent = Instant::now();
            assert!(keeps(&*store, "w", &task.at).await);
            latest = sent;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    while store.sweep(0, lease, BEGIN).await.unwrap().0 == 0 {
        assert!(latest.elapsed() < LONG, "an expired lease is found");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Stores count whole milliseconds.
    assert!(latest.elapsed() + Duration::from_millis(2) >= lease);
    assert!(!keeps(&*store, "w", &task.at).await);
}

/// A task is kept by its owner only; a task that is not out is nobody's.
pub(crate) async fn beat_of_a_stranger(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let state = applied(&*store, start(&*store, &run_id(), 2).publish(0)).await;
    let task = claim(&*store, "w", 1).await.remove(0);
    assert!(!keeps(&*store, "stranger", &task.at).await);
    assert!(keeps(&*store, "w", &task.at).await);
    let mut other = task.at.clone();
    other.fence.1 += 1;
    assert!(!keeps(&*store, "w", &other).await, "another fence is another task");
    applied(&*store, next(&*store, &state).settle(0, json!(0))).await;
    assert_eq!(beat(&*store, "w", &[&task.at, &task.at], &[]).await.kept, [false, false]);
}

/// A beat tells what the consumer holds without having named it; nobody else's, and no type it does not serve.
pub(crate) async fn unnamed_claims(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let draft = start(&*store, &run_id(), 4).publish(0).publish(1).publish(2).publish_as(
        3,
        "http",
        false,
        json!({}),
    );
    applied(&*store, draft).await;
    let mine = claim(&*store, "w", 2).await;
    let others = claim(&*store, "v", 1).await;
    store.claim(&super::fixture::claim_of("w", &["http"], 1), AT_ONCE).await.unwrap();
    let kept = beat(&*store, "w", &[&mine[0].at], &[]).await;
    assert_eq!(kept.kept, [true]);
    assert_eq!(kept.unnamed, [mine[1].clone()]);
    let kept = beat(&*store, "v", &[], &[]).await;
    assert_eq!(kept.unnamed, others);
    assert!(beat(&*store, "w", &[&mine[0].at, &mine[1].at], &[]).await.unnamed.is_empty());
}

/// An expired lease is one signal, however often it is swept, and the task is nobody's afterwards.
pub(crate) async fn expiry_is_one_signal(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let run = run_id();
    applied(&*store, start(&*store, &run, 3).publish(0).publish(1).publish(2)).await;
    let held = claim(&*store, "w", 2).await;
    assert_eq!(store.sweep(0, LONG, BEGIN).await.unwrap(), (0, None));
    assert_eq!(store.sweep(0, AT_ONCE, BEGIN + 7).await.unwrap(), (2, None));
    assert_eq!(store.sweep(0, AT_ONCE, BEGIN + 8).await.unwrap(), (0, None));
    let lost = signals(&*store, "c").await;
    assert_eq!(lost.len(), 2);
    for task in &held {
        let input =
            Input::Lost { instance: task.at.instance.clone(), fence: task.at.fence, begun: false };
        assert!(
            lost.iter().any(|entry| entry.signal
                == Signal { run: run.clone(), input: input.clone(), t: BEGIN + 7 })
        );
        assert!(!keeps(&*store, "w", &task.at).await);
    }
    assert!(beat(&*store, "w", &[], &[]).await.unnamed.is_empty());
    assert_eq!(claim(&*store, "v", 9).await.len(), 1, "only the task that was never claimed");
}

/// After a loss the task is published again under a new fence; the old holder has nothing left.
pub(crate) async fn lost_and_published_again(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let state = applied(&*store, start(&*store, &run_id(), 1).publish(0)).await;
    let old = claim(&*store, "w", 1).await.remove(0);
    store.sweep(0, AT_ONCE, BEGIN).await.unwrap();
    let lost = signals(&*store, "c").await;
    let mut item = next(&*store, &state).lost(0).item();
    item.signals = lost.into_iter().map(|entry| entry.id).collect();
    assert_eq!(super::fixture::commit(&*store, vec![item]).await, [aob_store::Outcome::Applied]);
    let new = claim(&*store, "v", 9).await.remove(0);
    assert_eq!((new.attempt, new.at.fence.1), (2, 2));
    assert!(!keeps(&*store, "w", &old.at).await);
    assert!(keeps(&*store, "v", &new.at).await);
}

/// What was reported is never called lost.
pub(crate) async fn reported_is_left_alone(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let run = run_id();
    let state = applied(&*store, start(&*store, &run, 2).publish(0).publish(1)).await;
    let tasks = claim(&*store, "w", 2).await;
    let task = tasks.iter().find(|task| task.at.instance == "n0").unwrap();
    let result = Answer::Output(Arc::new(json!({"n": 1})));
    let input = Input::Settled { instance: "n0".into(), fence: task.at.fence, result };
    let signal = Signal { run: run.clone(), input, t: BEGIN + 1 };
    store.report("w", &task.at, &signal).await.unwrap();
    assert_eq!(store.sweep(0, AT_ONCE, BEGIN + 2).await.unwrap().0, 1, "only the other is lost");
    let mut entries = signals(&*store, "c").await;
    entries.retain(|entry| !matches!(entry.signal.input, Input::Lost { .. }));
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].signal, signal);
    assert!(!keeps(&*store, "w", &task.at).await, "it is out of the worker's hands");
    assert_eq!(instances(&beat(&*store, "w", &[], &[]).await.unnamed), [""; 0]);
    let mut item = next(&*store, &state).settle(0, json!({"n": 1})).item();
    item.signals = vec![entries[0].id.clone()];
    assert_eq!(super::fixture::commit(&*store, vec![item]).await, [aob_store::Outcome::Applied]);
    assert!(store.claimed(&state).await.unwrap().iter().all(|instance| instance != "n0"));
}

/// A `once` task that began and whose worker went away is lost with that said.
pub(crate) async fn once_that_began(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    applied(&*store, start(&*store, &run_id(), 1).publish_as(0, "noop", true, json!({}))).await;
    let task = claim(&*store, "w", 1).await.remove(0);
    assert!(task.once);
    assert_eq!(beat(&*store, "w", &[&task.at], &[0]).await.kept, [true]);
    assert_eq!(beat(&*store, "w", &[&task.at], &[]).await.kept, [true]);
    assert_eq!(store.sweep(0, AT_ONCE, BEGIN).await.unwrap().0, 1);
    let [lost] = &signals(&*store, "c").await[..] else { panic!("one signal") };
    assert!(matches!(lost.signal.input, Input::Lost { begun: true, .. }), "{lost:?}");
    assert_eq!(
        beat(&*store, "w", &[&task.at], &[0]).await.kept,
        [false],
        "it cannot begin after that"
    );
}

/// One that had not said that it begins is lost without.
pub(crate) async fn once_that_did_not_begin(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let draft = start(&*store, &run_id(), 2).publish_as(0, "noop", true, json!({})).publish(1);
    applied(&*store, draft).await;
    claim(&*store, "w", 2).await;
    assert_eq!(store.sweep(0, AT_ONCE, BEGIN).await.unwrap().0, 2);
    for lost in signals(&*store, "c").await {
        assert!(matches!(lost.signal.input, Input::Lost { begun: false, .. }), "{lost:?}");
    }
}

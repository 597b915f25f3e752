//! Tasks: given out once, taken back only while nobody holds them, gone with the answer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use super::Launcher;
use super::fixture::{
    AT_ONCE, BEGIN, LONG, applied, claim, claim_of, commit, commit_and_claim, instance, instances,
    next, noops, now, run_id, start,
};
use aob_engine::state::Fence;
use aob_engine::step::{Answer, Input};
use aob_store::{Backlog, Beat, Outcome, Signal, Store, TaskRef};
use serde_json::json;

async fn kept(store: &dyn Store, name: &str, tasks: Vec<TaskRef>) -> Vec<bool> {
    let beat = Beat {
        consumer: name.into(),
        shard: 0,
        types: [Arc::from("noop")].into(),
        tasks,
        begin: vec![],
        lease: 30_000,
    };
    store.beat(&beat).await.unwrap().kept
}

/// A claimed task says what was published, inputs above 4 KiB included.
pub(crate) async fn carries_what_was_published(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let run = run_id();
    let large =
        json!({"text": "x".repeat(20_000), "list": [1, -2, 0.5, null, true, {"a": "ü\u{0}\n"}]});
    let draft = start(&*store, &run, 2).publish_as(0, "noop", true, large.clone()).publish(1);
    applied(&*store, draft).await;
    let mut tasks = claim(&*store, "w", 10).await;
    tasks.sort_by(|a, b| a.at.instance.cmp(&b.at.instance));
    let [first, second] = &tasks[..] else { panic!("{tasks:?}") };
    assert_eq!(
        (&*first.at.run, first.at.instance.as_str(), &*first.at.node_type),
        (&*run, "n0", "noop")
    );
    assert_eq!((first.at.fence, first.at.cell), (Fence(store.epoch(), 1), 0));
    assert_eq!((first.attempt, first.timeout, first.once), (1, Some(5_000), true));
    assert_eq!(*first.input, large);
    assert_eq!((second.at.cell, second.once, &*second.input), (1, false, &json!({"slot": 1})));
    assert_ne!(first.at.entry, second.at.entry);
}

/// However many ask, a task is given to one.
pub(crate) async fn claimed_once_among_rivals(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let draft = (0..40).fold(start(&*store, &run_id(), 40), |draft, slot| draft.publish(slot));
    applied(&*store, draft).await;
    let rivals = (0..8).map(|rival| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut mine = Vec::new();
            loop {
                let tasks = claim(&*store, &format!("w{rival}"), 3).await;
                assert!(tasks.len() <= 3);
                if tasks.is_empty() {
                    return mine;
                }
                mine.extend(tasks);
            }
        })
    });
    let mut all = Vec::new();
    for rival in rivals.collect::<Vec<_>>() {
        all.extend(rival.await.unwrap());
    }
    let names: BTreeSet<&str> = all.iter().map(|task| task.at.instance.as_str()).collect();
    assert_eq!((all.len(), names.len()), (40, 40));
}

/// Those who wait are woken by what is published, each for a task of its own; who waits for nothing comes back empty.
pub(crate) async fn claim_is_woken(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let waiting: Vec<_> = (0..3)
        .map(|rival| {
            let store = store.clone();
            tokio::spawn(async move {
                store.claim(&noops(&format!("w{rival}"), 1), LONG).await.unwrap()
            })
        })
        .collect();
    tokio::task::yield_now().await;
    let since = Instant::now();
    let state = applied(&*store, start(&*store, &run_id(), 3).publish(0)).await;
    applied(&*store, next(&*store, &state).publish(1).publish(2)).await;
    let mut all = Vec::new();
    for claim in waiting {
        all.extend(claim.await.unwrap());
    }
    assert_eq!(instances(&all), ["n0", "n1", "n2"]);
    assert!(since.elapsed() < LONG, "they were not woken");
    let none = store.claim(&noops("w", 1), std::time::Duration::from_millis(20)).await.unwrap();
    assert!(none.is_empty());
}

/// Only the types asked for, and no more than asked for.
pub(crate) async fn claim_by_type(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let draft = start(&*store, &run_id(), 4)
        .publish_as(0, "http", false, json!({}))
        .publish_as(1, "noop", false, json!({}))
        .publish_as(2, "transform", false, json!({}))
        .publish_as(3, "http", false, json!({}));
    applied(&*store, draft).await;
    let of =
        async |types: &[&str], max| store.claim(&claim_of("w", types, max), AT_ONCE).await.unwrap();
    assert!(of(&["exec"], 9).await.is_empty());
    assert_eq!(instances(&of(&["noop", "transform"], 9).await), ["n1", "n2"]);
    assert_eq!(instances(&of(&["exec", "http"], 1).await), ["n0"]);
    assert_eq!(instances(&of(&["http"], 9).await), ["n3"]);
}

/// Whoever may wait is given what is there, and no more of it than it wants, however many types it is of.
pub(crate) async fn no_more_than_wanted(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let types = ["noop", "http", "transform", "exec"];
    let mut draft = start(&*store, &run_id(), 4);
    for (slot, node_type) in (0..).zip(types) {
        draft = draft.publish_as(slot, node_type, false, json!({}));
    }
    applied(&*store, draft).await;
    let mut taken = 0;
    for want in [1, 2, 9] {
        let tasks = store.claim(&claim_of("w", &types, want), LONG).await.unwrap();
        assert_eq!(tasks.len(), want.min(4 - taken), "{tasks:?}");
        taken += tasks.len();
    }
}

/// A commit gives out tasks that it published itself.
pub(crate) async fn claim_in_commit(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let item = start(&*store, &run_id(), 3).publish(0).item();
    let state = item.after.clone();
    let committed = commit_and_claim(&*store, vec![item], Some(noops("w", 2))).await;
    assert_eq!(committed.outcomes, [Outcome::Applied]);
    assert_eq!(instances(&committed.claimed), ["n0"]);
    let item = next(&*store, &state).settle(0, json!(0)).publish(1).publish(2).item();
    let committed = commit_and_claim(&*store, vec![item], Some(noops("w", 1))).await;
    assert_eq!(committed.claimed.len(), 1);
    assert_eq!(claim(&*store, "other", 9).await.len(), 1);
    let committed = commit_and_claim(&*store, vec![], Some(noops("w", 1))).await;
    assert!(committed.outcomes.is_empty() && committed.claimed.is_empty());
}

/// A refused item keeps its place in the worker's hands: for it nothing is claimed.
pub(crate) async fn no_claim_for_a_refused_item(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let (stale, fresh) = (run_id(), run_id());
    let state = applied(&*store, start(&*store, &stale, 4).publish(0)).await;
    applied(&*store, next(&*store, &state).publish(1).publish(2)).await;
    let loser = || next(&*store, &state).settle(0, json!(0)).item();
    let committed = commit_and_claim(&*store, vec![loser()], Some(noops("w", 1))).await;
    assert_eq!(committed.outcomes, [Outcome::Conflict]);
    assert!(committed.claimed.is_empty());
    let items = vec![loser(), start(&*store, &fresh, 1).item()];
    let committed = commit_and_claim(&*store, items, Some(noops("w", 2))).await;
    assert_eq!(committed.outcomes, [Outcome::Conflict, Outcome::Applied]);
    assert_eq!(committed.claimed.len(), 1);
}

/// An answer ends the task in its cell, whoever holds it.
pub(crate) async fn ack_by_cell(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let state = applied(&*store, start(&*store, &run_id(), 3).publish(0).publish(1)).await;
    let held = claim(&*store, "w", 2).await;
    let of = |name: &str| held.iter().find(|task| task.at.instance == name).unwrap().at.clone();
    assert_eq!(kept(&*store, "w", vec![of("n0"), of("n1")]).await, [true, true]);
    applied(&*store, next(&*store, &state).settle(0, json!(0))).await;
    assert_eq!(kept(&*store, "w", vec![of("n0"), of("n1")]).await, [false, true]);
    assert_eq!(store.sweep(0, LONG, BEGIN).await.unwrap().0, 0);
}

/// A cell that becomes free in a step is used again in the same step: the old task goes, the new one stays.
pub(crate) async fn cell_used_again(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let mut state = applied(&*store, start(&*store, &run_id(), 20).publish(0)).await;
    for slot in 0..19 {
        let [task] = &claim(&*store, "w", 9).await[..] else { panic!("one task is out") };
        assert_eq!((task.at.instance.clone(), task.at.cell), (instance(slot), 0));
        state = applied(&*store, next(&*store, &state).settle(slot, json!(slot)).publish(slot + 1))
            .await;
        assert_eq!(kept(&*store, "w", vec![task.at.clone()]).await, [false]);
    }
    assert_eq!(instances(&claim(&*store, "w", 9).await), ["n19"]);
}

/// A task that nobody has claimed can be taken back.
pub(crate) async fn recall_unclaimed(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let state = applied(&*store, start(&*store, &run_id(), 3).publish(0).publish(1)).await;
    applied(&*store, next(&*store, &state).recall(0).publish(2)).await;
    assert_eq!(instances(&claim(&*store, "w", 9).await), ["n1", "n2"]);
}

/// A task that somebody has claimed cannot: nothing of the item is written.
pub(crate) async fn recall_claimed(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let run = run_id();
    let state = applied(&*store, start(&*store, &run, 4).publish(0)).await;
    let task = claim(&*store, "w", 1).await.remove(0);
    let state = applied(&*store, next(&*store, &state).publish(1)).await;
    let item = next(&*store, &state).recall(1).recall(0).publish(2).item();
    assert_eq!(commit(&*store, vec![item]).await, [Outcome::Claimed]);
    assert_eq!(*store.load(&run).await.unwrap().unwrap(), *state);
    assert_eq!(kept(&*store, "w", vec![task.at]).await, [true]);
    assert_eq!(instances(&claim(&*store, "v", 9).await), ["n1"]);
}

/// A task whose answer or loss is under way counts as claimed.
pub(crate) async fn recall_of_reported_and_lost(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let run = run_id();
    let state = applied(&*store, start(&*store, &run, 2).publish(0).publish(1)).await;
    let task =
        claim(&*store, "w", 2).await.into_iter().find(|task| task.at.instance == "n0").unwrap();
    let input = Input::Settled {
        instance: "n0".into(),
        fence: task.at.fence,
        result: Answer::Output(Arc::new(json!({"done": true}))),
    };
    store.report("w", &task.at, &Signal { run: run.clone(), input, t: BEGIN }).await.unwrap();
    assert_eq!(store.sweep(0, AT_ONCE, BEGIN).await.unwrap().0, 1, "n1 is lost");
    for slot in [0, 1] {
        let item = next(&*store, &state).recall(slot).item();
        assert_eq!(commit(&*store, vec![item]).await, [Outcome::Claimed]);
    }
    let mut claimed = store.claimed(&state).await.unwrap();
    claimed.sort();
    assert_eq!(claimed, ["n0", "n1"]);
}

/// Which instances a worker holds.
pub(crate) async fn claimed_instances(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let state = applied(
        &*store,
        start(&*store, &run_id(), 5).publish(0).publish(1).publish(2).ask(3, "ticket_c"),
    )
    .await;
    assert!(store.claimed(&state).await.unwrap().is_empty());
    let held = claim(&*store, "w", 2).await;
    let mut claimed = store.claimed(&state).await.unwrap();
    claimed.sort();
    assert_eq!(claimed, instances(&held));
}

/// The step that ends a run ends its tasks, claimed or not.
pub(crate) async fn end_removes_tasks(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let state = applied(&*store, start(&*store, &run_id(), 2).publish(0).publish(1)).await;
    let task = claim(&*store, "w", 1).await.remove(0);
    applied(&*store, next(&*store, &state).end(BEGIN + 3)).await;
    assert_eq!(kept(&*store, "w", vec![task.at]).await, [false]);
    assert!(claim(&*store, "w", 9).await.is_empty());
    assert_eq!(store.sweep(0, AT_ONCE, BEGIN).await.unwrap().0, 0);
    assert!(super::fixture::signals(&*store, "c").await.is_empty());
}

/// Unclaimed tasks are counted by type.
pub(crate) async fn backlog(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let draft = start(&*store, &run_id(), 4)
        .publish(0)
        .publish_as(1, "http", false, json!({}))
        .publish_as(2, "http", false, json!({}));
    let before = now();
    applied(&*store, draft).await;
    let counts = async || {
        let mut backlog = store.backlog().await.unwrap();
        backlog.sort_by(|a, b| a.node_type.cmp(&b.node_type));
        assert!(backlog.iter().all(|line| (before..=now()).contains(&line.since)), "{backlog:?}");
        backlog.into_iter().map(|line| (line.node_type, line.tasks)).collect::<Vec<_>>()
    };
    assert_eq!(counts().await, [("http".to_owned(), 2), ("noop".to_owned(), 1)]);
    let lines = store.backlog().await.unwrap();
    assert!(lines.iter().all(|line| line.idle.is_none()), "nobody has asked yet: {lines:?}");
    claim(&*store, "w", 9).await;
    store.claim(&claim_of("w", &["http"], 1), AT_ONCE).await.unwrap();
    assert_eq!(counts().await, [("http".to_owned(), 1)]);
    let mut demand = store.demand().await.unwrap();
    demand.sort_by(|a, b| a.queue.cmp(&b.queue));
    let told: Vec<_> =
        demand.iter().map(|one| (one.queue.as_str(), one.waiting, one.held)).collect();
    assert_eq!(told, [("http", 1, 1), ("noop", 0, 1)]);
    let [line] = &store.backlog().await.unwrap()[..] else { panic!("one type") };
    let late = now() + 60_000;
    assert!(line.idle.is_some_and(|idle| idle < 30_000) && !line.is_unserved(late), "{line:?}");
    assert!(Backlog { idle: None, ..line.clone() }.is_unserved(late));
    assert!(!Backlog { idle: None, ..line.clone() }.is_unserved(line.since), "not yet");
}

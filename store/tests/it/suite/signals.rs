//! Signals: each is given to one coordinator until it is acknowledged, or taken over when that one is silent.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Launcher;
use super::fixture::{
    AT_ONCE, BEGIN, LONG, acks_alone, applied, commit, next, run_id, signals, start,
};
use aob_engine::state::{CancelMode, Fence, NodeError};
use aob_engine::step::{Answer, Decision, Due, Input, Notified, Reply, Timer};
use aob_store::{Item, Outcome, Signal};
use serde_json::json;

fn suspend(run: &Arc<str>, n: u64) -> Signal {
    Signal {
        run: run.clone(),
        input: Input::Suspend { on: true, by: format!("user:{n}") },
        t: BEGIN + n,
    }
}

/// Of two who ask, one is given it; who has it is not given it again.
pub(crate) async fn given_to_one(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let run = run_id();
    for n in 0..10 {
        store.signal(&suspend(&run, n)).await.unwrap();
    }
    let first = store.signals(0, "a", 4, AT_ONCE).await.unwrap();
    let second = store.signals(0, "b", 100, AT_ONCE).await.unwrap();
    assert_eq!((first.len(), second.len()), (4, 6));
    let order: Vec<u64> = first.iter().chain(&second).map(|entry| entry.signal.t - BEGIN).collect();
    assert_eq!(order, (0..10).collect::<Vec<_>>());
    assert!(signals(&*store, "a").await.is_empty());
}

/// What an item sends is written with it, and not if it is refused.
pub(crate) async fn sent_with_an_item(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let (parent, child, last) = (run_id(), run_id(), run_id());
    let state = applied(&*store, start(&*store, &child, 2).publish(0)).await;
    let waiting = {
        let store = store.clone();
        tokio::spawn(async move { store.signals(0, "a", 10, LONG).await.unwrap() })
    };
    tokio::task::yield_now().await;
    let since = Instant::now();
    let item = Item {
        send: vec![suspend(&parent, 1)],
        ..next(&*store, &state).settle(0, json!(0)).item()
    };
    let refused =
        Item { send: vec![suspend(&parent, 2)], ..next(&*store, &state).publish(1).item() };
    assert_eq!(commit(&*store, vec![item]).await, [Outcome::Applied]);
    assert_eq!(commit(&*store, vec![refused]).await, [Outcome::Conflict]);
    let got: Vec<Signal> = waiting.await.unwrap().into_iter().map(|entry| entry.signal).collect();
    assert_eq!(got, [suspend(&parent, 1)]);
    assert!(since.elapsed() < LONG, "it was not woken");
    // Also the end of a run that leaves nothing else behind.
    let state = applied(&*store, start(&*store, &last, 1)).await;
    let end = Item {
        send: vec![suspend(&parent, 3)],
        retention: 0,
        ..next(&*store, &state).end(BEGIN).item()
    };
    assert_eq!(commit(&*store, vec![end]).await, [Outcome::Applied]);
    let got: Vec<Signal> =
        signals(&*store, "a").await.into_iter().map(|entry| entry.signal).collect();
    assert_eq!(got, [suspend(&parent, 3)]);
}

/// The commit that answers a signal acknowledges it.
pub(crate) async fn acked_by_a_commit(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let run = run_id();
    let state = applied(&*store, start(&*store, &run, 2).publish(0)).await;
    store.signal(&suspend(&run, 1)).await.unwrap();
    let ids: Vec<String> = signals(&*store, "a").await.into_iter().map(|entry| entry.id).collect();
    let item = Item { signals: ids, ..next(&*store, &state).settle(0, json!(0)).item() };
    assert_eq!(commit(&*store, vec![item]).await, [Outcome::Applied]);
    tokio::time::sleep(launcher.takeover() * 2).await;
    assert!(signals(&*store, "b").await.is_empty(), "it is answered");
}

/// An acknowledgement without a commit, and an item that only acknowledges.
pub(crate) async fn acked_alone(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let run = run_id();
    let state = applied(&*store, start(&*store, &run, 1)).await;
    for n in 0..3 {
        store.signal(&suspend(&run, n)).await.unwrap();
    }
    let ids: Vec<String> = signals(&*store, "a").await.into_iter().map(|entry| entry.id).collect();
    store.ack_signals(0, &ids[..1]).await.unwrap();
    store.ack_signals(0, &ids[..1]).await.unwrap();
    assert_eq!(
        commit(&*store, vec![acks_alone(&state, vec![ids[1].clone()])]).await,
        [Outcome::Applied]
    );
    assert_eq!(*store.load(&run).await.unwrap().unwrap(), *state, "no event, no new seq");
    let left = store.signals(0, "b", 10, launcher.takeover() * 50).await.unwrap();
    assert_eq!(left.iter().map(|entry| &entry.id).collect::<Vec<_>>(), [&ids[2]]);
}

/// Acknowledged whatever the outcome but a conflict, since that is decided again.
pub(crate) async fn ack_of_refused_items(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let (ended, moved, never) = (run_id(), run_id(), run_id());
    let state = applied(&*store, start(&*store, &ended, 1)).await;
    applied(&*store, next(&*store, &state).end(BEGIN)).await;
    let old = applied(&*store, start(&*store, &moved, 2)).await;
    applied(&*store, next(&*store, &old).publish(0)).await;
    for (n, run) in [(0, &ended), (1, &moved), (2, &never)] {
        store.signal(&suspend(run, n)).await.unwrap();
    }
    let entries = signals(&*store, "a").await;
    let id = |run: &Arc<str>| {
        vec![entries.iter().find(|entry| entry.signal.run == *run).unwrap().id.clone()]
    };
    let unknown = start(&*store, &never, 1).item().after;
    let items = vec![
        Item { signals: id(&ended), ..next(&*store, &state).publish(0).item() },
        Item { signals: id(&moved), ..next(&*store, &old).publish(1).item() },
        Item { signals: id(&never), ..next(&*store, &unknown).publish(0).item() },
    ];
    assert_eq!(commit(&*store, items).await, [Outcome::Ended, Outcome::Conflict, Outcome::Unknown]);
    let left = store.signals(0, "b", 10, launcher.takeover() * 50).await.unwrap();
    assert_eq!(left.iter().map(|entry| entry.signal.run.clone()).collect::<Vec<_>>(), [moved]);
}

/// What a coordinator left pending goes to another, not before its time.
pub(crate) async fn taken_over(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let signal = suspend(&run_id(), 1);
    store.signal(&signal).await.unwrap();
    let since = Instant::now();
    let first = signals(&*store, "a").await;
    let early = signals(&*store, "b").await;
    assert!(early.is_empty() || since.elapsed() >= launcher.takeover());
    let taken = store.signals(0, "b", 10, launcher.takeover() * 50).await.unwrap();
    assert!(since.elapsed() >= launcher.takeover());
    assert_eq!(taken, first);
    assert_eq!(taken[0].signal, signal);
    store.ack_signals(0, &[taken[0].id.clone()]).await.unwrap();
    assert!(store.signals(0, "a", 10, launcher.takeover() * 2).await.unwrap().is_empty());
}

/// Who waits is woken; who waits for nothing comes back in time.
pub(crate) async fn wakes_and_bounded(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let waiting = {
        let store = store.clone();
        tokio::spawn(async move { store.signals(0, "a", 10, LONG).await.unwrap() })
    };
    tokio::task::yield_now().await;
    let signal = suspend(&run_id(), 1);
    let since = Instant::now();
    store.signal(&signal).await.unwrap();
    let entries = waiting.await.unwrap();
    assert!(since.elapsed() < LONG, "it was not woken");
    assert_eq!(entries.into_iter().map(|entry| entry.signal).collect::<Vec<_>>(), [signal]);
    let since = Instant::now();
    assert!(store.signals(0, "b", 10, Duration::from_millis(20)).await.unwrap().is_empty());
    assert!(since.elapsed() < LONG);
}

/// Every kind of input comes back as it went in.
pub(crate) async fn every_input_comes_back(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let run = run_id();
    let fence = Fence(u64::MAX, 7);
    let error = NodeError::new("timeout", "too \"late\"\n").at("each[1]/x");
    let settled = |result| Input::Settled { instance: "each[3]/a".into(), fence, result };
    let decision = |answer| {
        Input::Decision(Decision {
            instance: "gate".into(),
            ticket: Some("ticket_1".into()),
            answer,
            by: "user:ann".into(),
            groups: vec!["ops".into()],
            reason: Some("ok".into()),
        })
    };
    let inputs = vec![
        settled(Answer::Output(Arc::new(
            json!({"n": [1, 0.25, "ü", null, {"deep": "y".repeat(9_000)}]}),
        ))),
        settled(Answer::Error { error, retryable: true }),
        Input::Lost { instance: "a".into(), fence, begun: true },
        Input::Timer(Timer { instance: String::new(), what: Due::Grace, seq: 3 }),
        decision(Reply::Approve(Some(Arc::new(json!({"n": 1}))))),
        decision(Reply::Settle(Arc::new(json!("text")))),
        decision(Reply::Fail),
        Input::Cancel {
            mode: CancelMode::Now,
            by: "user:bob".into(),
            reason: None,
            claimed: vec!["a".into()],
        },
        Input::Suspend { on: false, by: "system".into() },
        Input::Notified(Notified {
            instance: "gate".into(),
            ticket: "ticket_1".into(),
            attempt: 3,
            error: Some("refused \u{0}".into()),
            due: Some(u64::MAX >> 1),
        }),
        Input::Timer(Timer { instance: "gate".into(), what: Due::Notice, seq: 1 }),
        Input::Deferred {
            instance: "each[1]/child".into(),
            fence,
            due: 7,
            error: NodeError::new("tier_limit", "later"),
        },
    ];
    for (n, input) in inputs.iter().enumerate() {
        store
            .signal(&Signal { run: run.clone(), input: input.clone(), t: n as u64 })
            .await
            .unwrap();
    }
    let got: Vec<Input> =
        signals(&*store, "c").await.into_iter().map(|entry| entry.signal.input).collect();
    assert_eq!(got, inputs);
}

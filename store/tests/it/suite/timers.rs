//! Timers: each goes off once, at its time, and only while it matters.

use super::Launcher;
use super::fixture::{BEGIN, LONG, applied, next, run_id, signals, start};
use aob_engine::step::{Due, Input, Timer};
use aob_store::Signal;

fn timer(instance: &str, what: Due, seq: u64) -> Timer {
    Timer { instance: instance.into(), what, seq }
}

/// A due timer is one signal, and the sweep tells how long it is until the next.
pub(crate) async fn due_once(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let run = run_id();
    let backoff = timer("each[3]/fetch", Due::Backoff, 1);
    let draft = start(&*store, &run, 1)
        .arm(backoff.clone(), BEGIN + 100)
        .arm(timer("", Due::Duration, 1), BEGIN + 500);
    applied(&*store, draft).await;
    assert_eq!(store.sweep(0, LONG, BEGIN + 99).await.unwrap(), (0, Some(1)));
    assert!(signals(&*store, "c").await.is_empty());
    assert_eq!(store.sweep(0, LONG, BEGIN + 100).await.unwrap(), (1, Some(400)));
    assert_eq!(store.sweep(0, LONG, BEGIN + 100).await.unwrap(), (0, Some(400)));
    let [entry] = &signals(&*store, "c").await[..] else { panic!("one signal") };
    assert_eq!(entry.signal, Signal { run, input: Input::Timer(backoff), t: BEGIN + 100 });
    assert_eq!(store.sweep(0, LONG, BEGIN + 9_999).await.unwrap(), (1, None));
}

/// A disarmed timer does not go off; the same instance's other timer does.
pub(crate) async fn disarmed(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let (first, second) = (timer("n0", Due::Deadline, 1), timer("n0", Due::Timeout, 1));
    let draft =
        start(&*store, &run_id(), 1).arm(first.clone(), BEGIN + 1).arm(second.clone(), BEGIN + 2);
    let state = applied(&*store, draft).await;
    let mut draft = next(&*store, &state);
    draft.effects.disarm.push(first);
    draft.effects.disarm.push(timer("n9", Due::Delay, 1));
    applied(&*store, draft).await;
    assert_eq!(store.sweep(0, LONG, BEGIN + 10).await.unwrap(), (1, None));
    let [entry] = &signals(&*store, "c").await[..] else { panic!("one signal") };
    assert_eq!(entry.signal.input, Input::Timer(second));
}

/// The end of a run disarms what is left.
pub(crate) async fn gone_with_the_run(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let draft = start(&*store, &run_id(), 1).arm(timer("", Due::Duration, 1), BEGIN + 1);
    let state = applied(&*store, draft).await;
    let mut end = next(&*store, &state).end(BEGIN + 2);
    end.effects.disarm.push(timer("", Due::Duration, 1));
    applied(&*store, end).await;
    assert_eq!(store.sweep(0, LONG, BEGIN + 10).await.unwrap(), (0, None));
}

/// Timers of many runs go off at their times.
pub(crate) async fn many_in_order(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    for at in [5, 3, 9, 1, 7] {
        let draft =
            start(&*store, &run_id(), 1).arm(timer(&format!("n{at}"), Due::Delay, 1), BEGIN + at);
        applied(&*store, draft).await;
    }
    assert_eq!(store.sweep(0, LONG, BEGIN + 5).await.unwrap(), (3, Some(2)));
    assert_eq!(store.sweep(0, LONG, BEGIN + 9).await.unwrap(), (2, None));
    let mut names: Vec<String> = Vec::new();
    for entry in signals(&*store, "c").await {
        let Input::Timer(timer) = entry.signal.input else { panic!("{entry:?}") };
        names.push(timer.instance);
    }
    names.sort();
    assert_eq!(names, ["n1", "n3", "n5", "n7", "n9"]);
}

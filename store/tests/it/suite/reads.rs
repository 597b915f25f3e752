//! What readers see of a run: its events, its context, its log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Launcher;
use super::fixture::{AT_ONCE, BEGIN, LONG, applied, next, output, run_id, start};
use aob_engine::event::Settled;
use aob_engine::state::Fence;
use aob_engine::step::Envelope;
use aob_store::LogLine;
use serde_json::json;

/// Events come back as they were written, from a number on, as many as asked for.
pub(crate) async fn events_in_pages(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let run = run_id();
    let mut lines = Vec::new();
    let item = start(&*store, &run, 9).item();
    lines.push(item.line.clone());
    let mut state = item.after.clone();
    super::fixture::commit(&*store, vec![item]).await;
    for slot in 0..6 {
        let item = next(&*store, &state).publish(slot).item();
        lines.push(item.line.clone());
        state = item.after.clone();
        super::fixture::commit(&*store, vec![item]).await;
    }
    assert_eq!(store.events(&run, 0, 100).await.unwrap(), lines);
    assert_eq!(store.events(&run, 2, 3).await.unwrap(), lines[2..5]);
    assert_eq!(store.events(&run, 6, 3).await.unwrap(), lines[6..]);
    assert!(store.events(&run, 7, 3).await.unwrap().is_empty());
    assert!(store.events(&run, 99, 3).await.unwrap().is_empty());
    assert!(store.events(&run_id(), 0, 3).await.unwrap().is_empty());
}

/// Whoever follows a run is woken by its next event, and answered at once where there is news.
pub(crate) async fn watch_wakes(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let run = run_id();
    let state = applied(&*store, start(&*store, &run, 2)).await;
    assert_eq!(store.watch(&run, 0, LONG).await.unwrap(), 1);
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let (store, run) = (store.clone(), run.clone());
            tokio::spawn(async move { store.watch(&run, 1, LONG).await.unwrap() })
        })
        .collect();
    tokio::task::yield_now().await;
    let since = Instant::now();
    applied(&*store, next(&*store, &state).publish(0)).await;
    for watch in waiting {
        assert_eq!(watch.await.unwrap(), 2);
    }
    assert!(since.elapsed() < LONG, "they were not woken");
}

/// Without news a watch ends in time with the seq that there is; of no run it is 0.
pub(crate) async fn watch_without_news(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let run = run_id();
    let state = applied(&*store, start(&*store, &run, 1)).await;
    let since = Instant::now();
    assert_eq!(store.watch(&run, 1, Duration::from_millis(30)).await.unwrap(), 1);
    assert!(since.elapsed() >= Duration::from_millis(30));
    assert_eq!(store.watch(&run_id(), 0, AT_ONCE).await.unwrap(), 0);
    applied(&*store, next(&*store, &state).end(BEGIN)).await;
    assert_eq!(store.watch(&run, 1, LONG).await.unwrap(), 2);
    assert_eq!(store.watch(&run, 2, AT_ONCE).await.unwrap(), 2);
}

/// Whoever waits for the end is woken by it and by nothing before, also beside one who follows every event; of an ended
/// run it is told at once, of none 0.
pub(crate) async fn watch_for_the_end(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let run = run_id();
    let mut state = applied(&*store, start(&*store, &run, 3).publish(0)).await;
    let since = Instant::now();
    assert_eq!(store.watch_end(&run, Duration::from_millis(30)).await.unwrap(), 1);
    assert!(since.elapsed() >= Duration::from_millis(30));
    let waiting = {
        let (store, run) = (store.clone(), run.clone());
        tokio::spawn(async move { store.watch_end(&run, LONG).await.unwrap() })
    };
    for slot in 0..3 {
        let (follower, name, seq) = (store.clone(), run.clone(), state.head.seq);
        let following =
            tokio::spawn(async move { follower.watch(&name, seq, LONG).await.unwrap() });
        tokio::task::yield_now().await;
        state = applied(&*store, next(&*store, &state).settle(slot, json!(0))).await;
        assert_eq!(following.await.unwrap(), state.head.seq);
        assert!(!waiting.is_finished(), "it is not over");
    }
    applied(&*store, next(&*store, &state).end(BEGIN)).await;
    assert_eq!(waiting.await.unwrap(), 5);
    assert!(since.elapsed() < LONG, "it was not woken");
    assert_eq!(store.watch_end(&run, LONG).await.unwrap(), 5);
    assert_eq!(store.watch_end(&run_id(), LONG).await.unwrap(), 0);
}

/// Outputs, small and above 4 KiB, errors and entries without a value; keys without an entry are left out.
pub(crate) async fn context_small_and_large(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let run = run_id();
    let fence = Fence(store.epoch(), 1);
    let failed = Envelope {
        fence,
        outcome: Settled::Failed,
        digest: None,
        value: None,
        error: Some(json!({"code": "http_status", "message": "503"})),
    };
    let skipped = Envelope { outcome: Settled::Skipped, error: None, ..failed.clone() };
    let entries = [
        (
            "input",
            output(fence, json!({"a": 1, "f": 0.1, "big": 9_007_199_254_740_993_u64, "neg": -5})),
        ),
        ("n0", output(fence, json!("x".repeat(50_000)))),
        ("each#items", output(fence, json!((0..3_000).collect::<Vec<u32>>()))),
        ("each[3]", failed),
        ("n1", skipped),
        ("$output", output(fence, json!(null))),
    ];
    let mut draft = start(&*store, &run, 2);
    draft.effects.context =
        entries.iter().map(|(key, entry)| ((*key).to_owned(), entry.clone())).collect();
    let state = applied(&*store, draft).await;
    let keys: Vec<String> =
        entries.iter().map(|(key, _)| (*key).to_owned()).chain(["none".into()]).collect();
    let kept = store.context(&run, &keys).await.unwrap();
    assert_eq!(kept.len(), entries.len());
    for (key, entry) in &entries {
        assert_eq!(kept[*key], *entry, "{key}");
    }
    // A later entry under the same key takes its place.
    let mut draft = next(&*store, &state);
    draft.effects.context.push(("n0".into(), output(Fence(store.epoch(), 2), json!(2))));
    applied(&*store, draft).await;
    let kept = store.context(&run, &["n0".into()]).await.unwrap();
    assert_eq!(kept["n0"].value, Some(Arc::new(json!(2))));
    assert!(store.context(&run_id(), &keys).await.unwrap().is_empty());
}

/// Lines come back in order by position; what a step has to say is among them.
pub(crate) async fn logs(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let run = run_id();
    let mut draft = start(&*store, &run, 1);
    draft.effects.log.push("begun".into());
    applied(&*store, draft).await;
    let line = |n: u64| LogLine {
        t: BEGIN + n,
        at: "n0".into(),
        from: "out".into(),
        text: format!("line {n} \u{1b}[0m ü"),
    };
    let lines: Vec<LogLine> = (0..5).map(line).collect();
    store.log(&run, &lines[..2]).await.unwrap();
    store.log(&run, &lines[2..]).await.unwrap();
    let (all, end) = store.logs(&run, 0, 100).await.unwrap();
    assert_eq!(end, 6);
    assert_eq!((&*all[0].at, &*all[0].from, &*all[0].text), ("", "aob", "begun"));
    assert_eq!(all[1..], lines);
    assert_eq!(store.logs(&run, 2, 2).await.unwrap(), (lines[1..3].to_vec(), 4));
    assert_eq!(store.logs(&run, 6, 2).await.unwrap(), (vec![], 6));
    assert_eq!(store.logs(&run_id(), 0, 2).await.unwrap(), (vec![], 0));
    store.log(&run_id(), &lines).await.unwrap();
}

/// Beyond 1 MiB the oldest go; positions go on counting.
pub(crate) async fn logs_are_bounded(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let run = run_id();
    applied(&*store, start(&*store, &run, 1)).await;
    let line =
        |n: u64| LogLine { t: n, at: "n0".into(), from: "err".into(), text: "z".repeat(8_192) };
    for chunk in 0..10 {
        let lines: Vec<LogLine> = (0..20).map(|n| line(chunk * 20 + n)).collect();
        store.log(&run, &lines).await.unwrap();
    }
    let (kept, end) = store.logs(&run, 0, 1_000).await.unwrap();
    assert_eq!(end, 200);
    let bytes: usize = kept.iter().map(|line| line.text.len()).sum();
    assert!((512 * 1_024..=1_048_576).contains(&bytes), "{bytes}");
    let first = 200 - kept.len() as u64;
    assert_eq!(
        kept.iter().map(|line| line.t).collect::<Vec<_>>(),
        (first..200).collect::<Vec<_>>()
    );
    let (some, after) = store.logs(&run, first + 1, 2).await.unwrap();
    assert_eq!((some[0].t, some.len(), after), (first + 1, 2, first + 3));
}

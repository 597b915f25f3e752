//! Restarts: what was acknowledged is there, under a new epoch.

use std::sync::Arc;
use std::time::Instant;

use super::Launcher;
use super::fixture::{
    AT_ONCE, BEGIN, LONG, applied, claim, commit, instances, next, output, run_id, signals, start,
};
use aob_engine::step::{Answer, Due, Input, Timer};
use aob_store::{Beat, Commit, Error, Item, LogLine, Outcome, Signal, SignalEntry, Store};
use serde_json::json;

/// Everything acknowledged is there after an orderly restart.
pub(crate) async fn keeps_everything_acknowledged(launcher: &mut dyn Launcher) {
    keeps_everything(launcher, false).await;
}

/// And after a kill.
pub(crate) async fn kill_keeps_everything_acknowledged(launcher: &mut dyn Launcher) {
    keeps_everything(launcher, true).await;
}

async fn keeps_everything(launcher: &mut dyn Launcher, kill: bool) {
    let mut store = launcher.open().await;
    let (live, ended, dropped, patched) = (run_id(), run_id(), run_id(), run_id());
    let timer = Timer { instance: "n3".into(), what: Due::Delay, seq: 2 };
    let gone = Timer { instance: "n2".into(), what: Due::Delay, seq: 1 };

    let mut draft = start(&*store, &live, 6).publish(0).publish_as(
        1,
        "noop",
        true,
        json!({"big": "b".repeat(9_000)}),
    );
    draft
        .effects
        .context
        .push(("input".into(), output(draft.fence(), json!({"in": [1, 2.5, "ü"]}))));
    draft.effects.log.push("begun".into());
    let draft = draft.arm(gone.clone(), BEGIN + 1);
    let item = Item { key: Some("k".into()), ..draft.item() };
    let (first, line) = (item.after.clone(), item.line.clone());
    assert_eq!(commit(&*store, vec![item]).await, [Outcome::Applied]);
    let mut draft = next(&*store, &first)
        .settle(0, json!({"o": "c".repeat(9_000)}))
        .publish(2)
        .ask(4, "ticket_k");
    draft.effects.disarm.push(gone);
    let item = draft.arm(timer.clone(), BEGIN + 50).item();
    let (second, lines) = (item.after.clone(), [line, item.line.clone()]);
    assert_eq!(commit(&*store, vec![item]).await, [Outcome::Applied]);
    let over =
        applied(&*store, start(&*store, &ended, 1).publish_as(0, "late", false, json!({}))).await;
    let over = applied(&*store, next(&*store, &over).end(BEGIN + 7)).await;
    let none =
        applied(&*store, start(&*store, &dropped, 1).publish_as(0, "late", false, json!({}))).await;
    let item = Item { retention: 0, ..next(&*store, &none).end(BEGIN + 7).item() };
    assert_eq!(commit(&*store, vec![item]).await, [Outcome::Applied]);
    let asked = |n: u64| Signal {
        run: live.clone(),
        input: Input::Suspend { on: true, by: format!("user:{n}") },
        t: BEGIN + n,
    };
    for n in 0..3 {
        store.signal(&asked(n)).await.unwrap();
    }
    let held = store.signals(0, "a", 2, AT_ONCE).await.unwrap();
    let item = Item { signals: vec![held[0].id.clone()], ..next(&*store, &second).item() };
    let (third, lines) =
        (item.after.clone(), [&lines[..], std::slice::from_ref(&item.line)].concat());
    assert_eq!(commit(&*store, vec![item]).await, [Outcome::Applied]);
    store.put_artifact("sha256:doc", b"{\"a\":1}").await.unwrap();
    let to = super::tags::to("sha256:doc");
    assert!(store.move_tag("t", "flow", "main", 0, &to).await.unwrap());
    store.name_patch_set("t", "flow", "fast", "sha256:set").await.unwrap();
    let mut draft = start(&*store, &patched, 2).patched_as("patch_b1");
    draft.after.head.patch_set = Some("sha256:set".into());
    let mut state = applied(&*store, draft).await;
    for revision in 2..=22_u32 {
        let draft = next(&*store, &state).patched_as(&format!("patch_b{revision}"));
        state = applied(&*store, draft).await;
        if revision == 20 {
            store.compact(&patched, 20, &super::patches::document(20)).await.unwrap();
        }
    }
    applied(&*store, next(&*store, &state).refused("patch_b0", BEGIN)).await;
    let (records, chain) =
        (store.patches(&patched).await.unwrap(), store.chain(&patched, 22).await.unwrap());
    assert_eq!((records.len(), chain.overlays.len()), (23, 2));

    let epoch = store.epoch();
    store = if kill { launcher.kill(store).await } else { launcher.reopen(store).await };
    assert_ne!(store.epoch(), epoch);

    assert_eq!(*store.load(&live).await.unwrap().unwrap(), *third);
    assert_eq!(*store.load(&ended).await.unwrap().unwrap(), *over);
    assert!(store.load(&dropped).await.unwrap().is_none());
    assert_eq!(store.events(&live, 0, 10).await.unwrap(), lines);
    let kept = store.context(&live, &["input".into(), "n0".into()]).await.unwrap();
    assert_eq!(kept["input"].value.as_deref(), Some(&json!({"in": [1, 2.5, "ü"]})));
    assert_eq!(kept["n0"].value.as_deref(), Some(&json!({"o": "c".repeat(9_000)})));
    assert_eq!(store.keyed("t", "k").await.unwrap(), Some(live.clone()));
    assert_eq!(store.tag("t", "flow", "main").await.unwrap().as_deref(), Some("sha256:doc"));
    assert_eq!(store.artifact("sha256:doc").await.unwrap().as_deref(), Some(&b"{\"a\":1}"[..]));
    let tickets = store.tickets("t", 10).await.unwrap();
    assert_eq!(tickets.iter().map(|ticket| &*ticket.ticket).collect::<Vec<_>>(), ["ticket_k"]);
    assert_eq!(store.find("t", "ticket_").await.unwrap(), ["ticket_k"]);
    let (page, _) = store.runs("t", None, 10).await.unwrap();
    assert_eq!(page.len(), 3);
    let sets: Vec<Option<&str>> = page.iter().map(|line| line.patch_set.as_deref()).collect();
    assert_eq!(sets, [Some("sha256:set"), None, None], "{page:?}");
    assert_eq!(store.timeline("t", "flow", "main").await.unwrap(), [to]);
    let set = store.patch_set("t", "flow", "fast").await.unwrap();
    assert_eq!(set.as_deref(), Some("sha256:set"));
    assert_eq!(store.patches(&patched).await.unwrap(), records);
    assert_eq!(store.chain(&patched, 22).await.unwrap(), chain);
    assert_eq!(store.chain(&patched, 7).await.unwrap().overlays, records[..7]);
    let found = store.find_patches("t", "patch_b2").await.unwrap();
    assert_eq!(found.len(), 4, "patch_b2, b20, b21, b22");
    assert_eq!(store.logs(&live, 0, 10).await.unwrap().0[0].text, "begun");

    // The unanswered signals come, the given one when it is taken over.
    let mut left: Vec<SignalEntry> = Vec::new();
    let since = Instant::now();
    while left.len() < 2 {
        assert!(since.elapsed() < LONG, "{left:?}");
        // On a slow machine one that was given is silent for long enough to be given again.
        let given = store.signals(0, "c", 10, launcher.takeover()).await.unwrap();
        left.extend(given);
        left.sort_by_key(|entry| entry.signal.t);
        left.dedup_by(|a, b| a.id == b.id);
    }
    assert_eq!(
        left.into_iter().map(|entry| entry.signal).collect::<Vec<_>>(),
        [asked(1), asked(2)]
    );
    assert_eq!(store.sweep(0, LONG, BEGIN + 49).await.unwrap(), (0, Some(1)));
    assert_eq!(store.sweep(0, LONG, BEGIN + 50).await.unwrap(), (1, None));
    assert_eq!(signals(&*store, "c").await[0].signal.input, Input::Timer(timer));

    let tasks = claim(&*store, "w", 10).await;
    assert_eq!(instances(&tasks), ["n1", "n2"]);
    let large = tasks.iter().find(|task| task.at.instance == "n1").unwrap();
    assert_eq!((large.once, &*large.input), (true, &json!({"big": "b".repeat(9_000)})));
    assert_eq!(large.at.fence.0, epoch, "its fence is of the epoch that published it");
    assert!(
        store
            .claim(&super::fixture::claim_of("w", &["late"], 9), AT_ONCE)
            .await
            .unwrap()
            .is_empty()
    );
    let fourth = applied(&*store, next(&*store, &third).settle(2, json!(1))).await;
    assert_eq!(*store.load(&live).await.unwrap().unwrap(), *fourth);
}

async fn log_line(store: &dyn Store, run: &Arc<str>, n: u64) {
    let line = LogLine { t: n, at: "n0".into(), from: "out".into(), text: format!("{n}") };
    store.log(run, &[line]).await.unwrap();
}

/// Every restart has an epoch of its own; what was decided before it is refused.
pub(crate) async fn epoch_changes(launcher: &mut dyn Launcher) {
    let mut store = launcher.open().await;
    let run = run_id();
    let state = applied(&*store, start(&*store, &run, 3).publish(0)).await;
    for n in 0..3 {
        log_line(&*store, &run, n).await;
    }
    let mut epochs = vec![store.epoch()];
    for kill in [false, true, false] {
        let stale = next(&*store, &state).settle(0, json!(0)).publish(1).item();
        store = if kill { launcher.kill(store).await } else { launcher.reopen(store).await };
        assert!(!epochs.contains(&store.epoch()), "{epochs:?}");
        epochs.push(store.epoch());
        let refused = store.commit(Commit { items: vec![stale], ..Commit::default() }).await;
        assert!(matches!(refused, Err(Error::Epoch)), "{refused:?}");
        assert_eq!(*store.load(&run).await.unwrap().unwrap(), *state);
        if !kill {
            let (lines, end) = store.logs(&run, 1, 10).await.unwrap();
            assert_eq!((lines.len(), end), (2, 3));
        }
    }
}

/// An epoch that nobody has heard of is not continued: what it had may be missing.
pub(crate) async fn epoch_is_continued(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let run = run_id();
    applied(&*store, start(&*store, &run, 1).publish(0)).await;
    assert!(store.continues(&run, store.epoch()).await.unwrap());
    assert!(!store.continues(&run, !store.epoch()).await.unwrap());
    let before = store.epoch();
    let store = launcher.kill(store).await;
    assert!(store.continues(&run, store.epoch()).await.unwrap());
    // Where it says yes after a restart, nothing is missing.
    if store.continues(&run, before).await.unwrap() {
        assert!(store.load(&run).await.unwrap().is_some());
    }
}

/// What nobody had claimed is there to be claimed, once.
pub(crate) async fn unclaimed_after_it(launcher: &mut dyn Launcher) {
    let mut store = launcher.open().await;
    applied(&*store, start(&*store, &run_id(), 3).publish(0).publish(1).publish(2)).await;
    for restart in 0..2 {
        store = launcher.reopen(store).await;
        let backlog = store.backlog().await.unwrap();
        assert_eq!(backlog.iter().map(|line| line.tasks).sum::<u64>(), 3, "restart {restart}");
    }
    assert_eq!(instances(&claim(&*store, "w", 2).await).len(), 2);
    assert_eq!(instances(&claim(&*store, "v", 2).await).len(), 1);
    assert!(claim(&*store, "v", 2).await.is_empty());
}

/// A `once` task that had begun is lost, not run again.
pub(crate) async fn once_that_began_is_lost(launcher: &mut dyn Launcher) {
    let mut store = launcher.open().await;
    let run = run_id();
    let state =
        applied(&*store, start(&*store, &run, 1).publish_as(0, "noop", true, json!({}))).await;
    let task = claim(&*store, "w", 1).await.remove(0);
    let beat = Beat {
        consumer: "w".into(),
        shard: 0,
        types: [Arc::from("noop")].into(),
        tasks: vec![task.at.clone()],
        begin: vec![0],
        lease: 30_000,
    };
    assert_eq!(store.beat(&beat).await.unwrap().kept, [true]);
    store = launcher.kill(store).await;
    let since = Instant::now();
    let lost = loop {
        assert!(claim(&*store, "v", 9).await.is_empty(), "it may have had its effect");
        store.sweep(0, AT_ONCE, BEGIN).await.unwrap();
        if let Some(entry) = signals(&*store, "c").await.pop() {
            break entry;
        }
        assert!(since.elapsed() < LONG, "a begun task is lost");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    };
    let input = Input::Lost { instance: "n0".into(), fence: task.at.fence, begun: true };
    assert_eq!((lost.signal.run, lost.signal.input), (run, input));
    assert_eq!(store.claimed(&state).await.unwrap(), ["n0"]);
    store.ack_signals(0, &[lost.id]).await.unwrap();
    store.sweep(0, AT_ONCE, BEGIN).await.unwrap();
    assert!(signals(&*store, "c").await.is_empty(), "once");
}

/// What was reported before it is neither lost nor given out after it.
pub(crate) async fn reported_stays_reported(launcher: &mut dyn Launcher) {
    let mut store = launcher.open().await;
    let run = run_id();
    applied(&*store, start(&*store, &run, 1).publish(0)).await;
    let task = claim(&*store, "w", 1).await.remove(0);
    let result = Answer::Output(Arc::new(json!("answer")));
    let input = Input::Settled { instance: "n0".into(), fence: task.at.fence, result };
    let signal = Signal { run, input, t: BEGIN };
    store.report("w", &task.at, &signal).await.unwrap();
    store = launcher.kill(store).await;
    store.sweep(0, AT_ONCE, BEGIN).await.unwrap();
    assert!(claim(&*store, "v", 9).await.is_empty());
    let entries = store.signals(0, "c", 10, LONG).await.unwrap();
    assert_eq!(entries.into_iter().map(|entry| entry.signal).collect::<Vec<_>>(), [signal]);
}

//! What is written and what is refused: items are whole or not at all.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Launcher;
use super::fixture::{BEGIN, LONG, acks_alone, applied, claim, commit, next, run_id, start, until};
use aob_engine::state::Fence;
use aob_store::{Commit, Error, Item, Outcome};
use serde_json::json;

/// Of two steps decided on the same state, the first is written.
pub(crate) async fn conflict_of_seq(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let run = run_id();
    let state = applied(&*store, start(&*store, &run, 3).publish(0)).await;
    let winner = applied(&*store, next(&*store, &state).settle(0, json!("w")).publish(1)).await;
    let loser = next(&*store, &state).settle(0, json!("l")).publish(2).item();
    assert_eq!(commit(&*store, vec![loser]).await, [Outcome::Conflict]);
    assert_eq!(*store.load(&run).await.unwrap().unwrap(), *winner);
    let kept = store.context(&run, &["n0".into()]).await.unwrap();
    assert_eq!(kept["n0"].value.as_deref(), Some(&json!("w")));
    assert_eq!(store.events(&run, 0, 10).await.unwrap().len(), 2);
    assert_eq!(super::fixture::instances(&claim(&*store, "w", 9).await), ["n1"]);
}

/// A step decided on another revision is refused even where the seq is the same.
pub(crate) async fn conflict_of_revision(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let run = run_id();
    let state = applied(&*store, start(&*store, &run, 2).publish(0)).await;
    let mut other = (*state).clone();
    other.head.revision = 1;
    let item = next(&*store, &Arc::new(other)).settle(0, json!(0)).item();
    assert_eq!(commit(&*store, vec![item]).await, [Outcome::Conflict]);
    assert_eq!(*store.load(&run).await.unwrap().unwrap(), *state);
}

/// Linked items are applied together or not at all; items without a link are independent.
pub(crate) async fn linked_items(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let (parent, child, other) = (run_id(), run_id(), run_id());
    let state = applied(&*store, start(&*store, &parent, 2).publish(0)).await;
    let moved = applied(&*store, next(&*store, &state).publish(1)).await;
    let link = |item: Item, link: u32| Item { link, ..item };
    let items = vec![
        link(start(&*store, &child, 1).publish(0).item(), 4),
        link(next(&*store, &state).settle(0, json!(0)).item(), 4),
        start(&*store, &other, 1).item(),
    ];
    assert_eq!(
        commit(&*store, items).await,
        [Outcome::Unlinked, Outcome::Conflict, Outcome::Applied]
    );
    assert!(store.load(&child).await.unwrap().is_none());
    assert!(store.load(&other).await.unwrap().is_some());
    let items = vec![
        link(start(&*store, &child, 1).publish(0).item(), 1),
        link(next(&*store, &moved).settle(0, json!(0)).item(), 1),
    ];
    assert_eq!(commit(&*store, items).await, [Outcome::Applied, Outcome::Applied]);
    assert!(store.load(&child).await.unwrap().is_some());
}

/// No such run, and a run that is over.
pub(crate) async fn unknown_and_ended(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let run = run_id();
    let first = start(&*store, &run, 1).item().after;
    let item = next(&*store, &first).publish(0).item();
    assert_eq!(commit(&*store, vec![item]).await, [Outcome::Unknown]);
    let state = applied(&*store, start(&*store, &run, 1)).await;
    let ended = applied(&*store, next(&*store, &state).end(BEGIN + 9)).await;
    for before in [&state, &ended] {
        let item = next(&*store, before).item();
        assert_eq!(commit(&*store, vec![item]).await, [Outcome::Ended]);
    }
    assert_eq!(commit(&*store, vec![acks_alone(&state, vec![])]).await, [Outcome::Ended]);
    assert_eq!(store.events(&run, 0, 10).await.unwrap().len(), 2);
}

/// What was decided under another epoch publishes fences of that epoch: nothing of the commit is written.
pub(crate) async fn other_epoch_is_refused(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let (run, other) = (run_id(), run_id());
    let mut stale = start(&*store, &run, 1).publish(0);
    stale.effects.publish[0].fence = Fence(store.epoch() ^ 1, 1);
    let items = vec![start(&*store, &other, 1).item(), stale.item()];
    let refused = store.commit(Commit { items, ..Commit::default() }).await;
    assert!(matches!(refused, Err(Error::Epoch)), "{refused:?}");
    assert!(store.load(&run).await.unwrap().is_none());
    assert!(store.load(&other).await.unwrap().is_none());
}

/// 128 items are a commit, 129 are not; nor is a run twice.
pub(crate) async fn limits(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let items: Vec<Item> = (0..128).map(|_| start(&*store, &run_id(), 1).item()).collect();
    assert_eq!(commit(&*store, items).await, vec![Outcome::Applied; 128]);
    let items: Vec<Item> = (0..129).map(|_| start(&*store, &run_id(), 1).item()).collect();
    let refused = store.commit(Commit { items, ..Commit::default() }).await;
    assert!(matches!(refused, Err(Error::Limit(_))), "{refused:?}");
    let run = run_id();
    let items = vec![start(&*store, &run, 1).item(), start(&*store, &run, 1).item()];
    let refused = store.commit(Commit { items, ..Commit::default() }).await;
    assert!(matches!(refused, Err(Error::Limit(_))), "{refused:?}");
    assert!(store.load(&run).await.unwrap().is_none());
}

/// While a run is held, everybody stands back but the holder, whatever it commits, and then nobody does. A hold lasts
/// at most 100 ms, is not prolonged, and the next one needs as long a pause as it lasted.
pub(crate) async fn hold_lets_its_holder_go_first(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let run = run_id();
    assert!(!store.hold(&run, "me", 50, false).await.unwrap(), "there is no such run");
    let state = applied(&*store, start(&*store, &run, 3).publish(0)).await;
    let since = Instant::now();
    assert!(store.hold(&run, "me", 60_000, false).await.unwrap());
    assert!(!store.hold(&run, "me", 60_000, false).await.unwrap(), "a hold is not prolonged");
    let rivals = || [next(&*store, &state).settle(0, json!(0)), next(&*store, &state).patched()];
    for rival in rivals() {
        let held = commit(&*store, vec![rival.item()]).await;
        assert!(
            matches!(held[..], [Outcome::Held(1..=100)])
                || since.elapsed() > Duration::from_millis(80),
            "{held:?}"
        );
    }
    until("it is held for a while", async || since.elapsed() >= Duration::from_millis(40)).await;
    let item = next(&*store, &state).settle(0, json!(0)).publish(1).item();
    let state = item.after.clone();
    let mine = Commit { items: vec![item], claim: None, holder: Some("me".into()) };
    assert_eq!(store.commit(mine).await.unwrap().outcomes, [Outcome::Applied]);
    let state = applied(&*store, next(&*store, &state).settle(1, json!(0))).await;
    until("it can be held again", async || store.hold(&run, "you", 50, false).await.unwrap()).await;
    assert!(since.elapsed() >= Duration::from_millis(75), "no pause before the second hold");
    // Nobody comes through: it ends by itself.
    let item = || vec![next(&*store, &state).patched().item()];
    let mut outcomes = commit(&*store, item()).await;
    while let [Outcome::Held(ms)] = outcomes[..] {
        assert!((1..=50).contains(&ms), "{ms}");
        assert!(since.elapsed() < Duration::from_secs(5), "a hold ends by itself");
        tokio::time::sleep(Duration::from_millis(ms)).await;
        outcomes = commit(&*store, item()).await;
    }
    assert_eq!(outcomes, [Outcome::Applied]);
}

/// A patch takes over what others hold, and the pause after it; another patch's it does not. What was given up early
/// can soon be held again.
pub(crate) async fn a_patch_holds_before_others(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let run = run_id();
    let mut state = applied(&*store, start(&*store, &run, 3).publish(0)).await;
    let begin = Instant::now();
    // On a machine that stands still a hold may be over before it is looked at: then once more.
    loop {
        assert!(begin.elapsed() < LONG, "no hold was ever looked at in time");
        until("it is held", async || store.hold(&run, "me", 100, false).await.unwrap()).await;
        let since = Instant::now();
        let first = store.hold(&run, "patch_1", 100, true).await.unwrap();
        let second = store.hold(&run, "patch_2", 100, true).await.unwrap();
        let by = |name: &str| {
            let items = vec![next(&*store, &state).patched().item()];
            Commit { items, claim: None, holder: Some(name.into()) }
        };
        let mine = store.commit(by("me")).await.unwrap().outcomes.remove(0);
        let patched = store.commit(by("patch_1")).await.unwrap().outcomes.remove(0);
        until("again", async || store.hold(&run, "you", 100, false).await.unwrap()).await;
        if since.elapsed() < Duration::from_millis(80) {
            assert!(first, "a patch waits for nobody who is none");
            assert!(!second, "a patch waits for another");
            assert_eq!(patched, Outcome::Applied);
            assert!(matches!(mine, Outcome::Held(1..=100)), "{mine:?}");
            return;
        }
        state = store.load(&run).await.unwrap().unwrap();
    }
}

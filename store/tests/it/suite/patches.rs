//! Patches: their records, what is recalled for them, holds, chains and bases.

use std::time::{Duration, Instant};

use aob_engine::state::State;
use aob_store::{Chain, Commit, Error, Item, Outcome, Store};
use serde_json::json;
use std::sync::Arc;

use super::Launcher;
use super::fixture::{
    BEGIN, Draft, accepted, applied, claim, commit, graph, instances, next, refused, run_id, start,
    until,
};

/// The bytes of a revision's document.
pub(crate) fn document(revision: u32) -> Vec<u8> {
    serde_json::to_vec(&graph(revision)).unwrap()
}

async fn refusal(store: &dyn Store, draft: Draft) -> Outcome {
    commit(store, vec![draft.item()]).await.remove(0)
}

/// Patches a run up to a revision, `<prefix><revision>` each.
async fn patched_to(
    store: &dyn Store,
    mut state: Arc<State>,
    prefix: &str,
    revision: u32,
) -> Arc<State> {
    while state.head.revision < revision {
        let id = format!("{prefix}{}", state.head.revision + 1);
        state = applied(store, next(store, &state).patched_as(&id)).await;
    }
    state
}

/// A record is written with its event, or not at all; accepted ones come by revision, then refused ones by time.
pub(crate) async fn kept_with_the_event(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let run = run_id();
    let first = applied(&*store, start(&*store, &run, 3).publish(0)).await;
    assert_eq!(store.patches(&run).await.unwrap(), []);
    let state = applied(&*store, next(&*store, &first).refused("patch_z", BEGIN + 9)).await;
    let state = applied(&*store, next(&*store, &state).patched_as("patch_y")).await;
    let state = applied(&*store, next(&*store, &state).refused("patch_x", BEGIN + 4)).await;
    let state = applied(&*store, next(&*store, &state).patched_as("patch_a")).await;
    for late in
        [next(&*store, &first).patched_as("patch_l"), next(&*store, &first).refused("patch_m", 1)]
    {
        assert_eq!(refusal(&*store, late).await, Outcome::Conflict);
    }
    let expected = [
        accepted("patch_y", 1),
        accepted("patch_a", 2),
        refused("patch_x", BEGIN + 4),
        refused("patch_z", BEGIN + 9),
    ];
    assert_eq!(store.patches(&run).await.unwrap(), expected);
    for record in &expected {
        assert_eq!(store.patch(&run, &record.id).await.unwrap().as_ref(), Some(record));
    }
    for id in ["patch_l", "patch_m", "patch_", ""] {
        assert_eq!(store.patch(&run, id).await.unwrap(), None, "{id}");
    }
    assert_eq!(*store.load(&run).await.unwrap().unwrap(), *state);
    assert_eq!(store.events(&run, 0, 99).await.unwrap().len(), 5);
    let (page, _) = store.runs("t", None, 1).await.unwrap();
    assert_eq!((page[0].revision, page[0].patch_set.as_deref()), (2, None));
}

/// A run may begin with a patch: then it begins at revision 1.
pub(crate) async fn begun_with_a_record(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let run = run_id();
    let mut draft = start(&*store, &run, 1).patched_as("patch_s").publish(0);
    draft.after.head.patch_set = Some("sha256:set".into());
    let item = Item { key: Some("k".into()), ..draft.item() };
    assert_eq!(commit(&*store, vec![item]).await, [Outcome::Applied]);
    let chain = Chain { base: None, overlays: vec![accepted("patch_s", 1)] };
    assert_eq!(store.chain(&run, 1).await.unwrap(), chain);
    let (page, _) = store.runs("t", None, 1).await.unwrap();
    assert_eq!((page[0].revision, page[0].patch_set.as_deref()), (1, Some("sha256:set")));
    let other = start(&*store, &run_id(), 1).patched_as("patch_t").item();
    let (other, item) = (other.after.head.run.clone(), Item { key: Some("k".into()), ..other });
    assert_eq!(commit(&*store, vec![item]).await, [Outcome::Exists(run)]);
    assert_eq!(store.patches(&other).await.unwrap(), []);
    assert_eq!(store.find_patches("t", "patch_t").await.unwrap(), []);
}

/// An id that the run knows is not written a second time: the first answer stands.
pub(crate) async fn same_id_twice(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let (run, other) = (run_id(), run_id());
    let state = applied(&*store, start(&*store, &run, 2)).await;
    let state = patched_to(&*store, state, "patch_", 2).await;
    let state = applied(&*store, next(&*store, &state).refused("patch_r", BEGIN)).await;
    store.compact(&run, 1, &document(1)).await.unwrap();
    for id in ["patch_1", "patch_2", "patch_r"] {
        let again = next(&*store, &state).patched_as(id).publish(0);
        assert_eq!(refusal(&*store, again).await, Outcome::Conflict, "{id}");
        let again = next(&*store, &state).refused(id, BEGIN + 1);
        assert_eq!(refusal(&*store, again).await, Outcome::Conflict, "{id}");
    }
    let expected = [accepted("patch_1", 1), accepted("patch_2", 2), refused("patch_r", BEGIN)];
    assert_eq!(store.patches(&run).await.unwrap(), expected);
    assert_eq!(*store.load(&run).await.unwrap().unwrap(), *state);
    assert!(claim(&*store, "w", 9).await.is_empty());
    let state = applied(&*store, start(&*store, &other, 1)).await;
    applied(&*store, next(&*store, &state).patched_as("patch_1")).await;
}

/// A task that nobody has claimed is taken back and given out again under a new fence, in one commit with the record.
pub(crate) async fn recall_and_publish_again(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let run = run_id();
    let state = applied(&*store, start(&*store, &run, 3).publish(0).publish(1)).await;
    let draft = next(&*store, &state).recall(0).publish(0).patched_as("patch_1");
    let state = applied(&*store, draft).await;
    let counts = store.backlog().await.unwrap();
    assert_eq!(counts.iter().map(|line| line.tasks).sum::<u64>(), 2, "the old one is gone");
    let tasks = claim(&*store, "w", 9).await;
    assert_eq!(instances(&tasks), ["n0", "n1"]);
    let again = tasks.iter().find(|task| task.at.instance == "n0").unwrap();
    assert_eq!(again.at.fence.1, state.head.seq, "a new fence");
    assert!(claim(&*store, "v", 9).await.is_empty());
    assert_eq!(store.patches(&run).await.unwrap(), [accepted("patch_1", 1)]);
}

/// One that somebody has claimed cannot be: neither record nor event nor anything else is written.
pub(crate) async fn recall_of_a_claimed_task(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let run = run_id();
    let state = applied(&*store, start(&*store, &run, 3).publish(0)).await;
    let task = claim(&*store, "w", 9).await.remove(0);
    let draft = || next(&*store, &state).recall(0).publish(0).publish(1).patched_as("patch_1");
    assert_eq!(refusal(&*store, draft()).await, Outcome::Claimed);
    assert_eq!(store.patches(&run).await.unwrap(), []);
    assert_eq!(store.patch(&run, "patch_1").await.unwrap(), None);
    assert_eq!(store.find_patches("t", "patch_1").await.unwrap(), []);
    assert_eq!(store.events(&run, 0, 9).await.unwrap().len(), 1);
    assert_eq!(*store.load(&run).await.unwrap().unwrap(), *state);
    assert!(claim(&*store, "v", 9).await.is_empty());
    assert_eq!(store.claimed(&state).await.unwrap(), ["n0"]);
    // What it holds is still its own, and a patch that leaves it alone goes through.
    let state = applied(&*store, next(&*store, &state).patched_as("patch_1").publish(1)).await;
    applied(&*store, next(&*store, &state).settle(0, json!(0))).await;
    assert_eq!(task.at.instance, "n0");
}

/// A held run takes what its holder writes, a refusal and its record too, and nothing else for so long.
pub(crate) async fn a_held_run(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let run = run_id();
    let mut state = applied(&*store, start(&*store, &run, 3).publish(0)).await;
    let (since, mut round) = (Instant::now(), 0);
    // On a machine that stands still a hold may be over before it is looked at: then once more.
    loop {
        round += 1;
        until("it is held", async || store.hold(&run, "holder", 100, false).await.unwrap()).await;
        let held = Instant::now();
        let results = refusal(&*store, next(&*store, &state).settle(0, json!(0))).await;
        let other = refusal(&*store, next(&*store, &state).refused("patch_r", BEGIN)).await;
        let id = format!("patch_{round}");
        let items = vec![next(&*store, &state).refused(&id, BEGIN).item()];
        let mine = Commit { items, claim: None, holder: Some("holder".into()) };
        let outcome = store.commit(mine).await.unwrap().outcomes.remove(0);
        if held.elapsed() < Duration::from_millis(80) {
            assert!(matches!(results, Outcome::Held(1..=100)), "{results:?}");
            assert!(matches!(other, Outcome::Held(1..=100)), "{other:?}");
            assert_eq!(outcome, Outcome::Applied);
            assert_eq!(store.patch(&run, &id).await.unwrap().map(|record| record.id), Some(id));
            assert_eq!(store.patch(&run, "patch_r").await.unwrap(), None);
            return;
        }
        assert!(since.elapsed() < super::fixture::LONG, "no hold was ever looked at in time");
        state = store.load(&run).await.unwrap().unwrap();
    }
}

/// Every revision is a base and what leads from it, as few records as can be, whatever was compacted and when.
pub(crate) async fn chains_and_bases(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let run = run_id();
    let state = applied(&*store, start(&*store, &run, 1)).await;
    let expected = |from: u32, to: u32| {
        (from + 1..=to).map(|at| accepted(&format!("patch_{at}"), at)).collect::<Vec<_>>()
    };
    let check = async |bases: &[u32], last: u32| {
        for revision in 0..=last {
            let base = bases.iter().copied().filter(|base| *base <= revision).max();
            let chain = Chain {
                base: base.map(|base| (base, document(base))),
                overlays: expected(base.unwrap_or(0), revision),
            };
            assert_eq!(
                store.chain(&run, revision).await.unwrap(),
                chain,
                "{revision} of {bases:?}"
            );
        }
        let beyond = store.chain(&run, last + 1).await;
        assert!(matches!(beyond, Err(Error::Limit(_))), "{beyond:?}");
        assert_eq!(store.patches(&run).await.unwrap(), expected(0, last));
        for at in 1..=last {
            let found = store.patch(&run, &format!("patch_{at}")).await.unwrap();
            assert_eq!(found, Some(accepted(&format!("patch_{at}"), at)), "{at} of {bases:?}");
        }
    };
    let state = patched_to(&*store, state, "patch_", 23).await;
    check(&[], 23).await;
    store.compact(&run, 20, &document(20)).await.unwrap();
    check(&[20], 23).await;
    store.compact(&run, 20, &document(20)).await.unwrap();
    check(&[20], 23).await;
    let state = patched_to(&*store, state, "patch_", 65).await;
    check(&[20], 65).await;
    // Late, out of order, and the very last.
    for (base, bases) in [
        (60, &[20, 60][..]),
        (40, &[20, 40, 60]),
        (5, &[5, 20, 40, 60]),
        (65, &[5, 20, 40, 60, 65]),
    ] {
        store.compact(&run, base, &document(base)).await.unwrap();
        check(bases, 65).await;
    }
    let state = patched_to(&*store, state, "patch_", 67).await;
    check(&[5, 20, 40, 60, 65], 67).await;
    applied(&*store, next(&*store, &state).end(BEGIN + 5)).await;
    store.compact(&run, 67, &document(67)).await.unwrap();
    check(&[5, 20, 40, 60, 65, 67], 67).await;
    let unknown = store.chain(&run_id(), 0).await;
    assert!(matches!(unknown, Err(Error::Limit(_))), "{unknown:?}");
}

/// A base that is not the graph of its revision is refused, and so is one of a revision that nothing made.
pub(crate) async fn a_base_must_fit(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let run = run_id();
    let state = applied(&*store, start(&*store, &run, 1)).await;
    patched_to(&*store, state, "patch_", 3).await;
    for (revision, document) in [
        (2, document(1)),
        (2, b"{".to_vec()),
        (2, Vec::new()),
        (0, document(0)),
        (4, document(4)),
        (u32::MAX, document(4)),
    ] {
        let refused = store.compact(&run, revision, &document).await;
        assert!(matches!(refused, Err(Error::Limit(_))), "{revision}: {refused:?}");
    }
    let chain = store.chain(&run, 3).await.unwrap();
    assert_eq!((chain.base, chain.overlays.len()), (None, 3));
    store.compact(&run_id(), 1, &document(1)).await.unwrap();
}

/// The beginning of an id is enough, of a tenant's own; at most 10 are named, and any id is found.
pub(crate) async fn found_by_prefix(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let run = run_id();
    let state = applied(&*store, start(&*store, &run, 1)).await;
    let state = patched_to(&*store, state, "patch_", 12).await;
    let state = applied(&*store, next(&*store, &state).refused("my own", BEGIN)).await;
    let other = run_id();
    let mut draft = start(&*store, &other, 1).patched_as("patch_7");
    draft.after.head.tenant = "other".into();
    applied(&*store, draft).await;
    store.compact(&run, 12, &document(12)).await.unwrap();
    let pair = |id: &str, run: &str| (id.to_owned(), run.to_owned());
    let find = async |prefix: &str| store.find_patches("t", prefix).await.unwrap();
    assert_eq!(find("patch_7").await, [pair("patch_7", &run)]);
    assert_eq!(find("patch_1").await.len(), 4);
    assert_eq!(find("patch_").await.len(), 10);
    assert_eq!(find("my").await, [pair("my own", &run)]);
    assert_eq!(find("patch_99").await, []);
    assert_eq!(store.find_patches("nobody", "").await.unwrap(), []);
    let found = store.find_patches("other", "p").await.unwrap();
    assert_eq!(found, [pair("patch_7", &other)]);
    let again = start(&*store, &run_id(), 1).patched_as("patch_7");
    let again = applied(&*store, again).await.head.run.clone();
    let mut both = [pair("patch_7", &run), pair("patch_7", &again)];
    both.sort();
    assert_eq!(find("patch_7").await, both);
    assert_eq!(state.head.revision, 12);
}

/// With its run a patch goes: at once, or when the run's time is over.
pub(crate) async fn gone_with_the_run(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    for retention in [0, 1_000] {
        let run = run_id();
        let state = applied(&*store, start(&*store, &run, 1)).await;
        let state = patched_to(&*store, state, "patch_", 3).await;
        let state = applied(&*store, next(&*store, &state).refused("patch_r", BEGIN)).await;
        store.compact(&run, 2, &document(2)).await.unwrap();
        let item =
            Item { retention, ..next(&*store, &state).patched_as("patch_4").end(BEGIN + 9).item() };
        assert_eq!(commit(&*store, vec![item]).await, [Outcome::Applied]);
        if retention > 0 {
            assert_eq!(store.patches(&run).await.unwrap().len(), 5);
            assert_eq!(store.find_patches("t", "patch_").await.unwrap().len(), 5);
            assert_eq!(store.drop_expired(0, BEGIN + 2_000, 10).await.unwrap(), 1);
        }
        assert_eq!(store.patches(&run).await.unwrap(), []);
        assert_eq!(store.find_patches("t", "").await.unwrap(), []);
        assert_eq!(store.patch(&run, "patch_1").await.unwrap(), None);
        assert!(store.chain(&run, 0).await.is_err());
        // A run of this name could begin afresh.
        let state = applied(&*store, start(&*store, &run, 1)).await;
        assert_eq!(store.chain(&run, 0).await.unwrap(), Chain::default());
        let item = Item { retention: 0, ..next(&*store, &state).end(BEGIN + 9).item() };
        assert_eq!(commit(&*store, vec![item]).await, [Outcome::Applied]);
    }
}

/// A record of another revision than its item leads to, or without an event, is a defect of the caller.
pub(crate) async fn records_must_fit(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let run = run_id();
    let state = applied(&*store, start(&*store, &run, 1)).await;
    let with = |draft: Draft, record| Item { patch: Some(Arc::new(record)), ..draft.item() };
    let alone = super::fixture::acks_alone(&state, Vec::new());
    let items = [
        with(next(&*store, &state), accepted("patch_1", 1)),
        with(next(&*store, &state).patched(), accepted("patch_1", 2)),
        with(next(&*store, &state).patched(), refused("patch_1", BEGIN)),
        with(next(&*store, &state).patched(), accepted("", 1)),
        Item { patch: Some(Arc::new(refused("patch_1", BEGIN))), ..alone },
    ];
    for item in items {
        let refused = store.commit(Commit { items: vec![item], ..Commit::default() }).await;
        assert!(matches!(refused, Err(Error::Limit(_))), "{refused:?}");
    }
    assert_eq!(*store.load(&run).await.unwrap().unwrap(), *state);
}

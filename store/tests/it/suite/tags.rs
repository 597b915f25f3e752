//! Tags and the line of their moves; names of sets of patches.

use aob_engine::timeline::{Move, MoveKind};
use aob_store::{Error, Store};

use super::Launcher;
use super::fixture::BEGIN;

/// A move to a digest.
pub(crate) fn to(digest: &str) -> Move {
    Move {
        kind: MoveKind::Set,
        digest: digest.into(),
        by: "user:ann".into(),
        time: BEGIN,
        reason: None,
    }
}

async fn moved(store: &dyn Store, tag: &str, known: u32, to: &Move) -> bool {
    store.move_tag("t", "flow", tag, known, to).await.unwrap()
}

/// Every move is in the line, and the tag points where the last one led.
pub(crate) async fn moves_in_order(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    assert_eq!(store.timeline("t", "flow", "main").await.unwrap(), []);
    let undo = Move { kind: MoveKind::Undo, reason: Some("wörse\n".into()), ..to("sha256:aa") };
    let redo = Move { kind: MoveKind::Redo, time: u64::MAX >> 1, ..to("sha256:bb") };
    let line = [to("sha256:aa"), to("sha256:bb"), undo, redo];
    for (known, one) in (0..).zip(&line) {
        assert!(!moved(&*store, "main", known + 1, one).await, "there are fewer moves");
        assert!(moved(&*store, "main", known, one).await);
        let tag = store.tag("t", "flow", "main").await.unwrap();
        assert_eq!(tag.as_ref(), Some(&one.digest));
    }
    assert_eq!(store.timeline("t", "flow", "main").await.unwrap(), line);
    assert_eq!(store.timeline("t", "flow", "v1").await.unwrap(), []);
    assert_eq!(store.timeline("other", "flow", "main").await.unwrap(), []);
}

/// Of two who know as many moves one moves the tag; who did so and asks again is told the same, without a second move.
pub(crate) async fn one_of_two_moves(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    for known in 0..20 {
        let rivals = (0..4).map(|rival| {
            let store = store.clone();
            let mine = Move { by: format!("user:{rival}"), ..to("sha256:aa") };
            tokio::spawn(async move { (moved(&*store, "main", known, &mine).await, mine) })
        });
        let mut winners = Vec::new();
        for rival in rivals.collect::<Vec<_>>() {
            let (won, mine) = rival.await.unwrap();
            winners.extend(won.then_some(mine));
        }
        let [winner] = &winners[..] else { panic!("{winners:?}") };
        assert!(moved(&*store, "main", known, winner).await, "its answer may have been lost");
        let line = store.timeline("t", "flow", "main").await.unwrap();
        assert_eq!((line.len(), line.last()), (known as usize + 1, Some(winner)));
    }
    assert!(!moved(&*store, "main", 3, &to("sha256:bb")).await, "it has moved on");
}

/// A line has at most 10,000 moves.
pub(crate) async fn bounded(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let line = to("sha256:aa");
    // Many at a time, so that they share a write; one that comes before its turn comes again.
    for from in (0..10_000).step_by(50) {
        let turn = async |known| while !moved(&*store, "main", known, &line).await {};
        futures::future::join_all((from..from + 50).map(turn)).await;
    }
    let refused = store.move_tag("t", "flow", "main", 10_000, &to("sha256:bb")).await;
    assert!(matches!(refused, Err(Error::Limit(_))), "{refused:?}");
    assert_eq!(store.tag("t", "flow", "main").await.unwrap().as_deref(), Some("sha256:aa"));
    assert!(moved(&*store, "v1", 0, &to("sha256:bb")).await, "of each tag");
}

/// Names of sets of patches, by workflow.
pub(crate) async fn sets_of_patches(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    assert_eq!(store.patch_set("t", "flow", "fast").await.unwrap(), None);
    for (workflow, name, digest) in [
        ("flow", "fast", "sha256:a"),
        ("flow", "b", "sha256:b"),
        ("flow", "fast", "sha256:c"),
        ("flow2", "x", "sha256:d"),
    ] {
        store.name_patch_set("t", workflow, name, digest).await.unwrap();
    }
    assert_eq!(store.patch_set("t", "flow", "fast").await.unwrap().as_deref(), Some("sha256:c"));
    let pair = |name: &str, digest: &str| (name.to_owned(), digest.to_owned());
    let sets = store.patch_sets("t", "flow").await.unwrap();
    assert_eq!(sets, [pair("b", "sha256:b"), pair("fast", "sha256:c")]);
    assert_eq!(store.patch_sets("t", "flow2").await.unwrap(), [pair("x", "sha256:d")]);
    assert_eq!(store.patch_sets("other", "flow").await.unwrap(), []);
}

/// Names with spaces or control characters could be taken for others: they are refused.
pub(crate) async fn names_that_would_clash(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let to = to("sha256:aa");
    for [tenant, workflow, tag] in [
        ["t x", "flow", "main"],
        ["t", "flow x", "main"],
        ["t", "flow", "a b"],
        ["t", "", "a"],
        ["t", "f", "a\u{0}"],
    ] {
        let refused = store.move_tag(tenant, workflow, tag, 0, &to).await;
        assert!(matches!(refused, Err(Error::Limit(_))), "{tenant} {workflow} {tag}: {refused:?}");
        let refused = store.name_patch_set(tenant, workflow, tag, "sha256:aa").await;
        assert!(matches!(refused, Err(Error::Limit(_))), "{tenant} {workflow} {tag}: {refused:?}");
    }
    assert!(store.move_tag("t:a", "flow", "main", 0, &to).await.unwrap());
    assert!(store.move_tag("t", "a:flow", "main", 0, &to).await.unwrap(), "another tag");
}

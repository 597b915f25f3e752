//! One process owns a data directory; what it held when it ended is in nobody's hands.

use std::sync::Arc;

use aob_store::embedded::{Embedded, Options};
use aob_store::{Beat, Commit, Error, Store};
use serde_json::json;

use crate::suite::Launcher;
use crate::suite::fixture::{BEGIN, applied, claim, instances, next, run_id, start};

/// A second owner is refused by name, and is not once the first has closed.
#[tokio::test]
async fn one_owner_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let first = Arc::new(Embedded::open(dir.path(), Options::default()).unwrap());
    match Embedded::open(dir.path(), Options::default()) {
        Err(Error::Owned(path)) => assert_eq!(path, dir.path().display().to_string()),
        other => panic!("{:?}", other.err()),
    }
    let other_handle = first.clone();
    first.close().await.unwrap();
    first.close().await.unwrap();
    let second = Embedded::open(dir.path(), Options::default()).unwrap();
    let refused = other_handle.commit(Commit::default()).await;
    assert!(matches!(refused, Err(Error::Unfit(_))), "{refused:?}");
    drop(second);
    Embedded::open(dir.path(), Options::default()).unwrap();
}

/// A restart takes every task from those who are gone, but for one that began and must not be repeated.
#[tokio::test]
async fn claims_end_with_the_process() {
    let mut launcher = super::launcher();
    let mut store = launcher.open().await;
    let draft =
        start(&*store, &run_id(), 3).publish(0).publish_as(1, "noop", true, json!({})).publish(2);
    let state = applied(&*store, draft).await;
    assert_eq!(claim(&*store, "w", 2).await.len(), 2);
    store = launcher.reopen(store).await;
    assert_eq!(
        store.sweep(0, std::time::Duration::ZERO, BEGIN).await.unwrap().0,
        0,
        "nobody had begun"
    );
    assert_eq!(instances(&claim(&*store, "v", 9).await), ["n0", "n1", "n2"]);
    applied(&*store, next(&*store, &state).settle(0, json!(1))).await;
    assert!(store.inspect("run_x").iter().any(|line| line.contains("run_x")));
}

/// A task keeps its fence over a restart: unlike a server's, this store's workers end with its process, so nobody
/// is left who could answer under it. Whoever still has the old handle, within the one process, is refused.
#[tokio::test]
async fn a_fence_outlives_the_process_and_no_worker_does() {
    let dir = tempfile::tempdir().unwrap();
    let old = Arc::new(Embedded::open(dir.path(), Options::default()).unwrap());
    let state = applied(&*old, start(&*old, &run_id(), 1).publish(0)).await;
    let before = claim(&*old, "zombie", 1).await.remove(0);
    let late = next(&*old, &state).settle(0, json!("late")).item();
    assert!(
        matches!(Embedded::open(dir.path(), Options::default()), Err(Error::Owned(_))),
        "while the old process lives there is no new one"
    );
    old.close().await.unwrap();
    let new = Embedded::open(dir.path(), Options::default()).unwrap();
    assert_ne!(new.epoch(), old.epoch(), "what was decided before is refused");
    let after = claim(&new, "w", 1).await.remove(0);
    assert_eq!((after.at.fence, after.attempt), (before.at.fence, 1), "the same attempt");
    let refused = old.commit(Commit { items: vec![late], ..Commit::default() }).await;
    assert!(matches!(refused, Err(Error::Unfit(_))), "{refused:?}");
    let beat = Beat {
        consumer: "zombie".into(),
        shard: 0,
        types: [Arc::from("noop")].into(),
        tasks: vec![before.at.clone()],
        begin: vec![],
        lease: 30_000,
    };
    let refused = old.beat(&beat).await;
    assert!(matches!(refused, Err(Error::Unfit(_))), "{refused:?}");
    assert_eq!(*new.load(&state.head.run).await.unwrap().unwrap(), *state);
}

/// Without room for more, runs do not start; those that are there go on.
#[tokio::test]
async fn admission_stops_starts_only() {
    let dir = tempfile::tempdir().unwrap();
    let options = |memory, free_disk| Options { memory, free_disk, ..Options::default() };
    let store = Embedded::open(dir.path(), options(u64::MAX, 0)).unwrap();
    let state = applied(&store, start(&store, &run_id(), 2).publish(0)).await;
    drop(store);
    for (memory, free_disk) in [(1, 0), (u64::MAX, u64::MAX)] {
        let store = Embedded::open(dir.path(), options(memory, free_disk)).unwrap();
        let refused = store
            .commit(Commit { items: vec![start(&store, &run_id(), 1).item()], ..Commit::default() })
            .await;
        assert!(matches!(refused, Err(Error::Full(_))), "{refused:?}");
        let state = store.load(&state.head.run).await.unwrap().unwrap();
        applied(&store, next(&store, &state).publish(1)).await;
        let state = store.load(&state.head.run).await.unwrap().unwrap();
        applied(&store, next(&store, &state).recall(1)).await;
    }
}

/// A directory that cannot be made or read is an error that names it.
#[tokio::test]
async fn a_bad_directory_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    std::fs::write(&path, b"not a directory").unwrap();
    match Embedded::open(&path, Options::default()) {
        Err(Error::Disk(named, _)) => {
            assert!(named.starts_with(&path.display().to_string()), "{named}")
        }
        other => panic!("{:?}", other.err()),
    }
}

/// A waiter that goes away after it was woken passes that on.
#[tokio::test]
async fn a_cancelled_claim_passes_its_call_on() {
    use crate::suite::fixture::{LONG, noops};
    let store = Embedded::volatile();
    let (first, second) = (noops("first", 1), noops("second", 1));
    let mut gone = Box::pin(store.claim(&first, LONG));
    let mut stays = Box::pin(store.claim(&second, LONG));
    assert!(futures::poll!(&mut gone).is_pending());
    assert!(futures::poll!(&mut stays).is_pending());
    let state = applied(&store, start(&store, &run_id(), 3).publish(0)).await;
    assert!(futures::poll!(&mut stays).is_pending(), "one is woken, not all");
    drop(gone);
    let since = std::time::Instant::now();
    assert_eq!(instances(&stays.await.unwrap()), ["n0"]);
    assert!(since.elapsed() < LONG, "it was not woken");
    // One that goes away before that leaves no trace.
    let mut gone = Box::pin(store.claim(&first, LONG));
    assert!(futures::poll!(&mut gone).is_pending());
    drop(gone);
    applied(&store, next(&store, &state).publish(1)).await;
    assert_eq!(instances(&claim(&store, "third", 9).await), ["n1"]);
}

//! Starts: a run begins once, and a dedupe key names one run.

use super::Launcher;
use super::fixture::{applied, commit, run_id, start};
use aob_store::{Item, Outcome};
use serde_json::json;

/// The second start of a run changes nothing and says so.
pub(crate) async fn twice(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let run = run_id();
    let first = applied(&*store, start(&*store, &run, 3).publish(0)).await;
    let again = start(&*store, &run, 5).item();
    assert_eq!(commit(&*store, vec![again]).await, [Outcome::Exists(run.clone())]);
    assert_eq!(store.load(&run).await.unwrap().unwrap(), first);
    assert_eq!(store.events(&run, 0, 10).await.unwrap().len(), 1);
}

/// What is loaded is what was committed, after a start and after a hop.
pub(crate) async fn state_comes_back(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let run = run_id();
    assert!(store.load(&run).await.unwrap().is_none());
    let first =
        applied(&*store, start(&*store, &run, 40).publish(0).publish(7).ask(9, "ticket_a")).await;
    assert_eq!(*store.load(&run).await.unwrap().unwrap(), *first);
    let second = super::fixture::next(&*store, &first).settle(0, json!(1)).publish(39).answer(9);
    let second = applied(&*store, second).await;
    assert_eq!(*store.load(&run).await.unwrap().unwrap(), *second);
}

/// A key that was used names the run that it started, within its tenant.
pub(crate) async fn dedupe_key(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let (first, second, third) = (run_id(), run_id(), run_id());
    let keyed = |item: Item| Item { key: Some("order-7".into()), ..item };
    let item = keyed(start(&*store, &first, 1).item());
    assert_eq!(commit(&*store, vec![item]).await, [Outcome::Applied]);
    let item = keyed(start(&*store, &second, 1).item());
    assert_eq!(commit(&*store, vec![item]).await, [Outcome::Exists(first.clone())]);
    assert!(store.load(&second).await.unwrap().is_none());
    let mut other = start(&*store, &third, 1);
    other.after.head.tenant = "other".into();
    assert_eq!(commit(&*store, vec![keyed(other.item())]).await, [Outcome::Applied]);
    assert_eq!(store.keyed("t", "order-7").await.unwrap(), Some(first));
    assert_eq!(store.keyed("other", "order-7").await.unwrap(), Some(third));
    assert_eq!(store.keyed("t", "order-8").await.unwrap(), None);
}

/// A run that was dropped at its end does not begin a second time under the same key.
pub(crate) async fn dedupe_key_outlives_the_run(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let run = run_id();
    let item = Item { key: Some("once".into()), ..start(&*store, &run, 1).item() };
    let state = item.after.clone();
    assert_eq!(commit(&*store, vec![item]).await, [Outcome::Applied]);
    let end = super::fixture::next(&*store, &state).end(super::fixture::BEGIN + 5).item();
    assert_eq!(commit(&*store, vec![Item { retention: 0, ..end }]).await, [Outcome::Applied]);
    assert!(store.load(&run).await.unwrap().is_none());
    let item = Item { key: Some("once".into()), ..start(&*store, &run_id(), 1).item() };
    assert_eq!(commit(&*store, vec![item]).await, [Outcome::Exists(run.clone())]);
    // The run's own id is taken too: its tombstone answers.
    let item = start(&*store, &run, 1).item();
    assert_eq!(commit(&*store, vec![item]).await, [Outcome::Exists(run)]);
}

//! The suite on the embedded store, and what only it promises.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aob_store::Store;
use aob_store::embedded::{Embedded, Options};
use async_trait::async_trait;

use crate::suite::Launcher;

mod cuts;
mod kills;
mod ownership;

const TAKEOVER: Duration = Duration::from_millis(300);

/// A store on disk in a folder of its own.
struct OnDisk {
    dir: tempfile::TempDir,
    options: Options,
}

fn launcher() -> OnDisk {
    OnDisk { dir: tempfile::tempdir().unwrap(), options: options() }
}

/// Snapshots all the time.
fn snapshots() -> OnDisk {
    OnDisk {
        dir: tempfile::tempdir().unwrap(),
        options: Options { snapshot_from: 1, snapshot_times: 0, ..options() },
    }
}

fn options() -> Options {
    Options { takeover: TAKEOVER, ..Options::default() }
}

impl OnDisk {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(Embedded::open(self.dir.path(), self.options.clone()).unwrap())
    }
}

#[async_trait]
impl Launcher for OnDisk {
    async fn open(&mut self) -> Arc<dyn Store> {
        self.store()
    }

    async fn reopen(&mut self, store: Arc<dyn Store>) -> Arc<dyn Store> {
        store.close().await.unwrap();
        self.store()
    }

    /// What is on disk at this moment is what a kill leaves.
    async fn kill(&mut self, store: Arc<dyn Store>) -> Arc<dyn Store> {
        let copy = copy(self.dir.path());
        drop(store);
        self.dir = copy;
        self.store()
    }

    fn takeover(&self) -> Duration {
        TAKEOVER
    }
}

/// The files of a store that is open. Should a snapshot be finished meanwhile, they are copied again.
fn copy(dir: &Path) -> tempfile::TempDir {
    let list = || -> BTreeSet<OsString> {
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    };
    loop {
        let copy = tempfile::tempdir().unwrap();
        let names = list();
        let all =
            names.iter().all(|name| std::fs::copy(dir.join(name), copy.path().join(name)).is_ok());
        if all && names == list() {
            return copy;
        }
    }
}

mod on_disk {
    crate::suite::conformance!(crate::embedded::launcher);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_snapshots_it_follows_the_model() {
    crate::suite::model::follows_the_model_through_restarts(&mut snapshots()).await;
}

/// A snapshot takes the place of the journals before it, and what is kept does not change.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_replaces_journals() {
    use crate::suite::fixture::{applied, next, run_id, start};
    let mut launcher = snapshots();
    let mut store = launcher.open().await;
    let mut state = applied(&*store, start(&*store, &run_id(), 300).publish(0)).await;
    let numbers = |dir: &Path, kind: &str| -> Vec<u64> {
        let names = std::fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter_map(|name| name.strip_prefix(kind)?.parse().ok()).collect()
    };
    for slot in 0..299 {
        let step =
            next(&*store, &state).settle(slot, serde_json::json!({"slot": slot})).publish(slot + 1);
        state = applied(&*store, step).await;
        let snapshots = numbers(launcher.dir.path(), "snapshot-");
        if slot > 20 && snapshots.iter().any(|number| *number > 3) {
            break;
        }
        assert!(slot < 298, "no snapshot: {snapshots:?}");
    }
    store = launcher.reopen(store).await;
    assert_eq!(*store.load(&state.head.run).await.unwrap().unwrap(), *state);
    let lines = store.events(&state.head.run, 0, 1_000).await.unwrap();
    assert_eq!(lines.len() as u64, state.head.seq);
    let keys: Vec<String> = (0..state.head.settled).map(|slot| format!("n{slot}")).collect();
    assert_eq!(store.context(&state.head.run, &keys).await.unwrap().len(), keys.len());
    let (snapshots, journals) =
        (numbers(launcher.dir.path(), "snapshot-"), numbers(launcher.dir.path(), "journal-"));
    let newest = snapshots.iter().max().unwrap();
    assert!(journals.iter().all(|number| number >= newest), "{journals:?} beside {snapshots:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_snapshots_it_keeps_everything() {
    crate::suite::restart::keeps_everything_acknowledged(&mut snapshots()).await;
    crate::suite::restart::kill_keeps_everything_acknowledged(&mut snapshots()).await;
    crate::suite::restart::epoch_changes(&mut snapshots()).await;
    crate::suite::restart::once_that_began_is_lost(&mut snapshots()).await;
    crate::suite::restart::reported_stays_reported(&mut snapshots()).await;
    crate::suite::admission::kept_over_a_restart(&mut snapshots()).await;
    crate::suite::spend::kept_over_a_restart(&mut snapshots()).await;
}

/// A store without a journal.
struct Volatile;

#[async_trait]
impl Launcher for Volatile {
    async fn open(&mut self) -> Arc<dyn Store> {
        Arc::new(Embedded::volatile_with(options()))
    }

    async fn reopen(&mut self, _store: Arc<dyn Store>) -> Arc<dyn Store> {
        unreachable!("nothing of it outlives it")
    }

    async fn kill(&mut self, store: Arc<dyn Store>) -> Arc<dyn Store> {
        self.reopen(store).await
    }

    fn takeover(&self) -> Duration {
        TAKEOVER
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_journal_it_follows_the_model() {
    crate::suite::model::follows_the_model(&mut Volatile).await;
}

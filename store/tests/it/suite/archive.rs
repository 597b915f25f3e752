//! Runs that go to an archive: nothing of them is lost, and none goes before it is kept.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use aob_engine::patch::Record;
use aob_engine::state::State;
use aob_engine::step::Envelope;
use aob_store::archive::Archived;
use aob_store::{Chain, Error, Item, LogLine, Outcome, Store};
use serde_json::json;

use super::Launcher;
use super::fixture::{BEGIN, applied, commit, next, output, run_id, start};
use super::patches::document;

/// After the run's time.
const LATER: u64 = BEGIN + 2_000;
/// Lines of its log.
const LINES: u64 = 2_500;

fn before(store: &Arc<dyn Store>, folder: &Path) -> Archived {
    let url = format!("file://{}", folder.display());
    Archived::open(store.clone(), &url).unwrap()
}

/// A run with something of everything, that has ended.
async fn ended(store: &dyn Store) -> Arc<str> {
    let run = run_id();
    let mut draft = start(store, &run, 2);
    draft.effects.context.push(("input".into(), output(draft.fence(), json!({"a": "\u{fc}"}))));
    let large = json!("x".repeat(20_000));
    draft.effects.context.push(("n0".into(), output(draft.fence(), large)));
    let mut state = applied(store, draft).await;
    for revision in 1..=4 {
        state = applied(store, next(store, &state).patched_as(&format!("patch_{revision}"))).await;
    }
    for revision in [2, 3] {
        store.compact(&run, revision, &document(revision)).await.unwrap();
    }
    state = applied(store, next(store, &state).refused("patch_r", BEGIN)).await;
    let line = |n: u64| LogLine {
        t: BEGIN + n,
        at: "n0".into(),
        from: "out".into(),
        text: format!("line {n}"),
    };
    store.log(&run, &(0..LINES).map(line).collect::<Vec<_>>()).await.unwrap();
    let item = Item { retention: 1_000, ..next(store, &state).end(BEGIN + 9).item() };
    assert_eq!(commit(store, vec![item]).await, [Outcome::Applied]);
    run
}

/// What a store says of a run.
#[derive(Debug, PartialEq)]
struct Told {
    state: Option<Arc<State>>,
    seq: u64,
    over: u64,
    events: Vec<Vec<u8>>,
    later: Vec<Vec<u8>>,
    keys: Vec<String>,
    context: BTreeMap<String, Envelope>,
    logs: Vec<(Vec<LogLine>, u64)>,
    patches: Vec<Record>,
    patch: Option<Record>,
    chains: Vec<Chain>,
    found: Vec<String>,
}

async fn told(store: &dyn Store, run: &Arc<str>) -> Told {
    let mut keys = store.context_keys(run).await.unwrap();
    keys.sort_unstable();
    let mut chains = Vec::new();
    for revision in 0..=4 {
        chains.push(store.chain(run, revision).await.unwrap());
    }
    let wait = std::time::Duration::ZERO;
    Told {
        state: store.load(run).await.unwrap(),
        seq: store.watch(run, 3, wait).await.unwrap(),
        over: store.watch_end(run, wait).await.unwrap(),
        events: store.events(run, 0, 100).await.unwrap(),
        later: store.events(run, 5, 1).await.unwrap(),
        context: store.context(run, &keys).await.unwrap(),
        keys,
        logs: vec![
            store.logs(run, 0, 1_000).await.unwrap(),
            store.logs(run, 1_998, 9).await.unwrap(),
            store.logs(run, LINES, 9).await.unwrap(),
        ],
        patches: store.patches(run).await.unwrap(),
        patch: store.patch(run, "patch_3").await.unwrap(),
        chains,
        found: store.find("t", run).await.unwrap(),
    }
}

/// Everything is to be had from the archive as it was in the store, by whoever opens it; and by nobody else.
pub(crate) async fn kept_as_it_was(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let folder = tempfile::tempdir().unwrap();
    let run = ended(&*store).await;
    let archived = before(&store, folder.path());
    assert_eq!(archived.drop_expired(0, BEGIN + 500, 10).await.unwrap(), 0);
    let was = told(&*store, &run).await;
    assert_eq!(was.patches.len(), 5);
    assert_eq!(was.logs[0].0.len(), 1_000);
    assert_eq!(told(&archived, &run).await, was);
    assert_eq!(archived.drop_expired(0, LATER, 10).await.unwrap(), 1);
    assert!(store.load(&run).await.unwrap().is_none());
    assert_eq!(told(&archived, &run).await, was);
    let another = before(&store, folder.path());
    assert_eq!(told(&another, &run).await, was);
    assert!(another.find("other", &run).await.unwrap().is_empty());
    assert!(another.chain(&run, 5).await.is_err());
    assert_eq!(another.patch(&run, "patch_9").await.unwrap(), None);
    let none = run_id();
    assert!(another.load(&none).await.unwrap().is_none());
    assert!(another.events(&none, 0, 9).await.unwrap().is_empty());
    assert_eq!(another.watch(&none, 0, std::time::Duration::ZERO).await.unwrap(), 0);
}

/// What cannot be kept stays in the store, and goes once it can.
pub(crate) async fn not_gone_before_it_is_kept(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let folder = tempfile::tempdir().unwrap();
    let run = ended(&*store).await;
    let archived = before(&store, folder.path());
    // A file where there should be a folder.
    std::fs::write(folder.path().join("runs"), "").unwrap();
    assert_eq!(archived.drop_expired(0, LATER, 10).await.unwrap(), 0);
    assert!(store.load(&run).await.unwrap().is_some());
    std::fs::remove_file(folder.path().join("runs")).unwrap();
    assert_eq!(archived.drop_expired(0, LATER, 10).await.unwrap(), 1);
    assert!(archived.load(&run).await.unwrap().is_some());
}

/// An object that was cut or changed is told, whatever is wrong with it.
pub(crate) async fn a_broken_object_is_told(launcher: &mut dyn Launcher) {
    let store = launcher.open().await;
    let folder = tempfile::tempdir().unwrap();
    let run = ended(&*store).await;
    assert_eq!(before(&store, folder.path()).drop_expired(0, LATER, 10).await.unwrap(), 1);
    let path = folder.path().join("runs").join(&*run);
    let whole = std::fs::read(&path).unwrap();
    let step = (whole.len() / 97).max(1);
    // Its last bytes too: they are the digest of all others.
    let ends = whole.len().saturating_sub(8)..whole.len();
    for cut in (0..whole.len()).step_by(step).chain(ends) {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let read = before(&store, folder.path()).load(&run).await;
        assert!(matches!(read, Err(Error::Corrupt(_))), "{cut} of {} bytes", whole.len());
        let mut changed = whole.clone();
        changed[cut] ^= 0x10;
        std::fs::write(&path, &changed).unwrap();
        // A byte that says nothing about the content may be changed without a trace.
        match before(&store, folder.path()).load(&run).await {
            Err(Error::Corrupt(_)) => {}
            Ok(Some(state)) => assert!(state.is_ended()),
            other => panic!("byte {cut}: {other:?}"),
        }
    }
    // And one of another run.
    std::fs::write(&path, &whole).unwrap();
    let other = run_id();
    std::fs::copy(&path, folder.path().join("runs").join(&*other)).unwrap();
    assert!(matches!(before(&store, folder.path()).load(&other).await, Err(Error::Corrupt(_))));
    for url in ["ftp://x/y", "file://relative", "nothing"] {
        assert!(matches!(Archived::open(store.clone(), url), Err(Error::Archive(_))), "{url}");
    }
}

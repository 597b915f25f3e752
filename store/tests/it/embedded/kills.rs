//! A process that is killed while it commits: everything that it was told is there.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use aob_store::embedded::{Embedded, Options};
use aob_store::{Outcome, Store};
use serde_json::json;

use crate::suite::fixture::{claim, commit, next, start};
use crate::suite::patches::document;

const DIR: &str = "AOB_TEST_KILLS";
const NODES: u32 = 200;

/// Kills a process after so many acknowledged commits, and looks; then lets another go on in the same directory.
#[tokio::test]
async fn nothing_acknowledged_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged: BTreeMap<String, u64> = BTreeMap::new();
    for count in [3, 150, 700] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "embedded::kills::commits_until_it_is_killed",
                "--ignored",
                "--nocapture",
            ])
            .env(DIR, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut lines = lines.filter(|line| line.starts_with("run_"));
        for line in lines.by_ref().take(count) {
            note(&mut acknowledged, &line);
        }
        child.kill().unwrap();
        // What it had printed when it died was acknowledged too; the last line may be torn.
        lines.filter(|line| line.ends_with('.')).for_each(|line| note(&mut acknowledged, &line));
        child.wait().unwrap();
        look(dir.path(), &acknowledged).await;
    }
    assert!(acknowledged.values().sum::<u64>() >= 850);
}

fn note(acknowledged: &mut BTreeMap<String, u64>, line: &str) {
    let (run, seq) = line.trim_end_matches('.').split_once(' ').unwrap();
    let seq = seq.parse().unwrap();
    let before = acknowledged.insert(run.to_owned(), seq);
    assert!(before.is_none_or(|before| before < seq));
}

async fn look(dir: &Path, acknowledged: &BTreeMap<String, u64>) {
    let store = Embedded::open(dir, Options::default()).unwrap();
    for (run, seq) in acknowledged {
        let state = store.load(run).await.unwrap().unwrap();
        assert!(state.head.seq >= *seq, "{run} is at {}, {seq} was acknowledged", state.head.seq);
        let lines = store.events(run, 0, usize::MAX).await.unwrap();
        assert_eq!(lines.len() as u64, state.head.seq);
        assert_eq!(aob_engine::event::chain(lines.last().unwrap()), &*state.head.last);
        assert_eq!(store.claimed(&state).await.unwrap(), [""; 0]);
        let last = state.head.revision;
        let ids = store.patches(run).await.unwrap().into_iter().map(|record| record.id);
        assert!(ids.eq((1..=last).map(|revision| format!("{run}-{revision}"))), "{run}");
        // However far compaction came, every revision is to be had.
        for revision in 0..=last {
            let chain = store.chain(run, revision).await.unwrap();
            let from = chain.base.as_ref().map_or(0, |(base, _)| *base);
            assert!(
                from.is_multiple_of(20) && revision - from <= 40,
                "{run}: {revision} from {from}"
            );
            assert!(chain.base.is_none_or(|(base, kept)| kept == document(base)));
        }
    }
    store.close().await.unwrap();
}

/// The process that is killed: 16 tasks that commit as fast as they can, with a snapshot now and then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by another test"]
async fn commits_until_it_is_killed() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let options = Options { snapshot_from: 50_000, snapshot_times: 0, ..Options::default() };
    let store = Arc::new(Embedded::open(dir, options).unwrap());
    let tasks = (0..16).map(|task| {
        let store = store.clone();
        tokio::spawn(async move {
            loop {
                let run = aob_store::id::run(u64::from(std::process::id()), rand::random(), task);
                let mut item = start(&*store, &run, NODES as usize).publish(0).item();
                for slot in 0..NODES - 1 {
                    let state = item.after.clone();
                    assert_eq!(commit(&*store, vec![item]).await, [Outcome::Applied]);
                    writeln!(std::io::stdout().lock(), "{run} {}.", state.head.seq).unwrap();
                    claim(&*store, "w", 1).await;
                    let revision = state.head.revision;
                    if slot % 2 == 1 && revision.is_multiple_of(20) {
                        store.compact(&run, revision, &document(revision)).await.unwrap();
                    }
                    let draft =
                        next(&*store, &state).settle(slot, json!({"slot": slot})).publish(slot + 1);
                    item = if slot % 2 == 0 {
                        draft.patched_as(&format!("{run}-{}", revision + 1)).item()
                    } else {
                        draft.item()
                    };
                }
            }
        })
    });
    futures::future::join_all(tasks).await;
}

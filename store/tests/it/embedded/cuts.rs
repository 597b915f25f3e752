//! A journal cut or damaged anywhere: what is read is a whole number of commits, or an error that says where.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aob_engine::patch::Record;
use aob_engine::state::State;
use aob_store::embedded::{Embedded, Options};
use aob_store::{Error, Item, Outcome, Store};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;

use crate::suite::fixture::{BEGIN, accepted, applied, commit, next, run_id, start};
use crate::suite::patches::document;

/// A journal of commits that were acknowledged one by one, two runs in each: what was in them after each.
struct History {
    dir: tempfile::TempDir,
    journal: PathBuf,
    bytes: Vec<u8>,
    /// Where each commit ends in the file.
    ends: Vec<usize>,
    states: Vec<[Arc<State>; 2]>,
    epoch: u64,
}

fn options() -> Options {
    Options { fsync: false, ..Options::default() }
}

impl History {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Embedded::open(dir.path(), Options::default()).unwrap();
        let runs = [run_id(), run_id()];
        let mut states = Vec::new();
        let items =
            runs.iter().map(|run| Item { link: 1, ..start(&store, run, 4).publish(0).item() });
        let items: Vec<Item> = items.collect();
        states.push([items[0].after.clone(), items[1].after.clone()]);
        assert_eq!(commit(&store, items).await, [Outcome::Applied, Outcome::Applied]);
        for slot in 0..2 {
            let [first, second] = states.last().unwrap();
            let step = |state| {
                let step = next(&store, state).settle(slot, json!({"slot": slot}));
                let step = step.publish(slot + 1);
                if slot == 1 { step.patched_as("patch_1").item() } else { step.item() }
            };
            let items = vec![step(first), Item { link: 2, ..step(second) }];
            states.push([items[0].after.clone(), items[1].after.clone()]);
            assert_eq!(commit(&store, items).await, [Outcome::Applied, Outcome::Applied]);
        }
        let epoch = store.epoch();
        drop(store);
        let journal = dir.path().join("journal-1");
        let mut bytes = std::fs::read(&journal).unwrap();
        let (mut ends, mut at) = (Vec::new(), 24);
        loop {
            let length = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
            if length == 0 {
                break;
            }
            at += 24 + length;
            ends.push(at);
        }
        assert_eq!(ends.len(), states.len(), "a frame for each commit");
        bytes.truncate(at + 64);
        Self { dir, journal, bytes, ends, states, epoch }
    }

    fn end(&self) -> usize {
        *self.ends.last().unwrap()
    }

    /// Opens these bytes as the journal.
    fn open(&self, bytes: &[u8]) -> aob_store::Result<Embedded> {
        std::fs::write(&self.journal, bytes).unwrap();
        Embedded::open(self.dir.path(), options())
    }

    /// How many commits a store has: both runs must be at the same one, whole.
    async fn commits(&self, store: &Embedded) -> usize {
        assert_ne!(store.epoch(), self.epoch);
        let mut found = Vec::new();
        for (at, first) in self.states[0].iter().enumerate() {
            let run = &first.head.run;
            let Some(state) = store.load(run).await.unwrap() else {
                assert!(store.events(run, 0, 9).await.unwrap().is_empty());
                found.push(0);
                continue;
            };
            let seq = usize::try_from(state.head.seq).unwrap();
            assert_eq!(*state, *self.states[seq - 1][at]);
            assert_eq!(store.events(run, 0, 99).await.unwrap().len(), seq);
            // A record is there with its event, or neither is.
            let records: Vec<Record> =
                (1..=state.head.revision).map(|at| accepted(&format!("patch_{at}"), at)).collect();
            assert_eq!(store.patches(run).await.unwrap(), records);
            assert_eq!(store.chain(run, state.head.revision).await.unwrap().overlays, records);
            let listed = store.find_patches("t", "patch_").await.unwrap();
            assert_eq!(listed.len(), 2 * records.len());
            found.push(seq);
        }
        assert_eq!(found[0], found[1], "both or none");
        found[0]
    }
}

/// Cut at every byte, as a shorter file and as one with zeros instead; then it goes on.
#[tokio::test]
async fn cut_at_every_byte() {
    let history = History::new().await;
    for at in 0..=history.end() {
        let mut zeroed = history.bytes.clone();
        zeroed[at..].fill(0);
        for bytes in [&history.bytes[..at], &zeroed] {
            // A commit whose last bytes are zeros is whole without them.
            let is_whole = |end: &&usize| bytes.get(..**end) == Some(&history.bytes[..**end]);
            let whole = history.ends.iter().filter(is_whole).count();
            let store = history.open(bytes).unwrap();
            assert_eq!(history.commits(&store).await, whole, "cut at {at}");
            if whole == 0 || at % 16 > 0 {
                drop(store);
                let end = whole.checked_sub(1).map_or(24, |last| history.ends[last]);
                let left = std::fs::read(&history.journal).unwrap();
                assert!(
                    left.iter().skip(end).all(|byte| *byte == 0),
                    "something is left behind {end}"
                );
                continue;
            }
            let step = next(&store, &history.states[whole - 1][0]).end(BEGIN).item();
            assert_eq!(commit(&store, vec![step]).await, [Outcome::Applied]);
            drop(store);
            let store = Embedded::open(history.dir.path(), options()).unwrap();
            let state = store.load(&history.states[0][0].head.run).await.unwrap().unwrap();
            assert!(state.is_ended(), "cut at {at}");
        }
    }
}

/// Cut within and behind a base: it is there or not, and every revision is to be had either way.
#[tokio::test]
async fn cut_at_every_byte_of_a_base() {
    let dir = tempfile::tempdir().unwrap();
    let store = Embedded::open(dir.path(), Options::default()).unwrap();
    let run = run_id();
    let journal = dir.path().join("journal-1");
    let length = || {
        let bytes = std::fs::read(&journal).unwrap();
        bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1
    };
    let mut state = applied(&store, start(&store, &run, 1)).await;
    for revision in 1..=3 {
        let draft = next(&store, &state).patched_as(&format!("patch_{revision}"));
        state = applied(&store, draft).await;
    }
    let from = length();
    store.compact(&run, 2, &document(2)).await.unwrap();
    let to = length();
    applied(&store, next(&store, &state).patched_as("patch_4")).await;
    let end = length();
    drop(store);
    let bytes = std::fs::read(&journal).unwrap();
    for at in from..=end {
        std::fs::write(&journal, &bytes[..at]).unwrap();
        let store = Embedded::open(dir.path(), options()).unwrap();
        let last = store.load(&run).await.unwrap().unwrap().head.revision;
        assert!(last == 4 && at == end || last == 3, "cut at {at}: revision {last}");
        for revision in 0..=last {
            let chain = store.chain(&run, revision).await.unwrap();
            let base = (at >= to && revision >= 2).then(|| (2, document(2)));
            let first = base.as_ref().map_or(1, |(base, _)| base + 1);
            let records: Vec<Record> =
                (first..=revision).map(|at| accepted(&format!("patch_{at}"), at)).collect();
            assert_eq!(
                (chain.base, chain.overlays),
                (base, records),
                "cut at {at} of {from}..{to}..{end}"
            );
        }
        // Whoever was interrupted says it again.
        store.compact(&run, 2, &document(2)).await.unwrap();
        assert!(store.chain(&run, 3).await.unwrap().base.is_some());
    }
}

/// A changed byte in what was acknowledged before the last frame is an error with its place; in the last
/// frame it cannot be told from a torn write.
#[tokio::test]
async fn damaged_at_every_byte() {
    let history = History::new().await;
    let last = history.ends[history.ends.len() - 2];
    for at in 0..history.end() {
        let mut bytes = history.bytes.clone();
        bytes[at] ^= 0x55;
        match history.open(&bytes) {
            Ok(store) => {
                assert!(at >= last || (20..24).contains(&at), "damage at {at} was passed over");
                let whole = history.states.len();
                let expected = if at < 24 { whole } else { whole - 1 };
                assert_eq!(history.commits(&store).await, expected, "damage at {at}");
            }
            Err(Error::Corrupt(why)) => {
                assert!(at < last, "{why}");
                let frame =
                    history.ends.iter().rev().find(|end| **end <= at).copied().unwrap_or(24);
                let place = if at < 24 { 0 } else { frame };
                assert!(
                    why.contains(&format!("journal-1 at byte {place}:")),
                    "damage at {at}: {why}"
                );
            }
            Err(other) => panic!("damage at {at}: {other}"),
        }
    }
}

/// A file that is missing or left over.
#[tokio::test]
async fn files_missing_or_left_over() {
    let history = History::new().await;
    let name = |name: &str| history.dir.path().join(name);
    std::fs::write(name("snapshot-7.new"), b"half a snapshot").unwrap();
    drop(history.open(&history.bytes).unwrap());
    assert!(!name("snapshot-7.new").exists());
    std::fs::rename(&history.journal, name("journal-2")).unwrap();
    let refused = Embedded::open(history.dir.path(), options()).err();
    assert!(matches!(refused, Some(Error::Corrupt(_))), "{refused:?}");
    std::fs::rename(name("journal-2"), &history.journal).unwrap();
    std::fs::write(name("snapshot-1"), b"no snapshot").unwrap();
    let refused = Embedded::open(history.dir.path(), options()).err();
    assert!(
        matches!(&refused, Some(Error::Corrupt(why)) if why.contains("snapshot-1")),
        "{refused:?}"
    );
}

/// Whatever is in the files, opening answers; and what it opens can be read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_bytes_are_answered() {
    let history = History::new().await;
    let content = history.bytes.clone();
    let damage = prop_oneof![
        prop::collection::vec((0..content.len(), any::<u8>()), 1..8).prop_map(Damage::Bytes),
        (0..content.len(), 0..content.len(), 1..200_usize)
            .prop_map(|(from, to, length)| Damage::Move(from, to, length)),
        prop::collection::vec(any::<u8>(), 0..400).prop_map(Damage::Instead),
        (0..content.len(), any::<u8>()).prop_map(|(at, byte)| Damage::Resealed(at, byte)),
    ];
    let config = Config { cases: 600, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&damage, |damage| {
            let bytes = damage.apply(&content);
            if let Ok(store) = history.open(&bytes) {
                tokio::task::block_in_place(|| {
                    tokio::runtime::Handle::current().block_on(async {
                        store.runs("t", None, 10).await.unwrap();
                        store.events(&history.states[0][0].head.run, 0, 10).await.unwrap();
                        store.close().await.unwrap();
                    });
                });
            }
            clear(history.dir.path());
            Ok(())
        })
        .unwrap();
}

#[derive(Debug, Clone)]
enum Damage {
    Bytes(Vec<(usize, u8)>),
    Move(usize, usize, usize),
    Instead(Vec<u8>),
    /// With a checksum that is right: what is behind it must be read with care.
    Resealed(usize, u8),
}

impl Damage {
    fn apply(self, content: &[u8]) -> Vec<u8> {
        let mut bytes = content.to_vec();
        match self {
            Self::Bytes(changes) => changes.into_iter().for_each(|(at, byte)| bytes[at] = byte),
            Self::Move(from, to, length) => {
                let length = length.min(bytes.len() - from.max(to));
                bytes.copy_within(from..from + length, to);
            }
            Self::Instead(other) => bytes = other,
            Self::Resealed(at, byte) => {
                bytes[at] = byte;
                reseal(&mut bytes);
            }
        }
        bytes
    }
}

fn reseal(bytes: &mut [u8]) {
    let mut at = 24;
    while at + 24 < bytes.len() {
        let length = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let Some(frame) = bytes.get_mut(at..at + 24 + length).filter(|_| length > 0) else {
            return;
        };
        let crc = crc32fast::hash(&frame[8..]);
        frame[4..8].copy_from_slice(&crc.to_le_bytes());
        at += 24 + length;
    }
}

/// Removes all but the lock.
fn clear(dir: &Path) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if !path.ends_with("lock") {
            std::fs::remove_file(path).unwrap();
        }
    }
}

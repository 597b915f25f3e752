//! The journal of a process, cut: it opens to a whole number of commits, and every run goes on to its end.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use aob_engine::state::RunOutcome;
use aob_store::Store as _;
use aob_store::embedded::{Embedded, Options};
use rand::Rng as _;

use crate::documents::chain;
use crate::local::{ended, finish, one_at_a_time, publish, runs, start_many};
use crate::past::Past;
use crate::turn::Turn;

/// Bytes of the file's header, and of a frame's.
const HEADER: usize = 24;
/// Cuts at random.
const RANDOM: usize = 300;
/// Every so many cuts at random the runs go on.
const GO_ON: usize = 10;

/// A journal and where its frames end.
struct Journal {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    past: Past,
}

impl Journal {
    /// Six runs of eight nodes, to their end.
    async fn record() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(Embedded::open(dir.path(), Options::default()).unwrap());
        let runs = runs(store.clone());
        let digest = publish(&runs, &chain(8)).await;
        let all = start_many(&runs, &digest, 6).await;
        finish(&one_at_a_time(&runs), &all).await;
        let past = Past::of(&runs, &all).await;
        store.close().await.unwrap();
        let mut bytes = std::fs::read(dir.path().join("journal-1")).unwrap();
        let (mut ends, mut at) = (Vec::new(), HEADER);
        loop {
            let length = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
            if length == 0 {
                break;
            }
            at += HEADER + length;
            ends.push(at);
        }
        bytes.truncate(at);
        Self { bytes, ends, past }
    }

    /// How many frames are whole in so many bytes.
    fn whole(&self, cut: usize) -> usize {
        self.ends.iter().filter(|end| **end <= cut).count()
    }

    /// Opens the first bytes.
    fn open(&self, dir: &Path, cut: usize) -> Arc<Embedded> {
        for entry in std::fs::read_dir(dir).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
        std::fs::write(dir.join("journal-1"), &self.bytes[..cut]).unwrap();
        let options = Options { fsync: false, ..Options::default() };
        Arc::new(
            Embedded::open(dir, options).unwrap_or_else(|error| panic!("cut at {cut}: {error}")),
        )
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_anywhere() {
    let turn = Turn::take("journal cut").await;
    let mut random = turn.random();
    let journal = Journal::record().await;
    let (end, frames) = (journal.bytes.len(), journal.ends.len());
    let tail = journal.ends[frames - 4];
    let mut cuts: BTreeSet<usize> = (tail..=end).collect();
    cuts.extend((0..RANDOM).map(|_| random.random_range(0..end)));
    // Where every frame ends, and just beside it.
    cuts.extend(
        journal.ends.iter().flat_map(|end| [end - 1, *end, end + 1]).filter(|cut| *cut <= end),
    );
    let dir = tempfile::tempdir().unwrap();
    let (mut before, mut on) = ((0, 0), 0);
    for (number, &cut) in cuts.iter().enumerate() {
        let store = journal.open(dir.path(), cut);
        let held =
            journal.past.held(&*store).await.unwrap_or_else(|why| panic!("cut at {cut}: {why}"));
        let whole = journal.whole(cut);
        // The same frames hold the same commits, and more of them hold no fewer.
        assert!(
            held >= before.1 && (whole > before.0 || held == before.1),
            "cut at {cut}: {held} after {before:?}"
        );
        before = (whole, held);
        if journal.ends.contains(&cut) || (cut < tail && number % GO_ON == 0) {
            on += 1;
            go_on(&journal, &store).await;
        }
        store.close().await.unwrap();
    }
    assert_eq!(before, (frames, journal.past.events()));
    println!(
        "{} cuts of a journal of {end} bytes and {frames} frames; from {on} of them the runs went on",
        cuts.len()
    );
}

/// Moves every run that is there to its end.
async fn go_on(journal: &Journal, store: &Arc<Embedded>) {
    let runs = runs(store.clone());
    let present = journal.past.present(&**store).await;
    finish(&one_at_a_time(&runs), &present).await;
    for run in &present {
        assert_eq!(ended(&runs, run).await.head.outcome, Some(RunOutcome::Succeeded));
        runs.verify(run).await.unwrap().unwrap();
    }
}

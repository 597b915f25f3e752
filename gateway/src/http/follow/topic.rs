//! The one reader of a run, its window, and the pages of those who are behind it.

mod block;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use aob_engine::event::{Change, Event};
use aob_store::{Result, Store};
use tokio::sync::watch;

pub(super) use block::Chunk;
use block::{Block, Blocks};

/// Most events of a window, and of what is read at once.
const MOST: usize = 500;
/// Most bytes of a window, and of the pages that are kept.
const MOST_BYTES: usize = 4 << 20;
/// Events of a page of those who are behind the window. Pages begin at multiples of it: whoever is near another reads
/// the same ones.
const PAGE: u64 = block::EVENTS as u64;
/// Most pages that are kept.
const PAGES: usize = 64;
/// How long news are waited for at once; after that it is looked whether anybody still follows.
const WAIT: Duration = Duration::from_secs(2);
/// How long a store that does not answer is left alone.
const PAUSE: Duration = Duration::from_millis(500);

/// A run that is followed.
pub(super) struct Topic {
    store: Arc<dyn Store>,
    run: Arc<str>,
    window: Mutex<Blocks>,
    /// Held while a page is read: however many are behind, one reads, and the others find what it read.
    pages: tokio::sync::Mutex<Pages>,
    mark: watch::Sender<Mark>,
}

/// How far a run has been read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mark {
    /// The last event.
    pub(super) last: u64,
    /// Whether none follows.
    pub(super) over: bool,
}

/// Pages that were read for somebody who was behind the window, the last used at the end.
#[derive(Default)]
struct Pages {
    kept: VecDeque<Block>,
    bytes: usize,
}

impl Topic {
    pub(super) fn begin(store: Arc<dyn Store>, run: &str, after: u64) -> Arc<Self> {
        let topic = Arc::new(Self {
            store,
            run: run.into(),
            window: Mutex::new(Blocks::begin(after)),
            pages: tokio::sync::Mutex::default(),
            mark: watch::Sender::new(Mark { last: after, over: false }),
        });
        tokio::spawn(read(Arc::downgrade(&topic), topic.store.clone(), topic.run.clone(), after));
        topic
    }

    pub(super) fn marks(&self) -> watch::Receiver<Mark> {
        self.mark.subscribe()
    }

    /// Some of the events after one, ready to be sent: of the window, or of a page. None: it is gone from the store.
    pub(super) async fn after(&self, at: u64) -> Result<Option<Chunk>> {
        if let Some(chunk) = self.window().after(at) {
            return Ok(Some(chunk));
        }
        let before = at - at % PAGE;
        let mut pages = self.pages.lock().await;
        if let Some(chunk) = pages.after(before, at) {
            return Ok(Some(chunk));
        }
        let lines = self.store.events(&self.run, before, block::EVENTS).await?;
        pages.keep(Block::of(before, &lines));
        Ok(pages.after(before, at))
    }

    fn window(&self) -> MutexGuard<'_, Blocks> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what was read; whether the run is over.
    fn take(&self, from: u64, lines: &[Vec<u8>]) -> bool {
        self.window().push(lines, MOST, MOST_BYTES);
        let over = lines.iter().any(|line| ends(line));
        self.mark.send_replace(Mark { last: from + lines.len() as u64, over });
        over
    }
}

impl Pages {
    /// Events after one, of the page that begins there; nothing if that has none of them (yet).
    fn after(&mut self, before: u64, at: u64) -> Option<Chunk> {
        let place = self.kept.iter().position(|page| page.before == before)?;
        let page = self.kept.remove(place)?;
        let chunk = page.after(at);
        self.kept.push_back(page);
        chunk
    }

    /// Keeps a page, instead of what was there of it and of the longest unused ones.
    fn keep(&mut self, page: Block) {
        if let Some(place) = self.kept.iter().position(|kept| kept.before == page.before) {
            self.drop(place);
        }
        self.bytes += page.len();
        self.kept.push_back(page);
        while self.kept.len() > PAGES || (self.kept.len() > 1 && self.bytes > MOST_BYTES) {
            self.drop(0);
        }
    }

    fn drop(&mut self, place: usize) {
        if let Some(page) = self.kept.remove(place) {
            self.bytes -= page.len();
        }
    }
}

/// Reads a run as long as anybody follows it.
async fn read(topic: Weak<Topic>, store: Arc<dyn Store>, run: Arc<str>, mut at: u64) {
    // Whether the store has been asked since there was something new.
    let mut quiet = true;
    loop {
        let found = store.events(&run, at, MOST).await;
        let Some(topic) = topic.upgrade() else { return };
        match found {
            Ok(lines) if !lines.is_empty() => {
                if topic.take(at, &lines) {
                    return;
                }
                at += lines.len() as u64;
                quiet = false;
                continue;
            }
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, %run, "events could not be read"),
        }
        drop(topic);
        if quiet && is_over(&*store, &run, at).await {
            break;
        }
        quiet = true;
        match store.watch(&run, at, WAIT).await {
            // It went with its end, or was over before.
            Ok(0) => break,
            Ok(_) => {}
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
    if let Some(topic) = topic.upgrade() {
        topic.mark.send_replace(Mark { last: at, over: true });
    }
}

async fn is_over(store: &dyn Store, run: &str, at: u64) -> bool {
    let state = store.load(run).await;
    matches!(state, Ok(Some(state)) if state.is_ended() && state.head.seq <= at)
}

/// Whether a run ends with this event.
fn ends(line: &[u8]) -> bool {
    let event = serde_json::from_slice::<Event>(line);
    let ended = |change: &Change| matches!(change, Change::Ended { .. });
    event.is_ok_and(|event| event.changes.iter().any(ended))
}

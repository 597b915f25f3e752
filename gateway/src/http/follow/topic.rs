//! The one reader of a run, its window, and the pages of those who are behind it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use aob_engine::event::{Change, Event};
use aob_store::{Result, Store};
use bytes::Bytes;
use tokio::sync::watch;

/// Most events of a window, and of a page.
const MOST: usize = 500;
/// Most bytes of a window, and of the pages that are kept.
const MOST_BYTES: usize = 4 << 20;
/// Events of a page of those who are behind the window. Pages begin at multiples of it: whoever is near another reads
/// the same ones.
const PAGE: u64 = 128;
/// Most pages that are kept.
const PAGES: usize = 32;
/// Most events that a follower takes at once.
const BATCH: usize = 64;
/// How long news are waited for at once; after that it is looked whether anybody still follows.
const WAIT: Duration = Duration::from_secs(2);
/// How long a store that does not answer is left alone.
const PAUSE: Duration = Duration::from_millis(500);

/// A run that is followed.
pub(super) struct Topic {
    store: Arc<dyn Store>,
    run: Arc<str>,
    window: Mutex<Window>,
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

#[derive(Default)]
struct Window {
    /// The event before the first one in it.
    before: u64,
    frames: VecDeque<Bytes>,
    bytes: usize,
}

/// Pages that were read for somebody who was behind the window, the last used at the end.
#[derive(Default)]
struct Pages {
    kept: VecDeque<Page>,
    bytes: usize,
}

struct Page {
    /// The event before the first one in it.
    before: u64,
    frames: Vec<Bytes>,
}

impl Topic {
    pub(super) fn begin(store: Arc<dyn Store>, run: &str, after: u64) -> Arc<Self> {
        let topic = Arc::new(Self {
            store,
            run: run.into(),
            window: Mutex::new(Window { before: after, ..Window::default() }),
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
    pub(super) async fn after(&self, at: u64) -> Result<Vec<Bytes>> {
        if let Some(frames) = self.windowed(at) {
            return Ok(frames);
        }
        let before = at - at % PAGE;
        let mut pages = self.pages.lock().await;
        if let Some(frames) = pages.after(before, at) {
            return Ok(frames);
        }
        let most = usize::try_from(PAGE).unwrap_or(MOST);
        let lines = self.store.events(&self.run, before, most).await?;
        pages.keep(Page {
            before,
            frames: (before + 1..).zip(lines).map(|(n, line)| frame(n, &line)).collect(),
        });
        Ok(pages.after(before, at).unwrap_or_default())
    }

    fn windowed(&self, at: u64) -> Option<Vec<Bytes>> {
        let window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let skip = usize::try_from(at.checked_sub(window.before)?).ok()?;
        Some(window.frames.iter().skip(skip).take(BATCH).cloned().collect())
    }

    /// Takes in what was read; whether the run is over.
    fn take(&self, from: u64, lines: &[Vec<u8>]) -> bool {
        let mut over = false;
        {
            let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
            for (n, line) in (from + 1..).zip(lines) {
                over |= ends(line);
                let frame = frame(n, line);
                window.bytes += frame.len();
                window.frames.push_back(frame);
                while window.frames.len() > MOST || window.bytes > MOST_BYTES {
                    let Some(gone) = window.frames.pop_front() else { break };
                    window.bytes -= gone.len();
                    window.before += 1;
                }
            }
        }
        self.mark.send_replace(Mark { last: from + lines.len() as u64, over });
        over
    }
}

impl Pages {
    /// Events after one, of the page that begins there; nothing if that has none of them (yet).
    fn after(&mut self, before: u64, at: u64) -> Option<Vec<Bytes>> {
        let place = self.kept.iter().position(|page| page.before == before)?;
        let page = self.kept.remove(place)?;
        let skip = usize::try_from(at - before).unwrap_or(usize::MAX);
        let frames: Vec<_> = page.frames.iter().skip(skip).take(BATCH).cloned().collect();
        self.kept.push_back(page);
        (!frames.is_empty()).then_some(frames)
    }

    /// Keeps a page, instead of what was there of it and of the longest unused ones.
    fn keep(&mut self, page: Page) {
        if let Some(place) = self.kept.iter().position(|kept| kept.before == page.before) {
            self.drop(place);
        }
        self.bytes += page.bytes();
        self.kept.push_back(page);
        while self.kept.len() > PAGES || (self.kept.len() > 1 && self.bytes > MOST_BYTES) {
            self.drop(0);
        }
    }

    fn drop(&mut self, place: usize) {
        if let Some(page) = self.kept.remove(place) {
            self.bytes -= page.bytes();
        }
    }
}

impl Page {
    fn bytes(&self) -> usize {
        self.frames.iter().map(Bytes::len).sum()
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

/// An event as it is sent: its number, its bytes, which have no line break in them.
fn frame(n: u64, line: &[u8]) -> Bytes {
    let head = format!("id: {n}\ndata: ");
    [head.as_bytes(), line, b"\n\n"].concat().into()
}

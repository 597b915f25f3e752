//! The one reader of a run, and its window.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use aob_engine::event::{Change, Event};
use aob_store::{Result, Store};
use bytes::Bytes;
use tokio::sync::watch;

/// Most events of a window, and of a page.
const MOST: usize = 500;
/// Most bytes of a window.
const MOST_BYTES: usize = 4 << 20;
/// How long news are waited for at once; after that it is looked whether anybody still follows.
const WAIT: Duration = Duration::from_secs(2);
/// How long a store that does not answer is left alone.
const PAUSE: Duration = Duration::from_millis(500);

/// A run that is followed.
pub(super) struct Topic {
    store: Arc<dyn Store>,
    run: Arc<str>,
    window: Mutex<Window>,
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

impl Topic {
    pub(super) fn begin(store: Arc<dyn Store>, run: &str, after: u64) -> Arc<Self> {
        let topic = Arc::new(Self {
            store,
            run: run.into(),
            window: Mutex::new(Window { before: after, ..Window::default() }),
            mark: watch::Sender::new(Mark { last: after, over: false }),
        });
        tokio::spawn(read(Arc::downgrade(&topic), topic.store.clone(), topic.run.clone(), after));
        topic
    }

    pub(super) fn marks(&self) -> watch::Receiver<Mark> {
        self.mark.subscribe()
    }

    /// Events after one, ready to be sent: what the window has of them, or a page from the store.
    pub(super) async fn after(&self, at: u64) -> Result<Vec<Bytes>> {
        if let Some(frames) = self.windowed(at) {
            return Ok(frames);
        }
        let lines = self.store.events(&self.run, at, MOST).await?;
        Ok((at + 1..).zip(lines).map(|(n, line)| frame(n, &line)).collect())
    }

    fn windowed(&self, at: u64) -> Option<Vec<Bytes>> {
        let window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let skip = usize::try_from(at.checked_sub(window.before)?).ok()?;
        Some(window.frames.iter().skip(skip).cloned().collect())
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

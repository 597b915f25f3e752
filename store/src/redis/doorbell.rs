//! Who waits for news of a run. Commits of this process ring at once; those of others through `wf.events`, read by
//! one task per shard for as long as somebody waits.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ::redis::{Value, cmd};
use tokio::sync::watch;

use super::client::{Client, Failure};
use super::keys::Keys;
use super::value::{int, items, text};
use crate::Result;

/// How long the reader goes on after the last waiting one has gone.
const LINGER: Duration = Duration::from_secs(10);
/// How often a waiting one looks for itself: the stream is bounded, and its loss must not matter.
const LOOK: Duration = Duration::from_secs(2);

pub(super) struct Doorbell {
    client: Arc<Client>,
    keys: Arc<Keys>,
    shared: Arc<Shared>,
}

/// By run: the latest seq that was heard of, and who waits.
#[derive(Default)]
struct Shared {
    runs: Mutex<BTreeMap<Arc<str>, watch::Sender<u64>>>,
    readers: Mutex<BTreeMap<u32, Reader>>,
}

struct Reader {
    task: tokio::task::JoinHandle<()>,
    /// Becomes true when nothing that is written from then on is missed.
    ready: watch::Receiver<bool>,
}

impl Doorbell {
    pub(super) fn new(client: Arc<Client>, keys: Arc<Keys>) -> Self {
        Self { client, keys, shared: Arc::default() }
    }

    /// Tells those who wait in this process.
    pub(super) fn ring(&self, run: &str, seq: u64) {
        self.shared.ring(run, seq);
    }

    pub(super) async fn watch(&self, run: &str, seq: u64, wait: Duration) -> Result<u64> {
        let until = Instant::now() + wait;
        if wait.is_zero() {
            return self.seq(run).await;
        }
        let shard = self.keys.shard(run)?;
        let mut waiting = Waiting::new(&self.shared, run);
        let mut ready = self.reader(shard);
        // Without the reader this one still looks for itself.
        let _ = tokio::time::timeout(LOOK.min(wait), ready.wait_for(|ready| *ready)).await;
        loop {
            let now = self.seq(run).await?;
            let left = until.saturating_duration_since(Instant::now());
            if now == 0 || now > seq || left.is_zero() {
                return Ok(now);
            }
            let heard = tokio::time::timeout(
                left.min(LOOK),
                waiting.receiver.wait_for(|heard| *heard > seq),
            )
            .await;
            if let Ok(Ok(heard)) = heard {
                return Ok(*heard);
            }
        }
    }

    pub(super) fn close(&self) {
        let mut readers = self.shared.readers.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, reader) in std::mem::take(&mut *readers) {
            reader.task.abort();
        }
    }

    async fn seq(&self, run: &str) -> Result<u64> {
        let answer =
            self.client.call(cmd("HGET").arg(self.keys.run("run", run)?).arg("seq"), true).await?;
        Ok(int(&answer).max(0) as u64)
    }

    fn reader(&self, shard: u32) -> watch::Receiver<bool> {
        let mut readers = self.shared.readers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reader) = readers.get(&shard).filter(|reader| !reader.task.is_finished()) {
            return reader.ready.clone();
        }
        let (sender, ready) = watch::channel(false);
        let task = tokio::spawn(read(
            self.client.clone(),
            self.keys.of(shard, "wf.events"),
            self.shared.clone(),
            sender,
        ));
        readers.insert(shard, Reader { task, ready: ready.clone() });
        ready
    }
}

impl Drop for Doorbell {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn ring(&self, run: &str, seq: u64) {
        let runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = runs.get(run) {
            sender.send_if_modified(|heard| std::mem::replace(heard, seq.max(*heard)) < seq);
        }
    }

    fn is_idle(&self) -> bool {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

/// One who waits; the last of a run takes its entry along.
struct Waiting<'a> {
    shared: &'a Shared,
    run: &'a str,
    receiver: watch::Receiver<u64>,
}

impl<'a> Waiting<'a> {
    fn new(shared: &'a Shared, run: &'a str) -> Self {
        let mut runs = shared.runs.lock().unwrap_or_else(PoisonError::into_inner);
        let receiver = match runs.get(run) {
            Some(sender) => sender.subscribe(),
            None => {
                let (sender, receiver) = watch::channel(0);
                runs.insert(run.into(), sender);
                receiver
            }
        };
        Self { shared, run, receiver }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut runs = self.shared.runs.lock().unwrap_or_else(PoisonError::into_inner);
        if runs.get(self.run).is_some_and(|sender| sender.receiver_count() <= 1) {
            runs.remove(self.run);
        }
    }
}

/// Reads a shard's doorbell from its present end on.
async fn read(client: Arc<Client>, key: String, shared: Arc<Shared>, ready: watch::Sender<bool>) {
    let mut last: Option<String> = None;
    let mut idle = Instant::now();
    loop {
        let Some(from) = &last else {
            let newest = client
                .call(cmd("XREVRANGE").arg(&key).arg("+").arg("-").arg("COUNT").arg(1), true)
                .await;
            match newest {
                Ok(newest) => {
                    let id =
                        items(&newest).first().and_then(|entry| items(entry).first()).map(text);
                    last = Some(id.map_or_else(
                        || "0-0".to_owned(),
                        |id| String::from_utf8_lossy(id).into_owned(),
                    ));
                    ready.send_replace(true);
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
            continue;
        };
        let mut command = cmd("XREAD");
        command.arg("COUNT").arg(512).arg("BLOCK").arg(1_000).arg("STREAMS").arg(&key).arg(from);
        match client.wait(&command, Duration::from_secs(1)).await {
            Ok(answer) => {
                if let Some(id) = ring(&answer, &shared) {
                    last = Some(id);
                }
            }
            // A restarted server: its stream may end earlier than what was read.
            Err(Failure::Changed) => last = None,
            Err(_) => {
                last = None;
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
        if !shared.is_idle() {
            idle = Instant::now();
        } else if idle.elapsed() > LINGER {
            return;
        }
    }
}

/// Rings for every run named; answers the last id.
fn ring(answer: &Value, shared: &Shared) -> Option<String> {
    let entries = items(answer).first().and_then(|stream| items(stream).get(1))?;
    let mut last = None;
    for entry in items(entries) {
        let [id, fields] = items(entry) else { continue };
        last = Some(String::from_utf8_lossy(text(id)).into_owned());
        for pair in items(fields).chunks_exact(2) {
            if let Ok(run) = std::str::from_utf8(text(&pair[0])) {
                shared.ring(run, int(&pair[1]).max(0) as u64);
            }
        }
    }
    last
}

//! Who waits for news of a run, or for a tenant's tasks. Commits of this process ring at once; those of others
//! through the channels `wf.events` and `wf.work` of each shard, heard by one task for as long as somebody waits.

mod work;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ::redis::cmd;
use futures::StreamExt;
use tokio::sync::watch;

use super::client::Client;
use super::keys::Keys;
use super::value::int;
use crate::{Result, WorkBell};

/// How long the listener goes on after the last waiting one has gone.
const LINGER: Duration = Duration::from_secs(10);
/// How often a waiting one looks for itself: what is not heard must not matter.
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
    work: Mutex<work::Work>,
    listener: Mutex<Option<Listener>>,
}

struct Listener {
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
        let mut waiting = Waiting::new(&self.shared, run);
        let mut ready = self.listener();
        // Without the listener this one still looks for itself.
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

    /// See [`crate::Store::work_bell`].
    pub(super) async fn work_bell(&self, queues: &[Arc<str>]) -> Result<WorkBell> {
        let bell = work::join(&self.shared, queues);
        let mut ready = self.listener();
        let _ = tokio::time::timeout(LOOK, ready.wait_for(|ready| *ready)).await;
        Ok(bell)
    }

    pub(super) fn close(&self) {
        let listener = self.shared.listener.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(listener) = listener {
            listener.task.abort();
        }
    }

    async fn seq(&self, run: &str) -> Result<u64> {
        let answer =
            self.client.call(cmd("HGET").arg(self.keys.run("run", run)?).arg("seq"), true).await?;
        Ok(int(&answer).max(0) as u64)
    }

    fn listener(&self) -> watch::Receiver<bool> {
        let mut listener = self.shared.listener.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(listener) = listener.as_ref().filter(|listener| !listener.task.is_finished()) {
            return listener.ready.clone();
        }
        let (sender, ready) = watch::channel(false);
        let task = tokio::spawn(listen(
            self.client.clone(),
            self.keys.clone(),
            self.shared.clone(),
            sender,
        ));
        *listener = Some(Listener { task, ready: ready.clone() });
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
        let work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        work.is_empty() && self.runs.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
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

/// Hears the shards' doorbells until nobody has waited for a while.
async fn listen(
    client: Arc<Client>,
    keys: Arc<Keys>,
    shared: Arc<Shared>,
    ready: watch::Sender<bool>,
) {
    let of = |name: &'static str| (0..keys.shards()).map(move |shard| (shard, name));
    let work: BTreeMap<String, u32> =
        of("wf.work").map(|(shard, name)| (keys.of(shard, name), shard)).collect();
    let mut channels: Vec<String> =
        of("wf.events").map(|(shard, name)| keys.of(shard, name)).collect();
    channels.extend(work.keys().cloned());
    let mut idle = Instant::now();
    loop {
        ready.send_replace(false);
        let Ok(mut heard) = client.listen(&channels).await else {
            tokio::time::sleep(Duration::from_millis(200)).await;
            continue;
        };
        ready.send_replace(true);
        loop {
            match tokio::time::timeout(Duration::from_secs(1), heard.next()).await {
                Ok(Some(message)) => match work.get(message.get_channel_name()) {
                    Some(shard) => work::ring(message.get_payload_bytes(), *shard, &shared),
                    None => ring(message.get_payload_bytes(), &shared),
                },
                Ok(None) => break,
                Err(_) => {}
            }
            if !shared.is_idle() {
                idle = Instant::now();
            } else if idle.elapsed() > LINGER {
                return;
            }
        }
    }
}

/// Rings for every run named: `<run> <seq> <run> <seq> ...`.
fn ring(message: &[u8], shared: &Shared) {
    let mut words = std::str::from_utf8(message).unwrap_or_default().split(' ');
    while let (Some(run), Some(seq)) = (words.next(), words.next()) {
        shared.ring(run, seq.parse().unwrap_or(0));
    }
}

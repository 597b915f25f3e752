//! Who waits for news of a run, or for a tenant's tasks. Commits of this process ring at once; those of others
//! through the channels `wf.events` and `wf.work` of each shard, heard by one task for as long as somebody waits. A
//! shard tells of a run's next event, or of its end, if somebody has asked it to since the last time.

mod work;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::StreamExt;
use tokio::sync::watch;

use super::RedisStore;
use super::args::Args;
use super::client::Client;
use super::keys::Keys;
use super::value::{int, items};
use crate::{Error, Result, WorkBell};

/// How long the listener goes on after the last waiting one has gone.
const LINGER: Duration = Duration::from_secs(10);
/// How often a waiting one looks for itself: what is not heard must not matter.
const LOOK: Duration = Duration::from_secs(2);

pub(super) struct Doorbell {
    client: Arc<Client>,
    keys: Arc<Keys>,
    shared: Arc<Shared>,
}

/// The latest event that was heard of.
#[derive(Debug, Clone, Copy, Default)]
struct Heard {
    seq: u64,
    over: bool,
}

/// By run: what was heard, and who waits.
#[derive(Default)]
struct Shared {
    runs: Mutex<BTreeMap<Arc<str>, watch::Sender<Heard>>>,
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
    pub(super) fn ring(&self, run: &str, seq: u64, over: bool) {
        self.shared.ring(run, Heard { seq, over });
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

impl RedisStore {
    /// Waits until a run has more than `after` events, or without that until it is over; answers its seq, 0 if it is
    /// not there.
    pub(super) async fn watch_run(
        &self,
        run: &str,
        after: Option<u64>,
        wait: Duration,
    ) -> Result<u64> {
        let until = Instant::now() + wait;
        let bell = &self.doorbell;
        let mut waiting = Waiting::new(&bell.shared, run);
        if !wait.is_zero() {
            let mut ready = bell.listener();
            // Without the listener this one still looks for itself.
            let _ = tokio::time::timeout(LOOK.min(wait), ready.wait_for(|ready| *ready)).await;
        }
        let has_come = |heard: &Heard| after.map_or(heard.over, |after| heard.seq > after);
        loop {
            // Before it waits, so that nothing is missed in between.
            let now = self.ask_to_be_told(run, after.is_none()).await?;
            let left = until.saturating_duration_since(Instant::now());
            if now.seq == 0 || has_come(&now) || left.is_zero() {
                return Ok(now.seq);
            }
            let heard = waiting.receiver.wait_for(has_come);
            if let Ok(Ok(heard)) = tokio::time::timeout(left.min(LOOK), heard).await {
                return Ok(heard.seq);
            }
        }
    }

    /// Where a run stands; its shard tells of the next event, or only of the end.
    async fn ask_to_be_told(&self, run: &str, end: bool) -> Result<Heard> {
        let mut args = Args::default();
        args.push(run);
        args.number(end.into());
        let answer = self.function("aob1_watch", self.keys.shard(run)?, &args).await?;
        let [seq, over] = items(&answer) else {
            return Err(Error::Corrupt("aob1_watch answers something else".into()));
        };
        Ok(Heard { seq: int(seq).max(0) as u64, over: int(over) == 1 })
    }
}

impl Drop for Doorbell {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn ring(&self, run: &str, news: Heard) {
        let runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = runs.get(run) {
            sender.send_if_modified(|heard| {
                let is_news = news.seq > heard.seq;
                if is_news {
                    *heard = news;
                }
                is_news
            });
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
    receiver: watch::Receiver<Heard>,
}

impl<'a> Waiting<'a> {
    fn new(shared: &'a Shared, run: &'a str) -> Self {
        let mut runs = shared.runs.lock().unwrap_or_else(PoisonError::into_inner);
        let receiver = match runs.get(run) {
            Some(sender) => sender.subscribe(),
            None => {
                let (sender, receiver) = watch::channel(Heard::default());
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

/// Rings for every run named: `<run> <seq> <run> <seq> ...`, with a dot after the seq that is the run's last.
fn ring(message: &[u8], shared: &Shared) {
    let mut words = std::str::from_utf8(message).unwrap_or_default().split(' ');
    while let (Some(run), Some(seq)) = (words.next(), words.next()) {
        let over = seq.strip_suffix('.');
        let heard = over.unwrap_or(seq).parse().unwrap_or(0);
        shared.ring(run, Heard { seq: heard, over: over.is_some() });
    }
}

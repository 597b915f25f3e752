//! A worker asks for tasks, and waits for them.

use std::sync::Arc;
use std::time::Duration;

use aob_engine::catalogue::BAD_CLAIM;
use aob_engine::ir::Pool;
use aob_engine::pool;
use aob_engine::step::Input;
use aob_engine::time::rfc3339;
use aob_store::{Beat, Claim, Signal, Task};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Error, Remote, TaskName, refused};
use crate::clock;

/// Most types of a claim.
const MOST_TYPES: usize = 32;
/// Most tasks of a claim.
pub(super) const MOST_TASKS: usize = 256;
/// Longest wait.
const LONGEST: Duration = Duration::from_secs(60);
/// How often whoever waits looks for itself: a bell may be missed.
const LOOK: Duration = Duration::from_secs(1);

/// What a worker asks for.
#[derive(Debug, Clone)]
pub struct ClaimAsk {
    /// Node types that it serves, 1 to 32.
    pub types: Vec<String>,
    /// Which runners of the tenant ask, by the name that their workflows' `spec.runner` has; without it workers of its
    /// own, which serve registered types.
    pub runners: Option<String>,
    /// Most tasks, 1 to 256.
    pub max: usize,
    /// How long to wait for the first; a minute at most is waited.
    pub wait: Duration,
}

/// A task as a worker is given it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Handed {
    /// To be given back with every word about it.
    pub task: String,
    /// The run.
    pub run: String,
    /// The instance: `each[3]/enrich`.
    pub instance: String,
    /// The node type.
    #[serde(rename = "type")]
    pub node_type: String,
    /// From 1.
    pub attempt: u32,
    /// To be given back with the answer.
    pub fence: String,
    /// The same over all attempts: what an effect outside is to be named by.
    pub key: String,
    /// Whether the attempt must not be repeated; it counts as begun.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub once: bool,
    /// When the attempt's time is over, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<String>,
    /// The node's config, rendered.
    pub input: Arc<Value>,
}

impl Remote {
    /// Tasks of a tenant, as soon as there are some. Whatever becomes of the caller, none is left in nobody's hands: a
    /// claim that has begun is carried through, and what can be handed to nobody is given back.
    ///
    /// # Errors
    /// [`Error::Refused`], the store's.
    pub async fn claim(
        self: &Arc<Self>,
        tenant: &str,
        ask: &ClaimAsk,
    ) -> Result<Vec<Handed>, Error> {
        let queues = queues(tenant, ask)?;
        let (sender, receiver) = oneshot::channel();
        let (this, max, wait) = (self.clone(), ask.max, ask.wait.min(LONGEST));
        tokio::spawn(async move {
            let mut sender = sender;
            let found = this.look(&queues, max, wait, &mut sender).await;
            if let Err(Ok(tasks)) = sender.send(found) {
                this.give_back(tasks).await;
            }
        });
        let gone = || aob_store::Error::Unreachable("the claim was interrupted".to_owned());
        let tasks = receiver.await.map_err(|_| gone())??;
        let now = clock::now();
        Ok(tasks.into_iter().map(|task| self.handed(task, now)).collect())
    }

    async fn look(
        &self,
        queues: &Arc<[Arc<str>]>,
        max: usize,
        wait: Duration,
        caller: &mut oneshot::Sender<Result<Vec<Task>, Error>>,
    ) -> Result<Vec<Task>, Error> {
        let until = Instant::now() + wait;
        let mut from = rand::random::<u32>() % self.runs.store().shards();
        let mut bell = None;
        loop {
            let tasks = self.take(queues, max, from).await?;
            let left = until.saturating_duration_since(Instant::now());
            if !tasks.is_empty() || left.is_zero() || caller.is_closed() {
                return Ok(self.begin(tasks).await);
            }
            let Some(rings) = &mut bell else {
                // What is published before the next look is found by that, what comes later is heard.
                bell = Some(self.runs.store().work_bell(queues).await?);
                continue;
            };
            tokio::select! {
                shard = rings => {
                    from = shard;
                    bell = Some(self.runs.store().work_bell(queues).await?);
                }
                () = tokio::time::sleep(left.min(LOOK)) => {}
                () = caller.closed() => return Ok(Vec::new()),
            }
        }
    }

    /// What is there, of any shard.
    async fn take(
        &self,
        queues: &Arc<[Arc<str>]>,
        max: usize,
        from: u32,
    ) -> Result<Vec<Task>, Error> {
        let store = self.runs.store();
        let mut tasks: Vec<Task> = Vec::new();
        for step in 0..store.shards() {
            let shard = (from + step) % store.shards();
            let (consumer, types) = (self.consumer.clone(), queues.clone());
            let claim = Claim { consumer, types, shard, max: max - tasks.len() };
            match store.claim(&claim, Duration::ZERO).await {
                Ok(more) => tasks.extend(more),
                Err(aob_store::Error::Epoch) => {}
                Err(error) if tasks.is_empty() => return Err(error.into()),
                // What was claimed is handed out first.
                Err(_) => break,
            }
            if tasks.len() >= max {
                break;
            }
        }
        Ok(tasks)
    }

    /// Says of tasks that must not be repeated that they begin: a worker's own word might come too late. Answers what
    /// may be handed out.
    pub(super) async fn begin(&self, tasks: Vec<Task>) -> Vec<Task> {
        let (once, mut ready): (Vec<Task>, Vec<Task>) =
            tasks.into_iter().partition(|task| task.once);
        for task in once {
            let shard = self.shard(&task.at.run);
            let beat = Beat {
                consumer: self.consumer.clone(),
                shard,
                types: [].into(),
                tasks: vec![task.at.clone()],
                begin: vec![0],
                lease: self.lease.as_millis() as u64,
            };
            match self.runs.store().beat(&beat).await {
                Ok(kept) if kept.kept == [true] => ready.push(task),
                // Another one's, or lost already.
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(run_id = %task.at.run, %error, "a task could not be begun");
                    self.give_back(vec![task]).await;
                }
            }
        }
        ready
    }

    /// Tasks that nobody was told of: others take them.
    pub(super) async fn give_back(&self, tasks: Vec<Task>) {
        for Task { at, .. } in tasks {
            let input =
                Input::Lost { instance: at.instance.clone(), fence: at.fence, begun: false };
            let signal = Signal { run: at.run.clone(), input, t: clock::now() };
            if let Err(error) = self.runs.store().report(&self.consumer, &at, &signal).await {
                tracing::warn!(run_id = %at.run, instance = %at.instance, %error, "a task could not be given back");
            }
        }
    }

    pub(super) fn handed(&self, task: Task, now: u64) -> Handed {
        let due = task.timeout.map(|timeout| now.saturating_add(timeout));
        let Task { at, attempt, once, input, .. } = task;
        Handed {
            run: at.run.to_string(),
            instance: at.instance.clone(),
            node_type: at.kind().to_owned(),
            attempt,
            fence: at.fence.to_string(),
            key: format!("{}/{}", at.run, at.instance),
            once,
            deadline: due.map(rfc3339),
            input,
            task: TaskName { at, consumer: self.consumer.clone(), due }.text(),
        }
    }

    pub(super) fn shard(&self, run: &str) -> u32 {
        aob_store::id::shard(run).unwrap_or(0) % self.runs.store().shards()
    }
}

/// The queues that a claim is about.
pub(super) fn queues(tenant: &str, ask: &ClaimAsk) -> Result<Arc<[Arc<str>]>, Error> {
    let is_type = |name: &str| {
        let plain = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'.' | b'-')
        };
        (1..=63).contains(&name.len()) && name.bytes().all(plain)
    };
    if !(1..=MOST_TYPES).contains(&ask.types.len()) {
        let message = format!("{} types, 1 to {MOST_TYPES} are claimed", ask.types.len());
        return Err(refused(&BAD_CLAIM, "/types", message));
    }
    if !(1..=MOST_TASKS).contains(&ask.max) {
        let message = format!("{} tasks, 1 to {MOST_TASKS} are claimed", ask.max);
        return Err(refused(&BAD_CLAIM, "/max", message));
    }
    if let Some(at) = ask.types.iter().position(|name| !is_type(name)) {
        return Err(refused(&BAD_CLAIM, format!("/types/{at}"), "this is no node type's name"));
    }
    let (pool, runners) = match ask.runners.as_deref() {
        None => (Pool::Tenant, ""),
        Some(name) if pool::is_name(name) => (Pool::Runners, name),
        Some(_) => return Err(refused(&BAD_CLAIM, "/runners", "this is no name of runners")),
    };
    let queue = |name: &String| pool.queue(&name.as_str().into(), runners, tenant);
    Ok(ask.types.iter().map(queue).collect())
}

//! The node type `job`, and registered types that are run so: each attempt is a Kubernetes Job in the namespace of the
//! run's tenant.
//!
//! A lane of the runner's library claims the tasks, keeps their leases and commits their results; here is only what an
//! attempt does. What the container writes to `/aob/output.json` is its output: the kubelet hands it over as the
//! container's termination message, so that nothing of ours has to be inside the image.

mod build;
mod ending;
mod logs;

use std::sync::Arc;
use std::time::Duration;

use aob_engine::catalogue::{JOB_REFUSED, JOB_UNREACHABLE, NOT_SERVED};
use aob_engine::registry::RunBy;
use aob_runner::node::{Context as Surroundings, Failure, NodeType, Task};
use aob_runner::runs::Error as RunsError;
use async_trait::async_trait;
use futures::{StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, ListParams, PostParams, PropagationPolicy};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, ResourceExt as _};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::context::Context;
use crate::error::{is_gone, told};
use crate::identity::Named;

/// The node type.
pub const NAME: &str = "job";
/// How long the API server may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long the last lines of a log may take to come.
const LAST_LINES: Duration = Duration::from_secs(5);

/// Runs attempts as Jobs.
pub struct JobNode {
    context: Arc<Context>,
}

impl JobNode {
    /// In this cluster.
    pub fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    /// A task of a registered type, as one of a `job` node: its config is what the container is told.
    async fn registered(&self, task: &Task) -> Result<Option<Task>, Failure> {
        if task.node_type == NAME {
            return Ok(None);
        }
        let found = self.context.runs.type_named(&task.node_type).await;
        let view = match found {
            Ok(view) if view.kept.run == RunBy::Job => view,
            Ok(_) | Err(RunsError::NoType(_)) => {
                let message = format!("`{}` is not run as a Job now", task.node_type);
                return Err(Failure::new(&NOT_SERVED, message));
            }
            Err(error) => return Err(lost(error.to_string())),
        };
        let run = view.document.pointer("/spec/run/job").cloned().unwrap_or_default();
        let input = build::of_type(run, &task.input)?;
        Ok(Some(Task { input, ..task.clone() }))
    }

    /// The Job of an attempt: the one of an earlier attempt that was lost, if it still goes or ended well, else a new
    /// one.
    async fn job(&self, api: &Api<Job>, task: &Task, namespace: &str) -> Result<Job, Failure> {
        let place = build::Place::of(&task.run, &task.instance);
        let listed = api.list(&ListParams::default().labels(&place.selector())).await;
        let mut jobs = listed.map_err(|error| unreachable(&error))?.items;
        jobs.retain(|job| !ending::has_failed(job) && job.metadata.deletion_timestamp.is_none());
        if let Some(found) = jobs.pop() {
            return Ok(found);
        }
        // By what its id is made of: the status that tells it may be written after the first task is claimed.
        let owner = self.context.objects.runs.all(namespace, |run| {
            Named::of(&run.metadata)
                .is_ok_and(|named| *self.context.runs.id_of(named.derived()) == *task.run)
        });
        // Without it the Job would outlive its Run.
        let owner = owner.await.map_err(|error| lost(error.to_string()))?;
        let wanted = build::build(task, &place, owner.first())?;
        match api.create(&PostParams::default(), &wanted).await {
            Ok(made) => Ok(made),
            // This attempt was begun before.
            Err(kube::Error::Api(status)) if status.code == 409 => {
                let name = format!("metadata.name={}", wanted.name_any());
                let listed = api.list(&ListParams::default().fields(&name)).await;
                let listed = listed.map_err(|error| unreachable(&error))?;
                let gone = || lost("the Job of this attempt is there and is not".to_owned());
                listed.items.into_iter().next().ok_or_else(gone)
            }
            Err(kube::Error::Api(status))
                if (400..500).contains(&status.code) && status.code != 429 =>
            {
                Err(Failure::new(&JOB_REFUSED, status.message.clone()))
            }
            Err(error) => Err(unreachable(&error)),
        }
    }
}

#[async_trait]
impl NodeType for JobNode {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn run(&self, task: &Task, around: &Surroundings) -> Result<Value, Failure> {
        let registered = self.registered(task).await?;
        let task = registered.as_ref().unwrap_or(task);
        let store = self.context.runs.store();
        let state = store.load(&task.run).await.map_err(|error| lost(error.to_string()))?;
        let Some(state) = state else { return Err(lost(format!("{} is not there", task.run))) };
        let namespace = state.head.tenant.clone();
        let api: Api<Job> = self.context.api(&namespace);
        let pods: Api<Pod> = self.context.api(&namespace);
        let job = tokio::time::timeout(PATIENCE, self.job(&api, task, &namespace)).await;
        let job = job.map_err(|_| lost("the API server does not answer".to_owned()))??;
        let name = job.name_any();
        // Ends with this attempt, however that ends.
        let mut following = JoinSet::new();
        following.spawn(logs::follow(pods.clone(), name.clone(), around.log.clone()));
        let ended = tokio::select! {
            ended = end(&api, &name) => ended,
            reason = around.cancel.cancelled() => {
                remove(&api, &name).await;
                return Err(reason.failure());
            }
        };
        if tokio::time::timeout(LAST_LINES, following.join_next()).await.is_err() {
            tracing::debug!(name, "the last lines of a job may be missing");
        }
        let Some(ended) = ended else { return Err(ending::removed(&name)) };
        let pods = pods.list(&ListParams::default().labels(&format!("job-name={name}"))).await;
        let pods = pods.map_err(|error| unreachable(&error))?.items;
        let answer = ending::answer(&ended, &pods);
        if answer.is_err() && !ending::has_failed(&ended) {
            // Nobody is to find it again: another attempt is to run anew.
            remove(&api, &name).await;
        }
        answer
    }
}

/// Waits until a Job has ended; none if it was taken away.
async fn end(api: &Api<Job>, name: &str) -> Option<Job> {
    let watched = watcher::watch_object(api.clone(), name).default_backoff();
    let mut seen = std::pin::pin!(watched.inspect_err(|error| {
        tracing::debug!(%error, "a job is watched anew");
    }));
    while let Some(one) = seen.next().await {
        match one {
            Ok(Some(job)) if ending::has_ended(&job) => return Some(job),
            Ok(None) => return None,
            _ => {}
        }
    }
    None
}

async fn remove(api: &Api<Job>, name: &str) {
    let parameters = DeleteParams {
        propagation_policy: Some(PropagationPolicy::Background),
        ..DeleteParams::default()
    };
    match api.delete(name, &parameters).await {
        Ok(_) => {}
        Err(error) if is_gone(&error) => {}
        Err(error) => {
            tracing::warn!(name, error = told(&error), "the job of a cancelled attempt goes on")
        }
    }
}

fn unreachable(error: &kube::Error) -> Failure {
    lost(told(error))
}

fn lost(why: String) -> Failure {
    Failure::new(&JOB_UNREACHABLE, why).retryable()
}

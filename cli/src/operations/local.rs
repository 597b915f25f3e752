//! Operations on a store in this process.

use std::sync::Arc;
use std::time::Duration;

use aob_engine::step::{self, Input};
use aob_runner::runs::{Runs, StartOptions};
use async_trait::async_trait;
use serde::Serialize;
use serde_json::Value;

use super::{Kept, Operations, Request, Started, TENANT, Verdict, Verified, patches, standing};
use crate::problem::{Problem, Result};

/// Most events or log lines of one answer.
const MOST: u32 = 1_000;
/// Longest wait of one answer.
const LONGEST: Duration = Duration::from_secs(10);

/// The runs of a store that this process has open.
pub(crate) struct Local {
    runs: Arc<Runs>,
}

impl Local {
    pub(crate) fn new(runs: Arc<Runs>) -> Self {
        Self { runs }
    }
}

#[async_trait]
impl Operations for Local {
    async fn call(&self, request: Request) -> Result<Value> {
        let about = about(&request);
        match self.does(request).await {
            Ok(answer) => Ok(answer),
            Err(error) => Err(Problem::runs(error, &about)),
        }
    }
}

impl Local {
    async fn does(&self, request: Request) -> std::result::Result<Value, aob_runner::runs::Error> {
        let (runs, store) = (&self.runs, self.runs.store());
        Ok(match request {
            Request::Publish { document, tag, by, reason } => {
                json(patches::publish(runs, &document, tag.as_deref(), &by, reason).await?)
            }
            Request::Tag { name, tag } => json(store.tag(TENANT, &name, &tag).await?),
            Request::Document { digest } => match store.artifact(&digest).await? {
                None => Value::Null,
                Some(bytes) => serde_json::from_slice(&bytes)
                    .map_err(|error| aob_store::Error::Corrupt(format!("{digest}: {error}")))?,
            },
            Request::Start { digest, input, key, by, patch_set } => {
                let input = Arc::new(input);
                let (tenant, by) = (TENANT.into(), by.into());
                let options =
                    StartOptions { tenant, digest, input, by, key, patch_set, replay: None };
                let started = runs.start(&options).await?;
                json(Started { run: started.run.to_string(), existing: started.existing })
            }
            Request::Replay(wish) => json(patches::replay(runs, wish).await?),
            Request::Promote { run, tag, by, reason } => {
                json(runs.promote(&run, &tag, &by, reason).await?.digest)
            }
            Request::Patch(wish) => json(patches::patch(runs, wish).await?),
            Request::Patches { run } => json(store.patches(&run).await?),
            Request::FindPatches { prefix } => json(store.find_patches(TENANT, &prefix).await?),
            Request::Graph { run, revision } => json(patches::graph(runs, &run, revision).await?),
            Request::MoveTag { workflow, tag, to, by, reason } => {
                json(runs.move_tag(TENANT, &workflow, &tag, &to.into(), &by, reason).await?)
            }
            Request::Timeline { workflow, tag } => {
                json(store.timeline(TENANT, &workflow, &tag).await?)
            }
            Request::KeepPatchSet { digest, request, named } => {
                let set = runs.keep_patch_set(&digest, &request).await?;
                if let Some((workflow, name)) = named {
                    store.name_patch_set(TENANT, &workflow, &name, &set).await?;
                }
                json(set)
            }
            Request::PatchSet { workflow, name } => {
                json(store.patch_set(TENANT, &workflow, &name).await?)
            }
            Request::PatchSets { workflow } => json(store.patch_sets(TENANT, &workflow).await?),
            Request::Find { prefix } => json(store.find(TENANT, &prefix).await?),
            Request::Standing { run } => json(standing(runs, &run).await?),
            Request::Events { run, after, most } => {
                let lines = store.events(&run, after, most.min(MOST) as usize).await?;
                json(
                    lines
                        .into_iter()
                        .map(|line| String::from_utf8_lossy(&line).into_owned())
                        .collect::<Vec<_>>(),
                )
            }
            Request::Watch { run, seq, wait_ms } => {
                json(store.watch(&run, seq, Duration::from_millis(wait_ms).min(LONGEST)).await?)
            }
            Request::Logs { run, after, most } => {
                json(store.logs(&run, after, most.min(MOST) as usize).await?)
            }
            Request::Output { run, instance } => {
                let found = runs.output(&run, instance.as_deref()).await?;
                json(Kept {
                    there: found.is_some(),
                    value: found.map_or(Value::Null, |value| (*value).clone()),
                })
            }
            Request::Decide { run, decision } => {
                self.apply(&run, Input::Decision(decision)).await?
            }
            Request::Suspend { run, on, by } => self.apply(&run, Input::Suspend { on, by }).await?,
            Request::Cancel { run, mode, by, reason } => {
                json(verdict(runs.cancel(&run, mode, &by, reason).await?))
            }
            Request::Runs { cursor, most } => {
                json(store.runs(TENANT, cursor.as_deref(), most.min(MOST) as usize).await?)
            }
            Request::Workflows => json(store.workflows(TENANT).await?),
            Request::Tickets { most } => json(store.tickets(TENANT, most as usize).await?),
            Request::Backlog => json(store.backlog().await?),
            Request::Verify { run } => json(match runs.verify(&run).await? {
                Ok(events) => Verified { events, broken: None },
                Err(broken) => Verified { events: 0, broken: Some(broken) },
            }),
            Request::Inspect { run } => json(store.inspect(&run)),
        })
    }

    async fn apply(
        &self,
        run: &str,
        input: Input,
    ) -> std::result::Result<Value, aob_runner::runs::Error> {
        let verdicts = self.runs.apply(run, vec![input]).await?;
        Ok(json(verdicts.into_iter().next().map_or(Verdict::Unknown, verdict)))
    }
}

/// What an error is about, where it does not say so itself.
fn about(request: &Request) -> String {
    match request {
        Request::Publish { document, .. } => {
            let name =
                document.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("a workflow");
            aob_engine::issue::excerpt(name)
        }
        Request::Start { .. } => "the input".to_owned(),
        Request::MoveTag { workflow, tag, .. } => format!("{workflow}:{tag}"),
        Request::KeepPatchSet { .. } => "the set of patches".to_owned(),
        Request::Patch(wish) => wish.run.clone(),
        Request::Replay(wish) => wish.run.clone(),
        Request::Document { digest } => digest.clone(),
        Request::Standing { run }
        | Request::Events { run, .. }
        | Request::Watch { run, .. }
        | Request::Logs { run, .. }
        | Request::Output { run, .. }
        | Request::Decide { run, .. }
        | Request::Suspend { run, .. }
        | Request::Cancel { run, .. }
        | Request::Verify { run }
        | Request::Promote { run, .. }
        | Request::Patches { run }
        | Request::Graph { run, .. }
        | Request::Inspect { run } => run.clone(),
        _ => "the store".to_owned(),
    }
}

fn verdict(verdict: step::Verdict) -> Verdict {
    match verdict {
        step::Verdict::Applied => Verdict::Applied,
        step::Verdict::Same => Verdict::Same,
        step::Verdict::Conflicting | step::Verdict::Superseded => Verdict::Superseded,
        step::Verdict::Ended => Verdict::Ended,
        step::Verdict::Unknown => Verdict::Unknown,
        step::Verdict::Refused(entry, why) => Verdict::Refused { code: entry.code.to_owned(), why },
    }
}

/// Every answer is of a type that has a JSON form.
fn json(answer: impl Serialize) -> Value {
    serde_json::to_value(answer).unwrap_or_default()
}

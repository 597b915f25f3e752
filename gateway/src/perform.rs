//! Does what is asked, on the runs of a store that this process has open.

mod budget;
mod decide;
mod list;
mod patches;
mod standing;
mod version;
mod work;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aob_engine::state::CancelMode;
use aob_engine::step::{Input, Reply};
use aob_runner::remote::Remote;
use aob_runner::runs::{self, Runs, StartOptions, TagMove};
use async_trait::async_trait;
use rustc_hash::FxHashMap;
use serde::Serialize;
use serde_json::{Value, json};

use crate::caller::Caller;
use crate::operation::{
    About, Answered, BacklogRow, Done, EventPage, Kept, LimitsRow, LogPage, Mode, NamedSet,
    Operations, Published, Request, Started, TypeGone, TypeRow, Verified, WorkflowRow,
};
use crate::problem::{Problem, Result};

/// Most rows, events or log lines of one answer.
const MOST: u32 = 1_000;
/// Milliseconds that a run stays after its end at least: whoever asked for it reads how it went, also where its graph
/// says `retention: 0s`.
const KEEP: u64 = 60_000;
/// Longest wait of one answer.
const LONGEST: Duration = Duration::from_secs(10);
/// How long a worker's task may go without a sign of life, where nothing else is said.
const LEASE: Duration = Duration::from_secs(30);
/// Most runs whose tenant is remembered.
const MOST_TENANTS: usize = 100_000;

/// The runs of a store, as something that can be asked.
pub struct Performer {
    runs: Arc<Runs>,
    about: About,
    remote: Arc<Remote>,
    /// A run's tenant never changes.
    tenants: Mutex<FxHashMap<Box<str>, Arc<str>>>,
}

/// A performer for one caller: that is how a process asks itself.
pub struct Local {
    performer: Arc<Performer>,
    caller: Caller,
}

/// Why something was not done.
pub(crate) enum Failed {
    /// What the runs say.
    Runs(runs::Error),
    /// A finding of this crate's own.
    Problem(Problem),
}

/// Result of doing something.
pub(crate) type Outcome<T> = std::result::Result<T, Failed>;

impl Performer {
    /// On these runs; `about` is what a question about the process is answered with.
    pub fn new(runs: Arc<Runs>, about: About) -> Arc<Self> {
        Self::with_lease(runs, about, LEASE)
    }

    /// The same where a worker's task may go without a sign of life for so long: as whoever sweeps has it.
    pub fn with_lease(runs: Arc<Runs>, about: About, lease: Duration) -> Arc<Self> {
        let remote = Remote::new(runs.clone(), lease);
        Arc::new(Self { runs, about, remote, tenants: Mutex::default() })
    }

    /// The runs it acts on.
    pub fn runs(&self) -> &Arc<Runs> {
        &self.runs
    }

    /// Does what is asked, for a caller that may. The answer is what [`Request`]'s route says; null where nothing
    /// is found.
    ///
    /// # Errors
    /// Every finding.
    pub async fn perform(&self, caller: &Caller, request: Request) -> Result<Value> {
        let about = request.about();
        self.does(caller, request).await.map_err(|failed| match failed {
            Failed::Runs(error) => Problem::runs(error, &about),
            Failed::Problem(problem) => problem,
        })
    }

    async fn does(&self, caller: &Caller, request: Request) -> Outcome<Value> {
        if let Some(run) = request.run() {
            self.is_theirs(caller, run).await?;
        }
        let (runs, store) = (&*self.runs, self.runs.store());
        let tenant = &*caller.tenant;
        Ok(match request {
            Request::About {} => {
                let rules = self.about.rules.clone().filter(|_| caller.owner);
                json(About { rules, ..self.about.clone() })
            }
            Request::Publish { workflow, tag, reason } => {
                json(version::publish(runs, caller, &workflow, tag.as_deref(), reason).await?)
            }
            Request::Workflows { cursor, most } => {
                json(list::workflows(runs, tenant, cursor.as_deref(), rows(most)).await?)
            }
            Request::Workflow { workflow, tag } => {
                let tag = tag.unwrap_or_else(|| "main".to_owned());
                json(version::behind(runs, tenant, workflow, tag).await?)
            }
            Request::Versions { workflow } => json(list::versions(runs, tenant, &workflow).await?),
            Request::Tag { workflow, tag } => {
                let digest = store.tag(tenant, &workflow, &tag).await?;
                json(digest.map(|digest| WorkflowRow { workflow, tag, digest }))
            }
            Request::SetTag { workflow, tag, digest, reason } => json(
                version::moved(runs, caller, workflow, tag, TagMove::Set(digest), reason).await?,
            ),
            Request::UndoTag { workflow, tag, reason } => {
                json(version::moved(runs, caller, workflow, tag, TagMove::Undo, reason).await?)
            }
            Request::RedoTag { workflow, tag, reason } => {
                json(version::moved(runs, caller, workflow, tag, TagMove::Redo, reason).await?)
            }
            Request::Timeline { workflow, tag } => {
                json(store.timeline(tenant, &workflow, &tag).await?)
            }
            Request::Document { digest } => version::document(runs, &digest).await?,
            Request::KeepPatchSet { workflow, version, name, request } => {
                let version = version.as_deref().unwrap_or("main");
                let digest = version::of(runs, tenant, &workflow, version).await?;
                let set = runs.keep_patch_set(&digest, &request).await?;
                if let Some(name) = &name {
                    store.name_patch_set(tenant, &workflow, name, &set).await?;
                }
                json(NamedSet { name, digest: set })
            }
            Request::PatchSet { workflow, name } => {
                let digest = store.patch_set(tenant, &workflow, &name).await?;
                json(digest.map(|digest| NamedSet { name: Some(name), digest }))
            }
            Request::PatchSets { workflow } => {
                let sets = store.patch_sets(tenant, &workflow).await?.into_iter();
                let named = |(name, digest)| NamedSet { name: Some(name), digest };
                json(sets.map(named).collect::<Vec<_>>())
            }
            Request::Start { workflow, inline, input, key, patch_set } => {
                let digest = version::meant(runs, tenant, workflow, inline).await?;
                let patch_set = version::set(runs, tenant, &digest, patch_set).await?;
                let input = input.unwrap_or_else(|| json!({}));
                let (tenant, by) = (caller.tenant.clone(), caller.name.as_str());
                let new = StartOptions::new(tenant, digest, input, by);
                let options = StartOptions { key, patch_set, keep: KEEP, ..new };
                started(runs.start(&options).await?)
            }
            Request::Runs { cursor, most, status, workflow, since } => {
                let wanted = list::Wanted { status, workflow, since: since.unwrap_or(0) };
                json(list::runs(runs, tenant, cursor, rows(most), &wanted).await?)
            }
            Request::Standing { run } => json(standing::standing(runs, &run).await?),
            Request::Base { run } => json(patches::graph(runs, &run, Some(0)).await?),
            Request::Graph { run, revision } => json(patches::graph(runs, &run, revision).await?),
            Request::Patches { run } => json(store.patches(&run).await?),
            Request::Events { run, after, most } => {
                let lines = store.events(&run, after, rows(most)).await?;
                let parsed = lines.iter().map(|line| serde_json::from_slice::<Value>(line));
                let events =
                    parsed.collect::<std::result::Result<Vec<_>, _>>().map_err(|error| {
                        aob_store::Error::Corrupt(format!("an event of {run}: {error}"))
                    })?;
                json(EventPage { events })
            }
            Request::Watch { run, seq, wait_ms } => {
                let wait = Duration::from_millis(wait_ms).min(LONGEST);
                json(store.watch(&run, seq, wait).await?)
            }
            Request::Logs { run, after, most } => {
                let (lines, next) = store.logs(&run, after, rows(most)).await?;
                json(LogPage { lines, next })
            }
            Request::Output { run, instance } => {
                let found = runs.output(&run, instance.as_deref()).await?;
                let value = found.as_deref().cloned().unwrap_or_default();
                json(Kept { there: found.is_some(), value })
            }
            Request::Verify { run } => json(match runs.verify(&run).await? {
                Ok(events) => Verified { events, broken: None },
                Err(broken) => Verified { events: 0, broken: Some(broken) },
            }),
            Request::Inspect { run } => json(store.inspect(&run)),
            Request::Patch { run, id, approves, dry_run, request } => {
                let what = runs::What::Request(request);
                json(patches::patch(runs, caller, &run, id, what, approves, dry_run).await?)
            }
            Request::UndoPatch { run, patch, id, approves, dry_run, reason } => {
                let what = runs::What::Undo { patch, reason };
                json(patches::patch(runs, caller, &run, id, what, approves, dry_run).await?)
            }
            Request::Replay { run, from, input, workflow, key } => {
                let digest = match workflow {
                    Some(given) => Some(version::named(runs, tenant, &given).await?),
                    None => None,
                };
                let by = caller.name.as_str().into();
                let ask = runs::ReplayAsk { run, from, input, digest, by, key, keep: KEEP };
                started(runs.replay(&ask).await?)
            }
            Request::Promote { run, tag, reason } => {
                let kept = runs.promote(&run, &tag, &caller.name, reason).await?;
                json(Published { workflow: kept.name, digest: kept.digest })
            }
            Request::Cancel { run, mode, reason } => {
                let mode = match mode {
                    Mode::Graceful => CancelMode::Graceful,
                    Mode::Now => CancelMode::Now,
                };
                let verdict = runs.cancel(&run, mode, &caller.name, reason).await?;
                json(decide::judged(verdict, &run, None)?)
            }
            Request::Suspend { run } => json(self.suspend(caller, run, true).await?),
            Request::Resume { run } => json(self.suspend(caller, run, false).await?),
            Request::Retry { run, instance, reason } => {
                json(decide::settle(runs, caller, &run, instance, Reply::Retry, reason).await?)
            }
            Request::Budget { run, agent, most, reason } => {
                json(budget::set(runs, caller, run, most, agent, reason).await?)
            }
            Request::Settle { run, instance, output, fail, reason } => {
                let reply = decide::reply(output, fail)?;
                json(decide::settle(runs, caller, &run, instance, reply, reason).await?)
            }
            Request::Tickets { most } => json(list::tickets(runs, tenant, rows(most)).await?),
            Request::Decide { ticket, decision, reason, data } => {
                json(decide::decide(runs, caller, ticket, decision, reason, data).await?)
            }
            Request::Types {} => {
                let types = runs.types(Some(tenant)).await?.into_iter();
                json(types.map(TypeRow::from).collect::<Vec<_>>())
            }
            Request::Type { name } => json(TypeRow::from(runs.type_named(&name).await?)),
            Request::PutType { name, version, document } => {
                json(work::put_type(runs, &name, version, &document).await?)
            }
            Request::DropType { name, version } => {
                runs.drop_type(&name, version).await?;
                json(TypeGone { name })
            }
            Request::Claim { types, runners, max, wait } => {
                let whose = (types, runners);
                json(work::claim(&self.remote, tenant, whose, max, wait.as_deref()).await?)
            }
            Request::Heartbeat { tasks } => {
                json(work::heartbeat(&self.remote, tenant, &tasks).await?)
            }
            Request::Complete { task, fence, output, patch, next } => {
                let done = work::completion((task, fence), output, patch, next);
                let (result, tasks) = self.remote.complete(tenant, &done).await?;
                json(Answered { result, tasks })
            }
            Request::Fail { task, fence, error, retryable } => {
                json(work::fail(&self.remote, tenant, (task, fence), error, retryable).await?)
            }
            Request::Release { task, fence, begun } => {
                let result = self.remote.release(tenant, &task, &fence, begun).await?;
                json(Answered { result, tasks: Vec::new() })
            }
            Request::Tell { task, fence, lines } => {
                json(self.remote.tell(tenant, (&task, &fence), lines).await?)
            }
            Request::Consult { task, fence, question } => {
                json(self.remote.consult(tenant, (&task, &fence), question).await?)
            }
            Request::Find { prefix } => json(store.find(tenant, &prefix).await?),
            Request::FindPatches { prefix } => json(list::patches(runs, tenant, &prefix).await?),
            Request::Limits {} => json(LimitsRow::from(runs.tenant_standing(tenant).await?)),
            Request::Backlog {} => {
                let rows = store.backlog().await?.into_iter().map(BacklogRow::from);
                json(rows.collect::<Vec<_>>())
            }
        })
    }

    /// Refuses a run of another tenant as one that is not there.
    async fn is_theirs(&self, caller: &Caller, run: &str) -> Outcome<()> {
        let known = self.tenants.lock().unwrap_or_else(PoisonError::into_inner).get(run).cloned();
        let tenant = match known {
            Some(tenant) => tenant,
            None => {
                let state = match self.runs.peek(run) {
                    Some(state) => Some(state),
                    None => self.runs.store().load(run).await?,
                };
                let state = state.ok_or_else(|| runs::Error::NoRun(run.to_owned()))?;
                let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
                if tenants.len() >= MOST_TENANTS {
                    tenants.clear();
                }
                tenants.insert(run.into(), state.head.tenant.clone());
                state.head.tenant.clone()
            }
        };
        if tenant == caller.tenant {
            Ok(())
        } else {
            Err(runs::Error::NoRun(run.to_owned()).into())
        }
    }

    async fn suspend(&self, caller: &Caller, run: String, on: bool) -> Outcome<Done> {
        let input = Input::Suspend { on, by: caller.name.clone() };
        let verdict = decide::verdict(self.runs.apply(&run, vec![input]).await?);
        decide::judged(verdict, &run, None)
    }

    /// The right that answering a ticket needs is one to its gate: `<workflow>.<node>`. None if nothing is open.
    pub(crate) async fn gate(&self, tenant: &str, ticket: &str) -> Result<Option<String>> {
        let about = ticket.to_owned();
        let gate = decide::gate(&self.runs, tenant, ticket).await;
        gate.map_err(|error| Problem::runs(error, &about))
    }

    /// The name of a run's workflow.
    pub(crate) async fn workflow_of(&self, run: &str) -> Result<String> {
        let view = self.runs.view(run).await.map_err(|error| Problem::runs(error, run))?;
        Ok(view.state.head.workflow.to_string())
    }
}

impl Local {
    /// Asks for this caller.
    pub fn new(performer: Arc<Performer>, caller: Caller) -> Self {
        Self { performer, caller }
    }
}

#[async_trait]
impl Operations for Local {
    async fn call(&self, request: Request) -> Result<Value> {
        self.performer.perform(&self.caller, request).await
    }
}

impl From<runs::Error> for Failed {
    fn from(error: runs::Error) -> Self {
        Self::Runs(error)
    }
}

impl From<aob_store::Error> for Failed {
    fn from(error: aob_store::Error) -> Self {
        Self::Runs(error.into())
    }
}

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// Most rows, as they were asked for.
fn rows(most: Option<u32>) -> usize {
    most.unwrap_or(MOST).clamp(1, MOST) as usize
}

fn started(started: runs::Started) -> Value {
    json(Started { run: started.run.to_string(), existing: started.existing })
}

/// Every answer is of a type that has a JSON form.
fn json(answer: impl Serialize) -> Value {
    serde_json::to_value(answer).unwrap_or_default()
}

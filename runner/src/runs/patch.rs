//! A run is patched: judged on what is known, judged again on its marking, written with all that follows, once.

mod approves;
mod judge;
mod trail;

use std::sync::Arc;
use std::time::Duration;

use aob_engine::canonical;
use aob_engine::catalogue;
use aob_engine::event::Layer;
use aob_engine::issue::Issue;
use aob_engine::patch::{Accepted, Answer, Checked, Difference, Finding, Preview, Record};
use aob_engine::route::{self, RefusedPatch};
use aob_engine::state::{IrSet, State};
use aob_engine::step::{Input, Now, Refusal, Step};
use aob_store::{Commit, Item, Outcome};
use serde_json::Value;

pub(super) use trail::Trails;

use super::admission::Counted;
use super::cache::Known;
use super::decide::Decided;
use super::reach::forget_reaches;
use super::{Error, Runs};
use crate::{clock, measure};

/// Lost races after which the run is held, so that the patch goes first.
const PATIENCE: usize = 2;
/// Lost races after which a patch is given up.
const MOST_RACES: usize = 40;
/// The layer that an agent's patch passes before it is sent.
pub(super) const RUNNER: &str = "runner";
/// The layer that judges a request on documents.
pub(super) const RECEIVER: &str = "receiver";
/// The layer that judges it on the marking, in the commit.
pub(super) const COMMIT: &str = "commit";
/// Findings that are kept of a refusal.
const MOST_FINDINGS: usize = 20;

/// A request to patch a run.
#[derive(Debug, Clone)]
pub struct PatchAsk {
    /// `patch_...`: asking again with the same id and content is asking once.
    pub id: Arc<str>,
    /// What is asked.
    pub what: What,
    /// Who asks: `user:<name>`, with the groups that whoever proved the name knows.
    pub by: String,
    /// See `by`.
    pub groups: Vec<String>,
    /// Gates that whoever asks wants to change, and may approve.
    pub approves: Vec<String>,
    /// Whether only the effects are asked for.
    pub dry_run: bool,
}

/// What is asked.
#[derive(Debug, Clone)]
pub enum What {
    /// A document of `patch.schema.json`.
    Request(Value),
    /// That an accepted patch is taken out again.
    Undo {
        /// Its id.
        patch: String,
        /// Why.
        reason: Option<String>,
    },
}

/// What became of a request.
#[derive(Debug, Clone)]
pub struct Patched {
    /// The request and its answer, as it is kept; of a dry run as it would be.
    pub record: Record,
    /// What it changes in effect; empty if it was refused.
    pub difference: Difference,
    /// Whether it had been answered before.
    pub existing: bool,
}

impl Runs {
    /// Patches a run, or says what a patch would do.
    ///
    /// # Errors
    /// [`Error::NoRun`], [`Error::Busy`], or the store's; [`Error::Throttled`] if it would make the run dearer than
    /// the tenant may have runs for now. A refusal is an answer, no error.
    pub async fn patch(&self, run: &str, ask: &PatchAsk) -> Result<Patched, Error> {
        self.patch_with(run, ask, &[]).await
    }

    /// The same with inputs that follow it in the same commit; if one of them does not apply, nothing does.
    ///
    /// # Errors
    /// As [`Runs::patch`].
    pub async fn patch_with(
        &self,
        run: &str,
        ask: &PatchAsk,
        then: &[Input],
    ) -> Result<Patched, Error> {
        self.patch_said(run, ask, then, &[]).await
    }

    /// The same of a request that layers before have judged.
    ///
    /// # Errors
    /// As [`Runs::patch`].
    pub(super) async fn patch_said(
        &self,
        run: &str,
        ask: &PatchAsk,
        then: &[Input],
        said: &[Layer],
    ) -> Result<Patched, Error> {
        let (request, dry_run) = (ask.digest(), ask.is_dry());
        let mut counted = Counted::default();
        for race in 0..MOST_RACES {
            if race >= PATIENCE {
                // Whoever lost that often goes first once.
                self.store.hold(run, &ask.id, 100, true).await?;
            }
            let (record, state) =
                tokio::try_join!(self.store.patch(run, &ask.id), self.store.load(run))?;
            if let Some(record) = record {
                return Ok(known(record, &request, ask));
            }
            let state = state.ok_or_else(|| Error::NoRun(run.to_owned()))?;
            let decided = match self.judge_request(&state, ask).await? {
                Ok(judged) => {
                    self.decide_patch(&state, ask, &request, judged, (then, said)).await?
                }
                Err(issues) => Decision::Refused(RECEIVER, issues),
            };
            let written = match decided {
                Decision::Accepted(accepted) => {
                    let Acceptance { decided, judged, record } = *accepted;
                    if dry_run {
                        let difference = judged.difference;
                        return Ok(Patched { record, difference, existing: false });
                    }
                    let (before, after) = (&decided.before, &decided.step.state);
                    let dearer = self.count_patch(before, after, &ask.id).await?;
                    if counted != dearer {
                        self.give_back(std::mem::replace(&mut counted, dearer)).await;
                    }
                    self.write_patch(decided, judged, record, &ask.id).await?
                }
                Decision::Refused(layer, issues) => {
                    self.give_back(std::mem::take(&mut counted)).await;
                    let record = ask.refused(&request, &issues);
                    if dry_run {
                        return Ok(Patched::refused(record));
                    }
                    self.write_refusal(&state, ask, layer, record).await?
                }
            };
            if let Some(patched) = written {
                return Ok(patched);
            }
        }
        self.give_back(counted).await;
        Err(Error::Busy(run.to_owned()))
    }

    /// Decides a judged patch on the run's marking.
    async fn decide_patch(
        &self,
        state: &Arc<State>,
        ask: &PatchAsk,
        request: &str,
        judged: Checked,
        (then, said): (&[Input], &[Layer]),
    ) -> Result<Decision, Error> {
        let irs = self.irs_of(state).await?;
        let claimed = self.store.claimed(state).await?;
        let approves = self.approvable(state, ask).await?;
        let said = [said, &verdicts(COMMIT, "accepted")].concat();
        let candidate = judged.candidate(&ask.id, &ask.by, &approves, &said);
        let mut known = Known::default();
        let step = loop {
            let now = Now { time: clock::now(), epoch: self.store.epoch() };
            let context = &known.context;
            let step =
                route::apply_patch_with(&irs, state, context, &candidate, &claimed, then, now);
            match step {
                Ok(Ok(step)) => {
                    forget_reaches(&mut known.context);
                    break step;
                }
                Ok(Err(issues)) => return Ok(Decision::Refused(COMMIT, judged.placed(issues))),
                Err(Refusal::Missing(keys)) => {
                    let head = &state.head;
                    self.load(&head.tenant, &head.run, keys, &mut known.context).await?;
                }
                Err(refusal) => return Err(refusal.into()),
            }
        };
        let record = Record {
            id: ask.id.to_string(),
            request: request.to_owned(),
            by: ask.by.clone(),
            time: step.event.as_ref().map_or_else(clock::now, |event| event.t),
            reason: judged.reason.clone(),
            answer: Answer::Accepted(Accepted {
                revision: step.state.head.revision,
                graph: step.state.head.digest.to_string(),
                operations: judged.operations.clone(),
                cancel: judged.cancel.clone(),
                undoes: judged.undoes.clone(),
                effects: effects(&irs, state, &step, &judged),
            }),
        };
        let decided = Decided { before: state.clone(), step, known, ir: judged.ir.clone() };
        Ok(Decision::Accepted(Box::new(Acceptance { decided, judged, record })))
    }

    /// Writes an accepted patch with everything that follows; none if the run has moved on.
    async fn write_patch(
        &self,
        decided: Decided,
        judged: Checked,
        record: Record,
        holder: &Arc<str>,
    ) -> Result<Option<Patched>, Error> {
        let before = decided.before.clone();
        let run = before.head.run.clone();
        let (mut items, learnt) = self.items(decided, Vec::new(), 1).await?;
        if let Some(own) = items.first_mut() {
            own.patch = Some(Arc::new(record.clone()));
        }
        let after = learnt.after.clone();
        if !self.write(items, holder).await? {
            return Ok(None);
        }
        if let Some(overlay) = record.overlay() {
            self.trails.add(&before.head, &after.head, overlay);
        }
        self.remember(&judged.ir);
        let document = Arc::new(judged.document);
        self.remember_document(&after.head.digest, &document);
        self.learn(&run, learnt);
        measure::patch(COMMIT, true);
        if Self::is_base(after.head.revision) {
            self.compact(&after, &document).await;
        }
        Ok(Some(Patched { record, difference: judged.difference, existing: false }))
    }

    /// Writes a refusal; none if the run has moved on, and so the reason may be gone.
    pub(super) async fn write_refusal(
        &self,
        state: &Arc<State>,
        ask: &PatchAsk,
        layer: &str,
        record: Record,
    ) -> Result<Option<Patched>, Error> {
        let Answer::Refused(findings) = &record.answer else { return Ok(None) };
        let (code, pointer) = findings
            .first()
            .map_or_else(Default::default, |first| (first.code.clone(), first.pointer.clone()));
        let refused = RefusedPatch {
            id: record.id.clone(),
            request: record.request.clone(),
            base: ask.base(),
            verdicts: verdicts(layer, &code),
            code,
            pointer: pointer.chars().take(1_000).collect(),
            by: ask.by.clone(),
        };
        let irs = self.irs_of(state).await?;
        let now = Now { time: clock::now(), epoch: self.store.epoch() };
        let Some(step) = route::refuse_patch(&irs, state, &refused, now)? else {
            // Ended, or so many were refused that no further one is told.
            return Ok(Some(Patched::refused(record)));
        };
        let ir = self.ir_of(state).await?;
        let decided = Decided { before: state.clone(), step, known: Known::default(), ir };
        let (mut item, learnt) = decided.item(Vec::new());
        item.patch = Some(Arc::new(record.clone()));
        if !self.write(vec![item], &ask.id).await? {
            return Ok(None);
        }
        self.learn(&state.head.run, learnt);
        measure::patch(layer, false);
        Ok(Some(Patched::refused(record)))
    }

    /// Commits items that belong together; false if the run has moved on.
    async fn write(&self, items: Vec<Item>, holder: &Arc<str>) -> Result<bool, Error> {
        let commit = Commit { items, claim: None, holder: Some(holder.clone()) };
        let committed = match self.put(commit, &[]).await {
            Ok(committed) => committed,
            Err(aob_store::Error::Epoch) => {
                self.cache.clear();
                self.trails.clear();
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        };
        match committed.outcomes.first() {
            Some(Outcome::Applied) => Ok(true),
            Some(Outcome::Held(ms)) => {
                tokio::time::sleep(Duration::from_millis((*ms).min(100))).await;
                Ok(false)
            }
            _ => Ok(false),
        }
    }
}

/// A patch that may be written.
struct Acceptance {
    decided: Decided,
    judged: Checked,
    record: Record,
}

/// What a patch comes to on a marking.
enum Decision {
    Accepted(Box<Acceptance>),
    /// By which layer.
    Refused(&'static str, Vec<Issue>),
}

impl PatchAsk {
    /// Digest of what is asked: what a dry run asks differs from the request itself in nothing.
    fn digest(&self) -> String {
        let mut content = match &self.what {
            What::Request(request) => request.clone(),
            What::Undo { patch, reason } => serde_json::json!({"undo": patch, "reason": reason}),
        };
        if let Some(members) = content.as_object_mut() {
            members.remove("dryRun");
        }
        canonical::digest(&content)
    }

    /// Whether whoever asks or the request itself says that nothing is to be written.
    fn is_dry(&self) -> bool {
        let said = match &self.what {
            What::Request(request) => request.get("dryRun").and_then(Value::as_bool),
            What::Undo { .. } => None,
        };
        self.dry_run || said == Some(true)
    }

    fn base(&self) -> Option<u32> {
        match &self.what {
            What::Request(request) => {
                request.get("base").and_then(Value::as_u64).and_then(|base| base.try_into().ok())
            }
            What::Undo { .. } => None,
        }
    }

    fn reason(&self) -> Option<String> {
        let reason = match &self.what {
            What::Request(request) => request.get("reason").and_then(Value::as_str),
            What::Undo { reason, .. } => reason.as_deref(),
        };
        reason.map(|reason| reason.chars().take(1_024).collect())
    }

    fn refused(&self, request: &str, issues: &[Issue]) -> Record {
        Record {
            id: self.id.to_string(),
            request: request.to_owned(),
            by: self.by.clone(),
            time: clock::now(),
            reason: self.reason(),
            answer: Answer::Refused(issues.iter().take(MOST_FINDINGS).map(Finding::from).collect()),
        }
    }
}

impl Patched {
    fn refused(record: Record) -> Self {
        Self { record, difference: Difference::default(), existing: false }
    }
}

/// The answer that was given before, if the same was asked.
fn known(record: Record, request: &str, ask: &PatchAsk) -> Patched {
    if record.request == request {
        return Patched { record, difference: Difference::default(), existing: true };
    }
    let message = format!("`{}` was asked before, with other content", ask.id);
    let issue = Issue::new(&catalogue::PATCH_ID, "", message);
    Patched::refused(ask.refused(request, &[issue]))
}

fn effects(irs: &IrSet, before: &State, step: &Step, judged: &Checked) -> Preview {
    let mut irs = irs.clone();
    irs.insert(step.state.head.revision, judged.ir.clone());
    route::preview(&irs, before, step)
}

/// What the layers said: the one named this, those before it that they accept.
fn verdicts(last: &str, verdict: &str) -> Vec<Layer> {
    let layer =
        |layer: &str, verdict: &str| Layer { layer: layer.to_owned(), verdict: verdict.to_owned() };
    match last {
        RUNNER => vec![layer(RUNNER, verdict)],
        RECEIVER => vec![layer(RECEIVER, verdict)],
        last => vec![layer(RECEIVER, "accepted"), layer(last, verdict)],
    }
}

//! From inputs to an item: the state and exactly the context that the engine asks for are loaded.

use std::sync::Arc;

use aob_engine::ir::Ir;
use aob_engine::patch::Record;
use aob_engine::route;
use aob_engine::state::{Amount, CancelMode, IrSet, NodeError, RunOutcome, State};
use aob_engine::step::{
    Answer, ChildStart, Effects, Envelope, Input, Now, Refusal, StartRequest, Step, Verdict,
};
use aob_store::{Item, Signal};

use super::cache::Known;
use super::reach::forget_reaches;
use super::ticket::call_for_notices;
use super::{Error, Runs};
use crate::clock;

/// Rounds of loading before a decision is given up: each names further keys, so few are ever needed.
const MOST_LOADS: usize = 10_000;

/// Most findings in a child's input that its parent is told.
const MOST_TOLD: usize = 5;

/// A decision, and what is known of the run besides.
pub(super) struct Decided {
    pub(super) before: Arc<State>,
    pub(super) step: Step,
    pub(super) known: Known,
    pub(super) ir: Arc<Ir>,
}

/// What a decision makes true once it is written.
pub(super) struct Learnt {
    pub(super) verdicts: Vec<Verdict>,
    pub(super) after: Arc<State>,
    pub(super) context: Vec<(String, Envelope)>,
    pub(super) known: Known,
}

impl Runs {
    /// Decides on what is known of a run here; none if something has to be loaded first, or nothing is to be
    /// written: [`Runs::decide`] does all that.
    pub(super) fn decide_known(&self, run: &Arc<str>, inputs: &[Input]) -> Option<Decided> {
        let mut known = self.cache.take(run);
        let before = known.state.take()?;
        let irs = self.known_irs(&before);
        let decided = irs.and_then(|irs| {
            let ir = irs.get(before.head.revision).ok()?.clone();
            let now = Now { time: clock::now(), epoch: self.store.epoch() };
            let step = route::advance(&irs, &before, &known.context, inputs, now).ok()?;
            (step.event.is_some() && step.effects.children.is_empty()).then_some((step, ir))
        });
        match decided {
            Some((step, ir)) => Some(Decided { before, step, known, ir }),
            None => {
                self.cache.put(run, Known { state: Some(before), ..known }, 0);
                None
            }
        }
    }

    /// Decides on inputs of one run; none if there is no such run. A decision that writes nothing is made on
    /// what is stored: there is no commit to tell that a state known from before is out of date.
    pub(super) async fn decide(
        &self,
        run: &str,
        inputs: &[Input],
    ) -> Result<Option<Decided>, Error> {
        let known = self.cache.take(run);
        let is_stored = known.state.is_none();
        let decided = self.decide_on(run, inputs, known).await?;
        match decided {
            Some(decided) if decided.step.event.is_none() && !is_stored => {
                self.decide_on(run, inputs, Known::default()).await
            }
            decided => Ok(decided),
        }
    }

    async fn decide_on(
        &self,
        run: &str,
        inputs: &[Input],
        mut known: Known,
    ) -> Result<Option<Decided>, Error> {
        let before = match known.state.take() {
            Some(state) => state,
            None => match self.store.load(run).await? {
                Some(state) => state,
                None => return Ok(None),
            },
        };
        let irs = self.irs_of(&before).await?;
        let ir = irs.get(before.head.revision).map_err(Refusal::from)?.clone();
        for _ in 0..MOST_LOADS {
            let now = Now { time: clock::now(), epoch: self.store.epoch() };
            match route::advance(&irs, &before, &known.context, inputs, now) {
                Ok(step) => {
                    forget_reaches(&mut known.context);
                    return Ok(Some(Decided { before, step, known, ir }));
                }
                Err(Refusal::Missing(keys)) => {
                    self.load(&before.head.tenant, run, keys, &mut known.context).await?;
                }
                Err(refusal) => return Err(refusal.into()),
            }
        }
        Err(Error::Busy(run.to_owned()))
    }

    /// The items of a decision, its own and linked ones for the children it starts; and what is known once they
    /// are written.
    pub(super) async fn items(
        &self,
        mut decided: Decided,
        signals: Vec<String>,
        link: u32,
    ) -> Result<(Vec<Item>, Learnt), Error> {
        call_for_notices(&mut decided.step);
        let (mut children, mut failed) = (Vec::new(), Vec::new());
        let begun = |state: &Arc<State>, effects: &Effects| -> Vec<_> {
            effects.children.iter().map(|child| (state.clone(), child.clone())).collect()
        };
        let mut next = begun(&Arc::new(decided.step.state.clone()), &decided.step.effects);
        while let Some((parent, child)) = next.pop() {
            match self.start_child(&parent, &child).await? {
                Ok(item) => match self.count_child(&parent, &child, &item).await? {
                    None => {
                        // A run may begin with child runs of its own.
                        next.extend(begun(&item.after, &item.effects));
                        children.push(Item { link, ..item });
                    }
                    Some(deferred) => failed.push(deferred),
                },
                Err(error) => {
                    let result = Answer::Error { error, retryable: false };
                    let instance = child.parent.instance.to_string();
                    let input = Input::Settled { instance, fence: child.parent.fence, result };
                    failed.push(Signal { run: child.parent.run.clone(), input, t: clock::now() });
                }
            }
        }
        let link = if children.is_empty() { 0 } else { link };
        let (mut own, learnt) = decided.item(signals);
        own.link = link;
        own.send.extend(failed);
        children.insert(0, own);
        Ok((children, learnt))
    }

    /// The item that starts a child run; an error that the parent's instance fails with otherwise.
    async fn start_child(
        &self,
        parent: &State,
        child: &ChildStart,
    ) -> Result<Result<Item, NodeError>, Error> {
        let version = child.version.as_deref().unwrap_or("main");
        let tenant = &parent.head.tenant;
        let digest = if version.starts_with("sha256:") {
            Some(version.to_owned())
        } else {
            self.store.tag(tenant, &child.name, version).await?
        };
        let Some(digest) = digest else {
            let message = format!("there is no workflow {} with tag {version}", child.name);
            return Ok(Err(NodeError::new("child_unknown", message)));
        };
        let ir = match self.ir_for(Some(tenant), &digest).await {
            Ok(ir) => ir,
            Err(Error::NoGraph(_) | Error::Invalid(_)) => {
                let message =
                    format!("workflow {} at {digest} is not to be had or not valid", child.name);
                return Ok(Err(NodeError::new("child_unknown", message)));
            }
            Err(error) => return Err(error),
        };
        let allowed = self.allowed_child(tenant, child).await?;
        let (input, by) = (child.input.clone(), parent.head.by.clone());
        let request = StartRequest {
            parent: Some(child.parent.clone()),
            depth: child.depth,
            allowed,
            ..StartRequest::new(child.run.clone(), tenant.clone(), input, by)
        };
        match self.first_step(&IrSet::new(0, ir.clone()), 0, &request, clock::now()).await? {
            Ok(step) => Ok(Ok(self.first_item(step, &ir, None, None))),
            Err(Refusal::Start(issues)) => {
                let messages: Vec<String> =
                    issues.into_iter().take(MOST_TOLD).map(|issue| issue.message).collect();
                Ok(Err(NodeError::new("child_input", messages.join("; "))))
            }
            Err(refusal) => Err(refusal.into()),
        }
    }

    /// The item of a run's first step.
    pub(super) fn first_item(
        &self,
        mut step: Step,
        ir: &Ir,
        key: Option<String>,
        patch: Option<Arc<Record>>,
    ) -> Item {
        call_for_notices(&mut step);
        let mut send = Vec::new();
        // A run can end in its first step: its parent is told at once.
        if let Some((parent, answer)) = &step.effects.answer {
            let input = Input::Settled {
                instance: parent.instance.to_string(),
                fence: parent.fence,
                result: answer.clone(),
            };
            send.push(Signal { run: parent.run.clone(), input, t: clock::now() });
        }
        let retention = retention(&step.state, ir);
        Item {
            before: None,
            after: Arc::new(step.state),
            line: step.line,
            effects: step.effects,
            signals: Vec::new(),
            send,
            link: 0,
            key,
            retention,
            patch,
        }
    }
}

impl Decided {
    /// Its own item, and what is known once that is written.
    pub(super) fn item(self, signals: Vec<String>) -> (Item, Learnt) {
        let Self { before, step, known, ir } = self;
        let Step { state, line, verdicts, effects, .. } = step;
        let time = clock::now();
        let mut send = Vec::new();
        if let Some((parent, answer)) = &effects.answer {
            let (instance, fence) = (parent.instance.to_string(), parent.fence);
            let used = state.head.spent.values().fold(Amount::default(), |all, one| all.plus(*one));
            let (agents, starts) = (state.agents_taken().had, state.starts_taken().had);
            let result = answer.clone();
            // Its agents and what they have used count in the run above too.
            let input = match used.is_zero() && agents == 0 {
                true => Input::Settled { instance, fence, result },
                false => Input::Child { instance, fence, result, used, agents, starts },
            };
            send.push(Signal { run: parent.run.clone(), input, t: time });
        }
        for (child, mode) in &effects.cancel {
            send.push(Signal { run: child.clone(), input: cancel_child(*mode), t: time });
        }
        let retention = retention(&state, &ir);
        let after = Arc::new(state);
        let learnt =
            Learnt { verdicts, after: after.clone(), context: effects.context.clone(), known };
        let item = Item {
            before: Some(before),
            after,
            line,
            effects,
            signals,
            send,
            link: 0,
            key: None,
            retention,
            patch: None,
        };
        (item, learnt)
    }
}

/// Milliseconds that a run stays after its end: as its graph says, and at least as long as whoever asked for it wants.
fn retention(state: &State, ir: &Ir) -> u64 {
    let succeeded = state.head.outcome == Some(RunOutcome::Succeeded);
    let own = if succeeded { ir.retention.succeeded } else { ir.retention.failed };
    own.max(state.head.keep)
}

fn cancel_child(mode: CancelMode) -> Input {
    let reason = Some("the run that waits for it was cancelled".to_owned());
    Input::Cancel { mode, by: "system".to_owned(), reason, claimed: Vec::new() }
}

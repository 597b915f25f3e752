//! What an agent's attempt asks of its run: the graph as it is, what it may use, and its patch.

mod receive;
mod shown;

use std::sync::Arc;

use aob_engine::canonical;
use aob_engine::catalogue::{
    AGENT_RECEIVED, NODE_LOST, PATCH_FAILS, PATCH_WORD, TIER_LIMIT, UNREACHABLE,
};
use aob_engine::event::Layer;
use aob_engine::patch::{self, Answer as PatchAnswer, Finding, Record};
use aob_engine::route::{Budget, run_budget};
use aob_engine::state::{Amount, Cap, Fence, NodeState, State, split_instance};
use aob_engine::step::{Answer, Decision, Input, Proposal, Verdict};
use async_trait::async_trait;
use serde_json::{Value, json};

pub(super) use receive::receive;
use shown::shown;

use super::patch::{COMMIT, RECEIVER, RUNNER};
use super::{Error, PatchAsk, Runs, Throttled, What};
use crate::clock;
use crate::node::{Closing, Desk, Failure, Finished, Granted, Judged, Scene, Task};

/// Races lost before a refusal is left untold.
const MOST_TRIES: usize = 5;

#[async_trait]
impl Desk for Runs {
    async fn scene(&self, task: &Task) -> Result<Scene, Failure> {
        let view = self.view(&task.run).await.map_err(|error| failed(&error))?;
        let (state, ir) = (&view.state, &view.ir);
        let id = split_instance(&task.instance).1;
        let root = state.scopes.get("");
        let known = |slot: usize| root.and_then(|root| root.nodes.get(slot)).copied();
        let body = ir.body(aob_engine::ir::ROOT);
        let (mut nodes, mut outputs) = (Vec::new(), Vec::new());
        for ix in body.nodes.clone() {
            let node = ir.node(ix);
            let is = known(ir.slot(ix)).unwrap_or(NodeState::Idle);
            if is == NodeState::Succeeded {
                outputs.push(node.id.to_string());
            }
            nodes.push(json!({"id": &*node.id, "type": &*node.node_type, "state": is.name()}));
        }
        let edges: Vec<String> = body.edges.clone().map(|ix| ir.edge_name(ix)).collect();
        let agents = ir.nodes.iter().filter(|node| node.is_agent());
        let own = ir.find(id).map(|ix| ir.node(ix));
        let config = own.and_then(|node| match &node.kind {
            aob_engine::ir::Kind::Task { config, .. } => Some(Cap::of_config(config.source())),
            _ => None,
        });
        let set = state.head.caps.get(id).copied().unwrap_or_default();
        let cap = set.or(config.unwrap_or_default());
        let Budget { used, cap: all, .. } = run_budget(state, &ir.limits);
        let spent = state.head.spent.get(id).copied().unwrap_or_default();
        let day = self.usd_per_day(&state.head.tenant).await.map_err(|error| failed(&error))?;
        let left = |cap: Cap, spent: Amount| cap.ms.map(|ms| ms.saturating_sub(spent.ms));
        Ok(Scene {
            workflow: ir.name.clone(),
            revision: state.head.revision,
            graph: json!({"nodes": nodes, "edges": edges}),
            agents_here: agents.map(|node| node.id.to_string()).collect(),
            agents: state.agents_taken().all(),
            below: state.agents_taken().all().saturating_sub(state.head.agents),
            most_agents: state.head.allowed.agents(&ir.limits),
            placed: state.head.placed.get(id).copied().unwrap_or(0),
            agent_types: self.agent_types(state).await.map_err(|error| failed(&error))?,
            outputs,
            money: cap.usd.is_some() || all.usd.is_some() || day.is_some(),
            left: [left(cap, spent), left(all, used)].into_iter().flatten().min(),
            turns: self.kept_turns(task).await?,
        })
    }

    async fn output(&self, task: &Task, node: &str) -> Result<Option<Arc<Value>>, Failure> {
        self.output(&task.run, Some(node)).await.map_err(|error| failed(&error))
    }

    async fn reserve(
        &self,
        task: &Task,
        used: Option<Amount>,
        amount: Amount,
        kept: Option<Arc<Value>>,
    ) -> Result<Granted, Failure> {
        let (instance, fence) = at(task)?;
        // Of the tenant's first: should this process end in between, too much counts for the day, and never too little.
        let short = self.reserve_of_day(task, used, amount).await;
        let short = short.map_err(|error| failed(&error))?;
        let mut inputs = Vec::with_capacity(2);
        inputs.extend(used.map(|amount| Input::Book { instance: instance.clone(), fence, amount }));
        inputs.push(Input::Reserve { instance, fence, amount, kept, short });
        let verdicts = self.apply(&task.run, inputs).await.map_err(|error| failed(&error))?;
        let granted = match verdicts.into_iter().next_back() {
            Some(Verdict::Applied | Verdict::Same) => return Ok(Granted::Yes),
            Some(Verdict::Refused(_, why)) => Granted::Waits(why),
            _ => Granted::Gone,
        };
        // Nothing is asked.
        self.book_of_day(task, Some(0)).await.map_err(|error| failed(&error))?;
        Ok(granted)
    }

    async fn book(&self, task: &Task, used: Amount) -> Result<(), Failure> {
        let (instance, fence) = at(task)?;
        let input = Input::Book { instance, fence, amount: used };
        self.apply(&task.run, vec![input]).await.map_err(|error| failed(&error))?;
        self.book_of_day(task, Some(used.usd)).await.map_err(|error| failed(&error))
    }

    async fn judge(&self, task: &Task, request: &Value) -> Result<Judged, Failure> {
        let ask = PatchAsk { dry_run: true, ..ask(task, request) };
        // The answer itself is not known yet. What it would make of the graph is judged with it, in the commit.
        let then = [settled(task, json!(null))?];
        let patched = self.patch_with(&task.run, &ask, &then).await;
        let patched = patched.map_err(|error| failed(&error))?;
        let told = shown(&patched.difference);
        Ok(match patched.record.answer {
            PatchAnswer::Accepted(_) => Judged::Accepted(told),
            PatchAnswer::Refused(found) if all_are(&found, PATCH_WORD.code) => {
                Judged::Word(self.told(task, request).await?)
            }
            PatchAnswer::Refused(found) if all_are(&found, PATCH_FAILS.code) => {
                Judged::Accepted(self.told(task, request).await?)
            }
            PatchAnswer::Refused(found) => {
                let layer = match found.iter().any(|found| found.code == AGENT_RECEIVED.code) {
                    true => RECEIVER,
                    false => COMMIT,
                };
                self.note_refusal(task, request, layer, &found).await?;
                Judged::Refused(found)
            }
        })
    }

    async fn refused(
        &self,
        task: &Task,
        request: &Value,
        findings: &[Finding],
    ) -> Result<(), Failure> {
        self.note_refusal(task, request, RUNNER, findings).await
    }

    async fn finish(&self, task: &Task, closing: &Closing) -> Result<Finished, Failure> {
        let ask = ask(task, &closing.request);
        if closing.word {
            return self.propose(task, closing, &ask).await;
        }
        let then = [settled(task, closing.output.clone())?];
        // The runner has judged it before it was sent.
        let said = [Layer { layer: RUNNER.to_owned(), verdict: "accepted".to_owned() }];
        let patched = match self.patch_said(&task.run, &ask, &then, &said).await {
            Ok(patched) => patched,
            Err(Error::NoRun(_)) => return Ok(Finished::Gone),
            // It would make the run dearer than its tenant may have runs for now: the model is told, and goes on without.
            Err(Error::Throttled(throttled)) => {
                return Ok(Finished::Refused(vec![too_dear(&throttled)]));
            }
            Err(error) => return Err(failed(&error)),
        };
        Ok(match patched.record.answer {
            PatchAnswer::Accepted(_) => Finished::Applied,
            PatchAnswer::Refused(found) if all_are(&found, PATCH_WORD.code) => {
                return self.propose(task, closing, &ask).await;
            }
            PatchAnswer::Refused(found) => Finished::Refused(found),
        })
    }
}

impl Runs {
    /// Applies a patch that an agent proposed, with a person's word; what became of that answer.
    ///
    /// # Errors
    /// As [`Runs::patch`].
    pub async fn apply_proposal(&self, run: &str, decision: Decision) -> Result<Verdict, Error> {
        let instance = decision.instance.clone();
        let key = format!("{instance}#proposal");
        let mut kept = self.store.context(run, std::slice::from_ref(&key)).await?;
        let Some(proposal) = kept.remove(&key).and_then(|kept| kept.value) else {
            return Ok(Verdict::Unknown);
        };
        let text = |name: &str| proposal.get(name).and_then(Value::as_str).unwrap_or_default();
        let request = proposal.get("request").cloned().unwrap_or_default();
        // A person looks at it again where the first word came to nothing: each is a request of its own.
        let id = format!("{}{}", text("patch"), decision.ticket.as_deref().unwrap_or_default());
        let ask = ask_as(&instance, request, &id);
        let patched = self.patch_with(run, &ask, &[Input::Decision(decision)]).await?;
        Ok(match patched.record.answer {
            PatchAnswer::Accepted(_) if patched.existing => Verdict::Same,
            PatchAnswer::Accepted(_) => Verdict::Applied,
            PatchAnswer::Refused(found) => {
                let first = found.first();
                let why = first.map_or("", |found| found.message.as_str());
                let entry = first.and_then(|found| aob_engine::catalogue::find(&found.code));
                let entry = entry.unwrap_or(&aob_engine::catalogue::PATCH_AGENT_LAYER);
                Verdict::Refused(entry, format!("the patch does not fit any more: {why}"))
            }
        })
    }

    /// Registered types whose nodes are agents, as a patch of this run would be judged.
    async fn agent_types(&self, state: &State) -> Result<Vec<String>, Error> {
        let registry = self.registry_for_patch(state).await?;
        let is_one = |name: &&str| {
            registry.get(name).is_some_and(|info| info.is_agent() && !info.is_builtin())
        };
        Ok(registry.names().filter(is_one).map(str::to_owned).collect())
    }

    /// Hands an answer in with a patch that waits for a person's word.
    async fn propose(
        &self,
        task: &Task,
        closing: &Closing,
        ask: &PatchAsk,
    ) -> Result<Finished, Failure> {
        let (instance, fence) = at(task)?;
        let state = self.store.load(&task.run).await.map_err(|error| failed(&error.into()))?;
        let Some(state) = state else { return Ok(Finished::Gone) };
        let checked = match self.judge_request(&state, ask).await.map_err(|error| failed(&error))? {
            Ok(checked) => checked,
            Err(issues) => {
                return Ok(Finished::Refused(issues.iter().map(Finding::from).collect()));
            }
        };
        let proposal = Box::new(Proposal {
            patch: ask.id.to_string(),
            operations: patch::digest(&checked.operations),
            request: Arc::new(closing.request.clone()),
            output: Arc::new(closing.output.clone()),
            shown: shown(&checked.difference),
        });
        let input = Input::Propose { instance, fence, proposal };
        let verdicts = self.apply(&task.run, vec![input]).await.map_err(|error| failed(&error))?;
        Ok(match verdicts.first() {
            Some(Verdict::Applied | Verdict::Same) => Finished::Waits,
            _ => Finished::Gone,
        })
    }

    /// Keeps among the events that a proposal was refused, and by which layer. A run that has moved on meanwhile is
    /// tried again, a few times: nothing depends on it but who reads the history.
    async fn note_refusal(
        &self,
        task: &Task,
        request: &Value,
        layer: &str,
        findings: &[Finding],
    ) -> Result<(), Failure> {
        let ask = ask(task, request);
        for _ in 0..MOST_TRIES {
            let state = self.store.load(&task.run).await.map_err(|error| failed(&error.into()))?;
            let Some(state) = state else { return Ok(()) };
            let record = Record {
                id: ask.id.to_string(),
                request: canonical::digest(request),
                by: ask.by.clone(),
                time: clock::now(),
                reason: request.get("reason").and_then(Value::as_str).map(str::to_owned),
                answer: PatchAnswer::Refused(findings.to_vec()),
            };
            let written = self.write_refusal(&state, &ask, layer, record).await;
            if written.map_err(|error| failed(&error))?.is_some() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// What a request would change, in words.
    async fn told(&self, task: &Task, request: &Value) -> Result<String, Failure> {
        let state = self.store.load(&task.run).await.map_err(|error| failed(&error.into()))?;
        let Some(state) = state else { return Ok(String::new()) };
        let judged = self.judge_request(&state, &ask(task, request)).await;
        let judged = judged.map_err(|error| failed(&error))?;
        Ok(judged.map_or_else(|_| String::new(), |checked| shown(&checked.difference)))
    }

    /// What an attempt had come to that had to wait for a budget.
    async fn kept_turns(&self, task: &Task) -> Result<Option<Arc<Value>>, Failure> {
        let key = format!("{}#turns", task.instance);
        let kept = self.store.context(&task.run, std::slice::from_ref(&key)).await;
        let mut kept = kept.map_err(|error| failed(&error.into()))?;
        Ok(kept.remove(&key).and_then(|kept| kept.value))
    }
}

/// Why a patch that adds an agent is not taken now.
fn too_dear(throttled: &Throttled) -> Finding {
    Finding {
        code: TIER_LIMIT.code.to_owned(),
        pointer: "/operations".to_owned(),
        message: format!("with these agents the run is dearer: {throttled}"),
        remedy: "Do the work without another agent.".to_owned(),
        details: Vec::new(),
    }
}

fn all_are(found: &[Finding], code: &str) -> bool {
    !found.is_empty() && found.iter().all(|found| found.code == code)
}

fn at(task: &Task) -> Result<(String, Fence), Failure> {
    let fence =
        task.fence.parse().map_err(|why| Failure::new(&NODE_LOST, format!("no fence: {why}")))?;
    Ok((task.instance.clone(), fence))
}

fn settled(task: &Task, output: Value) -> Result<Input, Failure> {
    let (instance, fence) = at(task)?;
    Ok(Input::Settled { instance, fence, result: Answer::Output(Arc::new(output)) })
}

/// The same patch of the same attempt has the same id, so that asking again is asking once.
fn ask(task: &Task, request: &Value) -> PatchAsk {
    let about = json!([task.run, task.instance, task.fence, request]);
    let id = canonical::digest(&about);
    ask_as(&task.instance, request.clone(), &id)
}

fn ask_as(instance: &str, request: Value, about: &str) -> PatchAsk {
    let id = canonical::digest(&json!(about));
    let id = id.trim_start_matches("sha256:").get(..26).unwrap_or_default();
    PatchAsk {
        id: format!("patch_{id}").into(),
        what: What::Request(request),
        by: format!("agent:{instance}"),
        groups: Vec::new(),
        approves: Vec::new(),
        dry_run: false,
    }
}

/// A run that cannot be asked now may be asked again.
fn failed(error: &Error) -> Failure {
    match error {
        Error::NoRun(_) => Failure::new(&NODE_LOST, "the run is not there any more"),
        error => Failure::new(&UNREACHABLE, error.to_string()).retryable(),
    }
}

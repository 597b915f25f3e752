//! A small workflow under test: written inline, driven by the names of its instances.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use aob_engine::check::Ceiling;
use aob_engine::compile::compile;
use aob_engine::event::Change;
use aob_engine::ir::Ir;
use aob_engine::issue::Issue;
use aob_engine::read;
use aob_engine::registry::Registry;
use aob_engine::route;
use aob_engine::state::{CancelMode, IrSet, NodeError, RunOutcome, fold, split_instance};
use aob_engine::step::{
    Answer, Decision, Due, Envelope, Input, Now, Publish, Reply, StartRequest, Step, Verdict,
};
use serde_json::{Value, json};

use super::history::line;
use crate::simulate::{Simulation, work};

static BUILTIN: LazyLock<Registry> = LazyLock::new(Registry::builtin);

/// A run and how much of its history has been told.
pub(crate) struct Run {
    pub(crate) sim: Simulation,
    told: usize,
}

/// Compiles a spec written as the inside of a YAML flow mapping: `nodes: [...], edges: [...]`.
pub(crate) fn compiled(spec: &str, ceiling: &Ceiling) -> Result<Ir, Vec<Issue>> {
    compile(&document(spec), &BUILTIN, ceiling)
}

/// The workflow with this spec.
pub(crate) fn document(spec: &str) -> Value {
    let text = format!(
        "apiVersion: aob.dev/v1alpha1\nkind: Workflow\nmetadata: {{name: test}}\nspec: {{{spec}}}\n"
    );
    let mut documents =
        read::documents(text.as_bytes(), &read::Limits::default()).expect("the spec reads");
    documents.remove(0).value
}

/// Names of the rules that refuse a spec, each once.
#[track_caller]
pub(crate) fn refused(spec: &str) -> Vec<&'static str> {
    let issues = compiled(spec, &Ceiling::default()).expect_err("it is refused");
    let mut names: Vec<&str> = issues.iter().map(|issue| issue.entry.name).collect();
    names.dedup();
    names
}

/// How a run is started that nobody else waits for.
pub(crate) fn request(input: Value) -> StartRequest {
    let run = "run_00000000000000000000000000".into();
    StartRequest::new(run, "default".into(), Arc::new(input), "user:ada".into())
}

#[track_caller]
fn whole(result: Result<Ir, Vec<Issue>>) -> Ir {
    result.unwrap_or_else(|issues| {
        panic!("it compiles: {:?}", issues.iter().map(ToString::to_string).collect::<Vec<_>>())
    })
}

impl Run {
    #[track_caller]
    pub(crate) fn start(spec: &str) -> Self {
        Self::with(spec, json!({}))
    }

    #[track_caller]
    pub(crate) fn with(spec: &str, input: Value) -> Self {
        Self { sim: Simulation::start(whole(compiled(spec, &Ceiling::default())), input), told: 0 }
    }

    /// Under an installation's own limits.
    #[track_caller]
    pub(crate) fn under(spec: &str, ceiling: &Ceiling) -> Self {
        Self { sim: Simulation::start(whole(compiled(spec, ceiling)), json!({})), told: 0 }
    }

    /// As somebody asks for it: another run, at some depth.
    #[track_caller]
    pub(crate) fn asked(spec: &str, request: &StartRequest) -> Self {
        Self::knowing(spec, &Ceiling::default(), request, &BTreeMap::new())
    }

    /// The same where it is known what agents the workflows of its child runs may have.
    #[track_caller]
    pub(crate) fn knowing(
        spec: &str,
        ceiling: &Ceiling,
        request: &StartRequest,
        known: &BTreeMap<String, Envelope>,
    ) -> Self {
        let irs = IrSet::new(0, Arc::new(whole(compiled(spec, ceiling))));
        let now = Now { time: 1_790_000_000_000, epoch: 7 };
        let step = route::start_with(&irs, 0, request, known, now).expect("the run starts");
        let event = step.event.expect("a start is an event");
        let state = fold(None, &event, &step.line, &irs).expect("the start folds");
        let sim = Simulation {
            irs,
            state,
            context: known.clone().into_iter().chain(step.effects.context).collect(),
            tasks: step.effects.publish.into_iter().map(|task| (task.cell, task)).collect(),
            tickets: step.effects.open.into_iter().map(|notice| notice.id).collect(),
            timers: step.effects.arm.into_iter().collect(),
            events: vec![(event, step.line)],
            logs: step.effects.log,
            children: step.effects.children,
            now,
        };
        Self { sim, told: 0 }
    }

    /// The task of a published instance.
    #[track_caller]
    pub(crate) fn task(&self, at: &str) -> Publish {
        let task = self.sim.tasks.values().find(|task| task.instance == at);
        task.cloned().unwrap_or_else(|| panic!("{at} is not out; out are {:?}", self.out()))
    }

    /// Instances that are out, by name.
    pub(crate) fn out(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.sim.tasks.values().map(|task| task.instance.clone()).collect();
        names.sort();
        names
    }

    #[track_caller]
    fn answer(&mut self, at: &str, answer: Answer) {
        let task = self.task(at);
        assert_eq!(self.sim.complete(&task, answer), Verdict::Applied, "the answer of {at}");
    }

    /// Completes as the built-in worker does.
    #[track_caller]
    pub(crate) fn ok(&mut self, at: &str) {
        let answer = work(&self.task(at));
        self.answer(at, answer);
    }

    #[track_caller]
    pub(crate) fn gives(&mut self, at: &str, output: Value) {
        self.answer(at, Answer::Output(Arc::new(output)));
    }

    /// Fails in a way that no other attempt mends.
    #[track_caller]
    pub(crate) fn breaks(&mut self, at: &str) {
        self.answer(at, broken());
    }

    /// Fails in a way that another attempt may mend.
    #[track_caller]
    pub(crate) fn stumbles(&mut self, at: &str) {
        self.answer(at, flaky());
    }

    /// Its lease runs out; `begun`: after the worker had said that it begins.
    #[track_caller]
    pub(crate) fn lost(&mut self, at: &str, begun: bool) {
        let task = self.task(at);
        let input = Input::Lost { instance: task.instance, fence: task.fence, begun };
        assert_eq!(self.sim.take(&[input]), [Verdict::Applied], "the loss of {at}");
    }

    /// A worker that stops hands an attempt back.
    #[track_caller]
    pub(crate) fn hands_back(&mut self, at: &str, begun: bool) {
        let task = self.task(at);
        let input = Input::Returned { instance: task.instance, fence: task.fence, begun };
        assert_eq!(self.sim.take(&[input]), [Verdict::Applied], "{at} handed back");
    }

    /// A person's answer, by bob.
    #[track_caller]
    pub(crate) fn decide(&mut self, at: &str, reply: Reply) {
        assert_eq!(self.decided(decision(at, reply)), Verdict::Applied, "the decision on {at}");
    }

    pub(crate) fn decided(&mut self, decision: Decision) -> Verdict {
        self.sim.take(&[Input::Decision(decision)]).remove(0)
    }

    /// The id of the ticket that is open at an instance.
    #[track_caller]
    pub(crate) fn ticket(&self, at: &str) -> String {
        let mut open = None;
        for change in self.changes() {
            if let Change::Waiting { at: own, ticket, .. } = change
                && own == at
            {
                open = Some(ticket.clone());
            }
        }
        open.unwrap_or_else(|| panic!("{at} has no ticket"))
    }

    /// The time that an instance waits for comes.
    #[track_caller]
    pub(crate) fn time(&mut self, at: &str) {
        let timer = self.sim.timers.iter().find(|(timer, _)| timer.instance == at);
        let (timer, due) = timer
            .map(|(timer, due)| (timer.clone(), *due))
            .unwrap_or_else(|| panic!("{at} waits for no time"));
        self.fire(timer, due);
    }

    /// A time of the run itself comes.
    #[track_caller]
    pub(crate) fn run_time(&mut self, what: Due) {
        let timer = self
            .sim
            .timers
            .iter()
            .find(|(timer, _)| timer.instance.is_empty() && timer.what == what);
        let (timer, due) = timer
            .map(|(timer, due)| (timer.clone(), *due))
            .unwrap_or_else(|| panic!("no {what:?} is set"));
        self.fire(timer, due);
    }

    #[track_caller]
    fn fire(&mut self, timer: aob_engine::step::Timer, due: u64) {
        self.sim.now.time = self.sim.now.time.max(due);
        self.sim.timers.remove(&timer);
        assert_eq!(self.sim.take(&[Input::Timer(timer)]), [Verdict::Applied]);
    }

    /// Milliseconds from now to an instance's timer.
    #[track_caller]
    pub(crate) fn waits(&self, at: &str) -> u64 {
        let due =
            self.sim.timers.iter().find(|(timer, _)| timer.instance == at).map(|(_, due)| *due);
        due.unwrap_or_else(|| panic!("{at} waits for no time")) - self.sim.now.time
    }

    pub(crate) fn cancel(&mut self, mode: CancelMode, claimed: &[&str]) -> Verdict {
        self.sim.take(&[cancel(mode, claimed)]).remove(0)
    }

    pub(crate) fn suspend(&mut self, on: bool) -> Verdict {
        self.sim.take(&[Input::Suspend { on, by: "user:ada".to_owned() }]).remove(0)
    }

    /// What inputs would lead to, without taking them.
    pub(crate) fn step(&self, inputs: &[Input]) -> Step {
        let now = Now { time: self.sim.now.time + 1, ..self.sim.now };
        route::advance(&self.sim.irs, &self.sim.state, &self.sim.context, inputs, now)
            .expect("a decision")
    }

    /// Completes whatever is out, until nothing is.
    #[track_caller]
    pub(crate) fn finish(&mut self) {
        while let Some(at) = self.out().first().cloned() {
            self.ok(&at);
        }
    }

    /// What happened since this was asked last: a line per event.
    pub(crate) fn told(&mut self) -> Vec<String> {
        let news = self.sim.events[self.told..].iter().map(|(event, _)| line(event)).collect();
        self.told = self.sim.events.len();
        news
    }

    pub(crate) fn changes(&self) -> impl Iterator<Item = &Change> {
        self.sim.events.iter().flat_map(|(event, _)| &event.changes)
    }

    /// The state of an instance whose scope is live.
    #[track_caller]
    pub(crate) fn state(&self, at: &str) -> &'static str {
        let (scope, id) = split_instance(at);
        let marking = self.sim.state.scopes.get(scope).unwrap_or_else(|| panic!("{scope} is over"));
        let ir = self.sim.irs.get(marking.revision).expect("the revision");
        let ix = ir.find(id).unwrap_or_else(|| panic!("no node {id}"));
        marking.nodes[ir.slot(ix)].name()
    }

    pub(crate) fn outcome(&self) -> Option<&'static str> {
        self.sim.state.head.outcome.filter(|_| self.sim.state.is_ended()).map(RunOutcome::name)
    }

    /// Code and place of the run's failure.
    pub(crate) fn failure(&self) -> Option<(String, String)> {
        let failure = self.sim.state.head.failure.as_ref()?;
        Some((failure.code.clone(), failure.at.clone().unwrap_or_default()))
    }

    /// What an instance gave.
    pub(crate) fn value(&self, at: &str) -> Option<&Value> {
        self.sim.context.get(at)?.value.as_deref()
    }

    /// The code with which an instance failed.
    pub(crate) fn code(&self, at: &str) -> Option<String> {
        self.changes().find_map(|change| match change {
            Change::Settled { at: own, error: Some(error), .. } if own == at => {
                Some(error.code.clone())
            }
            _ => None,
        })
    }
}

pub(crate) fn decision(at: &str, answer: Reply) -> Decision {
    Decision {
        instance: at.to_owned(),
        ticket: None,
        answer,
        by: "user:bob".to_owned(),
        groups: Vec::new(),
        reason: None,
    }
}

pub(crate) fn cancel(mode: CancelMode, claimed: &[&str]) -> Input {
    let claimed = claimed.iter().map(|at| (*at).to_owned()).collect();
    Input::Cancel { mode, by: "user:ada".to_owned(), reason: None, claimed }
}

pub(crate) fn broken() -> Answer {
    Answer::Error { error: NodeError::new("broken", "it broke"), retryable: false }
}

pub(crate) fn flaky() -> Answer {
    Answer::Error { error: NodeError::new("flaky", "it may work another time"), retryable: true }
}

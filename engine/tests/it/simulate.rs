//! A run without a store: state, context, published tasks and timers in memory, and a caller who chooses
//! what happens next. Checks at every step that the state is the fold of the events (L1) and that something
//! can move the run (L6).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aob_engine::event::Event;
use aob_engine::ir::Ir;
use aob_engine::issue::Issue;
use aob_engine::route::{self, Candidate};
use aob_engine::state::{Asks, IrSet, State, encode, fold};
use aob_engine::step::{
    Answer, Effects, Envelope, Input, Now, Publish, StartRequest, Step, Timer, Verdict,
};
use serde_json::Value;

/// One run under simulation.
#[derive(Clone)]
pub(crate) struct Simulation {
    pub(crate) irs: IrSet,
    pub(crate) state: State,
    pub(crate) context: BTreeMap<String, Envelope>,
    pub(crate) tasks: BTreeMap<u32, Publish>,
    pub(crate) timers: BTreeMap<Timer, u64>,
    /// Questions that were opened and not closed.
    pub(crate) tickets: BTreeSet<Arc<str>>,
    pub(crate) events: Vec<(Event, Vec<u8>)>,
    pub(crate) logs: Vec<String>,
    pub(crate) children: Vec<aob_engine::step::ChildStart>,
    pub(crate) now: Now,
}

impl Simulation {
    pub(crate) fn start(ir: Ir, input: Value) -> Self {
        let irs = IrSet::new(0, Arc::new(ir));
        let now = Now { time: 1_790_000_000_000, epoch: 7 };
        let run = "run_00000000000000000000000000".into();
        let request = StartRequest::new(run, "default".into(), Arc::new(input), "user:ada".into());
        let step = route::start(&irs, 0, &request, now).expect("the run starts");
        let event = step.event.clone().expect("a start is an event");
        let folded = fold(None, &event, &step.line, &irs).expect("the start folds");
        assert_eq!(folded, step.state, "L1 at the start");
        let mut simulation = Self {
            irs,
            state: folded,
            context: BTreeMap::new(),
            tasks: BTreeMap::new(),
            timers: BTreeMap::new(),
            tickets: BTreeSet::new(),
            events: Vec::new(),
            logs: Vec::new(),
            children: Vec::new(),
            now,
        };
        simulation.record(step);
        simulation
    }

    /// Takes inputs in one step; checks L1 and L6.
    pub(crate) fn take(&mut self, inputs: &[Input]) -> Vec<Verdict> {
        self.now.time += 1;
        let step = route::advance(&self.irs, &self.state, &self.context, inputs, self.now)
            .expect("a decision");
        let verdicts = step.verdicts.clone();
        let Some(event) = step.event.clone() else {
            assert_eq!(step.state, self.state, "a step without an event changes nothing");
            return verdicts;
        };
        // What is stored is read back before it is folded, so that nothing hides in memory only.
        let read: Event = serde_json::from_slice(&step.line).expect("an event reads back");
        assert_eq!(read, event);
        let folded =
            fold(Some(self.state.clone()), &read, &step.line, &self.irs).expect("the event folds");
        assert_eq!(folded, step.state, "L1 after event {}", event.n);
        assert_eq!(encode(&folded), encode(&step.state), "L1 in the store's form");
        self.state = folded;
        self.record(step);
        verdicts
    }

    /// Patches the run; checks L1 as every step does. Answers the refusals.
    pub(crate) fn patch(
        &mut self,
        candidate: &Candidate,
        claimed: &[String],
    ) -> Result<(), Vec<Issue>> {
        self.patch_with(candidate, claimed, &[])
    }

    /// The same with what follows it in the same step.
    pub(crate) fn patch_with(
        &mut self,
        candidate: &Candidate,
        claimed: &[String],
        then: &[Input],
    ) -> Result<(), Vec<Issue>> {
        self.now.time += 1;
        let (irs, state, context) = (&self.irs, &self.state, &self.context);
        let step = route::apply_patch_with(irs, state, context, candidate, claimed, then, self.now)
            .expect("a decision")?;
        let event = step.event.clone().expect("a patch is an event");
        self.irs.insert(self.state.head.revision + 1, candidate.ir.clone());
        let folded =
            fold(Some(self.state.clone()), &event, &step.line, &self.irs).expect("the event folds");
        assert_eq!(folded, step.state, "L1 after a patch");
        assert_eq!(aob_engine::state::decode(&encode(&folded)).as_ref(), Ok(&folded));
        for cell in &step.effects.recall {
            let name = &self.tasks.get(cell).expect("a task that is out is taken back").instance;
            assert!(!claimed.contains(name), "a claimed task is not taken back");
        }
        self.state = folded;
        self.record(step);
        Ok(())
    }

    pub(crate) fn complete(&mut self, task: &Publish, result: Answer) -> Verdict {
        let input = Input::Settled { instance: task.instance.clone(), fence: task.fence, result };
        self.take(&[input]).remove(0)
    }

    pub(crate) fn output(&self) -> Option<&Value> {
        self.context.get("$output")?.value.as_deref()
    }

    fn record(&mut self, step: Step) {
        let Step { event, line, effects, .. } = step;
        let Effects {
            context, publish, ack, recall, arm, disarm, log, children, open, close, ..
        } = effects;
        for cell in ack.into_iter().chain(recall) {
            assert!(
                self.tasks.remove(&cell).is_some(),
                "cell {cell} holds a task that is acknowledged"
            );
        }
        for task in publish {
            let cell = task.cell;
            assert!(self.tasks.insert(cell, task).is_none(), "cell {cell} is free");
        }
        self.context.extend(context);
        for (timer, due) in arm {
            self.timers.insert(timer, due);
        }
        for timer in disarm {
            self.timers.remove(&timer);
        }
        for notice in open {
            assert!(self.tickets.insert(notice.id), "a question is opened once");
        }
        for ticket in close {
            assert!(self.tickets.remove(&ticket), "a question that is open is closed");
        }
        self.logs.extend(log);
        self.children.extend(children);
        if let Some(event) = event {
            self.events.push((event, line));
        }
        self.check();
    }

    /// L6, and that tokens are the tasks that are out.
    fn check(&self) {
        if self.state.is_ended() {
            assert!(
                self.tasks.is_empty(),
                "an ended run has no tasks out: {:?}",
                self.tasks.values()
            );
            return;
        }
        assert_eq!(self.state.head.tokens as usize, self.tasks.len(), "L2: tokens are tasks");
        let live = || self.state.scopes.values().flat_map(|marking| marking.live.values());
        let asked: BTreeSet<Arc<str>> =
            live().filter_map(|live| Some(live.ticket.as_ref()?.id.clone())).collect();
        assert_eq!(asked, self.tickets, "L2: the open questions are those of the state");
        let open = self.state.scopes.values().flat_map(|marking| marking.live.values());
        let ticket = open.clone().any(|live| live.ticket.is_some());
        let child = open.clone().any(|live| live.child.is_some());
        let timer = self.timers.keys().any(|timer| !timer.instance.is_empty());
        let grace = self.state.head.cancel.is_some();
        assert!(
            !self.tasks.is_empty()
                || ticket
                || child
                || timer
                || grace
                || self.state.head.suspended,
            "L6: stuck: {:?}\n{:#?}",
            self.state,
            self.events.last()
        );
    }
}

/// Answers a task as a built-in worker does: noop and transform.
pub(crate) fn work(task: &Publish) -> Answer {
    if let Some(asserts) = task.input.get("assert").and_then(Value::as_array)
        && let Some(broken) = asserts.iter().find(|assert| assert["ok"] != true)
    {
        let error = aob_engine::state::NodeError::new("assert", broken["that"].to_string());
        return Answer::Error { error, retryable: false };
    }
    Answer::Output(Arc::new(task.input.get("value").cloned().unwrap_or_default()))
}

pub(crate) fn open_tickets(run: &Simulation) -> Vec<(String, Asks)> {
    let mut open = Vec::new();
    for (scope, marking) in &run.state.scopes {
        let ir = run.irs.get(marking.revision).expect("the revision");
        let start = ir.body(marking.body).nodes.start;
        for (slot, live) in &marking.live {
            if let Some(ticket) = &live.ticket {
                let id = &ir.node(start + slot).id;
                open.push((aob_engine::state::instance_name(scope, id), ticket.asks));
            }
        }
    }
    open
}

//! A patched run as data, and how it is played: the same case always goes the same way.

use std::collections::BTreeMap;
use std::sync::Arc;

use aob_engine::check::Ceiling;
use aob_engine::compile::compile;
use aob_engine::event::Change;
use aob_engine::ir::Ir;
use aob_engine::patch::{self, PatchLimits, materialize};
use aob_engine::registry::Registry;
use aob_engine::route::Candidate;
use aob_engine::state::{Asks, NodeState, Phase};
use aob_engine::step::{Answer, Decision, Due, Input, Publish, Reply, Verdict};
use serde_json::{Value, json};

use super::watch::Watch;
use crate::random::{Random, answer, fixed, reply_to};
use crate::simulate::{Simulation, open_tickets};

/// A graph, and what happens to its run in order. What cannot happen when its turn comes is passed over.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) seed: u64,
    pub(crate) document: Value,
    pub(crate) steps: Vec<Step>,
    /// Whether gates are left open or closed, mostly, and answers do not depend on how often was tried.
    pub(crate) hostile: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A request, and whether whoever asks may approve every gate.
    Patch(Value, bool),
    Claim(String),
    Answer(String),
    Lost(String),
    Timer(String),
    Reply(String),
    Suspend,
}

/// One thing that happened to an instance, enough to let it happen again.
#[derive(Clone, Debug)]
pub(crate) enum Given {
    Answered(String, Answer),
    Lost(String),
    BackoffOver(String),
    Delayed(String),
    Decided(String, Reply),
    Cancelled(String),
}

/// How often what happened.
pub(crate) type Tally = BTreeMap<&'static str, u64>;

#[derive(Clone)]
pub(crate) struct Play {
    pub(crate) run: Simulation,
    pub(crate) document: Value,
    pub(crate) given: Vec<Given>,
    pub(crate) claimed: Vec<String>,
    pub(crate) tally: Tally,
    /// What the last answered attempt of an instance ran on.
    pub(crate) ran_on: BTreeMap<String, String>,
    /// Whether something was held back when the run began to drain: a run never suspended would have given it out.
    pub(crate) held_back: bool,
    pub(crate) patches: usize,
    seed: u64,
    tries: BTreeMap<String, u64>,
    watch: Option<Watch>,
}

thread_local! {
    static REGISTRY: Registry = Registry::builtin();
}

pub(crate) fn compiled(document: &Value) -> Option<Ir> {
    REGISTRY.with(|registry| compile(document, registry, &Ceiling::default()).ok())
}

impl Play {
    /// None if the graph is none.
    pub(crate) fn start(seed: u64, document: &Value) -> Option<Self> {
        let ir = compiled(document)?;
        Some(Self {
            run: Simulation::start(ir, json!({})),
            document: document.clone(),
            given: Vec::new(),
            claimed: Vec::new(),
            tally: Tally::new(),
            ran_on: BTreeMap::new(),
            held_back: false,
            patches: 0,
            seed,
            tries: BTreeMap::new(),
            watch: None,
        })
    }

    /// The same, on the watch for what passes a gate.
    pub(crate) fn hostile(seed: u64, document: &Value) -> Option<Self> {
        let mut play = Self::start(seed, document)?;
        play.watch = Some(Watch::start(seed, document, &play.run));
        play.look();
        Some(play)
    }

    /// With the same answers, but nothing is judged.
    pub(crate) fn unpatched(seed: u64, document: &Value) -> Option<Self> {
        let mut play = Self::start(seed, document)?;
        let mut watch = Watch::start(seed, document, &play.run);
        watch.blind = true;
        play.watch = Some(watch);
        Some(play)
    }

    /// Plays a case to its end.
    pub(crate) fn whole(case: &Case) -> Option<Self> {
        let start = if case.hostile { Self::hostile } else { Self::start };
        let mut play = start(case.seed, &case.document)?;
        for step in &case.steps {
            play.step(step);
        }
        play.finish();
        Some(play)
    }

    /// What may happen next but patches.
    pub(crate) fn choose(&self, random: &mut Random) -> Option<Step> {
        let tasks: Vec<&Publish> = self.run.tasks.values().collect();
        let tickets = open_tickets(&self.run);
        let timers: Vec<_> =
            self.run.timers.keys().filter(|timer| !timer.instance.is_empty()).collect();
        let choice = random.below(tasks.len() + tickets.len() + timers.len());
        if let Some(task) = tasks.get(choice) {
            let name = task.instance.clone();
            return Some(match random.below(12) {
                0..=3 => Step::Claim(name),
                4 if random.once_in(3) => Step::Lost(name),
                _ => Step::Answer(name),
            });
        }
        let choice = choice - tasks.len();
        if let Some((instance, _)) = tickets.get(choice) {
            return Some(Step::Reply(instance.clone()));
        }
        Some(Step::Timer(timers.get(choice - tickets.len())?.instance.clone()))
    }

    /// Lets something happen; false if it cannot.
    pub(crate) fn step(&mut self, step: &Step) -> bool {
        if self.run.state.is_ended() {
            return false;
        }
        let before = self.run.events.len();
        let ready = self.is_held_back();
        let happened = match step {
            Step::Patch(request, approves) => self.patch(request, *approves),
            Step::Claim(name) => {
                let out = self.task(name).is_some() && !self.claimed.contains(name);
                if out {
                    self.claimed.push(name.clone());
                }
                out
            }
            Step::Answer(name) => self.answer(name),
            Step::Lost(name) => self.lose(name),
            Step::Timer(name) => self.timer(name),
            Step::Reply(name) => self.reply(name),
            Step::Suspend => {
                let on = !self.run.state.head.suspended;
                self.count("suspends");
                self.run.take(&[Input::Suspend { on, by: "user:ada".to_owned() }]);
                true
            }
        };
        let new = || self.run.events[before..].iter().flat_map(|(event, _)| &event.changes);
        if new().any(|change| matches!(change, Change::Failing { .. })) {
            // It may be held back and be drained in one event, as where `finally` itself fails.
            let between = new().any(|change| matches!(change, Change::Ready { .. }));
            self.held_back |= ready || between || self.is_held_back();
        }
        self.look();
        let tasks = &self.run.tasks;
        self.claimed.retain(|name| tasks.values().any(|task| task.instance == *name));
        happened
    }

    /// Whatever is left happens, in the order of names.
    pub(crate) fn finish(&mut self) {
        for _ in 0..2_000 {
            if self.run.state.is_ended() {
                return;
            }
            let task = self.run.tasks.values().map(|task| &task.instance).min().cloned();
            let ticket = open_tickets(&self.run).into_iter().find(|(name, asks)| {
                self.watch.is_none() || *asks != Asks::Gate || will(self.seed, name).is_some()
            });
            let ticket = ticket.map(|(name, _)| name);
            let timer = self.run.timers.keys().find(|timer| !timer.instance.is_empty());
            let timer = timer.map(|timer| timer.instance.clone());
            let step = match (task, ticket, timer) {
                (Some(name), _, _) => Step::Answer(name),
                (_, Some(name), _) => Step::Reply(name),
                (_, _, Some(name)) => Step::Timer(name),
                _ if self.run.state.head.suspended => Step::Suspend,
                _ if self.watch.is_some() => return,
                _ => break,
            };
            assert!(self.step(&step), "L6: {step:?} moves the run");
        }
        panic!("L6: the run does not end: {:?}", self.run.state);
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.watch.is_some()
    }

    fn look(&mut self) {
        if let Some(watch) = &mut self.watch {
            watch.look(&self.run);
        }
    }

    fn task(&self, name: &str) -> Option<Publish> {
        self.run.tasks.values().find(|task| task.instance == name).cloned()
    }

    fn is_held_back(&self) -> bool {
        self.run.state.scopes.values().any(|marking| marking.nodes.contains(&NodeState::Ready))
    }

    pub(crate) fn count(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }

    fn answer(&mut self, name: &str) -> bool {
        let Some(task) = self.task(name) else { return false };
        let failures = self.tries.entry(name.to_owned()).or_default();
        let answer = answer(self.seed, name, if self.watch.is_some() { 0 } else { *failures });
        *failures += u64::from(matches!(answer, Answer::Error { .. }));
        assert_eq!(self.run.complete(&task, answer.clone()), Verdict::Applied);
        self.ran_on.insert(name.to_owned(), ran_on(&task));
        self.given.push(Given::Answered(name.to_owned(), answer));
        true
    }

    fn lose(&mut self, name: &str) -> bool {
        let Some(task) = self.task(name) else { return false };
        let input = Input::Lost { instance: name.to_owned(), fence: task.fence, begun: false };
        assert_eq!(self.run.take(&[input]), [Verdict::Applied]);
        self.claimed.retain(|claimed| claimed != name);
        self.given.push(Given::Lost(name.to_owned()));
        true
    }

    fn timer(&mut self, name: &str) -> bool {
        let timer = self.run.timers.keys().find(|timer| timer.instance == name).cloned();
        let Some(timer) = timer else { return false };
        let due = self.run.timers.remove(&timer).unwrap_or_default();
        self.run.now.time = self.run.now.time.max(due);
        let verdicts = self.run.take(&[Input::Timer(timer.clone())]);
        assert_eq!(verdicts, [Verdict::Applied], "L2: a timer that is set is wanted");
        self.given.push(match timer.what {
            Due::Backoff => Given::BackoffOver(timer.instance),
            _ => Given::Delayed(timer.instance),
        });
        true
    }

    fn reply(&mut self, name: &str) -> bool {
        let tickets = open_tickets(&self.run);
        let Some((_, asks)) = tickets.iter().find(|(at, _)| at == name) else { return false };
        let mut reply = reply_to(self.seed, name, *asks, &mut self.tries);
        if self.watch.is_some() {
            match asks {
                Asks::Gate => match will(self.seed, name) {
                    Some(will) => reply = will,
                    None => return false,
                },
                _ => reply = Reply::Fail,
            }
        }
        if reply == Reply::Retry {
            // A try that a person adds is in no graph: what it counts as is the rules' business, not this law's.
            reply = Reply::Settle(Arc::new(json!({"settled": "by hand"})));
        }
        assert_eq!(self.run.take(&[Input::Decision(decision(name, &reply))]), [Verdict::Applied]);
        self.given.push(Given::Decided(name.to_owned(), reply));
        true
    }

    /// The whole way of a request; true if it was accepted.
    fn patch(&mut self, request: &Value, approves: bool) -> bool {
        self.count("requests");
        let Ok(request) = patch::read(request, &PatchLimits::default()) else {
            self.count("unreadable");
            return false;
        };
        let operations = patch::canonical(&request.operations, Some(&self.document));
        let Ok(operations) = operations else {
            self.count("unnamed");
            return false;
        };
        let Ok(changed) = materialize(&self.document, &[&operations]) else {
            self.count("not applied");
            return false;
        };
        let Some(ir) = compiled(&changed) else {
            self.count("no workflow");
            return false;
        };
        if ir.digest == *self.run.state.head.digest && request.cancel.is_empty() {
            self.count("no difference");
            return false;
        }
        if self.is_into_begun_body(&ir) {
            self.count("into a begun body");
            return false;
        }
        if self.lowers_paused_retry(&ir) {
            self.count("retry below attempts");
            return false;
        }
        self.count("tried");
        self.patches += 1;
        let over = self.run.state.head.phase != Phase::Running;
        let gates: Vec<String> = ir.nodes.iter().map(|node| node.id.to_string()).collect();
        let old = self.run.irs.get(self.run.state.head.revision).expect("the revision");
        let gates = gates.into_iter().chain(old.nodes.iter().map(|node| node.id.to_string()));
        let candidate = Candidate {
            id: format!("patch_{}", self.patches),
            operations: patch::digest(&operations),
            approves: if approves { gates.collect() } else { Vec::new() },
            ir: Arc::new(ir),
            cancel: request.cancel.clone(),
            by: "user:eve".to_owned(),
            reason: None,
            undoes: None,
            verdicts: Vec::new(),
        };
        match self.run.patch(&candidate, &self.claimed.clone()) {
            Ok(()) => {
                self.count("accepted");
                assert!(!over, "R5: a run that drains takes no patch");
                assert!(self.run.state.head.failure.is_none(), "R5: a patch does not fail the run");
                self.document = changed;
                self.given.extend(request.cancel.into_iter().map(Given::Cancelled));
                true
            }
            Err(issues) => {
                self.count(issues[0].entry.name);
                false
            }
        }
    }

    /// Whether a graph changes the body of what has begun.
    pub(crate) fn is_into_begun_body(&self, new: &Ir) -> bool {
        let marking = &self.run.state.scopes[""];
        let old = self.run.irs.get(marking.revision).expect("the revision");
        old.body(0).nodes.clone().any(|ix| {
            let node = old.node(ix);
            let Some(body) = node.kind.body() else { return false };
            let to = new.find(&node.id).and_then(|ix| new.node(ix).kind.body());
            marking.nodes[old.slot(ix)] != NodeState::Idle
                && to.is_none_or(|to| new.body(to).digest != old.body(body).digest)
        })
    }

    fn lowers_paused_retry(&self, new: &Ir) -> bool {
        let marking = &self.run.state.scopes[""];
        let old = self.run.irs.get(marking.revision).expect("the revision");
        let start = old.body(0).nodes.start;
        marking.live.iter().any(|(slot, live)| {
            let paused = live.ticket.as_ref().is_some_and(|ticket| ticket.asks == Asks::Failure);
            let to = new.find(&old.node(start + slot).id);
            paused && to.is_some_and(|to| new.node(to).retry.attempts < live.failures)
        })
    }
}

/// What is answered at a gate when its guard is watched; none: it is left open.
fn will(seed: u64, gate: &str) -> Option<Reply> {
    match fixed(seed, gate, 77) % 4 {
        0 => Some(Reply::Approve(None)),
        1 | 2 => Some(Reply::Reject),
        _ => None,
    }
}

pub(crate) fn decision(instance: &str, reply: &Reply) -> Decision {
    Decision {
        instance: instance.to_owned(),
        ticket: None,
        answer: reply.clone(),
        by: "user:bob".to_owned(),
        groups: Vec::new(),
        reason: None,
    }
}

/// What a task was given out with.
pub(crate) fn ran_on(task: &Publish) -> String {
    format!("{} {:?} {} {}", task.node_type, task.timeout, task.once, task.input)
}

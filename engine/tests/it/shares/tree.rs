//! A run, its child runs and theirs, each decided by the engine itself: whatever happens to any of them, in whatever
//! order they hear of one another, no more is paid, and no more agents are there, than the run at the top may have.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aob_engine::check::{Bound, Ceiling};
use aob_engine::route::{Candidate, run_budget};
use aob_engine::state::{Allowed, Amount, Asks, CancelMode, Cap, NodeError};
use aob_engine::step::{
    Answer, ChildStart, Decision, Due, Envelope, Input, Publish, Reach, Reply, StartRequest,
    Verdict,
};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

use crate::rules::run::{Run, compiled, request};
use crate::simulate::{open_tickets, work};

/// What the whole tree may spend, in micro-dollars.
const CAP: u64 = 1_000;

/// Agents that the whole tree may have, and how often they may be started.
const AGENTS: u32 = 14;
const STARTS: u32 = 40;

const TOP: &str = r#"limits: {spend: {usd: "0.001"}, agents: 14, agentStarts: 40},
    nodes: [
        {id: own, type: agent, onError: continue, config: {model: a/b, prompt: p}},
        {id: one, type: workflow, onError: continue, config: {name: kid}},
        {id: late, type: workflow, onError: continue, config: {name: kid}},
        {id: hasty, type: workflow, timeout: 1m, onError: continue, config: {name: kid}},
        {id: each, type: foreach, onError: continue, config: {items: [1, 2, 3, 4], concurrency: 2, tolerate: 4}},
        {id: inner, within: each, type: workflow, config: {name: kid}},
        {id: tell, within: finally, type: noop}
    ],
    edges: [{from: one, to: late, after: always}]"#;

/// A child run that has one below it.
const KID: &str = r#"nodes: [
        {id: a, type: agent, retry: {attempts: 3, backoff: 1s}, onError: continue, config: {model: a/b, prompt: p}},
        {id: b, type: agent, onError: continue, config: {model: a/b, prompt: p}},
        {id: deep, type: workflow, onError: continue, config: {name: leaf}}
    ]"#;

const LEAF: &str =
    "nodes: [{id: a, type: agent, onError: continue, config: {model: a/b, prompt: p}}]";

#[derive(Debug, Clone, Copy)]
enum Move {
    Reserve(usize, u64),
    Book(usize, u64),
    Answer(usize),
    Stumble(usize),
    Lose(usize),
    /// A word from one run to another arrives; the second: twice.
    Hear(usize, bool),
    /// A time comes.
    Time(usize),
    Raise(u64),
    Stop(usize),
    Cancel(usize, bool),
    /// A patch brings a run another agent.
    Grow(usize),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let which = 0_usize..24;
    let one = prop_oneof![
        12 => (which.clone(), 1_u64..200).prop_map(|(at, most)| Move::Reserve(at, most)),
        12 => (which.clone(), 0_u64..=100).prop_map(|(at, share)| Move::Book(at, share)),
        6 => which.clone().prop_map(Move::Answer),
        2 => which.clone().prop_map(Move::Stumble),
        2 => which.clone().prop_map(Move::Lose),
        8 => (which.clone(), any::<bool>()).prop_map(|(at, twice)| Move::Hear(at, twice)),
        2 => which.clone().prop_map(Move::Time),
        1 => (1_u64..300).prop_map(Move::Raise),
        1 => which.clone().prop_map(Move::Stop),
        3 => which.clone().prop_map(Move::Grow),
        1 => (which, any::<bool>()).prop_map(|(at, now)| Move::Cancel(at, now)),
    ];
    vec(one, 1..90)
}

/// All runs by id, the first at the top, and what they have to say to one another.
struct Tree {
    runs: BTreeMap<Arc<str>, Run>,
    top: Arc<str>,
    words: Vec<(Arc<str>, Input)>,
    cap: u64,
    /// How the next child runs begin: every so many is put off, every so many is not to be had.
    begun: usize,
    /// What a run is of, and by which nodes it is reached from the top.
    paths: BTreeMap<Arc<str>, (&'static str, String)>,
}

impl Tree {
    fn new() -> Self {
        let run = Run::knowing(TOP, &ceiling(), &request(json!({})), &known());
        let top = run.sim.state.head.run.clone();
        let children = run.sim.children.clone();
        let runs = [(top.clone(), run)].into();
        let paths = [(top.clone(), (TOP, String::new()))].into();
        let mut tree = Self { runs, top, words: Vec::new(), cap: CAP, begun: 0, paths };
        tree.begin(children);
        tree.check();
        tree
    }

    fn begin(&mut self, children: Vec<ChildStart>) {
        for child in children {
            self.begun += 1;
            let (parent, instance, fence) =
                (child.parent.run.clone(), child.parent.instance.to_string(), child.parent.fence);
            if self.begun.is_multiple_of(5) {
                let due = self.runs[&parent].sim.now.time + 1_000;
                let error = NodeError::new("tier_limit", "later");
                self.words.push((parent, Input::Deferred { instance, fence, due, error }));
                continue;
            }
            if self.begun.is_multiple_of(7) {
                let error = NodeError::new("child_unknown", "it is not to be had");
                let result = Answer::Error { error, retryable: false };
                self.words.push((parent, Input::Settled { instance, fence, result }));
                continue;
            }
            let asked = StartRequest {
                run: child.run.clone(),
                parent: Some(child.parent.clone()),
                depth: child.depth,
                allowed: Allowed {
                    spend: child.spend,
                    agents: Some(child.part.agents + child.part.room),
                    agent_starts: Some(child.part.starts),
                },
                ..request(json!({}))
            };
            let spec = if child.name == "kid" { KID } else { LEAF };
            let run = Run::knowing(spec, &ceiling(), &asked, &known());
            let node = child.parent.instance.rsplit('/').next().expect("an id");
            let path = format!("{}/{node}", self.paths[&child.parent.run].1);
            self.paths.insert(child.run.clone(), (spec, path));
            if run.sim.state.is_ended() {
                let result = Answer::Output(Arc::default());
                self.words.push((parent, Input::Settled { instance, fence, result }));
            }
            let below = run.sim.children.clone();
            self.runs.insert(child.run.clone(), run);
            self.begin(below);
        }
    }

    /// A run takes an input; what follows for others is begun, or waits to be heard.
    fn take(&mut self, at: &Arc<str>, input: Input) -> Verdict {
        let Some(run) = self.runs.get_mut(at) else { return Verdict::Unknown };
        let known = run.sim.children.len();
        let effects = run.step(std::slice::from_ref(&input)).effects;
        let verdict = run.sim.take(&[input]).remove(0);
        if let Some((parent, result)) = effects.answer {
            let spent = run.sim.state.head.spent.values();
            let used = spent.fold(Amount::default(), |sum, one| sum.plus(*one));
            let (instance, fence) = (parent.instance.to_string(), parent.fence);
            let state = &run.sim.state;
            let (agents, starts) = (state.agents_taken().had, state.starts_taken().had);
            let word = match used.is_zero() && agents == 0 {
                true => Input::Settled { instance, fence, result },
                false => Input::Child { instance, fence, result, used, agents, starts },
            };
            self.words.push((parent.run, word));
        }
        let children = run.sim.children[known..].to_vec();
        for (child, mode) in effects.cancel {
            let by = "system".to_owned();
            self.words.push((child, Input::Cancel { mode, by, reason: None, claimed: Vec::new() }));
        }
        self.begin(children);
        self.check();
        verdict
    }

    fn agents(&self) -> Vec<(Arc<str>, Publish)> {
        let tasks = |(id, run): (&Arc<str>, &Run)| {
            let own = run.sim.tasks.values().filter(|task| &*task.node_type == "agent").cloned();
            own.map(|task| (id.clone(), task)).collect::<Vec<_>>()
        };
        self.runs.iter().flat_map(tasks).collect()
    }

    fn reserved(&self, at: &Arc<str>, task: &Publish) -> Option<u64> {
        let lives =
            self.runs[at].sim.state.scopes.values().flat_map(|marking| marking.live.values());
        lives.filter(|live| live.cell == task.cell).find_map(|live| Some(live.reserved?.usd))
    }

    fn make(&mut self, next: Move) {
        let agents = self.agents();
        let agent = |at: usize| (!agents.is_empty()).then(|| agents[at % agents.len()].clone());
        match next {
            Move::Reserve(at, most) => {
                let Some((run, task)) = agent(at) else { return };
                let (instance, fence, amount) = (task.instance, task.fence, usd(most));
                self.take(
                    &run,
                    Input::Reserve { instance, fence, amount, kept: None, short: None },
                );
            }
            Move::Book(at, share) => {
                let Some((run, task)) = agent(at) else { return };
                let Some(open) = self.reserved(&run, &task) else { return };
                let (instance, fence, amount) =
                    (task.instance, task.fence, usd(open * share / 100));
                assert_eq!(
                    self.take(&run, Input::Book { instance, fence, amount }),
                    Verdict::Applied
                );
            }
            Move::Answer(at) | Move::Stumble(at) => {
                let Some((run, task)) = agent(at) else { return };
                let error = NodeError::new("model_cut", "x");
                let result = match next {
                    Move::Answer(_) => Answer::Output(Arc::new(json!({"text": "x"}))),
                    _ => Answer::Error { error, retryable: true },
                };
                let (instance, fence) = (task.instance, task.fence);
                self.take(&run, Input::Settled { instance, fence, result });
            }
            Move::Lose(at) => {
                let Some((run, task)) = agent(at) else { return };
                let (instance, fence) = (task.instance, task.fence);
                self.take(&run, Input::Lost { instance, fence, begun: true });
            }
            Move::Hear(at, twice) => {
                if self.words.is_empty() {
                    return;
                }
                let (run, word) = self.words.remove(at % self.words.len());
                self.take(&run, word.clone());
                if twice {
                    self.take(&run, word);
                }
            }
            Move::Time(at) => {
                let near = |due: Due| matches!(due, Due::Backoff | Due::Timeout | Due::Grace);
                let timers = self.runs.iter().flat_map(|(id, run)| {
                    let own = run.sim.timers.iter().filter(|(timer, _)| near(timer.what));
                    own.map(|(timer, due)| (id.clone(), timer.clone(), *due))
                });
                let timers: Vec<_> = timers.collect();
                let Some((id, timer, due)) = timers.get(at % timers.len().max(1)).cloned() else {
                    return;
                };
                if let Some(run) = self.runs.get_mut(&id) {
                    run.sim.timers.remove(&timer);
                    run.sim.now.time = run.sim.now.time.max(due);
                }
                self.take(&id, Input::Timer(timer));
            }
            Move::Raise(_) if self.runs[&self.top].sim.state.is_ended() => {}
            Move::Raise(by) => {
                self.cap += by;
                let cap = Cap { usd: Some(self.cap), ..Cap::default() };
                let by = "user:bob".to_owned();
                let top = self.top.clone();
                self.take(&top, Input::Cap { agent: String::new(), cap, by, reason: None });
            }
            Move::Stop(at) => {
                let waiting = self.waiting();
                let Some((run, instance)) = waiting.get(at % waiting.len().max(1)).cloned() else {
                    return;
                };
                let decision = Decision {
                    instance,
                    ticket: None,
                    answer: Reply::Reject,
                    by: "user:bob".into(),
                    groups: Vec::new(),
                    reason: None,
                };
                assert_eq!(self.take(&run, Input::Decision(decision)), Verdict::Applied);
            }
            Move::Grow(at) => {
                let ids: Vec<_> = self.runs.keys().cloned().collect();
                self.grow(&ids[at % ids.len()]);
            }
            Move::Cancel(at, now) => {
                let ids: Vec<_> = self.runs.keys().cloned().collect();
                let id = ids[at % ids.len()].clone();
                let mode = if now { CancelMode::Now } else { CancelMode::Graceful };
                let out = agents.iter().filter(|(run, _)| *run == id);
                let claimed = out.map(|(_, task)| task.instance.clone()).collect();
                let by = "user:bob".to_owned();
                self.take(&id, Input::Cancel { mode, by, reason: None, claimed });
            }
        }
    }

    /// A patch that adds an agent: taken, if the run may have one more.
    fn grow(&mut self, id: &Arc<str>) {
        let (spec, _) = self.paths[id];
        let Some(run) = self.runs.get_mut(id) else { return };
        let revision = run.sim.state.head.revision;
        let more: String = (0..=revision)
            .map(|n| format!("{{id: g{n}, type: agent, onError: continue, config: {{model: a/b, prompt: p}}}},"))
            .collect();
        let spec = spec.replacen("nodes: [", &format!("nodes: [{more}"), 1);
        let ir = Arc::new(compiled(&spec, &ceiling()).expect("it compiles"));
        let candidate = Candidate {
            id: format!("patch_{revision}"),
            operations: String::new(),
            ir,
            cancel: Vec::new(),
            approves: Vec::new(),
            by: "user:eve".to_owned(),
            reason: None,
            undoes: None,
            verdicts: Vec::new(),
        };
        let known = run.sim.children.len();
        let claimed: Vec<String> = run.out();
        if let Err(issues) = run.sim.patch(&candidate, &claimed) {
            let codes: Vec<&str> = issues.iter().map(|issue| issue.entry.name).collect();
            assert!(matches!(codes[..], ["PATCH_LIMIT" | "PATCH_OVER"]), "{issues:?}");
        }
        let children = run.sim.children[known..].to_vec();
        self.begin(children);
        self.check();
    }

    /// Agents that ever were: those of a workflow once for all runs at a place, those of patches for each.
    fn agents_ever(&self) -> usize {
        let of = |(id, run): (&Arc<str>, &Run)| -> Vec<String> {
            let head = &run.sim.state.head;
            let ir = run.sim.irs.get(head.revision).expect("the graph");
            let ids = ir.nodes.iter().filter(|node| node.is_agent()).map(|node| node.id.clone());
            let (_, path) = &self.paths[id];
            let place = |agent: &str| match agent.starts_with('g') {
                true => format!("{id} {agent}"),
                false => format!("{path} {agent}"),
            };
            ids.map(|agent| place(&agent)).collect()
        };
        self.runs.iter().flat_map(of).collect::<BTreeSet<_>>().len()
    }

    fn waiting(&self) -> Vec<(Arc<str>, String)> {
        let of = |(id, run): (&Arc<str>, &Run)| {
            let open = open_tickets(&run.sim).into_iter();
            let open = open.filter(|(_, asks)| *asks == Asks::Budget);
            open.map(|(at, _)| (id.clone(), at)).collect::<Vec<_>>()
        };
        self.runs.iter().flat_map(of).collect()
    }

    /// What the agents of all runs have been charged, and may yet be for questions under way.
    fn paid(&self) -> u64 {
        let of = |run: &Run| {
            let state = &run.sim.state;
            let ir = run.sim.irs.get(state.head.revision).expect("the graph");
            let is_agent = |id: &str| ir.find(id).is_some_and(|ix| ir.node(ix).is_agent());
            let spent = state.head.spent.iter().filter(|(id, _)| is_agent(id));
            let spent: u64 = spent.map(|(_, amount)| amount.usd).sum();
            let lives = state.scopes.values().flat_map(|marking| marking.live.values());
            let own = lives.filter(|live| live.child.is_none());
            spent + own.filter_map(|live| Some(live.reserved?.usd)).sum::<u64>()
        };
        self.runs.values().map(of).sum()
    }

    /// Used and reserved at the top.
    fn top(&self) -> (u64, u64) {
        let run = &self.runs[&self.top];
        let budget = run_budget(&run.sim.state, &run.sim.irs.get(0).expect("the graph").limits);
        assert_eq!(budget.cap.usd, Some(self.cap));
        (budget.used.usd, budget.reserved.usd)
    }

    fn check(&self) {
        let (used, reserved) = self.top();
        assert!(used + reserved <= self.cap, "{used} and {reserved} of {}", self.cap);
        let paid = self.paid();
        assert!(paid <= self.cap, "{paid} are paid of {}", self.cap);
        assert!(paid <= used + reserved, "{paid} are paid, {used} and {reserved} are in the books");
        let state = &self.runs[&self.top].sim.state;
        let (agents, starts) = (state.agents_taken().all(), state.starts_taken().all());
        assert!(agents <= AGENTS && starts <= STARTS, "{agents} agents, {starts} starts");
        let ever = self.agents_ever();
        assert!(ever <= agents as usize, "there were {ever} agents, {agents} are counted");
        let started: u32 = self.runs.values().map(|run| run.sim.state.head.agent_starts).sum();
        assert!(started <= starts, "{started} were started, {starts} are counted");
    }

    /// All runs come to their end, and the books hold what was paid.
    fn finish(&mut self) {
        for _ in 0..4_000 {
            if self.runs.values().all(|run| run.sim.state.is_ended()) {
                let (used, reserved) = self.top();
                assert_eq!(reserved, 0, "an ended run holds nothing");
                let state = &self.runs[&self.top].sim.state;
                assert_eq!((state.agents_taken().held, state.starts_taken().held), (0, 0));
                assert!(self.paid() <= used, "what was paid is booked");
                return;
            }
            let other = self.runs.iter().find_map(|(id, run)| {
                let task = run.sim.tasks.values().find(|task| &*task.node_type != "agent")?;
                Some((id.clone(), task.clone()))
            });
            if let Some((id, task)) = other {
                let result = work(&task);
                let (instance, fence) = (task.instance, task.fence);
                self.take(&id, Input::Settled { instance, fence, result });
            } else if !self.words.is_empty() {
                self.make(Move::Hear(0, false));
            } else if !self.agents().is_empty() {
                self.make(Move::Answer(0));
            } else if !self.waiting().is_empty() {
                self.make(Move::Stop(0));
            } else {
                self.make(Move::Time(0));
            }
        }
        let open = self.runs.values().filter(|run| !run.sim.state.is_ended());
        panic!("these do not end: {:?}", open.map(|run| &run.sim.state).collect::<Vec<_>>());
    }
}

fn ceiling() -> Ceiling {
    let bound = |most| Bound { default: most, most };
    Ceiling { agents: bound(50), agent_starts: bound(500), ..Ceiling::default() }
}

fn known() -> BTreeMap<String, Envelope> {
    let reach = |own, agents| Reach { own, agents, grows: true, digest: None }.entry();
    [("kid", reach(2, 3)), ("leaf", reach(1, 1))]
        .map(|(name, reach)| (Reach::key(name, None), reach))
        .into()
}

fn usd(usd: u64) -> Amount {
    Amount { usd, calls: 1, ..Amount::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn no_more_is_paid_and_no_more_agents_are_there_than_the_run_at_the_top_may_have(moves in moves()) {
        let mut tree = Tree::new();
        for next in moves {
            tree.make(next);
        }
        tree.finish();
    }
}

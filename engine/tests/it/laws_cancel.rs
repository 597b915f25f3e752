//! Laws that hold whatever people and clocks do: suspends, cancels, times that come, and answers that come
//! again, too late or from nowhere, at any moment.
//!
//! `AOB_CASES` sets how many workflows are tried (3,000 without it), `AOB_SEED` where they begin.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aob_engine::check::Ceiling;
use aob_engine::compile::compile;
use aob_engine::event::Change;
use aob_engine::registry::Registry;
use aob_engine::state::{
    Asks, CancelMode, EdgeState, Fence, NodeState, RunOutcome, instance_name, split_instance,
};
use aob_engine::step::{Answer, Decision, Due, Input, Now, Reply, Timer, Verdict};
use serde_json::{Value, json};

use crate::random::{Random, answer, number, workflow};
use crate::rules::context::loading;
use crate::simulate::{Simulation, open_tickets};

#[test]
fn a_run_ends_whatever_is_asked_of_it() {
    let cases = number("AOB_CASES").unwrap_or(3_000);
    let first = number("AOB_SEED").unwrap_or(1);
    let registry = Registry::builtin();
    let ceiling = Ceiling::default();
    let mut sums: BTreeMap<&'static str, u64> = BTreeMap::new();
    let (mut compiled, mut seed) = (0_u64, first);
    while compiled < cases {
        seed += 1;
        let mut random = Random(seed);
        let mut document = workflow(&mut random);
        harden(&mut document, &mut random);
        let Ok(ir) = compile(&document, &registry, &ceiling) else { continue };
        compiled += 1;
        let case = Case(seed, &document);
        let mut play = Play {
            run: Simulation::start(ir, json!({})),
            random,
            seed,
            tries: BTreeMap::new(),
            lost: BTreeMap::new(),
            old: Vec::new(),
            armed: BTreeSet::new(),
            sums: &mut sums,
        };
        play.drive();
        ended_well(&play.run);
        std::mem::forget(case);
    }
    println!("seeds {first}..={seed}: {compiled} workflows; {sums:?}");
    if cases >= 1_000 {
        for what in [
            "suspend", "resume", "graceful", "now", "duration", "grace", "finally", "late",
            "child", "stale", "batch",
        ] {
            assert!(
                sums.get(what).is_some_and(|count| *count > 10),
                "{what} was hardly tried: {sums:?}"
            );
        }
    }
}

/// Says which case it was when a check fails.
struct Case<'a>(u64, &'a Value);

impl Drop for Case<'_> {
    fn drop(&mut self) {
        println!(
            "AOB_SEED={} AOB_CASES=1\n{}",
            self.0 - 1,
            serde_json::to_string(self.1).unwrap_or_default()
        );
    }
}

/// Adds what the other laws leave out: timeouts, deadlines, several approvers, child runs, a duration.
fn harden(document: &mut Value, random: &mut Random) {
    document["spec"]["limits"] = json!({"duration": "2h"});
    for node in document["spec"]["nodes"].as_array_mut().into_iter().flatten() {
        match node["type"].as_str() {
            Some("foreach" | "loop") if random.once_in(4) => node["timeout"] = json!("1m"),
            Some("approval") => {
                if random.once_in(3) {
                    node["config"]["deadline"] = json!("1h");
                }
                if random.once_in(4) {
                    node["config"]["approvers"] = json!({"count": 2});
                }
            }
            Some("noop") if random.once_in(2) => {
                node["type"] = json!("workflow");
                node["config"] = json!({"name": "child"});
                if random.once_in(3) {
                    node["timeout"] = json!("1m");
                }
                if let Some(node) = node.as_object_mut() {
                    node.remove("retry");
                    node.remove("effect");
                }
            }
            _ => {}
        }
    }
}

struct Play<'s> {
    run: Simulation,
    random: Random,
    seed: u64,
    tries: BTreeMap<String, u64>,
    /// Fences of attempts whose outcome is unknown.
    lost: BTreeMap<String, Fence>,
    /// Inputs that were taken and must never be taken again.
    old: Vec<Input>,
    /// Every timer that was ever set.
    armed: BTreeSet<Timer>,
    sums: &'s mut BTreeMap<&'static str, u64>,
}

impl Play<'_> {
    fn drive(&mut self) {
        for _ in 0..5_000 {
            if self.run.state.is_ended() {
                self.replay();
                return;
            }
            match self.random.below(18) {
                0 => {
                    let on = !self.run.state.head.suspended;
                    self.count(if on { "suspend" } else { "resume" });
                    let verdicts =
                        self.take(vec![Input::Suspend { on, by: "user:ada".to_owned() }]);
                    assert_eq!(verdicts, [Verdict::Applied]);
                }
                1 if self.random.once_in(2) => {
                    let cancel = self.cancel();
                    self.take(vec![cancel]);
                }
                2 if self.run.state.head.cancel.is_some() || self.random.once_in(3) => {
                    self.run_time(true)
                }
                3..=5 => self.replay(),
                // The store began anew: what is published from now on has other fences.
                6 => self.run.now.epoch += 1,
                7 => self.batch(),
                _ => match self.next() {
                    Some(input) => {
                        self.take(vec![input]);
                    }
                    None if self.run.state.head.suspended => {
                        self.count("resume");
                        self.take(vec![Input::Suspend { on: false, by: "user:ada".to_owned() }]);
                    }
                    None => self.run_time(false),
                },
            }
        }
        panic!("the run does not end");
    }

    /// Several at once, in any order.
    fn batch(&mut self) {
        self.count("batch");
        let mut inputs: Vec<Input> = (0..2).filter_map(|_| self.next()).collect();
        match self.random.below(4) {
            0 => inputs.push(Input::Suspend {
                on: !self.run.state.head.suspended,
                by: "user:ada".to_owned(),
            }),
            1 if self.random.once_in(3) => inputs.push(self.cancel()),
            _ => {}
        }
        for at in 1..inputs.len() {
            let other = self.random.below(at + 1);
            inputs.swap(at, other);
        }
        if !inputs.is_empty() {
            self.take(inputs);
        }
    }

    fn take(&mut self, inputs: Vec<Input>) -> Vec<Verdict> {
        let (events, denials) = (self.run.events.len(), self.run.state.head.denials);
        let partly = self.random.once_in(8).then(|| {
            let now = Now { time: self.run.now.time + 1, ..self.run.now };
            loading(&self.run, &inputs, now).0.line
        });
        let verdicts = self.run.take(&inputs);
        let refused =
            inputs.iter().zip(&verdicts).filter(|(input, verdict)| match (input, verdict) {
                (Input::Decision(_), Verdict::Refused(..)) => true,
                (Input::Decision(asked), Verdict::Superseded | Verdict::Unknown) => {
                    asked.ticket.is_some()
                }
                _ => false,
            });
        let refused = refused.count();
        assert_eq!((self.run.state.head.denials - denials) as usize, refused, "each is told");
        let changed = refused > 0 || verdicts.contains(&Verdict::Applied);
        assert_eq!(
            self.run.events.len(),
            events + usize::from(changed),
            "an event if anything was applied or refused: {verdicts:?}"
        );
        if let (Some(line), true) = (partly, changed) {
            let whole = self.run.events.last().map(|(_, line)| line.clone()).unwrap_or_default();
            assert_eq!(
                String::from_utf8_lossy(&line),
                String::from_utf8_lossy(&whole),
                "what is not asked for is not read"
            );
        }
        self.armed.extend(self.run.timers.keys().cloned());
        for (input, verdict) in inputs.into_iter().zip(&verdicts) {
            match &input {
                Input::Cancel { mode: CancelMode::Now, .. } if *verdict == Verdict::Applied => {
                    assert!(self.run.state.is_ended(), "now is in one commit");
                }
                Input::Cancel { .. }
                | Input::Suspend { .. }
                | Input::Decision(Decision { ticket: None, .. }) => {}
                Input::Lost { instance, fence, begun: true } if *verdict == Verdict::Applied => {
                    self.lost.insert(instance.clone(), *fence);
                    self.old.push(input);
                }
                _ => self.old.push(input),
            }
        }
        verdicts
    }

    /// Something that was answered before, or a time that nobody waits for any more: nothing comes of it.
    fn replay(&mut self) {
        let gone: Vec<Timer> = self
            .armed
            .iter()
            .filter(|timer| !self.run.timers.contains_key(*timer))
            .cloned()
            .collect();
        let choice = self.random.below(self.old.len() + gone.len());
        let input = match (self.old.get(choice), gone.get(choice.saturating_sub(self.old.len()))) {
            (Some(old), _) => old.clone(),
            (None, Some(timer)) => Input::Timer(timer.clone()),
            (None, None) => return,
        };
        self.count("stale");
        let verdict = self.run.take(std::slice::from_ref(&input)).remove(0);
        assert_ne!(verdict, Verdict::Applied, "it counts once: {input:?}");
        if self.run.state.is_ended() {
            assert_eq!(verdict, Verdict::Ended);
        }
    }

    fn cancel(&mut self) -> Input {
        let mode = if self.random.once_in(3) { CancelMode::Now } else { CancelMode::Graceful };
        self.count(if mode == CancelMode::Now { "now" } else { "graceful" });
        let out: Vec<String> = self.run.tasks.values().map(|task| task.instance.clone()).collect();
        let claimed = out.into_iter().filter(|_| !self.random.once_in(4)).collect();
        Input::Cancel { mode, by: "user:ada".to_owned(), reason: None, claimed }
    }

    /// A time of the run itself; `any`: its duration too, though something else could go on.
    fn run_time(&mut self, any: bool) {
        let timers: Vec<(Timer, u64)> = self
            .run
            .timers
            .iter()
            .filter(|(timer, _)| timer.instance.is_empty() && (any || timer.what != Due::Duration))
            .map(|(timer, due)| (timer.clone(), *due))
            .collect();
        let Some((timer, due)) = timers.get(self.random.below(timers.len())).cloned() else {
            assert!(any, "nothing can move the run: {:?}", self.run.state);
            return;
        };
        self.run.now.time = self.run.now.time.max(due);
        self.run.timers.remove(&timer);
        let what = match timer.what {
            Due::Duration => "duration",
            Due::Grace => "grace",
            _ => "finally",
        };
        if self.take(vec![Input::Timer(timer)]) == [Verdict::Applied] {
            self.count(what);
        }
    }

    /// Something that moves the run, if anything does.
    fn next(&mut self) -> Option<Input> {
        let tickets = open_tickets(&self.run);
        let children = children(&self.run);
        let timers: Vec<Timer> =
            self.run.timers.keys().filter(|timer| !timer.instance.is_empty()).cloned().collect();
        let mut choice =
            self.random.below(self.run.tasks.len() + tickets.len() + children.len() + timers.len());
        if let Some(task) = self.run.tasks.values().nth(choice).cloned() {
            if self.random.once_in(8) {
                let begun = self.random.once_in(2);
                return Some(Input::Lost { instance: task.instance, fence: task.fence, begun });
            }
            let result = self.result(&task.instance);
            return Some(Input::Settled { instance: task.instance, fence: task.fence, result });
        }
        choice -= self.run.tasks.len();
        if let Some((instance, asks)) = tickets.get(choice) {
            return Some(self.reply(instance, *asks));
        }
        choice -= tickets.len();
        if let Some((instance, fence)) = children.get(choice).cloned() {
            self.count("child");
            let result = self.result(&instance);
            return Some(Input::Settled { instance, fence, result });
        }
        let timer = timers.get(choice - children.len())?.clone();
        self.run.now.time = self.run.now.time.max(self.run.timers.remove(&timer)?);
        Some(Input::Timer(timer))
    }

    fn result(&mut self, instance: &str) -> Answer {
        let failures = self.tries.entry(instance.to_owned()).or_default();
        let result = answer(self.seed, instance, *failures);
        *failures += u64::from(matches!(result, Answer::Error { .. }));
        result
    }

    fn reply(&mut self, instance: &str, asks: Asks) -> Input {
        if asks == Asks::Unknown
            && self.random.once_in(2)
            && let Some(fence) = self.lost.get(instance).copied()
        {
            self.count("late");
            return Input::Settled {
                instance: instance.to_owned(),
                fence,
                result: self.result(instance),
            };
        }
        let tries = self.tries.entry(format!("{instance} answered")).or_default();
        *tries += 1;
        let ir = self.run.irs.get(0).expect("the revision");
        let container =
            ir.find(split_instance(instance).1).is_some_and(|ix| ir.node(ix).kind.body().is_some());
        let may_retry = *tries < 4 && !container;
        let reply = match (asks, self.random.below(3)) {
            (Asks::Gate, 0) => Reply::Reject,
            (Asks::Gate, _) => Reply::Approve(None),
            (_, 0) => Reply::Settle(Arc::new(json!({"settled": true}))),
            (_, 1) if may_retry => Reply::Retry,
            _ => Reply::Fail,
        };
        let ticket = self.random.once_in(2).then(|| ticket(&self.run, instance)).flatten();
        Input::Decision(Decision {
            instance: instance.to_owned(),
            ticket,
            answer: reply,
            by: format!("user:u{}", self.random.below(3)),
            groups: Vec::new(),
            reason: None,
        })
    }

    fn count(&mut self, what: &'static str) {
        *self.sums.entry(what).or_default() += 1;
    }
}

/// Child runs that are waited for, with the fence that their answers carry.
fn children(run: &Simulation) -> Vec<(String, Fence)> {
    let mut found = Vec::new();
    for (scope, marking) in &run.state.scopes {
        let ir = run.irs.get(marking.revision).expect("the revision");
        for (slot, live) in &marking.live {
            if live.child.is_some() && marking.nodes[*slot as usize] == NodeState::Active {
                let id = &ir.node(ir.body(marking.body).nodes.start + slot).id;
                found.push((instance_name(scope, id), live.fence));
            }
        }
    }
    found
}

fn ticket(run: &Simulation, instance: &str) -> Option<String> {
    let (scope, id) = split_instance(instance);
    let marking = run.state.scopes.get(scope)?;
    let ir = run.irs.get(marking.revision).ok()?;
    let live = marking.live.get(&(ir.slot(ir.find(id)?) as u32))?;
    live.ticket.as_ref().map(|ticket| ticket.id.to_string())
}

/// Everything settled once, nothing was given out when nothing might be, and the outcome is what was asked for.
fn ended_well(run: &Simulation) {
    let mut settled: BTreeMap<&str, u32> = BTreeMap::new();
    let (mut suspended, mut over, mut cancel, mut in_finally) = (false, false, None, false);
    let mut cut = false;
    for (event, line) in &run.events {
        let public = serde_json::from_slice::<aob_schema::Event>(line);
        assert!(public.is_ok(), "every event is of the schema's form: {public:?}");
        let before = over;
        for change in &event.changes {
            match change {
                Change::Settled { at, .. } => *settled.entry(at).or_default() += 1,
                Change::Suspended { on } => suspended = *on,
                Change::Published { at, .. } | Change::Child { at, .. } => {
                    assert!(!suspended, "{at} was given out while suspended");
                    assert!(!before || at.starts_with("finally/"), "{at} was given out in a drain");
                }
                Change::Failing { scope, .. } => over |= scope.is_empty(),
                Change::Cancelled { mode, outcome, .. } => {
                    over = true;
                    cut |= in_finally && *outcome == RunOutcome::Cancelled;
                    if !in_finally {
                        cancel = Some((*mode, *outcome));
                    }
                }
                Change::Finally { .. } => in_finally = true,
                _ => {}
            }
        }
    }
    for (at, times) in settled {
        assert_eq!(times, 1, "{at} settled");
    }
    for marking in run.state.scopes.values() {
        assert!(marking.nodes.iter().all(|state| state.is_settled()), "everything has settled");
        assert!(
            marking.edges.iter().all(|state| *state != EdgeState::Unsettled),
            "every edge has settled"
        );
        assert!(marking.live.is_empty(), "nothing is live");
    }
    if cut {
        // A success whose exit handler was cut short.
        assert_eq!(run.state.head.outcome, Some(RunOutcome::Cancelled));
    } else if let Some((mode, outcome)) = cancel {
        assert_eq!(run.state.head.outcome, Some(outcome));
        assert!(mode == CancelMode::Graceful || !in_finally, "now leaves the exit handler out");
    } else {
        assert_ne!(run.state.head.outcome, Some(RunOutcome::Cancelled));
    }
    assert_eq!(run.state.head.tokens, 0);
}

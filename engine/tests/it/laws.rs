//! Laws that hold for every workflow, every answer and every order of completions.
//!
//! `AOB_CASES` sets how many workflows are tried (20,000 without it), `AOB_SEED` where they begin.

use std::collections::BTreeMap;

use aob_engine::check::Ceiling;
use aob_engine::compile::compile;
use aob_engine::event::{Change, Settled};
use aob_engine::registry::Registry;
use aob_engine::state::{Asks, EdgeState, NodeState, RunOutcome};
use aob_engine::step::{Answer, Decision, Input, Reply, Verdict};
use serde_json::{Value, json};

use crate::random::{Random, answer, number, reply_to, workflow};
use crate::simulate::{Simulation, open_tickets};

#[test]
fn every_order_leads_to_the_same_end() {
    let cases = number("AOB_CASES").unwrap_or(20_000);
    let first = number("AOB_SEED").unwrap_or(1);
    let registry = Registry::builtin();
    let ceiling = Ceiling::default();
    let (mut compiled, mut failed, mut steps) = (0_u64, 0_u64, 0_usize);
    let mut seed = first;
    while compiled < cases {
        seed += 1;
        let document = workflow(&mut Random(seed));
        let (Ok(one), Ok(two)) =
            (compile(&document, &registry, &ceiling), compile(&document, &registry, &ceiling))
        else {
            continue;
        };
        compiled += 1;
        let told = Told(seed, &document);
        let mut a = Simulation::start(one, json!({}));
        steps += drive(&mut a, seed, &mut Random(seed ^ 0xaaaa), true);
        let mut b = Simulation::start(two, json!({}));
        steps += drive(&mut b, seed, &mut Random(seed ^ 0x5555), false);
        assert_eq!(a.state.head.outcome, b.state.head.outcome, "outcome of the run");
        if a.state.head.outcome == Some(RunOutcome::Failed) {
            failed += 1;
        } else {
            // Which of two failures of an item came first is in the item's error, and so in outputs after it.
            let outputs = !(item_failed(&a) || item_failed(&b));
            assert_eq!(ends(&a, outputs), ends(&b, outputs), "ends of instances and edges");
        }
        told.done();
    }
    println!("seeds {first}..={seed}: {compiled} workflows, {failed} failed runs, {steps} steps");
    assert!(compiled * 5 > seed - first, "at least a fifth of the generated workflows compiles");
    assert!(
        failed * 20 > compiled && failed * 2 < compiled * 2,
        "runs fail and succeed: {failed} of {compiled}"
    );
}

/// Says which case it was when a check fails.
struct Told<'a>(u64, &'a Value);

impl Told<'_> {
    fn done(self) {
        std::mem::forget(self);
    }
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        println!(
            "AOB_SEED={} AOB_CASES=1\n{}",
            self.0 - 1,
            serde_json::to_string(self.1).unwrap_or_default()
        );
    }
}

/// Drives a run to its end; what is chosen next is random, what is answered is fixed.
fn drive(run: &mut Simulation, seed: u64, random: &mut Random, rough: bool) -> usize {
    let mut tries: BTreeMap<String, u64> = BTreeMap::new();
    let mut losses: BTreeMap<String, u64> = BTreeMap::new();
    for step in 0..10_000 {
        if run.state.is_ended() {
            once(run);
            return step;
        }
        let tickets: Vec<(String, Asks)> = open_tickets(run);
        let timers = run.timers.keys().filter(|timer| !timer.instance.is_empty()).count();
        let choice = random.below(run.tasks.len() + tickets.len() + timers.min(1));
        if choice < run.tasks.len() {
            let task = run.tasks.values().nth(choice).cloned().expect("a task");
            let lost = losses.entry(task.instance.clone()).or_default();
            if rough && *lost < 2 && random.once_in(10) {
                *lost += 1;
                let begun = random.once_in(2);
                let input =
                    Input::Lost { instance: task.instance.clone(), fence: task.fence, begun };
                assert_eq!(run.take(std::slice::from_ref(&input)), [Verdict::Applied]);
                assert_ne!(run.take(&[input]), [Verdict::Applied], "a loss counts once");
                continue;
            }
            let failures = tries.entry(task.instance.clone()).or_default();
            let answer = answer(seed, &task.instance, *failures);
            if matches!(answer, Answer::Error { .. }) {
                *failures += 1;
            }
            let first = Input::Settled {
                instance: task.instance.clone(),
                fence: task.fence,
                result: answer,
            };
            if rough && random.once_in(4) && run.tasks.len() > 1 {
                // Two completions in one step, and one of them twice.
                let other = run
                    .tasks
                    .values()
                    .find(|other| other.cell != task.cell)
                    .cloned()
                    .expect("another task");
                let failures = tries.entry(other.instance.clone()).or_default();
                let answered = crate::random::answer(seed, &other.instance, *failures);
                if matches!(answered, Answer::Error { .. }) {
                    *failures += 1;
                }
                let second = Input::Settled {
                    instance: other.instance.clone(),
                    fence: other.fence,
                    result: answered,
                };
                let verdicts = run.take(&[first.clone(), first, second]);
                assert_eq!(verdicts[0], Verdict::Applied);
                assert_ne!(verdicts[1], Verdict::Applied, "a completion counts once");
            } else {
                assert_eq!(run.take(std::slice::from_ref(&first)), [Verdict::Applied]);
                let again = run.take(&[first])[0].clone();
                assert_ne!(again, Verdict::Applied, "a completion counts once");
            }
        } else if choice < run.tasks.len() + tickets.len() {
            let (instance, asks) = &tickets[choice - run.tasks.len()];
            let reply = reply_to(seed, instance, *asks, &mut tries);
            let scope = aob_engine::state::split_instance(instance).1;
            let ir = run.irs.get(0).expect("the revision").clone();
            let container = ir.find(scope).is_some_and(|ix| ir.node(ix).kind.body().is_some());
            let mut decision = Decision {
                instance: instance.clone(),
                ticket: None,
                answer: reply.clone(),
                by: "user:bob".to_owned(),
                groups: Vec::new(),
                reason: None,
            };
            if container && reply == Reply::Retry {
                let refused = run.take(&[Input::Decision(decision.clone())]);
                assert!(
                    matches!(refused[0], Verdict::Refused(..)),
                    "a container is not tried again: {refused:?}"
                );
                decision.answer = Reply::Fail;
            }
            assert_eq!(run.take(&[Input::Decision(decision)]), [Verdict::Applied]);
        } else {
            let timer = next_own_timer(run);
            let verdict = run.take(&[Input::Timer(timer)])[0].clone();
            assert_eq!(verdict, Verdict::Applied, "a timer that is set is wanted");
        }
    }
    panic!("the run does not end");
}

/// The node timer that is due first; the run's own ones are not what is tried here.
fn next_own_timer(run: &mut Simulation) -> aob_engine::step::Timer {
    let own: Vec<_> = run.timers.iter().filter(|(timer, _)| !timer.instance.is_empty()).collect();
    let (timer, due) =
        own.into_iter().min_by_key(|(timer, due)| (**due, (*timer).clone())).expect("a timer");
    let (timer, due) = (timer.clone(), *due);
    run.now.time = run.now.time.max(due);
    run.timers.remove(&timer);
    timer
}

/// How every instance and edge of the root and the exit handler ended; a taken and an absorbed edge are one.
fn ends(run: &Simulation, outputs: bool) -> BTreeMap<String, String> {
    let mut ends = BTreeMap::new();
    for (event, _) in &run.events {
        for change in &event.changes {
            match change {
                Change::Settled { at, outcome, digest, .. } if !at.contains('[') => {
                    let digest = digest.as_ref().filter(|_| outputs);
                    ends.insert(at.clone(), format!("{outcome:?} {digest:?}"));
                }
                Change::Edge { scope, edge, state } if !scope.contains('[') => {
                    let followed = *state != EdgeState::Dead;
                    ends.insert(format!("{scope}/{edge}"), followed.to_string());
                }
                _ => {}
            }
        }
    }
    ends
}

fn item_failed(run: &Simulation) -> bool {
    let mut changes = run.events.iter().flat_map(|(event, _)| &event.changes);
    changes.any(|change| matches!(change, Change::Failing { scope, .. } if scope.contains('[')))
}

/// Every instance began at most once and settled exactly once; every edge settled once.
fn once(run: &Simulation) {
    let mut settled: BTreeMap<&str, u32> = BTreeMap::new();
    let mut begun: BTreeMap<&str, u32> = BTreeMap::new();
    for (event, line) in &run.events {
        let public = serde_json::from_slice::<aob_schema::Event>(line);
        assert!(
            public.is_ok(),
            "every event is of the schema's form: {public:?} {}",
            String::from_utf8_lossy(line)
        );
        for change in &event.changes {
            match change {
                Change::Settled { at, .. } => *settled.entry(at).or_default() += 1,
                Change::Published { at, attempt: 1 }
                | Change::Begun { at, .. }
                | Change::Delayed { at, .. } => {
                    *begun.entry(at).or_default() += 1;
                }
                Change::Waiting { at, asks: Asks::Gate, .. } => *begun.entry(at).or_default() += 1,
                Change::IterationEnded { outcome: Settled::Skipped | Settled::Passed, .. } => {
                    panic!("an iteration succeeds, fails or is cancelled");
                }
                _ => {}
            }
        }
    }
    // A gate or container that a person lets try again begins again.
    let retried = run
        .events
        .iter()
        .flat_map(|(event, _)| &event.changes)
        .any(|change| matches!(change, Change::Answered { answer, .. } if answer == "retry"));
    for (at, times) in begun {
        assert!(times == 1 || retried, "{at} began {times} times");
    }
    for (at, times) in settled {
        assert_eq!(times, 1, "{at} settled");
    }
    for marking in run.state.scopes.values() {
        assert!(
            marking.nodes.iter().all(|state| NodeState::is_settled(*state)),
            "everything has settled"
        );
        assert!(
            marking.edges.iter().all(|state| *state != EdgeState::Unsettled),
            "every edge has settled"
        );
    }
}

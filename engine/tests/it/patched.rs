//! L3: a run that is patched at will ends as a run that was started on the final graph and whose nodes answered
//! the same, in the same order.
//!
//! `AOB_CASES` sets how many patched runs are tried (20,000 without it), `AOB_SEED` where they begin.

use std::collections::BTreeMap;
use std::sync::Arc;

use aob_engine::check::Ceiling;
use aob_engine::compile::compile;
use aob_engine::event::Change;
use aob_engine::ir::Ir;
use aob_engine::registry::Registry;
use aob_engine::route::Candidate;
use aob_engine::state::{EdgeState, NodeState, split_instance};
use aob_engine::step::{Answer, Decision, Input, Reply, Verdict};
use serde_json::json;

use crate::laws::{answer, number, open_tickets, reply_to};
use crate::random::{Random, flat, mutate};
use crate::simulate::Simulation;

/// One answer as it was given: enough to give it again.
#[derive(Clone, Debug)]
enum Given {
    Answered(String, Answer),
    BackoffOver(String),
    Delayed(String),
    Decided(String, Reply),
}

#[test]
fn a_patched_run_ends_as_one_started_on_the_final_graph() {
    let cases = number("AOB_CASES").unwrap_or(20_000);
    let first = number("AOB_SEED").unwrap_or(1);
    let registry = Registry::builtin();
    let ceiling = Ceiling::default();
    let (mut runs, mut tried, mut accepted, mut compared) = (0_u64, 0_u64, 0_u64, 0_u64);
    let mut refusals: BTreeMap<&'static str, u64> = BTreeMap::new();
    let mut seed = first;
    while runs < cases {
        seed += 1;
        let mut random = Random(seed);
        let mut document = flat(&mut random);
        let Ok(ir) = compile(&document, &registry, &ceiling) else { continue };
        runs += 1;
        let mut story = Story { seed, lines: vec![document.to_string()] };
        let mut run = Simulation::start(ir, json!({}));
        let mut given: Vec<Given> = Vec::new();
        let mut tries = BTreeMap::new();
        let mut claimed: Vec<String> = Vec::new();
        let mut patches = 0;
        for _ in 0..400 {
            if run.state.is_ended() {
                break;
            }
            claimed.retain(|name| run.tasks.values().any(|task| task.instance == *name));
            match random.below(8) {
                0 | 1 if patches < 6 => {
                    let changed = mutate(&mut random, &document, patches);
                    patches += 1;
                    let Ok(ir) = compile(&changed, &registry, &ceiling) else { continue };
                    if ir.digest == run.state.head.digest.to_string() {
                        continue;
                    }
                    tried += 1;
                    story.lines.push(format!("patch {patches} on claimed {claimed:?}: {changed}"));
                    match run.patch(&candidate(ir, patches), &claimed) {
                        Ok(()) => {
                            accepted += 1;
                            document = changed;
                            story.lines.push("  accepted".to_owned());
                        }
                        Err(issues) => {
                            for issue in &issues {
                                *refusals.entry(issue.entry.name).or_default() += 1;
                            }
                            story.lines.push(format!("  refused: {}", issues[0]));
                        }
                    }
                }
                2 => {
                    if let Some(task) = run.tasks.values().nth(random.below(run.tasks.len().max(1)))
                        && !claimed.contains(&task.instance)
                    {
                        claimed.push(task.instance.clone());
                    }
                }
                _ => {
                    if let Some(next) = choose(&mut run, seed, &mut random, &mut tries, &claimed) {
                        story.lines.push(format!("{next:?}"));
                        given.push(next);
                    }
                }
            }
        }
        // Whatever is left is claimed and answered, without further patches.
        for _ in 0..400 {
            if run.state.is_ended() {
                break;
            }
            if let Some(next) = choose(&mut run, seed, &mut random, &mut tries, &[]) {
                story.lines.push(format!("{next:?}"));
                given.push(next);
            }
        }
        assert!(run.state.is_ended(), "the patched run ends");
        let Ok(ir) = compile(&document, &registry, &ceiling) else {
            panic!("an accepted graph compiles")
        };
        let mut fresh = Simulation::start(ir, json!({}));
        for one in &last_answers(given) {
            story.lines.push(format!("on the final graph: {one:?}"));
            give(&mut fresh, one);
        }
        compared += 1;
        assert_eq!(view(&run), view(&fresh), "the same ends");
        assert_eq!(run.state.head.outcome, fresh.state.head.outcome, "the same outcome");
        std::mem::forget(story);
    }
    println!(
        "seeds {first}..={seed}: {runs} runs, {tried} patches, {accepted} accepted, {compared} compared; refusals {refusals:?}"
    );
    assert!(
        accepted * 3 >= tried,
        "at least a third of the patches is accepted: {accepted} of {tried}"
    );
}

fn candidate(ir: Ir, number: usize) -> Candidate {
    Candidate {
        id: format!("patch_{number}"),
        operations: format!("sha256:{number:064x}"),
        ir: Arc::new(ir),
        cancel: Vec::new(),
        approves: Vec::new(),
        by: "user:eve".to_owned(),
        reason: None,
        undoes: None,
        verdicts: Vec::new(),
    }
}

/// Gives the next answer, of a claimed task, a timer or a ticket.
fn choose(
    run: &mut Simulation,
    seed: u64,
    random: &mut Random,
    tries: &mut BTreeMap<String, u64>,
    claimed: &[String],
) -> Option<Given> {
    let tasks: Vec<_> = run
        .tasks
        .values()
        .filter(|task| claimed.is_empty() || claimed.contains(&task.instance))
        .cloned()
        .collect();
    let tickets = open_tickets(run);
    let timers: Vec<_> =
        run.timers.keys().filter(|timer| !timer.instance.is_empty()).cloned().collect();
    let choice = random.below(tasks.len() + tickets.len() + timers.len());
    if let Some(task) = tasks.get(choice) {
        let failures = tries.entry(task.instance.clone()).or_default();
        let answer = answer(seed, &task.instance, *failures);
        *failures += u64::from(matches!(answer, Answer::Error { .. }));
        let input = Input::Settled {
            instance: task.instance.clone(),
            fence: task.fence,
            result: answer.clone(),
        };
        assert_eq!(run.take(&[input]), [Verdict::Applied]);
        return Some(Given::Answered(task.instance.clone(), answer));
    }
    if let Some((instance, asks)) = tickets.get(choice.wrapping_sub(tasks.len())) {
        let mut reply = reply_to(seed, instance, *asks, tries);
        if reply == Reply::Retry {
            // A try that a person adds is in no graph: what it counts as is the rules' business, not this law's.
            reply = Reply::Settle(std::sync::Arc::new(json!({"settled": "by hand"})));
        }
        let input = Input::Decision(decision(instance, &reply));
        assert_eq!(run.take(&[input]), [Verdict::Applied]);
        return Some(Given::Decided(instance.clone(), reply));
    }
    let timer = timers.get(choice.checked_sub(tasks.len() + tickets.len())?)?.clone();
    let due = run.timers.remove(&timer).unwrap_or_default();
    run.now.time = run.now.time.max(due);
    assert_eq!(run.take(&[Input::Timer(timer.clone())]), [Verdict::Applied]);
    Some(match timer.what {
        aob_engine::step::Due::Backoff => Given::BackoffOver(timer.instance),
        _ => Given::Delayed(timer.instance),
    })
}

/// An answer on which the instance paused, and that a person then replaced by another, counts as that other one.
fn last_answers(given: Vec<Given>) -> Vec<Given> {
    let mut kept: Vec<Given> = Vec::new();
    for one in given {
        let Given::Decided(instance, Reply::Settle(output)) = &one else {
            kept.push(one);
            continue;
        };
        let paused = kept
            .iter()
            .rposition(|known| matches!(known, Given::Answered(name, _) if name == instance));
        match paused {
            Some(at) => {
                kept.remove(at);
                kept.push(Given::Answered(instance.clone(), Answer::Output(output.clone())));
            }
            None => kept.push(one),
        }
    }
    kept
}

/// Gives an answer again: every element is accepted.
fn give(run: &mut Simulation, one: &Given) {
    match one {
        Given::Answered(instance, answer) => {
            let task = run.tasks.values().find(|task| task.instance == *instance).cloned();
            let task = task.unwrap_or_else(|| panic!("{instance} is out on the final graph"));
            assert_eq!(run.complete(&task, answer.clone()), Verdict::Applied);
        }
        Given::BackoffOver(instance) | Given::Delayed(instance) => {
            let timer = run.timers.keys().find(|timer| timer.instance == *instance).cloned();
            let timer = timer.unwrap_or_else(|| panic!("{instance} waits on the final graph"));
            let due = run.timers.remove(&timer).unwrap_or_default();
            run.now.time = run.now.time.max(due);
            assert_eq!(run.take(&[Input::Timer(timer)]), [Verdict::Applied]);
        }
        Given::Decided(instance, reply) => {
            assert_eq!(run.take(&[Input::Decision(decision(instance, reply))]), [Verdict::Applied]);
        }
    }
}

fn decision(instance: &str, reply: &Reply) -> Decision {
    Decision {
        instance: instance.to_owned(),
        ticket: None,
        answer: reply.clone(),
        by: "user:bob".to_owned(),
        groups: Vec::new(),
        reason: None,
    }
}

/// Per instance how it settled and with which output, per edge whether it was followed.
fn view(run: &Simulation) -> BTreeMap<String, String> {
    let mut digests: BTreeMap<String, Option<String>> = BTreeMap::new();
    for (event, _) in &run.events {
        for change in &event.changes {
            if let Change::Settled { at, digest, .. } = change {
                digests.insert(at.clone(), digest.clone());
            }
        }
    }
    let marking = &run.state.scopes[""];
    let ir = run.irs.get(marking.revision).expect("the revision");
    let mut view = BTreeMap::new();
    for (slot, state) in marking.nodes.iter().enumerate() {
        let id = ir.node(ir.body(0).nodes.start + slot as u32).id.to_string();
        let digest = digests.get(split_instance(&id).1).cloned().flatten();
        assert!(NodeState::is_settled(*state));
        view.insert(id, format!("{} {digest:?}", state.name()));
    }
    for ix in ir.body(0).edges.clone() {
        let state = marking.edges[ir.edge_slot(ix)];
        assert_ne!(state, EdgeState::Unsettled);
        view.insert(ir.edge_name(ix), (state != EdgeState::Dead).to_string());
    }
    view
}

/// Says what happened when a check fails.
struct Story {
    seed: u64,
    lines: Vec<String>,
}

impl Drop for Story {
    fn drop(&mut self) {
        println!("AOB_SEED={} AOB_CASES=1\n{}", self.seed - 1, self.lines.join("\n"));
    }
}

//! L4: an iteration goes as it goes in a run started on the graph whose body was current when the iteration began,
//! whatever was patched since; what is nested in it too.
//!
//! `AOB_CASES` sets how many runs with patched bodies are tried (1,500 without it), `AOB_SEED` where they begin.

use std::collections::BTreeMap;

use aob_engine::event::Change;
use aob_engine::state::Asks;
use aob_engine::step::{Answer, Input, Publish, Reply, Verdict};
use serde_json::{Value, json};

use crate::patching::edit::{Edit, patched};
use crate::patching::play::{Play, compiled, decision, ran_on};
use crate::patching::shrink::{fails, graph_told};
use crate::patching::trail;
use crate::random::{Random, answer, body, mutate, number};
use crate::simulate::{Simulation, open_tickets};

#[test]
fn an_iteration_goes_by_the_body_it_began_with() {
    let cases = number("AOB_CASES").unwrap_or(1_500);
    let first = number("AOB_SEED").unwrap_or(1);
    let (mut seed, mut runs, mut tally) = (first, 0, Tally::default());
    while runs < cases {
        seed += 1;
        let mut random = Random(seed);
        let document = body(&mut random);
        if compiled(&document).is_none() {
            continue;
        }
        match fails(|| judged(seed, &mut random, &document, &mut tally)) {
            Ok(true) => runs += 1,
            Ok(false) => {}
            Err(why) => panic!("AOB_SEED={} AOB_CASES=1\n{}{why}", seed - 1, trail::told()),
        }
    }
    println!("seeds {first}..={seed}: {runs} runs with patched bodies; {tally:?}");
    if cases >= 1_000 {
        assert!(
            tally.old > cases && tally.new > cases / 2,
            "iterations of either body are compared"
        );
        assert!(tally.told_apart * 2 > cases, "and many go otherwise under the other body");
    }
}

/// Iterations that were compared.
#[derive(Debug, Default)]
struct Tally {
    /// Begun before the last patch.
    old: u64,
    /// Begun after it.
    new: u64,
    /// That go otherwise in a run on the last graph than in the patched one.
    told_apart: u64,
}

/// Plays a run that is patched once or twice, and compares; false if no patch was accepted.
fn judged(seed: u64, random: &mut Random, document: &Value, tally: &mut Tally) -> bool {
    let mut play = Play::start(seed, document).expect("it compiled");
    trail::begin(document);
    let mut course = Course::new(seed);
    let mut documents = vec![document.clone()];
    // By outermost iteration: which document was current when it began.
    let mut begun: BTreeMap<String, usize> = BTreeMap::new();
    let mut seen = 0;
    for round in 0..400 {
        for (event, _) in &play.run.events[seen..] {
            for change in &event.changes {
                if let Change::Iteration { at, index } = change
                    && !at.contains('[')
                {
                    begun.insert(format!("{at}[{index}]"), documents.len() - 1);
                }
            }
        }
        seen = play.run.events.len();
        if documents.len() < 3
            && random.once_in(6)
            && let Some(edit) = into_body(random, &play, round)
            && let Ok(with) = patched(&play, &[&edit])
        {
            documents.push(edit.document);
            play = with;
            continue;
        }
        if !course.step(&mut play.run, random) {
            break;
        }
    }
    if documents.len() == 1 {
        return false;
    }
    let others: Vec<BTreeMap<String, Vec<String>>> = documents
        .iter()
        .map(|document| {
            let mut other = Course::new(seed);
            let mut run = Play::start(seed, document).expect("an accepted graph compiles").run;
            trail::note("a run on this alone:");
            trail::note(&graph_told(document));
            while other.step(&mut run, random) {}
            other.iterations(&run)
        })
        .collect();
    let last = documents.len() - 1;
    for (name, here) in course.iterations(&play.run) {
        let on = begun[&name];
        // An iteration of a loop may not come if an earlier one fails on that body.
        let Some(there) = others[on].get(&name) else { continue };
        assert_eq!(&here, there, "L4: {name}, which began on body {on}");
        match on == last {
            true => tally.new += 1,
            false => tally.old += 1,
        }
        tally.told_apart += u64::from(others[last].get(&name) != Some(&here));
    }
    true
}

/// A patch that changes the body of the one container and nothing else.
fn into_body(random: &mut Random, play: &Play, round: usize) -> Option<Edit> {
    let mut changed = mutate(random, &play.document, round);
    for node in changed["spec"]["nodes"].as_array_mut().into_iter().flatten() {
        if node["within"].is_null() && node["id"] != "each" {
            node["within"] = json!("each");
        }
    }
    let operations: Vec<_> = aob_engine::patch::operations_between(&play.document, &changed);
    let edit = Edit::of(&play.document, &operations)?;
    (*edit.ir.digest != *play.run.state.head.digest).then_some(edit)
}

/// Drives a run so that every outermost iteration goes in an order of its own, whatever goes on beside it.
struct Course {
    seed: u64,
    failures: BTreeMap<String, u64>,
    /// By outermost iteration: what ran on what.
    ran: BTreeMap<String, Vec<String>>,
}

enum Next {
    Task(Publish),
    Timer(aob_engine::step::Timer, u64),
    Ticket(Asks),
}

impl Course {
    fn new(seed: u64) -> Self {
        Self { seed, failures: BTreeMap::new(), ran: BTreeMap::new() }
    }

    /// Lets the next thing happen in one of the iterations that are live; false at the end.
    fn step(&mut self, run: &mut Simulation, random: &mut Random) -> bool {
        if run.state.is_ended() {
            return false;
        }
        let mut next: BTreeMap<String, BTreeMap<String, Next>> = BTreeMap::new();
        let mut add = |instance: &str, what: Next| {
            let here = next.entry(outermost(instance)).or_default();
            here.insert(instance.to_owned(), what);
        };
        for task in run.tasks.values() {
            add(&task.instance, Next::Task(task.clone()));
        }
        for (timer, due) in run.timers.iter().filter(|(timer, _)| !timer.instance.is_empty()) {
            add(&timer.instance, Next::Timer(timer.clone(), *due));
        }
        for (instance, asks) in open_tickets(run) {
            add(&instance, Next::Ticket(asks));
        }
        let chosen = random.below(next.len());
        let Some((scope, mut here)) = next.into_iter().nth(chosen) else {
            panic!("L6: nothing moves the run")
        };
        let Some((instance, what)) = here.pop_first() else { return false };
        match what {
            Next::Task(task) => {
                let failures = self.failures.entry(instance.clone()).or_default();
                let answer = answer(self.seed, &instance, *failures);
                *failures += u64::from(matches!(answer, Answer::Error { .. }));
                let ran = format!("{instance} {} on {}", task.attempt, ran_on(&task));
                trail::note(&format!("answer {ran}"));
                self.ran.entry(scope).or_default().push(ran);
                assert_eq!(run.complete(&task, answer), Verdict::Applied);
            }
            Next::Timer(timer, due) => {
                trail::note(&format!("time comes for {}", timer.instance));
                run.timers.remove(&timer);
                run.now.time = run.now.time.max(due);
                assert_eq!(run.take(&[Input::Timer(timer)]), [Verdict::Applied]);
            }
            Next::Ticket(asks) => {
                trail::note(&format!("reply to {instance}"));
                let reply = if asks == Asks::Gate { Reply::Approve(None) } else { Reply::Fail };
                let decided = Input::Decision(decision(&instance, &reply));
                assert_eq!(run.take(&[decided]), [Verdict::Applied]);
            }
        }
        true
    }

    /// By outermost iteration: what ran on what, how everything settled, and what came of it.
    fn iterations(&self, run: &Simulation) -> BTreeMap<String, Vec<String>> {
        let mut all = BTreeMap::new();
        for change in run.events.iter().flat_map(|(event, _)| &event.changes) {
            let (name, line) = match change {
                Change::Settled { at, outcome, attempt, digest, .. } => {
                    (outermost(at), format!("{at} {outcome:?} {attempt} {digest:?}"))
                }
                Change::IterationEnded { at, index, outcome, digest, .. } => {
                    let name = format!("{at}[{index}]");
                    let line = format!("{name} {outcome:?} {digest:?}");
                    (outermost(&format!("{name}/")), line)
                }
                _ => continue,
            };
            if !name.is_empty() {
                all.entry(name).or_insert_with(Vec::new).push(line);
            }
        }
        for (name, lines) in &mut all {
            lines.extend(self.ran.get(name).cloned().unwrap_or_default());
        }
        all
    }
}

/// The iteration of the root's container that an instance lies in: `each[2]`; nothing for the root's own.
fn outermost(instance: &str) -> String {
    match instance.split_once("]/") {
        Some((scope, _)) => format!("{scope}]"),
        None => String::new(),
    }
}

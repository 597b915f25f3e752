//! The money of child runs: a part of what their run has, reserved from their beginning to their end.

mod agents;
mod tree;

use aob_engine::event::Change;
use aob_engine::route::run_budget;
use aob_engine::state::{Amount, Cap, NodeError};
use aob_engine::step::{Answer, Input, Verdict};
use serde_json::json;

use crate::rules::run::{Run, broken};

/// 100 micro-dollars for these nodes and edges.
fn start(rest: &str) -> Run {
    Run::start(&format!(r#"limits: {{spend: {{usd: "0.0001"}}}}, {rest}"#))
}

fn usd(usd: u64) -> Amount {
    Amount { usd, ..Amount::default() }
}

/// What each child run that was begun so far was given, by its instance.
fn given(run: &Run) -> Vec<(String, Option<u64>)> {
    let children = run.sim.children.iter();
    children.map(|child| (child.parent.instance.to_string(), child.spend)).collect()
}

fn parts(run: &Run) -> Vec<(String, u64)> {
    given(run).into_iter().map(|(at, part)| (at, part.expect("a part"))).collect()
}

/// Used, and reserved.
fn books(run: &Run) -> (u64, u64) {
    let state = &run.sim.state;
    let ir = run.sim.irs.get(state.head.revision).expect("the graph");
    let budget = run_budget(state, &ir.limits);
    (budget.used.usd, budget.reserved.usd)
}

/// The newest child of an instance ends.
fn ends(run: &mut Run, at: &str, used: u64, result: Answer) -> Verdict {
    let child = run.sim.children.iter().rev().find(|child| &*child.parent.instance == at);
    let (instance, fence) = (at.to_owned(), child.expect("a child").parent.fence);
    run.sim
        .take(&[Input::Child { instance, fence, result, used: usd(used), agents: 0, starts: 0 }])
        .remove(0)
}

fn done() -> Answer {
    Answer::Output(std::sync::Arc::new(json!(null)))
}

#[test]
fn those_that_may_run_side_by_side_have_equal_parts() {
    let run = start(
        "nodes: [{id: a, type: workflow, config: {name: kid}}, {id: b, type: workflow, config: {name: kid}},
            {id: own, type: agent, config: {model: a/b, prompt: p}}, {id: plain, type: noop},
            {id: wait, type: delay, config: {for: 1h}}, {id: late, type: workflow, config: {name: kid}}],
         edges: [{from: wait, to: late}]",
    );
    assert_eq!(parts(&run), [("a".to_owned(), 25), ("b".to_owned(), 25)]);
    assert_eq!(books(&run), (0, 50), "a part is left for the agent, and one for who comes later");
}

#[test]
fn one_after_the_other_each_has_all_that_is_left() {
    let mut run = start(
        "nodes: [{id: a, type: workflow, config: {name: kid}}, {id: b, type: workflow, config: {name: kid}}],
         edges: [{from: a, to: b}]",
    );
    assert_eq!(ends(&mut run, "a", 40, done()), Verdict::Applied);
    assert_eq!(parts(&run), [("a".to_owned(), 100), ("b".to_owned(), 60)]);
    assert_eq!(ends(&mut run, "b", 0, done()), Verdict::Applied);
    assert_eq!((books(&run), run.outcome()), ((40, 0), Some("succeeded")));
    assert!(!run.sim.state.head.spent.contains_key("b"), "what used nothing is in no book");
}

const EACH: &str =
    "nodes: [{id: each, type: foreach, config: {items: [1, 2, 3, 4], concurrency: 2}},
    {id: call, within: each, type: workflow, config: {name: kid}}]";

#[test]
fn iterations_share_what_is_left_as_they_come() {
    let mut run = start(EACH);
    ends(&mut run, "each[0]/call", 10, done());
    ends(&mut run, "each[1]/call", 0, done());
    let told: Vec<u64> = parts(&run).into_iter().map(|(_, part)| part).collect();
    assert_eq!(told, [50, 50, 40, 50]);
    assert_eq!(books(&run), (10, 90));
}

/// Where nothing is left but another holds some, a child run waits for what that gives back, and holds up nothing else.
#[test]
fn a_child_run_waits_for_what_others_give_back() {
    let mut run =
        start(&format!("{}, {{id: tell, within: each, type: noop}}]", EACH.trim_end_matches(']')));
    ends(&mut run, "each[0]/call", 50, done());
    assert_eq!(parts(&run).len(), 2, "nothing is left for a third");
    run.ok("each[0]/tell");
    assert_eq!((parts(&run).len(), run.state("each[2]/call")), (2, "ready"));
    run.ok("each[2]/tell");
    ends(&mut run, "each[1]/call", 20, done());
    assert_eq!(parts(&run)[2..], [("each[2]/call".to_owned(), 30)]);
    run.ok("each[1]/tell");
    assert_eq!((books(&run), run.state("each[3]/call")), ((70, 30), "ready"));
    // More money wakes it as well.
    let cap = Cap { usd: Some(120), ..Cap::default() };
    run.sim.take(&[Input::Cap { agent: String::new(), cap, by: "user:bob".into(), reason: None }]);
    assert_eq!(parts(&run)[3..], [("each[3]/call".to_owned(), 20)]);
}

/// Where nobody holds any, there is nothing to wait for: it begins with nothing, and its agents ask a person.
#[test]
fn what_is_used_up_is_not_waited_for() {
    let mut run = start(EACH);
    ends(&mut run, "each[0]/call", 50, done());
    ends(&mut run, "each[1]/call", 50, done());
    let mut last = parts(&run).split_off(2);
    last.sort();
    assert_eq!(last, [("each[2]/call".to_owned(), 0), ("each[3]/call".to_owned(), 0)]);
}

#[test]
fn what_did_not_begin_has_used_nothing() {
    let mut run = start(
        "nodes: [{id: a, type: workflow, onError: continue, config: {name: kid}}, {id: b, type: workflow, config: {name: kid}}]",
    );
    let fence = run.sim.children[0].parent.fence;
    let due = run.sim.now.time + 1_000;
    let error = NodeError::new("tier_limit", "later");
    let deferred = Input::Deferred { instance: "a".into(), fence, due, error };
    assert_eq!(run.sim.take(&[deferred]), [Verdict::Applied]);
    assert_eq!(books(&run), (0, 50), "only that of the other");
    run.time("a");
    assert_eq!(parts(&run)[2..], [("a".to_owned(), 50)]);
    // One that cannot be started fails without an account of what it used.
    let fence = run.sim.children[2].parent.fence;
    let failed = Input::Settled { instance: "a".into(), fence, result: broken() };
    assert_eq!(run.sim.take(&[failed]), [Verdict::Applied]);
    assert_eq!((books(&run), run.code("a").as_deref()), ((0, 50), Some("broken")));
}

/// Nobody knows yet what a child run has used whose node is given up: all of its part counts.
#[test]
fn who_is_given_up_counts_as_having_used_its_part() {
    let mut run = start(
        "nodes: [{id: a, type: workflow, timeout: 1m, onError: continue, config: {name: kid}}, {id: b, type: workflow, config: {name: kid}}]",
    );
    run.time("a");
    assert_eq!((books(&run), run.code("a").as_deref()), ((50, 50), Some("timeout")));
    assert_eq!(ends(&mut run, "a", 3, done()), Verdict::Conflicting);
    assert_eq!(books(&run), (50, 50), "nothing is given back on a late word");
}

/// An agent of the run itself that waits for money goes on with what a child run gives back, if that is enough for it.
#[test]
fn an_agent_that_waits_is_woken_by_what_a_child_run_gives_back() {
    let mut run = start(
        "nodes: [{id: a, type: workflow, config: {name: kid}}, {id: b, type: workflow, config: {name: kid}},
            {id: own, type: agent, config: {model: a/b, prompt: p}}]",
    );
    let asks = |run: &mut Run| {
        let (instance, fence) = ("own".to_owned(), run.task("own").fence);
        let verdict = run.sim.take(&[Input::Reserve {
            instance,
            fence,
            amount: usd(70),
            kept: None,
            short: None,
        }]);
        verdict[0] == Verdict::Applied
    };
    assert_eq!((parts(&run).len(), asks(&mut run)), (2, false));
    let ticket = run.ticket("own");
    ends(&mut run, "a", 20, done());
    assert_eq!(run.state("own"), "waiting", "47 are left, 70 are wanted");
    ends(&mut run, "b", 10, done());
    assert_eq!((run.out(), run.sim.tickets.len()), (vec!["own".to_owned()], 0));
    let answered = run.changes().find_map(|change| match change {
        Change::Answered { ticket, by, .. } => Some((ticket.clone(), by.clone())),
        _ => None,
    });
    assert_eq!(answered, Some((ticket, "system".to_owned())));
    assert!(asks(&mut run));
    assert_eq!(books(&run), (30, 70));
}

/// A question that cost more than the most it could is in the books as it was.
#[test]
fn the_cap_is_passed_by_what_a_question_cost_too_much() {
    let mut run = start(
        "nodes: [{id: a, type: workflow, config: {name: kid}}, {id: b, type: workflow, config: {name: kid}}]",
    );
    ends(&mut run, "a", 57, done());
    assert_eq!(books(&run), (57, 50));
}

#[test]
fn without_a_limit_nothing_is_reserved() {
    let mut run = Run::start("nodes: [{id: a, type: workflow, config: {name: kid}}]");
    assert_eq!(given(&run), [("a".to_owned(), None)]);
    assert!(!run.changes().any(|change| matches!(change, Change::Reserved { .. })));
    ends(&mut run, "a", 9, done());
    assert_eq!((books(&run), run.outcome()), ((9, 0), Some("succeeded")));
}

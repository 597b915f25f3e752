//! The agents of child runs: they count in the run above, and none is given twice.

use std::collections::BTreeMap;
use std::sync::Arc;

use aob_engine::check::Ceiling;
use aob_engine::event::{Cause, Change};
use aob_engine::route::Candidate;
use aob_engine::state::{NodeError, Part, Taken};
use aob_engine::step::{Envelope, Input, Reach, Replay, StartRequest, Verdict};
use serde_json::json;

use super::done;
use crate::rules::run::{Run, broken, compiled, request};

/// `one`, `two`, `three`: as many agents; `lean`: none; `wide`: one, which may add others.
fn known() -> BTreeMap<String, Envelope> {
    let fixed = |own| Reach { own, agents: own, ..Reach::default() };
    let wide = Reach { grows: true, ..fixed(1) };
    [("lean", fixed(0)), ("one", fixed(1)), ("two", fixed(2)), ("three", fixed(3)), ("wide", wide)]
        .map(|(name, reach)| (Reach::key(name, None), reach.entry()))
        .into()
}

fn start(spec: &str) -> Run {
    Run::knowing(spec, &Ceiling::default(), &request(json!({})), &known())
}

fn call(id: &str, name: &str) -> String {
    format!("{{id: {id}, type: workflow, onError: continue, config: {{name: {name}}}}}")
}

/// What each child run so far was given.
fn parts(run: &Run) -> Vec<(String, Part)> {
    let children = run.sim.children.iter();
    children.map(|child| (child.parent.instance.to_string(), child.part)).collect()
}

fn part(agents: u32, room: u32, starts: u32) -> Part {
    Part { agents, room, starts }
}

/// Agents taken, had and held; starts likewise.
fn books(run: &Run) -> [(u32, u32); 2] {
    let of = |taken: Taken| (taken.had, taken.held);
    [of(run.sim.state.agents_taken()), of(run.sim.state.starts_taken())]
}

/// The newest child of an instance ends.
fn ends(run: &mut Run, at: &str, agents: u32, starts: u32) -> Verdict {
    let child = run.sim.children.iter().rev().find(|child| &*child.parent.instance == at);
    let (instance, fence) = (at.to_owned(), child.expect("a child").parent.fence);
    let used = Default::default();
    run.sim
        .take(&[Input::Child { instance, fence, result: done(), used, agents, starts }])
        .remove(0)
}

/// Instances that were passed over for the limit.
fn passed(run: &Run) -> Vec<&str> {
    let over = run.changes().filter_map(|change| match change {
        Change::Settled { at, cause: Cause::AgentLimit, .. } => Some(at.as_str()),
        _ => None,
    });
    over.collect()
}

/// Five child runs of an agent each under the usual limit, one after the other; the sixth is one too many.
#[test]
fn child_runs_of_different_nodes_count_each() {
    let ids = ["a", "b", "c", "d", "e", "f"];
    let nodes = ids.map(|id| call(id, "one")).join(", ");
    let edges: Vec<String> = ids
        .windows(2)
        .map(|two| format!("{{from: {}, to: {}, after: always}}", two[0], two[1]))
        .collect();
    let mut run = start(&format!("nodes: [{nodes}], edges: [{}]", edges.join(", ")));
    for id in &ids[..5] {
        assert_eq!(ends(&mut run, id, 1, 1), Verdict::Applied);
    }
    assert_eq!((passed(&run), run.outcome()), (vec!["f"], Some("succeeded")));
    assert_eq!(books(&run), [(5, 0), (5, 0)]);
    let told = run.sim.logs.join(" ");
    assert!(
        told.contains("f: skipped://agent_limit: f would bring 1 agents to 5, 5 of them in or held by child runs of a, b, c, d, e; at most 5"),
        "{told}"
    );
}

/// As iterations of an agent do, those of a child run count once, however many there are.
#[test]
fn the_runs_of_one_node_have_the_same_agents() {
    let mut run = start(
        "nodes: [{id: each, type: foreach, config: {items: [1, 2, 3, 4, 5, 6, 7], concurrency: 2}},
            {id: call, within: each, type: workflow, config: {name: two}}]",
    );
    for index in 0..7 {
        assert_eq!(run.state(&format!("each[{index}]/call")), "active");
        ends(&mut run, &format!("each[{index}]/call"), 2, 3);
    }
    assert_eq!((books(&run), run.outcome()), ([(2, 0), (21, 0)], Some("succeeded")));
}

#[test]
fn those_without_agents_hold_none_and_wait_for_none() {
    let run = start(&format!(
        "nodes: [{}, {}, {}, {{id: own, type: agent, config: {{model: a/b, prompt: p}}}}]",
        call("a", "wide"),
        call("b", "lean"),
        call("c", "lean")
    ));
    let given = parts(&run);
    assert_eq!(given[1..], [("b".to_owned(), Part::default()), ("c".to_owned(), Part::default())]);
    assert_eq!(given[0].1, part(1, 0, 12), "3 are left for four that may want some");
    assert_eq!(run.out(), ["own"]);
}

/// What one holds that may grow, another that needs it waits for.
#[test]
fn a_child_run_waits_for_agents_that_others_may_give_back() {
    let both = format!("nodes: [{}, {}]", call("a", "wide"), call("b", "three"));
    let mut run = start(&both);
    assert_eq!(parts(&run), [("a".to_owned(), part(1, 2, 25))]);
    assert_eq!((run.state("b"), books(&run)), ("ready", [(1, 2), (0, 25)]));
    ends(&mut run, "a", 2, 4);
    assert_eq!(parts(&run)[1], ("b".to_owned(), part(3, 0, 46)));
    assert_eq!(books(&run), [(5, 0), (4, 46)]);
    // Where nothing comes back it is passed over then, and the run goes on.
    let mut run = start(&both);
    ends(&mut run, "a", 3, 4);
    assert_eq!((passed(&run), run.outcome()), (vec!["b"], Some("succeeded")));
}

/// A word that comes twice, late, or of one that never began.
#[test]
fn a_word_gives_back_once_and_for_its_own_attempt_alone() {
    let spec = format!("nodes: [{}, {}]", call("a", "wide"), call("b", "wide"));
    let mut run = start(&spec);
    assert_eq!(books(&run), [(2, 3), (0, 50)]);
    let fence = run.sim.children[0].parent.fence;
    let (due, error) = (run.sim.now.time + 1_000, NodeError::new("tier_limit", "later"));
    let deferred = Input::Deferred { instance: "a".into(), fence, due, error };
    assert_eq!(run.sim.take(std::slice::from_ref(&deferred)), [Verdict::Applied]);
    assert_eq!(books(&run), [(2, 1), (0, 25)], "only what the other holds");
    assert_eq!(run.sim.take(&[deferred]), [Verdict::Superseded]);
    run.time("a");
    assert_eq!(books(&run), [(2, 3), (0, 50)]);
    let failed = Input::Settled {
        instance: "a".into(),
        fence: run.sim.children[2].parent.fence,
        result: broken(),
    };
    assert_eq!(run.sim.take(&[failed]), [Verdict::Applied]);
    assert_eq!(books(&run), [(2, 1), (0, 25)], "it never began");
    assert_eq!(ends(&mut run, "b", 2, 5), Verdict::Applied);
    assert_eq!((books(&run), run.outcome()), ([(3, 0), (5, 0)], Some("succeeded")));
}

/// Nobody knows yet what one has had whose node is given up.
#[test]
fn who_is_given_up_counts_as_having_had_its_part() {
    let hasty = "{id: a, type: workflow, timeout: 1m, onError: continue, config: {name: wide}}";
    let mut run = start(&format!("nodes: [{hasty}, {}]", call("b", "wide")));
    run.time("a");
    assert_eq!(books(&run), [(4, 1), (25, 25)]);
    assert_eq!(ends(&mut run, "a", 1, 1), Verdict::Conflicting);
    assert_eq!(books(&run), [(4, 1), (25, 25)]);
}

/// Starts are shared as money is: who finds none left waits while others hold some.
#[test]
fn starts_are_divided_and_waited_for() {
    let own = "{id: own, type: agent, config: {model: a/b, prompt: p}}";
    let limits = "limits: {agentStarts: 2}";
    let mut run = start(&format!(
        "{limits}, nodes: [{}, {own}, {{id: wait, type: delay, config: {{for: 1h}}}}, {}],
         edges: [{{from: wait, to: own}}, {{from: wait, to: z}}]",
        call("a", "two"),
        call("z", "one")
    ));
    assert_eq!(parts(&run)[0].1.starts, 1, "others come");
    run.time("wait");
    assert_eq!((run.out(), run.state("z")), (vec!["own".to_owned()], "ready"));
    run.gives("own", json!({"text": "x"}));
    ends(&mut run, "a", 2, 0);
    assert_eq!(parts(&run)[1], ("z".to_owned(), part(1, 0, 1)));

    // The run's own agent waits, too, and is passed over once nothing comes back any more.
    let mut run = start(&format!(
        "{limits}, nodes: [{}, {own}, {{id: wait, type: delay, config: {{for: 1h}}}}, {}],
         edges: [{{from: wait, to: own}}, {{from: wait, to: b}}]",
        call("a", "two"),
        call("b", "one")
    ));
    run.time("wait");
    assert_eq!((run.out(), run.state("own")), (Vec::<String>::new(), "ready"));
    ends(&mut run, "a", 2, 1);
    assert_eq!(run.state("own"), "ready");
    ends(&mut run, "b", 1, 1);
    assert_eq!((passed(&run), run.outcome()), (vec!["own"], Some("succeeded")));
}

/// What child runs hold is not given to a patch, which says so.
#[test]
fn a_patch_finds_what_child_runs_have_taken() {
    let spec = format!("nodes: [{}, {{id: x, type: noop}}]", call("a", "three"));
    let run = start(&spec);
    let more = "{id: p, type: agent, config: {model: a/b, prompt: p}}, {id: q, type: agent, config: {model: a/b, prompt: p}}, {id: r, type: agent, config: {model: a/b, prompt: p}}";
    let patched = spec.replacen("nodes: [", &format!("nodes: [{more}, "), 1);
    let ir = compiled(&patched, &Ceiling::default());
    let candidate = Candidate {
        id: "patch_1".to_owned(),
        operations: String::new(),
        ir: Arc::new(ir.expect("it compiles")),
        cancel: Vec::new(),
        approves: Vec::new(),
        by: "user:eve".to_owned(),
        reason: None,
        undoes: None,
        verdicts: Vec::new(),
    };
    let mut sim = run.sim.clone();
    let issues = sim.patch(&candidate, &[]).expect_err("3 and 3 of 5");
    assert_eq!((issues.len(), issues[0].entry.code), (1, "AOB2110"));
    let why = "the run would have had 6 agents, 3 of them in or held by child runs of a; at most 5 are allowed";
    assert_eq!(issues[0].message, why);
}

/// What has settled in the run that is replayed begins no child run, and counts nothing.
#[test]
fn a_replayed_answer_counts_no_agents() {
    let answers = [(
        "a".to_owned(),
        Envelope { value: Some(Arc::new(json!(1))), ..Reach::default().entry() },
    )];
    let replay = Replay { run: "run_x".into(), from: Vec::new(), answers: answers.into() };
    let asked = StartRequest { replay: Some(Arc::new(replay)), ..request(json!({})) };
    let run = Run::knowing(
        &format!("nodes: [{}]", call("a", "three")),
        &Ceiling::default(),
        &asked,
        &known(),
    );
    assert_eq!((books(&run), run.outcome()), ([(0, 0), (0, 0)], Some("succeeded")));
}

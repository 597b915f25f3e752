//! Attacks on what a whole run may have: agents that add agents, counts that are to begin anew, and the coordinator's
//! own word at routing when every check of the patch was forged past.

use serde_json::{Value, json};

use super::attacks_agent::{edge, found, node};
use super::subject::Subject;

const LOOP: &str = "nodes: [{id: each, type: foreach, config: {items: [1, 2, 3, 4], concurrency: 1}},
    {id: think, within: each, type: agent, config: {model: m, prompt: p, patch: {allow: [noop], maxNodes: 2}}}]";

fn beside(id: &str) -> Value {
    json!({"operations": [node(json!({"id": id, "type": "noop", "within": "each"}))]})
}

/// Many small patches of one agent, some taken out between them by a person.
#[test]
fn nodes_of_an_agent_are_counted_over_all_its_iterations_and_undo_gives_none_back() {
    let mut subject = Subject::start(LOOP);
    subject.answers("each[0]/think", beside("a"), json!(1)).expect("the first is accepted");
    subject.undo("patch_1").expect("it is taken out");
    subject.answers("each[1]/think", beside("b"), json!(1)).expect("the second is accepted");
    subject.undo("patch_3").expect("it is taken out");
    assert_eq!(subject.sim.state.head.placed.get("think"), Some(&2));
    subject.ok("each[1]/a");
    let third = subject.answers("each[2]/think", beside("c"), json!(1));
    found(third, "AOB2112", "/operations/0/value", "Add 1 nodes less");
    subject.gives("each[2]/think", json!(1));
    assert_eq!(subject.out(), ["each[3]/think"]);
}

fn agent(id: &str, nodes: u32) -> Value {
    node(json!({"id": id, "type": "agent", "config":
        {"model": "m", "prompt": "p", "patch": {"allow": ["agent"], "maxNodes": nodes}}}))
}

/// Its children's nodes come out of its own, so that a chain of agents adds no more than the first one may.
#[test]
fn agents_that_add_agents_share_one_allowance_and_one_limit() {
    let spec = |agents: u32| {
        Subject::start(&format!(
            "limits: {{agents: {agents}}}, nodes: [{{id: think, type: agent, config: {{model: m, prompt: p, patch: {{allow: [agent, noop], maxNodes: 4}}}}}}]"
        ))
    };
    let add =
        |from: &str, id: &str, nodes| json!({"operations": [agent(id, nodes), edge(from, id)]});
    let chain = |agents: u32, nodes: u32| {
        let mut subject = spec(agents);
        subject.answers("think", add("think", "kid", 3), json!(1)).expect("1 + 3 of 4");
        subject.answers("kid", add("kid", "grandkid", 2), json!(1)).expect("1 + 2 of 3");
        subject.answers("grandkid", add("grandkid", "great", nodes), json!(1))
    };
    chain(4, 1).expect("1 + 1 of 2");
    found(chain(4, 2), "AOB2112", "/operations/0/value", "Add 1 nodes less");
    found(chain(3, 1), "AOB1302", "/spec/nodes", "Remove agents");
}

/// A person swaps one agent for another, again and again.
#[test]
fn an_agent_replaced_by_another_counts_on() {
    let mut subject = Subject::start("limits: {agents: 2}, nodes: [{id: a, type: noop}]");
    let swap = |old: &str, id: &str| json!([{"op": "remove", "path": format!("/nodes/{old}")}, agent(id, 0)]);
    subject.patch(json!([agent("p", 0)])).expect("the first is accepted");
    subject.patch(swap("p", "q")).expect("the second is accepted");
    found(subject.patch(swap("q", "r")), "AOB2110", "", "raise the limit in the workflow");
    // Nor by changing what a node is and back.
    let kind = json!([{"op": "replace", "path": "/nodes/a", "value":
        {"id": "a", "type": "agent", "config": {"model": "m", "prompt": "p"}}}]);
    found(subject.patch(kind), "AOB2110", "", "raise the limit in the workflow");
}

#[test]
fn undo_and_redo_count_no_agent_again() {
    let mut subject = Subject::start("limits: {agents: 1}, nodes: [{id: a, type: noop}]");
    subject.patch(json!([agent("p", 0)])).expect("it is accepted");
    for at in 1..5 {
        subject.undo(&format!("patch_{at}")).expect("out and in again");
    }
    assert_eq!(subject.documents.len(), 6);
    subject.undo("patch_5").expect("out");
    found(subject.patch(json!([agent("q", 0)])), "AOB2110", "", "raise the limit in the workflow");
}

/// Whatever lets a patch pass, here one that the run's record was forged past: who starts an agent looks for itself.
#[test]
fn beyond_the_limit_agents_are_passed_over_though_the_patch_was_let_through() {
    let mut subject = Subject::start("limits: {agents: 1}, nodes: [{id: a, type: noop}]");
    subject.suspend(true);
    let operations =
        json!([agent("p", 0), node(json!({"id": "next", "type": "noop"})), edge("p", "next")]);
    subject.patch(operations).expect("it is accepted");
    subject.sim.state.head.agents_gone.insert("before".into());
    subject.suspend(false);
    assert_eq!((subject.state("p"), subject.state("next")), ("passed", "active"));
    assert!(subject.sim.logs.iter().any(|line| line.contains("skipped://agent_limit: 2 agents")));
}

/// The count of starts is the run's: a patch that was let through starts no agent more.
#[test]
fn beyond_its_starts_an_agent_that_a_patch_adds_is_passed_over() {
    let mut subject = Subject::start(
        "limits: {agentStarts: 1}, nodes: [{id: think, type: agent, config: {model: m, prompt: p, patch: {allow: [agent], maxNodes: 2}}}]",
    );
    let operations = json!([agent("kid", 0), edge("think", "kid")]);
    subject.answers("think", json!({"operations": operations}), json!(1)).expect("it is accepted");
    assert!(subject.sim.logs.iter().any(|line| line.contains("skipped://agent_limit: 1 agents")));
    assert_eq!(subject.outcome(), Some("succeeded"));
}

/// The layers before are gone round with a graph that was compiled where more is allowed: the commit counts by the
/// limits of the run as it is.
#[test]
fn a_forged_graph_brings_no_limits_of_its_own() {
    let subject = Subject::start(
        "limits: {agents: 3}, nodes: [
            {id: think, type: agent, config: {model: m, prompt: p, patch: {allow: [agent], maxNodes: 9}}},
            {id: b, type: agent, config: {model: m, prompt: p}}, {id: c, type: agent, config: {model: m, prompt: p}}]",
    );
    let mut forged = subject.document().clone();
    forged["spec"]["limits"] = json!({"agents": 99});
    let more = json!({"id": "d", "type": "agent", "config": {"model": "m", "prompt": "p"}});
    forged["spec"]["nodes"].as_array_mut().expect("nodes").push(more);
    let bound = aob_engine::check::Bound { default: 99, most: 99 };
    let ceiling = aob_engine::check::Ceiling { agents: bound, ..Default::default() };
    let registry = aob_engine::registry::Registry::builtin();
    let ir = aob_engine::compile::compile(&forged, &registry, &ceiling).expect("it compiles there");
    let candidate = aob_engine::route::Candidate {
        id: "patch_1".to_owned(),
        operations: "sha256:0".to_owned(),
        ir: std::sync::Arc::new(ir),
        cancel: Vec::new(),
        approves: Vec::new(),
        by: "agent:think".to_owned(),
        reason: None,
        undoes: None,
        verdicts: Vec::new(),
    };
    let task = subject.task("think");
    let result = aob_engine::step::Answer::Output(std::sync::Arc::new(json!(1)));
    let then =
        [aob_engine::step::Input::Settled { instance: task.instance, fence: task.fence, result }];
    let sim = &subject.sim;
    let (irs, state, context) = (&sim.irs, &sim.state, &sim.context);
    let step =
        aob_engine::route::apply_patch_with(irs, state, context, &candidate, &[], &then, sim.now);
    let issues = step.expect("a decision").expect_err("it is refused");
    assert_eq!(issues[0].entry.name, "PATCH_LIMIT", "{issues:?}");
    assert!(issues[0].message.contains("4 agents; at most 3"), "{}", issues[0].message);
}

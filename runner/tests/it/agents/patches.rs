//! An agent changes the graph it runs in.

use aob_engine::event::{Cause, Change};
use aob_engine::state::{Asks, RunOutcome};
use aob_engine::step::{Decision, Input, Reply, Verdict};
use aob_provider::Choice;
use serde_json::{Value, json};

use super::scripted::{Bench, Scripted, call, example, text, workflow};

fn insert() -> Value {
    json!({"reason": "nobody checks the rows", "edits": [
        {"do": "disconnect", "from": "triage", "to": "process"},
        {"do": "add_node", "id": "validate_schema", "type": "transform", "config": {
            "value": "${ nodes.fetch_data.output.rows }", "assert": "value.all(row, has(row.amount))"}},
        {"do": "connect", "from": "triage", "to": "validate_schema"},
        {"do": "connect", "from": "validate_schema", "to": "process"}
    ]})
}

/// The mission's first example.
#[tokio::test]
async fn an_agent_puts_a_check_between_itself_and_what_comes_next() {
    let mind = Scripted::new(|_, n| match n {
        0 => call("patch", insert()),
        _ => text("{\"rows\": 3}"),
    });
    let bench = Bench::new(&mind);
    let (run, state) = bench.run(&example("agent-validates.yaml")).await;
    assert_eq!(state.head.outcome, Some(RunOutcome::Succeeded), "{:?}", state.head);
    assert_eq!(state.head.revision, 1);
    assert_eq!(bench.output(&run, None).await, json!({"saved": 3, "large": [1, 2]}));
    assert_eq!(bench.output(&run, Some("triage")).await, json!({"rows": 3}));
    assert_eq!(bench.output(&run, Some("validate_schema")).await.as_array().map(Vec::len), Some(3));
    let told = mind.told();
    assert!(
        told[1].starts_with("The patch is good. It takes effect with your answer."),
        "{told:?}"
    );
    let changes = bench.changes(&run).await;
    let patched = changes.iter().find_map(|(event, change)| match change {
        Change::Patched(patched) => Some((event, patched)),
        _ => None,
    });
    let (event, patched) = patched.expect("a patch");
    assert_eq!(event.by, "agent:triage");
    assert_eq!(patched.reason.as_deref(), Some("nobody checks the rows"));
    let layers: Vec<&str> = patched.verdicts.iter().map(|said| said.layer.as_str()).collect();
    assert_eq!(layers, ["runner", "receiver", "commit"]);
    let settled = event
        .changes
        .iter()
        .any(|change| matches!(change, Change::Settled { at, .. } if at == "triage"));
    assert!(settled, "the patch and the answer are one commit");
    let spent = state.head.spent.get("triage").copied().unwrap_or_default();
    assert_eq!((spent.usd, spent.tokens, spent.calls), (80, 160, 2), "two questions");
    bench.stop().await;
}

/// A refusal is told with what would be right, and the next try is taken.
#[tokio::test]
async fn a_refused_patch_is_corrected() {
    let mind = Scripted::new(|_, n| match n {
        0 => {
            let mut wrong = insert();
            wrong["edits"][1]["type"] = json!("exec");
            call("patch", wrong)
        }
        1 => call("patch", insert()),
        _ => text("{\"rows\": 3}"),
    });
    let bench = Bench::new(&mind);
    let (run, state) = bench.run(&example("agent-validates.yaml")).await;
    assert_eq!((state.head.outcome, state.head.revision), (Some(RunOutcome::Succeeded), 1));
    let told = &mind.told()[1];
    assert!(
        told.contains("AOB9022")
            && told.contains("expected: Add nodes of these types only: transform."),
        "{told}"
    );
    assert!(told.contains("example of a right one: "), "{told}");
    let refused = bench.changes(&run).await.into_iter().find_map(|(event, change)| match change {
        Change::PatchRefused { code, verdicts, .. } => Some((event.by, code, verdicts)),
        _ => None,
    });
    let (by, code, verdicts) = refused.expect("who proposed what is among the events");
    assert_eq!((by.as_str(), code.as_str()), ("agent:triage", "AOB9022"));
    assert_eq!((verdicts[0].layer.as_str(), verdicts.len()), ("runner", 1));
    bench.stop().await;
}

/// Three refusals, or the same proposal twice, and the run goes on without.
#[tokio::test]
async fn the_run_goes_on_without_a_patch_that_is_never_right() {
    for same in [false, true] {
        // It tries until the tool is taken from it.
        let mind = Scripted::new(move |ask, n| match ask.choice {
            Choice::Auto => {
                let id = if same { "x".to_owned() } else { format!("x{n}") };
                let edit = json!({"do": "add_node", "id": id, "type": "exec"});
                call("patch", json!({"reason": "r", "edits": [edit]}))
            }
            _ => text("{\"rows\": 3}"),
        });
        let bench = Bench::new(&mind);
        let (_, state) = bench.run(&example("agent-validates.yaml")).await;
        assert_eq!((state.head.outcome, state.head.revision), (Some(RunOutcome::Succeeded), 0));
        let told = mind.told();
        let closed = told.iter().position(|told| told.contains("o further")).expect("it ends");
        assert_eq!(closed, if same { 2 } else { 3 }, "{told:?}");
        bench.stop().await;
    }
}

/// A node whose answer is from a server, an agent that reads it, and a step after both.
fn tainted() -> Value {
    workflow(json!({
        "nodes": [
            {"id": "fetch", "type": "http", "config": {"url": "http://203.0.113.9/"}, "onError": "continue"},
            {"id": "note", "type": "transform", "config": {"value": 1}},
            {"id": "triage", "type": "agent", "config": {
                "model": "a/b", "tools": ["outputs"], "prompt": "p",
                "patch": {"allow": ["transform", "http"]}}},
            {"id": "save", "type": "transform", "config": {"value": "${ nodes.triage.output.text }"}}
        ],
        "edges": [{"from": "note", "to": "triage"}, {"from": "triage", "to": "save"}]
    }))
}

fn adds(kind: &str, config: Value) -> Value {
    json!({"reason": "more", "edits": [
        {"do": "add_node", "id": "more", "type": kind, "config": config},
        {"do": "connect", "from": "triage", "to": "more"}
    ]})
}

/// What an agent with tools adds beyond what is pure waits for a person, bound to that very patch.
#[tokio::test]
async fn a_patch_with_new_powers_waits_for_a_persons_word() {
    for approve in [true, false] {
        let mind = Scripted::new(|_, n| match n {
            0 => call("patch", adds("http", json!({"url": "https://example.com/"}))),
            _ => text("done"),
        });
        let bench = Bench::new(&mind);
        let mut document = tainted();
        // Nothing outside is asked in this test.
        document["spec"]["nodes"].as_array_mut().unwrap().remove(0);
        let run = bench.start(&document).await;
        let state = bench.waiting(&run).await;
        assert!(mind.told()[1].contains("It needs a person's word"), "{:?}", mind.told());
        let asked = state.scopes[""].live.values().find_map(|live| live.ticket.clone());
        let ticket = asked.expect("a ticket");
        assert_eq!(ticket.asks, Asks::Patch);
        let decision = |answer| Decision {
            instance: "triage".into(),
            ticket: Some(ticket.id.to_string()),
            answer,
            by: "user:bob".into(),
            groups: Vec::new(),
            reason: None,
        };
        let view = bench.runs.ticket(&run, "triage").await.unwrap().expect("a view");
        assert!(
            view.details.unwrap().contains("adds nodes: more"),
            "what it would change is shown"
        );
        // The word alone, without the patch it is for, opens nothing.
        let alone = Input::Decision(decision(Reply::Approve(None)));
        let verdicts = bench.runs.apply(&run, vec![alone]).await.unwrap();
        assert!(matches!(verdicts[0], Verdict::Refused(..)), "{verdicts:?}");
        let verdict = match approve {
            true => bench.runs.apply_proposal(&run, decision(Reply::Approve(None))).await.unwrap(),
            false => {
                let no = Input::Decision(decision(Reply::Reject));
                bench.runs.apply(&run, vec![no]).await.unwrap().remove(0)
            }
        };
        assert_eq!(verdict, Verdict::Applied);
        let view = bench.runs.view(&run).await.unwrap();
        assert_eq!(view.state.head.revision, u32::from(approve));
        assert_eq!(view.ir.find("more").is_some(), approve);
        let reject = bench.runs.apply_proposal(&run, decision(Reply::Approve(None))).await;
        assert_ne!(reject.unwrap(), Verdict::Applied, "a word is given once");
        bench
            .runs
            .cancel(&run, aob_engine::state::CancelMode::Now, "user:ada", None)
            .await
            .unwrap();
        bench.stop().await;
    }
}

/// What is pure needs nobody's word.
#[tokio::test]
async fn what_is_pure_is_added_at_once() {
    let mind = Scripted::new(|_, n| match n {
        0 => call("patch", adds("transform", json!({"value": 2}))),
        _ => text("done"),
    });
    let bench = Bench::new(&mind);
    let mut document = tainted();
    document["spec"]["nodes"].as_array_mut().unwrap().remove(0);
    let (run, state) = bench.run(&document).await;
    assert_eq!((state.head.outcome, state.head.revision), (Some(RunOutcome::Succeeded), 1));
    assert_eq!(bench.output(&run, Some("more")).await, json!(2));
    bench.stop().await;
}

/// A type that nobody knows is passed over, and told of; a misspelt approval is none of these.
#[tokio::test]
async fn an_unknown_type_is_passed_over_and_a_misspelt_approval_is_refused() {
    for (kind, taken) in [("future_check", true), ("aproval", false)] {
        let mind = Scripted::new(move |_, n| match n {
            0 => call("patch", adds(kind, json!({"anything": 1}))),
            _ => text("done"),
        });
        let bench = Bench::new(&mind);
        let policy = json!({"allow": [kind], "ungated": [kind]});
        let spec = json!({"nodes": [{"id": "triage", "type": "agent", "config": {"model": "a/b", "prompt": "p", "patch": policy}}]});
        let counted = || {
            let text = aob_telemetry::metrics::metrics().text();
            let line = text.lines().find_map(|line| {
                line.strip_prefix("aob_nodes_passed_total{why=\"unknown_type\"} ")
            });
            line.and_then(|count| count.parse::<u64>().ok()).unwrap_or(0)
        };
        let before = counted();
        let (run, state) = bench.run(&workflow(spec)).await;
        assert_eq!(state.head.outcome, Some(RunOutcome::Succeeded), "{:?}", state.head);
        assert_eq!(state.head.revision, u32::from(taken), "{:?}", mind.told());
        let passed = bench.changes(&run).await.into_iter().any(|(_, change)| {
            matches!(change, Change::Settled { at, cause: Cause::UnknownType, .. } if at == "more")
        });
        assert_eq!(passed, taken);
        if taken {
            assert!(counted() > before, "it is counted");
            let (lines, _) = bench.runs.store().logs(&run, 0, 100).await.expect("lines");
            let told = lines.iter().any(|line| line.text.contains("skipped://unknown_type"));
            assert!(told, "{lines:?}");
        } else {
            assert!(mind.told()[1].contains("GATE_TYPO"), "{}", mind.told()[1]);
        }
        bench.stop().await;
    }
}

//! A refusal says enough to be mended by somebody who sees nothing but the proposal and the refusal.

use std::sync::Mutex;

use aob_engine::state::RunOutcome;
use aob_provider::{Choice, Turn};
use serde_json::{Value, json};

use super::scripted::{Bench, Scripted, call, example, text};

/// What goes wrong most when models write patches. Each is the right patch with one mistake.
pub(crate) fn mistakes() -> Vec<(&'static str, Value)> {
    let disconnect = json!({"do": "disconnect", "from": "triage", "to": "process"});
    let node = json!({"do": "add_node", "id": "check", "type": "transform", "config": {"value": "${ nodes.fetch_data.output.rows }"}});
    let into = json!({"do": "connect", "from": "triage", "to": "check"});
    let out = json!({"do": "connect", "from": "check", "to": "process"});
    let edits = |edits: Vec<Value>| json!({"reason": "check the rows", "edits": edits});
    let with = |mut edit: Value, name: &str, value: Value| {
        edit[name] = value;
        edit
    };
    let all = |node: &Value, into: &Value, out: &Value| {
        edits(vec![disconnect.clone(), node.clone(), into.clone(), out.clone()])
    };
    vec![
        ("a type that may not be added", all(&with(node.clone(), "type", json!("exec")), &into, &out)),
        ("an id in the wrong letters", {
            let id = json!("CheckRows");
            all(&with(node.clone(), "id", id.clone()), &with(into.clone(), "to", id.clone()), &with(out.clone(), "from", id))
        }),
        ("an id that is taken", {
            let id = json!("save");
            all(&with(node.clone(), "id", id.clone()), &with(into.clone(), "to", id.clone()), &with(out.clone(), "from", id))
        }),
        ("a target that is misspelt", all(&node, &into, &with(out.clone(), "to", json!("proces")))),
        ("an edit that is none", edits(vec![disconnect.clone(), with(node.clone(), "do", json!("insert_node")), into.clone(), out.clone()])),
        ("a config without what it needs", all(&with(node.clone(), "config", json!({"expr": "1"})), &into, &out)),
        ("a name that is none", all(&with(node.clone(), "config", json!({"value": "${ node.fetch_data.output }"})), &into, &out)),
        ("an expression that is left open", all(&with(node.clone(), "config", json!({"value": "${ nodes.fetch_data.output "})), &into, &out)),
        ("a condition on what was there", all(&node, &into, &with(out.clone(), "when", json!("true")))),
        ("a failure that is hidden", all(&with(node.clone(), "onError", json!("continue")), &into, &out)),
        ("a node cut off", edits(vec![disconnect.clone(), node.clone(), into.clone()])),
        ("a secret", all(&with(node.clone(), "config", json!({"value": "${ secrets.erp.token }"})), &into, &out)),
        ("raw operations that move", json!({"reason": "r", "operations": [{"op": "move", "from": "/nodes/process", "path": "/nodes/other"}, {"op": "add", "path": "/nodes/-", "value": {"id": "check", "type": "transform", "config": {"value": 1}}}]})),
        ("too many nodes", edits((0..5).map(|n| json!({"do": "add_node", "id": format!("n{n}"), "type": "transform", "config": {"value": 1}})).collect())),
    ]
}

/// One finding of a refusal.
struct Told {
    place: String,
    message: String,
    expected: String,
}

/// The findings of a refusal, read as anybody would.
fn findings(feedback: &str) -> Vec<Told> {
    let lines: Vec<&str> = feedback.lines().collect();
    let pairs = lines.windows(2).filter_map(|pair| {
        let rest = pair[0].strip_prefix("- AOB")?;
        let (place, message) = rest.split_once(" at ")?.1.split_once(": ")?;
        let expected = pair[1].strip_prefix("  expected: ")?;
        Some(Told { place: place.into(), message: message.into(), expected: expected.into() })
    });
    pairs.collect()
}

/// The names in backticks, in order.
fn named(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

fn rename(value: &mut Value, from: &str, to: &str) {
    match value {
        Value::String(text) if text == from => *text = to.to_owned(),
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, from, to)),
        Value::Object(members) => members.values_mut().for_each(|item| rename(item, from, to)),
        _ => {}
    }
}

/// Mends a proposal by what it was told, without knowing the graph it is for.
fn rewrite(mut proposal: Value, feedback: &str) -> Value {
    for Told { place, message, expected } in findings(feedback) {
        let (parent, field) = place.rsplit_once('/').unwrap_or_default();
        let names = named(&message);
        if let Some(types) = expected.split("these types only: ").nth(1) {
            let first = types.trim_end_matches('.').split(", ").next().unwrap_or_default();
            *proposal.pointer_mut(&place).unwrap() = json!(first);
        } else if let Some(right) = message.split("did you mean `").nth(1) {
            let right = right.trim_end_matches("`?");
            let wrong = names[names.len() - 2];
            if let Some(Value::String(text)) = proposal.pointer_mut(&place) {
                *text = text.replace(wrong, right);
            }
        } else if message.ends_with("is no node id") {
            let wrong = message.split('"').nth(1).unwrap_or_default().to_owned();
            let mut right = String::new();
            for letter in wrong.chars() {
                if letter.is_uppercase() && !right.is_empty() {
                    right.push('_');
                }
                right.extend(letter.to_lowercase());
            }
            rename(&mut proposal, &wrong, &right);
        } else if message.ends_with("already") {
            rename(&mut proposal, &names[0].to_owned(), "new_name");
        } else if message.ends_with("is no edit") {
            *proposal.pointer_mut(&place).unwrap() = json!("add_node");
        } else if message.contains("has no field") {
            let known = expected.trim_start_matches("Use one of ").split(", or").next().unwrap();
            let config = proposal.pointer_mut(parent).and_then(Value::as_object_mut).unwrap();
            let value = config.remove(field).unwrap();
            config.insert(known.split(", ").last().unwrap().to_owned(), value);
        } else if message.contains("is never closed") {
            let Some(Value::String(text)) = proposal.pointer_mut(&place) else { continue };
            text.push('}');
        } else if message.contains("may not be read here") {
            *proposal.pointer_mut(&place).unwrap() = json!("nothing secret");
        } else if expected.starts_with("Leave `") {
            let owner = proposal.pointer_mut(parent).and_then(Value::as_object_mut);
            owner.unwrap().remove(field);
        } else if expected.starts_with("Lead it through what is added: connect") {
            let names = named(&expected);
            let edge = json!({"do": "connect", "from": names[0], "to": names[1]});
            proposal["edits"].as_array_mut().unwrap().push(edge);
        } else if message.contains("`move` is refused") {
            let at: usize = place.split('/').nth(2).unwrap().parse().unwrap();
            proposal["operations"].as_array_mut().unwrap().remove(at);
        } else if let Some(less) = expected.strip_prefix("Add ") {
            let less: usize = less.split(' ').next().unwrap().parse().unwrap();
            let edits = proposal["edits"].as_array_mut().unwrap();
            edits.truncate(edits.len() - less);
        }
    }
    proposal
}

/// Whether a patch was accepted in the end, with or without reading what was told; and what was told first.
async fn tried(proposal: &Value, reads: bool) -> (bool, String) {
    let last = Mutex::new(proposal.clone());
    let mind = Scripted::new(move |ask, n| {
        let told = match ask.turns.last() {
            Some(Turn::Results(results)) => results[0].content.clone(),
            _ => String::new(),
        };
        if n > 0 && (told.starts_with("The patch is good") || ask.choice == Choice::None) {
            return text("{\"rows\": 3}");
        }
        let mut last = last.lock().unwrap();
        *last = rewrite(last.clone(), if reads { &told } else { "" });
        call("patch", last.clone())
    });
    let bench = Bench::new(&mind);
    let (_, state) = bench.run(&example("agent-validates.yaml")).await;
    assert_eq!(state.head.outcome, Some(RunOutcome::Succeeded), "{:?}", state.head);
    bench.stop().await;
    (state.head.patches == 1, mind.told().get(1).cloned().unwrap_or_default())
}

/// With what it is told each mistake is mended; without, none is. The run succeeds either way.
#[tokio::test]
async fn each_mistake_is_mended_by_what_was_told_and_by_nothing_else() {
    let mistakes = mistakes();
    assert!(mistakes.len() >= 12);
    let mut shown = String::new();
    let (mut with, mut without) = (0, 0);
    for (name, proposal) in &mistakes {
        let (mended, told) = tried(proposal, true).await;
        assert!(mended, "{name}: {told}");
        with += usize::from(mended);
        let (blind, _) = tried(proposal, false).await;
        assert!(!blind, "{name} is no mistake");
        without += usize::from(blind);
        let findings = findings(&told);
        assert!(
            !findings.is_empty() && findings.iter().all(|one| !one.expected.is_empty()),
            "{told}"
        );
        shown.push_str(&format!("== {name}\n{told}\n"));
    }
    println!("accepted: {with} of {} with what was told, {without} without", mistakes.len());
    insta::assert_snapshot!("feedback", shown);
}

//! The second of three layers: whoever receives an agent's patch judges its parsed operations.
//!
//! It looks at the operations, at the document that they are for, and at the counts of the run. It asks neither the
//! sender nor the compiled graph: what gets past one of those meets this.

mod edges;

use aob_engine::catalogue::AGENT_RECEIVED;
use aob_engine::issue::Issue;
use aob_engine::layer::{self, Judge};
use aob_engine::patch::{Op, Operation};
use aob_engine::state::{State, split_instance};
use serde_json::Value;

/// Nodes that an agent may add where its policy does not say.
const NODES: u64 = 5;

/// Why an agent's patch is not taken. Canonical operations: every path names a node or an edge. `ceiling` is the most
/// agents that any run of this installation may have, `is_agent` which types are agents.
pub(in crate::runs) fn receive(
    state: &State,
    agent: &str,
    document: &Value,
    operations: &[Operation],
    ceiling: u64,
    is_agent: &dyn Fn(&str) -> bool,
) -> Vec<Issue> {
    if !layer::judges(Judge::Receiver) {
        return Vec::new();
    }
    let (head, id) = (&state.head, split_instance(agent).1);
    let nodes = document.pointer("/spec/nodes").and_then(Value::as_array);
    let nodes = nodes.map_or(&[][..], Vec::as_slice);
    let named = |node: &&Value| node.get("id").and_then(Value::as_str) == Some(id);
    let author = nodes.iter().find(named).filter(|node| is_agent(kind(node)));
    let Some(policy) = author.and_then(|author| author.pointer("/config/patch")) else {
        let message = format!("`{agent}` is no agent that may patch");
        return vec![refuse("", message, "Answer without a patch.")];
    };
    let allow = policy.get("allow").and_then(Value::as_array);
    let allow: Vec<&str> = allow.into_iter().flatten().filter_map(Value::as_str).collect();
    let mut issues = Vec::new();
    let (mut added, mut agents) = (0_u64, 0_u64);
    for (at, operation) in operations.iter().enumerate() {
        let Some(rest) = operation.path.strip_prefix("/nodes") else { continue };
        match (operation.op, &operation.value) {
            (Op::Test, _) => {}
            (Op::Add, Some(node)) if rest.trim_start_matches('/').split('/').count() == 1 => {
                added += 1;
                agents += u64::from(is_agent(kind(node)));
                if !allow.contains(&kind(node)) {
                    let message =
                        format!("an agent would add a node of type `{}`", cut(kind(node)));
                    let remedy = match allow.is_empty() {
                        true => "Answer without a patch: no type may be added.".to_owned(),
                        false => format!("Add nodes of these types only: {}.", allow.join(", ")),
                    };
                    issues.push(refuse(format!("/operations/{at}/value/type"), message, remedy));
                }
            }
            _ => {
                // A field of a node that this very patch adds is that node's own matter, and its type is none.
                let id = rest.trim_start_matches('/').split('/').next().unwrap_or_default();
                let own = operations.iter().any(|other| {
                    other.op == Op::Add && other.path.strip_prefix("/nodes/") == Some(id)
                });
                if !own || rest.ends_with("/type") {
                    let message = format!("an agent would change or remove `{}`", cut(id));
                    let remedy =
                        "Leave what is there as it is, and add nodes of its own beside it.";
                    issues.push(refuse(format!("/operations/{at}/path"), message, remedy));
                }
            }
        }
    }
    let most = policy.get("maxNodes").and_then(Value::as_u64).unwrap_or(NODES);
    let placed = u64::from(head.placed.get(id).copied().unwrap_or(0)) + added;
    if placed > most {
        let message = format!(
            "`{id}` may add {most} nodes over the whole run; with these it would be {placed}"
        );
        issues.push(refuse("/operations", message, format!("Add {} nodes less.", placed - most)));
    }
    let limit = document.pointer("/spec/limits/agents").and_then(Value::as_u64);
    let limit = limit.unwrap_or(NODES).min(ceiling);
    let limit = head.allowed.agents.map_or(limit, |most| limit.min(u64::from(most)));
    let ever = u64::from(state.agents_taken().all()) + agents;
    if agents > 0 && ever > limit {
        let message = format!("the run would have had {ever} agents; at most {limit} are allowed");
        issues.push(refuse("/operations", message, "Do the work without another agent."));
    }
    edges::judge(document, operations, &mut issues);
    issues
}

fn kind(node: &Value) -> &str {
    node.get("type").and_then(Value::as_str).unwrap_or_default()
}

fn cut(text: &str) -> String {
    text.chars().take(64).collect()
}

fn refuse(
    pointer: impl Into<String>,
    message: impl Into<String>,
    remedy: impl Into<String>,
) -> Issue {
    Issue::new(&AGENT_RECEIVED, pointer, message).remedy(remedy)
}

//! The first of three layers: the runner counts before it asks a model, and before it sends a patch.
//!
//! It looks at the request as the model wrote it and at the run as it saw it, and at nothing that a later layer looks
//! at: whatever gets past one of them meets another.

use aob_engine::catalogue::{AGENT_LIMIT, AGENT_SPAWN, Entry};
use aob_engine::layer::{self, Judge};
use aob_engine::patch::Finding;
use serde::Deserialize;
use serde_json::Value;

use super::config::Policy;
use super::desk::Scene;
use crate::node::Failure;

/// Whether a model may be asked at all.
pub(super) fn before_model(scene: &Scene) -> Result<(), Failure> {
    if scene.agents <= scene.most_agents || !layer::judges(Judge::Runner) {
        return Ok(());
    }
    let Scene { agents, most_agents, .. } = scene;
    let message = format!("the run has had {agents} agents; at most {most_agents} are allowed");
    Err(Failure::new(&AGENT_LIMIT, message))
}

/// The same for an answer of a worker, by the `patch` of its node's config.
pub(crate) fn before_answer(
    scene: &Scene,
    policy: Option<&Value>,
    request: &Value,
) -> Vec<Finding> {
    let policy = policy.and_then(|policy| Policy::deserialize(policy).ok());
    before_patch(scene, policy.as_ref(), request)
}

/// Why a patch is not sent.
pub(super) fn before_patch(
    scene: &Scene,
    policy: Option<&Policy>,
    request: &Value,
) -> Vec<Finding> {
    if !layer::judges(Judge::Runner) {
        return Vec::new();
    }
    let Some(policy) = policy else {
        let remedy = "Answer without a patch.";
        return vec![finding(
            "",
            "this agent's config has no `patch`, so it may not patch",
            remedy,
        )];
    };
    let mut found = Vec::new();
    let operations = request.get("operations").and_then(Value::as_array);
    let (mut added, mut agents) = (0_u32, 0_u32);
    for (at, operation) in operations.into_iter().flatten().enumerate() {
        let path = operation.get("path").and_then(Value::as_str).unwrap_or_default();
        // Whatever the operation is called: a value that is put where nodes are puts a node there.
        if !path.starts_with("/nodes") {
            continue;
        }
        let value = operation.get("value");
        // A node is made one of another type by its field, too.
        let is_type = path.ends_with("/type") && path.split('/').count() == 4;
        let made = value.and_then(Value::as_str).filter(|_| is_type);
        let nodes = nodes_in(value);
        added += u32::try_from(nodes.len()).unwrap_or(u32::MAX);
        let types = nodes.iter().map(|node| node.get("type").and_then(Value::as_str));
        for kind in types.map(Option::unwrap_or_default).chain(made) {
            let is_agent = kind == "agent" || scene.agent_types.iter().any(|one| one == kind);
            agents += u32::from(is_agent);
            if !policy.allow.iter().any(|allowed| allowed == kind) {
                let message = format!("this agent may not add a node of type `{}`", cut(kind));
                let remedy = match policy.allow.is_empty() {
                    true => "Answer without a patch: no type may be added.".to_owned(),
                    false => format!("Add nodes of these types only: {}.", policy.allow.join(", ")),
                };
                found.push(finding(format!("/operations/{at}/value/type"), message, remedy));
            }
        }
    }
    let placed = scene.placed.saturating_add(added);
    if placed > policy.most() {
        let message = format!(
            "this agent may add {} nodes over the whole run; with this patch it would be {placed}",
            policy.most()
        );
        let less = placed - policy.most();
        found.push(finding("/operations", message, format!("Add {less} nodes less.")));
    }
    let ever = scene.agents.saturating_add(agents);
    if agents > 0 && ever > scene.most_agents {
        let (had, most) = (scene.agents, scene.most_agents);
        let below = match scene.below {
            0 => String::new(),
            below => format!(" ({below} of them in or held by child runs)"),
        };
        let message = format!(
            "the run has had {had} agents{below} and may have {most}; with this patch it would be {ever}"
        );
        let remedy = match most.saturating_sub(had) {
            0 => "Do the work without another agent: use a `transform`, or answer it yourself."
                .to_owned(),
            left => format!("Add at most {left} agents."),
        };
        found.push(finding("/operations", message, remedy));
    }
    found
}

/// The nodes that a value would put into the graph: itself, or the items of a list of them.
fn nodes_in(value: Option<&Value>) -> Vec<&Value> {
    let is_node = |value: &&Value| value.get("type").is_some();
    match value {
        Some(Value::Array(items)) => items.iter().filter(is_node).collect(),
        Some(value) => Some(value).filter(is_node).into_iter().collect(),
        None => Vec::new(),
    }
}

fn cut(text: &str) -> String {
    text.chars().take(64).collect()
}

fn finding(
    pointer: impl Into<String>,
    message: impl Into<String>,
    remedy: impl Into<String>,
) -> Finding {
    let entry: &Entry = &AGENT_SPAWN;
    Finding {
        code: entry.code.to_owned(),
        pointer: pointer.into(),
        message: message.into(),
        remedy: remedy.into(),
        details: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn scene(agents: u32, placed: u32) -> Scene {
        Scene { agents, most_agents: 5, placed, ..Scene::default() }
    }

    fn agents(count: usize) -> Value {
        let add = |n| json!({"op": "add", "path": "/nodes/-", "value": {"id": format!("a{n}"), "type": "agent"}});
        json!({"operations": (0..count).map(add).collect::<Vec<_>>()})
    }

    fn policy() -> Policy {
        serde_json::from_value(json!({"allow": ["agent", "noop"], "maxNodes": 9})).unwrap()
    }

    /// The mission's fourth scenario, with nothing but this layer.
    #[test]
    fn three_agents_may_become_five_and_not_six() {
        let policy = policy();
        assert!(before_patch(&scene(3, 0), Some(&policy), &agents(2)).is_empty());
        let found = before_patch(&scene(5, 2), Some(&policy), &agents(1));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].message.contains("would be 6"), "{}", found[0].message);
        assert!(found[0].remedy.contains("without another agent"), "{}", found[0].remedy);
        let tree = Scene { below: 3, ..scene(5, 2) };
        let found = before_patch(&tree, Some(&policy), &agents(1));
        assert!(found[0].message.contains("(3 of them in or held by child runs)"), "{found:?}");
        assert!(before_model(&scene(5, 0)).is_ok());
        assert_eq!(before_model(&scene(6, 0)).unwrap_err().code, "agent_limit");
    }

    /// However the operations are dressed up.
    #[test]
    fn forged_requests_do_not_hide_an_agent() {
        let policy = policy();
        let node = json!({"id": "x", "type": "agent"});
        for operation in [
            json!({"op": "replace", "path": "/nodes/save", "value": node}),
            json!({"op": "add", "path": "/nodes", "value": [node]}),
            json!({"op": "test", "path": "/nodes/-", "value": node}),
            json!({"path": "/nodes/x", "value": node, "op": "ADD"}),
            json!({"op": "replace", "path": "/nodes/save/type", "value": "agent"}),
        ] {
            let request = json!({"operations": [operation]});
            assert_eq!(before_patch(&scene(5, 0), Some(&policy), &request).len(), 1, "{request}");
        }
    }

    #[test]
    fn types_and_nodes_are_counted_by_the_policy() {
        let mut policy = policy();
        policy.max_nodes = Some(1);
        let add = |kind: &str| json!({"op": "add", "path": "/nodes/-", "value": {"id": "x", "type": kind}});
        let request = json!({"operations": [add("exec"), add("noop")]});
        let found = before_patch(&scene(0, 0), Some(&policy), &request);
        let pointers: Vec<&str> = found.iter().map(|found| found.pointer.as_str()).collect();
        assert_eq!(pointers, ["/operations/0/value/type", "/operations"]);
        assert_eq!(found[1].remedy, "Add 1 nodes less.");
        assert_eq!(before_patch(&scene(0, 0), None, &request).len(), 1);
    }
}

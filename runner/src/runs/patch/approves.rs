//! Which gates a person may change: those that the same person could open alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

/// Who has patched what gates guard, by gate.
type Patchers = BTreeMap<Arc<str>, BTreeSet<Arc<str>>>;

/// Of the gates that somebody wants to change, those that this person may approve on their own. What a template
/// decides is decided when the gate opens, so such a gate is nobody's.
pub(super) fn approvable(
    document: &Value,
    wanted: &[String],
    by: &str,
    groups: &[String],
    requester: &str,
    patchers: &Patchers,
) -> Vec<String> {
    let Some(name) = by.strip_prefix("user:") else { return Vec::new() };
    let nodes = document.pointer("/spec/nodes").and_then(Value::as_array);
    let is_wanted = |node: &&Value| {
        node.get("id").and_then(Value::as_str).is_some_and(|id| wanted.iter().any(|one| one == id))
    };
    let may = |node: &&Value| {
        let config = node.get("config").unwrap_or(&Value::Null);
        node.get("type").and_then(Value::as_str) == Some("approval")
            && may_approve(config, name, groups, by == requester)
            && !(config.get("approvers").is_some() && has_patched(patchers, node, by))
    };
    let gates = nodes.into_iter().flatten().filter(is_wanted).filter(may);
    gates.filter_map(|node| Some(node.get("id")?.as_str()?.to_owned())).collect()
}

/// Whether somebody changed what a gate guards: then they do not open it, nor take it away.
fn has_patched(patchers: &Patchers, gate: &Value, by: &str) -> bool {
    let id = gate.get("id").and_then(Value::as_str).unwrap_or_default();
    patchers.get(id).is_some_and(|patchers| patchers.contains(by))
}

fn may_approve(config: &Value, name: &str, groups: &[String], is_requester: bool) -> bool {
    if config.is_string() {
        return false;
    }
    let Some(approvers) = config.get("approvers") else { return true };
    let alone = approvers.get("count").is_none_or(|count| count.as_u64() == Some(1));
    let requester = approvers.get("allowRequester").and_then(Value::as_bool) == Some(true);
    let named = match (approvers.get("users"), approvers.get("groups")) {
        (None, None) => true,
        (users, teams) => holds(users, name) || groups.iter().any(|group| holds(teams, group)),
    };
    approvers.is_object() && alone && named && (!is_requester || requester)
}

/// Whether a list, if it is one, has a name.
fn holds(list: Option<&Value>, name: &str) -> bool {
    let items = list.and_then(Value::as_array);
    items.is_some_and(|items| items.iter().any(|item| item.as_str() == Some(name)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    fn may(config: Value, by: &str) -> bool {
        may_after(config, by, &[])
    }

    fn may_after(config: Value, by: &str, patchers: &[&str]) -> bool {
        let patchers = patchers.iter().map(|&by| by.into()).collect();
        let document =
            json!({"spec": {"nodes": [{"id": "gate", "type": "approval", "config": config}]}});
        let wanted = ["gate".to_owned()];
        let groups = ["ops".to_owned()];
        let patchers = [("gate".into(), patchers)].into();
        !super::approvable(&document, &wanted, by, &groups, "user:eve", &patchers).is_empty()
    }

    #[test]
    fn only_who_could_open_a_gate_alone_may_change_it() {
        assert!(may(json!({}), "user:ada"));
        assert!(may(json!({"approvers": {"users": ["ada"]}}), "user:ada"));
        assert!(!may(json!({"approvers": {"users": ["bob"]}}), "user:ada"));
        assert!(may(json!({"approvers": {"groups": ["ops"]}}), "user:ada"));
        assert!(!may(json!({"approvers": {"groups": ["board"]}}), "user:ada"));
        assert!(!may(json!({"approvers": {"users": ["ada"], "count": 2}}), "user:ada"));
        assert!(!may(json!({"approvers": {"users": "${{ input.who }}"}}), "user:ada"));
        assert!(!may(json!("${{ input.gate }}"), "user:ada"));
        assert!(!may(json!({}), "agent:triage"));
        assert!(!may(json!({"approvers": {"users": ["eve"]}}), "user:eve"));
        assert!(may(json!({"approvers": {"users": ["eve"], "allowRequester": true}}), "user:eve"));
        let named = json!({"approvers": {"users": ["ada"]}});
        assert!(may_after(named.clone(), "user:ada", &["user:bob"]));
        assert!(!may_after(named, "user:ada", &["user:bob", "user:ada"]));
        assert!(may_after(json!({}), "user:ada", &["user:ada"]));
    }
}

//! Registered types whose nodes are agents: what their answers may bring is said by the same field as at a built-in one.

use serde_json::{Map, Value};

use crate::catalogue::BAD_NODE_TYPE;
use crate::issue::Issue;

/// The field of a node's config that says what its patches may do.
const FIELD: &str = "patch";

/// What keeps a document from describing agents.
pub(super) fn judge(document: &Value) -> Vec<Issue> {
    let mut issues = Vec::new();
    let run = document.pointer("/spec/run");
    if let Some(run) =
        ["lambda", "job"].into_iter().find(|one| run.is_some_and(|run| run.get(one).is_some()))
    {
        let message = format!("a patch comes with `complete`, which a {run} does not call");
        let remedy = "Leave `agent` out, or let a worker run it.";
        issues.push(Issue::new(&BAD_NODE_TYPE, "/spec/agent", message).remedy(remedy));
    }
    let own = format!("/spec/config/properties/{FIELD}");
    if document.pointer(&own).is_some() {
        let message = format!("`{FIELD}` in the config of an agent is AOB's own");
        let remedy = "Leave it out: it is added to the schema.";
        issues.push(Issue::new(&BAD_NODE_TYPE, own, message).remedy(remedy));
    }
    issues
}

/// Adds the policy of patches to the schema of a config, as the built-in agent has it.
pub(super) fn add_policy(config: &mut Value) {
    let Some(schema) = config.as_object_mut() else { return };
    let properties = schema.entry("properties").or_insert_with(|| Value::Object(Map::new()));
    if let (Some(properties), Some(policy)) = (properties.as_object_mut(), policy()) {
        properties.insert(FIELD.to_owned(), policy);
    }
}

fn policy() -> Option<Value> {
    let (_, text) = aob_schema::NODE_TYPES.iter().find(|(name, _)| *name == "agent")?;
    let schema: Value = serde_json::from_str(text).ok()?;
    schema.pointer("/$defs/PatchPolicy").cloned()
}

//! What agents take of the number of nodes that they may add.

use crate::ir::{Ir, Kind, Node};

/// Nodes that an agent may add over the whole run, where its policy does not say.
pub(crate) const NODES: u32 = 5;

/// What a patch takes from the allowance of the agent that makes it: one for each node added, and for an agent among
/// them all that it may add in its turn.
pub(crate) fn taken(old: &Ir, new: &Ir) -> u32 {
    let added = new.nodes.iter().filter(|node| old.find(&node.id).is_none());
    added.map(cost).fold(0, u32::saturating_add)
}

/// What one node takes when an agent adds it.
pub(crate) fn cost(node: &Node) -> u32 {
    1_u32.saturating_add(given(node))
}

/// Nodes that a node may add, an agent with a policy.
pub(crate) fn given(node: &Node) -> u32 {
    let Kind::Task { config, agent: true, .. } = &node.kind else { return 0 };
    let Some(policy) = config.source().get("patch") else { return 0 };
    let most = policy.get("maxNodes").and_then(serde_json::Value::as_u64);
    most.map_or(NODES, |most| u32::try_from(most).unwrap_or(u32::MAX))
}

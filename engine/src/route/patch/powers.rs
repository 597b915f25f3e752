//! What a node that an agent adds can do: to the world outside, with secrets, and as an agent in its turn.

use std::collections::BTreeSet;

use serde_json::Value;

use super::policy::refuse;
use crate::ir::{Effect, Kind, Node};
use crate::issue::Issue;
use crate::state::amount;

/// Whether a node changes nothing outside, by its type and not by what it says of itself. Agents are counted and have
/// no more powers than whoever adds them.
pub(super) fn is_harmless(node: &Node) -> bool {
    match &node.kind {
        Kind::Delay { .. } | Kind::Approval { .. } | Kind::Foreach { .. } | Kind::Loop { .. } => {
            true
        }
        Kind::Task { .. } if node.asks_a_model() => true,
        Kind::Task { config, .. } if &*node.node_type == "http" => {
            let method = config.source().get("method");
            method.is_none_or(|method| matches!(method.as_str(), Some("GET" | "HEAD")))
        }
        Kind::Task { .. } => node.innate == Effect::Pure,
        Kind::Child { .. } | Kind::Unknown => false,
    }
}

/// The first secret that a node's config reads.
pub(super) fn secret_of(node: &Node) -> Option<&str> {
    let config = match &node.kind {
        Kind::Task { config, .. }
        | Kind::Delay { config }
        | Kind::Approval { config }
        | Kind::Child { config } => config,
        Kind::Foreach { items, .. } => items,
        Kind::Loop { max, .. } => max,
        Kind::Unknown => return None,
    };
    config.reads().find(|(_, read)| read.root == "secrets").map(|(_, read)| read.text.as_str())
}

/// An agent gives one that it adds no more than it has itself.
pub(super) fn attenuated(
    agent: &str,
    config: &Value,
    node: &Node,
    pointer: &str,
    issues: &mut Vec<Issue>,
) {
    let own = config;
    let Kind::Task { config, agent: true, .. } = &node.kind else { return };
    let child = config.source();
    let mut more = |field: &str, what: String| {
        let remedy = format!("Give it no more than `{}` has.", agent);
        let what = format!("`{}` would have {what}", node.id);
        issues.push(refuse(format!("{pointer}/config/{field}"), what, remedy));
    };
    if let Some(policy) = child.get("patch") {
        for list in ["allow", "ungated"] {
            let mine = names(own.get("patch").unwrap_or(&Value::Null), list);
            if let Some(name) = names(policy, list).into_iter().find(|name| !mine.contains(name)) {
                more(&format!("patch/{list}"), format!("`{name}` in its `patch.{list}`"));
            }
        }
    }
    let mine = names(own, "tools");
    match child.get("tools") {
        None => {}
        Some(Value::Array(_)) => {
            if let Some(name) = names(child, "tools").into_iter().find(|name| !mine.contains(name))
            {
                more("tools", format!("the tool `{name}`"));
            }
        }
        Some(_) => more("tools", "tools that an expression names".to_owned()),
    }
    let budget =
        |config: &Value, name: &str| config.get("budget").and_then(|b| amount(b.get(name)?));
    for name in ["usd", "tokens", "calls", "duration"] {
        let Some(mine) = budget(own, name) else { continue };
        if budget(child, name).is_none_or(|theirs| theirs > mine) {
            more("budget", format!("a larger `budget.{name}`"));
        }
    }
}

/// The texts of a list in an object.
pub(super) fn names<'v>(of: &'v Value, list: &str) -> BTreeSet<&'v str> {
    let items = of.get(list).and_then(Value::as_array);
    items.into_iter().flatten().filter_map(Value::as_str).collect()
}

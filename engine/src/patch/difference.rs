//! What lies between two graphs: what changed in effect, and the operations that lead from one to the
//! other.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::address::escape;
use super::keyed::is_list;
use super::touched::Touched;
use super::{EdgeName, Keyed, Op, Operation, same};

/// What changed in effect between two documents of a workflow. Names are sorted; of what changed, the
/// top-level fields are told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Difference {
    /// Ids that only the later graph has.
    pub nodes_added: Vec<String>,
    /// Ids that only the earlier graph has.
    pub nodes_removed: Vec<String>,
    /// Fields by id of the node: `config`, `join`.
    pub nodes_changed: BTreeMap<String, Vec<String>>,
    /// Edges that only the later graph has.
    pub edges_added: Vec<EdgeName>,
    /// Edges that only the earlier graph has.
    pub edges_removed: Vec<EdgeName>,
    /// Fields by edge: `when`, `otherwise`.
    pub edges_changed: BTreeMap<EdgeName, Vec<String>>,
    /// Fields of nodes that only people read (`ui`, `description`, `labels`), and those that only say
    /// what holds anyway (`join: all`).
    pub cosmetic_nodes: BTreeMap<String, Vec<String>>,
    /// Fields of edges that only say what holds anyway (`after: success`, `otherwise: false`).
    pub cosmetic_edges: BTreeMap<EdgeName, Vec<String>>,
    /// Fields of the spec beside nodes and edges. No patch changes them.
    pub spec_changed: Vec<String>,
}

impl Difference {
    /// Whether nothing differs in effect; what is cosmetic may.
    pub fn is_empty(&self) -> bool {
        self.nodes_added.is_empty()
            && self.nodes_removed.is_empty()
            && self.nodes_changed.is_empty()
            && self.edges_added.is_empty()
            && self.edges_removed.is_empty()
            && self.edges_changed.is_empty()
            && self.spec_changed.is_empty()
    }
}

/// The effective difference of two workflow documents. Order means nothing, numbers are compared by
/// value. What has no name, or that of an earlier one, is left out.
pub fn difference(before: &Value, after: &Value) -> Difference {
    of_graphs((before, &Keyed::gather(before).0), (after, &Keyed::gather(after).0))
}

/// The same of a document and what canonical operations made of it, for less: only what they name is looked at.
pub(super) fn difference_by(before: &Value, after: &Value, operations: &[Operation]) -> Difference {
    let touched = Touched::by(operations);
    of_graphs((before, &touched.within(before)), (after, &touched.within(after)))
}

fn of_graphs(
    (before, old): (&Value, &Keyed<'_>),
    (after, new): (&Value, &Keyed<'_>),
) -> Difference {
    let nodes = Changes::between(&old.nodes, &new.nodes);
    let edges = Changes::between(&old.edges, &new.edges);
    Difference {
        nodes_added: nodes.added.into_iter().map(|(id, _)| id.clone()).collect(),
        nodes_removed: nodes.removed.into_iter().cloned().collect(),
        nodes_changed: fields(&nodes.changed, false),
        cosmetic_nodes: fields(&nodes.changed, true),
        edges_added: edges.added.into_iter().map(|(name, _)| name.clone()).collect(),
        edges_removed: edges.removed.into_iter().cloned().collect(),
        edges_changed: fields(&edges.changed, false),
        cosmetic_edges: fields(&edges.changed, true),
        spec_changed: spec_changed(before, after),
    }
}

/// The canonical operations that turn the graph of one document into that of another: edges are removed
/// before nodes, nodes added before edges, and of what both have only what differs is written: one
/// operation for each top-level field, as deep as a single change lies. Fields beside nodes and edges are
/// left alone.
pub fn operations_between(before: &Value, after: &Value) -> Vec<Operation> {
    let (old, new) = (Keyed::gather(before).0, Keyed::gather(after).0);
    let nodes = Changes::between(&old.nodes, &new.nodes);
    let edges = Changes::between(&old.edges, &new.edges);
    let mut operations = Vec::new();
    edges.remove("edges", &mut operations);
    nodes.remove("nodes", &mut operations);
    nodes.change("nodes", &mut operations);
    nodes.add("nodes", &mut operations);
    edges.change("edges", &mut operations);
    edges.add("edges", &mut operations);
    operations
}

/// What happened to one of the lists, in the order of names.
struct Changes<'k, K> {
    removed: Vec<&'k K>,
    added: Vec<(&'k K, &'k Value)>,
    /// What both have, and not alike.
    changed: Vec<(&'k K, &'k Value, &'k Value)>,
}

impl<'k, K: Ord + fmt::Display> Changes<'k, K> {
    fn between(old: &'k BTreeMap<K, Cow<'_, Value>>, new: &'k BTreeMap<K, Cow<'_, Value>>) -> Self {
        let mut changes = Self { removed: Vec::new(), added: Vec::new(), changed: Vec::new() };
        let (mut olds, mut news) = (old.iter().peekable(), new.iter().peekable());
        loop {
            // Both come in the order of names, so that nothing is looked up.
            let order = match (olds.peek(), news.peek()) {
                (Some((was, _)), Some((is, _))) => was.cmp(is),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => return changes,
            };
            let was = olds.next_if(|_| order.is_le());
            let is = news.next_if(|_| order.is_ge());
            match (was, is) {
                (Some((key, _)), None) => changes.removed.push(key),
                (None, Some((key, value))) => changes.added.push((key, value)),
                (Some((key, was)), Some((_, is))) if !same(was, is) => {
                    changes.changed.push((key, was, is));
                }
                _ => {}
            }
        }
    }

    fn remove(&self, list: &str, operations: &mut Vec<Operation>) {
        operations.extend(self.removed.iter().map(|key| Operation {
            op: Op::Remove,
            path: format!("/{list}/{key}"),
            value: None,
        }));
    }

    fn add(&self, list: &str, operations: &mut Vec<Operation>) {
        operations.extend(self.added.iter().map(|(key, value)| Operation {
            op: Op::Add,
            path: format!("/{list}/{key}"),
            value: Some((*value).clone()),
        }));
    }

    fn change(&self, list: &str, operations: &mut Vec<Operation>) {
        for (key, was, is) in &self.changed {
            let (Some(was), Some(is)) = (was.as_object(), is.as_object()) else { continue };
            let path = format!("/{list}/{key}");
            for field in differing(was, is) {
                operations.push(narrowest(&path, field, was, is));
            }
        }
    }
}

/// The one operation that makes a field of an object like that of another, at the deepest place that
/// holds all that differs. Lists are replaced whole.
fn narrowest(
    path: &str,
    field: &str,
    was: &Map<String, Value>,
    is: &Map<String, Value>,
) -> Operation {
    let (mut path, mut field, mut was, mut is) = (path.to_owned(), field, was, is);
    loop {
        path.push('/');
        path.push_str(&escape(field));
        let (old, new) = (was.get(field), is.get(field));
        if let (Some(Value::Object(old)), Some(Value::Object(new))) = (old, new) {
            let mut inner = differing(old, new);
            if let (Some(only), None) = (inner.next(), inner.next()) {
                (field, was, is) = (only, old, new);
                continue;
            }
        }
        let op = match (old, new) {
            (_, None) => Op::Remove,
            (None, _) => Op::Add,
            _ => Op::Replace,
        };
        return Operation { op, path, value: new.cloned() };
    }
}

/// The fields that two objects do not have alike.
fn differing<'m>(
    was: &'m Map<String, Value>,
    is: &'m Map<String, Value>,
) -> impl Iterator<Item = &'m str> {
    let old = was
        .iter()
        .filter(|(name, old)| !is.get(*name).is_some_and(|new| same(old, new)))
        .map(|(name, _)| name.as_str());
    let new = is.keys().filter(|name| !was.contains_key(*name)).map(String::as_str);
    old.chain(new)
}

/// The differing fields of what changed: those that count, or those that do not.
fn fields<K: Ord + Clone>(
    changed: &[(&K, &Value, &Value)],
    cosmetic: bool,
) -> BTreeMap<K, Vec<String>> {
    let mut told = BTreeMap::new();
    for (key, was, is) in changed {
        let (Some(was), Some(is)) = (was.as_object(), is.as_object()) else { continue };
        let counted = differing(was, is)
            .filter(|field| is_cosmetic(field, was.get(*field), is.get(*field)) == cosmetic);
        let mut names: Vec<String> = counted.map(str::to_owned).collect();
        if !names.is_empty() {
            names.sort_unstable();
            told.insert((*key).clone(), names);
        }
    }
    told
}

fn is_cosmetic(field: &str, was: Option<&Value>, is: Option<&Value>) -> bool {
    let default = match field {
        "ui" | "description" | "labels" => return true,
        "join" => Value::from("all"),
        "onError" => Value::from("fail"),
        "after" => Value::from("success"),
        "otherwise" => Value::from(false),
        "config" => Value::Object(Map::new()),
        _ => return false,
    };
    same(was.unwrap_or(&default), is.unwrap_or(&default))
}

fn spec_changed(before: &Value, after: &Value) -> Vec<String> {
    let none = Map::new();
    let (was, is) = (spec(before).unwrap_or(&none), spec(after).unwrap_or(&none));
    let beside: BTreeSet<&String> =
        was.keys().chain(is.keys()).filter(|name| !is_list(name)).collect();
    let changed = beside.into_iter().filter(|name| match (was.get(*name), is.get(*name)) {
        (Some(was), Some(is)) => !same(was, is),
        _ => true,
    });
    changed.cloned().collect()
}

fn spec(document: &Value) -> Option<&Map<String, Value>> {
    document.get("spec").and_then(Value::as_object)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::patch::materialize;

    fn workflow(nodes: Value, edges: Value) -> Value {
        json!({"metadata": {"name": "x"}, "spec": {"nodes": nodes, "edges": edges}})
    }

    #[test]
    fn a_difference_tells_what_counts_from_what_does_not() {
        let before = workflow(
            json!([
                {"id": "a", "type": "noop", "ui": {"x": 1}},
                {"id": "b", "type": "transform", "config": {"value": 1}},
                {"id": "c", "type": "noop", "join": "all"},
                {"id": "gone", "type": "noop"},
                {"id": "same", "type": "transform", "config": {"value": [1, {"x": 2}]}}
            ]),
            json!([{"from": "a", "to": "b"}, {"from": "b", "to": "c", "when": "true"}, {"from": "a", "to": "gone"}, {"from": "a", "to": "same"}]),
        );
        let mut after = workflow(
            json!([
                {"id": "same", "type": "transform", "config": {"value": [1.0, {"x": 2.0}]}},
                {"id": "new", "type": "noop"},
                {"id": "a", "type": "noop", "ui": {"x": 2}, "labels": {"team": "x"}},
                {"id": "b", "type": "delay", "config": {"for": "1s"}, "onError": "fail"},
                {"id": "c", "type": "noop", "join": "any"}
            ]),
            json!([{"from": "b", "to": "c"}, {"from": "a", "to": "b", "after": "success"}, {"from": "a", "to": "same", "otherwise": false}, {"from": "a", "to": "b", "after": "failure"}]),
        );
        after["spec"]["output"] = json!("x");
        let found = serde_json::to_value(difference(&before, &after)).unwrap();
        let wanted = json!({
            "nodesAdded": ["new"], "nodesRemoved": ["gone"],
            "nodesChanged": {"b": ["config", "type"], "c": ["join"]},
            "edgesAdded": ["a->b:failure"], "edgesRemoved": ["a->gone"],
            "edgesChanged": {"b->c": ["when"]},
            "cosmeticNodes": {"a": ["labels", "ui"], "b": ["onError"]},
            "cosmeticEdges": {"a->b": ["after"], "a->same": ["otherwise"]},
            "specChanged": ["output"]
        });
        assert_eq!(found, wanted);
        assert!(!difference(&before, &after).is_empty());
        assert_eq!(
            serde_json::from_value::<Difference>(found).unwrap(),
            difference(&before, &after)
        );
        assert!(difference(&before, &before).is_empty());
        for broken in [
            json!(null),
            json!({"spec": 1}),
            json!({"spec": {"nodes": [1, {"id": "a"}, {"id": "a", "x": 1}], "edges": {}}}),
        ] {
            assert!(difference(&broken, &broken).is_empty());
            assert!(operations_between(&broken, &broken).is_empty());
        }
    }

    #[test]
    fn operations_are_as_few_and_as_small_as_they_can_be() {
        let before = workflow(
            json!([
                {"id": "a", "type": "http", "config": {"url": "x", "headers": {"a/b": "1", "c": "2"}, "query": {"q": 1}}, "timeout": "1s"},
                {"id": "b", "type": "noop"},
                {"id": "gone", "type": "noop"}
            ]),
            json!([{"from": "a", "to": "b", "when": "true"}, {"from": "a", "to": "gone"}]),
        );
        let after = workflow(
            json!([
                {"id": "a", "type": "http", "config": {"url": "x", "headers": {"a/b": "9", "c": "2"}, "query": {"q": 1}}, "join": "any"},
                {"id": "b", "type": "noop", "config": {"x": 1, "y": 2}},
                {"id": "new", "type": "noop"}
            ]),
            json!([{"from": "a", "to": "b", "when": "false"}, {"from": "a", "to": "new"}]),
        );
        let operations = operations_between(&before, &after);
        let told: Vec<String> = operations
            .iter()
            .map(|operation| format!("{} {}", operation.op, operation.path))
            .collect();
        let wanted = [
            "remove /edges/a->gone",
            "remove /nodes/gone",
            "replace /nodes/a/config/headers/a~1b",
            "remove /nodes/a/timeout",
            "add /nodes/a/join",
            "add /nodes/b/config",
            "add /nodes/new",
            "replace /edges/a->b/when",
            "add /edges/a->new",
        ];
        assert_eq!(told, wanted);
        let patched = materialize(&before, &[&operations]).unwrap();
        assert_eq!(patched, materialize(&after, &[]).unwrap());
    }
}

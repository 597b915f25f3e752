//! A graph with its nodes and edges by name, so that their order means nothing.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::{fmt, mem};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{PatchError, quote};
use crate::catalogue::PATCH_GRAPH;
use crate::ir::After;

/// Identity of an edge, written `fetch->save`, `fetch->tell:failure`. Ordered by source, target and the
/// word of `after`, as the canonical form of a spec is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct EdgeName {
    /// Id of the source.
    pub from: String,
    /// Id of the target.
    pub to: String,
    /// Success where the edge does not say.
    pub after: After,
}

impl EdgeName {
    /// Reads the written form; `:success` may be written too.
    pub fn parse(text: &str) -> Option<Self> {
        let (from, rest) = text.split_once("->")?;
        let (to, after) = match rest.split_once(':') {
            Some((to, word)) => (to, after(word)?),
            None => (rest, After::Success),
        };
        (is_id(from) && is_id(to)).then(|| Self { from: from.to_owned(), to: to.to_owned(), after })
    }

    /// The name of an edge as it is written in a workflow.
    pub fn of(edge: &Value) -> Option<Self> {
        let end = |name: &str| edge.get(name).and_then(Value::as_str).filter(|id| is_id(id));
        let after = match edge.get("after") {
            None => After::Success,
            Some(word) => after(word.as_str()?)?,
        };
        Some(Self { from: end("from")?.to_owned(), to: end("to")?.to_owned(), after })
    }

    fn parts(&self) -> (&str, &str, &str) {
        (&self.from, &self.to, word(self.after))
    }
}

impl Ord for EdgeName {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts().cmp(&other.parts())
    }
}

impl PartialOrd for EdgeName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for EdgeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}->{}", self.from, self.to)?;
        match self.after {
            After::Success => Ok(()),
            after => write!(f, ":{}", word(after)),
        }
    }
}

impl From<EdgeName> for String {
    fn from(name: EdgeName) -> Self {
        name.to_string()
    }
}

impl TryFrom<String> for EdgeName {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("an edge is named like `fetch->save` or `fetch->tell:failure`")
    }
}

/// The nodes of a workflow by id and its edges by name. What is not changed stays borrowed.
#[derive(Debug, Clone, Default)]
pub struct Keyed<'a> {
    /// Nodes by id.
    pub nodes: BTreeMap<String, Cow<'a, Value>>,
    /// Edges by name.
    pub edges: BTreeMap<EdgeName, Cow<'a, Value>>,
}

impl<'a> Keyed<'a> {
    /// The graph of a workflow document.
    ///
    /// # Errors
    /// The first node or edge that has no name or the name of another.
    pub fn of(document: &'a Value) -> Result<Self, PatchError> {
        match Self::gather(document) {
            (graph, None) => Ok(graph),
            (_, Some(error)) => Err(error),
        }
    }

    /// The same, leaving out what has no name or that of an earlier one; with the first of those.
    pub(super) fn gather(document: &'a Value) -> (Self, Option<PatchError>) {
        let items = |name| {
            let list = document.get("spec").and_then(|spec| spec.get(name)?.as_array());
            list.map_or(&[][..], Vec::as_slice).iter().map(Cow::Borrowed)
        };
        Self::named(items("nodes"), items("edges"))
    }

    /// The graph of a document, moved out of it, and what is left: to be put [`back`](Self::back).
    ///
    /// # Errors
    /// As of [`Keyed::of`].
    pub(super) fn take(mut document: Value) -> Result<(Self, Value), PatchError> {
        let mut list = |name| match document.get_mut("spec").and_then(|spec| spec.get_mut(name)) {
            Some(Value::Array(items)) => mem::take(items),
            _ => Vec::new(),
        };
        let (nodes, edges) = (list("nodes"), list("edges"));
        let owned = |items: Vec<Value>| items.into_iter().map(Cow::Owned);
        match Self::named(owned(nodes), owned(edges)) {
            (graph, None) => Ok((graph, document)),
            (_, Some(error)) => Err(error),
        }
    }

    fn named(
        nodes: impl Iterator<Item = Cow<'a, Value>>,
        edges: impl Iterator<Item = Cow<'a, Value>>,
    ) -> (Self, Option<PatchError>) {
        let mut error = None;
        let nodes = by_name(nodes, "nodes", &mut error);
        let edges = by_name(edges, "edges", &mut error);
        (Self { nodes, edges }, error)
    }

    /// The document with this graph in place of its own: nodes by id, edges by name, everything else as
    /// it was. A document that lists no edges gets a list only if there are any.
    pub fn document(self, document: &Value) -> Value {
        let Some(outer) = document.as_object() else { return document.clone() };
        let without = |(name, value): (&String, &Value)| {
            (name.clone(), if is_list(name) { Value::Null } else { value.clone() })
        };
        let left = outer.iter().map(|(name, value)| match value {
            Value::Object(spec) if name == "spec" => {
                (name.clone(), spec.iter().map(without).collect())
            }
            other => (name.clone(), other.clone()),
        });
        self.back(left.collect())
    }

    /// The same for a document whose lists are of no use any more.
    pub(super) fn back(self, mut left: Value) -> Value {
        let Some(outer) = left.as_object_mut() else { return left };
        let spec = outer.entry("spec").or_insert(Value::Null);
        if !spec.is_object() {
            *spec = Value::Object(Map::new());
        }
        if let Some(spec) = spec.as_object_mut() {
            if !self.edges.is_empty() || spec.contains_key("edges") {
                spec.insert("edges".to_owned(), listed(self.edges).into());
            }
            spec.insert("nodes".to_owned(), listed(self.nodes).into());
        }
        left
    }
}

/// Whether a field of a spec is one of the lists that make the graph.
pub(super) fn is_list(field: &str) -> bool {
    matches!(field, "nodes" | "edges")
}

/// What names a node or an edge.
pub(super) trait Key: Ord + fmt::Display {
    /// `node` or `edge`.
    const KIND: &'static str;
    /// The fields it is made of.
    const FIELDS: &'static [&'static str];

    /// The name of what is written.
    fn of(value: &Value) -> Option<Self>
    where
        Self: Sized;

    /// The value of the first of the fields.
    fn first(&self) -> &str;
}

impl Key for String {
    const KIND: &'static str = "node";
    const FIELDS: &'static [&'static str] = &["id"];

    fn of(node: &Value) -> Option<Self> {
        node.get("id").and_then(Value::as_str).filter(|id| is_id(id)).map(str::to_owned)
    }

    fn first(&self) -> &str {
        self
    }
}

impl Key for EdgeName {
    const KIND: &'static str = "edge";
    const FIELDS: &'static [&'static str] = &["from", "to", "after"];

    fn of(edge: &Value) -> Option<Self> {
        Self::of(edge)
    }

    fn first(&self) -> &str {
        &self.from
    }
}

/// Whether a text is a node id by its letters: `^[a-z][a-z0-9_]{0,62}$`.
pub(super) fn is_id(text: &str) -> bool {
    let letter = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'_';
    text.len() <= 63
        && text.starts_with(|first: char| first.is_ascii_lowercase())
        && text.as_bytes().iter().all(letter)
}

fn by_name<'a, K: Key>(
    items: impl Iterator<Item = Cow<'a, Value>>,
    list: &str,
    error: &mut Option<PatchError>,
) -> BTreeMap<K, Cow<'a, Value>> {
    let mut named: Vec<(K, usize, Cow<'a, Value>)> = Vec::with_capacity(items.size_hint().0);
    let mut refuse = |at: usize, message: String| {
        error.get_or_insert_with(|| PatchError {
            entry: &PATCH_GRAPH,
            pointer: format!("/spec/{list}/{at}"),
            message,
            remedy: None,
        });
    };
    for (at, item) in items.enumerate() {
        match K::of(&item) {
            Some(key) => named.push((key, at, item)),
            None => refuse(
                at,
                format!(
                    "there is no {} that can be named by its {}",
                    K::KIND,
                    K::FIELDS.join(", ")
                ),
            ),
        }
    }
    // Stable by position, so that the first of several with one name has it.
    named.sort_unstable_by(|(a, x, _), (b, y, _)| (a, x).cmp(&(b, y)));
    named.dedup_by(|(later, at, _), (first, _, _)| {
        let twice = later == first;
        if twice {
            refuse(*at, format!("a second {} is named {}", K::KIND, quote(&later.to_string())));
        }
        twice
    });
    named.into_iter().map(|(key, _, item)| (key, item)).collect()
}

fn listed<K>(items: BTreeMap<K, Cow<'_, Value>>) -> Vec<Value> {
    items.into_values().map(Cow::into_owned).collect()
}

fn after(word: &str) -> Option<After> {
    match word {
        "success" => Some(After::Success),
        "failure" => Some(After::Failure),
        "always" => Some(After::Always),
        _ => None,
    }
}

fn word(after: After) -> &'static str {
    match after {
        After::Success => "success",
        After::Failure => "failure",
        After::Always => "always",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::compile::spec_digest;
    use crate::patch::{Op, Operation, materialize};

    #[test]
    fn edges_are_named_by_their_ends_and_after() {
        for (text, from, to, after) in [
            ("a->b", "a", "b", After::Success),
            ("a->b:failure", "a", "b", After::Failure),
            ("a->b:always", "a", "b", After::Always),
        ] {
            let name = EdgeName::parse(text).unwrap();
            assert_eq!((name.from.as_str(), name.to.as_str(), name.after), (from, to, after));
            assert_eq!(name.to_string(), text);
            assert_eq!(serde_json::to_value(&name).unwrap(), json!(text));
            assert_eq!(serde_json::from_value::<EdgeName>(json!(text)).unwrap(), name);
        }
        assert_eq!(EdgeName::parse("a->b:success").unwrap().to_string(), "a->b");
        for wrong in [
            "",
            "a",
            "a->",
            "->b",
            "a->b:",
            "a->b:on",
            "A->b",
            "a->b->c",
            "a -> b",
            "a->b:failure:x",
        ] {
            assert_eq!(EdgeName::parse(wrong), None, "{wrong}");
            assert!(serde_json::from_value::<EdgeName>(json!(wrong)).is_err());
        }
        assert_eq!(
            EdgeName::of(&json!({"from": "a", "to": "b", "after": "success"})),
            EdgeName::parse("a->b")
        );
        for wrong in
            [json!(null), json!({"from": "a"}), json!({"from": "a", "to": "b", "after": null})]
        {
            assert_eq!(EdgeName::of(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_graph_comes_back_sorted_with_everything_else_as_it_was() {
        let document = json!({
            "apiVersion": "aob.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": "x", "uid": 1},
            "spec": {
                "output": "${ 1 }",
                "nodes": [{"id": "b", "type": "noop"}, {"id": "a", "type": "noop"}],
                "edges": [{"from": "b", "to": "a"}, {"from": "a", "to": "b", "after": "failure"}, {"from": "a", "to": "b", "after": "always"}]
            }
        });
        let mut wanted = document.clone();
        wanted["spec"]["nodes"].as_array_mut().unwrap().reverse();
        wanted["spec"]["edges"].as_array_mut().unwrap().reverse();
        let bare = json!({"spec": {"nodes": []}});
        let missing = json!({"kind": "Workflow"});
        let empty = json!({"kind": "Workflow", "spec": {"nodes": []}});
        for (document, wanted) in
            [(document, wanted), (bare.clone(), bare), (missing, empty), (json!(1), json!(1))]
        {
            assert_eq!(Keyed::of(&document).unwrap().document(&document), wanted);
            let (graph, left) = Keyed::take(document).unwrap();
            assert_eq!(graph.back(left), wanted);
        }
    }

    #[test]
    fn what_has_no_name_of_its_own_is_refused() {
        for (nodes, edges, pointer) in [
            (json!([{"id": "a"}, {"id": "b"}, {"id": "a"}]), json!([]), "/spec/nodes/2"),
            (json!([{"id": "a"}, 5]), json!([]), "/spec/nodes/1"),
            (json!([{"id": "A"}]), json!([]), "/spec/nodes/0"),
            (
                json!([]),
                json!([{"from": "a", "to": "b"}, {"from": "a", "to": "b", "after": "success"}]),
                "/spec/edges/1",
            ),
        ] {
            let document = json!({"spec": {"nodes": nodes, "edges": edges}});
            let error = Keyed::of(&document).unwrap_err();
            assert_eq!((error.entry, error.pointer.as_str()), (&PATCH_GRAPH, pointer));
        }
    }

    /// However often a graph is made anew from its first document or from the last one.
    #[test]
    fn an_edge_that_comes_and_goes_leaves_the_digest_as_it_was() {
        let operation = |op, value| Operation { op, path: "/edges/a->b".to_owned(), value };
        let there = [operation(Op::Add, Some(json!({"from": "a", "to": "b"})))];
        let back = [operation(Op::Remove, None)];
        let nodes = json!([{"id": "a", "type": "noop"}, {"id": "b", "type": "noop"}]);
        for base in
            [json!({"spec": {"nodes": nodes}}), json!({"spec": {"nodes": nodes, "edges": []}})]
        {
            let with = materialize(&base, &[&there]).unwrap();
            let by_step = materialize(&with, &[&back]).unwrap();
            let at_once = materialize(&base, &[&there, &back]).unwrap();
            let digests = [&base, &with, &by_step, &at_once].map(spec_digest);
            assert_ne!(digests[1], digests[0]);
            assert_eq!([&digests[2], &digests[3]], [&digests[0], &digests[0]]);
        }
    }
}

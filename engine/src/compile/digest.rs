//! The canonical form of a spec, and digests of it and of its bodies.

use std::ops::Range;

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::canonical::write_value;

/// `sha256:<hex>` over the RFC 8785 text of `spec` as written: no defaults filled in, `ui` left out,
/// nodes by id, edges by (from, to, after), where `after` that is not written counts as `success`. A list of
/// no edges is as no list: patches may leave either of them.
pub fn spec_digest(document: &Value) -> String {
    let canonical = Canonical::of(document);
    let items =
        |list: &str| document.get("spec").and_then(|spec| spec.get(list)).and_then(Value::as_array);
    let id = |at: usize| items("nodes").and_then(|nodes| nodes.get(at)?.get("id")?.as_str());
    let nodes = canonical.sorted(&canonical.nodes, id);
    let edges = canonical.sorted(&canonical.edges, |at| {
        items("edges").and_then(|edges| edges.get(at)).map(identity)
    });
    canonical.spec_digest(nodes.into_iter(), edges.into_iter())
}

/// The canonical texts of a spec's parts, in one buffer.
#[derive(Debug)]
pub(super) struct Canonical<'a> {
    spec: &'a Value,
    text: String,
    nodes: Vec<Range<usize>>,
    edges: Vec<Range<usize>>,
}

impl<'a> Canonical<'a> {
    pub(super) fn of(document: &'a Value) -> Self {
        let spec = document.get("spec").unwrap_or(&Value::Null);
        let mut text = String::new();
        let mut written = |list: &str, write: fn(&mut String, &Value)| {
            let items = spec.get(list).and_then(Value::as_array).into_iter().flatten();
            let ranges = items.map(|item| {
                let start = text.len();
                write(&mut text, item);
                start..text.len()
            });
            ranges.collect::<Vec<_>>()
        };
        let nodes = written("nodes", write_node);
        let edges = written("edges", write_edge);
        Self { spec, text, nodes, edges }
    }

    /// The digest, given the positions of nodes by id and of edges by identity.
    pub(super) fn spec_digest(
        &self,
        nodes: impl Iterator<Item = usize>,
        edges: impl Iterator<Item = usize>,
    ) -> String {
        let Value::Object(spec) = self.spec else {
            return crate::canonical::digest(self.spec);
        };
        let (mut nodes, mut edges) = (Some(nodes), Some(edges));
        let mut hash = Sha256::new();
        let mut text = "{".to_owned();
        let no_edges =
            |key: &str| key == "edges" && spec[key].as_array().is_some_and(Vec::is_empty);
        let mut keys: Vec<&String> = spec.keys().filter(|key| !no_edges(key)).collect();
        keys.sort_unstable_by(|a, b| a.encode_utf16().cmp(b.encode_utf16()));
        for key in keys {
            write_value(&mut text, &Value::from(key.as_str()));
            text.push(':');
            match (key.as_str(), &spec[key]) {
                ("nodes", Value::Array(_)) => {
                    hash.update(text.as_bytes());
                    self.list(
                        &mut hash,
                        nodes.take().into_iter().flatten().map(|at| &self.nodes[at]),
                    );
                    text.clear();
                }
                ("edges", Value::Array(_)) => {
                    hash.update(text.as_bytes());
                    self.list(
                        &mut hash,
                        edges.take().into_iter().flatten().map(|at| &self.edges[at]),
                    );
                    text.clear();
                }
                (_, value) => write_value(&mut text, value),
            }
            text.push(',');
        }
        // The last comma, if there is one, is none.
        if text.ends_with(',') {
            text.pop();
        }
        text.push('}');
        hash.update(text.as_bytes());
        named(hash)
    }

    /// `sha256:<hex>` over `{"bodies":{<container>:<digest>,..},"edges":[..],"nodes":[..]}`, everything in
    /// the order it is given in; positions are those in the document's lists.
    pub(super) fn body_digest<'b>(
        &self,
        nodes: impl Iterator<Item = usize>,
        edges: impl Iterator<Item = usize>,
        bodies: impl Iterator<Item = (&'b str, &'b str)>,
    ) -> String {
        let nested: Map<String, Value> =
            bodies.map(|(id, digest)| (id.to_owned(), digest.into())).collect();
        let mut text = "{\"bodies\":".to_owned();
        write_value(&mut text, &Value::Object(nested));
        let mut hash = Sha256::new();
        hash.update(&text);
        hash.update(",\"edges\":");
        self.list(&mut hash, edges.map(|at| &self.edges[at]));
        hash.update(",\"nodes\":");
        self.list(&mut hash, nodes.map(|at| &self.nodes[at]));
        hash.update("}");
        named(hash)
    }

    /// Positions by key; equal keys, which only a refused document has, by text.
    fn sorted<K: Ord>(&self, ranges: &[Range<usize>], key: impl Fn(usize) -> K) -> Vec<usize> {
        let mut keyed: Vec<(K, &str, usize)> = ranges
            .iter()
            .enumerate()
            .map(|(at, range)| (key(at), &self.text[range.clone()], at))
            .collect();
        keyed.sort_unstable();
        keyed.into_iter().map(|(_, _, at)| at).collect()
    }

    fn list<'r>(&self, hash: &mut Sha256, ranges: impl Iterator<Item = &'r Range<usize>>) {
        let mut before = "[";
        for range in ranges {
            hash.update(before);
            hash.update(&self.text[range.clone()]);
            before = ",";
        }
        hash.update(if before == "[" { "[]" } else { "]" });
    }
}

fn named(hash: Sha256) -> String {
    format!("sha256:{}", data_encoding::HEXLOWER.encode(&hash.finalize()))
}

fn identity(edge: &Value) -> (Option<&str>, Option<&str>, &str) {
    let field = |name: &str| edge.get(name).and_then(Value::as_str);
    (field("from"), field("to"), field("after").unwrap_or("success"))
}

fn write_node(text: &mut String, node: &Value) {
    match node {
        Value::Object(map) if map.contains_key("ui") => {
            let mut kept = map.clone();
            kept.remove("ui");
            write_value(text, &Value::Object(kept));
        }
        other => write_value(text, other),
    }
}

/// Most of a large graph's text is edges with nothing but their ends, which need no escapes.
fn write_edge(text: &mut String, edge: &Value) {
    let ends = edge
        .as_object()
        .filter(|map| map.len() == 2)
        .and_then(|map| Some((map.get("from")?, map.get("to")?)));
    match ends {
        Some((Value::String(from), Value::String(to))) if plain(from) && plain(to) => {
            for part in ["{\"from\":\"", from, "\",\"to\":\"", to, "\"}"] {
                text.push_str(part);
            }
        }
        _ => write_value(text, edge),
    }
}

fn plain(id: &str) -> bool {
    id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

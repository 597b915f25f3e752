//! The nodes and edges that operations name, found in documents without ordering all the rest.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::address::{Address, Item};
use super::keyed::Key;
use super::{EdgeName, Keyed, Operation};

/// What canonical operations name.
#[derive(Debug, Default)]
pub(super) struct Touched {
    nodes: BTreeSet<String>,
    edges: BTreeSet<EdgeName>,
}

impl Touched {
    pub(super) fn by<'o>(operations: impl IntoIterator<Item = &'o Operation>) -> Self {
        let mut touched = Self::default();
        for operation in operations {
            let item = Address::parse(&operation.path).and_then(|address| address.item(operation));
            match item {
                Ok(Some(Item::Node(id))) => drop(touched.nodes.insert(id)),
                Ok(Some(Item::Edge(name))) => drop(touched.edges.insert(name)),
                Ok(None) | Err(_) => {}
            }
        }
        touched
    }

    /// These nodes and edges of a document, as far as it has them; of several with one name the first.
    pub(super) fn within<'a>(&self, document: &'a Value) -> Keyed<'a> {
        Keyed {
            nodes: found(document, "nodes", &self.nodes),
            edges: found(document, "edges", &self.edges),
        }
    }
}

fn found<'a, K: Key + Clone>(
    document: &'a Value,
    list: &str,
    wanted: &BTreeSet<K>,
) -> BTreeMap<K, Cow<'a, Value>> {
    let mut found = BTreeMap::new();
    let (Some(field), false) = (K::FIELDS.first(), wanted.is_empty()) else { return found };
    // Most items are passed over by their first word, and no name is made of them.
    let first: BTreeSet<&str> = wanted.iter().map(Key::first).collect();
    let items = document.get("spec").and_then(|spec| spec.get(list)).and_then(Value::as_array);
    for item in items.into_iter().flatten() {
        let word = item.get(field).and_then(Value::as_str);
        if word.is_some_and(|word| first.contains(word))
            && let Some(key) = K::of(item).filter(|key| wanted.contains(key))
        {
            found.entry(key).or_insert(Cow::Borrowed(item));
        }
    }
    found
}

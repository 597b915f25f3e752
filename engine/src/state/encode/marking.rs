//! The marking of a scope: nodes and edges packed into chunks that stay small values in a store.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Fields, Sink, Undecodable, bad, required};
use crate::ir::BodyIx;
use crate::state::{EdgeState, Marking, NodeError, NodeState, ScopePath};

/// Bytes of a chunk: the longest value that Redis keeps in its compact form.
const CHUNK: usize = 64;
/// Nodes of a chunk.
const NODES: usize = CHUNK * 2;
/// Edges of a chunk.
const EDGES: usize = CHUNK * 4;

/// What a scope's chunks are read with.
#[derive(Serialize, Deserialize)]
struct Record {
    #[serde(rename = "r")]
    revision: u32,
    #[serde(rename = "b")]
    body: BodyIx,
    #[serde(rename = "n")]
    nodes: u32,
    #[serde(rename = "e")]
    edges: u32,
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    failed: Option<NodeError>,
}

/// Writes where `is` differs from `was`.
pub(super) fn write(path: &str, was: Option<&Marking>, is: &Marking, field: Sink<'_>) {
    let mut name = Name::new(path);
    if was.is_none_or(|was| !same_record(was, is)) {
        let record = Record {
            revision: is.revision,
            body: is.body,
            nodes: is.nodes.len() as u32,
            edges: is.edges.len() as u32,
            failed: is.failed.clone(),
        };
        field(name.record(), Some(&serde_json::to_vec(&record).unwrap_or_default()));
    }
    let nodes = was.map_or(&[][..], |was| &was.nodes);
    chunks(NODES, nodes, &is.nodes, |at, chunk| match chunk {
        Some(chunk) => {
            let mut bytes = [0_u8; CHUNK];
            for (slot, state) in chunk.iter().enumerate() {
                bytes[slot / 2] |= (*state as u8) << (slot % 2 * 4);
            }
            field(name.chunk('n', at), Some(&bytes[..chunk.len().div_ceil(2)]));
        }
        None => field(name.chunk('n', at), None),
    });
    let edges = was.map_or(&[][..], |was| &was.edges);
    chunks(EDGES, edges, &is.edges, |at, chunk| match chunk {
        Some(chunk) => {
            let mut bytes = [0_u8; CHUNK];
            for (slot, state) in chunk.iter().enumerate() {
                bytes[slot / 4] |= (*state as u8) << (slot % 4 * 2);
            }
            field(name.chunk('e', at), Some(&bytes[..chunk.len().div_ceil(4)]));
        }
        None => field(name.chunk('e', at), None),
    });
}

/// Removes every field of a scope that has ended.
pub(super) fn drop(path: &str, was: &Marking, field: Sink<'_>) {
    let mut name = Name::new(path);
    field(name.record(), None);
    for at in 0..was.nodes.len().div_ceil(NODES) {
        field(name.chunk('n', at), None);
    }
    for at in 0..was.edges.len().div_ceil(EDGES) {
        field(name.chunk('e', at), None);
    }
}

/// Every scope's marking, without what is live in it.
pub(super) fn read(
    fields: &Fields,
    seen: &mut usize,
) -> Result<BTreeMap<ScopePath, Marking>, Undecodable> {
    let mut scopes = BTreeMap::new();
    for (key, value) in fields {
        let path = match key.strip_suffix(":m") {
            Some(path) if !path.is_empty() => path,
            None if key == "m" => "",
            _ => continue,
        };
        *seen += 1;
        let record: Record = serde_json::from_slice(value)
            .map_err(|_| bad(key, "is not the record of a marking"))?;
        let mut name = Name::new(path);
        let mut nodes = Vec::new();
        for at in 0..(record.nodes as usize).div_ceil(NODES) {
            let key = name.chunk('n', at);
            let count = NODES.min(record.nodes as usize - at * NODES);
            unpack(key, required(fields, key, seen)?, count, 2, &NodeState::ALL, &mut nodes)?;
        }
        let mut edges = Vec::new();
        for at in 0..(record.edges as usize).div_ceil(EDGES) {
            let key = name.chunk('e', at);
            let count = EDGES.min(record.edges as usize - at * EDGES);
            unpack(key, required(fields, key, seen)?, count, 4, &EdgeState::ALL, &mut edges)?;
        }
        let marking = Marking {
            revision: record.revision,
            body: record.body,
            unsettled: nodes.iter().filter(|state| !state.is_settled()).count() as u32,
            nodes,
            edges,
            live: BTreeMap::new(),
            failed: record.failed,
        };
        scopes.insert(Arc::from(path), marking);
    }
    Ok(scopes)
}

fn same_record(was: &Marking, is: &Marking) -> bool {
    (was.revision, was.body, was.nodes.len(), was.edges.len())
        == (is.revision, is.body, is.nodes.len(), is.edges.len())
        && was.failed == is.failed
}

/// Calls `each` with every chunk of `is` that differs, and without one for those that only `was` has.
fn chunks<T: PartialEq>(
    size: usize,
    was: &[T],
    is: &[T],
    mut each: impl FnMut(usize, Option<&[T]>),
) {
    let mut old = was.chunks(size);
    let mut next = 0;
    for (at, chunk) in is.chunks(size).enumerate() {
        if old.next() != Some(chunk) {
            each(at, Some(chunk));
        }
        next = at + 1;
    }
    for (at, _) in old.enumerate() {
        each(next + at, None);
    }
}

/// Appends `count` states of a chunk that holds `per` of them in a byte.
fn unpack<T: Copy>(
    key: &str,
    bytes: &[u8],
    count: usize,
    per: usize,
    all: &[T],
    into: &mut Vec<T>,
) -> Result<(), Undecodable> {
    if bytes.len() != count.div_ceil(per) {
        return Err(bad(key, "has another length than the scope's record says"));
    }
    let width = 8 / per;
    for slot in 0..bytes.len() * per {
        let number = bytes[slot / per] >> (slot % per * width) & ((1 << width) - 1);
        if slot >= count {
            if number != 0 {
                return Err(bad(key, "has bits beyond its last state"));
            }
            continue;
        }
        into.push(
            *all.get(usize::from(number))
                .ok_or_else(|| bad(key, "holds a number that is no state"))?,
        );
    }
    Ok(())
}

/// Names of a scope's fields, made in one buffer.
struct Name {
    text: String,
    prefix: usize,
}

impl Name {
    fn new(path: &str) -> Self {
        let mut text = String::with_capacity(path.len() + 8);
        if !path.is_empty() {
            text.push_str(path);
            text.push(':');
        }
        Self { prefix: text.len(), text }
    }

    fn record(&mut self) -> &str {
        self.text.truncate(self.prefix);
        self.text.push('m');
        &self.text
    }

    fn chunk(&mut self, kind: char, at: usize) -> &str {
        self.text.truncate(self.prefix);
        self.text.push(kind);
        // Writing into a String cannot fail.
        let _ = write!(self.text, "{at}");
        &self.text
    }
}

//! BAD_ID, DUPLICATE_ID: what names a node.

use rustc_hash::FxHashMap;

use super::document::Document;
use super::findings::Findings;
use super::suggest::{nearest, quote};
use crate::catalogue::{BAD_ID, DUPLICATE_ID};
use crate::expr::RESERVED;
use crate::issue::Issue;

/// The nodes by id.
#[derive(Debug, Default)]
pub(crate) struct Ids<'a> {
    nodes: FxHashMap<&'a str, u32>,
    /// Whether every node has an id of its own.
    pub(crate) whole: bool,
}

impl<'a> Ids<'a> {
    /// Judges every id. Of several nodes with one id the first has it.
    pub(crate) fn judge(document: &Document<'a>, findings: &mut Findings) -> Self {
        let mut ids = Self::default();
        ids.nodes.reserve(document.nodes.len());
        ids.whole = true;
        for (at, node) in (0..).zip(&document.nodes) {
            if node.id.is_empty() {
                ids.whole = false;
                continue;
            }
            if let Some(reason) = fault(node.id) {
                let mut issue =
                    Issue::new(&BAD_ID, node.field("id"), format!("{} {reason}", quote(node.id)));
                if let Some(better) = mended(node.id) {
                    issue = issue.remedy(format!("Write `{better}`."));
                }
                findings.push(issue);
            }
            let first = *ids.nodes.entry(node.id).or_insert(at);
            if first != at {
                ids.whole = false;
                let message = format!("two nodes have the id {}", quote(node.id));
                let first = document.nodes[first as usize].pointer();
                findings.push(
                    Issue::new(&DUPLICATE_ID, node.field("id"), message)
                        .detail(format!("first at {first}")),
                );
            }
        }
        ids
    }

    /// The node with this id, as its position in the document's list.
    pub(crate) fn get(&self, id: &str) -> Option<u32> {
        self.nodes.get(id).copied()
    }

    /// The id nearest to a wrong one.
    pub(crate) fn nearest(&self, document: &Document<'a>, wrong: &str) -> Option<&'a str> {
        nearest(wrong, document.nodes.iter().map(|node| node.id))
    }
}

/// Whether a text is an id by its letters: `^[a-z][a-z0-9_]{0,62}$`.
pub(crate) fn plain(id: &str) -> bool {
    let rest = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'_';
    id.len() <= 63
        && id.starts_with(|c: char| c.is_ascii_lowercase())
        && id.as_bytes().iter().all(rest)
}

fn fault(id: &str) -> Option<&'static str> {
    if id == "finally" {
        Some("is the name of the exit handler and no node id")
    } else if RESERVED.contains(&id) {
        Some("is a reserved word of the expression language and no node id")
    } else if !plain(id) {
        Some(
            "is no node id: a lower-case letter, then lower-case letters, digits and `_`, 63 at most",
        )
    } else {
        None
    }
}

fn mended(id: &str) -> Option<String> {
    let letters = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    let better: String = id.chars().take(63).map(letters).collect();
    (plain(&better) && fault(&better).is_none()).then_some(better)
}

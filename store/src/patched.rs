//! What both stores ask of records of patches, of bases and of names, and how a chain is made of what was read.

use aob_engine::compile::spec_digest;
use aob_engine::patch::Record;

use crate::commit::Item;
use crate::{Chain, Error, Result};

/// Most moves of a tag.
pub(crate) const MOST_MOVES: u32 = 10_000;
/// Most patches that a prefix finds.
pub(crate) const MOST_FOUND: usize = 10;
/// Longest id of a patch and longest name, in bytes.
const LONGEST: usize = 256;

/// Refuses names that could be taken for two: with spaces or control characters, empty, or too long.
pub(crate) fn check_names(names: &[&str]) -> Result<()> {
    let is_plain = |name: &str| {
        (1..=LONGEST).contains(&name.len())
            && !name.contains(|letter: char| letter.is_whitespace() || letter.is_control())
    };
    match names.iter().find(|name| !is_plain(name)) {
        None => Ok(()),
        Some(name) => Err(Error::Limit(format!(
            "{name:.80?} is not a name: 1 to {LONGEST} bytes without spaces and control characters"
        ))),
    }
}

/// Refuses an item whose record is of another revision than the state that it leads to.
pub(crate) fn check_record(item: &Item) -> Result<()> {
    let Some(record) = &item.patch else { return Ok(()) };
    let head = &item.after.head;
    if record.id.is_empty() || record.id.len() > LONGEST {
        let bytes = record.id.len();
        return Err(Error::Limit(format!("the id of a patch of {bytes} bytes, 1 to {LONGEST}")));
    }
    if item.line.is_empty() {
        return Err(Error::Limit(format!("patch {} of {} without an event", record.id, head.run)));
    }
    let before = item.before.as_ref().map_or(0, |before| before.head.revision);
    let made = record.accepted().map_or(before, |accepted| accepted.revision);
    if made != head.revision || (record.accepted().is_some() && made != before.saturating_add(1)) {
        return Err(Error::Limit(format!(
            "the record of patch {} is of revision {made}, its item leads {} from {before} to {}",
            record.id, head.run, head.revision
        )));
    }
    Ok(())
}

/// Refuses a document that is not the graph which a record made: a base would stand for another history.
pub(crate) fn check_base(run: &str, record: &Record, document: &[u8]) -> Result<()> {
    let digest = serde_json::from_slice(document).map(|document| spec_digest(&document)).ok();
    match record.accepted() {
        Some(accepted) if digest.as_deref() == Some(accepted.graph.as_str()) => Ok(()),
        _ => Err(Error::Limit(format!(
            "the document is not the graph that patch {} of {run} made",
            record.id
        ))),
    }
}

/// A record as it is kept.
pub(crate) fn read_record(run: &str, bytes: &[u8]) -> Result<Record> {
    serde_json::from_slice(bytes)
        .map_err(|error| Error::Corrupt(format!("{run}: the record of a patch: {error}")))
}

/// Accepted ones by revision, then refused ones by time.
pub(crate) fn sort(records: &mut [Record]) {
    let place = |record: &Record| record.accepted().map_or(u32::MAX, |accepted| accepted.revision);
    records.sort_by(|a, b| (place(a), a.time, &a.id).cmp(&(place(b), b.time, &b.id)));
}

/// What leads from a base to a revision, out of records that may be more than that.
///
/// # Errors
/// [`Error::Corrupt`] if one in between is missing.
pub(crate) fn chain(
    run: &str,
    base: Option<(u32, Vec<u8>)>,
    mut records: Vec<Record>,
    revision: u32,
) -> Result<Chain> {
    let from = base.as_ref().map_or(0, |(revision, _)| *revision);
    records.retain(|record| {
        record.accepted().is_some_and(|made| made.revision > from && made.revision <= revision)
    });
    sort(&mut records);
    let made = records.iter().filter_map(|record| record.accepted()).map(|made| made.revision);
    if !made.eq(from + 1..=revision) {
        return Err(Error::Corrupt(format!(
            "{run}: not every patch between revisions {from} and {revision} is there"
        )));
    }
    Ok(Chain { base, overlays: records })
}

/// The refusal of a type beyond [`crate::MOST_TYPES`].
pub(crate) fn too_many_types() -> Error {
    Error::Limit(format!("{} node types are registered, as many as are kept", crate::MOST_TYPES))
}

/// The refusal of a revision that a run does not have.
pub(crate) fn no_revision(run: &str, revision: u32) -> Error {
    Error::Limit(format!("{run:.80} has no revision {revision}"))
}

/// The refusal of a move beyond [`MOST_MOVES`].
pub(crate) fn too_many_moves(workflow: &str, tag: &str) -> Error {
    Error::Limit(format!(
        "tag {tag} of {workflow} has made {MOST_MOVES} moves, as many as are kept; use another tag"
    ))
}

#[cfg(test)]
mod tests {
    use super::check_names;

    #[test]
    fn names_cannot_run_into_one_another() {
        for good in ["main", "v1.2", "a:b", "ü", &"x".repeat(256)] {
            assert!(check_names(&["t", good]).is_ok(), "{good}");
        }
        for bad in ["", "a b", "a\tb", "a\u{0}", "a\nb", "a\u{a0}b", &"x".repeat(257)] {
            assert!(check_names(&["t", bad]).is_err(), "{bad:?}");
        }
    }
}

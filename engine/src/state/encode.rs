//! The state's form in a store: named fields, so that a commit writes only what it changed.
//!
//! | field | holds |
//! |---|---|
//! | `seq` `rev` `last` `status` `counter` | head's seq, revision, last; `State::status`; head's tokens, as plain text |
//! | `s` | what of the head hardly ever changes, as JSON |
//! | `h` | what of the head changes with most events, and the number of cells, as JSON |
//! | `a<cell>` | a live instance: `[scope, slot, live]` as JSON; empty while the cell is free |
//! | `m` `n<k>` `e<k>` | the root's marking: counts and revision as JSON; 128 nodes of 4 bits; 256 edges of 2 bits |
//! | `<scope>:m`, ... | the same of another scope |

mod cells;
mod head;
mod marking;

use std::collections::{BTreeMap, BTreeSet};

use super::State;

/// Field name to value.
pub type Fields = BTreeMap<String, Vec<u8>>;

/// What turns one state's fields into another's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delta {
    /// Fields to write.
    pub set: Fields,
    /// Fields to remove: those of scopes that have ended.
    pub drop: Vec<String>,
}

/// A field that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("field {field}: {why}")]
pub struct Undecodable {
    /// The field.
    pub field: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// Every field of a state.
pub fn encode(state: &State) -> Fields {
    let mut fields = Fields::new();
    state.changes(None, &mut |name, value| {
        fields.insert(name.to_owned(), value.unwrap_or_default().to_vec());
    });
    fields
}

/// The fields in which `after` differs from `before`: applied to `encode(before)` they give `encode(after)`.
pub fn diff(before: &State, after: &State) -> Delta {
    let mut delta = Delta::default();
    after.changes(Some(before), &mut |name, value| match value {
        Some(value) => {
            delta.set.insert(name.to_owned(), value.to_vec());
        }
        None => delta.drop.push(name.to_owned()),
    });
    delta
}

/// The state behind fields.
///
/// # Errors
/// [`Undecodable`] names the first field that is missing, unknown or malformed. Memory stays within
/// a small multiple of what the fields take.
pub fn decode(fields: &Fields) -> Result<State, Undecodable> {
    let mut seen = 0;
    let (head, cells) = head::read(fields, &mut seen)?;
    let mut state =
        State { head, scopes: marking::read(fields, &mut seen)?, cells, free: BTreeSet::new() };
    cells::read(fields, &mut state, &mut seen)?;
    if seen == fields.len() {
        return Ok(state);
    }
    let known = encode(&state);
    let field = fields.keys().find(|&name| !known.contains_key(name)).cloned().unwrap_or_default();
    Err(Undecodable { field, why: "no such field is known" })
}

impl State {
    /// Calls `field` with each field in which this state differs from `before` (none: with every field)
    /// and its value; without a value for a field that is to be removed. Nothing is allocated for what is equal.
    pub fn changes(&self, before: Option<&Self>, field: &mut dyn FnMut(&str, Option<&[u8]>)) {
        head::write(before, self, field);
        let mut changed = cells::Changed::default();
        let mut old = before.map(|state| state.scopes.iter()).into_iter().flatten().peekable();
        for (path, marking) in &self.scopes {
            while let Some((ended, was)) = old.next_if(|(other, _)| *other < path) {
                marking::drop(ended, was, field);
                changed.free(was);
            }
            let was = old.next_if(|(other, _)| *other == path).map(|(_, was)| was);
            marking::write(path, was, marking, field);
            changed.write(path, was, marking, field);
        }
        for (ended, was) in old {
            marking::drop(ended, was, field);
            changed.free(was);
        }
        changed.finish(before.map_or(0, |state| state.cells), self.cells, field);
    }
}

/// Where changes go: a field's name, and its value unless it is removed.
type Sink<'a> = &'a mut dyn FnMut(&str, Option<&[u8]>);

/// A field that must be there; counted.
fn required<'a>(fields: &'a Fields, name: &str, seen: &mut usize) -> Result<&'a [u8], Undecodable> {
    match fields.get(name) {
        Some(value) => {
            *seen += 1;
            Ok(value)
        }
        None => Err(bad(name, "is missing")),
    }
}

fn bad(field: &str, why: &'static str) -> Undecodable {
    Undecodable { field: field.to_owned(), why }
}

#[cfg(test)]
mod tests;

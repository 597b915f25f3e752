//! The run-wide table of live instances: one field per cell, used again once it is free.

use std::borrow::Cow;
use std::fmt::Write;

use super::{Fields, Sink, Undecodable, bad, required};
use crate::state::{Live, Marking, State};

/// Cells met while two states are compared.
#[derive(Default)]
pub(super) struct Changed {
    freed: Vec<u32>,
    written: Vec<u32>,
}

impl Changed {
    /// Writes what is live in a scope and was not, or not so.
    pub(super) fn write(
        &mut self,
        path: &str,
        was: Option<&Marking>,
        is: &Marking,
        field: Sink<'_>,
    ) {
        let mut old = was.map(|was| was.live.iter()).into_iter().flatten().peekable();
        for (slot, live) in &is.live {
            while let Some((_, gone)) = old.next_if(|(other, _)| *other < slot) {
                self.freed.push(gone.cell);
            }
            if let Some((_, was)) = old.next_if(|(other, _)| *other == slot) {
                if was == live {
                    continue;
                }
                self.freed.push(was.cell);
            }
            self.written.push(live.cell);
            let value = serde_json::to_vec(&(path, slot, live)).unwrap_or_default();
            named(live.cell, |name| field(name, Some(&value)));
        }
        self.freed.extend(old.map(|(_, gone)| gone.cell));
    }

    /// Everything that was live in a scope that has ended.
    pub(super) fn free(&mut self, was: &Marking) {
        self.freed.extend(was.live.values().map(|live| live.cell));
    }

    /// Empties the cells that nothing uses any more, and new ones that nothing uses yet.
    pub(super) fn finish(mut self, before: u32, after: u32, field: Sink<'_>) {
        self.written.sort_unstable();
        self.freed.extend(before..after);
        self.freed.sort_unstable();
        self.freed.dedup();
        for cell in self.freed {
            if cell < after && self.written.binary_search(&cell).is_err() {
                named(cell, |name| field(name, Some(b"")));
            }
        }
        for cell in after..before {
            named(cell, |name| field(name, None));
        }
    }
}

/// Puts what is live into its scopes.
pub(super) fn read(
    fields: &Fields,
    state: &mut State,
    seen: &mut usize,
) -> Result<(), Undecodable> {
    for cell in 0..state.cells {
        named(cell, |name| -> Result<(), Undecodable> {
            let value = required(fields, name, seen)?;
            if value.is_empty() {
                state.free.insert(cell);
                return Ok(());
            }
            let (path, slot, mut live): (Cow<'_, str>, u32, Live) =
                serde_json::from_slice(value).map_err(|_| bad(name, "is not a live instance"))?;
            live.cell = cell;
            let scope = state
                .scopes
                .get_mut(&*path)
                .ok_or_else(|| bad(name, "names a scope that is not there"))?;
            if slot as usize >= scope.nodes.len() {
                return Err(bad(name, "names a slot that its scope does not have"));
            }
            match scope.live.insert(slot, live) {
                None => Ok(()),
                Some(_) => Err(bad(name, "names an instance that another cell holds")),
            }
        })?;
    }
    Ok(())
}

fn named<T>(cell: u32, with: impl FnOnce(&str) -> T) -> T {
    let mut name = String::with_capacity(11);
    // Writing into a String cannot fail.
    let _ = write!(name, "a{cell}");
    with(&name)
}

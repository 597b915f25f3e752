//! The line of a tag: every move it made, and what undo and redo lead to, as in an editor.
//!
//! Moves form a tree: each one that sets a digest has a parent, the move that was in force before it. Undo goes to
//! the parent, redo to the child that was left last, and a new move after an undo begins a new branch; the old
//! one stays visible.

use serde::{Deserialize, Serialize};

/// One move of a tag, numbered from 1 by its place in the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Move {
    /// How it moved.
    pub kind: MoveKind,
    /// Where it points from then on.
    pub digest: String,
    /// Who moved it.
    pub by: String,
    /// Milliseconds since 1970.
    pub time: u64,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// How a tag moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MoveKind {
    /// To a digest that somebody named.
    Set,
    /// Back to what was in force before.
    Undo,
    /// Forth again to what was undone last.
    Redo,
}

/// Where a tag stands after its moves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Timeline {
    /// For each [`MoveKind::Set`]: the number of its parent move, 0 at the root. By number of the move, from 1.
    parents: Vec<u32>,
    /// The set move in force: its number; 0 before the first.
    at: u32,
    /// Set moves that were undone and not yet redone, last one last.
    undone: Vec<u32>,
}

impl Timeline {
    /// Follows moves from the first one on.
    pub fn of(moves: &[Move]) -> Self {
        let mut line = Self::default();
        for one in moves {
            line.follow(one.kind);
        }
        line
    }

    /// The number of the set move in force; 0 if there is none.
    pub fn at(&self) -> u32 {
        self.at
    }

    /// The set move that was in force before this one; 0 at the root, and for a move that set nothing.
    pub fn parent(&self, number: u32) -> u32 {
        number.checked_sub(1).and_then(|at| self.parents.get(at as usize)).copied().unwrap_or(0)
    }

    /// The set move that undo leads to; none at the beginning.
    pub fn undo(&self) -> Option<u32> {
        Some(self.parent(self.at)).filter(|&parent| parent > 0)
    }

    /// The set move that redo leads to; none if nothing was undone since the last set.
    pub fn redo(&self) -> Option<u32> {
        self.undone.last().copied()
    }

    fn follow(&mut self, kind: MoveKind) {
        let number = self.parents.len() as u32 + 1;
        match kind {
            MoveKind::Set => {
                self.parents.push(self.at);
                self.at = number;
                self.undone.clear();
                return;
            }
            MoveKind::Undo => {
                if let Some(parent) = self.undo() {
                    self.undone.push(self.at);
                    self.at = parent;
                }
            }
            MoveKind::Redo => {
                if let Some(child) = self.undone.pop() {
                    self.at = child;
                }
            }
        }
        self.parents.push(0);
    }
}

#[cfg(test)]
mod tests {
    use super::{Move, MoveKind, Timeline};

    fn line(kinds: &[MoveKind]) -> Timeline {
        let one = |&kind: &MoveKind| Move {
            kind,
            digest: String::new(),
            by: "user:ada".to_owned(),
            time: 0,
            reason: None,
        };
        Timeline::of(&kinds.iter().map(one).collect::<Vec<_>>())
    }

    #[test]
    fn undo_and_redo_go_along_the_line() {
        use MoveKind::{Redo, Set, Undo};
        assert_eq!(line(&[]).undo(), None);
        assert_eq!(line(&[Set]).undo(), None);
        let three = line(&[Set, Set, Set]);
        assert_eq!((three.at(), three.undo(), three.redo()), (3, Some(2), None));
        let back = line(&[Set, Set, Set, Undo, Undo]);
        assert_eq!((back.at(), back.undo(), back.redo()), (1, None, Some(2)));
        let forth = line(&[Set, Set, Set, Undo, Undo, Redo, Redo]);
        assert_eq!((forth.at(), forth.redo()), (3, None));
    }

    #[test]
    fn a_move_after_an_undo_begins_a_branch() {
        use MoveKind::{Set, Undo};
        let branch = line(&[Set, Set, Undo, Set]);
        assert_eq!((branch.at(), branch.parent(4), branch.redo()), (4, 1, None));
        assert_eq!(branch.parent(2), 1, "the old branch stays visible");
    }
}

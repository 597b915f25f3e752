//! Where every value and key of a document stood: a tree beside the value.

use super::text::BOM;

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1, in characters.
    pub column: u32,
    /// Bytes before it, from 0, a byte order mark included.
    pub offset: usize,
    /// Its length in bytes. A scalar reaches from its first to its last character, its quotes included;
    /// a mapping or list is marked by its bracket, its first key or its first dash.
    pub length: usize,
}

impl Place {
    /// The place of a byte offset, by counting; for the few that no parser has counted.
    pub(super) fn at(text: &str, offset: usize, length: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let mut line = 1;
        let mut start = if before.starts_with(BOM) { BOM.len_utf8() } else { 0 };
        for (at, byte) in before.bytes().enumerate() {
            // A lone CR ends a line too; of CR LF the LF does.
            if byte == b'\n' || (byte == b'\r' && text.as_bytes().get(at + 1) != Some(&b'\n')) {
                line += 1;
                start = at + 1;
            }
        }
        let column = before.get(start..).map_or(0, |rest| rest.chars().count()) as u32 + 1;
        Self { line, column, offset: before.len(), length }
    }
}

/// The places of one document, found by JSON pointer (RFC 6901).
#[derive(Debug, Clone, Default)]
pub struct Places {
    nodes: Vec<Node>,
    children: Vec<u32>,
    names: String,
}

impl Places {
    /// The place of the value that `pointer` names, if there is one.
    pub fn find(&self, pointer: &str) -> Option<Place> {
        self.walk(pointer).exact.map(|node| node.value.place())
    }

    /// The place of that value, or of the nearest ancestor there is; at last of the document.
    pub fn nearest(&self, pointer: &str) -> Place {
        self.walk(pointer).nearest.map_or_else(Spot::default, |node| node.value).place()
    }

    /// The place of the key of that value; nothing for items of a list and for the document itself.
    pub fn key(&self, pointer: &str) -> Option<Place> {
        self.walk(pointer).exact.and_then(|node| node.key).map(Spot::place)
    }

    fn walk(&self, pointer: &str) -> Walk<'_> {
        let Some(mut node) = self.nodes.first() else { return Walk::default() };
        let mut steps = pointer.split('/');
        // What stands before the first slash must be nothing.
        if steps.next().is_some_and(|first| !first.is_empty()) {
            return Walk { exact: None, nearest: Some(node) };
        }
        for step in steps {
            match self.child(node, step) {
                Some(child) => node = child,
                None => return Walk { exact: None, nearest: Some(node) },
            }
        }
        Walk { exact: Some(node), nearest: Some(node) }
    }

    fn child(&self, parent: &Node, step: &str) -> Option<&Node> {
        let (start, end) = parent.children;
        let children = self.children.get(start as usize..end as usize)?;
        let found = if parent.mapping {
            let name = step.replace("~1", "/").replace("~0", "~");
            children.binary_search_by(|child| self.name(*child).cmp(name.as_str())).ok()?
        } else {
            let canonical = step == "0"
                || (!step.starts_with('0') && step.bytes().all(|byte| byte.is_ascii_digit()));
            step.parse::<usize>().ok().filter(|_| canonical)?
        };
        self.nodes.get(*children.get(found)? as usize)
    }

    /// Adds a node, with its key if it lies in a mapping, and gives its number.
    pub(super) fn add(&mut self, value: Spot, key: Option<(&str, Spot)>, mapping: bool) -> u32 {
        let start = self.names.len() as u32;
        let key = key.map(|(name, spot)| {
            self.names.push_str(name);
            spot
        });
        let name = (start, self.names.len() as u32);
        self.nodes.push(Node { value, key, name, children: (0, 0), mapping });
        self.nodes.len() as u32 - 1
    }

    /// Closes a container: its children are known now.
    pub(super) fn close(&mut self, parent: u32, mut children: Vec<u32>) {
        let start = self.children.len() as u32;
        if self.nodes.get(parent as usize).is_some_and(|node| node.mapping) {
            children.sort_by(|left, right| self.name(*left).cmp(self.name(*right)));
        }
        self.children.append(&mut children);
        let end = self.children.len() as u32;
        if let Some(node) = self.nodes.get_mut(parent as usize) {
            node.children = (start, end);
        }
    }

    /// Gives a block mapping the length of its first key, so that something can be underlined.
    pub(super) fn widen(&mut self, node: u32, first_key: Spot) {
        if let Some(node) = self.nodes.get_mut(node as usize)
            && node.value.length == 0
            && node.value.offset == first_key.offset
        {
            node.value.length = first_key.length;
        }
    }

    /// The key of a node.
    pub(super) fn name(&self, node: u32) -> &str {
        let name = self.nodes.get(node as usize).map_or((0, 0), |node| node.name);
        self.names.get(name.0 as usize..name.1 as usize).unwrap_or_default()
    }

    /// Where the key of a node stood.
    pub(super) fn key_spot(&self, node: u32) -> Option<Spot> {
        self.nodes.get(node as usize).and_then(|node| node.key)
    }
}

/// A [`Place`] in half the memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) offset: u32,
    pub(super) length: u32,
    pub(super) line: u32,
    pub(super) column: u32,
}

impl Spot {
    pub(super) fn place(self) -> Place {
        Place {
            line: self.line.max(1),
            column: self.column.max(1),
            offset: self.offset as usize,
            length: self.length as usize,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Node {
    value: Spot,
    key: Option<Spot>,
    /// Bytes of `names`.
    name: (u32, u32),
    /// Entries of `children`; a mapping's are sorted by name.
    children: (u32, u32),
    mapping: bool,
}

#[derive(Default)]
struct Walk<'a> {
    exact: Option<&'a Node>,
    nearest: Option<&'a Node>,
}

#[cfg(test)]
mod tests {
    use super::Place;
    use crate::read::{Limits, Places, documents};

    fn places(text: &str) -> Places {
        documents(text.as_bytes(), &Limits::default()).unwrap().remove(0).places
    }

    fn at(places: Option<Place>) -> Option<(u32, u32, usize, usize)> {
        places.map(|place| (place.line, place.column, place.offset, place.length))
    }

    #[test]
    fn values_and_keys_are_found() {
        let text = "spec:\n  nodes:\n  - {id: a, 'x/y~': \"é\" } # said\n  - id: b\n  list: [1,\n    -2.5]\n  none:\n";
        let places = places(text);
        for (pointer, value, key) in [
            ("", Some((1, 1, 0, 4)), None),
            ("/spec", Some((2, 3, 8, 5)), Some((1, 1, 0, 4))),
            ("/spec/nodes", Some((3, 3, 17, 1)), Some((2, 3, 8, 5))),
            ("/spec/nodes/0", Some((3, 5, 19, 1)), None),
            ("/spec/nodes/0/id", Some((3, 10, 24, 1)), Some((3, 6, 20, 2))),
            ("/spec/nodes/0/x~1y~0", Some((3, 21, 35, 4)), Some((3, 13, 27, 6))),
            ("/spec/nodes/1/id", Some((4, 9, 57, 1)), Some((4, 5, 53, 2))),
            ("/spec/list/1", Some((6, 5, 75, 4)), None),
            ("/spec/none", Some((7, 7, 87, 0)), Some((7, 3, 83, 4))),
            ("/spec/nodes/2", None, None),
            ("/spec/nodes/00", None, None),
            ("/spec/nodes/-", None, None),
            ("/spec/nodes/id", None, None),
            ("/spec/nodes/0/x/y~", None, None),
            ("spec", None, None),
        ] {
            assert_eq!(at(places.find(pointer)), value, "{pointer}");
            assert_eq!(at(places.key(pointer)), key, "{pointer}");
        }
    }

    #[test]
    fn the_nearest_ancestor_stands_for_what_is_missing() {
        let places = places("a:\n  b: 1\n  c: [2]\n");
        for (pointer, line, column) in [
            ("/a/b", 2, 6),
            ("/a/b/c", 2, 6),
            ("/a/c/7/x", 3, 6),
            ("/a/x", 2, 3),
            ("/x/y", 1, 1),
            ("x", 1, 1),
        ] {
            let place = places.nearest(pointer);
            assert_eq!((place.line, place.column), (line, column), "{pointer}");
        }
        assert_eq!(at(Some(Places::default().nearest("/a"))), Some((1, 1, 0, 0)));
    }

    #[test]
    fn lines_end_as_yaml_says() {
        let text = "a: 1\r\nb: 2\rc: 3\né: x\n";
        let places = places(text);
        for (pointer, line, offset) in [("/a", 1, 0), ("/b", 2, 6), ("/c", 3, 11), ("/é", 4, 16)] {
            let place = places.key(pointer).unwrap();
            assert_eq!((place.line, place.column, place.offset), (line, 1, offset), "{pointer}");
            assert_eq!(place, Place::at(text, place.offset, place.length), "{pointer}");
        }
    }
}

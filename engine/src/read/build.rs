//! Events to documents, on an explicit stack and within the limits.

use super::place::{Places, Spot};
use super::{Document, Limits, Located};
use crate::catalogue::{BAD_KEY, DUPLICATE_KEY, TOO_LARGE};
use crate::issue::{Issue, excerpt};
use serde_json::{Map, Value};

/// Findings kept; with this many, reading stops.
const MOST_FINDINGS: usize = 100;

/// Bytes of one key: pointers are made of keys, and YAML itself allows no longer one before a `:`.
const MOST_KEY: usize = 1024;

/// Nothing more is to be read; why is among the findings.
#[derive(Debug)]
pub(super) struct Stop;

/// Gathers the documents of a file and what is wrong with them.
pub(super) struct Builder<'a> {
    pub(super) text: &'a str,
    limits: &'a Limits,
    found: Vec<Located>,
    /// Nodes and keys so far, over all documents.
    taken: usize,
    stack: Vec<Frame>,
    places: Places,
    root: Option<Value>,
    done: Vec<Document>,
}

struct Frame {
    node: u32,
    children: Vec<u32>,
    filling: Filling,
}

enum Filling {
    List(Vec<Value>),
    Mapping { entries: Map<String, Value>, key: Option<(String, Spot)> },
}

impl<'a> Builder<'a> {
    pub(super) fn new(text: &'a str, limits: &'a Limits) -> Self {
        Self {
            text,
            limits,
            found: Vec::new(),
            taken: 0,
            stack: Vec::new(),
            places: Places::default(),
            root: None,
            done: Vec::new(),
        }
    }

    /// The documents, or what was found.
    pub(super) fn finish(self) -> Result<Vec<Document>, Vec<Located>> {
        if self.found.is_empty() { Ok(self.done) } else { Err(self.found) }
    }

    /// Notes a finding about the value or key that is being read; its pointer is filled in.
    pub(super) fn report(&mut self, mut issue: Issue, spot: Spot) -> Result<(), Stop> {
        issue.pointer = self.pointer();
        self.report_unplaced(issue, spot)
    }

    /// Notes a finding about the text.
    pub(super) fn report_unplaced(&mut self, issue: Issue, spot: Spot) -> Result<(), Stop> {
        self.found.push(Located { issue, place: Some(spot.place()) });
        if self.found.len() < MOST_FINDINGS { Ok(()) } else { Err(Stop) }
    }

    /// Notes that a limit is exceeded and stops.
    pub(super) fn too_large(&mut self, message: String, spot: Spot) -> Stop {
        match self.report(Issue::new(&TOO_LARGE, "", message), spot) {
            Ok(()) | Err(Stop) => Stop,
        }
    }

    /// Containers open now.
    pub(super) fn depth(&self) -> usize {
        self.stack.len()
    }

    /// Whether the innermost open container is a mapping; nothing where none is open.
    pub(super) fn in_mapping(&self) -> Option<bool> {
        self.stack.last().map(|frame| matches!(frame.filling, Filling::Mapping { .. }))
    }

    /// Whether what comes next is a key.
    pub(super) fn wants_key(&self) -> bool {
        matches!(self.stack.last(), Some(Frame { filling: Filling::Mapping { key: None, .. }, .. }))
    }

    /// Begins a mapping or list.
    pub(super) fn open(&mut self, mapping: bool, spot: Spot) -> Result<(), Stop> {
        if self.wants_key() {
            // Whatever follows would be attributed wrongly.
            let issue = Issue::new(&BAD_KEY, "", "a key is a mapping or a list")
                .remedy("Use a string as key; quote `{ }` and `[ ]` where text is meant.");
            self.report(issue, spot)?;
            return Err(Stop);
        }
        if self.stack.len() >= self.limits.depth {
            let message =
                format!("lists and mappings are nested more than {} deep", self.limits.depth);
            return Err(self.too_large(message, spot));
        }
        self.count(spot)?;
        let node = self.place(spot, mapping);
        let filling = if mapping {
            Filling::Mapping { entries: Map::new(), key: None }
        } else {
            Filling::List(Vec::new())
        };
        self.stack.push(Frame { node, children: Vec::new(), filling });
        Ok(())
    }

    /// Ends the innermost container.
    pub(super) fn close(&mut self) {
        if let Some(frame) = self.stack.pop() {
            self.places.close(frame.node, frame.children);
            self.attach(match frame.filling {
                Filling::List(items) => Value::Array(items),
                Filling::Mapping { entries, .. } => Value::Object(entries),
            });
        }
    }

    /// Takes the key of the next value.
    pub(super) fn key(&mut self, mut name: String, spot: Spot) -> Result<(), Stop> {
        self.count(spot)?;
        if name.len() > MOST_KEY {
            let message = format!("a key is {} bytes long, {MOST_KEY} are allowed", name.len());
            self.report(Issue::new(&TOO_LARGE, "", message), spot)?;
            // Unlike any that is allowed, and short: it will stand in pointers.
            name = excerpt(&name);
        }
        let Some(Frame { node, children, filling: Filling::Mapping { entries, key } }) =
            self.stack.last_mut()
        else {
            return Ok(());
        };
        if children.is_empty() {
            self.places.widen(*node, spot);
        }
        let twice = entries.contains_key(&name);
        let first = if twice {
            children.iter().find(|child| self.places.name(**child) == name)
        } else {
            None
        };
        let first = first.and_then(|child| self.places.key_spot(*child)).map(Spot::place);
        let issue = first.map(|first| {
            Issue::new(&DUPLICATE_KEY, "", format!("the key `{}` is written twice", excerpt(&name)))
                .detail(format!("first at line {}, column {}", first.line, first.column))
                .detail(format!("again at line {}, column {}", spot.line, spot.column))
        });
        *key = Some((name, spot));
        match issue {
            Some(issue) => self.report(issue, spot),
            None => Ok(()),
        }
    }

    /// Takes a scalar value.
    pub(super) fn scalar(&mut self, value: Value, spot: Spot) -> Result<(), Stop> {
        self.count(spot)?;
        if let Value::String(text) = &value
            && text.len() > self.limits.scalar
        {
            let message = format!(
                "a scalar is {} bytes long, {} are allowed",
                text.len(),
                self.limits.scalar
            );
            self.report(Issue::new(&TOO_LARGE, "", message), spot)?;
        }
        self.place(spot, false);
        self.attach(value);
        Ok(())
    }

    /// Ends a document; `empty` where nothing was written in it.
    pub(super) fn end_document(&mut self, empty: bool, spot: Spot) -> Result<(), Stop> {
        let places = std::mem::take(&mut self.places);
        let Some(value) = self.root.take().filter(|_| !empty) else { return Ok(()) };
        let index = self.done.len();
        if index >= self.limits.documents {
            return Err(self.too_large(
                format!("the file has more than {} documents", self.limits.documents),
                spot,
            ));
        }
        self.done.push(Document { value, places, index });
        Ok(())
    }

    fn count(&mut self, spot: Spot) -> Result<(), Stop> {
        self.taken += 1;
        if self.taken <= self.limits.nodes {
            return Ok(());
        }
        Err(self.too_large(
            format!("the file has more than {} keys and values", self.limits.nodes),
            spot,
        ))
    }

    /// Remembers where the next value stands, under its parent.
    fn place(&mut self, spot: Spot, mapping: bool) -> u32 {
        let Some(parent) = self.stack.last_mut() else {
            return self.places.add(spot, None, mapping);
        };
        let key = match &parent.filling {
            Filling::Mapping { key: Some((name, key)), .. } => Some((name.as_str(), *key)),
            _ => None,
        };
        let node = self.places.add(spot, key, mapping);
        parent.children.push(node);
        node
    }

    fn attach(&mut self, value: Value) {
        match self.stack.last_mut().map(|frame| &mut frame.filling) {
            Some(Filling::List(items)) => items.push(value),
            Some(Filling::Mapping { entries, key }) => {
                if let Some((name, _)) = key.take() {
                    entries.insert(name, value);
                }
            }
            None => self.root = Some(value),
        }
    }

    /// The pointer of what is being read.
    fn pointer(&self) -> String {
        let mut pointer = String::new();
        for frame in &self.stack {
            match &frame.filling {
                Filling::List(items) => pointer.push_str(&format!("/{}", items.len())),
                Filling::Mapping { key: Some((name, _)), .. } => {
                    pointer.push('/');
                    pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
                }
                Filling::Mapping { .. } => {}
            }
        }
        pointer
    }
}

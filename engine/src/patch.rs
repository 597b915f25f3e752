//! Patches: read, addressed by name, applied to a graph; and what lies between two graphs.
//!
//! A request is judged by itself ([`read`]: shape, sizes, policy, every path), its operations are put
//! into canonical form ([`canonical`]: every path names a node or an edge), and those are applied
//! to the document of a workflow ([`materialize`]). [`difference`] says what changed in effect, and
//! [`operations_between`] how to get from one graph to another; [`undo`] takes a patch out, [`rebase`] says
//! whether one may be applied to a later graph than it was written against, and [`check_patch`] does all of it
//! for one request. Plain JSON documents and the whole of
//! RFC 6902 go through the same reader and the same applier ([`read_plain`], [`apply_plain`]).

mod address;
mod check;
mod difference;
mod keyed;
mod materialize;
mod operation;
mod place;
mod rebase;
mod record;
mod touched;
mod undo;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use address::{canonical, footprint};
pub use check::{Checked, Ground, check_patch};
pub use difference::{Difference, difference, operations_between};
pub use keyed::{EdgeName, Keyed};
pub use materialize::{apply_plain, materialize, materialize_from, same};
pub use operation::{OnConflict, Op, Operation, PlainOperation, Request, digest, read, read_plain};
pub use rebase::{Since, rebase};
pub use record::{Accepted, Answer, Finding, Preview, Record};
pub use undo::undo;

use crate::catalogue::Entry;
use crate::issue::{Issue, excerpt};

/// What a request to patch, and the document it leads to, may be at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatchLimits {
    /// Operations of one request.
    pub operations: usize,
    /// Instances that one request cancels by name.
    pub cancel: usize,
    /// Bytes of the whole request as JSON text without white space, escapes not counted.
    pub bytes: usize,
    /// Characters of a path.
    pub path: usize,
    /// Characters of the reason.
    pub reason: usize,
    /// Lists and objects within each other, in a request and in the document it leads to.
    pub depth: usize,
    /// Nodes of the graph it leads to.
    pub nodes: usize,
    /// Edges of the graph it leads to.
    pub edges: usize,
    /// Bytes of the document it leads to, as JSON text without white space, escapes not counted. A
    /// document that is larger already may be changed, but does not grow.
    pub result: usize,
}

impl Default for PatchLimits {
    fn default() -> Self {
        Self {
            operations: 256,
            cancel: 256,
            bytes: 256 << 10,
            path: 1024,
            reason: 1024,
            depth: 64,
            nodes: 10_000,
            edges: 40_000,
            result: 4 << 20,
        }
    }
}

/// Why a patch was not applied. Nothing of it was.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{}: {message} (at {pointer})", entry.code)]
pub struct PatchError {
    /// The catalogue's entry: code, name and rule.
    pub entry: &'static Entry,
    /// JSON pointer into the request: `/operations/2/path`. Where several overlays are applied the
    /// overlay comes first: `/overlays/3/operations/2/path`.
    pub pointer: String,
    /// One sentence naming the thing that is wrong.
    pub message: String,
    /// The remedy for this very case; the entry's own where nothing nearer is known.
    pub remedy: Option<String>,
}

impl PatchError {
    /// What to do about it.
    pub fn help(&self) -> &str {
        self.remedy.as_deref().unwrap_or(self.entry.remedy)
    }
}

impl From<PatchError> for Issue {
    fn from(error: PatchError) -> Self {
        let issue = Self::new(error.entry, error.pointer, error.message);
        match error.remedy {
            Some(remedy) => issue.remedy(remedy),
            None => issue,
        }
    }
}

/// One accepted patch of a run or of a set of patches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Overlay {
    /// The patch's id.
    pub id: String,
    /// Canonical operations, one for each of the request.
    pub operations: Vec<Operation>,
    /// Who asked for it.
    pub by: String,
    /// When it took effect, in milliseconds since 1970.
    pub time: u64,
    /// Why, in the words of whoever asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The patch that it takes out, if it is an undo.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<String>,
}

impl Overlay {
    /// `sha256:<hex>` over its operations.
    pub fn digest(&self) -> String {
        digest(&self.operations)
    }
}

/// What is wrong with one operation, wherever it stands.
#[derive(Debug)]
struct Fault {
    entry: &'static Entry,
    /// Where in the operation: `path`, `value/id`.
    field: &'static str,
    message: String,
    remedy: Option<String>,
}

impl Fault {
    fn new(entry: &'static Entry, field: &'static str, message: impl Into<String>) -> Self {
        Self { entry, field, message: message.into(), remedy: None }
    }

    fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    fn on(self, field: &'static str) -> Self {
        Self { field, ..self }
    }

    /// As an error of the operation that a pointer leads to.
    fn at(self, operation: &str) -> PatchError {
        let Self { entry, field, message, remedy } = self;
        PatchError { entry, pointer: format!("{operation}/{field}"), message, remedy }
    }
}

/// A name from outside in backticks, bounded, with control characters written out.
fn quote(name: &str) -> String {
    let printable = |c: char| match c {
        c if c.is_control() => c.escape_default().to_string(),
        c => c.to_string(),
    };
    format!("`{}`", excerpt(name).chars().map(printable).collect::<String>())
}

/// A value from outside, short: texts and numbers themselves, else their kind.
fn told(value: &Value) -> String {
    match value {
        Value::String(text) => Value::from(excerpt(text)).to_string(),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(_) => "an object".to_owned(),
        scalar => scalar.to_string(),
    }
}

//! What was done to a run that is under trial, for people who read of its failure.

use std::cell::RefCell;

use aob_engine::patch::Operation;
use serde_json::Value;

use super::shrink::{flow, graph_told};

thread_local! {
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// A new run on this graph.
pub(crate) fn begin(document: &Value) {
    LINES.with_borrow_mut(|lines| *lines = vec![graph_told(document), "then:\n".to_owned()]);
}

/// One thing that happened.
pub(crate) fn note(line: &str) {
    LINES.with_borrow_mut(|lines| lines.push(format!("  - {line}\n")));
}

/// A patch that is tried.
pub(crate) fn patch(operations: &[Operation]) {
    let shown = operations.iter().map(|operation| {
        let operation = serde_json::to_value(operation).unwrap_or_default();
        format!("      {}\n", flow(&operation, &["op", "path"]))
    });
    let shown: String = shown.collect();
    LINES.with_borrow_mut(|lines| lines.push(format!("  - patch:\n{shown}")));
}

/// Runs something on a fork: what was noted in it is forgotten, unless it fails.
pub(crate) fn aside<T>(ask: impl FnOnce() -> T) -> T {
    let before = LINES.with_borrow(Vec::len);
    let answer = ask();
    LINES.with_borrow_mut(|lines| lines.truncate(before));
    answer
}

/// The graph, then what happened.
pub(crate) fn told() -> String {
    LINES.with_borrow(|lines| lines.concat())
}

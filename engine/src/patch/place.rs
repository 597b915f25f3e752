//! Where in a request the cause of a finding stands.

use serde_json::Value;

use super::{EdgeName, Op, Operation};
use crate::issue::Issue;

/// Findings with pointers to nodes and edges by name, led into the operations that put there what is wrong.
pub(super) fn all(operations: &[Operation], issues: Vec<Issue>) -> Vec<Issue> {
    let led = |issue: Issue| Issue { pointer: within(operations, &issue.pointer), ..issue };
    issues.into_iter().map(led).collect()
}

/// A pointer into a document, `/spec/nodes/3/config`, by name: `/nodes/save/config`. What is neither node nor edge
/// stays as it is.
pub(super) fn by_name(document: &Value, pointer: &str) -> String {
    named(document, pointer).unwrap_or_else(|| pointer.to_owned())
}

fn named(document: &Value, pointer: &str) -> Option<String> {
    let rest = pointer.strip_prefix("/spec/")?;
    let (list, rest) = rest.split_once('/')?;
    let (at, below) = rest.split_once('/').map_or((rest, ""), |(at, below)| (at, below));
    let item = document.pointer(&format!("/spec/{list}/{at}"))?;
    let name = match list {
        "nodes" => item.get("id")?.as_str()?.to_owned(),
        "edges" => EdgeName::of(item)?.to_string(),
        _ => return None,
    };
    let slash = if below.is_empty() { "" } else { "/" };
    Some(format!("/{list}/{name}{slash}{below}"))
}

/// The last operation that wrote what lies at a pointer, or something in it; else the pointer itself.
fn within(operations: &[Operation], pointer: &str) -> String {
    if !pointer.starts_with("/nodes/") && !pointer.starts_with("/edges/") {
        return pointer.to_owned();
    }
    let writes = operations.iter().enumerate().rev().filter(|(_, operation)| {
        // A test writes nothing.
        operation.op != Op::Test
    });
    let mut inner = None;
    for (at, operation) in writes {
        let path = operation.path.as_str();
        if let Some(rest) = below(path, pointer) {
            let part = if operation.op == Op::Remove { "path" } else { "value" };
            let rest = if operation.op == Op::Remove { "" } else { rest };
            return format!("/operations/{at}/{part}{rest}");
        }
        if below(pointer, path).is_some() {
            inner.get_or_insert(at);
        }
    }
    inner.map_or_else(|| pointer.to_owned(), |at| format!("/operations/{at}/path"))
}

/// What of a pointer lies below another: empty, or beginning with `/`.
fn below<'p>(outer: &str, pointer: &'p str) -> Option<&'p str> {
    pointer.strip_prefix(outer).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pointer_leads_to_the_operation_that_wrote_there() {
        let operation = |op, path: &str| Operation {
            op,
            path: path.to_owned(),
            value: (op != Op::Remove).then(|| json!({})),
        };
        let operations = [
            operation(Op::Add, "/nodes/a"),
            operation(Op::Replace, "/nodes/b/config/url"),
            operation(Op::Test, "/nodes/c"),
            operation(Op::Remove, "/edges/a->b"),
            operation(Op::Add, "/edges/a->b:failure"),
        ];
        for (pointer, wanted) in [
            ("/nodes/a", "/operations/0/value"),
            ("/nodes/a/config/url", "/operations/0/value/config/url"),
            ("/nodes/ab", "/nodes/ab"),
            ("/nodes/b/config/url", "/operations/1/value"),
            ("/nodes/b/config", "/operations/1/path"),
            ("/nodes/b/join", "/nodes/b/join"),
            ("/nodes/c", "/nodes/c"),
            ("/edges/a->b", "/operations/3/path"),
            ("/edges/a->b:failure/when", "/operations/4/value/when"),
            ("/cancel/0", "/cancel/0"),
        ] {
            assert_eq!(within(&operations, pointer), wanted);
        }
        let document = json!({"spec": {"nodes": [{"id": "x"}], "edges": [{"from": "x", "to": "y", "after": "always"}]}});
        for (pointer, wanted) in [
            ("/spec/nodes/0/config", "/nodes/x/config"),
            ("/spec/nodes/0", "/nodes/x"),
            ("/spec/edges/0/when", "/edges/x->y:always/when"),
            ("/spec/nodes/1", "/spec/nodes/1"),
            ("/spec/output", "/spec/output"),
        ] {
            assert_eq!(by_name(&document, pointer), wanted);
        }
    }
}

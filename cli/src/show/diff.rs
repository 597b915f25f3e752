//! What differs between two graphs, as a person reads it.

use std::collections::BTreeMap;

use aob_engine::patch::{Difference, EdgeName, Keyed, difference, same};
use serde_json::Value;

use super::{cut, plain};

/// Columns of a value; a longer one is cut.
const WIDEST: usize = 72;
/// Lines of one node or edge.
const MOST_LINES: usize = 40;

/// Colours, or none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint(pub(crate) bool);

impl Paint {
    /// Text in a colour (an SGR code), where colours are shown.
    pub(crate) fn with(self, code: &str, text: &str) -> String {
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// Lines that begin with `+`, `-` or `~`, with what lies below a node or an edge under it; empty if both graphs are
/// the same in effect.
pub(crate) fn diff(before: &Value, after: &Value, paint: Paint) -> String {
    let told = difference(before, after);
    let (Ok(old), Ok(new)) = (Keyed::of(before), Keyed::of(after)) else {
        return names(&told, paint);
    };
    let mut out = Diff { out: String::new(), paint };
    for id in &told.nodes_removed {
        out.head('-', "node", id, kind(old.nodes.get(id).map(AsRef::as_ref)));
    }
    for id in &told.nodes_added {
        let node = new.nodes.get(id).map(AsRef::as_ref);
        out.head('+', "node", id, kind(node));
        out.fields(node.unwrap_or(&Value::Null), &["id", "type", "within"]);
    }
    for (id, fields) in &told.nodes_changed {
        out.head('~', "node", id, String::new());
        out.changes(
            fields,
            old.nodes.get(id).map(AsRef::as_ref),
            new.nodes.get(id).map(AsRef::as_ref),
        );
    }
    for name in &told.edges_removed {
        out.head('-', "edge", &name.to_string(), String::new());
    }
    for name in &told.edges_added {
        out.head('+', "edge", &name.to_string(), String::new());
        let edge = new.edges.get(name).map(AsRef::as_ref);
        out.fields(edge.unwrap_or(&Value::Null), &["from", "to", "after"]);
    }
    for (name, fields) in &told.edges_changed {
        out.head('~', "edge", &name.to_string(), String::new());
        let (was, is) = (old.edges.get(name), new.edges.get(name));
        out.changes(fields, was.map(AsRef::as_ref), is.map(AsRef::as_ref));
    }
    if !told.spec_changed.is_empty() {
        let none = Value::Null;
        let (was, is) = (before.get("spec").unwrap_or(&none), after.get("spec").unwrap_or(&none));
        out.head('~', "workflow", "", String::new());
        out.changes(&told.spec_changed, Some(was), Some(is));
    }
    out.cosmetic(&told.cosmetic_nodes, &told.cosmetic_edges);
    out.out
}

/// How many of each: `+1 node, ~2 nodes, +2 edges, -1 edge`.
pub(crate) fn counted(counts: &[(char, &str, usize)]) -> String {
    let told = counts.iter().filter(|(_, _, count)| *count > 0).map(|(sign, what, count)| {
        format!("{sign}{count} {what}{}", if *count == 1 { "" } else { "s" })
    });
    told.collect::<Vec<_>>().join(", ")
}

/// A difference in numbers.
pub(crate) fn count(told: &Difference) -> String {
    counted(&[
        ('-', "node", told.nodes_removed.len()),
        ('+', "node", told.nodes_added.len()),
        ('~', "node", told.nodes_changed.len()),
        ('-', "edge", told.edges_removed.len()),
        ('+', "edge", told.edges_added.len()),
        ('~', "edge", told.edges_changed.len()),
        ('~', "field", told.spec_changed.len()),
    ])
}

/// Of graphs that cannot be read: only names.
fn names(told: &Difference, paint: Paint) -> String {
    let mut out = Diff { out: String::new(), paint };
    let lists = [('-', &told.nodes_removed), ('+', &told.nodes_added)];
    for (sign, ids) in lists {
        ids.iter().for_each(|id| out.head(sign, "node", id, String::new()));
    }
    out.out
}

fn kind(node: Option<&Value>) -> String {
    let node_type = node.and_then(|node| node.get("type")).and_then(Value::as_str);
    let within = node.and_then(|node| node.get("within")).and_then(Value::as_str);
    match (node_type, within) {
        (Some(node_type), Some(within)) => format!("{node_type}, within {within}"),
        (Some(node_type), None) => node_type.to_owned(),
        _ => String::new(),
    }
}

struct Diff {
    out: String,
    paint: Paint,
}

impl Diff {
    fn head(&mut self, sign: char, what: &str, name: &str, kind: String) {
        let kind = if kind.is_empty() { kind } else { format!("  ({})", plain(&kind)) };
        let code = match sign {
            '+' => "32",
            '-' => "31",
            _ => "33",
        };
        let line = format!("{sign} {what} {}", plain(name));
        self.line(&format!("{}{kind}", self.paint.with(code, line.trim_end())));
    }

    /// Every field of something new, down to what is no object.
    fn fields(&mut self, value: &Value, known: &[&str]) {
        let mut leaves = Vec::new();
        for (name, field) in value.as_object().into_iter().flatten() {
            if !known.contains(&name.as_str()) {
                gather(&mut leaves, name.clone(), None, Some(field));
            }
        }
        self.leaves(leaves);
    }

    /// What changed of something that was there before.
    fn changes(&mut self, fields: &[String], was: Option<&Value>, is: Option<&Value>) {
        let mut leaves = Vec::new();
        for name in fields {
            let (was, is) = (was.and_then(|was| was.get(name)), is.and_then(|is| is.get(name)));
            gather(&mut leaves, name.clone(), was, is);
        }
        self.leaves(leaves);
    }

    fn leaves(&mut self, leaves: Vec<Leaf>) {
        let left = leaves.len().saturating_sub(MOST_LINES);
        for Leaf { path, was, is } in leaves.into_iter().take(MOST_LINES) {
            let path = plain(&path);
            let change = match (was, is) {
                (None, Some(is)) => is,
                (Some(was), None) => format!("{was} -> (none)"),
                (Some(was), Some(is)) => format!("{was} -> {is}"),
                (None, None) => continue,
            };
            self.line(&format!("    {path}: {change}"));
        }
        if left > 0 {
            self.line(&format!("    and {left} more"));
        }
    }

    fn cosmetic(
        &mut self,
        nodes: &BTreeMap<String, Vec<String>>,
        edges: &BTreeMap<EdgeName, Vec<String>>,
    ) {
        let nodes = nodes.iter().map(|(id, fields)| (format!("node {id}"), fields));
        let edges = edges.iter().map(|(name, fields)| (format!("edge {name}"), fields));
        for (name, fields) in nodes.chain(edges) {
            let text = format!(
                "  {} (changes nothing in effect): {}",
                plain(&name),
                plain(&fields.join(", "))
            );
            self.line(&self.paint.with("2", &text));
        }
    }

    fn line(&mut self, line: &str) {
        self.out.push_str(line);
        self.out.push('\n');
    }
}

/// A value that differs, with where it lies.
struct Leaf {
    path: String,
    was: Option<String>,
    is: Option<String>,
}

/// Goes down as long as both sides are objects, or one is an object and the other is not there.
fn gather(leaves: &mut Vec<Leaf>, path: String, was: Option<&Value>, is: Option<&Value>) {
    // Documents nest at most 64 deep; a list of places still to be seen needs no recursion.
    let mut open = vec![(path, was, is)];
    while let Some((path, was, is)) = open.pop() {
        // A list of objects that is new is told item by item.
        if let (None, Some(Value::Array(items))) = (was, is)
            && items.iter().any(Value::is_object)
        {
            let items = items.iter().enumerate().rev();
            open.extend(items.map(|(at, item)| (format!("{path}[{at}]"), None, Some(item))));
            continue;
        }
        let goes_down = match (was, is) {
            (Some(Value::Object(was)), Some(Value::Object(is))) => Some((Some(was), Some(is))),
            (None, Some(Value::Object(is))) if !is.is_empty() => Some((None, Some(is))),
            _ => None,
        };
        if let Some((olds, news)) = goes_down {
            let names = olds.into_iter().chain(news).flat_map(|map| map.keys());
            let mut names: Vec<&String> = names.collect();
            names.sort_unstable();
            names.dedup();
            for name in names.into_iter().rev() {
                let (was, is) =
                    (olds.and_then(|map| map.get(name)), news.and_then(|map| map.get(name)));
                let equal = matches!((was, is), (Some(was), Some(is)) if same(was, is));
                if !equal {
                    open.push((format!("{path}.{name}"), was, is));
                }
            }
            continue;
        }
        let text = |value: &Value| cut(&plain(&value.to_string()), WIDEST);
        leaves.push(Leaf { path, was: was.map(text), is: is.map(text) });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Paint, diff};

    fn workflow(nodes: Value, edges: Value) -> Value {
        json!({"metadata": {"name": "x"}, "spec": {"nodes": nodes, "edges": edges}})
    }

    #[test]
    fn a_graph_s_difference_reads_from_top_to_bottom() {
        let before = workflow(
            json!([
                {"id": "a", "type": "noop", "ui": {"x": 1}},
                {"id": "b", "type": "transform", "config": {"value": {"n": 1, "m": [1]}}, "timeout": "1s"},
                {"id": "gone", "type": "noop"}
            ]),
            json!([{"from": "a", "to": "b", "when": "true"}, {"from": "a", "to": "gone"}]),
        );
        let after = workflow(
            json!([
                {"id": "a", "type": "noop", "ui": {"x": 2}},
                {"id": "b", "type": "transform", "config": {"value": {"n": 2, "m": [1]}}},
                {"id": "new", "type": "transform", "config": {"value": {"deep": "x\u{1b}"}}, "onError": "pause"}
            ]),
            json!([{"from": "a", "to": "b", "when": "false"}, {"from": "a", "to": "new"}]),
        );
        let wanted = "\
- node gone  (noop)
+ node new  (transform)
    config.value.deep: \"x\\u001b\"
    onError: \"pause\"
~ node b
    config.value.n: 1 -> 2
    timeout: \"1s\" -> (none)
- edge a->gone
+ edge a->new
~ edge a->b
    when: \"true\" -> \"false\"
  node a (changes nothing in effect): ui
";
        assert_eq!(diff(&before, &after, Paint(false)), wanted);
        assert_eq!(diff(&before, &before, Paint(false)), "");
        assert!(diff(&before, &after, Paint(true)).contains("\u{1b}[32m+ node new\u{1b}[0m"));
    }
}

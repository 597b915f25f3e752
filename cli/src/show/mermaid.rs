//! A run as a Mermaid flowchart.

use std::fmt::Write as _;

use aob_engine::state::{EdgeState, NodeState};

use super::graph::{Edge, Graph};
use super::picture::Picture;

/// Nodes with their states, edges with theirs; containers are boxes around their bodies, which show the graph and
/// not each item.
pub(crate) fn mermaid(workflow: &str, run: &str, picture: &Picture) -> String {
    let graph = &picture.graph;
    let mut out = String::from("flowchart TD\n");
    let mut chart = Chart { graph, picture, out: &mut out, marks: Vec::new(), links: Vec::new() };
    let _written = writeln!(chart.out, "  %% {} {run}", label(workflow));
    chart.body("", "", 1);
    if graph.bodies.contains_key("finally") {
        let _written = writeln!(chart.out, "  subgraph finally_ [\"finally\"]");
        chart.body("finally", "finally", 2);
        let _written = writeln!(chart.out, "  end");
    }
    let Chart { marks, links, .. } = chart;
    let mut styles = Vec::new();
    for (at, (edge, state)) in links.iter().enumerate() {
        let mut text: Vec<String> = Vec::new();
        if edge.after != "success" {
            text.push(edge.after.clone());
        }
        text.extend(edge.when.clone());
        if edge.otherwise {
            text.push("otherwise".to_owned());
        }
        let arrow = if *state == EdgeState::Unsettled || *state == EdgeState::Taken {
            "-->"
        } else {
            "-.->"
        };
        let text = if text.is_empty() {
            String::new()
        } else {
            format!("|\"{}\"|", label(&text.join(": ")))
        };
        let _written = writeln!(out, "  {} {arrow}{text} {}", id(&edge.from), id(&edge.to));
        if *state == EdgeState::Taken {
            styles.push(at.to_string());
        }
    }
    if !styles.is_empty() {
        let _written =
            writeln!(out, "  linkStyle {} stroke:#2da44e,stroke-width:2px", styles.join(","));
    }
    for (class, style) in [
        ("active", "fill:#ddf4ff,stroke:#0969da"),
        ("waiting", "fill:#fff8c5,stroke:#9a6700"),
        ("succeeded", "fill:#dafbe1,stroke:#2da44e"),
        ("failed", "fill:#ffebe9,stroke:#cf222e"),
        ("other", "fill:#f6f8fa,stroke:#8c959f,color:#57606a"),
    ] {
        let of: Vec<&str> = marks
            .iter()
            .filter(|(_, mark)| *mark == class)
            .map(|(node, _)| node.as_str())
            .collect();
        if !of.is_empty() {
            let _written =
                writeln!(out, "  classDef {class} {style}\n  class {} {class}", of.join(","));
        }
    }
    out
}

struct Chart<'a, 'out> {
    graph: &'a Graph,
    picture: &'a Picture,
    out: &'out mut String,
    marks: Vec<(String, &'static str)>,
    links: Vec<(&'a Edge, EdgeState)>,
}

impl Chart<'_, '_> {
    /// The nodes of a body; `scope` is where their states are, if they have one place. Bodies nest at most 4 deep.
    fn body(&mut self, body: &str, scope: &str, depth: usize) {
        let graph = self.graph;
        let indent = "  ".repeat(depth);
        let alone = body.is_empty() || body == "finally";
        for node in graph.body(body) {
            let row = self
                .picture
                .scopes
                .get(scope)
                .and_then(|rows| rows.iter().find(|row| row.id == node.id));
            let state = row.filter(|_| alone).map_or(NodeState::Idle, |row| row.state);
            if graph.bodies.contains_key(&node.id) && depth < 8 {
                let progress = row
                    .and_then(|row| row.progress)
                    .map_or(String::new(), |progress| format!(" {} done", progress.done));
                let state = if alone { format!(": {}", state.name()) } else { String::new() };
                let title = label(&format!("{} ({}){state}{progress}", node.id, node.node_type));
                let _written =
                    writeln!(self.out, "{indent}subgraph {} [\"{title}\"]", id(&node.id));
                self.body(&node.id.clone(), "\u{0}", depth + 1);
                let _written = writeln!(self.out, "{indent}end");
            } else {
                let shown = if alone { format!("<br/>{}", state.name()) } else { String::new() };
                let title =
                    format!("{} <small>{}</small>{shown}", label(&node.id), label(&node.node_type));
                let _written = writeln!(self.out, "{indent}{}[\"{title}\"]", id(&node.id));
            }
            if alone {
                self.marks.extend(class(state).map(|class| (id(&node.id), class)));
            }
        }
        let inside = |name: &str| graph.body(body).iter().any(|node| node.id == name);
        for edge in graph.edges.iter().filter(|edge| inside(&edge.from)) {
            let known = self.picture.edges.get(&(scope.to_owned(), edge.name())).copied();
            self.links.push((edge, known.unwrap_or(EdgeState::Unsettled)));
        }
    }
}

/// `end` and others are words of Mermaid.
fn id(node: &str) -> String {
    format!("n_{node}")
}

fn class(state: NodeState) -> Option<&'static str> {
    match state {
        NodeState::Idle => None,
        NodeState::Ready | NodeState::Active => Some("active"),
        NodeState::Backoff | NodeState::Waiting => Some("waiting"),
        NodeState::Succeeded => Some("succeeded"),
        NodeState::Failed => Some("failed"),
        NodeState::Skipped | NodeState::Passed | NodeState::Cancelled => Some("other"),
    }
}

/// Text within quotes: what Mermaid or HTML would read is spelt as an entity.
fn label(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars().take(200) {
        match letter {
            '"' | '<' | '>' | '&' | '#' | '|' | '`' | '\\' => {
                let _written = write!(out, "#{};", u32::from(letter));
            }
            _ if letter.is_control() => out.push(' '),
            _ => out.push(letter),
        }
    }
    out
}

//! A workflow's nodes and edges as a run is drawn with them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Nodes by body, and edges.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    /// Nodes of each body, sources before targets: of the root (empty name), of a container's id, of `finally`.
    pub(crate) bodies: BTreeMap<String, Vec<Node>>,
    /// All edges, as written.
    pub(crate) edges: Vec<Edge>,
    /// The workflow that it was read from.
    pub(crate) document: Value,
}

/// A node.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) id: String,
    pub(crate) node_type: String,
}

/// An edge.
#[derive(Debug, Clone)]
pub(crate) struct Edge {
    pub(crate) from: String,
    pub(crate) to: String,
    /// `success`, `failure`, `always`.
    pub(crate) after: String,
    pub(crate) when: Option<String>,
    pub(crate) otherwise: bool,
}

impl Graph {
    /// From a workflow that has been judged; what has another shape is left out.
    pub(crate) fn of(document: &Value) -> Self {
        let list = |name: &str| {
            document
                .pointer(&format!("/spec/{name}"))
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default()
        };
        let text =
            |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let edges: Vec<Edge> = list("edges")
            .iter()
            .filter_map(|edge| {
                let after = text(edge, "after").unwrap_or_else(|| "success".to_owned());
                let otherwise = edge.get("otherwise").and_then(Value::as_bool).unwrap_or(false);
                Some(Edge {
                    from: text(edge, "from")?,
                    to: text(edge, "to")?,
                    after,
                    when: text(edge, "when"),
                    otherwise,
                })
            })
            .collect();
        let mut bodies: BTreeMap<String, Vec<Node>> = BTreeMap::new();
        for node in list("nodes") {
            let (Some(id), Some(node_type)) = (text(&node, "id"), text(&node, "type")) else {
                continue;
            };
            bodies
                .entry(text(&node, "within").unwrap_or_default())
                .or_default()
                .push(Node { id, node_type });
        }
        let ordered =
            bodies.into_iter().map(|(name, nodes)| (name, ordered(nodes, &edges))).collect();
        Self { bodies: ordered, edges, document: document.clone() }
    }

    /// The nodes of a body.
    pub(crate) fn body(&self, name: &str) -> &[Node] {
        self.bodies.get(name).map_or(&[], Vec::as_slice)
    }
}

impl Edge {
    /// `fetch->save`, `fetch->tell:failure`: as events name it.
    pub(crate) fn name(&self) -> String {
        let Self { from, to, after, .. } = self;
        if after == "success" { format!("{from}->{to}") } else { format!("{from}->{to}:{after}") }
    }
}

/// Sources before targets, otherwise as written.
fn ordered(nodes: Vec<Node>, edges: &[Edge]) -> Vec<Node> {
    let at: BTreeMap<&str, usize> =
        nodes.iter().enumerate().map(|(at, node)| (node.id.as_str(), at)).collect();
    let mut targets: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    let mut before = vec![0_usize; nodes.len()];
    for edge in edges {
        if let (Some(&from), Some(&to)) = (at.get(edge.from.as_str()), at.get(edge.to.as_str())) {
            targets[from].push(to);
            before[to] += 1;
        }
    }
    let mut open: BTreeSet<usize> = (0..nodes.len()).filter(|&at| before[at] == 0).collect();
    let mut order = Vec::with_capacity(nodes.len());
    while let Some(next) = open.pop_first() {
        order.push(next);
        for &to in &targets[next] {
            before[to] -= 1;
            if before[to] == 0 {
                open.insert(to);
            }
        }
    }
    order.into_iter().map(|at| nodes[at].clone()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Graph;

    #[test]
    fn sources_come_before_targets() {
        let node = |id: &str, within: Option<&str>| match within {
            None => json!({"id": id, "type": "noop"}),
            Some(within) => json!({"id": id, "type": "noop", "within": within}),
        };
        let graph = Graph::of(&json!({"spec": {
            "nodes": [node("c", None), node("b", None), node("a", None), node("x", Some("c"))],
            "edges": [{"from": "a", "to": "b"}, {"from": "b", "to": "c", "after": "always"}, {"from": "a"}],
        }}));
        let ids: Vec<&str> = graph.body("").iter().map(|node| node.id.as_str()).collect();
        assert_eq!(ids, ["a", "b", "c"]);
        assert_eq!(graph.body("c").len(), 1);
        assert_eq!(
            graph.edges.iter().map(super::Edge::name).collect::<Vec<_>>(),
            ["a->b", "b->c:always"]
        );
    }
}

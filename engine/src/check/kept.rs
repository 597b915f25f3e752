//! What an earlier graph has compiled already. An expression is what its text says and a template what its value
//! says, wherever they stand: what is written the same again is taken over, and judged anew where it stands now.

use rustc_hash::FxHashMap;
use serde_json::Value;

use crate::expr::{Expr, ExprError, Template};
use crate::ir::{Ir, Kind, Node, NodeIx};

/// The expressions of an earlier graph, and those that were met since.
#[derive(Debug, Default)]
pub(crate) struct Kept<'k> {
    ir: Option<&'k Ir>,
    nodes: FxHashMap<&'k str, NodeIx>,
    conditions: FxHashMap<&'k str, Expr>,
}

impl<'k> Kept<'k> {
    /// All of a graph; of none nothing.
    pub(crate) fn of(ir: Option<&'k Ir>) -> Self {
        let Some(graph) = ir else { return Self::default() };
        let nodes = (0..).zip(&graph.nodes).map(|(at, node)| (&*node.id, at)).collect();
        let whens = graph.edges.iter().filter_map(|edge| edge.when.as_ref());
        let conditions = whens.map(|when| (when.source(), when.clone())).collect();
        Self { ir, nodes, conditions }
    }

    /// The node that had this id.
    pub(crate) fn node(&self, id: &str) -> Option<&'k Node> {
        self.nodes.get(id).zip(self.ir).map(|(at, ir)| ir.node(*at))
    }

    /// A condition, compiled once for each text.
    pub(crate) fn condition(&mut self, source: &'k str) -> Result<Expr, ExprError> {
        if let Some(known) = self.conditions.get(source) {
            return Ok(known.clone());
        }
        let fresh = Expr::compile(source)?;
        self.conditions.insert(source, fresh.clone());
        Ok(fresh)
    }
}

/// A value of a node's config, compiled; `at` is where it stands in the config, `before` the node as it was.
pub(crate) fn template(
    before: Option<&Node>,
    at: &str,
    value: &Value,
) -> Result<Template, Vec<(String, ExprError)>> {
    match before.and_then(|node| of_kind(&node.kind, at)).filter(|kept| kept.source() == value) {
        Some(kept) => Ok(kept.clone()),
        None => Template::compile(value),
    }
}

/// What a node's kind keeps of this place in its config.
fn of_kind<'n>(kind: &'n Kind, at: &str) -> Option<&'n Template> {
    match (kind, at) {
        (
            Kind::Task { config, .. }
            | Kind::Delay { config }
            | Kind::Approval { config }
            | Kind::Child { config },
            "",
        ) => Some(config),
        (Kind::Foreach { items, .. }, "/items") => Some(items),
        (Kind::Foreach { concurrency, .. }, "/concurrency") => Some(concurrency),
        (Kind::Foreach { tolerate, .. }, "/tolerate") => Some(tolerate),
        (Kind::Loop { max, .. }, "/max") => Some(max),
        (Kind::Foreach { result, .. } | Kind::Loop { result, .. }, "/result") => result.as_ref(),
        _ => None,
    }
}

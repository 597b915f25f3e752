//! What differs between two graphs, node by node.

use crate::ir::{Ir, Kind, NodeIx};

/// The fields of a node that differ, by their names in a document.
pub(super) fn changed_fields(old: &Ir, from: NodeIx, new: &Ir, to: NodeIx) -> Vec<&'static str> {
    let (a, b) = (old.node(from), new.node(to));
    let mut fields = Vec::new();
    let mut note = |differs: bool, field: &'static str| {
        if differs {
            fields.push(field);
        }
    };
    note(a.node_type != b.node_type, "type");
    note(a.join != b.join, "join");
    note(a.retry != b.retry, "retry");
    note(a.timeout != b.timeout, "timeout");
    note(a.on_error != b.on_error, "onError");
    note(a.effect != b.effect && a.node_type == b.node_type, "effect");
    note(!same_config(&a.kind, &b.kind), "config");
    fields
}

/// Whether two configs say the same. What lies in a container's body is not part of it.
fn same_config(a: &Kind, b: &Kind) -> bool {
    match (a, b) {
        (Kind::Task { config: a, asserts: x, .. }, Kind::Task { config: b, asserts: y, .. }) => {
            a.source() == b.source()
                && x.len() == y.len()
                && x.iter()
                    .zip(y)
                    .all(|(x, y)| x.that.source() == y.that.source() && x.message == y.message)
        }
        (Kind::Delay { config: a }, Kind::Delay { config: b })
        | (Kind::Approval { config: a }, Kind::Approval { config: b })
        | (Kind::Child { config: a }, Kind::Child { config: b }) => a.source() == b.source(),
        (
            Kind::Foreach { items, name, concurrency, tolerate, result, .. },
            Kind::Foreach {
                items: items2,
                name: name2,
                concurrency: concurrency2,
                tolerate: tolerate2,
                result: result2,
                ..
            },
        ) => {
            items.source() == items2.source()
                && name == name2
                && concurrency.source() == concurrency2.source()
                && tolerate.source() == tolerate2.source()
                && result.as_ref().map(|result| result.source())
                    == result2.as_ref().map(|result| result.source())
        }
        (
            Kind::Loop { until, max, result, .. },
            Kind::Loop { until: until2, max: max2, result: result2, .. },
        ) => {
            until.source() == until2.source()
                && max.source() == max2.source()
                && result.as_ref().map(|result| result.source())
                    == result2.as_ref().map(|result| result.source())
        }
        (Kind::Unknown, Kind::Unknown) => true,
        _ => false,
    }
}

/// Whether an edge of the old graph stands in the new one: with the same condition, with another, or not at all.
pub(super) fn same_edge(old: &Ir, ix: u32, new: &Ir) -> Option<bool> {
    let edge = old.edge(ix);
    let (from, to) = (new.find(&old.node(edge.from).id)?, new.find(&old.node(edge.to).id)?);
    let other = new.edge(new.find_edge(from, to, edge.after)?);
    let text = |edge: &crate::ir::Edge| edge.when.as_ref().map(|when| when.source().to_owned());
    Some(text(edge) == text(other) && edge.otherwise == other.otherwise)
}

pub(super) fn in_edges_differ(old: &Ir, from: NodeIx, new: &Ir, to: NodeIx) -> bool {
    let before = old.node(from).ins.clone();
    let after = new.node(to).ins.clone();
    before.len() != after.len()
        || before.into_iter().any(|ix| same_edge(old, ix, new) != Some(true))
}

pub(super) fn out_edges_differ(old: &Ir, from: NodeIx, new: &Ir, to: NodeIx) -> bool {
    let before = &old.node(from).outs;
    before.len() != new.node(to).outs.len()
        || before.iter().any(|&ix| same_edge(old, ix, new) != Some(true))
}

//! The IR from what the rules found out.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::digest::Canonical;
use super::layout::{Layout, ix};
use crate::catalogue::BAD_SHAPE;
use crate::check::{Analysis, Role, Scope, milliseconds};
use crate::ir::{
    After, Body, BodyIx, Edge, Effect, Ir, Join, Kind, Node, NodeIx, OnError, ROOT, Retry,
};
use crate::issue::Issue;
use crate::pool;
use crate::registry::Registry;

/// Builds the IR of a document that no rule refused.
pub(super) fn build(
    source: &Value,
    mut analysis: Analysis<'_>,
    registry: &Registry,
    warnings: Vec<Issue>,
) -> Result<Ir, Issue> {
    let layout = Layout::of(&analysis);
    let canonical = Canonical::of(source);
    let edges = edges(&mut analysis, &layout);
    let own = source.pointer("/spec/runner").is_some();
    let nodes = nodes(&mut analysis, &layout, &edges, registry, own)?;
    let by_id = layout.by_id.iter().map(|node| analysis.document.nodes[*node as usize].at);
    let by_identity = layout.by_identity.iter().map(|at| {
        let link = &analysis.graph.links[*at as usize];
        analysis.document.edges[link.edge as usize].at
    });
    let digest = canonical.spec_digest(by_id, by_identity);
    let bodies = bodies(&analysis, &layout, &nodes, &edges, &canonical, &digest);
    let by_id: Vec<NodeIx> = layout.by_id.iter().map(|node| layout.index[*node as usize]).collect();
    let agents = analysis.types.iter().filter(|of| of.role == Role::Agent).count();
    let last = layout.bodies.len() - 1;
    Ok(Ir {
        name: analysis.document.name.to_owned(),
        digest,
        nodes,
        by_id,
        edges,
        finally: (layout.bodies[last] == Scope::Finally).then(|| ix(last)),
        bodies,
        output: analysis.expressions.output,
        input: analysis.document.input.cloned(),
        limits: analysis.limits,
        agents: ix(agents),
        retention: analysis.retention,
        runners: pool::name(source.pointer("/spec/runner")).into(),
        types: registry.used(analysis.document.nodes.iter().map(|node| node.node_type)),
        warnings,
    })
}

fn edges(analysis: &mut Analysis<'_>, layout: &Layout) -> Vec<Edge> {
    let whens = &mut analysis.expressions.whens;
    let edge = |at: &u32| {
        let link = &analysis.graph.links[*at as usize];
        let written = &analysis.document.edges[link.edge as usize];
        Edge {
            from: layout.index[link.from as usize],
            to: layout.index[link.to as usize],
            after: link.after,
            when: whens[link.edge as usize].take(),
            otherwise: written.otherwise,
        }
    };
    layout.links.iter().map(edge).collect()
}

fn nodes(
    analysis: &mut Analysis<'_>,
    layout: &Layout,
    edges: &[Edge],
    registry: &Registry,
    own_runners: bool,
) -> Result<Vec<Node>, Issue> {
    let mut names: BTreeMap<&str, Arc<str>> = BTreeMap::new();
    let numbers: BTreeMap<Scope, BodyIx> = layout.bodies.iter().copied().zip(0..).collect();
    let mut nodes = Vec::with_capacity(layout.nodes.len());
    let mut start = 0;
    for (at, (&node, &body)) in (0..).zip(layout.nodes.iter().zip(&layout.body_of)) {
        let written = &analysis.document.nodes[node as usize];
        let of = analysis.types[node as usize];
        // A document without issues has all its expressions; said once more rather than taken for granted.
        let missing =
            || Issue::new(&BAD_SHAPE, written.pointer(), "the node could not be compiled");
        let mut kind = analysis.expressions.kinds[node as usize].take().ok_or_else(missing)?;
        if let Kind::Foreach { body, .. } | Kind::Loop { body, .. } = &mut kind {
            *body = numbers.get(&Scope::Body(node)).copied().ok_or_else(missing)?;
        }
        let end = start + edges[start..].iter().take_while(|edge| edge.to == at).count();
        let known = of.role != Role::Unknown;
        let innate = of.info.map_or(Effect::Pure, |info| registry.effect(info, written.config));
        let pool = pool::of(of, &kind, registry, own_runners);
        nodes.push(Node {
            id: written.id.into(),
            node_type: names
                .entry(written.node_type)
                .or_insert_with(|| written.node_type.into())
                .clone(),
            kind,
            body,
            join: if written.any { Join::Any } else { Join::All },
            retry: written.retry.filter(|_| known).map_or(ONCE, retry),
            timeout: written.timeout.filter(|_| known).and_then(milliseconds),
            on_error: if known { written.on_error } else { OnError::Fail },
            pool,
            effect: written.effect.filter(|_| of.info.is_some()).unwrap_or(innate),
            innate,
            ins: ix(start)..ix(end),
            outs: Vec::new(),
        });
        start = end;
    }
    for (at, edge) in (0..).zip(edges) {
        nodes[edge.from as usize].outs.push(at);
    }
    Ok(nodes)
}

const ONCE: Retry = Retry { attempts: 1, backoff: 1000, factor: 2.0, max_backoff: 300_000 };

fn retry(written: &Map<String, Value>) -> Retry {
    let length = |name: &str| written.get(name).and_then(Value::as_str).and_then(milliseconds);
    let attempts = written
        .get("attempts")
        .and_then(Value::as_u64)
        .and_then(|number| u32::try_from(number).ok());
    Retry {
        attempts: attempts.unwrap_or(ONCE.attempts),
        backoff: length("backoff").unwrap_or(ONCE.backoff),
        factor: written.get("factor").and_then(Value::as_f64).unwrap_or(ONCE.factor),
        max_backoff: length("maxBackoff").unwrap_or(ONCE.max_backoff),
    }
}

fn bodies(
    analysis: &Analysis<'_>,
    layout: &Layout,
    nodes: &[Node],
    edges: &[Edge],
    canonical: &Canonical<'_>,
    spec_digest: &str,
) -> Vec<Body> {
    let mut bodies = Vec::with_capacity(layout.bodies.len());
    let (mut node_start, mut edge_start) = (0, 0);
    for (body, scope) in (0..).zip(&layout.bodies) {
        let node_end =
            node_start + layout.body_of[node_start..].iter().take_while(|of| **of == body).count();
        let within =
            edges[edge_start..].iter().take_while(|edge| layout.body_of[edge.to as usize] == body);
        let edge_end = edge_start + within.count();
        let goes_on = |node: &Node| {
            node.outs.iter().any(|edge| edges[*edge as usize].after != After::Failure)
        };
        let container = match scope {
            Scope::Body(container) => Some(layout.index[*container as usize]),
            _ => None,
        };
        bodies.push(Body {
            container,
            nodes: ix(node_start)..ix(node_end),
            edges: ix(edge_start)..ix(edge_end),
            digest: String::new(),
            last: (node_start..node_end).filter(|at| !goes_on(&nodes[*at])).map(ix).collect(),
        });
        (node_start, edge_start) = (node_end, edge_end);
    }
    digest_bodies(analysis, layout, nodes, canonical, &mut bodies);
    bodies[ROOT as usize].digest = spec_digest.to_owned();
    bodies
}

/// Inner bodies first; the root's is the spec's own, because no iteration pins it.
fn digest_bodies(
    analysis: &Analysis<'_>,
    layout: &Layout,
    nodes: &[Node],
    canonical: &Canonical<'_>,
    bodies: &mut [Body],
) {
    // Bodies of containers come in the order of their depth, `finally` after those within it: backwards
    // among the first, then the last.
    let count = bodies.len();
    let handler = (count > 1 && layout.bodies[count - 1] == Scope::Finally).then_some(count - 1);
    let inner = (1..handler.unwrap_or(count)).rev();
    for body in inner.chain(handler) {
        let members = bodies[body].nodes.start as usize..bodies[body].nodes.end as usize;
        let links = bodies[body].edges.start as usize..bodies[body].edges.end as usize;
        let positions =
            members.clone().map(|at| analysis.document.nodes[layout.nodes[at] as usize].at);
        let edges = links.map(|at| {
            let link = &analysis.graph.links[layout.links[at] as usize];
            analysis.document.edges[link.edge as usize].at
        });
        let nested = members.filter_map(|at| {
            let body = nodes[at].kind.body()?;
            Some((&*nodes[at].id, bodies[body as usize].digest.as_str()))
        });
        let digest = canonical.body_digest(positions, edges, nested);
        bodies[body].digest = digest;
    }
}

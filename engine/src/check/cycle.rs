//! CYCLE: the order in which nodes can settle, or why there is none.

use super::document::Document;
use super::findings::Findings;
use super::graph::{Graph, identity};
use super::scopes::{Scope, Scopes};
use super::suggest::quote;
use crate::catalogue::CYCLE;
use crate::issue::Issue;

/// Most cycles that are shown, and most nodes of one.
const MOST: usize = 20;
const LONGEST: usize = 30;

/// All nodes such that each comes after the sources of its in-edges and after the container whose body
/// it lies in; nothing if there is a cycle.
pub(crate) fn judge(
    document: &Document<'_>,
    graph: &Graph,
    scopes: &Scopes,
    findings: &mut Findings,
) -> Option<Vec<u32>> {
    let mut missing: Vec<u32> =
        (0..).zip(&document.nodes).map(|(node, _)| count(graph.ins(node).len())).collect();
    let mut order: Vec<u32> = Vec::with_capacity(missing.len());
    for (node, missing) in (0..).zip(&missing) {
        if *missing == 0 && !matches!(scopes.of(node), Scope::Body(_)) {
            order.push(node);
        }
    }
    let mut next = 0;
    while let Some(node) = order.get(next).copied() {
        next += 1;
        for link in graph.outs(node) {
            missing[link.to as usize] -= 1;
            if missing[link.to as usize] == 0 {
                order.push(link.to);
            }
        }
        // A root of a body has no in-edge to release it: its container does.
        order.extend(scopes.body(node).iter().filter(|node| {
            matches!(scopes.of(**node), Scope::Body(_)) && graph.ins(**node).len() == 0
        }));
    }
    if order.len() == missing.len() {
        return Some(order);
    }
    let mut settled = vec![false; missing.len()];
    for node in order {
        settled[node as usize] = true;
    }
    for cycle in cycles(graph, &settled) {
        findings.push(describe(&cycle, document, graph));
    }
    None
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// One cycle of every tangle: whoever never settles has an in-edge from one that never settles, so
/// walking backwards ends in a cycle.
fn cycles(graph: &Graph, settled: &[bool]) -> Vec<Vec<u32>> {
    let mut cycles = Vec::new();
    // The walk in which a node was first met; 0: never.
    let mut met = vec![0u32; settled.len()];
    for (walk, start) in
        (1..).zip((0..).zip(settled).filter(|(_, settled)| !**settled).map(|(node, _)| node))
    {
        let mut way = Vec::new();
        let mut node: u32 = start;
        loop {
            if met[node as usize] == walk {
                let from = way.iter().position(|other| *other == node).unwrap_or(0);
                let mut cycle = way.split_off(from);
                cycle.reverse();
                cycles.push(cycle);
                break;
            }
            if met[node as usize] != 0 {
                break;
            }
            met[node as usize] = walk;
            way.push(node);
            match graph.ins(node).find(|link| !settled[link.from as usize]) {
                Some(link) => node = link.from,
                None => break,
            }
        }
        if cycles.len() >= MOST {
            break;
        }
    }
    cycles
}

fn describe(cycle: &[u32], document: &Document<'_>, graph: &Graph) -> Issue {
    // Begin with the first node of the document, so that the same cycle is always told the same way.
    let first = cycle.iter().enumerate().min_by_key(|(_, node)| **node).map_or(0, |(at, _)| at);
    let turned: Vec<u32> = cycle[first..].iter().chain(&cycle[..first]).copied().collect();
    let names = |nodes: &[u32]| {
        nodes.iter().map(|node| document.nodes[*node as usize].id).collect::<Vec<_>>().join(" -> ")
    };
    let path = if turned.len() > LONGEST {
        format!(
            "{} -> ({} more) -> {}",
            names(&turned[..LONGEST]),
            turned.len() - LONGEST,
            names(&turned[..1])
        )
    } else {
        format!("{} -> {}", names(&turned), names(&turned[..1]))
    };
    let (last, begin) = (turned[turned.len() - 1], turned[0]);
    let closing = graph
        .ins(begin)
        .find(|link| link.from == last)
        .map(|link| &document.edges[link.edge as usize]);
    let pointer = closing.map_or_else(String::new, |edge| edge.pointer());
    let message = if turned.len() == 1 {
        format!("{} waits for itself", quote(document.nodes[begin as usize].id))
    } else {
        let edge = closing.map_or_else(String::new, identity);
        format!("{} nodes wait for each other in a circle, closed by the edge {edge}", turned.len())
    };
    Issue::new(&CYCLE, pointer, message).detail(path)
}

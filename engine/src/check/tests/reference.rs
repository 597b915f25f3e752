//! settled(n) and sure(n) against a plain reading of the design, and against runs of the rules of
//! settling with random answers in random order.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{BUILTIN, edge, graph, noop, plus};
use crate::check::ids::Ids;
use crate::check::settled::{self, Settled};
use crate::check::sure::{self, Sure};
use crate::check::{Document, Findings, Graph, Role, Scope, Scopes, Type, cycle, types};
use crate::ir::After;
use crate::registry::Registry;

type Set = BTreeSet<u32>;

/// A sound graph with all that the analysis needs.
struct Case<'a> {
    document: Document<'a>,
    types: Vec<Type<'a>>,
    scopes: Scopes,
    graph: Graph,
    order: Vec<u32>,
}

impl<'a> Case<'a> {
    fn of(source: &'a Value, registry: &'a Registry) -> Self {
        let mut findings = Findings::default();
        let document = Document::read(source);
        let ids = Ids::judge(&document, &mut findings);
        let types = types::judge(&document, registry, &mut findings);
        let scopes = Scopes::judge(&document, &ids, &types, &mut findings);
        let graph = Graph::judge(&document, &ids, &scopes, &mut findings);
        let order = cycle::judge(&document, &graph, &scopes, &mut findings).unwrap();
        assert!(!findings.refused(), "{:?}", findings.issues);
        Self { document, types, scopes, graph, order }
    }

    fn all(&self) -> impl Iterator<Item = u32> + use<> {
        0..u32::try_from(self.document.nodes.len()).unwrap()
    }

    fn settled(&self) -> Settled {
        Settled::of(&self.document, &self.graph, &self.scopes, &self.order, self.all())
    }

    fn sure(&self) -> Sure<'_> {
        Sure::of(&self.document, &self.types, &self.graph, &self.scopes, &self.order, self.all())
    }

    fn id(&self, node: u32) -> &str {
        self.document.nodes[node as usize].id
    }

    /// What certainly has an output when a node starts, as the two relations say together.
    fn certain(&self, settled: &Settled, sure: &Sure<'_>, node: u32) -> BTreeSet<&str> {
        let certain =
            self.all().filter(|other| settled.before(node, *other) && sure.at_start(node, *other));
        certain.map(|other| self.id(other)).collect()
    }

    fn reference(&self) -> Reference {
        let mut reference = Reference::default();
        for &node in &self.order {
            let outer = match self.scopes.of(node) {
                Scope::Body(container) => Some(container),
                _ => None,
            };
            let mut ways = self.graph.ins(node).map(|link| {
                let mut set = reference.settled[&link.from].clone();
                set.insert(link.from);
                set
            });
            let settled = match (ways.next(), self.document.nodes[node as usize].any) {
                (None, _) => {
                    outer.map(|outer| reference.settled[&outer].clone()).unwrap_or_default()
                }
                (Some(first), true) => ways.fold(first, |all, way| &all & &way),
                (Some(first), false) => ways.fold(first, |all, way| &all | &way),
            };
            let starts = |sure: Set| self.close(sure, &settled);
            let mut ways = self.graph.ins(node).map(|link| {
                let mut set = reference.sure[&link.from].clone();
                if link.after == After::Success {
                    set.insert(link.from);
                }
                starts(set)
            });
            let sure = match ways.next() {
                None => {
                    starts(outer.map(|outer| reference.sure[&outer].clone()).unwrap_or_default())
                }
                Some(first) => ways.fold(first, |all, way| &all & &way),
            };
            reference.settled.insert(node, settled);
            reference.sure.insert(node, sure);
        }
        reference
    }

    /// The design's close: each node of `settled` that surely starts and whose failure stops the scope.
    fn close(&self, mut sure: Set, settled: &Set) -> Set {
        loop {
            let before = sure.len();
            for &node in settled {
                let mut ins = self.graph.ins(node);
                let starts = ins.len() == 0
                    || ins.any(|link| {
                        link.unconditional
                            && link.after != After::Failure
                            && sure.contains(&link.from)
                    });
                let gates = self.graph.ins(node).all(|link| {
                    link.after != After::Success
                        || self.types[link.from as usize].role != Role::Approval
                        || sure.contains(&link.from)
                });
                if starts && gates && sure::stops(&self.document, &self.types, &self.graph, node) {
                    sure.insert(node);
                }
            }
            if sure.len() == before {
                return sure;
            }
        }
    }
}

#[derive(Default)]
struct Reference {
    settled: BTreeMap<u32, Set>,
    sure: BTreeMap<u32, Set>,
}

/// Rules 2, 4, 5, 6 and 7 of settling, for the root scope, driven by a list of choices. Calls `starts`
/// with each node that starts, what has settled, and what has an output.
fn run(case: &Case<'_>, choices: &[u8], mut starts: impl FnMut(u32, &Set, &Set)) {
    let mut choices = choices.iter().copied().cycle();
    let mut choose = |most: usize| usize::from(choices.next().unwrap_or(0)) % most.max(1);
    let count = case.document.nodes.len();
    // Of a node: None until settled; Some(whether it succeeded), skipped counting as neither.
    let mut settled: Vec<Option<Option<bool>>> = vec![None; count];
    let mut active: Vec<u32> = Vec::new();
    let mut started = vec![false; count];
    // Of an edge: None until settled; Some(taken or absorbed).
    let mut edges: Vec<Option<bool>> = vec![None; case.graph.links.len()];
    loop {
        // Whatever can start or must be skipped, to the end.
        loop {
            let mut moved = false;
            for node in case.all() {
                let at = node as usize;
                if started[at] || settled[at].is_some() {
                    continue;
                }
                let ins: Vec<usize> =
                    (0..edges.len()).filter(|link| case.graph.links[*link].to == node).collect();
                let all_settled = ins.iter().all(|link| edges[*link].is_some());
                let taken = ins.iter().any(|link| edges[*link] == Some(true));
                let refused = ins.iter().any(|link| {
                    let link = &case.graph.links[*link];
                    let gate = link.after == After::Success
                        && case.types[link.from as usize].role == Role::Approval;
                    gate && started[link.from as usize]
                        && settled[link.from as usize] != Some(Some(true))
                });
                let any = case.document.nodes[at].any;
                let fires =
                    ins.is_empty() || if any { taken } else { all_settled && taken && !refused };
                if fires {
                    let done: Set =
                        case.all().filter(|node| settled[*node as usize].is_some()).collect();
                    let output: Set = case
                        .all()
                        .filter(|node| settled[*node as usize] == Some(Some(true)))
                        .collect();
                    starts(node, &done, &output);
                    started[at] = true;
                    active.push(node);
                    moved = true;
                } else if all_settled {
                    settled[at] = Some(None);
                    for (link, edge) in case.graph.links.iter().zip(&mut edges) {
                        if link.from == node {
                            *edge = Some(false);
                        }
                    }
                    moved = true;
                }
            }
            if !moved {
                break;
            }
        }
        if active.is_empty() {
            return;
        }
        let node = active.swap_remove(choose(active.len()));
        let success = case.types[node as usize].role == Role::Unknown || choose(4) > 0;
        settled[node as usize] = Some(Some(success));
        let mut handled = success;
        for (link, edge) in case.graph.links.iter().zip(&mut edges) {
            if link.from != node {
                continue;
            }
            let fits = match link.after {
                After::Success => success,
                After::Failure => !success,
                After::Always => true,
            };
            let taken = fits && (link.unconditional || choose(2) == 0);
            *edge = Some(taken);
            handled |= taken;
        }
        // A pause is answered by settling the node as failed, the worst that can come of it.
        if !handled && case.document.nodes[node as usize].on_error == crate::ir::OnError::Fail {
            return;
        }
    }
}

/// A graph in the root scope.
fn any_graph(most: usize) -> impl Strategy<Value = Value> {
    let node = (0..6u8, any::<bool>(), 0..5u8);
    let edge = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..6u8, 0..3u8);
    (prop::collection::vec(node, 2..most), prop::collection::vec(edge, 0..most * 2)).prop_map(
        |(nodes, edges)| {
            let mut gates = Vec::new();
            let mut any_joins = Vec::new();
            let written: Vec<Value> = (0..)
                .zip(&nodes)
                .map(|(at, (kind, any, on_error)): (usize, _)| {
                    let id = format!("n{at}");
                    let mut node = match kind {
                        0 => json!({"id": id, "type": "approval", "config": {"title": "x"}}),
                        1 => json!({"id": id, "type": "acme.unknown"}),
                        _ => noop(&id),
                    };
                    gates.push(*kind < 2);
                    any_joins.push(*any);
                    if *any {
                        node["join"] = json!("any");
                    }
                    match on_error {
                        0 => node["onError"] = json!("continue"),
                        1 => node["onError"] = json!("pause"),
                        _ => {}
                    }
                    node
                })
                .collect();
            let mut seen = BTreeSet::new();
            let mut links = Vec::new();
            for (from, to, after, when) in edges {
                let (from, to) = (from.index(nodes.len()), to.index(nodes.len()));
                let (from, to) = (from.min(to), from.max(to));
                let after = ["success", "success", "success", "success", "failure", "always"]
                    [usize::from(after)];
                if from == to || (gates[from] && any_joins[to]) || !seen.insert((from, to, after)) {
                    continue;
                }
                let mut link = plus(edge_of(from, to), json!({ "after": after }));
                if when == 0 {
                    link["when"] = json!("input.x");
                }
                links.push(link);
            }
            graph(json!(written), json!(links))
        },
    )
}

fn edge_of(from: usize, to: usize) -> Value {
    edge(&format!("n{from}"), &format!("n{to}"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn settled_is_the_design_s_and_sure_covers_it(source in any_graph(14)) {
        let case = Case::of(&source, &BUILTIN);
        let (settled, sure, reference) = (case.settled(), case.sure(), case.reference());
        for node in case.all() {
            for other in case.all() {
                prop_assert_eq!(settled.before(node, other), reference.settled[&node].contains(&other), "{} {}", node, other);
                if reference.sure[&node].contains(&other) {
                    prop_assert!(sure.at_start(node, other), "{} {}", node, other);
                }
                if settled::near(&case.document, &case.graph, &case.scopes, node, other) {
                    prop_assert!(settled.before(node, other), "{} {}", node, other);
                }
                if sure::near(&case.graph, &case.scopes, node, other) {
                    prop_assert!(sure.at_start(node, other), "{} {}", node, other);
                }
            }
        }
    }

    #[test]
    fn what_is_certain_is_so_in_every_run(source in any_graph(12), choices in prop::collection::vec(any::<u8>(), 40..200)) {
        let case = Case::of(&source, &BUILTIN);
        let (settled, sure) = (case.settled(), case.sure());
        run(&case, &choices, |node, done, output| {
            for other in case.all() {
                if settled.before(node, other) {
                    assert!(done.contains(&other), "{} starts before {} has settled", case.id(node), case.id(other));
                    if sure.at_start(node, other) {
                        assert!(output.contains(&other), "{} starts without {}", case.id(node), case.id(other));
                    }
                }
            }
        });
    }
}

#[track_caller]
fn table(source: &Value, wanted: &[(&str, &[&str], &[&str])]) {
    let case = Case::of(source, &BUILTIN);
    let (settled, sure) = (case.settled(), case.sure());
    for (id, before, certain) in wanted {
        let node = case.all().find(|node| case.id(*node) == *id).unwrap();
        let found: BTreeSet<&str> = case
            .all()
            .filter(|other| settled.before(node, *other))
            .map(|other| case.id(other))
            .collect();
        assert_eq!(found, before.iter().copied().collect(), "settled({id})");
        assert_eq!(
            case.certain(&settled, &sure, node),
            certain.iter().copied().collect(),
            "sure({id})"
        );
    }
}

#[test]
fn a_diamond() {
    let nodes = json!([noop("a"), noop("b"), noop("c"), noop("d")]);
    let edges = json!([edge("a", "b"), edge("a", "c"), edge("b", "d"), edge("c", "d")]);
    table(
        &graph(nodes, edges),
        &[("a", &[], &[]), ("b", &["a"], &["a"]), ("d", &["a", "b", "c"], &["a", "b", "c"])],
    );
}

#[test]
fn a_diamond_with_a_condition() {
    let nodes = json!([noop("a"), noop("b"), noop("c"), noop("d")]);
    let when = plus(edge("a", "b"), json!({"when": "input.x"}));
    let edges = json!([when, edge("a", "c"), edge("b", "d"), edge("c", "d")]);
    table(&graph(nodes, edges), &[("d", &["a", "b", "c"], &["a", "c"])]);
}

#[test]
fn branches_behind_one_condition_are_sure_together() {
    // Whichever edge into `d` was taken, `s` succeeded, so both `b` and `c` started.
    let nodes = json!([noop("a"), noop("s"), noop("b"), noop("c"), noop("d")]);
    let when = plus(edge("a", "s"), json!({"when": "input.x"}));
    let edges = json!([when, edge("s", "b"), edge("s", "c"), edge("b", "d"), edge("c", "d")]);
    table(&graph(nodes, edges), &[("d", &["a", "s", "b", "c"], &["a", "s", "b", "c"])]);
}

#[test]
fn an_any_join_has_only_what_is_common() {
    let nodes = json!([noop("a"), noop("b"), noop("c"), plus(noop("d"), json!({"join": "any"}))]);
    let edges = json!([edge("a", "b"), edge("a", "c"), edge("b", "d"), edge("c", "d")]);
    table(&graph(nodes, edges), &[("d", &["a"], &["a"])]);
}

#[test]
fn what_is_handled_or_continued_is_not_sure() {
    let nodes =
        json!([noop("a"), plus(noop("b"), json!({"onError": "continue"})), noop("h"), noop("d")]);
    let failure = plus(edge("a", "h"), json!({"after": "failure"}));
    let edges = json!([failure, edge("a", "d"), edge("b", "d"), edge("h", "d")]);
    table(&graph(nodes, edges), &[("d", &["a", "b", "h"], &[]), ("h", &["a"], &[])]);
}

#[test]
fn a_gate_that_may_refuse_makes_nothing_sure() {
    // `m` starts with `a`, unless `g` refuses; `g` is optional.
    let gate = json!({"id": "g", "type": "approval", "config": {"title": "x"}});
    let nodes = |gate: Value| json!([noop("a"), gate, noop("m"), noop("z"), noop("d")]);
    let edges = |when: Value| {
        let optional = plus(edge("a", "g"), when);
        let failure = plus(edge("m", "d"), json!({"after": "success"}));
        json!([optional, edge("a", "m"), edge("g", "m"), edge("a", "z"), failure, edge("z", "d")])
    };
    let settled: &[&str] = &["a", "g", "m", "z"];
    table(&graph(nodes(gate.clone()), edges(json!({}))), &[("d", settled, &["a", "g", "m", "z"])]);
    table(&graph(nodes(gate), edges(json!({"when": "input.x"}))), &[("d", settled, &["a", "z"])]);
}

#[test]
fn a_node_behind_two_gates_is_sure_when_both_are() {
    let gate = |id: &str| json!({"id": id, "type": "approval", "config": {"title": "x"}});
    let nodes = json!([noop("a"), gate("g"), gate("h"), noop("m"), noop("z"), noop("d")]);
    let edges = |when: Value| {
        let optional = plus(edge("a", "h"), when);
        let seldom = plus(edge("h", "m"), json!({"when": "input.y"}));
        json!([
            edge("a", "g"),
            optional,
            edge("g", "m"),
            seldom,
            edge("a", "z"),
            edge("m", "d"),
            edge("z", "d")
        ])
    };
    let settled: &[&str] = &["a", "g", "h", "m", "z"];
    let source = graph(nodes.clone(), edges(json!({})));
    table(&source, &[("d", settled, settled)]);
    let source = graph(nodes, edges(json!({"when": "input.x"})));
    table(&source, &[("d", settled, &["a", "g", "z"])]);
}

#[test]
fn a_body_has_what_its_container_has() {
    let each = json!({"id": "each", "type": "foreach", "config": {"items": []}});
    let within = |id: &str| plus(noop(id), json!({"within": "each"}));
    let nodes = json!([noop("a"), each, within("x"), within("y"), noop("p")]);
    let edges = json!([edge("a", "each"), edge("x", "y")]);
    table(
        &graph(nodes, edges),
        &[("x", &["a"], &["a"]), ("y", &["a", "x"], &["a", "x"]), ("p", &[], &[])],
    );
}

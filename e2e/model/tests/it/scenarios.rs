//! The scenarios: those of the search that the design came from, by its numbers, and those that it left out.

use aob_engine::state::{CancelMode, NodeError};
use aob_engine::step::{Answer, Reply};
use serde_json::json;

use crate::book::Patch;
use crate::graphs::{add_edge, add_node, graph, insert, remove_edge, remove_node, with};
use crate::scenario::{Ask, Budget, Scenario};
use crate::search::search;

const NONE: Budget =
    Budget { crashes: 0, lost: 0, late: 0, zombies: 0, rollbacks: 0, stale: 0, slow: 0 };
/// Everything but a server that forgets.
const FAULTS: Budget = Budget { crashes: 1, lost: 1, late: 1, zombies: 1, stale: 1, ..NONE };
const FEW: Budget = Budget { crashes: 1, zombies: 1, stale: 1, ..NONE };
const BACK: Budget = Budget { rollbacks: 1, zombies: 1, ..NONE };

fn fails_first(instance: &str) -> Vec<Answer> {
    let error = Answer::Error { error: NodeError::new("broken", "it broke"), retryable: true };
    match instance {
        "a" => vec![error, Answer::Output(Default::default())],
        _ => vec![Answer::Output(Default::default())],
    }
}

fn fails(instance: &str) -> Vec<Answer> {
    fails_first(instance).into_iter().take(1).collect()
}

fn patch(id: &'static str, edit: fn(&mut serde_json::Value)) -> Ask {
    Ask::Patch(Patch { id, edit, cancel: &[] })
}

fn remove_b(document: &mut serde_json::Value) {
    remove_node(document, "b");
}

pub(crate) fn insert_x() -> Ask {
    patch("patch_x", insert)
}

fn edge_a_c(document: &mut serde_json::Value) {
    add_node(document, "y");
    add_edge(document, "a->y");
}

fn handler(document: &mut serde_json::Value) {
    add_node(document, "h");
    add_edge(document, "a->h:failure");
}

/// All of them.
pub(crate) fn all() -> Vec<Scenario> {
    let one = || graph(&["a"], &[]);
    let chain = || graph(&["a", "b"], &["a->b"]);
    let diamond = || graph(&["a", "b", "c"], &["a->c", "b->c"]);
    let any = || with(diamond(), &[("c", "join", json!("any"))]);
    let once = |id: &'static str| move |spec| with(spec, &[(id, "effect", json!("once"))]);
    let settle = |id| Ask::Decide(id, Reply::Settle(Default::default()));
    let approve = |id| Ask::Decide(id, Reply::Approve(None));
    let base = Scenario::new;
    let mut all = before(&base);
    all.extend([
        Scenario { budget: FAULTS, ..base("0 chain", chain()) },
        Scenario {
            short: Some(Budget { lost: 1, zombies: 1, slow: 1, ..NONE }),
            reports: true,
            coordinators: 2,
            budget: Budget { late: 0, stale: 0, slow: 1, ..FAULTS },
            ..base("1 reports, two coordinators", chain())
        },
        Scenario { budget: FEW, ..base("2 diamond, all", diamond()) },
        Scenario {
            short: Some(Budget { zombies: 1, stale: 1, ..NONE }), budget: Budget { lost: 1, ..FEW }, ..base("3 diamond, any", any()) },
        Scenario {
            budget: Budget { zombies: 1, crashes: 1, ..NONE },
            answers: fails_first,
            ..base(
                "4 failure edge, retry",
                with(
                    graph(&["a", "b"], &["a->b:failure"]),
                    &[("a", "retry", json!({"attempts": 2, "backoff": "1s"}))],
                ),
            )
        },
        Scenario {
            short: Some(Budget { lost: 1, stale: 1, zombies: 1, ..NONE }),
            asks: vec![insert_x()],
            again: true,
            budget: Budget { lost: 1, ..FEW },
            ..base("5 insert x", chain())
        },
        Scenario {
            short: Some(Budget { lost: 1, stale: 1, zombies: 1, ..NONE }),
            fused: false,
            asks: vec![patch("patch_b", remove_b)],
            again: true,
            budget: FAULTS,
            ..base("6 remove b", chain())
        },
        Scenario {
            short: Some(Budget { zombies: 1, stale: 1, ..NONE }),
            asks: vec![patch("patch_y", edge_a_c)],
            budget: Budget { lost: 1, ..FEW },
            ..base("7 edge out of settled a", chain())
        },
        Scenario {
            asks: vec![insert_x(), patch("patch_b", remove_b)],
            again: true,
            budget: Budget { crashes: 1, stale: 1, ..NONE },
            ..base("8 two patches", chain())
        },
        Scenario {
            short: Some(Budget { crashes: 1, stale: 1, ..NONE }),
            asks: vec![patch("patch_b", remove_b)],
            budget: FEW,
            ..base("9 remove in any", any())
        },
        Scenario {
            short: Some(Budget { lost: 1, stale: 1, zombies: 1, ..NONE }),
            asks: vec![patch("patch_h", handler)],
            answers: fails,
            budget: FAULTS,
            ..base("10 handler", one())
        },
        Scenario {
            short: Some(Budget { stale: 1, zombies: 1, ..NONE }),
            asks: vec![Ask::Cancel(CancelMode::Graceful)],
            again: true,
            budget: Budget { lost: 1, ..FEW },
            ..base("11 cancel gracefully", chain())
        },
        Scenario {
            short: Some(Budget { late: 1, stale: 1, ..NONE }),
            asks: vec![Ask::Cancel(CancelMode::Now)],
            again: true,
            budget: FAULTS,
            ..base("12 cancel now", chain())
        },
        Scenario {
            asks: vec![settle("a")],
            budget: FAULTS,
            ..base("13 once", once("a")(chain()))
        },
        Scenario { budget: BACK, ..base("14 rollback", chain()) },
        Scenario {
            short: Some(Budget { rollbacks: 1, ..NONE }),
            reports: true,
            budget: BACK,
            ..base("15 rollback, reports", chain())
        },
        Scenario {
            fused: false,
            asks: vec![insert_x()],
            budget: Budget { zombies: 0, ..BACK },
            ..base("16 rollback, insert x", chain())
        },
        Scenario {
            fused: false,
            asks: vec![patch("patch_b", remove_b)],
            budget: Budget { zombies: 0, ..BACK },
            ..base("17 rollback, remove b", chain())
        },
        Scenario {
            short: Some(Budget { rollbacks: 2, ..NONE }),
            budget: Budget { rollbacks: 2, zombies: 1, ..NONE },
            ..base("18 two rollbacks", chain())
        },
        Scenario {
            asks: vec![settle("a")],
            budget: BACK,
            ..base("19 rollback, once", once("a")(one()))
        },
        Scenario {
            asks: vec![settle("b")],
            budget: BACK,
            ..base("20 rollback, a, then once b", once("b")(chain()))
        },
        Scenario {
            answers: fails_first,
            budget: BACK,
            ..base(
                "21 rollback, timers",
                with(
                    graph(&["a", "b"], &["a->b"]),
                    &[
                        ("a", "retry", json!({"attempts": 2, "backoff": "1s"})),
                        ("b", "type", json!("delay")),
                        ("b", "config", json!({"for": "5s"})),
                    ],
                ),
            )
        },
        Scenario {
            fused: false,
            asks: vec![patch("patch_y", edge_a_c)],
            budget: Budget { crashes: 1, ..NONE },
            ..base("22 diamond, patch, crash", diamond())
        },
        Scenario {
            fused: false,
            asks: vec![insert_x()],
            hold: true,
            budget: Budget { stale: 1, late: 1, ..NONE },
            ..base("23 hold", chain())
        },
        Scenario {
            asks: vec![settle("a")],
            budget: Budget { crashes: 2, zombies: 1, ..NONE },
            ..base("24 once, two lost", once("a")(chain()))
        },
        Scenario {
            asks: vec![patch("patch_y", edge_a_c)],
            budget: FEW,
            ..base(
                "25 otherwise",
                json!({"nodes": [{"id": "a", "type": "noop"}, {"id": "b", "type": "noop"}, {"id": "c", "type": "noop"}],
                       "edges": [{"from": "a", "to": "b", "when": "nodes.a.output == 1"}, {"from": "a", "to": "c", "otherwise": true}]}),
            )
        },
        Scenario {
            asks: vec![insert_x()],
            again: true,
            coordinators: 2,
            budget: Budget { rollbacks: 1, slow: 1, ..FAULTS },
            long: true,
            ..base("26 everything at once", chain())
        },
        Scenario { budget: FAULTS, ..base("27 one node", one()) },
        Scenario {
            asks: vec![Ask::Cancel(CancelMode::Graceful)],
            budget: BACK,
            ..base("28 rollback, cancel", one())
        },
        Scenario {
            asks: vec![approve("g")],
            budget: Budget { lost: 1, ..FEW },
            ..base(
                "31 gate",
                with(
                    graph(&["a", "g", "b"], &["a->g", "g->b"]),
                    &[
                        ("g", "type", json!("approval")),
                        ("g", "config", json!({"title": "go on?", "deadline": "1h"})),
                    ],
                ),
            )
        },
        Scenario {
            asks: vec![approve("g"), patch("patch_y", |document| {
                let nodes = document["spec"]["nodes"].as_array_mut().unwrap();
                let gate = nodes.iter_mut().find(|node| node["id"] == "g").unwrap();
                gate["config"]["title"] = json!("really?");
            })],
            budget: Budget { stale: 1, lost: 1, ..NONE },
            ..base(
                "39 an open gate is asked again",
                with(
                    graph(&["g", "b"], &["g->b"]),
                    &[("g", "type", json!("approval")), ("g", "config", json!({"title": "go on?"}))],
                ),
            )
        },
    ]);
    all
}

/// What the first search left out.
fn before(base: &dyn Fn(&'static str, serde_json::Value) -> Scenario) -> Vec<Scenario> {
    let each = json!({"nodes": [
        {"id": "each", "type": "foreach", "config": {"items": [1, 2], "as": "item"}},
        {"id": "x", "type": "noop", "within": "each"},
    ], "edges": []});
    let finally = json!({"nodes": [
        {"id": "a", "type": "noop"}, {"id": "f", "type": "noop", "within": "finally"},
    ], "edges": []});
    let parent = json!({"nodes": [
        {"id": "a", "type": "noop"}, {"id": "c", "type": "workflow", "config": {"name": "child", "tag": "main"}},
    ], "edges": [{"from": "a", "to": "c"}]});
    let child = || Some(graph(&["k"], &[]));
    let agent = json!({"model": "m", "prompt": "p", "patch": {"allow": ["noop"]}});
    let agent = || {
        let members = [("a", "type", json!("agent")), ("a", "config", agent.clone())];
        with(graph(&["a", "b"], &["a->b"]), &members)
    };
    let by_agent = |edit| Some(("a", Patch { id: "patch_agent", edit, cancel: &[] }));
    vec![
        Scenario { budget: FEW, ..base("29 foreach", each.clone()) },
        Scenario {
            asks: vec![patch("patch_y", |document| {
                document["spec"]["nodes"]
                    .as_array_mut()
                    .unwrap()
                    .push(json!({"id": "y", "type": "noop", "within": "each"}));
            })],
            budget: Budget { stale: 1, crashes: 1, ..NONE },
            ..base("38 a body is patched between iterations", {
                let mut spec = each;
                spec["nodes"][0]["config"]["concurrency"] = json!(1);
                spec
            })
        },
        Scenario {
            short: Some(Budget { stale: 1, zombies: 1, ..NONE }),
            answers: fails_first,
            asks: vec![Ask::Cancel(CancelMode::Graceful)],
            budget: FEW,
            ..base("30 finally, cancel", finally)
        },
        Scenario {
            short: Some(Budget { lost: 1, stale: 1, zombies: 1, ..NONE }),
            agent: by_agent(|document| {
                add_node(document, "y");
                add_edge(document, "a->y");
            }),
            budget: Budget { lost: 1, ..FEW },
            ..base("32 an agent's patch with its completion", agent())
        },
        Scenario {
            agent: by_agent(insert),
            asks: vec![patch("patch_b", remove_b)],
            budget: Budget { stale: 1, zombies: 1, ..NONE },
            ..base("40 an agent's patch and a person's", agent())
        },
        Scenario {
            asks: vec![Ask::Suspend(true), Ask::Suspend(false)],
            budget: FEW,
            ..base("33 suspend, resume", graph(&["a", "b"], &["a->b"]))
        },
        Scenario {
            child: child(),
            budget: Budget { lost: 1, ..FEW },
            ..base("34 child run", parent.clone())
        },
        Scenario {
            child: child(),
            asks: vec![Ask::Cancel(CancelMode::Now)],
            budget: Budget { stale: 1, crashes: 1, ..NONE },
            ..base("35 child run, cancelled", parent.clone())
        },
        Scenario {
            child: child(),
            budget: Budget { rollbacks: 1, ..NONE },
            ..base("41 rollback, child run", parent)
        },
        Scenario {
            reports: true,
            names_repeat: true,
            budget: BACK,
            ..base("36 rollback, names come again, reports", graph(&["a", "b"], &["a->b"]))
        },
        Scenario {
            names_repeat: true,
            budget: BACK,
            ..base("42 rollback, names come again", graph(&["a", "b"], &["a->b"]))
        },
        Scenario {
            drops: true,
            asks: vec![Ask::Cancel(CancelMode::Now)],
            again: true,
            budget: FEW,
            ..base("37 a run is dropped when it ends", graph(&["a", "b"], &["a->b"]))
        },
        Scenario {
            asks: vec![patch("patch_e", |document| {
                remove_edge(document, "b->c");
            })],
            budget: Budget { stale: 1, ..NONE },
            ..base("43 an edge is taken from a join", graph(&["a", "b", "c"], &["a->c", "b->c"]))
        },
    ]
}

#[test]
fn every_scenario_is_searched_without_a_finding() {
    let long = std::env::var("AOB_MODEL").is_ok_and(|word| word == "long");
    let only = std::env::var("AOB_MODEL_ONLY").ok();
    let (mut states, mut seconds, mut broken) = (0, 0.0, Vec::new());
    for mut scenario in all() {
        if let (Some(short), false) = (scenario.short, long) {
            scenario.budget = short;
        }
        let (name, is_long) = (scenario.name, scenario.long);
        if only.as_ref().is_some_and(|only| !name.starts_with(&**only)) || (is_long && !long) {
            continue;
        }
        let found = search(scenario, None, if is_long { 8_000_000 } else { 5_000_000 });
        let cut = if found.cut { ", cut" } else { "" };
        println!(
            "{name}: {} states, depth {}, {:.1} s{cut}",
            found.states, found.depth, found.seconds
        );
        if let Some((law, way)) = found.broken {
            println!("  {law}: {}", way.join(", "));
            broken.push(name);
        }
        assert!(is_long || !found.cut, "{name} is searched in full");
        (states, seconds) = (states + found.states, seconds + found.seconds);
    }
    println!("{states} states in {seconds:.0} s");
    assert_eq!(broken, [""; 0], "a law is broken");
}

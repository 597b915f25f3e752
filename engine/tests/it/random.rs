//! Random workflows, and answers that depend on nothing but the seed, the instance and the number of failed tries.

use std::collections::BTreeMap;
use std::sync::Arc;

use aob_engine::state::{Asks, NodeError};
use aob_engine::step::{Answer, Reply};
use serde_json::{Value, json};

/// A small generator with a printable seed (splitmix64).
#[derive(Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, most: usize) -> usize {
        (self.next() % most.max(1) as u64) as usize
    }

    /// True once in `of` times.
    pub(crate) fn once_in(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }
}

/// A number that depends on the seed and these words only.
pub(crate) fn fixed(seed: u64, words: &str, number: u64) -> u64 {
    let mut random = Random(seed ^ number.wrapping_mul(0x0100_0000_01b3));
    for byte in words.bytes() {
        random.0 ^= u64::from(byte);
        random.next();
    }
    random.next()
}

pub(crate) fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

pub(crate) fn answer(seed: u64, instance: &str, failures: u64) -> Answer {
    match fixed(seed, instance, failures) % 5 {
        0 => Answer::Error { error: NodeError::new("broken", "as the seed says"), retryable: true },
        1 if failures == 0 => {
            Answer::Error { error: NodeError::new("refused", "as the seed says"), retryable: false }
        }
        word => Answer::Output(Arc::new(json!({"of": instance, "word": word}))),
    }
}

/// What is answered to a ticket: fixed by the seed, the instance and what was tried before.
pub(crate) fn reply_to(
    seed: u64,
    instance: &str,
    asks: Asks,
    tries: &mut BTreeMap<String, u64>,
) -> Reply {
    let known = tries.entry(instance.to_owned()).or_default();
    let word = fixed(seed, instance, 1_000 + *known);
    let reply = match asks {
        Asks::Gate if word.is_multiple_of(3) => Reply::Reject,
        Asks::Gate => Reply::Approve(None),
        Asks::Unknown => Reply::Retry,
        Asks::Failure if word.is_multiple_of(3) => Reply::Fail,
        Asks::Failure if word % 3 == 1 => Reply::Settle(Arc::new(json!({"settled": true}))),
        Asks::Failure => Reply::Retry,
        // No workflow that is made here has agents.
        Asks::Budget | Asks::Patch => Reply::Reject,
    };
    if asks == Asks::Failure {
        *known += 100;
    }
    reply
}

/// A workflow that may or may not compile; most do.
pub(crate) fn workflow(random: &mut Random) -> Value {
    let mut graph = Graph { nodes: Vec::new(), edges: Vec::new(), next: 0 };
    graph.body(random, None, 0);
    if random.once_in(4) {
        let mut finally = Graph { nodes: Vec::new(), edges: Vec::new(), next: graph.next };
        finally.body(random, Some("finally"), 2);
        graph.nodes.extend(finally.nodes);
        graph.edges.extend(finally.edges);
    }
    json!({
        "apiVersion": "aob.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": "random"},
        "spec": {"nodes": graph.nodes, "edges": graph.edges},
    })
}

/// A workflow without containers and exit handler: what patches were searched on.
pub(crate) fn flat(random: &mut Random) -> Value {
    let mut graph = Graph { nodes: Vec::new(), edges: Vec::new(), next: 0 };
    graph.body(random, None, 9);
    graph.nodes.retain(|node| node["type"] != "foreach" && node["type"] != "loop");
    json!({
        "apiVersion": "aob.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": "random"},
        "spec": {"nodes": graph.nodes, "edges": graph.edges},
    })
}

/// One foreach or loop, `each`, whose iterations never stop it, with a random body that may nest others.
pub(crate) fn body(random: &mut Random) -> Value {
    let mut graph = Graph { nodes: Vec::new(), edges: Vec::new(), next: 0 };
    graph.body(random, Some("each"), 1);
    for node in &mut graph.nodes {
        if node["type"] == "transform" && random.once_in(3) {
            node["config"] = json!({"value": {"of": node["id"], "round": "${ index }"}});
        }
    }
    let each = if random.once_in(4) {
        json!({"id": "each", "type": "loop", "config": {"until": "index >= 3", "max": 5}})
    } else {
        let items: Vec<usize> = (0..2 + random.below(4)).collect();
        let config = json!({"items": items, "concurrency": 1 + random.below(3), "tolerate": 9});
        json!({"id": "each", "type": "foreach", "config": config})
    };
    graph.nodes.push(each);
    json!({
        "apiVersion": "aob.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": "random"},
        "spec": {"nodes": graph.nodes, "edges": graph.edges},
    })
}

/// The same workflow with one to three things changed: nodes and edges added, removed, altered.
pub(crate) fn mutate(random: &mut Random, document: &Value, round: usize) -> Value {
    let mut document = document.clone();
    for turn in 0..1 + random.below(3) {
        let ids: Vec<String> = list(&document, "nodes")
            .iter()
            .filter_map(|node| node["id"].as_str().map(str::to_owned))
            .collect();
        let some =
            |random: &mut Random| ids.get(random.below(ids.len())).cloned().unwrap_or_default();
        match random.below(10) {
            0..=2 => {
                // A new node, with an edge from an old one and perhaps to another.
                let id = format!("p{round}_{turn}");
                let mut node =
                    json!({"id": &id, "type": "transform", "config": {"value": {"of": &id}}});
                if random.once_in(3) {
                    node["join"] = json!("any");
                }
                push(&mut document, "nodes", node);
                let (from, to) = (some(random), some(random));
                let after = ["success", "success", "failure", "always"][random.below(4)];
                push(&mut document, "edges", json!({"from": from, "to": &id, "after": after}));
                if random.once_in(2) {
                    push(&mut document, "edges", json!({"from": &id, "to": to}));
                }
            }
            3 => {
                let id = some(random);
                retain(&mut document, "nodes", |node| node["id"] != *id);
                retain(&mut document, "edges", |edge| edge["from"] != *id && edge["to"] != *id);
            }
            4 | 5 => {
                let (from, to) = (some(random), some(random));
                let mut edge = json!({"from": from, "to": to});
                match random.below(6) {
                    0 => edge["after"] = json!("failure"),
                    1 => edge["after"] = json!("always"),
                    2 => edge["when"] = json!("false"),
                    3 => edge["otherwise"] = json!(true),
                    _ => {}
                }
                push(&mut document, "edges", edge);
            }
            6 => {
                let count = list(&document, "edges").len();
                let chosen = random.below(count);
                let mut at = 0;
                retain(&mut document, "edges", |_| {
                    at += 1;
                    at != chosen + 1
                });
            }
            7 => alter(random, &mut document, "edges", |random, edge| match random.below(3) {
                0 => edge["when"] = json!("true"),
                1 => edge["when"] = json!("false"),
                _ => edge["when"] = Value::Null,
            }),
            _ => alter(random, &mut document, "nodes", |random, node| match random.below(4) {
                0 => node["join"] = json!(if random.once_in(2) { "any" } else { "all" }),
                1 => node["onError"] = json!(["fail", "continue", "pause"][random.below(3)]),
                2 if node["type"] == "transform" => {
                    node["config"] = json!({"value": {"of": round}})
                }
                _ => node["retry"] = json!({"attempts": 1 + random.below(4), "backoff": "100ms"}),
            }),
        }
    }
    retain(&mut document, "edges", |edge| edge["from"] != edge["to"]);
    for edge in document["spec"]["edges"].as_array_mut().into_iter().flatten() {
        if let Some(edge) = edge.as_object_mut() {
            edge.retain(|_, value| !value.is_null());
        }
    }
    document
}

fn list<'a>(document: &'a Value, what: &str) -> &'a [Value] {
    document["spec"][what].as_array().map_or(&[], Vec::as_slice)
}

fn push(document: &mut Value, what: &str, value: Value) {
    if let Some(list) = document["spec"][what].as_array_mut() {
        list.push(value);
    }
}

fn retain(document: &mut Value, what: &str, keep: impl FnMut(&Value) -> bool) {
    if let Some(list) = document["spec"][what].as_array_mut() {
        list.retain(keep);
    }
}

fn alter(
    random: &mut Random,
    document: &mut Value,
    what: &str,
    change: impl Fn(&mut Random, &mut Value),
) {
    if let Some(list) = document["spec"][what].as_array_mut() {
        let count = list.len();
        if let Some(chosen) = list.get_mut(random.below(count)) {
            change(random, chosen);
        }
    }
}

struct Graph {
    nodes: Vec<Value>,
    edges: Vec<Value>,
    next: usize,
}

impl Graph {
    fn body(&mut self, random: &mut Random, within: Option<&str>, depth: usize) {
        let count = 1 + random.below(if depth == 0 { 7 } else { 3 });
        let in_finally = within == Some("finally");
        let mut ids: Vec<(String, &'static str)> = Vec::new();
        for _ in 0..count {
            let id = format!("n{}", self.next);
            self.next += 1;
            let kind = match random.below(20) {
                0 | 1 if depth < 2 => "foreach",
                2 if depth < 2 => "loop",
                3 | 4 if !in_finally => "approval",
                5 => "delay",
                6 => "acme.unknown",
                7 | 8 => "noop",
                _ => "transform",
            };
            let mut node = json!({"id": id, "type": kind});
            if let Some(within) = within {
                node["within"] = json!(within);
            }
            match kind {
                "foreach" => {
                    let items: Vec<usize> = (0..random.below(4)).collect();
                    node["config"] = json!({"items": items, "concurrency": 1 + random.below(3), "tolerate": random.below(3)});
                }
                "loop" => {
                    let rounds = random.below(3);
                    node["config"] =
                        json!({"until": format!("index >= {rounds}"), "max": 2 + random.below(2)});
                }
                "approval" => node["config"] = json!({"title": "May it?"}),
                "delay" => node["config"] = json!({"for": "1s"}),
                "transform" => node["config"] = json!({"value": {"of": &id}}),
                _ => {}
            }
            if random.once_in(3) {
                node["join"] = json!("any");
            }
            if random.once_in(3) {
                let choices: &[&str] =
                    if in_finally { &["fail", "continue"] } else { &["fail", "continue", "pause"] };
                node["onError"] = json!(choices[random.below(choices.len())]);
            }
            if matches!(kind, "noop" | "transform") {
                if random.once_in(3) {
                    node["retry"] = json!({"attempts": 1 + random.below(3), "backoff": "100ms"});
                }
                if random.once_in(5) {
                    node["effect"] = json!("once");
                }
            }
            self.nodes.push(node);
            if matches!(kind, "foreach" | "loop") {
                self.body(random, Some(&id), depth + 1);
            }
            ids.push((id, kind));
        }
        for to in 1..ids.len() {
            for from in 0..to {
                if random.once_in(3) {
                    self.edge(random, &ids[from].0, &ids[to].0);
                }
            }
        }
    }

    fn edge(&mut self, random: &mut Random, from: &str, to: &str) {
        let mut edge = json!({"from": from, "to": to});
        match random.below(8) {
            0 | 1 => edge["after"] = json!("failure"),
            2 => edge["after"] = json!("always"),
            _ => {}
        }
        match random.below(8) {
            0 => edge["when"] = json!("true"),
            1 => edge["when"] = json!("false"),
            2 => edge["when"] = json!(format!("nodes.{from}.outcome == 'succeeded'")),
            3 => {
                edge["when"] =
                    json!(format!("has(nodes.{from}.output) && nodes.{from}.output != null"))
            }
            4 if random.once_in(4) => edge["when"] = json!("1 / (size('a') - 1) == 0"),
            5 => edge["otherwise"] = json!(true),
            _ => {}
        }
        self.edges.push(edge);
    }
}

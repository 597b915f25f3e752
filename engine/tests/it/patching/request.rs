//! Random requests to patch: whole changes of the graph as operations, single operations, and nonsense.

use aob_engine::patch::operations_between;
use aob_engine::state::Asks;
use serde_json::{Value, json};

use super::hostile::before;
use super::play::Play;
use crate::random::{Random, mutate};
use crate::simulate::open_tickets;

/// A request against the graph of a run as it is.
pub(crate) fn request(random: &mut Random, play: &Play, round: usize) -> Value {
    let document = &play.document;
    let mut operations: Vec<Value> = match random.below(8) {
        0 => vec![nonsense(random, document)],
        1 if play.is_watched() && random.once_in(2) => before(random, document, round),
        1 | 2 => between(random, document, round),
        3 if random.once_in(3) => beside_otherwise(random, document, round),
        3 if random.once_in(2) => to_paused(random, play),
        _ => {
            let changed = mutate(random, document, round);
            let operations = operations_between(document, &changed);
            operations.iter().map(|operation| json!(operation)).collect()
        }
    };
    if random.once_in(6) {
        let (id, node) = one(random, document, "nodes");
        let path = format!("/nodes/{id}/type");
        operations.insert(0, json!({"op": "test", "path": path, "value": node["type"]}));
    }
    let mut request = json!({"base": play.run.state.head.revision});
    if random.once_in(3)
        && let Some(first) = operations.first_mut()
    {
        by_position(first, document);
    }
    let out = play.run.tasks.values().nth(random.below(play.run.tasks.len()));
    let held = match random.once_in(4) {
        // Perhaps nobody holds it.
        true => out.map(|task| &task.instance),
        false => play.claimed.get(random.below(play.claimed.len())),
    };
    if let (Some(name), true) = (held.filter(|name| !name.contains('/')), random.once_in(6)) {
        request["cancel"] = json!([name]);
        if operations.is_empty() {
            let path = format!("/nodes/{name}/id");
            operations.push(json!({"op": "test", "path": path, "value": name}));
        }
    }
    request["operations"] = operations.into();
    request
}

fn list<'a>(document: &'a Value, what: &str) -> &'a [Value] {
    document["spec"][what].as_array().map_or(&[], Vec::as_slice)
}

fn one(random: &mut Random, document: &Value, what: &str) -> (String, Value) {
    let items = list(document, what);
    let item = items.get(random.below(items.len())).cloned().unwrap_or_default();
    (item["id"].as_str().unwrap_or("none").to_owned(), item)
}

pub(crate) fn edge_path(edge: &Value) -> String {
    let text = |key: &str| edge[key].as_str().unwrap_or_default().to_owned();
    match edge["after"].as_str() {
        Some(after @ ("failure" | "always")) => {
            format!("/edges/{}->{}:{after}", text("from"), text("to"))
        }
        _ => format!("/edges/{}->{}", text("from"), text("to")),
    }
}

/// A node between the ends of an edge, a handler for a failure, or another field.
fn between(random: &mut Random, document: &Value, round: usize) -> Vec<Value> {
    let id = format!("q{round}");
    let node = json!({"id": &id, "type": "transform", "config": {"value": {"of": &id}}});
    let add = |path: &str, value: Value| json!({"op": "add", "path": path, "value": value});
    let (_, edge) = one(random, document, "edges");
    let (at, old) = one(random, document, "nodes");
    match random.below(6) {
        0 if !edge.is_null() => {
            let mut first = edge.clone();
            first["to"] = json!(&id);
            vec![
                add("/nodes/-", node),
                json!({"op": "remove", "path": edge_path(&edge)}),
                add("/edges/-", first),
                add("/edges/-", json!({"from": &id, "to": edge["to"]})),
            ]
        }
        1 => vec![
            add(&format!("/nodes/{id}"), node),
            add("/edges/-", json!({"from": &at, "to": &id, "after": "failure"})),
        ],
        2 if !edge.is_null() => {
            vec![add(&format!("{}/when", edge_path(&edge)), json!(random.once_in(2).to_string()))]
        }
        3 => {
            let kind = ["transform", "noop", "acme.unknown"][random.below(3)];
            vec![json!({"op": "replace", "path": format!("/nodes/{at}/type"), "value": kind})]
        }
        4 if old["config"].is_object() => vec![add(
            &format!("/nodes/{at}/config"),
            match old["type"].as_str() {
                Some("transform") => json!({"value": {"changed": round}}),
                Some("approval") => json!({"title": format!("Really {round}?")}),
                Some("delay") => json!({"for": "5s"}),
                _ => old["config"].clone(),
            },
        )],
        4 => vec![add(&format!("/nodes/{at}/timeout"), json!("5s"))],
        _ => vec![add(
            &format!("/nodes/{at}/retry"),
            json!({"attempts": 1 + random.below(4), "backoff": "100ms"}),
        )],
    }
}

/// Another condition where an `otherwise` has what is left.
fn beside_otherwise(random: &mut Random, document: &Value, round: usize) -> Vec<Value> {
    let edges: Vec<&Value> =
        list(document, "edges").iter().filter(|edge| edge["otherwise"] == true).collect();
    let Some(edge) = edges.get(random.below(edges.len())) else { return Vec::new() };
    let id = format!("w{round}");
    let mut other = json!({"from": edge["from"], "to": &id, "when": random.once_in(2).to_string()});
    if edge["after"].is_string() {
        other["after"] = edge["after"].clone();
    }
    vec![
        json!({"op": "add", "path": "/nodes/-", "value": {"id": &id, "type": "noop"}}),
        json!({"op": "add", "path": "/edges/-", "value": other}),
    ]
}

/// What may move on, or may not, an instance that waits on its failure.
fn to_paused(random: &mut Random, play: &Play) -> Vec<Value> {
    let open = open_tickets(&play.run);
    let mut paused = open.iter().filter(|(at, asks)| *asks == Asks::Failure && !at.contains('/'));
    let Some((at, _)) = paused.next() else { return Vec::new() };
    let out = list(&play.document, "edges").iter().find(|edge| edge["from"] == **at);
    let add = |path: String, value: Value| vec![json!({"op": "add", "path": path, "value": value})];
    match (random.below(3), out) {
        (0, _) => add(format!("/nodes/{at}/onError"), json!("continue")),
        (1, Some(edge)) => add(format!("{}/when", edge_path(edge)), json!("true")),
        _ => add(format!("/nodes/{at}/retry"), json!({"attempts": 4, "backoff": "100ms"})),
    }
}

/// What no graph takes, or hardly any.
fn nonsense(random: &mut Random, document: &Value) -> Value {
    let (id, _) = one(random, document, "nodes");
    match random.below(8) {
        0 => json!({"op": "remove", "path": "/nodes/nobody"}),
        1 => json!({"op": "move", "from": "/nodes/0", "path": "/nodes/1"}),
        2 => json!({"op": "add", "path": "/limits", "value": 1}),
        3 => json!({"op": "test", "path": format!("/nodes/{id}/type"), "value": "exec"}),
        4 => json!({"op": "replace", "path": format!("/nodes/{id}/colour"), "value": "red"}),
        5 => json!({"op": "add", "path": format!("/nodes/{id}/join"), "value": "some"}),
        6 => json!({"op": "add", "path": "/nodes/99/join", "value": "any"}),
        _ => json!({"op": "remove", "path": format!("/nodes/{id}")}),
    }
}

/// The same operation, by the position that a node has in the printed graph.
fn by_position(operation: &mut Value, document: &Value) {
    let path = operation["path"].as_str().unwrap_or_default().to_owned();
    let mut parts = path.split('/');
    let (Some(""), Some("nodes"), Some(id)) = (parts.next(), parts.next(), parts.next()) else {
        return;
    };
    let mut ids: Vec<&str> =
        list(document, "nodes").iter().filter_map(|node| node["id"].as_str()).collect();
    ids.sort_unstable();
    if operation["op"] == "add" && parts.clone().next().is_none() {
        return;
    }
    if let Some(position) = ids.iter().position(|known| *known == id) {
        let below: Vec<&str> = parts.collect();
        let below = if below.is_empty() { String::new() } else { format!("/{}", below.join("/")) };
        operation["path"] = json!(format!("/nodes/{position}{below}"));
    }
}

//! Bodies: what fits a route more or less, and what fits none.

use rand::Rng as _;
use rand::rngs::StdRng;
use serde_json::{Map, Value, json};

use super::pick;

/// Names that members of bodies have somewhere.
const NAMES: &[&str] = &[
    "workflow",
    "inline",
    "input",
    "key",
    "patchSet",
    "operations",
    "reason",
    "base",
    "onConflict",
    "dryRun",
    "cancel",
    "decision",
    "data",
    "node",
    "mode",
    "usd",
    "agent",
    "tag",
    "output",
    "types",
    "max",
    "wait",
    "tasks",
    "task",
    "fence",
    "error",
    "retryable",
    "consumer",
    "metadata",
    "spec",
    "kind",
    "apiVersion",
    "nodes",
    "edges",
    "id",
    "type",
    "config",
    "from",
    "to",
    "when",
    "limits",
    "answer",
    "failed",
    "version",
    "instance",
    "request",
    "",
    "__proto__",
    "$ref",
];

/// A value of any shape, with more sense the fewer levels are left.
pub(super) fn value(rng: &mut StdRng, depth: u32) -> Value {
    match rng.random_range(0..if depth == 0 { 8 } else { 12 }) {
        0 => Value::Null,
        1 => json!(rng.random::<bool>()),
        2 => json!(*pick(rng, &[0_i64, 1, -1, i64::MAX, i64::MIN, 1 << 53, 65_536])),
        3 => json!(*pick(rng, &[0.1, -0.0, 1e308, 5e-324, 1.0])),
        4 => json!(text(rng)),
        5 => json!(*pick(
            rng,
            &["run_1", "main", "hammered", "gate", "a", "approve", "reject", "Now"]
        )),
        6 => json!("${ nodes.a.output }"),
        7 => json!(format!("${{ {} }}", "(".repeat(rng.random_range(0..200)))),
        8 | 9 => (0..rng.random_range(0..6)).map(|_| value(rng, depth - 1)).collect(),
        _ => {
            let mut members = Map::new();
            for _ in 0..rng.random_range(0..7) {
                members.insert((*pick(rng, NAMES)).to_owned(), value(rng, depth - 1));
            }
            Value::Object(members)
        }
    }
}

/// A document that is nearly one.
fn document(rng: &mut StdRng) -> Value {
    let kinds = [
        "noop",
        "transform",
        "approval",
        "foreach",
        "agent",
        "http",
        "aproval",
        "future",
        "workflow",
    ];
    let nodes: Vec<Value> = (0..rng.random_range(0..6))
        .map(|n| {
            let config = if rng.random_bool(0.3) { value(rng, 2) } else { json!({}) };
            json!({"id": format!("n{n}"), "type": pick(rng, &kinds), "config": config})
        })
        .collect();
    let edges: Vec<Value> = (0..rng.random_range(0..6))
        .map(|_| json!({"from": format!("n{}", rng.random_range(0..7)), "to": format!("n{}", rng.random_range(0..7))}))
        .collect();
    json!({"apiVersion": "aob.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": "fuzzed"},
        "spec": {"nodes": nodes, "edges": edges}})
}

/// The bytes of a body.
pub(super) fn bytes(rng: &mut StdRng) -> Vec<u8> {
    let sound = match rng.random_range(0..9) {
        0 => json!({"inline": document(rng)}),
        1 => json!({"workflow": document(rng), "tag": text(rng)}),
        2 => json!({"workflow": "hammered", "input": value(rng, 3)}),
        3 => {
            json!({"operations": [{"op": pick(rng, &["add", "remove", "replace", "test", "move", "copy"]),
            "path": pick(rng, &["/nodes/-", "/nodes/b", "/edges/gate->b", "/", "", "/nodes/99"]), "value": value(rng, 3)}]})
        }
        4 => {
            json!({"decision": pick(rng, &["approve", "reject", "retry", "raise"]), "data": value(rng, 2)})
        }
        5 => {
            json!({"types": ["noop"], "max": 1, "waitMs": rng.random_range(0..50), "consumer": text(rng)})
        }
        _ => value(rng, 5),
    };
    let mut bytes = sound.to_string().into_bytes();
    match rng.random_range(0..12) {
        // Torn, with a byte that is another, or with some that are no text.
        0 => bytes.truncate(rng.random_range(0..=bytes.len())),
        1 if !bytes.is_empty() => {
            for _ in 0..rng.random_range(1..4) {
                let at = rng.random_range(0..bytes.len());
                bytes[at] = rng.random();
            }
        }
        2 => bytes.extend_from_slice(&[0xff, 0xfe, 0x00]),
        3 => {
            let depth = rng.random_range(1..30_000);
            bytes = [vec![b'['; depth], vec![b']'; depth]].concat();
        }
        4 => {
            bytes =
                format!("{{\"input\": {}}}", "9".repeat(rng.random_range(1..5_000))).into_bytes()
        }
        5 => bytes = vec![b'a'; rng.random_range(0..100_000)],
        6 => bytes = b"{\"a\":1,\"a\":2}".to_vec(),
        _ => {}
    }
    bytes
}

/// Text of any kind.
pub(super) fn text(rng: &mut StdRng) -> String {
    match rng.random_range(0..6) {
        0 => String::new(),
        1 => "x".repeat(rng.random_range(0..4_000)),
        2 => "\u{0}\u{1}\n\r\t\"\\".to_owned(),
        3 => "\u{202e}ä\u{1f980}\u{feff}".to_owned(),
        4 => "../../etc/passwd".to_owned(),
        _ => (0..rng.random_range(0..20)).map(|_| rng.random_range('!'..'\u{2ff}')).collect(),
    }
}

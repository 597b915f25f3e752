//! Runs that are patched while they run, on both stores.

mod crash;
mod hand;
mod line;
mod matrix;
mod mission;
mod race;
mod side;
mod variants;

use std::sync::Arc;

use aob_engine::patch::{Answer, Record};
use aob_runner::runs::{PatchAsk, Patched, Runs, What};
use aob_store::id;
use serde_json::{Value, json};

/// A request under a new id.
fn ask(request: Value) -> PatchAsk {
    PatchAsk {
        id: format!("patch_{}", id::body(0, rand::random(), 0)).into(),
        what: What::Request(request),
        by: "user:ada".to_owned(),
        groups: Vec::new(),
        approves: Vec::new(),
        dry_run: false,
    }
}

/// That a patch is taken out, under a new id.
fn take_out(patch: &str) -> PatchAsk {
    let what = What::Undo { patch: patch.to_owned(), reason: Some("not needed".to_owned()) };
    PatchAsk { what, ..ask(Value::Null) }
}

/// Puts `new` between two nodes.
fn between(from: &str, new: &Value, to: &str) -> Value {
    let id = new["id"].as_str().unwrap();
    json!({"operations": [
        {"op": "add", "path": "/nodes/-", "value": new},
        {"op": "remove", "path": format!("/edges/{from}->{to}")},
        {"op": "add", "path": "/edges/-", "value": {"from": from, "to": id}},
        {"op": "add", "path": "/edges/-", "value": {"from": id, "to": to}},
    ]})
}

/// The answer to a request.
async fn patch(runs: &Arc<Runs>, run: &str, ask: &PatchAsk) -> Patched {
    runs.patch(run, ask).await.unwrap_or_else(|error| panic!("{error}: {ask:?}"))
}

/// The codes that a request was refused with; none if it was accepted.
fn codes(record: &Record) -> Vec<&str> {
    match &record.answer {
        Answer::Accepted(_) => Vec::new(),
        Answer::Refused(findings) => findings.iter().map(|one| one.code.as_str()).collect(),
    }
}

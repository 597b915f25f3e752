//! What fails is made smaller while it still fails, and told so that a person can read it.

use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::Value;

use super::play::{Case, Step};

/// Most smaller cases that are tried.
const MOST: usize = 4_000;

/// What a panic within says; none if there was none.
pub(crate) fn fails<T>(play: impl FnOnce() -> T) -> Result<T, String> {
    quiet();
    QUIET.with(|quiet| quiet.set(true));
    let result = catch_unwind(AssertUnwindSafe(play));
    QUIET.with(|quiet| quiet.set(false));
    result.map_err(|payload| match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => {
            payload.downcast_ref::<&str>().map_or_else(String::new, |text| (*text).to_owned())
        }
    })
}

thread_local! {
    static QUIET: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Panics that are caught here are not printed.
fn quiet() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.with(std::cell::Cell::get) {
                before(info);
            }
        }));
    });
}

/// The smallest case found that still fails.
pub(crate) fn shrink(case: &Case, fails: &dyn Fn(&Case) -> bool) -> Case {
    let (mut best, mut tried) = (case.clone(), 0);
    loop {
        let mut smaller = None;
        for candidate in candidates(&best) {
            tried += 1;
            if tried > MOST {
                return best;
            }
            if fails(&candidate) {
                smaller = Some(candidate);
                break;
            }
        }
        match smaller {
            Some(smaller) => best = smaller,
            None => return best,
        }
    }
}

/// The case with one thing less, large things first.
fn candidates(case: &Case) -> Vec<Case> {
    let mut found = Vec::new();
    let mut size = case.steps.len();
    while size > 0 {
        for start in (0..case.steps.len()).step_by(size).rev() {
            let mut less = case.clone();
            let end = (start + size).min(less.steps.len());
            less.steps.drain(start..end);
            found.push(less);
        }
        size /= 2;
    }
    for (at, step) in case.steps.iter().enumerate() {
        let Step::Patch(request, approves) = step else { continue };
        let count = request["operations"].as_array().map_or(0, Vec::len);
        for gone in 0..count {
            let mut request = request.clone();
            if let Some(list) = request["operations"].as_array_mut() {
                list.remove(gone);
            }
            let mut less = case.clone();
            less.steps[at] = Step::Patch(request, *approves);
            found.push(less);
        }
    }
    let nodes = case.document["spec"]["nodes"].as_array().cloned().unwrap_or_default();
    let edges = case.document["spec"]["edges"].as_array().cloned().unwrap_or_default();
    for node in &nodes {
        let mut less = case.clone();
        let id = &node["id"];
        retain(&mut less.document, "nodes", |node| node["id"] != *id && node["within"] != *id);
        retain(&mut less.document, "edges", |edge| edge["from"] != *id && edge["to"] != *id);
        found.push(less);
    }
    for edge in &edges {
        let mut less = case.clone();
        retain(&mut less.document, "edges", |known| known != edge);
        found.push(less);
    }
    for (what, fields) in [
        ("nodes", &["join", "onError", "retry", "effect", "timeout"][..]),
        ("edges", &["when", "otherwise"][..]),
    ] {
        let count = case.document["spec"][what].as_array().map_or(0, Vec::len);
        for at in 0..count {
            for field in fields {
                let mut less = case.clone();
                let gone = less.document["spec"][what][at]
                    .as_object_mut()
                    .and_then(|item| item.remove(*field));
                if gone.is_some() {
                    found.push(less);
                }
            }
        }
    }
    found
}

fn retain(document: &mut Value, what: &str, keep: impl FnMut(&Value) -> bool) {
    if let Some(list) = document["spec"][what].as_array_mut() {
        list.retain(keep);
    }
}

/// A case for people: the graph, then what happens.
pub(crate) fn told(case: &Case) -> String {
    let mut text = format!("answers: seed {}\n{}then:\n", case.seed, graph_told(&case.document));
    for step in &case.steps {
        let _ = writeln!(text, "  - {}", step_told(step));
    }
    text.push_str("  - and everything else, by name\n");
    text
}

/// A graph for people, a node or an edge a line.
pub(crate) fn graph_told(document: &Value) -> String {
    let mut text = "nodes:\n".to_owned();
    for node in document["spec"]["nodes"].as_array().into_iter().flatten() {
        let _ = writeln!(text, "  {}", flow(node, &["id", "type"]));
    }
    text.push_str("edges:\n");
    for edge in document["spec"]["edges"].as_array().into_iter().flatten() {
        let _ = writeln!(text, "  {}", flow(edge, &["from", "to"]));
    }
    text
}

/// What happens, for people.
pub(crate) fn step_told(step: &Step) -> String {
    match step {
        Step::Patch(request, approves) => {
            let who = if *approves { " by an approver" } else { "" };
            let cancel = &request["cancel"];
            let cancel =
                if cancel.is_null() { String::new() } else { format!(", cancel {cancel}") };
            let mut text = format!("patch{who}{cancel}:");
            for op in request["operations"].as_array().into_iter().flatten() {
                let _ = write!(text, "\n      {}", flow(op, &["op", "path"]));
            }
            text
        }
        Step::Claim(name) => format!("claim {name}"),
        Step::Answer(name) => format!("answer {name}"),
        Step::Lost(name) => format!("lose {name}"),
        Step::Timer(name) => format!("time comes for {name}"),
        Step::Reply(name) => format!("reply to {name}"),
        Step::Suspend => "suspend or resume".to_owned(),
    }
}

/// The first members plainly, the others by name.
pub(crate) fn flow(item: &Value, first: &[&str]) -> String {
    let plain: Vec<&str> = first.iter().filter_map(|key| item[*key].as_str()).collect();
    let mut text = plain.join(" ");
    for (key, value) in item.as_object().into_iter().flatten() {
        if !first.contains(&key.as_str()) {
            let _ = write!(text, "  {key}: {value}");
        }
    }
    text
}

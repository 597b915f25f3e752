//! What a model is told of a refusal: what is wrong, where, what is expected, and what a right one looks like.

use aob_engine::catalogue;
use aob_engine::patch::Finding;
use serde_json::{Value, json};

/// Findings told at once.
const MOST: usize = 5;
/// Characters of outside text in one line.
const LONG: usize = 800;

/// The text of a refusal. `left` is how often another patch is looked at.
pub(super) fn refusal(findings: &[Finding], allowed: &[String], left: u32) -> String {
    let mut text = "The patch was refused, nothing has changed.\n".to_owned();
    for found in findings.iter().take(MOST) {
        let rule = catalogue::find(&found.code).map_or("", |entry| entry.name);
        let place =
            if found.pointer.is_empty() { "the whole patch" } else { found.pointer.as_str() };
        text.push_str(&format!(
            "- {} {rule} at {}: {}\n  expected: {}\n",
            found.code,
            cut(place),
            cut(&found.message),
            cut(&found.remedy)
        ));
        for line in found.details.iter().take(3) {
            text.push_str(&format!("  {}\n", cut(line)));
        }
    }
    if findings.len() > MOST {
        text.push_str(&format!("- and {} more of the kind\n", findings.len() - MOST));
    }
    let code = findings.first().map_or("", |found| found.code.as_str());
    text.push_str(&format!("example of a right one: {}\n", example(code, allowed)));
    text.push_str(&match left {
        0 => "No further patch is looked at: answer without one.".to_owned(),
        1 => "Correct this and call `patch` once more, or answer without.".to_owned(),
        left => format!(
            "Correct this and call `patch` again ({left} times at most), or answer without."
        ),
    });
    text
}

/// What is said when the same patch comes again.
pub(super) const SAME: &str = "This is the patch that was refused before, so it is refused again, and no further one is looked at: answer without a patch.";

/// What is said when patches are not looked at any more.
pub(super) const CLOSED: &str = "No further patch is looked at: answer without one.";

/// A patch that shows what the rule asks for, in names that are not of the run.
fn example(code: &str, allowed: &[String]) -> Value {
    let kind = allowed.iter().find(|kind| *kind == "transform").or_else(|| allowed.first());
    let kind = kind.map_or("noop", String::as_str);
    let config = match kind {
        "transform" => json!({"value": "${ nodes.A.output }"}),
        "http" => json!({"url": "https://example.com/"}),
        _ => json!({}),
    };
    let add = json!({"do": "add_node", "id": "new_name", "type": kind, "config": config});
    let rule = catalogue::find(code).map_or("", |entry| entry.name);
    let edits = match rule {
        "AGENT_SPAWN" | "AGENT_RECEIVED" | "PATCH_LIMIT" | "UNKNOWN_TYPE" | "BAD_CONFIG" => {
            json!([add, {"do": "connect", "from": "A", "to": "new_name"}])
        }
        "CYCLE" | "READ_RACE" | "READ_ABSENT" | "UNKNOWN_NODE" | "UNKNOWN_NAME" => json!([
            add,
            {"do": "connect", "from": "A", "to": "new_name"}
        ]),
        _ => json!([
            {"do": "disconnect", "from": "A", "to": "B"},
            add,
            {"do": "connect", "from": "A", "to": "new_name"},
            {"do": "connect", "from": "new_name", "to": "B"}
        ]),
    };
    json!({"reason": "why", "edits": edits})
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LONG) {
        Some((at, _)) => format!("{}...", &text[..at]),
        None => text.to_owned(),
    }
}

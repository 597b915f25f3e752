//! BAD_CONFIG, BAD_NAME: each node's config by its type's own schema.

use serde_json::Value;

use super::document::{Document, Node};
use super::findings::Findings;
use super::ids::plain;
use super::misfit;
use super::shape;
use super::suggest::quote;
use super::types::{Role, Type};
use crate::catalogue::{BAD_CONFIG, BAD_NAME};
use crate::expr::RESERVED;
use crate::issue::Issue;
use crate::registry::TypeInfo;

/// Names that every scope has already.
const TAKEN: [&str; 6] = ["input", "nodes", "run", "secrets", "index", "prev"];

/// Judges every config of a known type.
pub(crate) fn judge(document: &Document<'_>, types: &[Type<'_>], findings: &mut Findings) {
    for (node, of) in document.nodes.iter().zip(types) {
        let Some(info) = of.info else { continue };
        match info.validator() {
            None => {
                let message = format!("the schema of type `{}` cannot be used", info.name());
                findings.push(Issue::new(&BAD_CONFIG, node.field("type"), message));
            }
            Some(validator) if validator.is_valid(node.config) => {}
            Some(_) if findings.full() => findings.left_out += 1,
            Some(validator) => {
                let spared = |error: &jsonschema::ValidationError<'_>| {
                    is_template(info, error) || is_item_name(of.role, error)
                };
                for misfit in misfit::judge(validator, info.schema(), node.config, spared) {
                    findings.push(report(node, misfit));
                }
            }
        }
        match of.role {
            Role::Foreach => item_name(node, findings),
            Role::Approval => embedded_schema(node, "data", findings),
            Role::Agent if info.is_builtin() => embedded_schema(node, "output", findings),
            _ => {}
        }
    }
}

fn report(node: &Node<'_>, misfit: misfit::Misfit) -> Issue {
    let pointer = if node.configured {
        format!("{}{}", node.field("config"), misfit.pointer)
    } else {
        node.pointer()
    };
    let message =
        format!("the config of {} ({}): {}", quote(node.id), node.node_type, misfit.message);
    let issue = Issue::new(&BAD_CONFIG, pointer, message);
    match misfit.remedy {
        Some(remedy) => issue.remedy(remedy),
        None => issue,
    }
}

/// Built-in schemas say themselves where an expression may stand. A registered type's schema describes
/// the rendered config: what stands where a template will be is judged when it is rendered.
fn is_template(info: &TypeInfo, error: &jsonschema::ValidationError<'_>) -> bool {
    !info.is_builtin()
        && !info.marks().literal_at(error.instance_path().as_str())
        && match error.instance().as_ref() {
            Value::String(text) => text.contains("${"),
            composed => {
                matches!(
                    error.kind().keyword(),
                    "anyOf" | "oneOf" | "not" | "contains" | "uniqueItems" | "const" | "enum"
                ) && holds_template(composed)
            }
        }
}

fn holds_template(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains("${"),
        Value::Array(items) => items.iter().any(holds_template),
        Value::Object(map) => map.values().any(holds_template),
        _ => false,
    }
}

fn is_item_name(role: Role, error: &jsonschema::ValidationError<'_>) -> bool {
    role == Role::Foreach && error.instance_path().as_str() == "/as" && error.instance().is_string()
}

fn item_name(node: &Node<'_>, findings: &mut Findings) {
    let Some(name) = node.config.get("as").and_then(Value::as_str) else { return };
    let reason = if TAKEN.contains(&name) {
        "is a name that every scope has already"
    } else if RESERVED.contains(&name) {
        "is a reserved word of the expression language"
    } else if !plain(name) {
        "is no name: a lower-case letter, then lower-case letters, digits and `_`, 63 at most"
    } else {
        return;
    };
    let message =
        format!("the items of {} cannot be named {}: it {reason}", quote(node.id), quote(name));
    findings.push(Issue::new(&BAD_NAME, node.field("config/as"), message));
}

fn embedded_schema(node: &Node<'_>, field: &str, findings: &mut Findings) {
    if let Some(schema) = node.config.get(field).filter(|schema| schema.is_object()) {
        shape::json_schema(schema, format!("{}/{field}", node.field("config")), findings);
    }
}

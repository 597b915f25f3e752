//! NOT_A_WORKFLOW, BAD_SHAPE: whether the document is a workflow by its JSON Schema.

mod quick;

use std::sync::LazyLock;

use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use quick::Quick;

use super::findings::Findings;
use super::misfit::{self, Misfit};
use super::suggest::did_you_mean;
use crate::catalogue::{BAD_SHAPE, LIMIT, NOT_A_WORKFLOW};
use crate::issue::{Issue, excerpt};
use crate::registry::build;

const API_VERSION: &str = "aob.dev/v1alpha1";
const KIND: &str = "Workflow";

struct Shape {
    schema: Value,
    validator: Result<Validator, String>,
    quick: Option<Quick>,
}

static SHAPE: LazyLock<Shape> = LazyLock::new(|| {
    let schema: Value = serde_json::from_str(aob_schema::WORKFLOW).unwrap_or(Value::Bool(false));
    Shape { validator: build(&schema), quick: Quick::of(&schema), schema }
});

/// Whether it says that it is a workflow of this version; nothing else is looked at if it does not.
pub(crate) fn envelope(document: &Value, findings: &mut Findings) -> bool {
    if !document.is_object() {
        findings.push(Issue::new(&NOT_A_WORKFLOW, "", "the document is no object"));
        return false;
    }
    for (field, wanted) in [("apiVersion", API_VERSION), ("kind", KIND)] {
        match document.get(field) {
            Some(Value::String(found)) if found == wanted => {}
            Some(Value::String(found)) => {
                let found = Value::from(excerpt(found));
                let meant = did_you_mean(found.as_str().unwrap_or_default(), [wanted]);
                let message = format!("`{field}` is {found}, but must be `{wanted}`{meant}");
                findings.push(Issue::new(&NOT_A_WORKFLOW, format!("/{field}"), message));
            }
            Some(_) => findings.push(Issue::new(
                &NOT_A_WORKFLOW,
                format!("/{field}"),
                format!("`{field}` is no text"),
            )),
            None => findings.push(Issue::new(
                &NOT_A_WORKFLOW,
                "",
                format!("the document has no `{field}`"),
            )),
        }
    }
    !findings.refused()
}

/// Judges the document by `workflow.schema.json`. What a rule with a name of its own refuses too is left
/// to that rule.
pub(crate) fn judge(document: &Value, findings: &mut Findings) {
    let shape = &*SHAPE;
    match &shape.validator {
        Err(reason) => {
            let message = format!("the schema of workflows cannot be used: {reason}");
            findings.push(Issue::new(&BAD_SHAPE, "", message));
        }
        Ok(_) if shape.quick.as_ref().is_some_and(|quick| quick.is_valid(document)) => {}
        Ok(validator) if validator.is_valid(document) => {}
        Ok(validator) => {
            for misfit in misfit::judge(validator, &shape.schema, document, named_elsewhere) {
                findings.push(report(misfit));
            }
        }
    }
    if let Some(schema) = document.pointer("/spec/input").filter(|schema| schema.is_object()) {
        json_schema(schema, "/spec/input".to_owned(), findings);
    }
}

/// Whether a value that is to be a JSON Schema is one.
pub(crate) fn json_schema(schema: &Value, pointer: String, findings: &mut Findings) {
    if let Err(reason) = build(schema) {
        let message =
            format!("{} is no JSON Schema that can be used: {reason}", misfit::place(&pointer));
        let remedy = "Write a JSON Schema of draft 2020-12 that refers to nothing outside itself.";
        findings.push(Issue::new(&BAD_SHAPE, pointer, message).remedy(remedy));
    }
}

fn report(misfit: Misfit) -> Issue {
    let entry = if misfit.keyword == "maxItems" { &LIMIT } else { &BAD_SHAPE };
    let issue = Issue::new(entry, misfit.pointer, misfit.message);
    match misfit.remedy {
        Some(remedy) => issue.remedy(remedy),
        None => issue,
    }
}

/// BAD_ID and UNKNOWN_NODE judge the letters of an id.
fn named_elsewhere(error: &ValidationError<'_>) -> bool {
    if !matches!(error.kind().keyword(), "pattern" | "maxLength")
        || error.instance().as_str() == Some("")
    {
        return false;
    }
    let mut segments = error.instance_path().as_str().split('/').skip(1);
    let path =
        (segments.next(), segments.next(), segments.next(), segments.next(), segments.next());
    matches!(
        path,
        (Some("spec"), Some("nodes"), Some(_), Some("id"), None)
            | (Some("spec"), Some("edges"), Some(_), Some("from" | "to"), None)
    )
}

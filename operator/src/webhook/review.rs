//! What is said of an object before it is stored.

use std::time::Duration;

use aob_crds::label;
use aob_engine::issue::Issue;
use aob_engine::patch::{PatchLimits, read};
use aob_engine::registry::KeptType;
use aob_runner::runs::Runs;
use data_encoding::BASE64;
use serde_json::{Map, Value, json};

use super::stamp::stamps;

/// How long the store may take to say which types are registered.
const PATIENCE: Duration = Duration::from_secs(2);
/// Most findings told of.
const MOST_FINDINGS: usize = 10;
/// Most warnings, and their length: the API server cuts longer ones.
const WARNINGS: (usize, usize) = (10, 250);

/// What is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Said {
    /// Why it is refused; empty: it is not.
    refused: String,
    warnings: Vec<String>,
}

/// The answer to an AdmissionReview; none if it is not one.
pub(super) async fn review(asked: &Value, runs: &Runs) -> Option<Value> {
    let is_review = asked.get("kind").and_then(Value::as_str) == Some("AdmissionReview")
        && asked.get("apiVersion").and_then(Value::as_str) == Some("admission.k8s.io/v1");
    let request = asked.get("request").filter(|_| is_review)?;
    let uid = request.get("uid")?.as_str()?;
    let object = request.get("object").filter(|object| object.is_object())?;
    let before = request.get("oldObject").filter(|object| object.is_object());
    let namespace = request.get("namespace").and_then(Value::as_str).unwrap_or_default();
    // What is being deleted only loses its finalizers.
    let is_deleted = object.pointer("/metadata/deletionTimestamp").is_some();
    let is_same = before.is_some_and(|before| before.get("spec") == object.get("spec"));
    let said = if is_deleted || is_same {
        Said::default()
    } else {
        judge(request, object, before, namespace, runs).await
    };
    let mut response = Map::new();
    response.insert("uid".to_owned(), json!(uid));
    response.insert("allowed".to_owned(), json!(said.refused.is_empty()));
    if !said.warnings.is_empty() {
        response.insert("warnings".to_owned(), json!(said.warnings));
    }
    if said.refused.is_empty() {
        let user = request.get("userInfo").unwrap_or(&Value::Null);
        let mut operations = if is_deleted { Vec::new() } else { stamps(user, object, before) };
        if before.is_none() && request.pointer("/kind/kind") == Some(&json!("Run")) {
            operations.extend(held(object));
        }
        if !operations.is_empty() {
            let patch = BASE64.encode(Value::from(operations).to_string().as_bytes());
            response.insert("patchType".to_owned(), json!("JSONPatch"));
            response.insert("patch".to_owned(), json!(patch));
        }
    } else {
        let status = json!({"code": 422, "reason": "Invalid", "message": said.refused});
        response.insert("status".to_owned(), status);
    }
    Some(
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}),
    )
}

/// A Run is made with the finalizer that it needs from its begin on: a write less before that.
fn held(object: &Value) -> Option<Value> {
    let name = label::RUN_CLEANUP;
    match object.pointer("/metadata/finalizers").and_then(Value::as_array) {
        Some(all) if all.iter().any(|one| one == name) => None,
        Some(_) => Some(json!({"op": "add", "path": "/metadata/finalizers/-", "value": name})),
        None => Some(json!({"op": "add", "path": "/metadata/finalizers", "value": [name]})),
    }
}

async fn judge(
    request: &Value,
    object: &Value,
    before: Option<&Value>,
    namespace: &str,
    runs: &Runs,
) -> Said {
    match request.pointer("/kind/kind").and_then(Value::as_str).unwrap_or_default() {
        "Workflow" => workflow(object, namespace, runs).await,
        "Run" => unchanged(object, before, &["workflowRef", "input", "patchSet"]),
        "RunPatch" => match before {
            Some(_) => unchanged(
                object,
                before,
                &["runRef", "baseRevision", "onConflict", "reason", "operations", "cancel"],
            ),
            None => patch(object),
        },
        "NodeType" => match KeptType::read(&document(object, "NodeType")) {
            Ok(_) => Said::default(),
            Err(issues) => refused(&issues),
        },
        _ => Said::default(),
    }
}

async fn workflow(object: &Value, namespace: &str, runs: &Runs) -> Said {
    let document = document(object, "Workflow");
    match tokio::time::timeout(PATIENCE, runs.judge_for(Some(namespace), &document)).await {
        Ok(Ok(Ok(ir))) => {
            let told = ir.warnings.iter().take(WARNINGS.0);
            let told = told.map(|issue| issue.to_string().chars().take(WARNINGS.1).collect());
            Said { warnings: told.collect(), ..Said::default() }
        }
        Ok(Ok(Err(issues))) => refused(&issues),
        Ok(Err(_)) | Err(_) => {
            let warning = "the store does not answer: it is judged later, see its conditions";
            Said { warnings: vec![warning.to_owned()], ..Said::default() }
        }
    }
}

/// The request to patch, judged by itself; what it means for the run is judged on the run.
fn patch(object: &Value) -> Said {
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let mut request = Map::new();
    for (field, name) in [
        ("operations", "operations"),
        ("baseRevision", "base"),
        ("onConflict", "onConflict"),
        ("reason", "reason"),
        ("cancel", "cancel"),
    ] {
        if let Some(value) = spec.get(field) {
            request.insert(name.to_owned(), value.clone());
        }
    }
    match read(&Value::Object(request), &PatchLimits::default()) {
        Ok(_) => Said::default(),
        Err(issues) => refused(&issues),
    }
}

/// Refuses another value of fields that stay. The schema says it too where it can see the values.
fn unchanged(object: &Value, before: Option<&Value>, fields: &[&str]) -> Said {
    let Some(before) = before else { return Said::default() };
    let field = |object: &Value, name: &str| object.pointer(&format!("/spec/{name}")).cloned();
    let changed: Vec<&str> =
        fields.iter().filter(|name| field(object, name) != field(before, name)).copied().collect();
    if changed.is_empty() {
        return Said::default();
    }
    let refused = format!("{} must stay the same: make another object", changed.join(", "));
    Said { refused, ..Said::default() }
}

/// An object as the language writes it.
fn document(object: &Value, kind: &str) -> Value {
    let metadata = object.get("metadata");
    let member = |name: &str| metadata.and_then(|metadata| metadata.get(name)).cloned();
    let mut named = Map::new();
    // One that is to be named by the server has none yet.
    let name = member("name").or_else(|| member("generateName")).unwrap_or_default();
    let name = name.as_str().unwrap_or_default().trim_end_matches('-').to_owned();
    named.insert("name".to_owned(), json!(name));
    if let Some(labels) = member("labels").filter(|_| kind == "Workflow") {
        named.insert("labels".to_owned(), labels);
    }
    json!({
        "apiVersion": aob_crds::API_VERSION,
        "kind": kind,
        "metadata": named,
        "spec": object.get("spec").cloned().unwrap_or_default(),
    })
}

fn refused(issues: &[Issue]) -> Said {
    let told: Vec<String> = issues
        .iter()
        .take(MOST_FINDINGS)
        .map(|issue| format!("{issue}; {}", issue.help()))
        .collect();
    let more = issues.len().saturating_sub(MOST_FINDINGS);
    let rest = if more > 0 { format!("\nand {more} more") } else { String::new() };
    Said { refused: format!("{}{rest}", told.join("\n")), ..Said::default() }
}

#[cfg(test)]
mod tests;

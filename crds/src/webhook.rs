//! The admission webhook, as its configuration says it; a chart adds the service that leads to it.

use serde_json::{Value, json};

/// The hook's name in its configuration.
pub const NAME: &str = "review.aob.dev";
/// Where it is asked.
pub const PATH: &str = "/review";
/// Seconds that the API server waits for it.
pub const PATIENCE: u32 = 5;

/// What need not be asked about: an object whose spec and annotations stay. There is nothing to judge or to stamp in it,
/// and a finalizer can go while nobody answers.
const CHANGED: &str = "request.operation == 'CREATE' || object.spec != oldObject.spec \
     || (has(object.metadata.annotations) ? object.metadata.annotations : {}) \
     != (has(oldObject.metadata.annotations) ? oldObject.metadata.annotations : {})";

/// An entry of a MutatingWebhookConfiguration, without `clientConfig`.
pub fn hook() -> Value {
    json!({
        "name": NAME,
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",
        "matchPolicy": "Equivalent",
        "reinvocationPolicy": "IfNeeded",
        "timeoutSeconds": PATIENCE,
        "matchConditions": [{"name": "changed", "expression": CHANGED}],
        "rules": [{
            "apiGroups": [crate::GROUP],
            "apiVersions": [crate::VERSION],
            "operations": ["CREATE", "UPDATE"],
            "resources": ["workflows", "runs", "runpatches", "nodetypes"],
            "scope": "*",
        }],
    })
}

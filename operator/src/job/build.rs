//! The Job of an attempt. Touches nothing.

use std::collections::BTreeMap;

use aob_crds::{Run, label};
use aob_engine::catalogue::JOB_REFUSED;
use aob_runner::node::{Failure, Task};
use k8s_openapi::api::batch::v1::Job;
use kube::Resource as _;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// Where a container writes its output.
const OUTPUT: &str = "/aob/output.json";
/// Largest config of a registered type's node, in bytes of JSON: a process takes no longer word from its environment.
const LARGEST_INPUT: usize = 96 * 1024;
/// Seconds that a Job stays after its end.
const STAYS: u32 = 3_600;
/// Who a container is unless its image says otherwise: restricted namespaces let no root in.
const USER: u32 = 65_532;

/// Which instance of which run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    run: String,
    instance: String,
    hash: String,
}

impl Place {
    pub(super) fn of(run: &str, instance: &str) -> Self {
        let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(instance.as_bytes()));
        Self {
            run: run.to_owned(),
            instance: instance.to_owned(),
            hash: hash.chars().take(10).collect(),
        }
    }

    /// Selects every Job of the instance.
    pub(super) fn selector(&self) -> String {
        format!("{}={},{}={}", label::RUN, self.run, label::NODE, self.hash)
    }

    /// The name of an attempt's Job: the same for whoever makes it.
    fn name(&self, attempt: u32) -> String {
        let run = self.run.rsplit('_').next().unwrap_or_default();
        format!("aob-{run}-{}-{attempt}", self.hash)
    }

    fn labels(&self, attempt: u32) -> BTreeMap<String, String> {
        let mut labels = label::of("job", &self.run, env!("CARGO_PKG_VERSION"));
        labels.insert(label::RUN.to_owned(), self.run.clone());
        labels.insert(label::NODE.to_owned(), self.hash.clone());
        labels.insert("aob.dev/attempt".to_owned(), attempt.to_string());
        labels
    }
}

/// The config of a `job` node for a task of a registered type: its own config comes as JSON in `AOB_INPUT`.
pub(super) fn of_type(mut run: Value, config: &Value) -> Result<Value, Failure> {
    let text = config.to_string();
    if text.len() > LARGEST_INPUT {
        let message =
            format!("the config is {} bytes of JSON, at most {LARGEST_INPUT}", text.len());
        return Err(Failure::new(&JOB_REFUSED, message));
    }
    if let Some(run) = run.as_object_mut() {
        run.insert("env".to_owned(), json!({"AOB_INPUT": text}));
    }
    Ok(run)
}

pub(super) fn build(task: &Task, place: &Place, owner: Option<&Run>) -> Result<Job, Failure> {
    let input = &task.input;
    let mut container = Map::new();
    container.insert("name".to_owned(), json!("main"));
    container.insert("image".to_owned(), input.get("image").cloned().unwrap_or_default());
    for field in ["command", "args"] {
        if let Some(value) = input.get(field) {
            container.insert(field.to_owned(), value.clone());
        }
    }
    container.insert("env".to_owned(), json!(environment(task)));
    if let Some(resources) = input.get("resources").and_then(Value::as_object) {
        let amounts: BTreeMap<&String, String> =
            resources.iter().map(|(name, amount)| (name, text(amount))).collect();
        container.insert("resources".to_owned(), json!({"requests": amounts, "limits": amounts}));
    }
    container.insert("terminationMessagePath".to_owned(), json!(OUTPUT));
    container.insert("terminationMessagePolicy".to_owned(), json!("File"));
    container.insert(
        "securityContext".to_owned(),
        json!({
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "runAsNonRoot": true,
            "runAsUser": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        }),
    );
    let labels = place.labels(task.attempt);
    let annotations = json!({"kubectl.kubernetes.io/default-container": "main", "aob.dev/instance": place.instance});
    let owners: Vec<Value> = owner
        .and_then(|run| run.controller_owner_ref(&()))
        .map(|owner| json!(owner))
        .into_iter()
        .collect();
    let job = json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": place.name(task.attempt),
            "labels": labels,
            "annotations": annotations,
            "ownerReferences": owners,
        },
        "spec": {
            // What is repeated, the engine decides.
            "backoffLimit": 0,
            "ttlSecondsAfterFinished": STAYS,
            "template": {
                "metadata": {"labels": labels, "annotations": annotations},
                "spec": {
                    "restartPolicy": "Never",
                    "automountServiceAccountToken": false,
                    "enableServiceLinks": false,
                    "containers": [container],
                },
            },
        },
    });
    serde_json::from_value(job)
        .map_err(|error| Failure::new(&JOB_REFUSED, format!("the config makes no Job: {error}")))
}

/// What a container is told: the node's `env`, and where it is.
fn environment(task: &Task) -> Vec<Value> {
    let own = task.input.get("env").and_then(Value::as_object);
    let own =
        own.into_iter().flatten().map(|(name, value)| json!({"name": name, "value": text(value)}));
    let told = [
        ("AOB_RUN", task.run.clone()),
        ("AOB_INSTANCE", task.instance.clone()),
        ("AOB_ATTEMPT", task.attempt.to_string()),
        ("AOB_KEY", task.key.clone()),
        ("AOB_OUTPUT", OUTPUT.to_owned()),
    ];
    own.chain(told.map(|(name, value)| json!({"name": name, "value": value}))).collect()
}

/// A value as a program's environment has it.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(attempt: u32, input: Value) -> Task {
        Task {
            run: "run_0123456789abcdefghjkmnpqr0".into(),
            instance: "each[3]/enrich".into(),
            node_type: "job".into(),
            attempt,
            fence: "f".into(),
            key: "run/each[3]/enrich".into(),
            input,
        }
    }

    #[test]
    fn a_job_fits_the_restricted_profile_and_has_one_name() {
        let input = json!({
            "image": "acme/enrich:1", "args": ["--month", "11"], "env": {"PAGE": 7},
            "resources": {"cpu": 1, "memory": "64Mi"},
        });
        let task = task(2, input);
        let place = Place::of(&task.run, &task.instance);
        let job = build(&task, &place, None).unwrap();
        assert_eq!(job, build(&task, &place, None).unwrap());
        let name = job.metadata.name.clone().unwrap();
        assert!(name.len() <= 63 && name.ends_with("-2"), "{name}");
        let spec = job.spec.unwrap();
        assert_eq!(spec.backoff_limit, Some(0));
        let pod = spec.template.spec.unwrap();
        assert_eq!(pod.automount_service_account_token, Some(false));
        let container = &pod.containers[0];
        let context = container.security_context.clone().unwrap();
        assert_eq!(context.allow_privilege_escalation, Some(false));
        assert_eq!(context.run_as_non_root, Some(true));
        assert_eq!(context.capabilities.unwrap().drop, Some(vec!["ALL".to_owned()]));
        let resources = container.resources.clone().unwrap();
        assert_eq!(resources.requests, resources.limits);
        assert_eq!(container.termination_message_path.as_deref(), Some("/aob/output.json"));
        let page = container.env.iter().flatten().find(|one| one.name == "PAGE").unwrap();
        assert_eq!(page.value.as_deref(), Some("7"));
    }

    #[test]
    fn a_registered_type_is_told_its_config() {
        let run = json!({"image": "acme/enrich:1", "command": ["/enrich"]});
        let input = of_type(run, &json!({"iban": "DE02"})).unwrap();
        let task = task(1, input);
        let job = build(&task, &Place::of(&task.run, &task.instance), None).unwrap();
        let container = job.spec.unwrap().template.spec.unwrap().containers.remove(0);
        assert_eq!(container.command, Some(vec!["/enrich".to_owned()]));
        let told = container.env.iter().flatten().find(|one| one.name == "AOB_INPUT").unwrap();
        assert_eq!(told.value.as_deref(), Some(r#"{"iban":"DE02"}"#));
        let long = json!({"text": "x".repeat(LARGEST_INPUT)});
        assert!(of_type(json!({"image": "x"}), &long).is_err());
    }

    #[test]
    fn instances_and_attempts_are_told_apart() {
        let place = |instance| Place::of("run_a", instance);
        assert_ne!(place("a").name(1), place("b").name(1));
        assert_ne!(place("a").name(1), place("a").name(2));
        assert_ne!(place("a").selector(), place("b").selector());
    }
}

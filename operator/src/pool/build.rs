//! The objects of a pool. Touches nothing.

use std::collections::BTreeMap;

use aob_crds::label;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::Key;
use super::known::Turn;
use super::report::LOOKS;
use super::settings::{Pinning, Settings};
use crate::error::{Error, Result};

/// Who runner pods are. No right is bound to it: what they may do follows from their namespace.
const ACCOUNT: &str = "aob-runner";
/// Which part of AOB they are.
const PART: &str = "runner-pod";
/// Who their processes are.
const USER: u32 = 65_532;
/// Seconds that a token is good for; it is renewed in place.
const TOKEN: u32 = 3_600;
/// Seconds between the end of what runs and the pod's.
const AFTER: u32 = 20;

/// The name of a pool's objects.
pub(super) fn name(key: &Key) -> String {
    format!("aob-runner-{}", key.runners)
}

fn labels(instance: &str) -> BTreeMap<String, String> {
    label::of(PART, instance, env!("CARGO_PKG_VERSION"))
}

fn labels_of(key: &Key) -> BTreeMap<String, String> {
    let mut labels = labels(&key.runners);
    labels.insert(label::POOL.to_owned(), key.runners.clone());
    labels
}

/// The service account of a namespace's runner pods.
pub(super) fn account() -> Result<ServiceAccount> {
    made(json!({
        "metadata": {"name": ACCOUNT, "labels": labels(ACCOUNT)},
        "automountServiceAccountToken": false,
    }))
}

/// What runner pods of a namespace reach: names, the gateway, public addresses. Nobody reaches them.
pub(super) fn network(settings: &Settings) -> Result<NetworkPolicy> {
    let private =
        ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10"];
    let home = json!({"kubernetes.io/metadata.name": settings.gateway_namespace});
    let gateway = json!({"app.kubernetes.io/component": "gateway"});
    let mut egress = vec![
        json!({"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]}),
        json!({"to": [{"namespaceSelector": {"matchLabels": home}, "podSelector": {"matchLabels": gateway}}]}),
        json!({"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": private}}]}),
    ];
    if !settings.allow_private.is_empty() {
        // Names of hosts are nothing that a policy knows: what the runner itself lets through is not kept back here.
        egress = vec![json!({})];
    }
    made(json!({
        "metadata": {"name": ACCOUNT, "labels": labels(ACCOUNT)},
        "spec": {
            "podSelector": {"matchLabels": {"app.kubernetes.io/component": PART}},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"ports": [{"port": 9464, "protocol": "TCP"}]}],
            "egress": egress,
        },
    }))
}

/// One pod may be away at a time.
pub(super) fn disruption(key: &Key) -> Result<PodDisruptionBudget> {
    made(json!({
        "metadata": {"name": name(key), "labels": labels_of(key)},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {label::POOL: key.runners}}},
    }))
}

/// The pods.
pub(super) fn deployment(settings: &Settings, key: &Key, turn: &Turn) -> Result<Deployment> {
    let labels = labels_of(key);
    let drain = settings.drain;
    let mut pod = json!({
        "serviceAccountName": ACCOUNT,
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "terminationGracePeriodSeconds": drain.saturating_add(AFTER),
        "securityContext": {
            "runAsNonRoot": true, "runAsUser": USER, "runAsGroup": USER, "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [{
            "maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": {label::POOL: key.runners}},
        }],
        "containers": [runner(settings, key, turn)],
        "volumes": volumes(settings, turn),
    });
    if let Some(sysctls) = some(&settings.sysctls) {
        pod["securityContext"]["sysctls"] = sysctls;
    }
    let mut put = |field: &str, value: Option<Value>| {
        if let Some(value) = value {
            pod[field] = value;
        }
    };
    put("affinity", affinity(turn.pinning));
    put("initContainers", looks(settings, turn).map(|one| json!([one])));
    put("nodeSelector", turn.runner.get("nodeSelector").cloned());
    put("runtimeClassName", turn.runner.get("runtimeClassName").cloned());
    put("tolerations", some(&settings.tolerations));
    let names = settings.pull_secrets.iter().map(|name| json!({"name": name}));
    put("imagePullSecrets", some(&names.collect::<Vec<_>>()));
    let class = &settings.priority_class_name;
    put("priorityClassName", (!class.is_empty()).then(|| json!(class)));
    made(json!({
        "metadata": {"name": name(key), "labels": labels},
        "spec": {
            "replicas": turn.pods,
            "revisionHistoryLimit": 2,
            "selector": {"matchLabels": {label::POOL: key.runners}},
            "template": {
                "metadata": {"labels": labels, "annotations": settings.pod_annotations},
                "spec": pod,
            },
        },
    }))
}

/// The container that executes nodes.
fn runner(settings: &Settings, key: &Key, turn: &Turn) -> Value {
    let env = |name: &str, value: String| json!({"name": name, "value": value});
    let mut environment = vec![
        env("AOB_GATEWAY", settings.gateway.clone()),
        env("AOB_TOKEN_FILE", "/var/run/aob/token".to_owned()),
        env("AOB_RUNNERS", key.runners.clone()),
        // Also without a model: an agent's task fails and says so, rather than waiting for nobody.
        env("AOB_TYPES", "agent,http,noop,transform".to_owned()),
        env("AOB_SLOTS", settings.slots.to_string()),
        env("AOB_DRAIN", settings.drain.to_string()),
        env("AOB_ADMIN", "0.0.0.0:9464".to_owned()),
        env("AOB_SECRETS", "/etc/aob/secrets".to_owned()),
    ];
    if !settings.gateway_ca.is_empty() {
        environment.push(env("AOB_GATEWAY_PEM", settings.gateway_ca.clone()));
    }
    if !settings.allow_private.is_empty() {
        environment.push(env("AOB_ALLOW_PRIVATE", settings.allow_private.join(",")));
    }
    environment.extend(cores(settings, turn));
    environment.extend(settings.extra_env.iter().cloned());
    let mut mounts = vec![
        json!({"name": "tmp", "mountPath": "/tmp"}),
        json!({"name": "token", "mountPath": "/var/run/aob", "readOnly": true}),
    ];
    for (number, secret) in turn.secrets.iter().enumerate() {
        let path = format!("/etc/aob/secrets/{secret}");
        mounts.push(json!({"name": volume(number), "mountPath": path, "readOnly": true}));
    }
    let mut container = container(settings, turn);
    container.insert("name".to_owned(), json!("runner"));
    container.insert("env".to_owned(), json!(environment));
    if !settings.models_secret.is_empty() {
        let from = json!([{"secretRef": {"name": settings.models_secret, "optional": true}}]);
        container.insert("envFrom".to_owned(), from);
    }
    container.insert("ports".to_owned(), json!([{"name": "admin", "containerPort": 9464}]));
    container.insert("volumeMounts".to_owned(), json!(mounts));
    let probe = |path: &str, period: u32, failures: u32| {
        json!({
            "httpGet": {"path": path, "port": "admin"},
            "periodSeconds": period, "timeoutSeconds": 3, "failureThreshold": failures,
        })
    };
    container.insert("readinessProbe".to_owned(), probe("/readyz", 2, 3));
    container.insert("livenessProbe".to_owned(), probe("/healthz", 10, 6));
    Value::Object(container)
}

/// The container that says before the other begins whether cores are the pod's own: the kubelet gives both the same
/// ones, and hands over what it left as its end.
fn looks(settings: &Settings, turn: &Turn) -> Option<Value> {
    if turn.pinning == Pinning::Off {
        return None;
    }
    let mut container = container(settings, turn);
    container.insert("name".to_owned(), json!(LOOKS));
    container.insert("args".to_owned(), json!(["cores", "--to", "/dev/termination-log"]));
    container.insert("env".to_owned(), json!(cores(settings, turn)));
    Some(Value::Object(container))
}

fn cores(settings: &Settings, turn: &Turn) -> Vec<Value> {
    let (cpu, _) = resources(settings, turn);
    if turn.pinning == Pinning::Off {
        return Vec::new();
    }
    let mut told = vec![json!({"name": "AOB_CORES", "value": cpu})];
    if turn.pinning == Pinning::Require {
        told.push(json!({"name": "AOB_OWN_CORES", "value": "true"}));
    }
    told
}

/// What both containers have.
fn container(settings: &Settings, turn: &Turn) -> Map<String, Value> {
    let (cpu, memory) = resources(settings, turn);
    // Alike, so that the pod is Guaranteed: whole cores are then its own under the static policy.
    let amounts = json!({"cpu": cpu, "memory": memory});
    let all = [
        ("image", json!(settings.image)),
        ("imagePullPolicy", json!(settings.pull_policy)),
        ("resources", json!({"requests": amounts, "limits": amounts})),
        (
            "securityContext",
            json!({
                "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
                "capabilities": {"drop": ["ALL"]},
            }),
        ),
    ];
    all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Cores and memory of a pod.
fn resources(settings: &Settings, turn: &Turn) -> (String, String) {
    let text = |name: &str, other: &str| match turn.runner.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => other.to_owned(),
    };
    let (cpu, memory) =
        (text("cpu", &settings.defaults.cpu), text("memory", &settings.defaults.memory));
    let is_whole = cpu.bytes().all(|byte| byte.is_ascii_digit());
    // Cores of its own come in whole ones: a part of one that the installation has for others is one here.
    let cpu = if is_whole || turn.pinning == Pinning::Off { cpu } else { "1".to_owned() };
    (cpu, memory)
}

fn affinity(pinning: Pinning) -> Option<Value> {
    let tuned = json!({"matchExpressions": [
        {"key": label::TUNED, "operator": "In", "values": ["true"]},
    ]});
    let of = match pinning {
        Pinning::Off => return None,
        Pinning::Prefer => json!({
            "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "preference": tuned}],
        }),
        Pinning::Require => json!({
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [tuned]},
        }),
    };
    Some(json!({"nodeAffinity": of}))
}

fn volumes(settings: &Settings, turn: &Turn) -> Vec<Value> {
    let token = json!({
        "audience": settings.audience, "expirationSeconds": TOKEN, "path": "token",
    });
    let mut all = vec![
        json!({"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}}),
        json!({"name": "token", "projected": {
            "defaultMode": 0o440, "sources": [{"serviceAccountToken": token}],
        }}),
    ];
    for (number, secret) in turn.secrets.iter().enumerate() {
        // One that was deleted meanwhile keeps no pod from beginning.
        let source = json!({"secretName": secret, "defaultMode": 0o440, "optional": true});
        all.push(json!({"name": volume(number), "secret": source}));
    }
    all
}

/// A volume's name: a Secret's own may be too long for one.
fn volume(number: usize) -> String {
    format!("secret-{number}")
}

fn some(list: &[Value]) -> Option<Value> {
    (!list.is_empty()).then(|| json!(list))
}

fn made<K: DeserializeOwned>(object: Value) -> Result<K> {
    serde_json::from_value(object).map_err(|error| Error::Unbuilt(error.to_string()))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::PodSpec;

    use super::super::settings::tests::settings;
    use super::*;

    fn turn(runner: Value, pinning: Pinning) -> Turn {
        Turn {
            pods: 2,
            runner,
            pinning,
            asked: BTreeMap::new(),
            secrets: vec!["erp".to_owned()],
            write: true,
            look: true,
            leave: false,
        }
    }

    fn pod(runner: Value, pinning: Pinning) -> PodSpec {
        let key = Key { namespace: "finance".into(), runners: "0123456789".into() };
        let made = deployment(&settings(), &key, &turn(runner, pinning)).unwrap();
        assert_eq!(made.metadata.name.as_deref(), Some("aob-runner-0123456789"));
        let spec = made.spec.unwrap();
        assert_eq!(spec.replicas, Some(2));
        let selected = spec.selector.match_labels.unwrap();
        let labels = spec.template.metadata.unwrap().labels.unwrap();
        assert!(selected.iter().all(|(name, value)| labels.get(name) == Some(value)));
        spec.template.spec.unwrap()
    }

    #[test]
    fn pods_are_guaranteed_restricted_and_have_one_token() {
        let pod = pod(json!({"cpu": 2, "nodeSelector": {"disk": "fast"}}), Pinning::Prefer);
        assert_eq!(pod.automount_service_account_token, Some(false));
        assert_eq!(pod.enable_service_links, Some(false));
        assert_eq!(pod.node_selector.unwrap()["disk"], "fast");
        let sysctls = pod.security_context.unwrap().sysctls.unwrap();
        assert_eq!(sysctls[0].name, "net.ipv4.ip_local_port_range");
        let all = pod.containers.iter().chain(pod.init_containers.iter().flatten());
        for container in all {
            let resources = container.resources.clone().unwrap();
            assert_eq!(resources.requests, resources.limits, "{}", container.name);
            assert_eq!(resources.limits.unwrap()["cpu"].0, "2");
            let context = container.security_context.clone().unwrap();
            assert_eq!(context.allow_privilege_escalation, Some(false));
            assert_eq!(context.read_only_root_filesystem, Some(true));
            assert_eq!(context.capabilities.unwrap().drop, Some(vec!["ALL".to_owned()]));
            // The namespace's memory and no store of ours: nothing but the gateway is named.
            let names: Vec<&str> = container.env.iter().flatten().map(|one| &*one.name).collect();
            assert!(!names.contains(&"AOB_REDIS"), "{names:?}");
        }
        let tokens = pod.volumes.iter().flatten().filter_map(|one| one.projected.as_ref());
        let sources: Vec<_> = tokens.flat_map(|one| one.sources.iter().flatten()).collect();
        assert_eq!(sources.len(), 1);
        let token = sources[0].service_account_token.as_ref().unwrap();
        assert_eq!((token.audience.as_deref(), &*token.path), (Some("aob"), "token"));
        let mounts = pod.containers[0].volume_mounts.iter().flatten();
        assert!(mounts.into_iter().any(|mount| mount.mount_path == "/etc/aob/secrets/erp"));
    }

    #[test]
    fn pinning_is_where_and_whether_anything_runs_otherwise() {
        let env = |pod: &PodSpec| -> Vec<String> {
            let all = pod.containers[0].env.iter().flatten();
            all.map(|one| one.name.clone()).filter(|name| name.contains("CORES")).collect()
        };
        let prefer = pod(json!({}), Pinning::Prefer);
        let affinity = prefer.affinity.clone().unwrap().node_affinity.unwrap();
        assert!(affinity.required_during_scheduling_ignored_during_execution.is_none());
        assert_eq!(env(&prefer), ["AOB_CORES"]);
        let require = pod(json!({}), Pinning::Require);
        let affinity = require.affinity.clone().unwrap().node_affinity.unwrap();
        assert!(affinity.required_during_scheduling_ignored_during_execution.is_some());
        assert_eq!(env(&require), ["AOB_CORES", "AOB_OWN_CORES"]);
        assert_eq!(require.init_containers.as_ref().map(Vec::len), Some(1));
        let off = pod(json!({}), Pinning::Off);
        assert!(off.affinity.is_none() && off.init_containers.is_none() && env(&off).is_empty());
    }
}

//! What the installation says about runner pods, in one JSON object that the chart makes of its values.

use std::collections::BTreeMap;
use std::time::Duration;

use aob_engine::time::duration;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// About all pools.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// The image of `aob-runner`, best by digest.
    pub image: String,
    /// `Always`, `IfNotPresent`, `Never`.
    #[serde(default = "if_not_present")]
    pub pull_policy: String,
    /// Secrets of the tenants' namespaces, by name.
    #[serde(default)]
    pub pull_secrets: Vec<String>,
    /// Where pods ask for tasks: `http://aob-gateway.aob-system`.
    pub gateway: String,
    /// The namespace of the gateway, for what pods may reach.
    pub gateway_namespace: String,
    /// Certificates in PEM by which it is trusted.
    #[serde(default)]
    pub gateway_ca: String,
    /// The audience of the pods' tokens: as the gateway has it.
    pub audience: String,
    /// Fewest pods of a pool that workflows want.
    #[serde(default)]
    pub min: u32,
    /// Most pods of a pool.
    #[serde(default = "ten")]
    pub max: u32,
    /// How long there must be nothing to do before pods end: `10m`.
    #[serde(default = "ten_minutes", deserialize_with = "span")]
    pub idle: Duration,
    /// Tasks of a pod at once.
    #[serde(default = "slots")]
    pub slots: u32,
    /// Seconds that running tasks may go on after a pod is told to end.
    #[serde(default = "drain")]
    pub drain: u32,
    /// What a workflow without `spec.runner` has, and with one that leaves it out.
    #[serde(default)]
    pub defaults: Defaults,
    /// Private addresses that `http` nodes may reach.
    #[serde(default)]
    pub allow_private: Vec<String>,
    /// Whether pods reach public addresses, the gateway and the cluster's names only.
    #[serde(default)]
    pub network_policy: bool,
    /// The Secret of a tenant's namespace whose keys become the pods' environment: those of models.
    #[serde(default)]
    pub models_secret: String,
    /// Kernel settings of the pods, as in their security context.
    #[serde(default)]
    pub sysctls: Vec<Value>,
    /// As in a pod.
    #[serde(default)]
    pub tolerations: Vec<Value>,
    /// As in a pod.
    #[serde(default)]
    pub priority_class_name: String,
    /// Annotations of pods.
    #[serde(default)]
    pub pod_annotations: BTreeMap<String, String>,
    /// Further environment, as in a container.
    #[serde(default)]
    pub extra_env: Vec<Value>,
}

/// What runner pods are like where a workflow does not say it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Defaults {
    /// Cores; whole ones can be its own.
    #[serde(deserialize_with = "quantity")]
    pub cpu: String,
    /// Memory.
    #[serde(deserialize_with = "quantity")]
    pub memory: String,
    /// Whether cores are asked for that nobody else uses.
    pub pinning: Pinning,
}

/// Whether runner pods get cores of their own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum Pinning {
    /// Asked for, and done without.
    #[default]
    Prefer,
    /// Not done without.
    Require,
    /// Not asked for.
    Off,
}

impl Default for Defaults {
    fn default() -> Self {
        Self { cpu: "1".to_owned(), memory: "512Mi".to_owned(), pinning: Pinning::Prefer }
    }
}

impl std::str::FromStr for Settings {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let settings: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if settings.max == 0 || settings.max < settings.min {
            return Err(format!("max {} is 0 or below min {}", settings.max, settings.min));
        }
        if settings.slots == 0 {
            return Err("slots: a pod without any does nothing".to_owned());
        }
        Ok(settings)
    }
}

fn if_not_present() -> String {
    "IfNotPresent".to_owned()
}

fn ten() -> u32 {
    10
}

fn slots() -> u32 {
    16
}

fn drain() -> u32 {
    100
}

fn ten_minutes() -> Duration {
    Duration::from_secs(600)
}

fn span<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(from)?;
    let wrong = || serde::de::Error::custom(format!("`{text}` is no duration such as 10m"));
    duration(&text).map(Duration::from_millis).ok_or_else(wrong)
}

/// A quantity of Kubernetes: whole numbers are written without quotes as well.
fn quantity<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(match Value::deserialize(from)? {
        Value::String(text) => text,
        other => other.to_string(),
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn settings() -> Settings {
        let text = r#"{
            "image": "aob-runner@sha256:00", "gateway": "http://aob-gateway.aob-system", "gatewayNamespace": "aob-system",
            "audience": "aob", "max": 3, "idle": "10m", "slots": 4, "defaults": {"cpu": 1, "memory": "256Mi"},
            "modelsSecret": "aob-models", "networkPolicy": true,
            "sysctls": [{"name": "net.ipv4.ip_local_port_range", "value": "20000 60999"}]
        }"#;
        text.parse().unwrap()
    }

    #[test]
    fn what_is_wrong_is_named() {
        let good = settings();
        assert_eq!((good.defaults.cpu.as_str(), good.defaults.pinning), ("1", Pinning::Prefer));
        assert_eq!(good.idle, Duration::from_secs(600));
        for (text, word) in [
            ("{}", "image"),
            (
                r#"{"image":"x","gateway":"g","gatewayNamespace":"n","audience":"a","idle":"soon"}"#,
                "soon",
            ),
            (r#"{"image":"x","gateway":"g","gatewayNamespace":"n","audience":"a","max":0}"#, "max"),
            (
                r#"{"image":"x","gateway":"g","gatewayNamespace":"n","audience":"a","slots":0}"#,
                "slots",
            ),
            (
                r#"{"image":"x","gateway":"g","gatewayNamespace":"n","audience":"a","idel":"1s"}"#,
                "idel",
            ),
        ] {
            let error = text.parse::<Settings>().unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }
}

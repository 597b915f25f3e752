//! What has become of a pool's pods: how many are ready, and whether their cores are their own. Touches nothing.

use aob_crds::condition::{Said, Truth, kind, reason};
use aob_runner::cores::Cores;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};

use super::settings::Pinning;

/// The container that looks at its cores before anything runs.
pub(super) const LOOKS: &str = "cores";
/// Most pods that a message tells of.
const MOST_TOLD: usize = 3;

/// Whether the runner pods of a workflow have cores of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    truth: Truth,
    reason: &'static str,
    message: String,
}

impl Pinned {
    /// No cores of its own are asked for.
    pub fn not_asked(why: &str) -> Self {
        Self { truth: Truth::False, reason: reason::NOT_ASKED, message: why.to_owned() }
    }

    /// Nothing is known yet.
    pub fn none() -> Self {
        let message = "pods begin when there is work".to_owned();
        Self { truth: Truth::Unknown, reason: reason::NO_PODS, message }
    }

    /// The API server takes no such pods.
    pub(super) fn refused(why: String) -> Self {
        Self { truth: Truth::False, reason: reason::PODS_REFUSED, message: why }
    }

    /// As a condition.
    pub fn said(&self) -> Said {
        Said::new(kind::RUNNERS_PINNED, self.truth, self.reason, self.message.clone())
    }

    /// Whether it will not change soon by itself.
    pub(super) fn is_settled(&self) -> bool {
        self.reason != reason::STARTING
    }
}

/// How many pods are ready.
pub(super) fn ready(pods: &[Pod]) -> u32 {
    let is_ready = |pod: &&Pod| condition(pod, "Ready").is_some_and(|(status, _)| status == "True");
    u32::try_from(pods.iter().filter(is_ready).count()).unwrap_or(u32::MAX)
}

/// Whether all cores are their pods' own.
pub(super) fn pinned(pinning: Pinning, pods: &[Pod]) -> Pinned {
    let live: Vec<&Pod> =
        pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()).collect();
    if live.is_empty() {
        return match pinning {
            Pinning::Off => Pinned::not_asked("pinning is Off"),
            _ => Pinned::none(),
        };
    }
    if let Some(why) = live.iter().find_map(|pod| unscheduled(pod)) {
        return Pinned { truth: Truth::False, reason: reason::NO_MACHINE, message: why };
    }
    if pinning == Pinning::Off {
        return Pinned::not_asked("pinning is Off");
    }
    let told: Vec<Option<Cores>> = live.iter().map(|pod| cores(pod)).collect();
    let known: Vec<&Cores> = told.iter().flatten().collect();
    let message = |all: &[&Cores]| {
        let first: Vec<String> = all.iter().take(MOST_TOLD).map(|cores| cores.told()).collect();
        format!("{} of {} pods: {}", all.len(), live.len(), first.join("; "))
    };
    let shared: Vec<&Cores> = known.iter().copied().filter(|cores| !cores.own).collect();
    if !shared.is_empty() {
        let rest = match pinning {
            Pinning::Require => {
                "; nothing runs in them: the machine's kubelet needs the static CPU policy"
            }
            _ => "; they run all the same, since pinning is Prefer",
        };
        let message = message(&shared) + rest;
        return Pinned { truth: Truth::False, reason: reason::SHARED_CORES, message };
    }
    if known.len() < live.len() {
        let message = format!("{} of {} pods have begun", known.len(), live.len());
        return Pinned { truth: Truth::Unknown, reason: reason::STARTING, message };
    }
    Pinned { truth: Truth::True, reason: reason::OWN_CORES, message: message(&known) }
}

/// Why no machine takes a pod.
fn unscheduled(pod: &Pod) -> Option<String> {
    let (status, about) = condition(pod, "PodScheduled")?;
    (status == "False").then(|| about.unwrap_or_else(|| "no machine takes the pod".to_owned()))
}

fn condition(pod: &Pod, kind: &str) -> Option<(String, Option<String>)> {
    let all = pod.status.as_ref()?.conditions.as_ref()?;
    let found = all.iter().find(|one| one.type_ == kind)?;
    Some((found.status.clone(), found.message.clone()))
}

/// What a pod's own report says.
fn cores(pod: &Pod) -> Option<Cores> {
    let all = pod.status.as_ref()?.init_container_statuses.as_ref()?;
    let own = all.iter().find(|one| one.name == LOOKS)?;
    let text = message(own)?;
    serde_json::from_str(&text).ok()
}

/// What a container left when it ended; of one that begins again, when it ended before.
fn message(status: &ContainerStatus) -> Option<String> {
    let ended = |state: &Option<k8s_openapi::api::core::v1::ContainerState>| {
        state.as_ref()?.terminated.as_ref()?.message.clone()
    };
    ended(&status.state).or_else(|| ended(&status.last_state))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(status: Value) -> Pod {
        serde_json::from_value(json!({"metadata": {"name": "p"}, "status": status})).unwrap()
    }

    fn looked(own: bool) -> Pod {
        let allowed = if own { "1" } else { "0-1" };
        let report = json!({"asked": 1, "allowed": allowed, "online": "0-1", "own": own});
        pod(json!({
            "conditions": [{"type": "Ready", "status": "True"}, {"type": "PodScheduled", "status": "True"}],
            "initContainerStatuses": [{
                "name": "cores", "image": "", "imageID": "", "ready": true, "restartCount": 0,
                "state": {"terminated": {"exitCode": 0, "message": report.to_string()}},
            }],
        }))
    }

    fn told(pinning: Pinning, pods: &[Pod]) -> (Truth, &'static str, String) {
        let Pinned { truth, reason, message } = pinned(pinning, pods);
        (truth, reason, message)
    }

    #[test]
    fn pods_say_themselves_whether_their_cores_are_their_own() {
        let (truth, reason, message) = told(Pinning::Prefer, &[looked(true)]);
        assert_eq!((truth, reason), (Truth::True, reason::OWN_CORES));
        assert_eq!(message, "1 of 1 pods: 1 asked for; may use 1 of 0-1, of its own");
        let (truth, reason, message) = told(Pinning::Prefer, &[looked(true), looked(false)]);
        assert_eq!((truth, reason), (Truth::False, reason::SHARED_CORES));
        assert!(message.starts_with("1 of 2 pods: 1 asked for; may use 0-1 of 0-1"), "{message}");
        let (_, _, message) = told(Pinning::Require, &[looked(false)]);
        assert!(message.contains("nothing runs in them"), "{message}");
        assert_eq!(told(Pinning::Off, &[looked(false)]).1, reason::NOT_ASKED);
        assert_eq!(ready(&[looked(true), pod(json!({}))]), 1);
    }

    #[test]
    fn one_that_begins_again_and_again_is_known_by_how_it_ended() {
        let mut pod = looked(false);
        let status = pod.status.as_mut().unwrap().init_container_statuses.as_mut().unwrap();
        status[0].last_state = status[0].state.take();
        assert_eq!(told(Pinning::Require, &[pod]).1, reason::SHARED_CORES);
    }

    #[test]
    fn what_is_not_known_is_not_said() {
        assert_eq!(told(Pinning::Prefer, &[]).1, reason::NO_PODS);
        assert_eq!(told(Pinning::Prefer, &[pod(json!({}))]).1, reason::STARTING);
        let waits = pod(json!({"conditions": [
            {"type": "PodScheduled", "status": "False", "message": "0/1 nodes are available"},
        ]}));
        let (truth, reason, message) = told(Pinning::Require, &[waits]);
        assert_eq!((truth, reason), (Truth::False, reason::NO_MACHINE));
        assert_eq!(message, "0/1 nodes are available");
    }
}

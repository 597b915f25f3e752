//! What is said on a Node object: a label to select by, annotations to read, a condition to watch.

use serde_json::{Value, json};

/// The label that pods with `pinning` select.
pub(super) const LABEL: &str = "aob.dev/tuned";
/// `Tuned`, `Degraded` or `Reverted`.
const STATE: &str = "aob.dev/tuning";
/// Digest of the profiles.
const PROFILES: &str = "aob.dev/tuning-profiles";
/// Why it is not tuned.
const WHY: &str = "aob.dev/tuning-why";

/// The longest reason on a Node.
const LONGEST: usize = 512;

/// How a node stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) state: State,
    pub(super) why: String,
    pub(super) profiles: String,
}

/// In one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Tuned,
    Degraded,
    Reverted,
}

impl State {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Tuned => "Tuned",
            Self::Degraded => "Degraded",
            Self::Reverted => "Reverted",
        }
    }
}

impl Report {
    fn short(&self) -> String {
        self.why.chars().take(LONGEST).collect()
    }

    /// A merge patch of the Node: `null` takes away. A node that was put back keeps no trace.
    pub(super) fn metadata(&self) -> Value {
        let kept = self.state != State::Reverted;
        let value =
            |shown: bool, text: String| if shown { Value::String(text) } else { Value::Null };
        json!({"metadata": {
            "labels": {LABEL: value(self.state == State::Tuned, "true".to_owned())},
            "annotations": {
                STATE: value(kept, self.state.name().to_owned()),
                PROFILES: value(kept, self.profiles.clone()),
                WHY: value(kept && !self.why.is_empty(), self.short()),
            },
        }})
    }

    /// A strategic patch of its status: conditions are merged by type, so that what is left out stays.
    pub(super) fn condition(&self, now: &str, turned: bool) -> Value {
        let mut condition = json!({
            "type": "AobTuned",
            "status": if self.state == State::Tuned { "True" } else { "False" },
            "reason": self.state.name(),
            "message": self.short(),
            "lastHeartbeatTime": now,
        });
        if turned {
            condition["lastTransitionTime"] = now.into();
        }
        json!({"status": {"conditions": [condition]}})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_tuned_node_has_the_label() {
        let report =
            |state| Report { state, why: "a".repeat(1000), profiles: "sha256:1".to_owned() };
        let label = |state| report(state).metadata()["metadata"]["labels"][LABEL].clone();
        assert_eq!(label(State::Tuned), json!("true"));
        assert_eq!(label(State::Degraded), Value::Null);
        assert_eq!(label(State::Reverted), Value::Null);
        let patch = report(State::Degraded).metadata();
        assert_eq!(patch["metadata"]["annotations"][WHY].as_str().unwrap().len(), LONGEST);
        let patch = report(State::Reverted).metadata();
        assert_eq!(
            patch["metadata"]["annotations"],
            json!({STATE: null, PROFILES: null, WHY: null})
        );
    }
}

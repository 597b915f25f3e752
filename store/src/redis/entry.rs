//! What is written into streams and hashes: JSON that any language can read.

use std::sync::Arc;

use aob_engine::event::Settled;
use aob_engine::state::Fence;
use aob_engine::step::{Envelope, Input, Publish};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::task::{Signal, SignalEntry, Task, TaskRef};

/// Longest value kept where it is used; longer ones are blobs of the run.
pub(super) const INLINE: usize = 4_096;

/// A task as it is published. `fence` stands before `input`: the functions look for it.
#[derive(Serialize)]
pub(super) struct Published<'a> {
    run: &'a str,
    instance: &'a str,
    cell: u32,
    fence: Fence,
    attempt: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<u64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    once: bool,
    /// Where the input is among the run's blobs.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    blob: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<&'a Value>,
}

/// A task as it is claimed.
#[derive(Deserialize)]
pub(super) struct Claimed {
    run: Arc<str>,
    instance: String,
    cell: u32,
    fence: Fence,
    attempt: u32,
    #[serde(default)]
    timeout: Option<u64>,
    #[serde(default)]
    once: bool,
    #[serde(default, rename = "ref")]
    pub(super) blob: Option<String>,
    #[serde(default)]
    pub(super) input: Arc<Value>,
}

/// What a lost attempt's signal is made of: the task without its input.
#[derive(Deserialize)]
struct Lost {
    run: Arc<str>,
    instance: String,
    fence: Fence,
}

/// An output as it is kept: the value, or where it is among the run's blobs.
#[derive(Serialize, Deserialize)]
pub(super) struct Kept {
    fence: Fence,
    outcome: Settled,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    value: Option<Arc<Value>>,
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub(super) blob: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    error: Option<Value>,
}

impl<'a> Published<'a> {
    pub(super) fn new(run: &'a str, task: &'a Publish, blob: Option<&'a str>) -> Self {
        Self {
            run,
            instance: &task.instance,
            cell: task.cell,
            fence: task.fence,
            attempt: task.attempt,
            timeout: task.timeout,
            once: task.once,
            blob,
            input: if blob.is_some() { None } else { Some(&task.input) },
        }
    }
}

impl Claimed {
    pub(super) fn run(&self) -> &Arc<str> {
        &self.run
    }

    /// The task; its entry's name carries the fence, so that another task under the same id is told apart.
    pub(super) fn task(self, node_type: Arc<str>, id: &str) -> Task {
        let at = TaskRef {
            run: self.run,
            instance: self.instance,
            node_type,
            fence: self.fence,
            cell: self.cell,
            entry: format!("{id}@{}", self.fence),
        };
        Task {
            at,
            attempt: self.attempt,
            timeout: self.timeout,
            once: self.once,
            input: self.input,
        }
    }
}

/// The stream's id of a task, unless its name belongs to another fence.
pub(super) fn entry_id(task: &TaskRef) -> Option<&str> {
    let (id, fence) = task.entry.split_once('@')?;
    (fence.parse() == Ok(task.fence)).then_some(id)
}

/// A signal's name: the stream's id, and the epoch it was read in. After a failover ids may come again.
pub(super) fn signal_name(id: &str, epoch: u64) -> String {
    format!("{id}@{epoch:016x}")
}

/// The stream's id of a signal that was read in this epoch.
pub(super) fn signal_id(name: &str, epoch: u64) -> Option<&str> {
    let (id, read) = name.split_once('@')?;
    (u64::from_str_radix(read, 16) == Ok(epoch)).then_some(id)
}

/// A signal from its entry's fields.
pub(super) fn signal(id: &str, epoch: u64, fields: &[(&[u8], &[u8])]) -> Option<SignalEntry> {
    let field = |name: &str| {
        fields.iter().find(|(key, _)| *key == name.as_bytes()).map(|(_, value)| *value)
    };
    let signal = if let Some(signal) = field("signal") {
        serde_json::from_slice(signal).ok()?
    } else {
        let t = std::str::from_utf8(field("t")?).ok()?.parse().ok()?;
        if let Some(lost) = field("lost") {
            let Lost { run, instance, fence } = serde_json::from_slice(lost).ok()?;
            Signal {
                run,
                input: Input::Lost { instance, fence, begun: field("begun") == Some(b"1") },
                t,
            }
        } else {
            let (run, timer) = crate::parse_timer(std::str::from_utf8(field("timer")?).ok()?)?;
            Signal { run: run.into(), input: Input::Timer(timer), t }
        }
    };
    Some(SignalEntry { id: signal_name(id, epoch), signal })
}

impl Kept {
    /// An envelope whose value is a blob.
    pub(super) fn by_reference(envelope: &Envelope, blob: String) -> Self {
        Self {
            fence: envelope.fence,
            outcome: envelope.outcome,
            digest: envelope.digest.clone(),
            value: None,
            blob: Some(blob),
            error: envelope.error.clone(),
        }
    }

    /// The envelope, with the value that its reference led to.
    pub(super) fn envelope(self, value: Option<Arc<Value>>) -> Envelope {
        Envelope {
            fence: self.fence,
            outcome: self.outcome,
            digest: self.digest,
            value: value.or(self.value),
            error: self.error,
        }
    }
}

/// Null is a value; only a member that is not there is none.
fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_of_another_fence_is_not_the_task() {
        let publish = Publish {
            cell: 3,
            instance: "each[1]/a".into(),
            node_type: "http".into(),
            fence: Fence(u64::MAX, 9),
            attempt: 2,
            timeout: None,
            once: true,
            input: Arc::new(Value::Null),
        };
        let json = serde_json::to_vec(&Published::new("run_1", &publish, None)).unwrap();
        let claimed: Claimed = serde_json::from_slice(&json).unwrap();
        let mut task = claimed.task("http".into(), "17-0");
        assert_eq!(
            (task.at.cell, task.attempt, task.once, &task.at.fence),
            (3, 2, true, &publish.fence)
        );
        assert_eq!(entry_id(&task.at), Some("17-0"));
        task.at.fence.1 += 1;
        assert_eq!(entry_id(&task.at), None);
    }

    #[test]
    fn a_signal_of_another_epoch_is_not_acknowledged() {
        let name = signal_name("5-1", 7);
        assert_eq!(signal_id(&name, 7), Some("5-1"));
        assert_eq!(signal_id(&name, 8), None);
        assert_eq!(signal_id("5-1", 7), None);
    }

    #[test]
    fn fields_that_are_no_signal_are_told() {
        assert_eq!(signal("1-1", 1, &[(b"signal", b"{")]), None);
        assert_eq!(signal("1-1", 1, &[(b"timer", b"[]"), (b"t", b"5")]), None);
        assert_eq!(signal("1-1", 1, &[(b"t", b"x"), (b"lost", b"{}")]), None);
        assert_eq!(signal("1-1", 1, &[]), None);
    }
}

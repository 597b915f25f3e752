//! The name of a task as a worker knows it: opaque to it, and all that is needed to keep and to answer the task.

use std::sync::Arc;

use aob_engine::catalogue::BAD_TASK;
use aob_engine::ir::tenant_of_queue;
use aob_engine::state::Fence;
use aob_store::TaskRef;
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};

use super::{Error, refused};

/// What a name begins with: another beginning is of another version.
const BEGIN: &str = "t1.";
/// Longest name.
const LONGEST: usize = 4_096;

/// What a task's name says. A worker could make one up: whoever takes an answer judges it by the run itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskName {
    /// The task.
    #[serde(flatten)]
    pub at: TaskRef,
    /// Whose it is, to the store.
    pub consumer: Arc<str>,
    /// When the attempt's time is over, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<u64>,
}

impl TaskName {
    /// The text that a worker is given.
    pub fn text(&self) -> String {
        // The type holds nothing that JSON cannot say.
        let json = serde_json::to_vec(self).unwrap_or_default();
        format!("{BEGIN}{}", BASE64URL_NOPAD.encode(&json))
    }

    /// Reads a text that stands at a place of a request.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub fn read(text: &str, pointer: &str) -> Result<Self, Error> {
        let read = || -> Option<Self> {
            let body = text.strip_prefix(BEGIN).filter(|_| text.len() <= LONGEST)?;
            serde_json::from_slice(&BASE64URL_NOPAD.decode(body.as_bytes()).ok()?).ok()
        };
        read().ok_or_else(|| refused(&BAD_TASK, pointer, "this is no task that was given out"))
    }

    /// The same, if the fence that came with it is its own.
    pub(super) fn fenced(text: &str, fence: &str) -> Result<Self, Error> {
        let name = Self::read(text, "/task")?;
        if fence.parse::<Fence>() != Ok(name.at.fence) {
            return Err(refused(&BAD_TASK, "/fence", "the fence is not that of the task"));
        }
        Ok(name)
    }

    /// Whether it is a task of a queue of this tenant.
    pub(super) fn is_of(&self, tenant: &str) -> bool {
        tenant_of_queue(&self.at.node_type).is_some_and(|(of, _)| of == tenant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> TaskName {
        TaskName {
            at: TaskRef {
                run: "run_1".into(),
                instance: "each[3]/a".into(),
                node_type: "acme.x@t@u".into(),
                fence: Fence(u64::MAX, 9),
                cell: 3,
                entry: "17-0@ffffffffffffffff.9".into(),
            },
            consumer: "door-1-2".into(),
            due: Some(u64::MAX >> 11),
        }
    }

    #[test]
    fn a_name_is_read_as_it_was_given() {
        let text = name().text();
        assert_eq!(TaskName::read(&text, "").unwrap(), name());
        assert!(text.len() < 400, "{}", text.len());
        assert!(name().is_of("t@u") && !name().is_of("t") && !name().is_of("u"));
    }

    #[test]
    fn nonsense_is_refused_with_its_place() {
        let text = name().text();
        let long = format!("t1.{}", "A".repeat(5_000));
        for bad in ["", "t1.", "t1.AAAA", "t2.AAAA", &text[..text.len() - 3], &long, "t1.ü"] {
            let Err(Error::Refused(issue)) = TaskName::read(bad, "/tasks/0") else {
                panic!("{bad}")
            };
            assert_eq!((issue.entry.code, &*issue.pointer), (BAD_TASK.code, "/tasks/0"));
        }
        assert!(TaskName::fenced(&text, "ffffffffffffffff.9").is_ok());
        for fence in ["", "ffffffffffffffff.8", "9", "fffffffffffffffe.9"] {
            assert!(TaskName::fenced(&text, fence).is_err(), "{fence}");
        }
    }
}

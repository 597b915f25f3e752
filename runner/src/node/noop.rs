//! `noop`: does nothing, its output is null.

use serde_json::Value;

use super::{Failure, NodeType, Task};

pub(super) struct Noop;

impl NodeType for Noop {
    fn name(&self) -> &'static str {
        "noop"
    }

    fn is_immediate(&self) -> bool {
        true
    }

    fn run_now(&self, _task: &Task) -> Result<Value, Failure> {
        Ok(Value::Null)
    }
}

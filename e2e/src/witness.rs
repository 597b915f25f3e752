//! Node types whose effect is a line in a file that no store knows of: what was executed, how often, by whom.
//!
//! A line is written in one piece at the end of the file, whichever process writes it, so that processes which
//! are killed at any moment leave whole lines.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aob_engine::catalogue::NODE_PANIC;
use aob_engine::ir::Effect;
use aob_engine::registry::{RegisteredType, Registry, RegistryError};
use aob_engine::state::Fence;
use aob_runner::node::{self, Context, Failure, NodeType, Policy, Task};
use async_trait::async_trait;
use serde_json::{Value, json};

/// Executed on a lane's own thread.
pub const QUICK: &str = "test.quick";
/// Executed beside the lane; `pause` is how many milliseconds it goes on after its effect.
pub const SLOW: &str = "test.slow";

/// One execution of an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Execution {
    /// The run.
    pub run: String,
    /// The instance.
    pub instance: String,
    /// Of the attempt.
    pub fence: Fence,
    /// Who: a process id.
    pub process: u32,
}

/// The built-in types and these two, which may be repeated unless a node says otherwise.
///
/// # Errors
/// Never for these types.
pub fn registry() -> Result<Registry, RegistryError> {
    let schema = json!({
        "type": "object",
        "additionalProperties": false,
        "properties": {"pause": {"type": "integer", "minimum": 0, "maximum": 600_000}},
    });
    [QUICK, SLOW].into_iter().try_fold(Registry::builtin(), |registry, name| {
        registry.with(RegisteredType {
            name: name.to_owned(),
            schema: schema.clone(),
            effect: Effect::Idempotent,
        })
    })
}

/// The built-in types and these two, whose effects go to `file`.
///
/// # Errors
/// If the file cannot be opened.
pub fn nodes(policy: &Policy, file: &Path) -> io::Result<node::Registry> {
    let file = Arc::new(OpenOptions::new().create(true).append(true).open(file)?);
    Ok(node::Registry::built_in(&Arc::new(policy.clone()))
        .with(Box::new(Witness { name: QUICK, is_immediate: true, file: file.clone() }))
        .with(Box::new(Witness { name: SLOW, is_immediate: false, file })))
}

/// Every execution so far, in order. A file that is not there yet is empty.
///
/// # Errors
/// If it cannot be read; `InvalidData` with the line if one is not whole.
pub fn read(file: &Path) -> io::Result<Vec<Execution>> {
    let text = match std::fs::read_to_string(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        other => other?,
    };
    text.lines()
        .map(|line| {
            parse(line).ok_or_else(|| {
                io::Error::new(io::ErrorKind::InvalidData, format!("torn line: {line}"))
            })
        })
        .collect()
}

fn parse(line: &str) -> Option<Execution> {
    let mut words = line.strip_suffix('.')?.split(' ');
    let mut word = || words.next();
    let (run, instance, fence, process) = (word()?, word()?, word()?, word()?);
    Some(Execution {
        run: run.to_owned(),
        instance: instance.to_owned(),
        fence: fence.parse().ok()?,
        process: process.parse().ok()?,
    })
}

struct Witness {
    name: &'static str,
    is_immediate: bool,
    file: Arc<File>,
}

impl Witness {
    /// The effect; the output names the attempt that had it.
    fn execute(&self, task: &Task) -> Result<Value, Failure> {
        let (epoch, seq) = task.fence.split_once('.').unwrap_or_default();
        let fence = match (u64::from_str_radix(epoch, 16), seq.parse()) {
            (Ok(epoch), Ok(seq)) => Fence(epoch, seq),
            _ => return Err(Failure::new(&NODE_PANIC, format!("{} is no fence", task.fence))),
        };
        let line = format!("{} {} {fence} {}.\n", task.run, task.instance, std::process::id());
        (&*self.file).write_all(line.as_bytes()).map_err(|error| {
            Failure::new(&NODE_PANIC, format!("the witness cannot be written: {error}"))
        })?;
        Ok(json!({"fence": fence.to_string()}))
    }
}

#[async_trait]
impl NodeType for Witness {
    fn name(&self) -> &'static str {
        self.name
    }

    fn is_immediate(&self) -> bool {
        self.is_immediate
    }

    fn run_now(&self, task: &Task) -> Result<Value, Failure> {
        self.execute(task)
    }

    async fn run(&self, task: &Task, _: &Context) -> Result<Value, Failure> {
        let output = self.execute(task)?;
        let pause = task.input.get("pause").and_then(Value::as_u64).unwrap_or(0);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        Ok(output)
    }
}

//! `exec`: a local command, with the rights of the runner; only where its operator allows it.

mod capture;
mod command;
mod process;

use std::os::unix::process::ExitStatusExt as _;

use aob_engine::catalogue::{EXEC_EXIT, EXEC_NOT_ALLOWED, EXEC_OUTPUT, EXEC_SIGNAL};
use async_trait::async_trait;
use serde_json::{Value, json};

use super::{Context, ExecPolicy, Failure, NodeType, Policy, Task};
use capture::Captured;
use command::{Command, Parse};
use process::Finished;
pub(super) use process::Group;

/// How much of an output is kept for what is not the text of the streams, in bytes.
const FRAME: usize = 256;

pub(super) struct Exec;

#[async_trait]
impl NodeType for Exec {
    fn name(&self) -> &'static str {
        "exec"
    }

    fn is_allowed(&self, policy: &Policy) -> bool {
        policy.exec != ExecPolicy::Off
    }

    async fn run(&self, task: &Task, cx: &Context) -> Result<Value, Failure> {
        allowed(&cx.policy.exec, None)?;
        let command = Command::read(task, &cx.policy.exec)?;
        allowed(&cx.policy.exec, Some(&command.program))?;
        let finished = process::run(&command, cx).await?;
        output(&finished, command.parse, cx.policy.output)
    }
}

/// Refuses what the operator has not allowed, and says how it could be.
fn allowed(policy: &ExecPolicy, program: Option<&str>) -> Result<(), Failure> {
    let refused = |message| Err(Failure::new(&EXEC_NOT_ALLOWED, message));
    match (policy, program) {
        (ExecPolicy::Off, _) => refused(
            "this runner runs no local commands; its operator can allow them with --allow-exec"
                .to_owned(),
        ),
        (_, Some(program)) if !policy.allows(program) => refused(format!(
            "this runner does not run `{}`; its operator can allow it with --allow-exec={0}",
            program.escape_debug()
        )),
        _ => Ok(()),
    }
}

/// Without `parse` all there is; `text` is stdout without the line ends at its end, as a shell takes it.
fn output(finished: &Finished, parse: Option<Parse>, limit: usize) -> Result<Value, Failure> {
    let Finished { status, stdout, stderr } = finished;
    let room = limit.saturating_sub(FRAME);
    match (status.code(), parse) {
        (Some(0), None) => {
            // Both must fit into one output: a quarter for stderr, all that is left for stdout.
            let stderr = stderr.text(room / 4);
            let rest = room.saturating_sub(capture::json_size(&stderr));
            Ok(json!({"exitCode": 0, "stdout": stdout.text(rest), "stderr": stderr}))
        }
        (Some(0), Some(Parse::Text)) => Ok(stdout.text(room).trim_end_matches(['\n', '\r']).into()),
        (Some(0), Some(Parse::Json)) if stdout.is_cut() => {
            let message = format!("stdout is {} bytes, too many for one JSON value", stdout.seen());
            Err(Failure::new(&EXEC_OUTPUT, message))
        }
        (Some(0), Some(Parse::Json)) => serde_json::from_str(&stdout.text(usize::MAX))
            .map_err(|error| Failure::new(&EXEC_OUTPUT, format!("stdout is not JSON: {error}"))),
        (Some(code), _) => {
            Err(Failure::new(&EXEC_EXIT, with_last(format!("exit code {code}"), stderr))
                .retryable())
        }
        (None, _) => {
            let signal = status.signal().unwrap_or_default();
            Err(Failure::new(&EXEC_SIGNAL, with_last(format!("ended by signal {signal}"), stderr))
                .retryable())
        }
    }
}

fn with_last(what: String, stderr: &Captured) -> String {
    match stderr.last_line() {
        "" => what,
        last => format!("{what}: {last}"),
    }
}

#[cfg(test)]
mod tests;

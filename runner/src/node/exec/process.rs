//! Runs a command in a process group of its own, and leaves nothing of it behind.

use std::io;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use aob_engine::catalogue::EXEC_SPAWN;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::process::Child;
use tokio::time::timeout;

use super::capture::{Capture, Captured};
use super::command::Command;
use crate::node::{Context, Failure, Reason, Stream};

/// How long pipes are read on after the command and its group are gone: only a process that left the
/// group can still hold them.
const DRAIN: Duration = Duration::from_secs(1);

/// A command that ended by itself.
pub(super) struct Finished {
    pub(super) status: ExitStatus,
    pub(super) stdout: Captured,
    pub(super) stderr: Captured,
}

enum End {
    Exit(io::Result<ExitStatus>),
    Stopped(Reason),
}

/// Runs the command to its end. Dropping this kills it.
pub(super) async fn run(command: &Command, cx: &Context) -> Result<Finished, Failure> {
    let mut child = start(command)?;
    let group = Group::of(&child);
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let mut out = Capture::new(&cx.log, &cx.redactor, Stream::Stdout, cx.policy.output);
    let mut err = Capture::new(&cx.log, &cx.redactor, Stream::Stderr, cx.policy.output);

    let end = {
        let mut pipes = pin!(async {
            let _ = futures::join!(
                async { feed(stdin, command.stdin.as_bytes()).await },
                async { if let Some(pipe) = stdout { out.pump(pipe).await } else { Ok(()) } },
                async { if let Some(pipe) = stderr { err.pump(pipe).await } else { Ok(()) } },
            );
        });
        let mut life = pin!(live(&mut child, group, cx));
        tokio::select! {
            end = &mut life => {
                let _ = timeout(DRAIN, pipes).await;
                end
            }
            () = &mut pipes => life.await,
        }
    };
    match end {
        End::Stopped(reason) => {
            let _ = (out.finish(), err.finish());
            Err(reason.failure())
        }
        End::Exit(Err(error)) => {
            Err(Failure::new(&EXEC_SPAWN, format!("waiting for the command failed: {error}")))
        }
        End::Exit(Ok(status)) => {
            Ok(Finished { status, stdout: out.finish(), stderr: err.finish() })
        }
    }
}

fn start(command: &Command) -> Result<Child, Failure> {
    let started = tokio::process::Command::new(&command.program)
        .args(&command.arguments)
        .env_clear()
        .envs(&command.env)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn();
    started.map_err(|error| {
        let failure = Failure::new(
            &EXEC_SPAWN,
            format!("`{}` could not be started: {error}", command.program.escape_debug()),
        );
        // The machine was short of something; a missing program stays missing.
        let may_pass = matches!(
            error.kind(),
            io::ErrorKind::WouldBlock
                | io::ErrorKind::OutOfMemory
                | io::ErrorKind::ExecutableFileBusy
        );
        if may_pass { failure.retryable() } else { failure }
    })
}

/// Waits for the end of the command, or brings it about. Afterwards its whole group is gone.
async fn live(child: &mut Child, group: Group, cx: &Context) -> End {
    let end = tokio::select! {
        biased;
        status = child.wait() => End::Exit(status),
        reason = cx.cancel.cancelled() => {
            group.signal(Signal::TERM);
            let _ = timeout(cx.policy.grace / 2, child.wait()).await;
            End::Stopped(reason)
        }
    };
    drop(group);
    // Should the group have been beyond reach, this does not wait for ever.
    let _ = child.start_kill();
    let _ = child.wait().await;
    end
}

/// Writes stdin and closes it. A command need not read it.
async fn feed(pipe: Option<impl AsyncWrite + Unpin>, bytes: &[u8]) -> io::Result<()> {
    if let Some(mut pipe) = pipe {
        pipe.write_all(bytes).await?;
        pipe.shutdown().await?;
    }
    Ok(())
}

/// A command and whatever it starts. Killed when dropped.
pub(in crate::node) struct Group(Option<Pid>);

impl Group {
    pub(in crate::node) fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }

    /// The leader's number cannot have passed to a stranger: while the group has members it is taken, and
    /// numbers come round only after all others were used.
    fn signal(&self, signal: Signal) {
        if let Some(leader) = self.0 {
            let _ = kill_process_group(leader, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

//! Processes of this workspace: started, killed, stopped, woken.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};

/// A process that dies with its handle.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a command; what it says goes to the end of `log`.
    pub(crate) fn spawn(command: &mut Command, log: &Path) -> Self {
        let file = OpenOptions::new().create(true).append(true).open(log).unwrap();
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"));
        Self { child, log: log.to_owned() }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill9(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }

    /// Sends SIGSTOP or SIGCONT.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// How it ended, if it has; a failure is one of the test.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().unwrap()?;
        assert!(status.success(), "{status}: {}", self.said());
        Some(status)
    }

    /// What it and others with the same log have said: the last 4 KiB.
    pub(crate) fn said(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        text[text.floor_char_boundary(text.len().saturating_sub(4_096))..].to_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill9();
    }
}

/// The witness that serves a server.
pub(crate) fn witness_on(url: &str, witness: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aob-witness"));
    command.arg("--redis").arg(url).arg("--witness").arg(witness);
    // What a process holds when it is killed is lost, and an instance that is lost four times has failed.
    command.arg("--slots").arg("4");
    command
}

/// The witness that runs runs of a workflow in a folder.
pub(crate) fn witness_in(folder: &Path, witness: &Path, workflow: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aob-witness"));
    command
        .arg("--folder")
        .arg(folder)
        .arg("--witness")
        .arg(witness)
        .arg("--workflow")
        .arg(workflow);
    command
}

/// `aob-runner` as it was built last.
pub(crate) fn runner() -> Command {
    built("aob-runner", "aob-runner")
}

/// `aob-gateway` as it was built last.
pub(crate) fn gateway() -> Command {
    built("aob-gateway", "aob-gateway")
}

/// `aob` as it was built last.
pub(crate) fn aob() -> Command {
    built("aob", "aob-cli")
}

/// `aob-node` as it was built last.
pub(crate) fn node() -> Command {
    built("aob-node", "aob-node-tuning")
}

fn built(name: &str, package: &str) -> Command {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().and_then(Path::parent).unwrap().join(name);
    assert!(
        path.exists(),
        "{} is not there; build it with: cargo build -p {package} --bins",
        path.display()
    );
    Command::new(path)
}

//! Processes that end with the test's own, however that ends: a shell waits for the end of its input and kills them.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

/// Kills its child when its input ends, and removes what it was told to.
const SHELL: &str = "\"$@\" & child=$!; read -r _; kill -9 $child; wait $child; test -z \"$REMOVE\" || rm -rf \"$REMOVE\"";

/// A process with its log.
pub(crate) struct Guarded {
    shell: Child,
    input: Option<ChildStdin>,
    log: PathBuf,
}

impl Guarded {
    /// Starts a program; what it says goes to `log`. `remove` goes with it.
    pub(crate) fn start(
        program: &Path,
        arguments: &[String],
        environment: &[(&str, String)],
        log: &Path,
        remove: Option<&Path>,
    ) -> Self {
        assert!(
            program.exists() || program.components().count() == 1,
            "{} is not there: `cargo xtask test` installs and builds what tests need",
            program.display()
        );
        let file = OpenOptions::new().create(true).append(true).open(log).unwrap();
        let mut command = Command::new("sh");
        command.arg("-c").arg(SHELL).arg("sh").arg(program).args(arguments);
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        command.env("REMOVE", remove.unwrap_or_else(|| Path::new("")));
        command.stdin(Stdio::piped()).stdout(file.try_clone().unwrap()).stderr(file);
        let mut shell = command.spawn().unwrap();
        let input = shell.stdin.take();
        Self { shell, input, log: log.to_owned() }
    }

    /// The process itself, as this machine counts.
    pub(crate) fn id(&self) -> u32 {
        let children = format!("/proc/{0}/task/{0}/children", self.shell.id());
        let text = std::fs::read_to_string(children).unwrap();
        text.split_whitespace().next().expect("it runs").parse().unwrap()
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&self) -> bool {
        let children = format!("/proc/{0}/task/{0}/children", self.shell.id());
        let text = std::fs::read_to_string(children).unwrap_or_default();
        let of = |id: &str| std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        // What has ended and is not waited for yet is a zombie.
        text.split_whitespace().all(|id| of(id).contains(") Z "))
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(mut self) {
        drop(self.input.take());
        self.shell.wait().unwrap();
    }

    /// The last 6 KiB of what it said.
    pub(crate) fn said(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        text[text.floor_char_boundary(text.len().saturating_sub(6_144))..].to_owned()
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        if self.input.take().is_some() {
            let _ = self.shell.wait();
        }
    }
}

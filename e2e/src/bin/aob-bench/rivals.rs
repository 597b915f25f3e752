//! The rivals, in a process of their own that answers cells by lines: `rivals serve`.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::Result;
use crate::cell::{Report, Shape, System};

/// A running `rivals serve`.
pub(crate) struct Rivals {
    child: Child,
    questions: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    /// Versions and settings, as it tells them.
    pub(crate) setup: Value,
}

impl Rivals {
    /// Starts the servers of both rivals, or of `only` one; what is missing is installed into `cache`.
    pub(crate) async fn start(
        program: &Path,
        cache: &Path,
        dir: &Path,
        only: Option<System>,
    ) -> Result<Self> {
        let mut command = Command::new(program);
        command.arg("serve").arg("--cache").arg(cache).arg("--dir").arg(dir);
        if let Some(only) = only {
            command.args(["--only", only.name()]);
        }
        let spawned =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn();
        let mut child =
            spawned.map_err(|error| format!("{} cannot be started: {error}", program.display()))?;
        let (Some(questions), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("the rivals have no pipes".into());
        };
        let mut rivals =
            Self { child, questions, answers: BufReader::new(answers).lines(), setup: Value::Null };
        rivals.setup = match rivals.line().await?.get_mut("setup") {
            Some(setup) => setup.take(),
            None => return Err("the rivals do not begin with their setup".into()),
        };
        Ok(rivals)
    }

    /// Has one cell measured.
    pub(crate) async fn measure(
        &mut self,
        system: System,
        shape: Shape,
        clients: u32,
        seconds: f64,
    ) -> Result<Report> {
        let question = format!("{} {shape} {clients} {seconds}\n", system.name());
        self.questions.write_all(question.as_bytes()).await?;
        self.questions.flush().await?;
        let line = self.line().await?;
        match line.get("error").and_then(Value::as_str) {
            Some(error) => Err(error.into()),
            None => Ok(serde_json::from_value(line)?),
        }
    }

    /// Ends the servers.
    pub(crate) async fn stop(mut self) -> Result<()> {
        drop(self.questions);
        let status = self.child.wait().await?;
        if status.success() {
            Ok(())
        } else {
            Err(format!("the rivals ended with {status}").into())
        }
    }

    async fn line(&mut self) -> Result<Value> {
        match self.answers.next_line().await? {
            Some(line) => Ok(serde_json::from_str(&line)?),
            None => Err("the rivals ended".into()),
        }
    }
}

/// Where `cargo build --release` has put the program, if it has.
pub(crate) fn program(workspace: &Path) -> Option<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let own = workspace.join("e2e/bench/rivals/target");
    target
        .into_iter()
        .chain([own])
        .map(|folder| folder.join("release/rivals"))
        .find(|path| path.is_file())
}

//! A process of its own that patches when it is told to.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use aob_engine::patch::Record;
use serde_json::{Value, json};

/// `aob-patcher` on a server; dies with its handle.
pub(super) struct Side {
    child: Child,
    input: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Side {
    pub(super) fn start(url: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_aob-patcher"))
            .args(["--redis", url])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, input, answers }
    }

    /// Tells it to patch a run; it answers later.
    pub(super) fn tell(&mut self, run: &str, id: &str, request: &Value) {
        let told = json!({"run": run, "id": id, "request": request});
        writeln!(self.input, "{told}").unwrap();
    }

    /// Its next answer.
    pub(super) fn answer(&mut self) -> Record {
        let mut line = String::new();
        assert!(self.answers.read_line(&mut line).unwrap() > 0, "the patcher has ended");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

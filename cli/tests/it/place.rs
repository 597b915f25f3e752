//! A directory with workflow files and a data directory, and the binary in it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use aob_store::testing::{RedisServer, ServerOptions};
use serde_json::Value;
use tempfile::TempDir;

use crate::host::Host;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where one test happens.
pub(crate) struct Place {
    dir: TempDir,
    /// Where the runs are, if not in the data directory.
    redis: Option<RedisServer>,
    /// Who has them, if not each command itself.
    host: Option<Host>,
}

/// What a command said, and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// A command that is still running.
pub(crate) struct Running {
    child: Child,
    err: BufReader<ChildStderr>,
    /// What it has said on stderr so far.
    pub(crate) said: String,
}

impl Place {
    /// In the mode that `AOB_CLI_MODE` names: each command on its own, `socket` of an `aob up`, or `https` to gateways
    /// with runners behind them.
    pub(crate) fn new() -> Self {
        let mut place = Self::alone();
        place.host = match std::env::var("AOB_CLI_MODE").as_deref() {
            Ok("socket") => Some(Host::socket(&place)),
            Ok("https") => Some(Host::https(&place)),
            Ok(other) => panic!("AOB_CLI_MODE={other}"),
            Err(_) => None,
        };
        place
    }

    /// Each command has the data directory itself.
    pub(crate) fn alone() -> Self {
        Self { dir: tempfile::tempdir().unwrap(), redis: None, host: None }
    }

    /// A directory whose runs are on a Redis of their own.
    pub(crate) fn on_redis() -> Self {
        let server = RedisServer::start(ServerOptions::default()).unwrap();
        Self { redis: Some(server), ..Self::alone() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Writes a file here and gives its name.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        name.to_owned()
    }

    /// A workflow of these nodes and edges (YAML lists) in a file.
    pub(crate) fn workflow(&self, name: &str, nodes: &str, edges: &str) -> String {
        let edges = if edges.is_empty() { String::new() } else { format!("  edges:\n{edges}\n") };
        let text = format!(
            "apiVersion: aob.dev/v1alpha1\nkind: Workflow\nmetadata: {{name: {name}}}\nspec:\n  nodes:\n{nodes}\n{edges}"
        );
        self.write(&format!("{name}.yaml"), text)
    }

    /// A workflow whose node `charge` fails and pauses, in a file.
    pub(crate) fn pausing(&self) -> String {
        self.write(
            "pausing.yaml",
            "\
apiVersion: aob.dev/v1alpha1
kind: Workflow
metadata: {name: pausing}
spec:
  output: \"${ has(nodes.confirm.output) ? nodes.confirm.output : null }\"
  nodes:
    - {id: order, type: transform, config: {value: {card: expired}}}
    - id: charge
      type: transform
      config:
        value: {receipt: R-0}
        assert: [{that: nodes.order.output.card == 'valid', message: the card has expired}]
      onError: pause
    - {id: confirm, type: transform, config: {value: \"receipt ${ nodes.charge.output.receipt }\"}}
  edges:
    - {from: order, to: charge}
    - {from: charge, to: confirm}
",
        )
    }

    /// The binary, in this directory, knowing nothing else of the machine.
    pub(crate) fn aob(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_aob"));
        command.args(arguments).current_dir(self.dir.path()).env_clear();
        match &self.redis {
            Some(server) => command.env("AOB_REDIS", server.url()),
            None => command.env("AOB_DATA", self.data()),
        };
        command
            .env("HOME", self.dir.path())
            .env("USER", "ada")
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        if let Some(host) = &self.host {
            host.point(&mut command);
        }
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        Said::of(&mut self.aob(arguments))
    }

    /// Runs and expects this end.
    pub(crate) fn ends(&self, code: i32, arguments: &[&str]) -> Said {
        let said = self.run(arguments);
        assert_eq!(said.code, code, "aob {}: {said:#?}", arguments.join(" "));
        said
    }

    /// Begins and goes on.
    pub(crate) fn begin(&self, arguments: &[&str]) -> Running {
        Running::of(&mut self.aob(arguments))
    }

    /// The runs there are, newest first.
    pub(crate) fn runs(&self) -> Vec<Value> {
        let listed = self.ends(0, &["ls", "runs", "-o", "json"]).json();
        listed.as_array().unwrap().clone()
    }

    /// The one open ticket.
    pub(crate) fn ticket(&self) -> Value {
        let listed = self.ends(0, &["ls", "tickets", "-o", "json"]).json();
        let tickets = listed.as_array().unwrap();
        assert_eq!(tickets.len(), 1, "{tickets:?}");
        tickets[0].clone()
    }
}

impl Said {
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let code = output.status.code().unwrap_or(-1);
        Self { code, out: text(output.stdout), err: text(output.stderr) }
    }

    /// What was printed as data.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Each of these was said on stderr.
    pub(crate) fn says(&self, wanted: &[&str]) -> &Self {
        for text in wanted {
            assert!(self.err.contains(text), "`{text}` is not in:\n{}", self.err);
        }
        self
    }
}

impl Running {
    /// Begins a command whose stderr is read.
    pub(crate) fn of(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let err = BufReader::new(child.stderr.take().unwrap());
        Self { child, err, said: String::new() }
    }

    /// Reads stderr until a line has this text.
    pub(crate) fn until(&mut self, text: &str) -> String {
        let began = Instant::now();
        loop {
            let mut line = String::new();
            let read = self.err.read_line(&mut line).unwrap();
            self.said.push_str(&line);
            assert!(
                read > 0 && began.elapsed() < PATIENCE,
                "`{text}` was not said:\n{}",
                self.said
            );
            if line.contains(text) {
                return line.trim().to_owned();
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.pid().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Waits for its end.
    pub(crate) fn end(mut self) -> Said {
        let mut err = std::mem::take(&mut self.said);
        self.err.read_to_string(&mut err).unwrap();
        let mut out = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        Said { code, out, err }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A test that failed leaves nothing running; one that ended has reaped it already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Looks again and again until it holds.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "{what} did not come");
        std::thread::yield_now();
    }
}

/// An example of the repository.
pub(crate) fn example(name: &str) -> String {
    format!("{}/../examples/{name}", env!("CARGO_MANIFEST_DIR"))
}

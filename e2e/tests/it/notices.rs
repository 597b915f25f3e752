//! A ticket's webhook: a real server in another language, and the runner that tells it is killed.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aob_engine::event::Change;
use aob_engine::step::{Decision, Input, Reply, Verdict};
use serde_json::{Value, json};

use crate::documents::workflow;
use crate::local::{PATIENCE, ended, publish, redis, runs, server, start};
use crate::process::{Process, runner};
use crate::turn::Turn;

const SECRET: &str = "of the two of us";

/// The webhook, ended with its handle.
struct Receiver {
    child: Child,
    port: u16,
    log: PathBuf,
}

impl Receiver {
    fn start(folder: &Path) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/notices/receiver.py");
        let log = folder.join("received");
        let mut child = Command::new("python3")
            .arg(script)
            .arg(&log)
            .arg(SECRET)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("python3 cannot be started ({error}); install python3"));
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        Self { child, port: port.trim().parse().unwrap(), log }
    }

    /// Waits until so many requests have come in.
    async fn received(&self, count: usize, runner: &Process) -> Vec<Value> {
        let since = Instant::now();
        loop {
            let text = std::fs::read_to_string(&self.log).unwrap_or_default();
            let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
            let all: Vec<Value> = whole.map(|line| serde_json::from_str(line).unwrap()).collect();
            if all.len() >= count {
                return all;
            }
            assert!(since.elapsed() < PATIENCE, "{} of {count}: {}", all.len(), runner.said());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn told_of(redis: &str, receiver: &Receiver, folder: &Path) -> Process {
    let mut command = runner();
    command.arg("--redis").arg(redis).arg("--coordinate").arg("--allow-private");
    command.arg("--secrets").arg(folder.join("secrets")).arg("--notify-secret").arg("hook/key");
    command.arg("--notify").arg(format!("http://127.0.0.1:{}/hook", receiver.port));
    Process::spawn(&mut command, &folder.join("runner.log"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_runner_loses_no_notification() {
    let _turn = Turn::take("notifications and kills").await;
    let (server, folder) = (server(), tempfile::tempdir().unwrap());
    std::fs::create_dir_all(folder.path().join("secrets/hook")).unwrap();
    std::fs::write(folder.path().join("secrets/hook/key"), SECRET).unwrap();
    let receiver = Receiver::start(folder.path());
    let runs = runs(redis(&server, 1).await);
    let gate = json!({"id": "gate", "type": "approval", "config": {"title": "Post?"}});
    let digest = publish(&runs, &workflow("asks", &[gate], &[])).await;

    // Nobody is there to tell it when it opens: the process that started the run tells nobody.
    let run = start(&runs, &digest, json!({})).await;
    let mut first = told_of(&server.url(), &receiver, folder.path());
    receiver.received(1, &first).await;
    // The webhook has the request and does not answer.
    first.kill9();
    let second = told_of(&server.url(), &receiver, folder.path());
    let all = receiver.received(3, &second).await;

    let ticket = runs.tickets("default", 10).await.unwrap().remove(0);
    for one in &all {
        assert_eq!(one["genuine"], true, "{one}");
        assert_eq!(
            (&one["key"], &one["body"]["id"]),
            (&json!(ticket.ticket), &json!(ticket.ticket))
        );
        assert_eq!(one["body"]["ticket"]["run"], json!(&*run));
    }
    let attempts: Vec<u64> =
        all.iter().map(|one| one["body"]["attempt"].as_u64().unwrap()).collect();
    assert_eq!(attempts, [1, 1, 2], "the first was never known to have come in");
    loop {
        let history = runs.history(&run).await.unwrap();
        let changes = history.iter().flat_map(|(event, _)| &event.changes);
        let told = changes.filter_map(|change| match change {
            Change::Notified { attempt, error, .. } => Some((*attempt, error.is_none())),
            _ => None,
        });
        let told: Vec<(u32, bool)> = told.collect();
        if told.len() == 2 {
            assert_eq!(told, [(1, false), (2, true)]);
            break;
        }
        let seq = history.len() as u64;
        assert!(runs.store().watch(&run, seq, PATIENCE).await.unwrap() > seq, "{}", second.said());
    }
    let decision = Decision {
        instance: "gate".into(),
        ticket: Some(ticket.ticket),
        answer: Reply::Approve(None),
        by: "user:bob".into(),
        groups: Vec::new(),
        reason: None,
    };
    let verdicts = runs.apply(&run, vec![Input::Decision(decision)]).await.unwrap();
    assert_eq!(verdicts, [Verdict::Applied]);
    ended(&runs, &run).await;
    assert!(runs.verify(&run).await.unwrap().is_ok());
}

//! Types that are run by a signed request, against a server in another language that checks the signature itself.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use aob_e2e::answer::TENANT;
use aob_engine::state::RunOutcome;
use aob_runner::node::{self, Policy, Private};
use aob_runner::remote::{Completion, Remote, Taken};
use aob_runner::runs::Runs;
use aob_runner::secret::Secrets;
use aob_runner::service::{Service, ServiceOptions};
use aob_store::embedded::Embedded;
use serde_json::{Value, json};

use super::node_type;
use crate::documents::workflow;
use crate::local::{PATIENCE, ended, one_at_a_time, publish, runs, start};

/// The server's process, and what it has seen.
struct Server {
    child: Child,
    port: u16,
    seen: mpsc::Receiver<Value>,
}

impl Server {
    fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/worker/server.py");
        let mut child = Command::new("python3")
            .arg(script)
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is needed: install the package python3");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.next().unwrap().unwrap().parse().unwrap();
        let (sender, seen) = mpsc::channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if sender.send(serde_json::from_str(&line).unwrap()).is_err() {
                    return;
                }
            }
        });
        Self { child, port, seen }
    }

    fn next(&self) -> Value {
        self.seen.recv_timeout(PATIENCE).expect("the server is asked")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // What counts is that it is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

struct Caller {
    runs: Arc<Runs>,
    service: Service,
    server: Server,
    secrets: tempfile::TempDir,
}

/// A runner with a secrets folder, that may reach this machine if it is `allowed`.
fn caller(allowed: bool) -> Caller {
    let secrets = tempfile::tempdir().unwrap();
    std::fs::create_dir(secrets.path().join("sum")).unwrap();
    std::fs::write(secrets.path().join("sum/key"), "a-key-for-tests\n").unwrap();
    let runs = runs(Arc::new(Embedded::volatile()));
    let private = if allowed { Private::Any } else { Private::Deny };
    let policy = Arc::new(Policy { private, ..Policy::default() });
    let nodes = Arc::new(node::Registry::built_in(&policy));
    let service = Service::spawn(&ServiceOptions {
        secrets: Arc::new(Secrets::in_folder(secrets.path())),
        lease: Duration::from_secs(1),
        policy,
        nodes,
        ..one_at_a_time(&runs)
    });
    Caller { runs, service, server: Server::start(), secrets }
}

impl Caller {
    /// Registers a type that is run at a path, and starts a run with a node of it.
    async fn run(&self, path: &str, more: &Value) -> Arc<str> {
        let url = format!("http://127.0.0.1:{}{path}", self.server.port);
        let call = json!({"http": {"url": url, "secret": "sum/key"}});
        self.runs.put_type(&node_type("acme.sum", "Idempotent", call), None).await.unwrap();
        let mut node = json!({"id": "a", "type": "acme.sum", "config": {"n": 41}});
        for (key, value) in more.as_object().into_iter().flatten() {
            node[key] = value.clone();
        }
        let mut document = workflow("sum", &[node], &[]);
        document["spec"]["output"] = json!("${ has(nodes.a.output) ? nodes.a.output : null }");
        let digest = publish(&self.runs, &document).await;
        start(&self.runs, &digest, json!({})).await
    }

    async fn failure(&self, run: &str) -> (String, String) {
        let failure = ended(&self.runs, run).await.head.failure.clone().unwrap();
        (failure.code.to_string(), failure.message.to_string())
    }
}

/// The answer is the output; the signature is right, and the key the same over all attempts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answered_at_once() {
    let caller = caller(true);
    let run = caller.run("/sum", &json!({})).await;
    assert_eq!(ended(&caller.runs, &run).await.head.outcome, Some(RunOutcome::Succeeded));
    let output = caller.runs.output(&run, None).await.unwrap().unwrap();
    assert_eq!(*output, json!({"sum": 42, "key": format!("{run}/a")}));
    let seen = caller.server.next();
    assert_eq!((&seen["signed"], &seen["task"]["attempt"]), (&json!(true), &json!(1)));
    assert_eq!((&seen["task"]["type"], &seen["task"]["run"]), (&json!("acme.sum"), &json!(&*run)));
    caller.service.stop().await;
}

/// What may pass is retried by the node's own rules, under the same key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retried() {
    let caller = caller(true);
    let retry = json!({"retry": {"attempts": 3, "backoff": "10ms"}});
    let run = caller.run("/broken/2", &retry).await;
    ended(&caller.runs, &run).await;
    let output = caller.runs.output(&run, None).await.unwrap();
    assert_eq!(output.as_deref(), Some(&json!({"tries": 3})));
    let keys: Vec<Value> = (0..3).map(|_| caller.server.next()["key"].take()).collect();
    assert!(keys.iter().all(|key| *key == json!(format!("{run}/a"))), "{keys:?}");
    let run = caller.run("/broken/9", &json!({})).await;
    let (code, message) = caller.failure(&run).await;
    assert_eq!(code, "http_status");
    assert!(message.contains("answered 503") && message.contains("busy"), "{message}");
    caller.service.stop().await;
}

/// A server that takes the task answers later, through any door; the runner lets go of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answered_later() {
    let caller = caller(true);
    let run = caller.run("/later", &json!({})).await;
    let task = caller.server.next()["task"].take();
    let text = |name: &str| task[name].as_str().unwrap().to_owned();
    let door = Remote::new(caller.runs.clone(), Duration::from_secs(1));
    let done = Completion {
        task: text("task"),
        fence: text("fence"),
        output: Arc::new(json!({"late": true})),
        patch: None,
        next: None,
    };
    assert_eq!(door.complete(TENANT, &done).await.unwrap().0, Taken::Recorded);
    assert_eq!(ended(&caller.runs, &run).await.head.outcome, Some(RunOutcome::Succeeded));
    let output = caller.runs.output(&run, None).await.unwrap();
    assert_eq!(output.as_deref(), Some(&json!({"late": true})));
    // The lane has one slot: the next task is only served once the first is let go of.
    let next = caller.run("/sum", &json!({})).await;
    assert_eq!(ended(&caller.runs, &next).await.head.outcome, Some(RunOutcome::Succeeded));
    assert_eq!(door.complete(TENANT, &done).await.unwrap().0, Taken::Same);
    caller.service.stop().await;
}

/// A node's timeout bounds the wait for a server that took the task.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn never_answered() {
    let caller = caller(true);
    let run = caller.run("/later", &json!({"timeout": "300ms"})).await;
    assert_eq!(caller.failure(&run).await.0, "node_timeout");
    caller.service.stop().await;
}

/// A wrong key is refused by the server, a missing one by the runner; addresses are judged as those of http nodes are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals() {
    let caller = caller(true);
    std::fs::write(caller.secrets.path().join("sum/key"), "another-key").unwrap();
    let run = caller.run("/sum", &json!({})).await;
    let (code, message) = caller.failure(&run).await;
    assert_eq!(code, "http_status");
    assert!(message.contains("401") && !message.contains("another-key"), "{message}");
    assert_eq!(caller.server.next()["signed"], json!(false));
    std::fs::remove_file(caller.secrets.path().join("sum/key")).unwrap();
    let run = caller.run("/sum", &json!({})).await;
    assert_eq!(caller.failure(&run).await.0, "secret_missing");
    caller.service.stop().await;
    let guarded = self::caller(false);
    let run = guarded.run("/sum", &json!({})).await;
    assert_eq!(guarded.failure(&run).await.0, "http_forbidden");
    assert!(guarded.server.seen.try_recv().is_err(), "nothing was sent");
    guarded.service.stop().await;
}

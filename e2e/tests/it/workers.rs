//! Workers in other languages, as the examples have them: each one's tasks are done while workers and gateways are
//! killed, every task exactly once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use aob_engine::event::{Change, Settled};
use aob_engine::read;
use aob_engine::state::RunOutcome;
use aob_runner::runs::Runs;
use rand::Rng as _;
use serde_json::{Value, json};

use crate::gateway::Gateway;
use crate::local::{publish, redis, runs, server, start};
use crate::process::{Process, runner};
use crate::turn::{Turn, number};

/// Seconds that a killed worker's task waits for another one.
const LEASE: &str = "1";
/// Workers at once.
const WORKERS: usize = 4;
/// Tasks that are done between two kills. A task survives three lost attempts: where every fifteenth attempt is lost, one
/// task in a thousand runs out of them in one run of fifty.
const BETWEEN: u64 = 40;
/// Longest time for all tasks.
const PATIENCE: Duration = Duration::from_secs(300);

fn tasks() -> u64 {
    number("AOB_WORKER_TASKS").unwrap_or(1_000)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_is_killed() {
    let mut command = Command::new("python3");
    command.arg(root().join("examples/workers/worker.py"));
    are_killed("workers in Python", command).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn go_is_killed() {
    are_killed("workers in Go", Command::new(built("worker-go"))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn typescript_is_killed() {
    let mut command = Command::new("node");
    command.arg(built("worker.mjs"));
    are_killed("workers in TypeScript", command).await;
}

/// Four workers double numbers; one of them is killed every 0.1 to 0.4 s as long as work goes on, and now and then a
/// gateway.
async fn are_killed(name: &'static str, mut command: Command) {
    let turn = Turn::take(name).await;
    let mut random = turn.random();
    let server = server();
    let runs = runs(redis(&server, 4).await);
    runs.put_type(&example("double.yaml"), None).await.unwrap();
    let mut coordinator = runner();
    coordinator.args(["--redis", &server.url(), "--coordinate", "--lease", LEASE]);
    let _runner = Process::spawn(&mut coordinator, &server.dir().join("runner.log"));
    let flags = ["--lease", LEASE, "--rate", "100000"];
    let mut gateways: Vec<Gateway> =
        (0..2).map(|_| Gateway::start(&server.url(), None, &flags)).collect();
    let log = server.dir().join("workers.log");
    let mut worker =
        |gateway: &Gateway| Process::spawn(command.env("AOB_URL", gateway.url()), &log);
    let mut workers: Vec<Process> = (0..WORKERS).map(|at| worker(&gateways[at % 2])).collect();

    let digest = publish(&runs, &example("numbers.yaml")).await;
    let numbers: Vec<u64> = (0..tasks()).collect();
    let run = start(&runs, &digest, json!({"numbers": numbers})).await;
    let (began, mut kills, mut gone, mut before) = (Instant::now(), 0, 0, 0);
    let state = loop {
        let pause = Duration::from_millis(random.random_range(100..400));
        let state = runs.wait(&run, pause).await.unwrap();
        if state.is_ended() {
            break state;
        }
        assert!(began.elapsed() < PATIENCE, "{}", workers[0].said());
        if state.head.settled < before + BETWEEN {
            continue;
        }
        before = state.head.settled;
        kills += 1;
        if kills % 10 == 5 {
            // On the same port, as a service keeps its address.
            let at = gone % 2;
            let again = gateways.remove(at).again();
            gateways.insert(at, again);
            gone += 1;
        }
        let at = random.random_range(0..WORKERS);
        workers[at].kill9();
        workers[at] = worker(&gateways[at % 2]);
    };
    let took = began.elapsed().as_secs_f64();
    let (outcome, error) = (state.head.outcome, &state.head.failure);
    assert_eq!(outcome, Some(RunOutcome::Succeeded), "{error:?} {}", workers[0].said());
    check(&runs, &run).await;
    println!(
        "{name}: {} tasks in {took:.1} s, {kills} kills of workers, {gone} of gateways",
        tasks()
    );
    assert!(kills > 5, "only {kills} kills");
}

/// Every task counted once, and its answer is what came out.
async fn check(runs: &Runs, run: &str) {
    let mut settled = BTreeMap::<String, usize>::new();
    let mut lost = 0;
    for (event, _) in runs.history(run).await.unwrap() {
        for change in event.changes {
            match change {
                Change::Settled { at, outcome: Settled::Succeeded, .. }
                    if at.ends_with("/double") =>
                {
                    *settled.entry(at).or_default() += 1;
                }
                Change::Lost { .. } => lost += 1,
                _ => {}
            }
        }
    }
    assert_eq!(settled.len() as u64, tasks());
    assert!(settled.values().all(|times| *times == 1), "{settled:?}");
    let doubled: Vec<u64> = (0..tasks()).map(|n| 2 * n).collect();
    let output = runs.output(run, None).await.unwrap();
    assert_eq!(output.as_deref(), Some(&json!(doubled)));
    runs.verify(run).await.unwrap().unwrap();
    println!("{lost} attempts were lost and made again");
}

fn example(name: &str) -> Value {
    let text = std::fs::read(root().join("examples/workers").join(name)).unwrap();
    read::documents(&text, &read::Limits::default()).unwrap().remove(0).value
}

/// A worker as `cargo xtask types` built it.
fn built(name: &str) -> PathBuf {
    let path = root().join("target/workers").join(name);
    assert!(path.exists(), "{} is not there; cargo xtask types builds it", path.display());
    path
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

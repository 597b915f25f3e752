//! How often a server syncs its file, counted by strace.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aob_engine::step::{Answer, Input};
use aob_runner::coordinate::coordinate;
use aob_runner::runs::Runs;
use aob_store::testing::RedisServer;
use aob_store::{Claim, Signal};
use redis::{Connection, cmd};
use rustix::process::{Pid, kill_process};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{connection, workers};
use crate::documents::chain;
use crate::local::{PATIENCE, finish, publish, redis as store, runs, server, start};
use crate::turn::Turn;

/// Two lengths of chains: what one costs more than the other is what its further hops cost.
const LENGTHS: (usize, usize) = (20, 60);
/// What may come on top: a background sync, a worker that came late.
const SLACK: f64 = 0.1;

/// One client, one chain: a worker that commits and claims in one call syncs once for each hop.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn syncs_of_a_fused_hop() {
    let _turn = Turn::take("syncs of a fused hop").await;
    let server = server();
    let runs = runs(store(&server, 1).await);
    let mut counts = Vec::new();
    for length in [LENGTHS.0, LENGTHS.1] {
        let digest = publish(&runs, &chain(length)).await;
        let run = start(&runs, &digest, json!({})).await;
        let trace = Trace::start(&server);
        finish(&workers(&runs, 64), &[run]).await;
        counts.push(trace.stop());
    }
    judge("fused", &counts, 1.0);
}

/// The same with results that go to a coordinator: once for the result, once for what follows from it. Readers that
/// wait by then are served with what is written.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn syncs_of_a_signalled_hop() {
    let _turn = Turn::take("syncs of a signalled hop").await;
    let server = server();
    let runs = runs(store(&server, 1).await);
    let (stop, stopped) = watch::channel(false);
    let coordinator = tokio::spawn(coordinate(runs.clone(), 0, "coordinator".into(), stopped));
    let mut counts = Vec::new();
    for length in [LENGTHS.0, LENGTHS.1] {
        let digest = publish(&runs, &chain(length)).await;
        let trace = Trace::start(&server);
        let run = start(&runs, &digest, json!({})).await;
        report_all(&server, &runs, length).await;
        assert!(runs.wait(&run, PATIENCE).await.unwrap().is_ended());
        counts.push(trace.stop());
    }
    stop.send_replace(true);
    coordinator.await.unwrap();
    judge("signalled", &counts, 2.0);
}

/// Two workers that may not commit: they claim and report. While one of them has the task, the other one waits for
/// the next, and so does the coordinator.
async fn report_all(server: &RedisServer, runs: &Arc<Runs>, count: usize) {
    let left = Arc::new(AtomicUsize::new(count));
    let workers = ["one", "two"]
        .map(|name| tokio::spawn(report(connection(server), runs.clone(), name, left.clone())));
    for worker in workers {
        worker.await.unwrap();
    }
}

async fn report(mut connection: Connection, runs: Arc<Runs>, name: &str, left: Arc<AtomicUsize>) {
    let store = runs.store();
    let claim =
        Claim { consumer: name.into(), types: [Arc::from("noop")].into(), shard: 0, max: 1 };
    while left.load(Ordering::SeqCst) > 0 {
        let Some(task) = store.claim(&claim, Duration::from_millis(500)).await.unwrap().pop()
        else {
            continue;
        };
        let task = task.at;
        let result = Answer::Output(Arc::new(Value::Null));
        let input = Input::Settled { instance: task.instance.clone(), fence: task.fence, result };
        while waiting(&mut connection) < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let signal = Signal { run: task.run.clone(), input, t: aob_runner::clock::now() };
        left.fetch_sub(1, Ordering::SeqCst);
        store.report(&claim.consumer, &task, &signal).await.unwrap();
    }
}

/// How many clients wait in the server.
fn waiting(connection: &mut Connection) -> u32 {
    let info: String = cmd("INFO").arg("clients").query(connection).unwrap();
    let field = info.lines().find_map(|line| line.strip_prefix("blocked_clients:"));
    field.unwrap().trim().parse().unwrap()
}

fn judge(what: &str, counts: &[usize], most: f64) {
    let hops = (LENGTHS.1 - LENGTHS.0) as f64;
    let per_hop = (counts[1] as f64 - counts[0] as f64) / hops;
    println!("{what}: {per_hop:.3} syncs per hop; {counts:?} for chains of {LENGTHS:?}");
    assert!(per_hop >= most - SLACK, "too few: something was not synced, or not counted");
    assert!(per_hop <= most + SLACK);
}

/// strace on a server.
struct Trace {
    child: Child,
    file: PathBuf,
}

impl Trace {
    fn start(server: &RedisServer) -> Self {
        let file = server.dir().join("syncs");
        let mut command = Command::new("strace");
        command
            .args(["-f", "-e", "trace=fsync,fdatasync", "-p"])
            .arg(server.pid().unwrap().to_string());
        command
            .arg("-o")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("strace cannot be started ({error}); install strace"));
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        let attached = said.find(|line| line.as_ref().is_ok_and(|line| line.contains("attached")));
        assert!(
            attached.is_some(),
            "strace may not look at another process here: it needs CAP_SYS_PTRACE"
        );
        // Whatever else it says must not fill the pipe.
        std::thread::spawn(move || said.for_each(drop));
        Self { child, file }
    }

    /// Ends it; how many syncs there were.
    fn stop(mut self) -> usize {
        // Its last line is written when it has let go of the server.
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).unwrap();
        std::thread::sleep(Duration::from_millis(20));
        kill_process(pid, rustix::process::Signal::INT).unwrap();
        self.child.wait().unwrap();
        let text = std::fs::read_to_string(&self.file).unwrap();
        text.lines().filter(|line| line.contains("sync(")).count()
    }
}

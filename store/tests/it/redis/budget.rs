//! What a hop and an idle run cost, counted by the server itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use ::redis::{Value, cmd};
use aob_engine::check::Ceiling;
use aob_engine::compile::compile;
use aob_engine::ir::Ir;
use aob_engine::registry::Registry;
use aob_engine::route::{advance, start};
use aob_engine::state::{IrSet, State};
use aob_engine::step::{Answer, Envelope, Input, Now, StartRequest, Step};
use aob_store::redis::RedisStore;
use aob_store::testing::{RedisServer, ServerOptions};
use aob_store::{Claim, Commit, Committed, Item, Outcome, Store, Task};
use serde_json::json;

/// A chain of `nodes` noops, compiled.
fn chain(nodes: usize) -> Arc<Ir> {
    let id = |n: usize| format!("n{n}");
    let list: Vec<_> = (0..nodes).map(|n| json!({"id": id(n), "type": "noop"})).collect();
    let edges: Vec<_> = (1..nodes).map(|n| json!({"from": id(n - 1), "to": id(n)})).collect();
    let document = json!({
        "apiVersion": "aob.dev/v1alpha1", "kind": "Workflow", "metadata": {"name": "chain"},
        "spec": {"nodes": list, "edges": edges},
    });
    Arc::new(compile(&document, &Registry::builtin(), &Ceiling::default()).unwrap())
}

fn item(before: Option<Arc<State>>, step: Step, retention: u64) -> Item {
    Item {
        before,
        after: Arc::new(step.state),
        line: step.line,
        effects: step.effects,
        signals: Vec::new(),
        send: Vec::new(),
        link: 0,
        key: None,
        retention,
        patch: None,
    }
}

fn begin(store: &RedisStore, ir: &Arc<Ir>, number: u64, retention: u64) -> Item {
    let time = 1_700_000_000_000 + number;
    let run = aob_store::id::run(time, u128::from(number), 0);
    let request = StartRequest::new(run, "default".into(), Arc::new(json!({})), "user:ann".into());
    let now = Now { time, epoch: store.epoch() };
    item(None, start(&IrSet::new(0, ir.clone()), 0, &request, now).unwrap(), retention)
}

/// What follows on a task's answer.
fn hop(store: &RedisStore, ir: &Arc<Ir>, before: &Arc<State>, task: &Task, retention: u64) -> Item {
    let answer = Answer::Output(Arc::new(json!({"text": "x".repeat(100)})));
    let input =
        Input::Settled { instance: task.at.instance.clone(), fence: task.at.fence, result: answer };
    let now = Now { time: before.head.started + 5, epoch: store.epoch() };
    let context = BTreeMap::<String, Envelope>::new();
    let step = advance(&IrSet::new(0, ir.clone()), before, &context, &[input], now).unwrap();
    item(Some(before.clone()), step, retention)
}

pub(super) struct Counter {
    connection: ::redis::Connection,
}

impl Counter {
    pub(super) fn new(server: &RedisServer) -> Self {
        Self { connection: ::redis::Client::open(server.url()).unwrap().get_connection().unwrap() }
    }

    pub(super) fn reset(&mut self) {
        cmd("CONFIG").arg("RESETSTAT").exec(&mut self.connection).unwrap();
    }

    /// Microseconds of the server's main thread so far.
    fn cpu(&mut self) -> f64 {
        let info: String = cmd("INFO").arg("cpu").query(&mut self.connection).unwrap();
        let field = |name: &str| -> f64 {
            info.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
                .unwrap()
                .parse()
                .unwrap()
        };
        1e6 * (field("used_cpu_user_main_thread") + field("used_cpu_sys_main_thread"))
    }

    /// Calls made by functions, by command.
    pub(super) fn calls(&mut self) -> BTreeMap<String, u64> {
        let info: String = cmd("INFO").arg("commandstats").query(&mut self.connection).unwrap();
        let field = |line: &str, name: &str| -> u64 {
            line.split(&format!("{name}="))
                .nth(1)
                .unwrap()
                .split(',')
                .next()
                .unwrap()
                .parse()
                .unwrap()
        };
        let lines = info.lines().filter_map(|line| line.strip_prefix("cmdstat_")?.split_once(':'));
        let all: BTreeMap<&str, &str> = lines.collect();
        let own = |name: &&str| !["fcall", "info", "config|resetstat"].contains(name);
        let calls = all.iter().filter(|(name, _)| own(name));
        calls.map(|(name, line)| ((*name).to_owned(), field(line, "calls"))).collect()
    }

    fn keys(&mut self) -> Vec<String> {
        cmd("KEYS").arg("*").query(&mut self.connection).unwrap()
    }

    fn memory(&mut self, key: &str) -> u64 {
        cmd("MEMORY")
            .arg("USAGE")
            .arg(key)
            .arg("SAMPLES")
            .arg(0)
            .query(&mut self.connection)
            .unwrap()
    }
}

async fn commit(store: &RedisStore, items: Vec<Item>, claim: Option<Claim>) -> Committed {
    let count = items.len();
    let committed = store.commit(Commit { items, claim, holder: None }).await.unwrap();
    assert_eq!(committed.outcomes, vec![Outcome::Applied; count]);
    committed
}

/// At most 6 calls within the functions per hop, however many hops a commit carries and claims for.
#[tokio::test]
async fn calls_of_a_hop() {
    let server = RedisServer::start(ServerOptions::default()).unwrap();
    let store = RedisStore::open(&server.url()).await.unwrap();
    let mut counter = Counter::new(&server);
    let ir = chain(40);
    let mut number = 0;
    for batch in [1, 8, 64] {
        let types: Arc<[Arc<str>]> =
            ["noop", "transform", "http", "delay", "exec"].map(Arc::from).into_iter().collect();
        let claim =
            || Some(Claim { consumer: "w".into(), types: types.clone(), shard: 0, max: batch });
        let mut states = BTreeMap::new();
        let mut items = Vec::new();
        for _ in 0..batch {
            number += 1;
            items.push(begin(&store, &ir, number, 0));
        }
        states.extend(items.iter().map(|item| (item.after.head.run.clone(), item.after.clone())));
        let mut tasks = commit(&store, items, claim()).await.claimed;
        let (mut hops, mut cpu) = (0, 0.0);
        for round in 0..38 {
            if round == 2 {
                // By now it is known which streams are empty.
                counter.reset();
                hops = 0;
                cpu = counter.cpu();
            }
            assert_eq!(tasks.len(), batch);
            let items: Vec<Item> =
                tasks.iter().map(|task| hop(&store, &ir, &states[&task.at.run], task, 0)).collect();
            states
                .extend(items.iter().map(|item| (item.after.head.run.clone(), item.after.clone())));
            hops += items.len() as u64;
            tasks = commit(&store, items, claim()).await.claimed;
        }
        let calls = counter.calls();
        let total: u64 = calls.values().sum();
        let (per_hop, cpu) = (total as f64 / hops as f64, (counter.cpu() - cpu) / hops as f64);
        println!(
            "batch {batch}: {per_hop:.2} calls and {cpu:.1} us of the server's thread per hop, {calls:?}"
        );
        assert!(per_hop <= 6.0, "{per_hop} calls per hop at batch {batch}");
        assert_eq!(calls.get("xadd").copied(), Some(hops), "a task per hop");
        // Last: every run is over and gone.
        let items: Vec<Item> =
            tasks.iter().map(|task| hop(&store, &ir, &states[&task.at.run], task, 0)).collect();
        states.extend(items.iter().map(|item| (item.after.head.run.clone(), item.after.clone())));
        tasks = commit(&store, items, claim()).await.claimed;
        let items: Vec<Item> =
            tasks.iter().map(|task| hop(&store, &ir, &states[&task.at.run], task, 0)).collect();
        assert!(items.iter().all(|item| item.after.is_ended()));
        commit(&store, items, claim()).await;
    }
    let left: Vec<String> = counter.keys().into_iter().filter(|key| key.contains("run_")).collect();
    assert_eq!(left, Vec::<String>::new());
}

/// At most 3 KiB for an idle run of 10 nodes, in all keys together.
#[tokio::test]
async fn memory_of_an_idle_run() {
    let server = RedisServer::start(ServerOptions::default()).unwrap();
    let store = RedisStore::open(&server.url()).await.unwrap();
    let mut counter = Counter::new(&server);
    let ir = chain(10);
    // What all runs share is there already.
    let first = begin(&store, &ir, 0, 60_000);
    commit(&store, vec![first], None).await;
    let sum = |counter: &mut Counter| -> BTreeMap<String, u64> {
        let mut kinds = BTreeMap::new();
        for key in counter.keys() {
            let bytes = counter.memory(&key);
            let kind = key.split(':').nth(2).unwrap_or_default().to_owned();
            *kinds.entry(kind).or_insert(0) += bytes;
        }
        kinds
    };
    let before = sum(&mut counter);
    let runs = 400;
    for chunk in 0..4 {
        let items = (0..100).map(|n| begin(&store, &ir, 1 + 100 * chunk + n, 60_000)).collect();
        commit(&store, items, None).await;
    }
    let after = sum(&mut counter);
    let per_run: BTreeMap<&str, u64> = after
        .iter()
        .map(|(kind, bytes)| (&**kind, (bytes - before.get(kind).unwrap_or(&0)) / runs))
        .collect();
    let total: u64 = per_run.values().sum();
    println!("an idle run of 10 nodes takes {total} bytes: {per_run:?}");
    assert!(total <= 3 * 1024, "{total}");
}

/// Ended runs leave nothing but what is bounded.
#[tokio::test]
async fn short_runs_leave_nothing() {
    let server =
        RedisServer::start(ServerOptions { appendfsync: None, ..ServerOptions::default() })
            .unwrap();
    let store = RedisStore::open(&server.url()).await.unwrap();
    let mut counter = Counter::new(&server);
    let ir = chain(1);
    let claim = || {
        Some(Claim { consumer: "w".into(), types: [Arc::from("noop")].into(), shard: 0, max: 100 })
    };
    let mut seen = Vec::new();
    let mut number = 0;
    for _ in 0..3 {
        for _ in 0..10 {
            let items: Vec<Item> = (0..100).map(|n| begin(&store, &ir, number + n, 0)).collect();
            number += 100;
            let states: BTreeMap<_, _> = items
                .iter()
                .map(|item| (item.after.head.run.clone(), item.after.clone()))
                .collect();
            let tasks = commit(&store, items, claim()).await.claimed;
            let items =
                tasks.iter().map(|task| hop(&store, &ir, &states[&task.at.run], task, 0)).collect();
            commit(&store, items, None).await;
        }
        let mut sizes = BTreeMap::new();
        for key in counter.keys() {
            let bytes = counter.memory(&key);
            sizes.insert(key, bytes);
        }
        assert!(!sizes.keys().any(|key| key.contains("run_")), "{sizes:?}");
        seen.push(sizes.values().sum::<u64>());
    }
    println!("keys after 1,000, 2,000 and 3,000 runs: {seen:?} bytes");
    assert!(seen[2] <= seen[1] + seen[1] / 100, "{seen:?}");
    let value: Value =
        cmd("XLEN").arg("aob:{s0}:wf.tasks.noop").query(&mut counter.connection).unwrap();
    assert_eq!(value, Value::Int(0));
}

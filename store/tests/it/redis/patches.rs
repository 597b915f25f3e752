//! What patches cost the server, and compaction that is killed.

use std::time::{Duration, Instant};

use ::redis::{Value, cmd};
use aob_engine::patch::Record;
use aob_engine::state::State;
use aob_store::redis::RedisStore;
use aob_store::testing::{RedisServer, ServerOptions};
use aob_store::{Item, Outcome, Store};
use std::sync::Arc;

use super::budget::Counter;
use crate::suite::fixture::{BEGIN, accepted, applied, commit, next, run_id, start};
use crate::suite::patches::document;

/// A run of so many revisions.
async fn patched(store: &RedisStore, run: &Arc<str>, revisions: u32) -> Arc<State> {
    let mut state = applied(store, start(store, run, 1)).await;
    for revision in 1..=revisions {
        let draft = next(store, &state).patched_as(&format!("patch_{revision}"));
        state = applied(store, draft).await;
    }
    state
}

/// A commit without a record makes the same calls as ever, also in a run that was patched; a record costs three more:
/// whether its id is known, the record itself, and the list.
#[tokio::test]
async fn calls_of_a_record() {
    let server = RedisServer::start(ServerOptions::default()).unwrap();
    let store = RedisStore::open(&server.url()).await.unwrap();
    let mut counter = Counter::new(&server);
    let state = patched(&store, &run_id(), 3).await;
    let mut cost = async |item: Item| {
        counter.reset();
        assert_eq!(commit(&store, vec![item]).await, [Outcome::Applied]);
        let calls = counter.calls();
        (calls.values().sum::<u64>(), calls)
    };
    let (plain, calls) = cost(next(&store, &state).item()).await;
    let state = store.load(&state.head.run).await.unwrap().unwrap();
    // GET of the epoch, HSET, RPUSH.
    assert_eq!(plain, 3, "{calls:?}");
    let (with, calls) = cost(next(&store, &state).patched_as("patch_4").item()).await;
    assert_eq!(with, plain + 3, "{calls:?}");
    let other = applied(&store, start(&store, &run_id(), 1)).await;
    let end = |state: &Arc<State>| Item { retention: 0, ..next(&store, state).end(BEGIN).item() };
    let (plain, calls) = cost(end(&other)).await;
    // GET, HKEYS for its timers, HMGET of what else it has, UNLINK, ZREM.
    assert_eq!(plain, 5, "{calls:?}");
    let state = store.load(&state.head.run).await.unwrap().unwrap();
    let (with, calls) = cost(end(&state)).await;
    assert_eq!(with, plain + 2, "{calls:?}");
    let keys: Vec<String> = counter_keys(&server);
    assert!(!keys.iter().any(|key| key.contains("run_") || key.contains("patched")), "{keys:?}");
}

fn counter_keys(server: &RedisServer) -> Vec<String> {
    let mut connection = ::redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    cmd("KEYS").arg("*").query(&mut connection).unwrap()
}

/// Any revision of a run of 400, compacted all along, is one call that reads a base and a pack; in the hash, records
/// are one field for each twenty.
#[tokio::test]
async fn cost_of_a_chain() {
    let server = RedisServer::start(ServerOptions::default()).unwrap();
    let store = RedisStore::open(&server.url()).await.unwrap();
    let mut counter = Counter::new(&server);
    let run = run_id();
    patched(&store, &run, 400).await;
    for revision in (20..=400).step_by(20) {
        store.compact(&run, revision, &document(revision)).await.unwrap();
    }
    for revision in [19, 20, 21, 199, 200, 399, 400] {
        counter.reset();
        let chain = store.chain(&run, revision).await.unwrap();
        let calls = counter.calls();
        assert!(calls.values().sum::<u64>() <= 7, "{revision}: {calls:?}");
        assert_eq!(chain.overlays.len() as u32, revision % 20);
    }
    let mut connection = ::redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    let key = format!("aob:{{s0}}:patches:{run}");
    let fields: Vec<String> = cmd("HKEYS").arg(&key).query(&mut connection).unwrap();
    let of = |kind: &str| fields.iter().filter(|field| field.starts_with(kind)).count();
    assert_eq!((of("k:"), of("o:"), of("p:")), (20, 0, 400));
}

/// A task that is taken back for a patch leaves its stream, and the one published in its stead is there.
#[tokio::test]
async fn recalled_tasks_leave_the_stream() {
    let server = RedisServer::start(ServerOptions::default()).unwrap();
    let store = RedisStore::open(&server.url()).await.unwrap();
    let state = applied(&store, start(&store, &run_id(), 3).publish(0).publish(1)).await;
    let mut connection = ::redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    let mut length =
        || -> Value { cmd("XLEN").arg("aob:{s0}:wf.tasks.noop").query(&mut connection).unwrap() };
    assert_eq!(length(), Value::Int(2));
    let state =
        applied(&store, next(&store, &state).recall(0).publish(0).patched_as("patch_1")).await;
    assert_eq!(length(), Value::Int(2));
    applied(&store, next(&store, &state).recall(0).recall(1).patched_as("patch_2")).await;
    assert_eq!(length(), Value::Int(0));
}

/// A server that is killed while it compacts has the base or has it not, and every revision is to be had either way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_while_it_compacts() {
    let mut server = RedisServer::start(ServerOptions::default()).unwrap();
    let store = Arc::new(RedisStore::open(&server.url()).await.unwrap());
    let (mut whole, mut kept) = (0, 0);
    for round in 0..16_u32 {
        let run = run_id();
        patched(&store, &run, 100).await;
        let (compacting, name) = (store.clone(), run.clone());
        let task = tokio::spawn(async move {
            for revision in (20..=100).step_by(20) {
                compacting.compact(&name, revision, &document(revision)).await.unwrap();
            }
        });
        let pause = Duration::from_micros(rand::random_range(0..6_000));
        println!("round {round}: killed after {pause:?}");
        let until = Instant::now() + pause;
        while Instant::now() < until {
            tokio::task::yield_now().await;
        }
        // It must not go on by itself: what the kill left is looked at.
        task.abort();
        server.kill9();
        let _ = task.await;
        server.restart().unwrap();
        let check = async || {
            let mut bases = std::collections::BTreeSet::new();
            for revision in 0..=100_u32 {
                let chain = store.chain(&run, revision).await.unwrap();
                let from = chain.base.as_ref().map_or(0, |(base, _)| *base);
                assert!(chain.base.is_none_or(|(base, kept)| kept == document(base)));
                let records: Vec<Record> =
                    (from + 1..=revision).map(|at| accepted(&format!("patch_{at}"), at)).collect();
                assert_eq!(chain.overlays, records, "{revision} from {from}");
                bases.insert(from);
            }
            let records = store.patches(&run).await.unwrap();
            assert_eq!(records.len(), 100);
            bases.len()
        };
        kept += check().await - 1;
        for revision in (20..=100).step_by(20) {
            store.compact(&run, revision, &document(revision)).await.unwrap();
        }
        assert_eq!(check().await, 6);
        whole += 1;
    }
    println!("{kept} of {} bases were there after the kill", whole * 5);
}

//! Restarts and broken connections, with handles that live through them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ::redis::cmd;
use aob_engine::step::{Answer, Input};
use aob_store::redis::{Options, RedisStore};
use aob_store::testing::{RedisServer, ServerOptions};
use aob_store::{Beat, Commit, Error, Outcome, Signal, Store, Task};
use serde_json::json;

use super::proxy::Proxy;
use crate::suite::fixture::{
    AT_ONCE, BEGIN, Draft, LONG, applied, claim, commit, commit_and_claim, instances, next, noops,
    run_id, signals, start,
};

fn server() -> RedisServer {
    RedisServer::start(ServerOptions::default()).unwrap()
}

/// A handle that lives through kill -9 is told once that the epoch has changed, and has lost nothing acknowledged.
#[tokio::test(flavor = "multi_thread")]
async fn a_handle_lives_through_a_kill() {
    let mut server = server();
    let store = RedisStore::open(&server.url()).await.unwrap();
    let run = run_id();
    let mut state = applied(&store, start(&store, &run, 100).publish(0)).await;
    let mut slot = 0;
    for _ in 0..3 {
        for _ in 0..20 {
            state =
                applied(&store, next(&store, &state).settle(slot, json!(slot)).publish(slot + 1))
                    .await;
            slot += 1;
        }
        let stale = next(&store, &state).settle(slot, json!("stale")).item();
        let epoch = store.epoch();
        server.kill9();
        server.restart().unwrap();
        let refused = store.commit(Commit { items: vec![stale], ..Commit::default() }).await;
        assert!(matches!(refused, Err(Error::Epoch)), "{refused:?}");
        let fresh = store.epoch();
        assert_ne!(fresh, epoch);
        assert_eq!(*store.load(&run).await.unwrap().unwrap(), *state);
        let n = usize::try_from(state.head.seq).unwrap();
        assert_eq!(store.events(&run, 0, 1_000).await.unwrap().len(), n);
        // Said once: what is decided now is written.
        state =
            applied(&store, next(&store, &state).settle(slot, json!(slot)).publish(slot + 1)).await;
        slot += 1;
        assert_eq!(store.epoch(), fresh);
    }
}

/// A worker that slept through a restart, and whose attempt was given to another, writes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_zombie_is_refused() {
    let mut server = server();
    let zombie = RedisStore::open(&server.url()).await.unwrap();
    let state = applied(&zombie, start(&zombie, &run_id(), 2).publish(0)).await;
    let task = claim(&zombie, "zombie", 1).await.remove(0);
    let late = next(&zombie, &state).settle(0, json!("late")).publish(1).item();
    server.kill9();
    server.restart().unwrap();
    let store = RedisStore::open(&server.url()).await.unwrap();
    assert_eq!(store.sweep(0, AT_ONCE, BEGIN).await.unwrap().0, 1);
    let lost = signals(&store, "c").await;
    let mut item = next(&store, &state).lost(0).item();
    item.signals = lost.into_iter().map(|entry| entry.id).collect();
    let state = item.after.clone();
    assert_eq!(commit(&store, vec![item]).await, [Outcome::Applied]);
    let again = claim(&store, "v", 1).await.remove(0);
    assert_ne!(again.at.fence, task.at.fence);
    let refused = zombie.commit(Commit { items: vec![late], ..Commit::default() }).await;
    assert!(matches!(refused, Err(Error::Epoch)), "{refused:?}");
    let beat = Beat {
        consumer: "zombie".into(),
        shard: 0,
        types: [Arc::from("noop")].into(),
        tasks: vec![task.at.clone()],
        begin: vec![],
        lease: 30_000,
    };
    assert_eq!(zombie.beat(&beat).await.unwrap().kept, [false]);
    assert_eq!(*zombie.load(&state.head.run).await.unwrap().unwrap(), *state);
}

/// The epoch key alone is not enough: a server that was not opened refuses even the right epoch.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_before_the_epoch_changed() {
    let mut server = server();
    let store = RedisStore::open(&server.url()).await.unwrap();
    let state = applied(&store, start(&store, &run_id(), 1).publish(0)).await;
    server.kill9();
    server.restart().unwrap();
    let mut connection = ::redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    let epoch = format!("{:016x}", store.epoch());
    for function in [
        "aob1_commit",
        "aob1_beat",
        "aob1_report",
        "aob1_sweep",
        "aob1_hold",
        "aob1_drop",
        "aob1_log",
        "aob1_rate",
        "aob1_watch",
        "aob1_settle",
    ] {
        let mut command = cmd("FCALL");
        command.arg(function).arg(1).arg("aob:{s0}:epoch").arg(&epoch);
        command.arg(&*state.head.run).arg("0").arg("0").arg("0");
        let refused = command.exec(&mut connection).unwrap_err();
        assert_eq!(refused.code(), Some("AOBEPOCH"), "{function}: {refused}");
    }
}

/// What the functions remember of runs is forgotten when one of them dies midway: what it had begun to note was never
/// written.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_died_is_not_remembered() {
    let server = server();
    let store = RedisStore::open(&server.url()).await.unwrap();
    let state = applied(&store, start(&store, &run_id(), 3).publish(0)).await;
    let mut connection = ::redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    cmd("SET").arg("aob:{s0}:wf.tasks.http").arg("no stream").exec(&mut connection).unwrap();
    let item =
        || next(&store, &state).settle(0, json!(1)).publish_as(1, "http", false, json!({})).item();
    let died = store.commit(Commit { items: vec![item()], ..Commit::default() }).await;
    assert!(died.is_err(), "{died:?}");
    assert_eq!(*store.load(&state.head.run).await.unwrap().unwrap(), *state);
    cmd("DEL").arg("aob:{s0}:wf.tasks.http").exec(&mut connection).unwrap();
    assert_eq!(commit(&store, vec![item()]).await, [Outcome::Applied]);
}

/// What the functions remember of runs is of one epoch: other data under another epoch are read.
#[tokio::test(flavor = "multi_thread")]
async fn another_epoch_remembers_nothing() {
    let server = server();
    let store = RedisStore::open(&server.url()).await.unwrap();
    let state = applied(&store, start(&store, &run_id(), 3).publish(0)).await;
    let mut connection = ::redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    // As if these were the data of another server.
    cmd("DEL").arg("aob:{s0}:epoch").exec(&mut connection).unwrap();
    let key = format!("aob:{{s0}}:run:{}", state.head.run);
    cmd("HSET").arg(key).arg("seq").arg(2).exec(&mut connection).unwrap();
    let stale = vec![next(&store, &state).settle(0, json!(1)).item()];
    let refused = store.commit(Commit { items: stale, ..Commit::default() }).await;
    assert!(matches!(refused, Err(Error::Epoch)), "{refused:?}");
    let again = vec![next(&store, &state).settle(0, json!(1)).item()];
    assert_eq!(commit(&store, again).await, [Outcome::Conflict]);
}

/// Where a restart may lose what was acknowledged.
fn forgetful() -> RedisServer {
    let options = ServerOptions { appendfsync: Some("everysec"), ..ServerOptions::default() };
    RedisServer::start(options).unwrap()
}

fn beat(name: &str, task: &Task, begin: &[usize]) -> Beat {
    Beat {
        consumer: name.into(),
        shard: 0,
        types: [Arc::from("noop")].into(),
        tasks: vec![task.at.clone()],
        begin: begin.to_vec(),
        lease: 30_000,
    }
}

/// Where every write is on disk before it is acknowledged a restart leaves no claim in doubt, however often: what
/// nobody had begun begins, and what nobody had claimed is taken back at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_restart_that_loses_nothing_leaves_nothing_in_doubt() {
    let mut server = server();
    let mut store = RedisStore::open(&server.url()).await.unwrap();
    let once = |draft: Draft, slot| draft.publish_as(slot, "noop", true, json!({}));
    let draft = once(once(start(&store, &run_id(), 3), 0), 1).publish(2);
    let mut state = applied(&store, draft).await;
    let begun = claim(&store, "w", 1).await.remove(0);
    assert_eq!(store.beat(&beat("w", &begun, &[0])).await.unwrap().kept, [true]);
    for _ in 0..3 {
        server.kill9();
        server.restart().unwrap();
        store = RedisStore::open(&server.url()).await.unwrap();
        assert_eq!(store.claimed(&state).await.unwrap(), ["n0"]);
    }
    let other = claim(&store, "v", 1).await.remove(0);
    assert_eq!(store.beat(&beat("v", &other, &[0])).await.unwrap().kept, [true]);
    state = applied(&store, next(&store, &state).recall(2)).await;
    let mut claimed = store.claimed(&state).await.unwrap();
    claimed.sort();
    assert_eq!(claimed, ["n0", "n1"]);
    assert!(signals(&store, "c").await.is_empty(), "nothing was lost");
    // Once it may forget, what it gave out before is in doubt.
    let mut connection = ::redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    let state = applied(&store, once(next(&store, &state), 2)).await;
    cmd("CONFIG").arg("SET").arg("appendfsync").arg("everysec").exec(&mut connection).unwrap();
    // Whoever opens it next sees that.
    drop(RedisStore::open(&server.url()).await.unwrap());
    server.kill9();
    server.restart().unwrap();
    let store = RedisStore::open(&server.url()).await.unwrap();
    let doubtful = claim(&store, "v", 1).await.remove(0);
    assert_eq!(doubtful.at.run, state.head.run);
    assert_eq!(store.beat(&beat("v", &doubtful, &[0])).await.unwrap().kept, [false]);
}

/// A worker that has not heard of the restart is judged by the server's epoch, not by its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_first_beat_is_judged_by_the_server_s_epoch() {
    let mut server = forgetful();
    let slow = RedisStore::open(&server.url()).await.unwrap();
    let draft = start(&slow, &run_id(), 1).publish_as(0, "noop", true, json!({}));
    applied(&slow, draft).await;
    let task = claim(&slow, "w", 1).await.remove(0);
    // In order, so that the claim is there after the restart.
    server.stop().unwrap();
    server.restart().unwrap();
    let fast = RedisStore::open(&server.url()).await.unwrap();
    assert_ne!(fast.epoch(), slow.epoch());
    assert_eq!(slow.beat(&beat("w", &task, &[0])).await.unwrap().kept, [false]);
    let [lost] = &signals(&fast, "c").await[..] else { panic!("one signal") };
    let input = Input::Lost { instance: "n0".into(), fence: task.at.fence, begun: true };
    assert_eq!(lost.signal.input, input);
}

/// After a failover to a slower clock another task may have the id of the one that is reported.
#[tokio::test(flavor = "multi_thread")]
async fn a_report_moves_no_other_task_of_the_same_id() {
    let server = server();
    let store = RedisStore::open(&server.url()).await.unwrap();
    let run = run_id();
    applied(&store, start(&store, &run, 1).publish(0)).await;
    let task = claim(&store, "w", 1).await.remove(0);
    let mut connection = ::redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    let stream = "aob:{s0}:wf.tasks.noop";
    let id = task.at.entry.split('@').next().unwrap();
    let entries: Vec<(String, Vec<String>)> =
        cmd("XRANGE").arg(stream).arg(id).arg(id).query(&mut connection).unwrap();
    let mut fence = task.at.fence;
    fence.1 += 7;
    let other = entries[0].1[1].replace(&task.at.fence.to_string(), &fence.to_string());
    assert_ne!(other, entries[0].1[1], "another task");
    cmd("DEL").arg(stream).exec(&mut connection).unwrap();
    cmd("XADD").arg(stream).arg(id).arg("task").arg(other).exec(&mut connection).unwrap();
    cmd("XGROUP").arg("CREATE").arg(stream).arg("workers").arg("0").exec(&mut connection).unwrap();
    let theirs = claim(&store, "v", 1).await.remove(0);
    assert_eq!((theirs.at.fence, &*theirs.at.run), (fence, &*run));
    let result = Answer::Output(Arc::new(json!(1)));
    let input = Input::Settled { instance: "n0".into(), fence: task.at.fence, result };
    let signal = Signal { run, input, t: BEGIN };
    store.report("w", &task.at, &signal).await.unwrap();
    let told: Vec<Signal> =
        signals(&store, "c").await.into_iter().map(|entry| entry.signal).collect();
    assert_eq!(told, [signal], "the answer is told, whatever became of the entry");
    let kept = store.beat(&beat("v", &theirs, &[])).await.unwrap().kept;
    assert_eq!(kept, [true], "the other task is where it was");
}

/// A task of an older epoch that nobody claims counts as claimed for one lease; a `once` one is not begun.
#[tokio::test(flavor = "multi_thread")]
async fn claims_that_a_restart_may_have_forgotten() {
    let mut server = forgetful();
    let options = || Options { lease: Duration::from_secs(3), ..Options::default() };
    let store = RedisStore::open_with(&server.url(), options()).await.unwrap();
    let draft = start(&store, &run_id(), 3).publish(0).publish_as(1, "noop", true, json!({}));
    let state = applied(&store, draft).await;
    server.stop().unwrap();
    server.restart().unwrap();
    let since = Instant::now();
    let store = RedisStore::open_with(&server.url(), options()).await.unwrap();
    let recalled = commit(&store, vec![next(&store, &state).recall(0).item()]).await;
    assert!(
        recalled == [Outcome::Claimed] || since.elapsed() > Duration::from_secs(3),
        "{recalled:?}"
    );
    let mut claimed = store.claimed(&state).await.unwrap();
    claimed.sort();
    assert!(claimed == ["n0", "n1"] || since.elapsed() > Duration::from_secs(3), "{claimed:?}");
    while commit(&store, vec![next(&store, &state).recall(0).item()]).await != [Outcome::Applied] {
        assert!(since.elapsed() < LONG, "after a lease it is what it seems");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(since.elapsed() >= Duration::from_millis(2_500), "too early");
    let once = claim(&store, "w", 9).await.remove(0);
    assert_eq!(store.beat(&beat("w", &once, &[])).await.unwrap().kept, [true]);
    assert_eq!(store.beat(&beat("w", &once, &[0])).await.unwrap().kept, [false]);
    let [lost] = &signals(&store, "c").await[..] else { panic!("one signal") };
    assert_eq!(
        lost.signal.input,
        Input::Lost { instance: "n1".into(), fence: once.at.fence, begun: true }
    );
}

/// A claim that the server forgot is taken again by the beat that names it.
#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_claim_is_taken_again() {
    let server = server();
    let store = RedisStore::open(&server.url()).await.unwrap();
    let state = applied(&store, start(&store, &run_id(), 2).publish(0)).await;
    let task = claim(&store, "w", 1).await.remove(0);
    let mut connection = ::redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    // As if the claim had not reached the disk: nobody has it, and the cursor stands before it.
    let stream = "aob:{s0}:wf.tasks.noop";
    let id = task.at.entry.split('@').next().unwrap();
    cmd("XACK").arg(stream).arg("workers").arg(id).exec(&mut connection).unwrap();
    assert_eq!(store.beat(&beat("w", &task, &[])).await.unwrap().kept, [true]);
    assert_eq!(store.claimed(&state).await.unwrap(), ["n0"]);
    assert_eq!(store.beat(&beat("v", &task, &[])).await.unwrap().kept, [false]);
    // Other content under the same id is not the task.
    let mut other = task.clone();
    other.at.fence.1 += 7;
    other.at.entry = format!("{id}@{}", other.at.fence);
    cmd("XACK").arg(stream).arg("workers").arg(id).exec(&mut connection).unwrap();
    assert_eq!(store.beat(&beat("w", &other, &[])).await.unwrap().kept, [false]);
}

/// Connections that break are made anew, also under those who wait.
#[tokio::test(flavor = "multi_thread")]
async fn broken_connections_are_made_anew() {
    let server = server();
    let store = Arc::new(RedisStore::open(&server.url()).await.unwrap());
    let state = applied(&*store, start(&*store, &run_id(), 30).publish(0)).await;
    let waiting = {
        let store = store.clone();
        tokio::spawn(async move {
            loop {
                let tasks = store.claim(&noops("w", 9), LONG).await;
                if let Ok([first, ..]) = tasks.as_deref() {
                    return first.at.instance.clone();
                }
            }
        })
    };
    assert_eq!(claim(&*store, "v", 1).await.len() + usize::from(waiting.is_finished()), 1);
    let mut connection = ::redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    let mut state = state;
    for slot in 0..10 {
        cmd("CLIENT").arg("KILL").arg("TYPE").arg("normal").exec(&mut connection).unwrap();
        let signal = Signal {
            run: state.head.run.clone(),
            input: Input::Settled {
                instance: "x".into(),
                fence: aob_engine::state::Fence(1, 1),
                result: Answer::Output(Arc::new(json!(slot))),
            },
            t: slot,
        };
        store.signal(&signal).await.unwrap();
        state = applied(&*store, next(&*store, &state)).await;
    }
    applied(&*store, next(&*store, &state).publish(1)).await;
    assert!(!waiting.await.unwrap().is_empty());
    assert!(signals(&*store, "c").await.len() >= 10);
}

/// Who waits in one process is woken by the commit of another; who waits for the end beside them, by that.
#[tokio::test(flavor = "multi_thread")]
async fn news_reach_other_processes() {
    let server = server();
    let (here, there) = (
        Arc::new(RedisStore::open(&server.url()).await.unwrap()),
        RedisStore::open(&server.url()).await.unwrap(),
    );
    let run = run_id();
    let mut state = applied(&there, start(&there, &run, 60).publish(0)).await;
    let mut longest = Duration::ZERO;
    let (waiter, name) = (here.clone(), run.clone());
    let ending = tokio::spawn(async move { waiter.watch_end(&name, LONG).await.unwrap() });
    for slot in 0..20 {
        let (waiter, run, seq) = (here.clone(), run.clone(), state.head.seq);
        let waiting = tokio::spawn(async move { waiter.watch(&run, seq, LONG).await.unwrap() });
        let since = Instant::now();
        state =
            applied(&there, next(&there, &state).settle(slot, json!(1)).publish(slot + 1)).await;
        assert_eq!(waiting.await.unwrap(), state.head.seq);
        // The first one waits for the listener too.
        longest = longest.max(if slot == 0 { Duration::ZERO } else { since.elapsed() });
    }
    assert!(!ending.is_finished(), "it is not over");
    let since = Instant::now();
    applied(&there, next(&there, &state).end(BEGIN)).await;
    assert_eq!(ending.await.unwrap(), state.head.seq + 1);
    longest = longest.max(since.elapsed());
    assert!(
        longest < Duration::from_millis(1_500),
        "{longest:?}: found by looking, not by the bell"
    );
}

/// A commit whose answer was lost is sent again and found to be there; what it claimed comes with the next beat.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_changes_nothing() {
    let server = server();
    let proxy = Proxy::before(server.dir());
    let store = RedisStore::open(&proxy.url()).await.unwrap();
    let run = run_id();
    let state = applied(&store, start(&store, &run, 3).publish(0)).await;
    let item = next(&store, &state).settle(0, json!(0)).publish(1).item();
    let after = item.after.clone();
    proxy.lose_next();
    let committed = commit_and_claim(&store, vec![item], Some(noops("w", 5))).await;
    assert!(proxy.has_lost());
    assert_eq!(committed.outcomes, [Outcome::Conflict], "it was written the first time");
    assert_eq!(*store.load(&run).await.unwrap().unwrap(), *after);
    assert_eq!(store.events(&run, 0, 9).await.unwrap().len(), 2);
    let beat = Beat {
        consumer: "w".into(),
        shard: 0,
        types: [Arc::from("noop")].into(),
        tasks: vec![],
        begin: vec![],
        lease: 30_000,
    };
    let unnamed = [committed.claimed, store.beat(&beat).await.unwrap().unnamed].concat();
    assert_eq!(instances(&unnamed), ["n1"]);
}

/// A start with a key may be sent again; one without is not, since its run could have ended and gone meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_whose_answer_was_lost() {
    let server = server();
    let proxy = Proxy::before(server.dir());
    let store = RedisStore::open(&proxy.url()).await.unwrap();
    let (keyed, plain) = (run_id(), run_id());
    let mut item = start(&store, &keyed, 1).item();
    item.key = Some("k".into());
    // The look at the server's memory is behind us for a second.
    applied(&store, start(&store, &run_id(), 1)).await;
    proxy.lose_next();
    assert_eq!(commit(&store, vec![item]).await, [Outcome::Exists(keyed.clone())]);
    assert!(proxy.has_lost());
    proxy.lose_next();
    let refused = store
        .commit(Commit { items: vec![start(&store, &plain, 1).item()], ..Commit::default() })
        .await;
    assert!(proxy.has_lost());
    assert!(matches!(refused, Err(Error::Unreachable(_))), "{refused:?}");
    assert!(store.load(&plain).await.unwrap().is_some(), "it began, and whoever asks is told");
}

/// A copy of what is on disk is a server of its own, with everything acknowledged.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_the_data_has_everything() {
    let server = server();
    let store = RedisStore::open(&server.url()).await.unwrap();
    let run = run_id();
    let state = applied(&store, start(&store, &run, 3).publish(0)).await;
    let state = applied(&store, next(&store, &state).settle(0, json!(0)).publish(1)).await;
    let copy = RedisServer::start_on(ServerOptions::default(), server.dir()).unwrap();
    let other = RedisStore::open(&copy.url()).await.unwrap();
    assert_eq!(*other.load(&run).await.unwrap().unwrap(), *state);
    assert_ne!(other.epoch(), store.epoch());
}

/// After a restart that lost its last moments a run may come to the same seq by another way: a decision on the lost
/// one is refused, since the hash of the last event is another.
#[tokio::test]
async fn a_decision_on_a_lost_history_is_refused() {
    let server = server();
    let store = RedisStore::open(&server.url()).await.unwrap();
    let state = applied(&store, start(&store, &run_id(), 2).publish(0)).await;
    let mut lost = (*state).clone();
    lost.head.last = "ff".repeat(32).into();
    let item = next(&store, &Arc::new(lost)).settle(0, json!(0)).item();
    assert_eq!(commit(&store, vec![item]).await, [Outcome::Conflict]);
    applied(&store, next(&store, &state).settle(0, json!(0))).await;
}

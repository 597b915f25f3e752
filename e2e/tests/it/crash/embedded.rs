//! A process with a store of its own that is killed again and again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use aob_e2e::answer::TENANT;
use aob_e2e::witness::{self, Execution};
use aob_engine::check::Ceiling;
use aob_runner::runs::Runs;
use aob_store::Store as _;
use aob_store::embedded::{Embedded, Options};
use rand::Rng as _;
use tokio::time::Instant;

use super::seconds;
use crate::documents::{nodes, witnessed_chain};
use crate::effects::{Again, Tally, check};
use crate::local::PATIENCE;
use crate::process::{Process, witness_in};
use crate::turn::Turn;

/// Runs of one round; when they have ended, the next round begins.
const RUNS: u32 = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_only_process_is_killed() {
    let turn = Turn::take("crash of a process with a journal").await;
    let mut random = turn.random();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let document = witnessed_chain();
    std::fs::write(path("workflow.json"), document.to_string()).unwrap();
    let (mut round, mut kills) = (0, 0);
    let killing = Instant::now() + seconds();
    loop {
        let mut command = witness_in(&path("data"), &path("witness"), &path("workflow.json"));
        command.arg("--first").arg((round * RUNS).to_string()).arg("--runs").arg(RUNS.to_string());
        let mut process = Process::spawn(&mut command, &path("log"));
        let life = Duration::from_millis(random.random_range(30..400));
        let dies = if Instant::now() < killing {
            Instant::now() + life
        } else {
            Instant::now() + PATIENCE
        };
        let ended = loop {
            if process.ended().is_some() {
                break true;
            }
            if Instant::now() > dies {
                break false;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        if ended {
            round += 1;
            if Instant::now() > killing {
                break;
            }
            continue;
        }
        assert!(Instant::now() < killing + PATIENCE, "it does not end: {}", process.said());
        process.kill9();
        kills += 1;
    }
    let store = Arc::new(Embedded::open(path("data"), Options::default()).unwrap());
    let runs = Runs::new(store.clone(), witness::registry().unwrap(), Ceiling::default());
    let mut by_run = BTreeMap::<String, Vec<Execution>>::new();
    for execution in witness::read(&path("witness")).unwrap() {
        by_run.entry(execution.run.clone()).or_default().push(execution);
    }
    let (mut tally, mut wrong) = (Tally::default(), Vec::new());
    let nodes = nodes(&document);
    for number in 0..round * RUNS {
        let run = store.keyed(TENANT, &format!("run-{number}")).await.unwrap().unwrap();
        let executions = by_run.remove(&*run).unwrap_or_default();
        if let Err(why) =
            check(&runs, &run, &nodes, &executions, Again::InAnotherProcess, &mut tally).await
        {
            wrong.push(format!("{run}: {why}"));
        }
        if let Err(why) = runs.verify(&run).await.unwrap() {
            wrong.push(format!("{run}: {why}"));
        }
    }
    println!("{kills} kills, {round} rounds, {tally:?}");
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(by_run.is_empty(), "runs that are gone: {:?}", by_run.keys());
    assert!(kills > 10);
}

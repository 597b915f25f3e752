//! Two who patch the same run at once: one order, and nobody's change is lost.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aob_runner::runs::{Runs, Work};
use serde_json::{Value, json};

use super::side::Side;
use super::{ask, codes, patch};
use crate::documents::workflow;
use crate::local::{publish, redis, runs, server, start};
use crate::turn::{Turn, number};

/// How often two race.
const RACES: u64 = 1_000;

/// How long a patch takes at most, whoever else commits.
const WITHIN: Duration = Duration::from_millis(100);

/// A run that waits at a gate, so that nothing ends it.
fn waiting(patches: u64) -> Value {
    let gate = json!({"id": "gate", "type": "approval", "config": {"title": "Go on?"}});
    let side = |id: &str| json!({"id": id, "type": "noop"});
    let edge = |to: &str| json!({"from": "gate", "to": to});
    let mut document = workflow("waiting", &[gate, side("x"), side("y")], &[edge("x"), edge("y")]);
    document["spec"]["limits"] = json!({"patches": patches});
    document
}

/// A node on one of the two sides behind the gate, written against a revision.
fn addition(side: &str, id: &str, base: u32, on_conflict: &str) -> Value {
    json!({"base": base, "onConflict": on_conflict, "operations": [
        {"op": "add", "path": "/nodes/-", "value": {"id": id, "type": "noop"}},
        {"op": "add", "path": "/edges/-", "value": {"from": side, "to": id}},
    ]})
}

async fn ids(runs: &Runs, run: &str) -> BTreeSet<String> {
    let view = runs.view(run).await.unwrap();
    view.ir.nodes.iter().map(|node| node.id.to_string()).collect()
}

/// Each races the other with a patch of its own on the same base: strict ones lose to each other, one at a time;
/// rebased ones both take effect.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_patches_have_one_order() {
    let _turn = Turn::take("race of patches").await;
    let server = server();
    let runs = runs(redis(&server, 4).await);
    // Two processes with nothing in common but the server.
    let mut sides = [Side::start(&server.url()), Side::start(&server.url())];
    let races = number("AOB_RACES").unwrap_or(RACES);
    let digest = publish(&runs, &waiting(100)).await;
    let (mut both, mut one, mut won) = (0, 0, [0_u64; 2]);
    let mut run = start(&runs, &digest, json!({})).await;
    let mut expected: BTreeSet<String> = ids(&runs, &run).await;
    for race in 0..races {
        let mut revision = runs.store().load(&run).await.unwrap().unwrap().head.revision;
        if revision >= 40 {
            assert_eq!(ids(&runs, &run).await, expected);
            assert!(runs.verify(&run).await.unwrap().is_ok());
            run = start(&runs, &digest, json!({})).await;
            expected = ids(&runs, &run).await;
            revision = 0;
        }
        let rebase = race % 2 == 0;
        let on_conflict = if rebase { "Rebase" } else { "Strict" };
        let asked = ["x", "y"].map(|side| {
            let id = format!("{side}{race}");
            let request = addition(side, &id, revision, on_conflict);
            (id, request)
        });
        let answers = tokio::task::block_in_place(|| {
            // Now the one is told first, now the other.
            let first = usize::from(race % 4 > 1);
            for at in [first, 1 - first] {
                let (id, request) = &asked[at];
                sides[at].tell(&run, &format!("patch_{id}"), request);
            }
            sides.each_mut().map(Side::answer)
        });
        let accepted = answers.each_ref().map(|record| record.accepted().is_some());
        for (at, done) in accepted.iter().enumerate() {
            if *done {
                expected.insert(asked[at].0.clone());
            }
        }
        match accepted.iter().filter(|done| **done).count() {
            2 => both += 1,
            1 => {
                one += 1;
                let winner = usize::from(accepted[1]);
                won[winner] += 1;
                assert_eq!(codes(&answers[1 - winner]), ["AOB2101"]);
            }
            _ => panic!("nobody's patch took effect: {answers:?}"),
        }
        assert_eq!(accepted.iter().all(|done| *done), rebase, "{answers:?}");
        let mut revisions: Vec<u32> =
            answers.iter().filter_map(|record| Some(record.accepted()?.revision)).collect();
        revisions.sort_unstable();
        let next: Vec<u32> = (1..).map(|n| revision + n).take(revisions.len()).collect();
        assert_eq!(revisions, next, "one order");
    }
    assert_eq!(ids(&runs, &run).await, expected, "no update is lost");
    println!("{races} races: {both} both accepted, {one} one refused as stale; won by {won:?}");
    assert!(won.iter().all(|won| *won > 0), "they do race: {won:?}");
}

/// Sixteen others commit to the run all the time: the hold lets the patch go first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_patch_goes_before_rival_committers() {
    let _turn = Turn::take("patch against rivals").await;
    let server = server();
    let runs = runs(redis(&server, 1).await);
    let digest = publish(&runs, &waiting(100)).await;
    let run = start(&runs, &digest, json!({})).await;
    let stop = Arc::new(AtomicBool::new(false));
    let commits = Arc::new(AtomicUsize::new(0));
    let mut rivals = Vec::new();
    for number in 0..16 {
        let (stop, commits, run) = (stop.clone(), commits.clone(), run.clone());
        // Each has a cache of its own, as processes have.
        let own = crate::local::runs(redis(&server, 1).await);
        rivals.push(tokio::spawn(async move {
            let mut on = number % 2 == 0;
            while !stop.load(Ordering::Relaxed) {
                let by = format!("user:rival{number}");
                let input = aob_engine::step::Input::Suspend { on, by };
                let work = Work { run: run.clone(), inputs: vec![input], signals: Vec::new() };
                if own.commit(&[work]).await.is_ok() {
                    commits.fetch_add(1, Ordering::Relaxed);
                }
                on = !on;
            }
        }));
    }
    while commits.load(Ordering::Relaxed) < 200 {
        tokio::task::yield_now().await;
    }
    // The machine may stand still for a moment: then once more.
    let mut rounds = Vec::new();
    while rounds.len() < 3 && rounds.iter().all(|longest| *longest > WITHIN) {
        let mut longest = Duration::ZERO;
        for _ in 0..20 {
            let revision = runs.store().load(&run).await.unwrap().unwrap().head.revision;
            let request = addition("x", &format!("n{revision}"), revision, "Strict");
            let since = Instant::now();
            let answer = patch(&runs, &run, &ask(request)).await;
            assert_eq!(codes(&answer.record), [""; 0]);
            longest = longest.max(since.elapsed());
        }
        rounds.push(longest);
    }
    stop.store(true, Ordering::Relaxed);
    for rival in rivals {
        rival.await.unwrap();
    }
    println!(
        "20 patches against {} rival commits, the longest of each round: {rounds:?}",
        commits.load(Ordering::Relaxed)
    );
    assert!(rounds.iter().any(|longest| *longest <= WITHIN), "the hold lets a patch go first");
}

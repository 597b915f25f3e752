//! Claims, signs of life, answers.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use aob_e2e::answer::TENANT;
use aob_engine::state::{CancelMode, RunOutcome};
use aob_runner::remote::{Completion, Error, Sign, Taken};
use serde_json::{Value, json};

use super::{Place, ask, done, failed};
use crate::documents::{in_a_row, workflow};
use crate::local::{PATIENCE, ended, publish, start};

super::on_both! {
    through_two_doors pushed_on_arrival retries_and_failures answers_again_and_late lost_and_given_again
    of_one_tenant_only once_counts_as_begun overdue cancelled bounds a_list_by_many the_next_with_an_answer
    what_nobody_waits_for
}

/// One node of type `acme.work`, and what else its definition says.
fn one(more: &Value) -> Value {
    let mut node = json!({"id": "a", "type": "acme.work", "config": {"n": 7}});
    let members = more.as_object().into_iter().flatten();
    for (key, value) in members {
        node[key] = value.clone();
    }
    workflow("one", &[node], &[])
}

/// What one door gave out is kept and answered through the other one.
async fn through_two_doors(place: Place) {
    place.register("acme.work", "Idempotent").await;
    let digest = publish(&place.runs[0], &one(&json!({"timeout": "1m"}))).await;
    let run = start(&place.runs[0], &digest, json!({})).await;
    let task = place.claim(0, "acme.work", 9).await.remove(0);
    assert_eq!((&*task.run, &*task.instance, &*task.node_type), (&*run, "a", "acme.work"));
    assert_eq!((task.attempt, &*task.input, task.once), (1, &json!({"n": 7}), false));
    assert_eq!(task.key, format!("{run}/a"));
    assert!(task.deadline.is_some());
    let signs = place.doors[1].heartbeat(TENANT, std::slice::from_ref(&task.task)).await.unwrap();
    assert_eq!(signs, [Sign::Kept]);
    let taken = place.doors[1].complete(TENANT, &done(&task, json!({"x": 1}))).await.unwrap().0;
    assert_eq!(taken, Taken::Recorded);
    assert_eq!(ended(&place.runs[0], &run).await.head.outcome, Some(RunOutcome::Succeeded));
    let output = place.runs[0].output(&run, Some("a")).await.unwrap();
    assert_eq!(output.as_deref(), Some(&json!({"x": 1})));
    let signs = place.doors[0].heartbeat(TENANT, &[task.task]).await.unwrap();
    assert_eq!(signs, [Sign::Lost]);
    assert!(place.runs[0].verify(&run).await.unwrap().is_ok());
    place.service.stop().await;
}

/// A claim that waits is answered when a task is published, by whichever process; one whose caller left takes none.
async fn pushed_on_arrival(place: Place) {
    place.register("acme.work", "Idempotent").await;
    let digest = publish(&place.runs[0], &one(&json!({}))).await;
    let none = ask("acme.work", 1, Duration::from_millis(50));
    assert_eq!(place.doors[1].claim(TENANT, &none).await.unwrap(), []);
    let door = place.doors[1].clone();
    let left =
        tokio::spawn(async move { door.claim(TENANT, &ask("acme.work", 9, PATIENCE)).await });
    let door = place.doors[1].clone();
    let waits =
        tokio::spawn(async move { door.claim(TENANT, &ask("acme.work", 1, PATIENCE)).await });
    // Both wait by then, or look for themselves first: either way nothing may be missed.
    tokio::time::sleep(Duration::from_millis(300)).await;
    left.abort();
    assert!(left.await.unwrap_err().is_cancelled());
    let since = Instant::now();
    let run = start(&place.runs[0], &digest, json!({})).await;
    let tasks = waits.await.unwrap().unwrap();
    println!("pushed after {:?}", since.elapsed());
    assert_eq!((tasks.len(), &*tasks[0].run), (1, &*run));
    place.service.stop().await;
}

/// A failure that may pass is retried by the node's own rules; another one fails the node.
async fn retries_and_failures(place: Place) {
    place.register("acme.work", "Idempotent").await;
    let retry = json!({"retry": {"attempts": 3, "backoff": "10ms"}});
    let digest = publish(&place.runs[0], &one(&retry)).await;
    let run = start(&place.runs[0], &digest, json!({})).await;
    let first = place.claim(0, "acme.work", 1).await.remove(0);
    let taken = place.doors[0].fail(TENANT, &failed(&first, true)).await.unwrap();
    assert_eq!(taken, Taken::Recorded);
    let second = place.claim(1, "acme.work", 1).await.remove(0);
    assert_eq!((second.attempt, &second.key), (2, &first.key));
    assert_ne!(second.fence, first.fence);
    let late = place.doors[1].complete(TENANT, &done(&first, json!(1))).await.unwrap().0;
    assert_eq!(late, Taken::Superseded);
    assert_eq!(
        place.doors[1].fail(TENANT, &failed(&second, false)).await.unwrap(),
        Taken::Recorded
    );
    let state = ended(&place.runs[0], &run).await;
    let failure = state.head.failure.clone().unwrap();
    assert_eq!((&*failure.code, &*failure.message), ("no_luck", "the dice said no"));
    place.service.stop().await;
}

/// The same answer again is the same, another one conflicts, also when the run is over.
async fn answers_again_and_late(place: Place) {
    place.register("acme.work", "Idempotent").await;
    let nodes = [
        json!({"id": "a", "type": "acme.work"}),
        json!({"id": "gate", "type": "approval", "config": {"title": "Go on?"}}),
    ];
    let document = workflow("two", &nodes, &in_a_row(&nodes));
    let digest = publish(&place.runs[0], &document).await;
    let run = start(&place.runs[0], &digest, json!({})).await;
    let task = place.claim(0, "acme.work", 1).await.remove(0);
    let answers =
        [(json!(1), Taken::Recorded), (json!(1), Taken::Same), (json!(2), Taken::Conflicting)];
    for (door, (output, taken)) in answers.into_iter().enumerate() {
        let said = place.doors[door % 2].complete(TENANT, &done(&task, output)).await.unwrap().0;
        assert_eq!(said, taken);
    }
    place.runs[0].cancel(&run, CancelMode::Now, "user:ann", None).await.unwrap();
    ended(&place.runs[0], &run).await;
    for (output, taken) in [(json!(1), Taken::Same), (json!(2), Taken::Conflicting)] {
        let said = place.doors[1].complete(TENANT, &done(&task, output)).await.unwrap().0;
        assert_eq!(said, taken, "of a run that is over");
    }
    assert_eq!(
        place.doors[0].fail(TENANT, &failed(&task, true)).await.unwrap(),
        Taken::Conflicting
    );
    place.service.stop().await;
}

/// Without signs of life a task is another's after the lease, and the first answer no longer counts.
async fn lost_and_given_again(place: Place) {
    place.register("acme.work", "Idempotent").await;
    let digest = publish(&place.runs[0], &one(&json!({}))).await;
    let run = start(&place.runs[0], &digest, json!({})).await;
    let first = place.claim(0, "acme.work", 1).await.remove(0);
    let second = place.claim(1, "acme.work", 1).await.remove(0);
    assert_ne!(first.fence, second.fence);
    let signs = place.doors[0].heartbeat(TENANT, &[first.task.clone(), second.task.clone()]).await;
    assert_eq!(signs.unwrap(), [Sign::Lost, Sign::Kept]);
    let said = place.doors[0].complete(TENANT, &done(&first, json!("late"))).await.unwrap().0;
    assert_eq!(said, Taken::Superseded);
    let said = place.doors[0].complete(TENANT, &done(&second, json!("good"))).await.unwrap().0;
    assert_eq!(said, Taken::Recorded);
    ended(&place.runs[0], &run).await;
    let output = place.runs[0].output(&run, Some("a")).await.unwrap();
    assert_eq!(output.as_deref(), Some(&json!("good")));
    place.service.stop().await;
}

/// Another tenant's workers are given nothing, keep nothing and answer nothing; nor does anybody answer for what the
/// installation's own runners execute.
async fn of_one_tenant_only(place: Place) {
    place.register("acme.work", "Idempotent").await;
    let digest = publish(&place.runs[0], &one(&json!({}))).await;
    start(&place.runs[0], &digest, json!({})).await;
    let soon = ask("acme.work", 9, Duration::from_millis(100));
    assert_eq!(place.doors[0].claim("other", &soon).await.unwrap(), []);
    let task = place.claim(0, "acme.work", 1).await.remove(0);
    let signs = place.doors[0].heartbeat("other", std::slice::from_ref(&task.task)).await.unwrap();
    assert_eq!(signs, [Sign::Lost]);
    let refused = place.doors[0].complete("other", &done(&task, json!(1))).await;
    assert!(
        matches!(&refused, Err(Error::Refused(issue)) if issue.entry.name == "BAD_TASK"),
        "{refused:?}"
    );
    let signs = place.doors[0].heartbeat(TENANT, std::slice::from_ref(&task.task)).await.unwrap();
    assert_eq!(signs, [Sign::Kept], "it was left alone");
    // A worker that makes up the name of a task of a built-in type.
    let gate = json!({"id": "g", "type": "approval", "config": {"title": "Go on?"}});
    let digest = publish(&place.runs[0], &workflow("gate", &[gate], &[])).await;
    let run = start(&place.runs[0], &digest, json!({})).await;
    let mut name = aob_runner::remote::TaskName::read(&task.task, "").unwrap();
    let state = place.runs[0].view(&run).await.unwrap().state;
    name.at.run = run.clone();
    name.at.instance = "g".into();
    name.at.fence = state.scopes[""].live.values().next().unwrap().fence;
    let made_up =
        Completion { task: name.text(), fence: name.at.fence.to_string(), ..done(&task, json!(1)) };
    let refused = place.doors[0].complete(TENANT, &made_up).await;
    assert!(
        matches!(&refused, Err(Error::Refused(issue)) if issue.entry.name == "BAD_TASK"),
        "{refused:?}"
    );
    place.service.stop().await;
}

/// A task that must not be repeated counts as begun when it is given out: lost, it waits for a person.
async fn once_counts_as_begun(place: Place) {
    place.register("acme.work", "Once").await;
    let digest = publish(&place.runs[0], &one(&json!({}))).await;
    let run = start(&place.runs[0], &digest, json!({})).await;
    let task = place.claim(0, "acme.work", 1).await.remove(0);
    assert!(task.once);
    let until = Instant::now() + PATIENCE;
    let mut state = place.runs[0].view(&run).await.unwrap().state;
    while state.status() != "waiting" {
        assert!(Instant::now() < until, "{state:?}");
        place.runs[0].store().watch(&run, state.head.seq, PATIENCE).await.unwrap();
        state = place.runs[0].view(&run).await.unwrap().state;
    }
    let said = place.doors[1].complete(TENANT, &done(&task, json!("after all"))).await.unwrap().0;
    assert_eq!(said, Taken::Recorded, "its answer settles the question");
    assert_eq!(ended(&place.runs[0], &run).await.head.outcome, Some(RunOutcome::Succeeded));
    place.service.stop().await;
}

/// A worker that goes on beyond the node's timeout loses the attempt with its next sign of life.
async fn overdue(place: Place) {
    place.register("acme.work", "Idempotent").await;
    let digest = publish(&place.runs[0], &one(&json!({"timeout": "100ms"}))).await;
    let run = start(&place.runs[0], &digest, json!({})).await;
    let task = place.claim(0, "acme.work", 1).await.remove(0);
    let until = Instant::now() + PATIENCE;
    while place.doors[1].heartbeat(TENANT, std::slice::from_ref(&task.task)).await.unwrap()
        == [Sign::Kept]
    {
        assert!(Instant::now() < until, "it is kept for ever");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let state = ended(&place.runs[0], &run).await;
    assert_eq!(state.head.failure.as_ref().map(|failure| &*failure.code), Some("node_timeout"));
    place.service.stop().await;
}

/// A worker hears with its next sign of life that its run is being cancelled, and may still answer.
async fn cancelled(place: Place) {
    place.register("acme.work", "Idempotent").await;
    let digest = publish(&place.runs[0], &one(&json!({}))).await;
    let run = start(&place.runs[0], &digest, json!({})).await;
    let task = place.claim(0, "acme.work", 1).await.remove(0);
    place.runs[0].cancel(&run, CancelMode::Graceful, "user:ann", None).await.unwrap();
    let signs = place.doors[1].heartbeat(TENANT, std::slice::from_ref(&task.task)).await.unwrap();
    assert_eq!(signs, [Sign::Cancelled]);
    let said = place.doors[1].complete(TENANT, &done(&task, json!(1))).await.unwrap().0;
    assert_eq!(said, Taken::Recorded);
    assert_eq!(ended(&place.runs[0], &run).await.head.outcome, Some(RunOutcome::Cancelled));
    place.service.stop().await;
}

/// What is out of bounds is refused with its place, and the task stays the worker's.
async fn bounds(place: Place) {
    place.register("acme.work", "Idempotent").await;
    let digest = publish(&place.runs[0], &one(&json!({}))).await;
    start(&place.runs[0], &digest, json!({})).await;
    let door = &place.doors[0];
    let place_of = |error: Error| match error {
        Error::Refused(issue) => (issue.entry.name, issue.pointer),
        other => panic!("{other}"),
    };
    for (types, max, pointer) in [
        (vec![], 1, "/types"),
        (vec!["a.b".to_owned(); 33], 1, "/types"),
        (vec!["a.b".to_owned(), "a@b".to_owned()], 1, "/types/1"),
        (vec!["a.b".to_owned()], 0, "/max"),
        (vec!["a.b".to_owned()], 257, "/max"),
    ] {
        let ask = aob_runner::remote::ClaimAsk { types, runners: None, max, wait: Duration::ZERO };
        let refused = place_of(door.claim(TENANT, &ask).await.unwrap_err());
        assert_eq!(refused, ("BAD_CLAIM", pointer.to_owned()));
    }
    let task = place.claim(0, "acme.work", 1).await.remove(0);
    let refused = place_of(door.heartbeat(TENANT, &["t1.x".to_owned()]).await.unwrap_err());
    assert_eq!(refused, ("BAD_TASK", "/tasks/0".to_owned()));
    let deep = (0..65).fold(json!(1), |value, _| json!([value]));
    for output in [deep, json!("x".repeat(256 * 1024))] {
        let refused = place_of(door.complete(TENANT, &done(&task, output)).await.unwrap_err());
        assert_eq!(refused, ("BAD_ANSWER", "/output".to_owned()));
    }
    let wrong = Completion { fence: "0.1".into(), ..done(&task, json!(1)) };
    assert_eq!(place_of(door.complete(TENANT, &wrong).await.unwrap_err()).1, "/fence");
    let next = Completion { next: Some(ask("A", 1, Duration::ZERO)), ..done(&task, json!(1)) };
    let refused = place_of(door.complete(TENANT, &next).await.unwrap_err());
    assert_eq!(refused, ("BAD_CLAIM", "/next/types/0".to_owned()));
    let mut bad = failed(&task, false);
    bad.code = "Not A Code".into();
    assert_eq!(place_of(door.fail(TENANT, &bad).await.unwrap_err()).1, "/error/code");
    let longest = json!("x".repeat(256 * 1024 - 2));
    assert_eq!(door.complete(TENANT, &done(&task, longest)).await.unwrap().0, Taken::Recorded);
    place.service.stop().await;
}

/// Many workers at once on one run: every item is done once, and their answers share commits.
async fn a_list_by_many(place: Place) {
    const ITEMS: usize = 200;
    place.register("acme.work", "Idempotent").await;
    let nodes = [
        json!({"id": "each", "type": "foreach", "config": {"items": (0..ITEMS).collect::<Vec<_>>(), "as": "n", "concurrency": 64}}),
        json!({"id": "do", "within": "each", "type": "acme.work", "config": {"n": "${ n }"}}),
    ];
    let mut document = workflow("many", &nodes, &[]);
    document["spec"]["output"] = json!("${ nodes.each.output }");
    let digest = publish(&place.runs[0], &document).await;
    let run = start(&place.runs[0], &digest, json!({})).await;
    let workers: Vec<_> = (0..8)
        .map(|number| {
            let door = place.doors[number % 2].clone();
            tokio::spawn(async move {
                let mut mine = Vec::new();
                loop {
                    let idle = ask("acme.work", 3, Duration::from_secs(1));
                    let mut open = door.claim(TENANT, &idle).await.unwrap();
                    if open.is_empty() {
                        return mine;
                    }
                    while let Some(task) = open.pop() {
                        let n = task.input["n"].as_i64().unwrap();
                        let mut done = done(&task, json!(2 * n));
                        // Half of them are given their next task with the answer.
                        done.next = (number < 4).then(|| ask("acme.work", 1, Duration::ZERO));
                        let (taken, more) = door.complete(TENANT, &done).await.unwrap();
                        assert_eq!(taken, Taken::Recorded);
                        mine.push(task.key);
                        open.extend(more);
                    }
                }
            })
        })
        .collect();
    let state = ended(&place.runs[0], &run).await;
    let mut all = Vec::new();
    for worker in workers {
        all.extend(worker.await.unwrap());
    }
    let once: BTreeSet<&String> = all.iter().collect();
    assert_eq!((all.len(), once.len()), (ITEMS, ITEMS));
    let output = place.runs[0].output(&run, None).await.unwrap().unwrap();
    let expected: Vec<usize> = (0..ITEMS).map(|n| 2 * n).collect();
    assert_eq!(*output, json!(expected));
    println!("{ITEMS} answers in {} events", state.head.seq);
    place.service.stop().await;
}

/// A worker that says what it would do next claims once: each answer's commit brings the task that it has published.
async fn the_next_with_an_answer(place: Place) {
    place.register("acme.work", "Idempotent").await;
    place.register("acme.once", "Once").await;
    let node = |id: &str, of: &str| json!({"id": id, "type": of, "config": {"n": 1}});
    let nodes = [node("a", "acme.work"), node("b", "acme.work"), node("c", "acme.once")];
    let document = workflow("row", &nodes, &in_a_row(&nodes));
    let digest = publish(&place.runs[0], &document).await;
    let run = start(&place.runs[0], &digest, json!({})).await;
    let mut next = ask("acme.work", 1, Duration::ZERO);
    next.types.push("acme.once".to_owned());
    let mut task = place.claim(0, "acme.work", 1).await.remove(0);
    for id in ["a", "b"] {
        assert_eq!(task.instance, id);
        let with = Completion { next: Some(next.clone()), ..done(&task, json!(id)) };
        let (taken, mut tasks) = place.doors[0].complete(TENANT, &with).await.unwrap();
        assert_eq!((taken, tasks.len()), (Taken::Recorded, 1), "after {id}");
        // Asked again it is the same answer, and there is nothing more to do.
        let again = place.doors[1].complete(TENANT, &with).await.unwrap();
        assert_eq!(again, (Taken::Same, Vec::new()));
        task = tasks.remove(0);
    }
    assert!(task.once && task.instance == "c", "{task:?}");
    let signs = place.doors[1].heartbeat(TENANT, std::slice::from_ref(&task.task)).await.unwrap();
    assert_eq!(signs, [Sign::Kept]);
    let last = Completion { next: Some(next), ..done(&task, json!("c")) };
    assert_eq!(place.doors[0].complete(TENANT, &last).await.unwrap(), (Taken::Recorded, vec![]));
    assert_eq!(ended(&place.runs[0], &run).await.head.outcome, Some(RunOutcome::Succeeded));
    place.service.stop().await;
}

/// A worker that is gone when its answer counts is given nothing: another has the next task at once.
async fn what_nobody_waits_for(place: Place) {
    place.register("acme.work", "Idempotent").await;
    let node = |id: &str| json!({"id": id, "type": "acme.work", "config": {"n": 1}});
    let nodes = [node("a"), node("b")];
    let document = workflow("two", &nodes, &in_a_row(&nodes));
    let digest = publish(&place.runs[0], &document).await;
    let next = ask("acme.work", 1, Duration::ZERO);
    let run = loop {
        let run = start(&place.runs[0], &digest, json!({})).await;
        let first = place.claim(0, "acme.work", 1).await.remove(0);
        let with = Completion { next: Some(next.clone()), ..done(&first, json!(1)) };
        // It is polled until the answer is on its way, and then no more. A commit may be as quick: then once more.
        let mut answer = std::pin::pin!(place.doors[0].complete(TENANT, &with));
        match futures::poll!(answer.as_mut()) {
            std::task::Poll::Pending => break run,
            std::task::Poll::Ready(done) => {
                let second = done.unwrap().1.remove(0);
                place.doors[0].complete(TENANT, &self::done(&second, json!(2))).await.unwrap();
            }
        }
    };
    let begun = Instant::now();
    let second = place.claim(1, "acme.work", 1).await.remove(0);
    assert_eq!(second.instance, "b");
    // The lease of two seconds is not what brings it back.
    assert!(begun.elapsed() < Duration::from_millis(1_500), "{:?}", begun.elapsed());
    let said = place.doors[1].complete(TENANT, &done(&second, json!(2))).await.unwrap().0;
    assert_eq!(said, Taken::Recorded);
    assert_eq!(ended(&place.runs[0], &run).await.head.outcome, Some(RunOutcome::Succeeded));
    place.service.stop().await;
}

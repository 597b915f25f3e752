//! Tasks taken and answered by hand, so that a patch meets a run at a chosen moment.

use std::sync::Arc;
use std::time::Duration;

use aob_engine::step::{Answer, Input, Verdict};
use aob_runner::runs::Runs;
use aob_store::{Claim, Task};
use serde_json::Value;

/// Takes the one task that is out.
pub(super) async fn claim(runs: &Runs, run: &str, expected: &str) -> Task {
    let shard = aob_store::id::shard(run).unwrap() % runs.store().shards();
    let claim = Claim {
        consumer: "hand".into(),
        types: ["transform", "noop"].map(Arc::from).into(),
        shard,
        max: 8,
    };
    let mut tasks = runs.store().claim(&claim, Duration::from_secs(10)).await.unwrap();
    assert_eq!(tasks.len(), 1, "{tasks:?}");
    let task = tasks.remove(0);
    assert_eq!(task.at.instance, expected);
    task
}

/// Answers a task.
pub(super) async fn answer(runs: &Runs, task: &Task, output: Value) -> Verdict {
    let input = Input::Settled {
        instance: task.at.instance.clone(),
        fence: task.at.fence,
        result: Answer::Output(Arc::new(output)),
    };
    runs.apply(&task.at.run, vec![input]).await.unwrap().remove(0)
}

//! A patch of an agent that adds agents makes its run dearer: it is counted, or refused and told.

use aob_engine::state::RunOutcome;
use aob_engine::tier::Tier;
use aob_runner::runs::{Error, Settings, StartOptions, TierLimits};
use serde_json::{Value, json};

use super::scripted::{Bench, Scripted, call, text, workflow};

fn agent(id: &str) -> Value {
    json!({"id": id, "type": "agent", "config": {
        "model": "a/b", "prompt": id, "patch": {"allow": ["agent"], "maxNodes": 4}}})
}

/// Two agents: the first adds a third.
fn two() -> Value {
    workflow(
        json!({"nodes": [agent("one"), agent("two")], "edges": [{"from": "one", "to": "two"}]}),
    )
}

#[tokio::test]
async fn the_third_agent_is_counted_as_a_heavy_run_or_refused() {
    let mind = Scripted::new(|ask, _| {
        let aob_provider::Turn::User(prompt) = &ask.turns[0] else { return text("?") };
        match (prompt.as_str(), ask.turns.len()) {
            ("one", 1) => call(
                "patch",
                json!({"reason": "more hands", "edits": [
                    {"do": "add_node", "id": "three", "type": "agent", "config": {"model": "a/b", "prompt": "small"}},
                    {"do": "connect", "from": "one", "to": "three"}]}),
            ),
            _ => text("done"),
        }
    });
    let tiers = Some(TierLimits::parse(&["standard=20", "heavy=1"]).expect("limits"));
    let bench = Bench::limited(mind.clone(), Settings { tiers, ..Settings::default() });
    let (_, first) = bench.run(&two()).await;
    assert_eq!((first.head.agents, first.head.tier()), (3, Tier::Heavy));
    // The one heavy run of this minute is that one: whoever starts another is told when.
    let heavy = workflow(json!({"nodes": [agent("a"), agent("b"), agent("c")]}));
    let digest = bench.runs.publish("default", &heavy, None).await.expect("kept").digest;
    let started =
        bench.runs.start(&StartOptions::new("default", digest, json!({}), "user:ada")).await;
    assert!(matches!(started, Err(Error::Throttled(_))), "{started:?}");
    // And the next that would become one is told, stays as it is, and ends well without.
    let (run, second) = bench.run(&two()).await;
    assert_eq!(second.head.outcome, Some(RunOutcome::Succeeded), "{:?}", second.head.failure);
    assert_eq!(
        (second.head.agents, second.head.revision, second.head.tier()),
        (2, 0, Tier::Standard)
    );
    let told = mind.told();
    let told =
        told.iter().find(|told| told.contains("tier Heavy in 60 s")).expect("the model is told");
    assert!(told.contains("AOB3109") && told.contains("without another agent"), "{told}");
    assert_eq!(bench.output(&run, Some("one")).await, json!({"text": "done"}));
    bench.stop().await;
}

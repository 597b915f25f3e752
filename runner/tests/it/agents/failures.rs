//! What goes wrong has a name.

use aob_provider::{Answer, Ask, Estimate, ModelError, ModelName, Stop};
use aob_runner::node::{Cancel, Mind};
use async_trait::async_trait;
use serde_json::{Value, json};

use super::scripted::{Bench, Scripted, call, text, workflow};

fn agent(config: Value) -> Value {
    let mut all = json!({"model": "a/b", "prompt": "p"});
    all.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
    workflow(json!({"nodes": [{"id": "think", "type": "agent", "config": all}]}))
}

async fn code(bench: &Bench, document: &Value) -> (String, String) {
    let (_, state) = bench.run(document).await;
    let failure = state.head.failure.clone().expect("it fails");
    (failure.code, failure.message)
}

#[tokio::test]
async fn what_a_model_does_wrong_has_a_name() {
    let schema = json!({"output": {"type": "object", "required": ["rows"]}});
    type Says = fn(usize) -> Answer;
    let cases: [(&str, Value, Says, &str, usize); 6] = [
        ("agent_output", schema, |_| text("{}"), "3 answers did not fit", 3),
        ("agent_model", json!({}), |_| Answer { stop: Stop::Refused, ..text("no") }, "refused", 1),
        ("agent_model", json!({}), |_| Answer { stop: Stop::Length, ..text("half") }, "was cut", 1),
        (
            "agent_turns",
            json!({"tools": ["outputs"], "maxTurns": 4}),
            |n| call("outputs", json!({"node": format!("n{n}")})),
            "4 calls of the model",
            4,
        ),
        ("agent_tool", json!({"tools": ["http"]}), |_| text("x"), "names no host", 0),
        ("agent_tool", json!({"tools": ["mcp.erp.lookup"]}), |_| text("x"), "no server", 0),
    ];
    for (name, config, says, told, questions) in cases {
        let mind = Scripted::new(move |_, n| says(n));
        let bench = Bench::new(&mind);
        let (code, message) = code(&bench, &agent(config)).await;
        assert_eq!(code, name, "{message}");
        assert!(message.contains(told), "{message}");
        assert_eq!(mind.asked.lock().unwrap().len(), questions, "{name}");
        bench.stop().await;
    }
}

/// Knows no provider, or no price.
struct Poor {
    knows: bool,
}

#[async_trait]
impl Mind for Poor {
    fn knows(&self, _: &ModelName) -> bool {
        self.knows
    }

    fn estimate(&self, _: &Ask) -> Result<Estimate, ModelError> {
        Ok(Estimate { likely_input: 1, most_input: 1, most_output: 1, most_cost: None })
    }

    async fn ask(&self, _: &Ask, _: &Cancel) -> Result<Answer, ModelError> {
        let mut free = text("done");
        free.spent.cost = None;
        Ok(free)
    }
}

#[tokio::test]
async fn a_model_that_cannot_be_asked_is_named() {
    let bench = Bench::with(std::sync::Arc::new(Poor { knows: false }));
    let (name, message) = code(&bench, &agent(json!({}))).await;
    assert_eq!((name.as_str(), message.contains("a/b is no model")), ("agent_no_model", true));
    bench.stop().await;
    // Without a price a cap of money could be passed unseen.
    let bench = Bench::with(std::sync::Arc::new(Poor { knows: true }));
    let (name, message) = code(&bench, &agent(json!({"budget": {"usd": "1"}}))).await;
    assert_eq!((name.as_str(), message.contains("has no price")), ("agent_no_model", true));
    let (_, state) = bench.run(&agent(json!({"budget": {"calls": 5}}))).await;
    assert_eq!(state.head.spent["think"].calls, 1);
    bench.stop().await;
}

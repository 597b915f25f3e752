//! A real provider, asked by hand: `OPENAI_API_KEY=... cargo test -p aob-provider --test it real -- --ignored --nocapture`.

use std::sync::Arc;

use aob_provider::{CachePlan, Choice, Models, Settings, Stop, ToolResult, Turn};

use crate::ask::ask;

/// One conversation of two questions with each provider whose key is in the environment: text, a call, its result,
/// usage, and a price. Costs about a cent.
#[tokio::test]
#[ignore = "asks real providers, for money: set OPENAI_API_KEY or ANTHROPIC_API_KEY and run it by hand"]
async fn a_real_provider_calls_a_tool_and_takes_its_result() {
    let get = |name: &str| std::env::var(name).ok();
    let settings = Settings::from_env(&get).unwrap();
    assert!(!settings.providers.is_empty(), "no key is in the environment");
    let models = Models::new(settings).unwrap();
    for (name, provider) in &models.settings().providers {
        let variable = format!("AOB_REAL_MODEL_{}", name.to_ascii_uppercase());
        let mut question =
            ask(provider.dialect, "Call the tool patch with a = \"seven\", then say what it gave.");
        question.model =
            get(&variable).map_or_else(|| question.model.clone(), |model| model.parse().unwrap());
        question.choice = Choice::Required;
        question.cache = CachePlan::Minutes;
        question.context = "Context. ".repeat(1_000);
        let estimate = models.estimate(&question).unwrap();
        let first = models
            .ask(&question, std::future::pending(), |event| println!("{event:?}"))
            .await
            .unwrap();
        println!("{name}: {first:#?}\n{estimate:#?}");
        assert_eq!(first.stop, Stop::Tools);
        assert!(first.spent.is_exact && first.spent.usage.input <= estimate.most_input);
        let call = &first.calls[0];
        assert_eq!(
            (&*call.name, call.arguments.as_ref().unwrap()["a"].as_str()),
            ("patch", Some("seven"))
        );
        question.turns.push(first.turn());
        let result = ToolResult {
            id: call.id.clone(),
            content: "The answer is 42.".to_owned(),
            is_error: false,
        };
        question.turns.push(Turn::Results(vec![result]));
        question.choice = Choice::None;
        let second = models.ask(&question, std::future::pending(), |_| {}).await.unwrap();
        println!("{name}: {second:#?}");
        assert!(second.text.contains("42"), "{}", second.text);
        assert!(second.spent.usage.cached > 0, "{:?}", second.spent);
        drop(Arc::clone(&question.prefix));
    }
}

//! The stable prefix, and what caches make of it.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use aob_provider::script::{Reply, Rule, Script};
use aob_provider::{Answer, CachePlan, Dialect, Example, Micros, Prefix, Tool, ToolResult, Turn};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::ask::{DIALECTS, answer, ask, scripted, tool};

/// An object with its keys put in, in some order.
fn object(mut pairs: Vec<(String, Value)>, order: u64) -> Value {
    let mut all = serde_json::Map::new();
    let mut n = order;
    while !pairs.is_empty() {
        let at = usize::try_from(n % pairs.len() as u64).unwrap();
        n = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (key, value) = pairs.swap_remove(at);
        all.insert(key, value);
    }
    Value::Object(all)
}

fn tools(order: u64) -> Vec<Tool> {
    let names = ["patch", "http", "mcp.erp.lookup", "zeta", "alpha"];
    let mut all: Vec<Tool> = names
        .iter()
        .map(|name| {
            let properties = ["a", "b", "\u{fc}"]
                .map(|key| (key.to_owned(), json!({"type": "string", "description": key})));
            let parameters = object(
                vec![
                    ("type".to_owned(), json!("object")),
                    ("properties".to_owned(), object(properties.to_vec(), order)),
                    ("required".to_owned(), json!(["a"])),
                ],
                order / 7,
            );
            Tool { parameters, ..tool(name) }
        })
        .collect();
    let count = all.len();
    all.rotate_left(usize::try_from(order % count as u64).unwrap());
    if order.is_multiple_of(2) {
        all.reverse();
    }
    all
}

fn long() -> String {
    "You check invoices and say what is missing, in one sentence for each. ".repeat(300)
}

fn example() -> Example {
    Example { question: "q".to_owned(), answer: "a".to_owned() }
}

/// What the first run began with.
static FIRST: LazyLock<Vec<(Dialect, bytes::Bytes)>> = LazyLock::new(|| {
    let begin = |dialect| {
        let mut question = ask(dialect, "first");
        question.cache = CachePlan::Minutes;
        question.prefix = Arc::new(Prefix::new(&long(), tools(1), &[example()], "Never guess."));
        (dialect, aob_provider::prefix_bytes(&provider(dialect), &question).unwrap())
    };
    DIALECTS.into_iter().map(begin).collect()
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Whatever a run says, and in whatever order its parts were put together, the question begins with the same bytes.
    #[test]
    fn a_thousand_runs_begin_with_the_same_bytes(
        order in any::<u64>(),
        said in "[ -~\u{fc}]{1,200}".prop_filter("not empty", |text| !text.trim().is_empty()),
        context in ".{0,100}",
        turns in 0_usize..4,
        max_tokens in 1_u32..100_000,
    ) {
        for (dialect, first) in FIRST.iter() {
            let dialect = *dialect;
            let mut question = ask(dialect, &said);
            question.cache = CachePlan::Minutes;
            question.prefix = Arc::new(Prefix::new(&long(), tools(order), &[example()], "Never guess."));
            question.context.clone_from(&context);
            question.max_tokens = max_tokens;
            for n in 0..turns {
                question.turns.push(Turn::Model { text: format!("m{n}"), calls: vec![], verbatim: None });
                question.turns.push(Turn::User(said.clone()));
            }
            let other = aob_provider::prefix_bytes(&provider(dialect), &question).unwrap();
            prop_assert!(first.len() > 20_000 && *first == other, "{dialect:?} differs");
        }
    }
}

fn provider(dialect: Dialect) -> aob_provider::Provider {
    aob_provider::Provider::new(dialect, "https://models.example/v1".parse().unwrap())
}

/// Microseconds that the stand-in takes for a token that is in no cache: a prompt of 5,000 tokens takes 50 ms.
const READING: u64 = 10;

/// Ten questions of ten runs of one agent, two turns each.
async fn runs(dialect: Dialect, cache: CachePlan, model: &str) -> Vec<Answer> {
    let first = Reply::text("I look.").calling("patch", json!({"a": "x"}));
    let script = Script::new(vec![
        Rule { after: Some("patch".to_owned()), ..Rule::always(Reply::text("Done.")) },
        Rule::always(first),
    ])
    .reading(READING);
    let (_server, models) = scripted(dialect, script).await;
    let mut answers = Vec::new();
    for run in 0..10 {
        let mut question = ask(dialect, &format!("Invoice {run}: {}", "row ".repeat(40)));
        question.model = model.parse().unwrap();
        question.cache = cache;
        question.prefix = Arc::new(Prefix::new(&long(), tools(run), &[], "Never guess."));
        let first = answer(&models, &question).await.unwrap();
        question.turns.push(first.turn());
        let result = ToolResult {
            id: first.calls[0].id.clone(),
            content: format!("ok {run}"),
            is_error: false,
        };
        question.turns.push(Turn::Results(vec![result]));
        answers.push(first);
        answers.push(answer(&models, &question).await.unwrap());
    }
    answers
}

fn cost(answers: &[Answer]) -> Micros {
    answers.iter().map(|answer| answer.spent.cost.unwrap()).sum()
}

#[tokio::test]
async fn the_second_question_reads_the_cache_that_the_first_one_wrote() {
    for dialect in DIALECTS {
        let model = crate::ask::model(dialect);
        let timed = async |cache| {
            let began = Instant::now();
            let answers = runs(dialect, cache, model).await;
            (answers, began.elapsed())
        };
        let (with, with_time) = timed(CachePlan::Minutes).await;
        let (without, without_time) = timed(CachePlan::Never).await;
        for (n, answer) in with.iter().enumerate().skip(1) {
            let usage = answer.spent.usage;
            assert!(usage.cached * 10 >= usage.input * 9, "{dialect:?}, question {n}: {usage:?}");
        }
        assert!(with[0].spent.usage.written > 4_000, "{:?}", with[0].spent.usage);
        // One that is never read is never written.
        assert!(without.iter().all(|answer| answer.spent.usage.written == 0));
        let tokens = |answers: &[Answer]| {
            answers
                .iter()
                .map(|answer| answer.spent.usage.input - answer.spent.usage.cached)
                .sum::<u64>()
        };
        println!(
            "{dialect:?}: 20 questions with cache {} USD, {} tokens not from a cache, {with_time:?}; without {} USD, {}, {without_time:?}",
            cost(&with),
            tokens(&with),
            cost(&without),
            tokens(&without)
        );
        // What is not read need not be waited for: that much of the time at least is saved, however slow all else is.
        let unread = |answers: &[Answer]| Duration::from_micros(tokens(answers) * READING);
        assert!(
            without_time >= unread(&without) && unread(&without) >= unread(&with) * 4,
            "{dialect:?}"
        );
        assert!(cost(&with).0 * 4 < cost(&without).0, "{dialect:?}");
    }
    // Older models cache by themselves what begins alike, and know no marks.
    let old = runs(Dialect::Chat, CachePlan::Minutes, "openai/gpt-5.2").await;
    for answer in &old[1..] {
        let usage = answer.spent.usage;
        assert!(usage.cached * 10 >= usage.input * 9 && usage.written == 0, "{usage:?}");
    }
}

#[tokio::test]
async fn a_question_that_is_asked_once_costs_less_without_a_cache() {
    for dialect in DIALECTS {
        let (_server, models) =
            scripted(dialect, Script::new(vec![Rule::always(Reply::text("x"))])).await;
        let mut costs = Vec::new();
        for (n, cache) in [CachePlan::Never, CachePlan::Minutes].into_iter().enumerate() {
            let mut question = ask(dialect, "?");
            question.cache = cache;
            question.prefix = Arc::new(Prefix::new(&format!("{n} {}", long()), vec![], &[], ""));
            costs.push(answer(&models, &question).await.unwrap().spent.cost.unwrap());
        }
        assert!(costs[0] < costs[1], "{dialect:?} {costs:?}");
    }
}

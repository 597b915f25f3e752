//! Streams that end at any byte.

use aob_provider::script::{Fault, Prompt, Reply, Rule, Script};
use aob_provider::{Answer, Ask, Kind, Limits, ModelError, Models, Spent, Usage};
use futures::stream::{self, StreamExt as _};
use serde_json::json;

use crate::ask::{DIALECTS, answer, ask, at, limits, scripted};

/// Bytes that are tried at once.
const BATCH: usize = 64;

fn reply() -> Reply {
    Reply { thought: "Hm.".to_owned(), ..Reply::text("Gr\u{fc}\u{df}.") }
        .calling("patch", json!({"a": "b {\"c\""}))
        .calling("mcp_erp_lookup", json!({}))
}

/// The same but for ids.
fn is_same(answer: &Answer, whole: &Answer) -> bool {
    let bare = |answer: &Answer| {
        let calls = answer.calls.iter().map(|call| (call.name.clone(), call.arguments.clone()));
        (answer.text.clone(), calls.collect::<Vec<_>>(), answer.stop, answer.spent)
    };
    bare(answer) == bare(whole)
}

/// Cuts the answer as the question says: `torn at 00017`, `ends at 00017`.
fn cut_as_asked(prompt: &Prompt) -> Option<(Reply, Fault)> {
    let (how, byte) = prompt.last.split_once(" at ")?;
    let byte = byte.parse().ok();
    let (cut_at_byte, end_at_byte) = if how == "torn" { (byte, None) } else { (None, byte) };
    Some((reply(), Fault { cut_at_byte, end_at_byte, ..Fault::default() }))
}

/// Cut at every byte, torn or ended as if it were whole: there is the whole answer or none, never a half call; and
/// what is booked is what the provider charged, or the most that it can have been, once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_cut_at_any_byte_is_no_answer() {
    for dialect in DIALECTS {
        let (server, models) = scripted(dialect, Script::with_faults(cut_as_asked)).await;
        let whole = answer(&models, &ask(dialect, "none at 99999")).await.unwrap();
        let mut bytes = 0;
        // Until some cuts in a row cut nothing any more.
        for batch in (0..20_000).step_by(BATCH) {
            let cuts = (batch..batch + BATCH)
                .flat_map(|byte| ["torn", "ends"].map(|how| format!("{how} at {byte:05}")));
            let asked = cuts.map(|cut| cut_answer(&models, &whole, ask(dialect, &cut)));
            let has_answered = stream::iter(asked).buffered(32).collect::<Vec<bool>>().await;
            bytes += has_answered.iter().filter(|whole| !**whole).count();
            if has_answered.iter().all(|whole| *whole) {
                break;
            }
            assert!(batch + BATCH < 20_000, "{dialect:?}: no cut leaves it whole");
        }
        // Not one was sent twice, as each may have cost something.
        assert_eq!(server.questions() % (2 * BATCH as u64), 1, "{dialect:?}");
        println!("{dialect:?}: {bytes} cuts, over {} connections", server.connections());
        assert!(bytes > 1_800, "{dialect:?}: {bytes}");
    }
}

/// Asks a question whose answer is cut; whether it was whole nevertheless.
async fn cut_answer(models: &Models, whole: &Answer, question: Ask) -> bool {
    let most = models.estimate(&question).unwrap();
    let what = format!("{:?}", question.turns);
    match answer(models, &question).await {
        Ok(answer) => {
            assert!(is_same(&answer, whole), "{what}: {answer:?}");
            true
        }
        Err(error) => {
            assert_eq!(error.kind, Kind::Cut, "{what}: {error}");
            check_books(&error, &whole.spent, most.most_cost, &what);
            false
        }
    }
}

fn check_books(
    error: &ModelError,
    charged: &Spent,
    most: Option<aob_provider::Micros>,
    what: &str,
) {
    assert!(error.is_retryable && error.sent == 1, "{what}");
    let spent = &error.spent;
    assert!(spent.cost >= charged.cost, "{what}: booked {spent:?}, charged {charged:?}");
    assert!(spent.cost <= most, "{what}: booked {spent:?}, reserved {most:?}");
    let Usage { input, output, .. } = spent.usage;
    assert!(input >= charged.usage.input && output >= charged.usage.output, "{what}: {spent:?}");
}

/// A limit on the answer holds whatever the provider sends.
#[tokio::test]
async fn an_answer_without_end_is_ended() {
    for dialect in DIALECTS {
        let script = Script::new(vec![Rule::always(Reply::text("x".repeat(100_000)))]);
        let (server, _) = scripted(dialect, script).await;
        let small = Limits { answer: 10_000, ..limits() };
        let error =
            answer(&at(dialect, &server.base_url(), small), &ask(dialect, "?")).await.unwrap_err();
        assert_eq!(error.kind, Kind::NotUnderstood, "{error}");
        assert!(error.message.contains("larger than 10000 bytes"), "{error}");
        let small = Limits { question: 100, ..limits() };
        let error =
            answer(&at(dialect, &server.base_url(), small), &ask(dialect, "?")).await.unwrap_err();
        assert_eq!((error.kind, error.spent), (Kind::TooLong, Spent::NOTHING), "{error}");
    }
}

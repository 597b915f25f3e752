//! Streams that end at any byte.

use aob_provider::script::{Fault, Reply, Rule, Script};
use aob_provider::{Answer, Kind, Limits, ModelError, Spent, Usage};
use serde_json::json;

use crate::ask::{DIALECTS, answer, ask, at, limits, scripted};

fn reply() -> Reply {
    Reply { thought: "Hm.".to_owned(), ..Reply::text("Gr\u{fc}\u{df} \u{1f511}.") }
        .calling("patch", json!({"a": "b {\"c\": 1}"}))
        .calling("mcp_erp_lookup", json!({}))
}

/// How many bytes the stream of the reply has: the first cut that cuts nothing. The stream of each question has the
/// same length as long as numbers have as many digits.
fn same(answer: &Answer, whole: &Answer) -> bool {
    let bare = |answer: &Answer| {
        let calls = answer.calls.iter().map(|call| (call.name.clone(), call.arguments.clone()));
        (answer.text.clone(), calls.collect::<Vec<_>>(), answer.stop, answer.spent)
    };
    bare(answer) == bare(whole)
}

/// Cut at every byte, torn or ended as if it were whole: there is the whole answer or none, never a half call; and
/// what is booked is what the provider charged, or the most that it can have been, once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_cut_at_any_byte_is_no_answer() {
    for dialect in DIALECTS {
        let (_server, models) = scripted(dialect, Script::new(vec![Rule::always(reply())])).await;
        let question = ask(dialect, "Check it");
        let whole = answer(&models, &question).await.unwrap();
        let most = models.estimate(&question).unwrap();
        let (mut answers, mut byte) = (0, 0);
        while answers < 24 {
            for is_torn in [true, false] {
                let (cut, end) = if is_torn { (Some(byte), None) } else { (None, Some(byte)) };
                let fault = Fault { cut_at_byte: cut, end_at_byte: end, ..Fault::default() };
                let script = Script::new(vec![Rule::always(reply()).with(fault)]);
                let (server, models) = scripted(dialect, script).await;
                let what = format!("{dialect:?} at byte {byte}, torn: {is_torn}");
                match answer(&models, &question).await {
                    Ok(answer) => {
                        assert!(same(&answer, &whole), "{what}: {answer:?}");
                        answers += 1;
                    }
                    Err(error) => {
                        answers = 0;
                        assert_eq!(error.kind, Kind::Cut, "{what}: {error}");
                        check_books(&error, &whole.spent, most.most_cost, &what);
                    }
                }
                assert_eq!(
                    server.asked().len(),
                    1,
                    "{what}: sent again, though it may have cost something"
                );
            }
            byte += 1;
        }
        println!("{dialect:?}: cut at each of {} bytes", byte - 12);
        assert!(byte > 900, "{dialect:?}: {byte}");
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

//! Answers and refusals in every dialect.

use std::time::{Duration, Instant};

use aob_provider::script::{Fault, Reply, Rule, Script};
use aob_provider::{Choice, Event, Kind, OutputSchema, Spent, Stop, ToolResult, Turn};
use serde_json::json;

use crate::ask::{DIALECTS, KEY, answer, ask, at, limits, scripted};

#[tokio::test]
async fn a_text_comes_whole_and_is_booked_as_the_provider_counts_it() {
    for dialect in DIALECTS {
        let text = "Gr\u{fc}\u{df} Gott, alles in Ordnung. \u{1f511} ".repeat(20);
        let script = Script::new(vec![Rule::always(Reply::text(&text))]);
        let (server, models) = scripted(dialect, script).await;
        let question = ask(dialect, "Check it.");
        let estimate = models.estimate(&question).unwrap();
        let mut seen = String::new();
        let mut begun = None;
        let told = |event: Event<'_>| match event {
            Event::Text(piece) => seen.push_str(piece),
            Event::Begun { request_id } => begun = request_id.map(str::to_owned),
            other => panic!("{other:?}"),
        };
        let answer = models.ask(&question, std::future::pending(), told).await.unwrap();
        assert_eq!((&answer.text, answer.stop, answer.sent), (&text, Stop::End, 1), "{dialect:?}");
        assert_eq!((&seen, answer.calls.len()), (&text, 0));
        assert_eq!(
            (begun.as_deref(), answer.request_id.as_deref()),
            (Some("req_1"), Some("req_1"))
        );
        assert!(answer.model.ends_with("+scripted") && !answer.id.is_empty(), "{answer:?}");
        let asked = &server.asked()[0];
        let usage = answer.spent.usage;
        assert_eq!((usage.input, usage.cached, usage.output), (asked.input, 0, asked.output));
        assert!(answer.spent.is_exact && answer.spent.cost.unwrap().0 > 0);
        assert!(answer.spent.cost <= estimate.most_cost && usage.input <= estimate.most_input);
        assert_eq!(asked.prompt.system, "You check invoices.\n\n# Policy\nNever guess.");
        assert_eq!(asked.prompt.tools, ["mcp_erp_lookup", "patch"]);
    }
}

#[tokio::test]
async fn a_conversation_goes_on_with_the_results_of_its_calls() {
    for dialect in DIALECTS {
        let first = Reply { thought: "Hm, an invoice.".to_owned(), ..Reply::text("I look.") }
            .calling("mcp_erp_lookup", json!({"a": "17 \u{2013} \u{fc}"}))
            .calling("patch", json!({}));
        let second = Rule { after: Some("patch".to_owned()), ..Rule::always(Reply::text("Done.")) };
        let script = Script::new(vec![second, Rule::when("^Check (?P<what>.*)$", first)]);
        let (server, models) = scripted(dialect, script).await;
        let mut question = ask(dialect, "Check it");
        question.parallel = true;
        let mut names = Vec::new();
        let told = |event: Event<'_>| {
            if let Event::Call { name } = event {
                names.push(name.to_owned());
            }
        };
        let first = models.ask(&question, std::future::pending(), told).await.unwrap();
        assert_eq!((first.stop, &*first.text), (Stop::Tools, "I look."), "{dialect:?}");
        assert_eq!(names, ["mcp.erp.lookup", "patch"]);
        assert_eq!(first.calls[0].name, "mcp.erp.lookup");
        assert_eq!(first.calls[0].arguments, Ok(json!({"a": "17 \u{2013} \u{fc}"})));
        assert_eq!(first.calls[1].arguments, Ok(json!({})));
        question.turns.push(first.turn());
        let result = |at: usize, is_error| ToolResult {
            id: first.calls[at].id.clone(),
            content: format!("result {at}"),
            is_error,
        };
        question.turns.push(Turn::Results(vec![result(0, false), result(1, true)]));
        let second = answer(&models, &question).await.unwrap();
        assert_eq!((&*second.text, second.stop), ("Done.", Stop::End), "{dialect:?}");
        let asked = server.asked();
        let body = asked[1].prompt.body.to_string();
        assert!(asked[1].prompt.last.contains("result 1"), "{body}");
        let keeps_thoughts = dialect != aob_provider::Dialect::Chat;
        assert_eq!(body.contains("Hm, an invoice."), keeps_thoughts, "{body}");
        // Turns may be kept in a store between two questions.
        let kept = serde_json::to_string(&question.turns).unwrap();
        assert_eq!(serde_json::from_str::<Vec<Turn>>(&kept).unwrap(), question.turns);
    }
}

#[tokio::test]
async fn broken_arguments_are_no_call_but_can_be_answered() {
    for dialect in DIALECTS {
        for raw in ["{\"a\": ", "[1, 2]", "{'a': 1}", "sure! {\"a\": 1}"] {
            let script = Script::new(vec![
                Rule { after: Some("patch".to_owned()), ..Rule::always(Reply::text("Sorry.")) },
                Rule::always(Reply::default().calling_raw("patch", raw)),
            ]);
            let (_server, models) = scripted(dialect, script).await;
            let mut question = ask(dialect, "Check it");
            let first = answer(&models, &question).await.unwrap();
            let malformed = first.calls[0].arguments.as_ref().unwrap_err();
            assert_eq!((&*malformed.excerpt, first.stop), (raw, Stop::Tools), "{dialect:?}");
            question.turns.push(first.turn());
            let id = first.calls[0].id.clone();
            let content = format!("not JSON: {}", malformed.why);
            question.turns.push(Turn::Results(vec![ToolResult { id, content, is_error: true }]));
            assert_eq!(answer(&models, &question).await.unwrap().text, "Sorry.");
        }
    }
}

#[tokio::test]
async fn tokens_that_run_out_leave_no_half_call() {
    for dialect in DIALECTS {
        let stop = |stop: &str, reply: Reply| Reply { stop: Some(stop.to_owned()), ..reply };
        let half = Reply::text("I ")
            .calling("patch", json!({"a": "x"}))
            .calling_raw("patch", "{\"a\": \"y");
        let script = Script::new(vec![
            Rule::when("half", stop("length", half)),
            Rule::when("refuse", stop("refused", Reply::text("No."))),
        ]);
        let (_server, models) = scripted(dialect, script).await;
        let cut = answer(&models, &ask(dialect, "half")).await.unwrap();
        assert_eq!((cut.stop, cut.calls.len()), (Stop::Length, 1), "{dialect:?}");
        let refused = answer(&models, &ask(dialect, "refuse")).await.unwrap();
        assert_eq!((refused.stop, &*refused.text), (Stop::Refused, "No."), "{dialect:?}");
    }
}

#[tokio::test]
async fn what_is_rendered_is_what_each_provider_knows() {
    for dialect in DIALECTS {
        let script = Script::new(vec![Rule::always(Reply::text("{\"ok\":true}"))]);
        let (server, models) = scripted(dialect, script).await;
        let mut question = ask(dialect, "Check it");
        let schema = json!({"type": "object", "additionalProperties": false, "required": ["ok"], "properties": {"ok": {"type": "boolean"}}});
        question.output = Some(OutputSchema { name: "verdict".to_owned(), schema: schema.clone() });
        question.choice = Choice::Only(vec!["mcp.erp.lookup".to_owned()]);
        answer(&models, &question).await.unwrap();
        question.output.as_mut().unwrap().schema = json!({"type": "object"});
        question.choice = Choice::None;
        question.model = "local/any".parse().unwrap();
        answer(&models, &question).await.unwrap();
        let asked = server.asked();
        let at = |n: usize, pointer: &str| {
            asked[n].prompt.body.pointer(pointer).cloned().unwrap_or_default()
        };
        match dialect {
            aob_provider::Dialect::Chat => {
                assert_eq!(at(0, "/response_format/json_schema/strict"), json!(true));
                assert_eq!(at(0, "/response_format/json_schema/schema"), schema);
                assert_eq!(at(0, "/tools/0/function/strict"), json!(true));
                assert_eq!(
                    at(0, "/tool_choice/allowed_tools/tools/0/function/name"),
                    json!("mcp_erp_lookup")
                );
                assert_eq!(at(0, "/max_completion_tokens"), json!(1_000));
                assert_eq!(at(0, "/prompt_cache_options/mode"), json!("explicit"));
                assert_eq!(at(0, "/parallel_tool_calls"), json!(false));
                // One that is only compatible gets what all know.
                assert_eq!(
                    (at(1, "/max_tokens"), at(1, "/tool_choice")),
                    (json!(1_000), json!("none"))
                );
                assert_eq!(at(1, "/response_format/json_schema/strict"), json!(false));
                for absent in
                    ["/prompt_cache_key", "/prompt_cache_options", "/tools/0/function/strict"]
                {
                    assert_eq!(at(1, absent), json!(null), "{absent}");
                }
            }
            aob_provider::Dialect::Responses => {
                assert_eq!(at(0, "/text/format/strict"), json!(true));
                assert_eq!(at(0, "/tool_choice/tools/0/name"), json!("mcp_erp_lookup"));
                assert_eq!(
                    (at(0, "/store"), at(0, "/tools/0/strict")),
                    (json!(false), json!(true))
                );
                assert_eq!(at(0, "/include/0"), json!("reasoning.encrypted_content"));
                assert_eq!(
                    (at(1, "/include"), at(1, "/tools/0/strict")),
                    (json!(null), json!(false))
                );
            }
            aob_provider::Dialect::Messages => {
                assert_eq!(at(0, "/output_config/format/schema"), schema);
                assert_eq!(at(0, "/tool_choice/disable_parallel_tool_use"), json!(true));
                assert_eq!(at(0, "/tools/0/input_examples/0/a"), json!("x"));
                assert_eq!(at(0, "/system/0/cache_control"), json!(null));
                assert_eq!(
                    (at(1, "/output_config"), at(1, "/tool_choice/type")),
                    (json!(null), json!("none"))
                );
                assert!(
                    asked[1].prompt.system.contains("{\"type\":\"object\"}"),
                    "{}",
                    asked[1].prompt.system
                );
            }
        }
    }
}

#[tokio::test]
async fn what_certainly_cost_nothing_is_sent_again_when_the_provider_says() {
    let date =
        jiff::fmt::rfc2822::to_string(&(jiff::Zoned::now() + Duration::from_secs(1))).unwrap();
    let forms: &[(&[(&str, &str)], u64)] = &[
        (&[("retry-after-ms", "120")], 120),
        (&[("retry-after", "0.2")], 200),
        (&[("retry-after", &date)], 0),
        (&[("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "150ms")], 150),
        (&[("x-ratelimit-remaining-tokens", "-1"), ("retry-after-ms", "50")], 50),
    ];
    for dialect in DIALECTS {
        for (headers, at_least) in forms {
            let headers =
                headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            let fault = Fault { status: Some(429), headers: headers.collect(), ..Fault::default() };
            let script = Script::new(vec![
                Rule::default().times(1).with(fault),
                Rule::always(Reply::text("Now.")),
            ]);
            let (server, models) = scripted(dialect, script).await;
            let mut again = Vec::new();
            let began = Instant::now();
            let told = |event: Event<'_>| {
                if let Event::Again { kind, .. } = event {
                    again.push(kind);
                }
            };
            let answer =
                models.ask(&ask(dialect, "?"), std::future::pending(), told).await.unwrap();
            assert_eq!((&*answer.text, answer.sent), ("Now.", 2), "{dialect:?}");
            assert_eq!(again, [Kind::RateLimited]);
            assert!(began.elapsed() >= Duration::from_millis(*at_least), "{:?}", began.elapsed());
            let asked = server.asked();
            assert_eq!(asked.len(), 2);
            assert!(asked[0].idempotency.is_some() && asked[0].idempotency == asked[1].idempotency);
        }
    }
}

#[tokio::test]
async fn refusals_are_what_they_are_and_cost_nothing() {
    let fault = |status: u16, error: &str| Fault {
        status: Some(status),
        error: Some(error.to_owned()),
        headers: [("retry-after-ms".to_owned(), "1".to_owned())].into(),
        ..Fault::default()
    };
    let cases = [
        (fault(429, "insufficient_quota"), Kind::QuotaExhausted, 1),
        (fault(429, "rate_limit_error"), Kind::RateLimited, 3),
        (fault(400, "invalid_request_error"), Kind::BadRequest, 1),
        (fault(400, "context_length_exceeded"), Kind::TooLong, 1),
        (fault(404, "model_not_found"), Kind::NoModel, 1),
        (fault(500, "server_error"), Kind::Failed, 3),
        (fault(529, "overloaded_error"), Kind::Overloaded, 3),
    ];
    for dialect in DIALECTS {
        for (fault, kind, sent) in &cases {
            let script = Script::new(vec![Rule::default().with(fault.clone())]);
            let (server, models) = scripted(dialect, script).await;
            let error = answer(&models, &ask(dialect, "?")).await.unwrap_err();
            assert_eq!((error.kind, error.sent), (*kind, *sent), "{dialect:?} {error}");
            assert_eq!((error.spent, server.asked().len()), (Spent::NOTHING, *sent as usize));
            assert_eq!(error.is_retryable, *sent > 1);
            assert!(error.message.starts_with(crate::ask::model(dialect)), "{error}");
        }
        // A provider that asks for more than is waited gets no second question, and the caller is told how long.
        let mut long = fault(429, "rate_limit_error");
        long.headers = [("retry-after".to_owned(), "3600".to_owned())].into();
        let (_server, models) =
            scripted(dialect, Script::new(vec![Rule::default().with(long)])).await;
        let error = answer(&models, &ask(dialect, "?")).await.unwrap_err();
        assert_eq!((error.sent, error.retry_after), (1, Some(Duration::from_secs(3_600))));
        // What stands before the provider gave up waiting: it may have cost something.
        let (_server, models) =
            scripted(dialect, Script::new(vec![Rule::default().with(fault(504, "api_error"))]))
                .await;
        let question = ask(dialect, "?");
        let error = answer(&models, &question).await.unwrap_err();
        assert_eq!((error.kind, error.sent, error.is_retryable), (Kind::Failed, 1, true));
        assert_eq!(error.spent.cost, models.estimate(&question).unwrap().most_cost);
        // Headers overrule what is usual.
        let mut never = fault(500, "server_error");
        never.headers.insert("x-should-retry".to_owned(), "false".to_owned());
        let (_server, models) =
            scripted(dialect, Script::new(vec![Rule::default().with(never)])).await;
        let error = answer(&models, &ask(dialect, "?")).await.unwrap_err();
        assert_eq!((error.sent, error.is_retryable), (1, false));
    }
}

#[tokio::test]
async fn an_error_within_a_stream_ends_it() {
    for dialect in DIALECTS {
        let at = |after: usize| Fault {
            error_after: Some(after),
            error: Some("overloaded_error".to_owned()),
            ..Fault::default()
        };
        let script = Script::new(vec![
            Rule::when(
                "late",
                Reply::text("This goes well for a while.").calling("patch", json!({"a": "b"})),
            )
            .with(at(5)),
            Rule::when("odd", Reply::text("?")).with(Fault {
                headers: [("content-type".to_owned(), "text/html".to_owned())].into(),
                ..Fault::default()
            }),
        ]);
        let (_server, models) = scripted(dialect, script).await;
        let question = ask(dialect, "late");
        let error = answer(&models, &question).await.unwrap_err();
        assert_eq!(
            (error.kind, error.is_retryable, error.sent),
            (Kind::Overloaded, true, 1),
            "{dialect:?} {error}"
        );
        assert!(!error.spent.is_exact && error.spent.cost.unwrap().0 > 0);
        assert_eq!(error.spent.usage.output, 1_000);
        assert!(error.spent.cost <= models.estimate(&question).unwrap().most_cost);
        let error = answer(&models, &ask(dialect, "odd")).await.unwrap_err();
        assert_eq!(error.kind, Kind::NotUnderstood, "{error}");
    }
}

#[tokio::test]
async fn who_waits_too_long_gives_up_and_so_does_who_is_told_to() {
    for dialect in DIALECTS {
        let silent = Fault { silent_after: Some(4), ..Fault::default() };
        let script = Script::new(vec![
            Rule::when("dumb", Reply::text("x".repeat(200))).with(silent),
            Rule::when("slow", Reply::text("x"))
                .with(Fault { before_ms: 60_000, ..Fault::default() }),
        ]);
        let (server, _) = scripted(dialect, script).await;
        let short = Duration::from_millis(100);
        let patient = at(
            dialect,
            &server.base_url(),
            aob_provider::Limits { between_events: short, ..limits() },
        );
        let error = answer(&patient, &ask(dialect, "dumb")).await.unwrap_err();
        assert_eq!((error.kind, error.is_retryable), (Kind::Timeout, true), "{error}");
        assert!(error.spent.cost.unwrap().0 > 0);
        let patient =
            at(dialect, &server.base_url(), aob_provider::Limits { first_byte: short, ..limits() });
        let error = answer(&patient, &ask(dialect, "slow")).await.unwrap_err();
        assert_eq!((error.kind, error.sent), (Kind::Timeout, 1), "{error}");
        // Told to stop in the middle of the text.
        let models = at(dialect, &server.base_url(), limits());
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let mut stop = Some(stop);
        let told = |event: Event<'_>| {
            if let (Event::Text(_), Some(stop)) = (event, stop.take()) {
                stop.send(()).unwrap();
            }
        };
        let stopped = async { stopped.await.unwrap() };
        let error = models.ask(&ask(dialect, "dumb"), stopped, told).await.unwrap_err();
        assert_eq!((error.kind, error.is_retryable), (Kind::Cancelled, false), "{error}");
        assert!(error.spent.cost.unwrap().0 > 0 && !error.spent.is_exact);
    }
}

#[tokio::test]
async fn a_wrong_key_is_said_but_never_shown() {
    for dialect in DIALECTS {
        let body = format!("{{\"error\": {{\"message\": \"no such key {KEY}\"}}}}");
        let told = Fault { status: Some(401), body: Some(body), ..Fault::default() };
        let (_server, models) =
            scripted(dialect, Script::new(vec![Rule::default().with(told)])).await;
        let error = answer(&models, &ask(dialect, "?")).await.unwrap_err();
        assert_eq!(error.kind, Kind::Unauthorised);
        assert!(error.message.ends_with("no such key ***"), "{error}");
        let server = aob_provider::script::Server::start(Script::new(Vec::new()).with_key("other"))
            .await
            .unwrap();
        let error = answer(&at(dialect, &server.base_url(), limits()), &ask(dialect, "?"))
            .await
            .unwrap_err();
        assert_eq!(error.kind, Kind::Unauthorised, "{error}");
    }
}

#[tokio::test]
async fn what_is_no_question_is_not_sent() {
    for dialect in DIALECTS {
        let (server, models) = scripted(dialect, Script::new(Vec::new())).await;
        let call = aob_provider::ToolCall {
            id: "1".to_owned(),
            name: "patch".to_owned(),
            arguments: Ok(json!({})),
        };
        let said = |calls| Turn::Model { text: String::new(), calls, verbatim: None };
        let result = |id: &str| {
            Turn::Results(vec![ToolResult {
                id: id.to_owned(),
                content: String::new(),
                is_error: false,
            }])
        };
        let user = || Turn::User("x".to_owned());
        let cases = [
            (vec![], "begins with a turn of the user"),
            (vec![said(vec![])], "begins with a turn of the user"),
            (vec![Turn::User(" ".to_owned())], "no text"),
            (vec![user(), said(vec![call.clone()])], "has no result"),
            (vec![user(), said(vec![call.clone()]), user()], "has no result"),
            (vec![user(), said(vec![call.clone()]), result("2")], "no open call has the id"),
            (vec![user(), said(vec![call.clone(), call.clone()]), result("1")], "two calls"),
            (vec![user(), result("1")], "no open call has the id"),
        ];
        for (turns, part) in cases {
            let mut question = ask(dialect, "?");
            question.turns = turns;
            let error = answer(&models, &question).await.unwrap_err();
            assert_eq!((error.kind, error.sent), (Kind::Invalid, 0));
            assert!(error.message.contains(part), "{error}");
        }
        let mut question = ask(dialect, "?");
        question.model = "nobody/x".parse().unwrap();
        let error = answer(&models, &question).await.unwrap_err();
        assert_eq!(error.kind, Kind::Unknown);
        assert!(error.message.contains("known: anthropic, local, openai"), "{error}");
        assert!(server.asked().is_empty());
    }
}

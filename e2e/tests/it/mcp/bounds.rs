//! Servers that are slow, say too much, fail, or are not there.

use aob_engine::state::RunOutcome;
use aob_runner::node::ExecPolicy;
use serde_json::{Value, json};

use super::{Bench, Tools, calls};

/// Whatever a tool does, the model is told in bounded words, and the run goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_wrong_is_told_to_the_model() {
    let tools = Tools::start();
    let limits = "[limits]\ncall_seconds = 2\nanswer_bytes = 1000000\n";
    for (tool, arguments, told) in [
        ("slow", "{}", "no answer within 2 s"),
        ("large", "{}", "exceeded the maximum size"),
        ("long", "{}", "... (100000 bytes in all)"),
        ("breaks", "{}", "Error executing tool breaks"),
        ("find_invoice", "{ number = \"seven\" }", "not called, its arguments do not fit: /number"),
    ] {
        let script = calls(&format!("erp_{tool}"), arguments);
        let bench = Bench::new(&script, &tools.settings(limits), ExecPolicy::Off).await;
        let (run, state) = bench.ask(json!([format!("mcp.erp.{tool}")])).await;
        assert_eq!(state.head.outcome, Some(RunOutcome::Succeeded), "{:?}", state.head.failure);
        let output = bench.runs.output(&run, Some("ask")).await.unwrap();
        let said = output.as_deref().and_then(|output| output["text"].as_str()).unwrap_or_default();
        assert!(said.contains(told), "{tool}: {}", &said[said.len().saturating_sub(500)..]);
        assert!(said.len() < 40_000, "{tool}: {} bytes", said.len());
        bench.stop().await;
    }
    // What did not fit never reached it.
    let bench =
        Bench::new(&calls("erp_calls_so_far", "{}"), &tools.settings(""), ExecPolicy::Off).await;
    let (run, _) = bench.ask(json!(["mcp.erp.calls_so_far"])).await;
    let output = bench.runs.output(&run, Some("ask")).await.unwrap();
    assert_eq!(output.as_deref(), Some(&json!({"text": "0"})));
    bench.stop().await;
}

/// What is not there or not allowed ends the attempt before a model is asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_there_is_named_before_a_model_is_asked() {
    let tools = Tools::start();
    let only = "tools = [\"find_invoice\", \"nothing\"]\n";
    let fails = async |settings: &str, tools: Value, code: &str, told: &str| {
        let bench = Bench::new("", settings, ExecPolicy::Off).await;
        let (_, state) = bench.ask(tools.clone()).await;
        let failure = state.head.failure.clone().expect("it fails");
        assert_eq!(&*failure.code, code, "{tools}: {}", failure.message);
        assert!(failure.message.contains(told), "{tools}: {}", failure.message);
        assert_eq!(bench.model.questions(), 0, "{tools}");
        bench.stop().await;
    };
    let here = tools.settings(only);
    fails(&here, json!(["mcp.crm.find"]), "agent_tool", "no server `crm`; it has erp").await;
    fails(&here, json!(["mcp.erp"]), "agent_tool", "`mcp.<server>.<tool>`").await;
    fails(&here, json!(["mcp.erp.slow"]), "agent_tool", "do not allow the tool `slow`").await;
    fails(&here, json!(["mcp.erp.nothing"]), "agent_tool", "has no tool `nothing`").await;
    let small = tools.settings("[limits]\ndefinition_bytes = 20\n");
    fails(&small, json!(["mcp.erp.slow"]), "agent_tool", "at most 20 are shown").await;
    let away = "[servers.erp]\nurl = \"http://127.0.0.1:1/mcp\"\n";
    fails(away, json!(["mcp.erp.slow"]), "agent_server", "the server `erp`").await;
}

/// A server that dies is connected to anew by the next attempt.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_comes_back_is_found_again() {
    let first = Tools::start();
    let script = calls("erp_find_invoice", "{ number = 1 }");
    let bench = Bench::new(&script, &first.settings(""), ExecPolicy::Off).await;
    let ask = async || bench.ask(json!(["mcp.erp.find_invoice"])).await.1.head.outcome;
    assert_eq!(ask().await, Some(RunOutcome::Succeeded));
    let port = first.port;
    drop(first);
    assert_eq!(ask().await, Some(RunOutcome::Failed), "nobody is there");
    let second = Tools::start_on(port);
    assert_eq!(ask().await, Some(RunOutcome::Succeeded));
    drop(second);
    bench.stop().await;
}

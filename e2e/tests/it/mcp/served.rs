//! What an agent gets of a server.

use aob_engine::state::RunOutcome;
use aob_runner::node::ExecPolicy;
use serde_json::json;

use super::{Bench, KEY, Tools, calls};
use crate::python::interpreter;

/// The tool is told of as its server describes it, called once with what the model said, and its answer read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tool_is_called_over_http() {
    let tools = Tools::start();
    let script = calls("erp_find_invoice", "{ number = 7 }");
    let bench = Bench::new(&script, &tools.settings(""), ExecPolicy::Off).await;
    let (run, state) = bench.ask(json!(["mcp.erp.find_invoice"])).await;
    assert_eq!(state.head.outcome, Some(RunOutcome::Succeeded), "{:?}", state.head.failure);
    let output = bench.runs.output(&run, Some("ask")).await.unwrap();
    assert_eq!(output.as_deref(), Some(&json!({"text": "invoice 7 is paid"})));
    assert_eq!(state.head.spent["ask"].calls, 3, "two questions and a call of a tool");
    let told = bench.told();
    assert!(told.contains("Finds an invoice by its number."), "{told}");
    assert!(!told.contains(KEY), "{told}");
    bench.stop().await;
}

/// It proves who asks, and what a server says back of that reaches neither model nor run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_key_goes_to_the_server_and_nowhere_else() {
    let tools = Tools::start();
    let script = calls("erp_who_asks", "{}");
    let bench = Bench::new(&script, &tools.settings(""), ExecPolicy::Off).await;
    let (run, _) = bench.ask(json!(["mcp.erp.who_asks"])).await;
    let output = bench.runs.output(&run, Some("ask")).await.unwrap();
    assert_eq!(output.as_deref(), Some(&json!({"text": "you are Bearer ***"})));
    bench.stop().await;
}

/// A process of this machine is a server only where its program may be started, and ends with the runner's part.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_serves_where_the_operator_allows_its_program() {
    let python = interpreter("mcp");
    let program = python.to_str().unwrap();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/mcp_server.py");
    let settings = format!("[servers.here]\ncommand = [{program:?}, {file:?}]\n");
    let script = calls("here_process", "{}");
    let bench = Bench::new(&script, &settings, ExecPolicy::Off).await;
    let (_, state) = bench.ask(json!(["mcp.here.process"])).await;
    let failure = state.head.failure.clone().expect("it fails");
    assert_eq!(&*failure.code, "agent_tool");
    assert!(failure.message.contains("--allow-exec"), "{}", failure.message);
    bench.stop().await;
    let only = ExecPolicy::Only([program.to_owned()].into());
    let bench = Bench::new(&script, &settings, only).await;
    let (run, state) = bench.ask(json!(["mcp.here.process"])).await;
    assert_eq!(state.head.outcome, Some(RunOutcome::Succeeded), "{:?}", state.head.failure);
    let output = bench.runs.output(&run, Some("ask")).await.unwrap().expect("an output");
    let pid: u32 = output["text"].as_str().unwrap().parse().unwrap();
    let alive = || std::path::Path::new(&format!("/proc/{pid}/exe")).exists();
    assert!(alive(), "it stays for the next call");
    bench.stop().await;
    let began = std::time::Instant::now();
    while alive() {
        assert!(began.elapsed() < crate::local::PATIENCE, "{pid} outlives its runner");
        tokio::task::yield_now().await;
    }
}

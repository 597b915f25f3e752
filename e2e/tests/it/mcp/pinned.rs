//! A tool whose text changes after somebody has looked at it.

use aob_engine::state::RunOutcome;
use aob_runner::node::ExecPolicy;
use serde_json::json;

use super::{Bench, Tools, calls};

/// It is refused by whoever saw it before, by its first sight or by a pin, and no model is told the new text.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_definition_that_changes_is_refused() {
    let tools = Tools::start();
    let bench =
        Bench::new(&calls("erp_shifting", "{}"), &tools.settings(""), ExecPolicy::Off).await;
    let (_, state) = bench.ask(json!(["mcp.erp.shifting"])).await;
    assert_eq!(state.head.outcome, Some(RunOutcome::Succeeded), "{:?}", state.head.failure);
    let questions = bench.model.questions();
    let other = Bench::new(&calls("erp_shift", "{}"), &tools.settings(""), ExecPolicy::Off).await;
    let (_, state) = other.ask(json!(["mcp.erp.shift"])).await;
    assert_eq!(state.head.outcome, Some(RunOutcome::Succeeded), "{:?}", state.head.failure);
    other.stop().await;
    let (_, state) = bench.ask(json!(["mcp.erp.shifting"])).await;
    let failure = state.head.failure.clone().expect("it fails");
    assert_eq!(&*failure.code, "agent_tool_changed", "{}", failure.message);
    assert_eq!(bench.model.questions(), questions, "no model is told");
    bench.stop().await;
    // The message names both digests: that is how a pin is written.
    let digests: Vec<&str> =
        failure.message.split(' ').filter(|word| word.starts_with("sha256:")).collect();
    let (now, was) = (digests[0].trim_end_matches(','), digests[1]);
    assert_ne!(now, was);
    for (pin, outcome) in [(now, RunOutcome::Succeeded), (was, RunOutcome::Failed)] {
        let settings = tools.settings(&format!("pins = {{ shifting = \"{pin}\" }}\n"));
        let bench = Bench::new(&calls("erp_shifting", "{}"), &settings, ExecPolicy::Off).await;
        let (_, state) = bench.ask(json!(["mcp.erp.shifting"])).await;
        assert_eq!(state.head.outcome, Some(outcome), "{pin}: {:?}", state.head.failure);
        bench.stop().await;
    }
}

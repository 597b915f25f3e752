//! The same agent with a real client and a real server: the mission's first example in every dialect.

use std::sync::Arc;

use aob_engine::state::RunOutcome;
use aob_provider::script::{Script, Server};
use aob_provider::settings::{Key, Provider};
use aob_provider::{Dialect, Models, Prices, Settings};
use serde_json::json;

use super::scripted::{Bench, example};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_example_runs_in_every_dialect() {
    let path = format!("{}/../examples/models/agent-validates.toml", env!("CARGO_MANIFEST_DIR"));
    let script = std::fs::read_to_string(path).expect("the script is there");
    for dialect in [Dialect::Chat, Dialect::Responses, Dialect::Messages] {
        let server =
            Server::start(Script::parse(&script).expect("a script")).await.expect("a port");
        let address = server.base_url().parse().expect("an address");
        let mut provider = Provider::new(dialect, address).with_key(Key::new("none"));
        provider.is_http2 = true;
        let providers = [("openai".to_owned(), provider)].into();
        let settings = Settings { providers, prices: Prices::built_in(), ..Settings::default() };
        let bench = Bench::with(Arc::new(Models::new(settings).expect("settings")));
        let (run, state) = bench.run(&example("agent-validates.yaml")).await;
        assert_eq!(
            state.head.outcome,
            Some(RunOutcome::Succeeded),
            "{dialect:?}: {:?}",
            state.head
        );
        assert_eq!(state.head.revision, 1, "{dialect:?}");
        assert_eq!(bench.output(&run, None).await, json!({"saved": 3, "large": [1, 2]}));
        let spent = state.head.spent["triage"];
        assert_eq!(spent.calls, 2, "{dialect:?}");
        assert!(spent.usd > 0 && spent.usd < 500_000 && spent.tokens > 1_000, "{spent}");
        assert_eq!(server.connections(), 1, "{dialect:?}: one connection for both questions");
        bench.stop().await;
    }
}

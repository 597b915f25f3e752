//! Questions and servers that the tests have in common.

use std::sync::Arc;
use std::time::Duration;

use aob_provider::script::{Script, Server};
use aob_provider::{
    Ask, CachePlan, Choice, Dialect, Key, Limits, ModelError, Models, Prefix, Prices, Provider,
    Settings, Tool, Turn,
};
use serde_json::json;

pub(crate) const DIALECTS: [Dialect; 3] = [Dialect::Chat, Dialect::Responses, Dialect::Messages];

/// The key that scripts want.
pub(crate) const KEY: &str = "sk-test-0123456789";

/// The name of the provider whose own dialect it is, and a model of it.
pub(crate) const fn model(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Chat | Dialect::Responses => "openai/gpt-5.6",
        Dialect::Messages => "anthropic/claude-opus-5",
    }
}

/// Short times, so that a test waits for nothing.
pub(crate) fn limits() -> Limits {
    Limits {
        connect: Duration::from_secs(5),
        first_byte: Duration::from_secs(20),
        between_events: Duration::from_secs(20),
        ..Limits::default()
    }
}

/// Everybody of this dialect at this address, over HTTP/2.
pub(crate) fn at(dialect: Dialect, base_url: &str, limits: Limits) -> Models {
    let mut provider = Provider::new(dialect, base_url.parse().unwrap()).with_key(Key::new(KEY));
    provider.is_http2 = true;
    let mut settings = Settings { prices: Prices::built_in(), limits, ..Settings::default() };
    for name in ["openai", "anthropic", "local"] {
        settings.providers.insert(name.to_owned(), provider.clone());
    }
    Models::new(settings).unwrap()
}

/// A server and who asks it.
pub(crate) async fn scripted(dialect: Dialect, script: Script) -> (Server, Models) {
    let server = Server::start(script.with_key(KEY)).await.unwrap();
    let models = at(dialect, &server.base_url(), limits());
    (server, models)
}

pub(crate) fn tool(name: &str) -> Tool {
    Tool {
        name: name.to_owned(),
        description: format!("Does {name}."),
        parameters: json!({"type": "object", "additionalProperties": false, "required": ["a"], "properties": {"a": {"type": "string"}}}),
        strict: true,
        examples: vec![json!({"a": "x"})],
    }
}

/// A question with two tools.
pub(crate) fn ask(dialect: Dialect, said: &str) -> Ask {
    let tools = vec![tool("patch"), tool("mcp.erp.lookup")];
    Ask {
        model: model(dialect).parse().unwrap(),
        prefix: Arc::new(Prefix::new("You check invoices.", tools, &[], "Never guess.")),
        context: String::new(),
        turns: vec![Turn::User(said.to_owned())],
        output: None,
        choice: Choice::Auto,
        max_tokens: 1_000,
        cache: CachePlan::Never,
        cache_key: "wf/check".to_owned(),
        parallel: false,
        span: None,
    }
}

/// Asks without being told of anything and without ever giving up.
pub(crate) async fn answer(models: &Models, ask: &Ask) -> Result<aob_provider::Answer, ModelError> {
    models.ask(ask, std::future::pending(), |_| {}).await
}

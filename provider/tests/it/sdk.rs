//! The stand-in, asked by the providers' own programs: what it speaks is what they understand.

use std::path::PathBuf;
use std::process::Stdio;

use aob_provider::script::{Fault, Reply, Rule, Script, Server};
use aob_provider::{Dialect, Settings};
use serde_json::{Value, json};

use crate::ask::{DIALECTS, KEY};

/// Python with OpenAI's and Anthropic's packages. `cargo xtask test` installs them; without them the test fails.
fn python() -> PathBuf {
    let cache =
        std::env::var_os("AOB_CACHE").map_or_else(|| "/var/cache/aob".into(), PathBuf::from);
    let python = cache.join("python/models/bin/python3");
    assert!(python.exists(), "{} is not there: run `cargo xtask test` once", python.display());
    python
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_providers_own_programs_understand_the_stand_in() {
    let python = python();
    for dialect in DIALECTS {
        let refused = Fault {
            status: Some(429),
            headers: [("retry-after-ms".to_owned(), "10".to_owned())].into(),
            ..Fault::default()
        };
        let reply =
            Reply { thought: "Hm.".to_owned(), ..Reply::text("I look at {{1}}: \u{fc}\u{1f511}.") }
                .calling("patch", json!({"a": "row {{1}}"}));
        let script = Script::new(vec![
            Rule::when("Check (\\d+)", Reply::default()).with(refused).times(1),
            Rule::when("Check (\\d+)", reply),
        ]);
        let server = Server::start(script.with_key(KEY)).await.unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/sdk.py");
        let run = tokio::process::Command::new(&python)
            .args([script, dialect.name(), &server.base_url(), KEY])
            .env_clear()
            .stdin(Stdio::null())
            .output();
        let done = run.await.unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{dialect:?}: {said}");
        let told: Value = serde_json::from_slice(&done.stdout).unwrap();
        let asked = server.asked();
        assert_eq!(asked.len(), 2, "{dialect:?}: one refusal, one answer");
        let stop = match dialect {
            Dialect::Chat => "tool_calls",
            Dialect::Responses => "completed",
            Dialect::Messages => "tool_use",
        };
        let model = format!("{}+scripted", asked[1].prompt.model);
        let expected = json!({
            "text": "I look at 17: \u{fc}\u{1f511}.", "calls": [["patch", {"a": "row 17"}]], "stop": stop,
            "model": model, "input": asked[1].input, "output": asked[1].output,
        });
        assert_eq!(told, expected, "{dialect:?}");
        assert_eq!(asked[1].prompt.system, "You check.");
    }
}

/// The environment that those programs read is enough here too.
#[test]
fn the_environment_of_the_providers_own_programs_is_read() {
    let get = |name: &str| (name == "ANTHROPIC_API_KEY").then(|| KEY.to_owned());
    let settings = Settings::from_env(&get).unwrap();
    assert_eq!(settings.providers.keys().collect::<Vec<_>>(), ["anthropic"]);
}

use super::*;

fn env(pairs: &'static [(&'static str, &'static str)]) -> impl Fn(&str) -> Option<String> {
    |name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
}

#[test]
fn keys_in_the_environment_are_enough() {
    let get = env(&[
        ("OPENAI_API_KEY", "sk-one\n"),
        ("ANTHROPIC_API_KEY", "sk-two"),
        ("ANTHROPIC_BASE_URL", "https://proxy.example"),
    ]);
    let settings = Settings::from_env(&get).unwrap();
    let of = |name: &str| settings.providers.get(name).unwrap();
    assert_eq!(
        (of("openai").dialect, of("openai").base_url.as_str()),
        (Dialect::Responses, "https://api.openai.com/v1")
    );
    assert_eq!(of("anthropic").base_url.as_str(), "https://proxy.example/v1");
    assert_eq!(of("openai").key.as_ref().unwrap().text(), "sk-one");
    let shown = format!("{settings:?}");
    assert!(!shown.contains("sk-"), "{shown}");
    assert!(Settings::from_env(&env(&[])).unwrap().providers.is_empty());
}

#[test]
fn a_file_has_any_provider() {
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("key");
    std::fs::write(&key, "sk-file\n").unwrap();
    let text = format!(
        r#"
[providers.local]
dialect = "chat"
base_url = "http://127.0.0.1:8000/v1"
http2 = true
[providers.corp]
dialect = "messages"
base_url = "https://models.example/api"
key_file = "{}"
headers = {{ x-team = "erp" }}
[limits]
retries = 5
between_events_seconds = 7
[[price]]
model = "local/*"
from = "2026-01-01"
input = "0"
output = "0"
"#,
        key.display()
    );
    let settings = Settings::parse(&text, &env(&[])).unwrap();
    let corp = settings.providers.get("corp").unwrap();
    assert_eq!(corp.key, Some(Key::new("sk-file")));
    assert_eq!(corp.headers, [("x-team".to_owned(), Key::new("erp"))]);
    assert!(settings.providers.get("local").unwrap().is_http2);
    assert_eq!(
        (settings.limits.retries, settings.limits.between_events),
        (5, Duration::from_secs(7))
    );
    let name = "local/any".parse().unwrap();
    let day = "2026-02-01".parse().unwrap();
    assert_eq!(settings.prices.of(&name, 1, day).unwrap().output, 0);
}

#[test]
fn what_cannot_be_is_named() {
    let provider = |lines: &str| format!("[providers.x]\ndialect = \"chat\"\n{lines}\n");
    let cases = [
        (provider("base_url = \"http://models.example/v1\""), "providers.x.base_url", "TLS"),
        (provider("base_url = \"ftp://a\""), "providers.x.base_url", "https://"),
        (provider("base_url = \"https://u:p@a/v1\""), "providers.x.base_url", "user"),
        (provider("base_url = \"models\""), "providers.x.base_url", "`models`"),
        (
            provider("base_url = \"https://a\"\nkey_env = \"NOT_SET\""),
            "providers.x.key_env",
            "`NOT_SET` is not set",
        ),
        (provider("base_url = \"https://a\"\nkey_env = \"TWO\""), "providers.x.key", "one line"),
        (
            provider("base_url = \"https://a\"\nkey_file = \"/no/such\""),
            "providers.x.key_file",
            "/no/such",
        ),
        (
            provider("base_url = \"https://a\"\nheaders = { \"a b\" = \"c\" }"),
            "providers.x.headers",
            "a b",
        ),
        (provider("base_url = \"https://a\"\nkey = \"sk\""), "AOB_MODELS", "unknown field `key`"),
        ("[limits]\nretrys = 1\n".to_owned(), "limits.retrys", "no such limit"),
        ("[limits]\nin_flight = 0\n".to_owned(), "limits", "may be 0"),
        (
            "[providers.\"a/b\"]\ndialect = \"chat\"\nbase_url = \"https://a\"\n".to_owned(),
            "providers",
            "letters",
        ),
    ];
    for (text, place, part) in cases {
        let error = Settings::parse(&text, &env(&[("TWO", "a\nb")])).unwrap_err();
        assert_eq!(error.place, place, "{text}");
        assert!(error.message.contains(part), "{error}");
    }
}

//! What a family of models understands beyond its dialect.

use crate::settings::{Dialect, Provider};

/// How a prefix is marked for the provider's cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marks {
    /// Not at all: the provider caches what it likes, for nothing, or has no cache.
    None,
    /// OpenAI from GPT-5.6 on: a mark on a block of text, and a word that nothing else is written.
    Breakpoint,
    /// Anthropic: `cache_control` on a block.
    Control,
}

/// What a model understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// How caches are marked.
    pub marks: Marks,
    /// The shortest prefix that is cached, in tokens; a shorter one is asked for in vain.
    pub shortest: u64,
    /// Whether it is the dialect's own provider, which knows every field of it; a compatible one gets what all know.
    pub is_own: bool,
    /// Whether it thinks before it answers, and wants to see its thoughts again.
    pub thinks: bool,
}

impl Family {
    /// By the provider's name or address, and by the model's name.
    pub fn of(name: &str, provider: &Provider, model: &str) -> Self {
        let host = provider.base_url.host_str().unwrap_or_default();
        let at = |domain: &str| {
            host == domain || host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
        };
        match provider.dialect {
            Dialect::Chat | Dialect::Responses => {
                let is_own = name == "openai" || at("openai.com");
                let version = version(model);
                let marks =
                    if is_own && version >= Some((5, 6)) { Marks::Breakpoint } else { Marks::None };
                let thinks = is_own && (version >= Some((5, 0)) || is_o_series(model));
                Self { marks, shortest: 1_024, is_own, thinks }
            }
            Dialect::Messages => {
                let is_own = name == "anthropic" || at("anthropic.com");
                Self { marks: Marks::Control, shortest: shortest(model), is_own, thinks: true }
            }
        }
    }
}

/// The version of a GPT: `gpt-5.6-sol` is 5.6.
fn version(model: &str) -> Option<(u32, u32)> {
    let rest = model.strip_prefix("gpt-")?;
    let number = rest.split(['-', ':']).next()?;
    let (major, minor) = number.split_once('.').unwrap_or((number, "0"));
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// `o3`, `o4-mini`.
fn is_o_series(model: &str) -> bool {
    let mut letters = model.chars();
    letters.next() == Some('o') && letters.next().is_some_and(|next| next.is_ascii_digit())
}

/// The shortest prefix that Anthropic caches. Where sources disagree the longer one is taken.
fn shortest(model: &str) -> u64 {
    const SHORT: &[(&str, u64)] = &[
        ("claude-opus-5", 512),
        ("claude-sonnet-5", 1_024),
        ("claude-sonnet-4-6", 2_048),
        ("claude-sonnet-4", 1_024),
        ("claude-opus-4-8", 1_024),
    ];
    SHORT.iter().find(|(start, _)| model.starts_with(start)).map_or(4_096, |(_, tokens)| *tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn family(name: &str, url: &str, dialect: Dialect, model: &str) -> Family {
        let provider = Provider::new(dialect, url.parse().unwrap());
        Family::of(name, &provider, model)
    }

    #[test]
    fn marks_are_for_models_that_know_them() {
        let openai = |model| family("openai", "http://127.0.0.1/", Dialect::Chat, model).marks;
        assert_eq!(openai("gpt-5.6"), Marks::Breakpoint);
        assert_eq!(openai("gpt-5.10-mini"), Marks::Breakpoint);
        assert_eq!(openai("gpt-6"), Marks::Breakpoint);
        for old in ["gpt-5.5", "gpt-5", "gpt-4o", "gpt-4.1", "o3", "llama"] {
            assert_eq!(openai(old), Marks::None, "{old}");
        }
        let at = |url| family("mine", url, Dialect::Chat, "gpt-5.6").is_own;
        assert!(at("https://api.openai.com/v1") && at("https://eu.api.openai.com/v1"));
        assert!(!at("https://notopenai.com/v1") && !at("https://openai.com.example/v1"));
    }

    #[test]
    fn a_model_that_nobody_knows_gets_the_longest_floor() {
        let floor = |model| {
            family("anthropic", "https://api.anthropic.com", Dialect::Messages, model).shortest
        };
        assert_eq!(
            (floor("claude-opus-5"), floor("claude-haiku-4-5"), floor("claude-next")),
            (512, 4_096, 4_096)
        );
    }
}

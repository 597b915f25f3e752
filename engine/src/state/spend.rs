//! What agents use of money, tokens, calls and time, and the most that they may.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ir::Limits;

/// An amount of all that is counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    /// Millionths of a US dollar.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub usd: u64,
    /// Tokens in and out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tokens: u64,
    /// Calls of models and tools.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub calls: u64,
    /// Milliseconds.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub ms: u64,
}

/// The most that may be used; what is absent is not limited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cap {
    /// Millionths of a US dollar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usd: Option<u64>,
    /// Tokens in and out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
    /// Calls of models and tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<u64>,
    /// Milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
}

/// What a tenant allows each of its runs, as it was when the run began; what is absent is not limited beyond the graph's
/// own limits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Allowed {
    /// Agents that were ever in the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agents: Option<u32>,
    /// Dispatches of agents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_starts: Option<u32>,
    /// Millionths of a US dollar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spend: Option<u64>,
}

impl Allowed {
    /// Whether it limits nothing.
    pub fn is_open(&self) -> bool {
        *self == Self::default()
    }

    /// The agents that a run of this graph may have.
    pub fn agents(&self, limits: &Limits) -> u32 {
        self.agents.map_or(limits.agents, |most| most.min(limits.agents))
    }

    /// The dispatches of agents that it may make.
    pub fn agent_starts(&self, limits: &Limits) -> u32 {
        self.agent_starts.map_or(limits.agent_starts, |most| most.min(limits.agent_starts))
    }

    /// The money that it may spend, where nobody has set another amount.
    pub fn spend(&self, limits: &Limits) -> Option<u64> {
        match (self.spend, limits.spend) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }
}

/// A cap that would be passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Short {
    /// `usd`, `tokens`, `calls`, `duration`: as a budget names it.
    pub what: &'static str,
    /// The most.
    pub most: u64,
    /// Used or reserved already.
    pub taken: u64,
    /// What would come to it.
    pub more: u64,
}

impl Amount {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            usd: self.usd.saturating_add(other.usd),
            tokens: self.tokens.saturating_add(other.tokens),
            calls: self.calls.saturating_add(other.calls),
            ms: self.ms.saturating_add(other.ms),
        }
    }

    /// What is left of it without another; nothing goes below zero.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self {
            usd: self.usd.saturating_sub(other.usd),
            tokens: self.tokens.saturating_sub(other.tokens),
            calls: self.calls.saturating_sub(other.calls),
            ms: self.ms.saturating_sub(other.ms),
        }
    }

    /// Whether nothing was used.
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }
}

impl Cap {
    /// What an agent's config allows it, as its `budget` says.
    pub fn of_config(config: &Value) -> Self {
        let budget = |name: &str| config.get("budget")?.get(name).and_then(amount);
        Self {
            usd: budget("usd"),
            tokens: budget("tokens"),
            calls: budget("calls"),
            ms: budget("duration"),
        }
    }

    /// This one, and where it says nothing the other.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            usd: self.usd.or(other.usd),
            tokens: self.tokens.or(other.tokens),
            calls: self.calls.or(other.calls),
            ms: self.ms.or(other.ms),
        }
    }

    /// Whether it limits nothing.
    pub fn is_open(&self) -> bool {
        *self == Self::default()
    }

    /// The first cap that `taken` and `more` together would pass.
    pub fn short(&self, taken: Amount, more: Amount) -> Option<Short> {
        [
            ("usd", self.usd, taken.usd, more.usd),
            ("tokens", self.tokens, taken.tokens, more.tokens),
            ("calls", self.calls, taken.calls, more.calls),
            ("duration", self.ms, taken.ms, more.ms),
        ]
        .into_iter()
        .find_map(|(what, most, taken, more)| {
            let most = most?;
            (taken.saturating_add(more) > most).then_some(Short { what, most, taken, more })
        })
    }
}

/// An amount of a budget in whole units: micro-dollars, pieces, milliseconds.
pub(crate) fn amount(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) if text.ends_with(|c: char| c.is_ascii_digit()) => {
            let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
            let micro: u64 = format!("{fraction:0<6}").parse().ok()?;
            whole.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(micro)
        }
        Value::String(text) => crate::time::duration(text),
        number => number.as_u64(),
    }
}

/// Micro-dollars of what people write as dollars: `5`, `0.25`.
pub fn micros(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str, most: usize| {
        (1..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    let is_amount = digits(whole, 9) && digits(fraction, 6);
    is_amount.then(|| amount(&Value::from(text))).flatten()
}

/// Micro-dollars as people write dollars: `2.50`, `0.000125`.
pub fn dollars(micros: u64) -> String {
    let (whole, fraction) = (micros / 1_000_000, micros % 1_000_000);
    let fraction = format!("{fraction:06}");
    let short = fraction.trim_end_matches('0');
    format!("{whole}.{short:0<2}")
}

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show = |amount: u64| match self.what {
            "usd" => format!("{} USD", dollars(amount)),
            "duration" => format!("{} ms", amount),
            what => format!("{amount} {what}"),
        };
        let (most, taken, more) = (show(self.most), show(self.taken), show(self.more));
        write!(f, "of {most} {taken} are used or reserved, and up to {more} more would be")
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { usd, tokens, calls, ms } = self;
        write!(f, "{} USD, {tokens} tokens, {calls} calls, {ms} ms", dollars(*usd))
    }
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_budget_is_read_in_whole_units() {
        let config = json!({"budget": {"usd": "0.5", "tokens": 9, "duration": "2m"}});
        let cap = Cap { usd: Some(500_000), tokens: Some(9), calls: None, ms: Some(120_000) };
        assert_eq!(Cap::of_config(&config), cap);
        assert!(Cap::of_config(&json!({})).is_open());
    }

    #[test]
    fn the_first_cap_that_is_passed_is_named() {
        let cap = Cap { usd: Some(100), calls: Some(3), ..Cap::default() };
        let taken = Amount { usd: 60, calls: 3, tokens: u64::MAX, ms: 0 };
        assert_eq!(cap.short(taken, Amount { usd: 40, ..Amount::default() }), None);
        let short = cap.short(taken, Amount { usd: 41, calls: 1, ..Amount::default() });
        assert_eq!(short.map(|short| short.what), Some("usd"));
        let short = cap.short(taken, Amount { calls: 1, ..Amount::default() }).expect("one more");
        assert_eq!(
            short.to_string(),
            "of 3 calls 3 calls are used or reserved, and up to 1 calls more would be"
        );
    }

    #[test]
    fn what_is_no_amount_of_dollars_is_none() {
        assert_eq!(
            (micros("5"), micros("0.25"), micros("007")),
            (Some(5_000_000), Some(250_000), Some(7_000_000))
        );
        for wrong in ["", "-1", "1e3", "1.", ".5", "0.0000001", "1234567890", "5 USD", "1h"] {
            assert_eq!(micros(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn dollars_are_written_to_the_cent_at_least() {
        for (micros, text) in
            [(2_500_000, "2.50"), (125, "0.000125"), (0, "0.00"), (1_000_001, "1.000001")]
        {
            assert_eq!(dollars(micros), text);
        }
    }
}

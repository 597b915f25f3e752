//! What agents use, as it is told: dollars as text, so that no reader rounds them.

use aob_engine::state::{Amount, dollars};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What an agent has used, in all its attempts together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// US dollars, to the millionth.
    pub usd: String,
    /// Tokens in and out.
    pub tokens: u64,
    /// Calls of models and tools.
    pub calls: u64,
    /// Milliseconds that they took.
    pub ms: u64,
}

impl From<Amount> for Usage {
    fn from(amount: Amount) -> Self {
        let Amount { usd, tokens, calls, ms } = amount;
        Self { usd: dollars(usd), tokens, calls, ms }
    }
}

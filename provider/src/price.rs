//! What tokens cost: data with dates, and integer arithmetic on it.

use std::fmt;
use std::iter::Sum;
use std::ops::Add;

use serde::Serialize;

/// Millionths of a US dollar.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Micros(pub u64);

/// What a model's tokens cost, each in micro-dollars per million tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Price {
    /// `provider/model`, its last character may be `*`; the longest that fits counts.
    pub model: String,
    /// From which day on, `2026-08-01`; the newest that has begun counts.
    pub from: jiff::civil::Date,
    /// Tokens in that come from no cache and go to none.
    pub input: u64,
    /// Tokens in that are read from a cache.
    pub cached: u64,
    /// Tokens in that are written to a cache of minutes.
    pub written: u64,
    /// Tokens in that are written to a cache of an hour.
    pub written_long: u64,
    /// Tokens out, thoughts among them.
    pub output: u64,
}

/// Prices by model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prices {
    pub(crate) all: Vec<Price>,
}

/// What a question may cost, known before it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// Tokens in, as most texts are counted: for limits of rate.
    pub likely_input: u64,
    /// Tokens in, at most: a token is at least one byte.
    pub most_input: u64,
    /// Tokens out, at most.
    pub most_output: u64,
    /// The price of the most, with every token in written to a cache if one is written. None if the model has no
    /// price: refuse it where there is a cap of money.
    pub most_cost: Option<Micros>,
}

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

impl Add for Micros {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl Sum for Micros {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self(0), Add::add)
    }
}

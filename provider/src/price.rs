//! What tokens cost: data with dates, and integer arithmetic on it.

mod read;

use std::fmt;
use std::iter::Sum;
use std::ops::Add;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::answer::Usage;
use crate::ask::ModelName;

/// Millionths of a US dollar.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Micros(pub u64);

/// What a model's tokens cost, each in micro-dollars per million tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Price {
    /// `provider/model`, its last character may be `*`; the longest that fits counts.
    pub model: String,
    /// From which day on; the newest that has begun counts.
    pub from: Date,
    /// Only for questions of more tokens in than this; the highest that is passed counts.
    pub over: u64,
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
pub struct Prices(Vec<Price>);

/// What a question may cost, known before it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// Tokens in, as most texts are counted: for limits of rate.
    pub likely_input: u64,
    /// Tokens in, at most: a token is at least one byte.
    pub most_input: u64,
    /// Tokens out, at most.
    pub most_output: u64,
    /// The price of the most, at the dearest kind of input. None if the model has no price: refuse it where there is
    /// a cap of money.
    pub most_cost: Option<Micros>,
}

impl Prices {
    /// Those that come with this program, as of the dates in them.
    pub fn built_in() -> Self {
        // A test reads the file, so it is in order.
        read::read(include_str!("../prices.toml")).unwrap_or_default()
    }

    /// These too; of two that say the same of the same model, the later one counts.
    #[must_use]
    pub fn and(mut self, more: Vec<Price>) -> Self {
        self.0.extend(more);
        self
    }

    /// The price of a question of so many tokens in, on a day.
    pub fn of(&self, model: &ModelName, input: u64, day: Date) -> Option<&Price> {
        let name = model.to_string();
        let fits = |price: &&Price| match price.model.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == price.model,
        };
        let counts = |price: &&Price| price.from <= day && (price.over == 0 || input > price.over);
        let longest = self.0.iter().filter(fits).filter(counts).max_by_key(|price| {
            let is_exact = !price.model.ends_with('*');
            (price.model.len(), is_exact, price.from, price.over)
        });
        longest
    }

    /// What tokens cost on a day, rounded up.
    pub fn cost(&self, model: &ModelName, usage: &Usage, day: Date) -> Option<Micros> {
        Some(self.of(model, usage.input, day)?.cost(usage))
    }

    /// The most that so many tokens can cost on a day, whatever of them caches hold.
    pub(crate) fn most(
        &self,
        model: &ModelName,
        input: u64,
        output: u64,
        day: Date,
    ) -> Option<Micros> {
        let dearest = |price: &Price| {
            let most = price.input.max(price.cached).max(price.written).max(price.written_long);
            Price { input: most, ..price.clone() }.cost(&Usage {
                input,
                output,
                ..Usage::default()
            })
        };
        // Fewer tokens than the most may be counted, and be cheaper each: never dearer.
        Some(dearest(self.of(model, input, day)?))
    }
}

impl Price {
    fn cost(&self, usage: &Usage) -> Micros {
        let kept = usage.cached.saturating_add(usage.written).saturating_add(usage.written_long);
        let plain = usage.input.saturating_sub(kept);
        let parts = [
            (plain, self.input),
            (usage.cached, self.cached),
            (usage.written, self.written),
            (usage.written_long, self.written_long),
            (usage.output, self.output),
        ];
        let sum: u128 =
            parts.iter().map(|(tokens, price)| u128::from(*tokens) * u128::from(*price)).sum();
        Micros(u64::try_from(sum.div_ceil(1_000_000)).unwrap_or(u64::MAX))
    }
}

/// How many tokens so many bytes are, as texts with much JSON in them are counted: 3.25 characters each.
pub(crate) const fn likely(bytes: usize) -> u64 {
    (bytes as u64).saturating_mul(4).div_ceil(13)
}

/// Today, by the clock of the world.
pub(crate) fn today() -> Date {
    jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date()
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

pub(crate) use read::PriceEntry;

#[cfg(test)]
mod tests;

//! Prices as they are written: dollars per million tokens.

use jiff::civil::Date;
use serde::Deserialize;

use super::{Price, Prices};

/// Entries of a file, at most.
const MOST: usize = 10_000;

/// One entry of a file of prices.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PriceEntry {
    model: String,
    from: String,
    #[serde(default)]
    over: u64,
    input: String,
    output: String,
    cached: Option<String>,
    written: Option<String>,
    written_long: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    price: Vec<PriceEntry>,
}

/// All prices of a file; what is wrong with it otherwise.
pub(super) fn read(text: &str) -> Result<Prices, String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
    if file.price.len() > MOST {
        return Err(format!("{} prices; a file has at most {MOST}", file.price.len()));
    }
    file.price.iter().map(PriceEntry::price).collect::<Result<_, _>>().map(Prices)
}

impl PriceEntry {
    pub(crate) fn price(&self) -> Result<Price, String> {
        let wrong = |what: &str| format!("the price of `{}`: {what}", self.model);
        let from: Date = self.from.parse().map_err(|_| wrong("`from` is a day like 2026-08-01"))?;
        let rate = |name: &str, text: &str| {
            micros(text).ok_or_else(|| {
                wrong(&format!("`{name}` is dollars per million tokens, a decimal like \"1.25\""))
            })
        };
        let or = |name: &str, text: &Option<String>, otherwise: u64| {
            text.as_deref().map_or(Ok(otherwise), |text| rate(name, text))
        };
        let input = rate("input", &self.input)?;
        let written = or("written", &self.written, input)?;
        Ok(Price {
            model: self.model.clone(),
            from,
            over: self.over,
            input,
            cached: or("cached", &self.cached, input)?,
            written,
            written_long: or("written_long", &self.written_long, written)?,
            output: rate("output", &self.output)?,
        })
    }
}

/// A decimal of at most six places, in millionths.
fn micros(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty()
        || whole.len() > 9
        || part.len() > 6
        || !is_number(whole)
        || !is_number(part)
    {
        return None;
    }
    format!("{whole}{part:0<6}").parse().ok()
}

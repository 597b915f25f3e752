//! When to ask again: what providers say of it in their headers, and what is done when they say nothing.

use std::time::Duration;

use http::HeaderMap;
use jiff::Timestamp;

/// First wait, and the longest one that is not asked for.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(8);
/// What no provider means: a wait of a day is a mistake, and is taken as one of a day.
const DAY: f64 = 86_400.0;

/// What the headers of a refusal say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// Whether asking again makes sense.
    pub(crate) should: Option<bool>,
    /// After how long.
    pub(crate) after: Option<Duration>,
}

/// Windows of limits, as OpenAI's and Anthropic's headers name them: what is left, and when it is full again.
const WINDOWS: &[(&str, &str)] = &[
    ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    ("anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"),
    ("anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset"),
    ("anthropic-ratelimit-input-tokens-remaining", "anthropic-ratelimit-input-tokens-reset"),
    ("anthropic-ratelimit-output-tokens-remaining", "anthropic-ratelimit-output-tokens-reset"),
];

/// What the headers of a refusal say; `is_limit` if it is one of rate, so that windows count.
pub(crate) fn said(headers: &HeaderMap, is_limit: bool, now: Timestamp) -> Said {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let should = match text("x-should-retry") {
        Some("true") => Some(true),
        Some("false") => Some(false),
        _ => None,
    };
    let after = text("retry-after-ms")
        .and_then(|text| text.parse::<f64>().ok())
        .and_then(|millis| positive(millis / 1_000.0))
        .or_else(|| {
            text("retry-after").and_then(|text| match text.parse::<f64>() {
                Ok(seconds) => positive(seconds),
                Err(_) => until(&jiff::fmt::rfc2822::parse(text).ok()?.timestamp(), now),
            })
        });
    let windows = || {
        let empty = WINDOWS.iter().filter(|(left, _)| text(left) == Some("0"));
        empty.filter_map(|(_, reset)| window(text(reset)?, now)).max()
    };
    Said { should, after: after.or_else(|| windows().filter(|_| is_limit)) }
}

/// How long to wait before the `n`th time again, from 0, if nobody says; `chance` lies between 0 and 1.
pub(crate) fn wait(n: u32, chance: f64) -> Duration {
    let full = FIRST.saturating_mul(2_u32.saturating_pow(n)).min(LONGEST);
    full.mul_f64(1.0 - 0.25 * chance.clamp(0.0, 1.0))
}

/// When a window is full again: a moment, a duration as Go writes it, or seconds.
fn window(text: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return until(&moment, now);
    }
    match text.parse::<f64>() {
        // Whoever knows nothing says -1 or 0.
        Ok(seconds) => positive(seconds).filter(|wait| !wait.is_zero()),
        Err(_) => spelt(text),
    }
}

/// `6m0s`, `1h2m3.5s`, `120ms`.
fn spelt(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|one: char| !one.is_ascii_digit() && one != '.')?;
        let number: f64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?;
        let letters = rest.find(|one: char| one.is_ascii_digit()).unwrap_or(rest.len());
        seconds += number
            * match rest.get(..letters)? {
                "ns" => 1e-9,
                "us" | "\u{b5}s" | "\u{3bc}s" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3_600.0,
                "d" => DAY,
                _ => return None,
            };
        rest = rest.get(letters..)?;
    }
    (!text.is_empty()).then(|| positive(seconds)).flatten()
}

fn until(moment: &Timestamp, now: Timestamp) -> Option<Duration> {
    let seconds = moment.duration_since(now).as_secs_f64();
    positive(seconds.max(0.0))
}

fn positive(seconds: f64) -> Option<Duration> {
    (seconds >= 0.0).then(|| Duration::from_secs_f64(seconds.min(DAY)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(pairs: &[(&'static str, &str)], is_limit: bool) -> Option<u128> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        let now = "2026-11-27T10:00:00Z".parse().unwrap();
        said(&headers, is_limit, now).after.map(|wait| wait.as_millis())
    }

    #[test]
    fn every_form_of_a_delay_is_read() {
        let cases: &[(&[(&str, &str)], Option<u128>)] = &[
            (&[("retry-after-ms", "1500.5"), ("retry-after", "9")], Some(1_500)),
            (&[("retry-after", "2")], Some(2_000)),
            (&[("retry-after", "0.25")], Some(250)),
            (&[("retry-after", "Fri, 27 Nov 2026 10:00:07 GMT")], Some(7_000)),
            (&[("retry-after", "Fri, 27 Nov 2026 09:00:00 GMT")], Some(0)),
            (&[("retry-after", "soon")], None),
            (&[("retry-after", "-1")], None),
            (&[("retry-after", "NaN")], None),
            (&[("retry-after", "1e300")], Some(86_400_000)),
            (
                &[("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "6m0s")],
                Some(360_000),
            ),
            (
                &[
                    ("x-ratelimit-remaining-tokens", "0"),
                    ("x-ratelimit-reset-tokens", "1m2.5s"),
                    ("x-ratelimit-remaining-requests", "0"),
                    ("x-ratelimit-reset-requests", "120ms"),
                ],
                Some(62_500),
            ),
            (&[("x-ratelimit-remaining-tokens", "12"), ("x-ratelimit-reset-tokens", "9s")], None),
            (&[("x-ratelimit-remaining-tokens", "-1"), ("x-ratelimit-reset-tokens", "-1")], None),
            (&[("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "0")], None),
            (
                &[("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "30")],
                Some(30_000),
            ),
            (&[("x-ratelimit-remaining-tokens", "0"), ("x-ratelimit-reset-tokens", "3x")], None),
            (
                &[
                    ("anthropic-ratelimit-input-tokens-remaining", "0"),
                    ("anthropic-ratelimit-input-tokens-reset", "2026-11-27T10:00:03Z"),
                ],
                Some(3_000),
            ),
            (&[], None),
        ];
        for (pairs, expected) in cases {
            assert_eq!(after(pairs, true), *expected, "{pairs:?}");
        }
        // Windows say nothing of other failures.
        assert_eq!(after(cases[9].0, false), None);
    }

    #[test]
    fn waits_double_to_a_bound_with_jitter_downward() {
        let waits: Vec<u128> = (0..6).map(|n| wait(n, 0.0).as_millis()).collect();
        assert_eq!(waits, [500, 1_000, 2_000, 4_000, 8_000, 8_000]);
        assert_eq!((wait(0, 1.0).as_millis(), wait(400, 1.0).as_millis()), (375, 6_000));
    }
}

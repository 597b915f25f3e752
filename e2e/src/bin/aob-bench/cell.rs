//! What is measured, and what came out.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::load::Sample;

/// Most steps of a chain, and width of a fan.
const MOST_STEPS: u32 = 1_000;

/// A system under load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum System {
    /// AOB in one process, its journal synced.
    Embedded,
    /// AOB on Redis that flushes every second: not durable.
    RedisEverysec,
    /// AOB on Redis that flushes before it answers.
    RedisAlways,
    /// The same, where workers do the steps that ask a gateway over HTTP.
    Worker,
    /// The commits of such runs, prebuilt, on the same Redis and nothing else.
    Ceiling,
    /// Restate and its Rust SDK.
    Restate,
    /// DBOS for Rust on PostgreSQL.
    Dbos,
}

/// The graph of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `chain:N`: N steps behind one another.
    Chain(u32),
    /// `fan:W`: one step, W at once, one that waits for all of them.
    Fan(u32),
}

/// What a system did in a window; rivals print the same members. Times of a run are in milliseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) system: System,
    pub(crate) shape: String,
    pub(crate) clients: u32,
    /// The window's real length.
    pub(crate) seconds: f64,
    /// Runs that ended in the window.
    pub(crate) runs: u64,
    pub(crate) hops: u64,
    /// The rates count runs by the share of their time in the window.
    pub(crate) runs_per_s: f64,
    pub(crate) hops_per_s: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
    /// Failed runs.
    pub(crate) errors: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) first_error: Option<String>,
}

impl System {
    pub(crate) const ALL: [Self; 7] = [
        Self::Embedded,
        Self::RedisEverysec,
        Self::RedisAlways,
        Self::Worker,
        Self::Ceiling,
        Self::Restate,
        Self::Dbos,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::RedisEverysec => "redis-everysec",
            Self::RedisAlways => "redis-always",
            Self::Worker => "worker",
            Self::Ceiling => "ceiling",
            Self::Restate => "restate",
            Self::Dbos => "dbos",
        }
    }
}

impl FromStr for System {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let names = Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|system| system.name() == text)
            .ok_or_else(|| format!("no system is called {text:?}; there are {names}"))
    }
}

impl Shape {
    /// Durable steps of a run.
    pub(crate) fn hops(self) -> u32 {
        match self {
            Self::Chain(steps) => steps,
            Self::Fan(width) => width + 2,
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chain(steps) => write!(f, "chain:{steps}"),
            Self::Fan(width) => write!(f, "fan:{width}"),
        }
    }
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let parts = text.split_once(':').and_then(|(kind, size)| Some((kind, size.parse().ok()?)));
        match parts {
            Some(("chain", size)) if (1..=MOST_STEPS).contains(&size) => Ok(Self::Chain(size)),
            Some(("fan", size)) if (1..=MOST_STEPS).contains(&size) => Ok(Self::Fan(size)),
            _ => Err(format!(
                "a shape is chain:N or fan:N with N from 1 to {MOST_STEPS}, not {text:?}"
            )),
        }
    }
}

impl Report {
    /// A sample in the terms of its cell.
    pub(crate) fn new(system: System, shape: Shape, clients: u32, sample: &Sample) -> Result<Self> {
        let Some(slowest) = sample.latencies.last() else {
            let why = sample.first_error.as_deref().unwrap_or("none of them had ended");
            return Err(
                format!("no run ended in {:.1} s: {why}", sample.window.as_secs_f64()).into()
            );
        };
        let seconds = sample.window.as_secs_f64();
        let runs = sample.latencies.len() as u64;
        let hops = shape.hops();
        Ok(Self {
            system,
            shape: shape.to_string(),
            clients,
            seconds: rounded(seconds),
            runs,
            hops: runs * u64::from(hops),
            runs_per_s: rounded(sample.work / seconds),
            hops_per_s: rounded(sample.work * f64::from(hops) / seconds),
            p50_ms: milliseconds(sample.percentile(50)),
            p99_ms: milliseconds(sample.percentile(99)),
            max_ms: milliseconds(*slowest),
            errors: sample.errors,
            first_error: sample.first_error.clone(),
        })
    }
}

pub(crate) fn milliseconds(time: Duration) -> f64 {
    rounded(time.as_secs_f64() * 1e3)
}

fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for system in System::ALL {
            assert_eq!(system.name().parse(), Ok(system));
            assert_eq!(serde_json::to_value(system).unwrap(), system.name());
        }
        assert_eq!("fan:100".parse(), Ok(Shape::Fan(100)));
        assert_eq!(Shape::Fan(100).hops(), 102);
        assert_eq!(Shape::Chain(3).to_string(), "chain:3");
        for wrong in ["chain", "chain:0", "chain:1001", "star:3", "fan:x"] {
            assert!(wrong.parse::<Shape>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_rivals_line_is_a_report() {
        let line = r#"{"system":"dbos","shape":"chain:10","clients":2,"seconds":2.0,"runs":2,"hops":20,
            "runs_per_s":1.25,"hops_per_s":12.5,"p50_ms":1.0,"p99_ms":3.0,"max_ms":3.0,"errors":0}"#;
        let report: Report = serde_json::from_str(line).unwrap();
        assert_eq!((report.system, report.runs, report.first_error), (System::Dbos, 2, None));
    }

    #[test]
    fn a_report_counts_hops_by_the_share_of_runs() {
        let sample = Sample {
            window: Duration::from_secs(2),
            latencies: vec![Duration::from_millis(1), Duration::from_millis(3)],
            work: 2.5,
            errors: 0,
            first_error: None,
        };
        let report = Report::new(System::Embedded, Shape::Chain(10), 2, &sample).unwrap();
        assert_eq!((report.runs, report.hops), (2, 20));
        assert_eq!((report.runs_per_s, report.hops_per_s), (1.25, 12.5));
        assert_eq!((report.p50_ms, report.p99_ms, report.max_ms), (1.0, 3.0, 3.0));
        let nothing = Sample { latencies: Vec::new(), ..sample };
        assert!(Report::new(System::Embedded, Shape::Chain(10), 2, &nothing).is_err());
    }
}

//! A cell: what is asked for, and the line that answers it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde::{Serialize, Serializer};

use crate::load::Sample;

/// Most steps in a chain, and most parallel steps in a fan.
const MAX_STEPS: u32 = 10_000;
/// Most concurrent clients. Restate runs at most 1,000 invocations at once by default.
const MAX_CLIENTS: u32 = 1_000;
/// Longest window, in seconds.
const MAX_SECONDS: f64 = 600.0;

/// One measurement to make. Written `restate chain:10 64 6`: system, shape, clients, seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cell {
    /// The system under load.
    pub system: System,
    /// The graph of one run.
    pub shape: Shape,
    /// Concurrent clients, each with one run in flight.
    pub clients: u32,
    /// The window in which finished runs are counted.
    pub window: Duration,
}

impl Cell {
    /// Builds a cell and checks its limits: 1 to 1,000 clients, more than 0 and at most
    /// 600 seconds.
    pub fn new(system: System, shape: Shape, clients: u32, seconds: f64) -> Result<Self> {
        ensure!((1..=MAX_CLIENTS).contains(&clients), "clients: 1 to {MAX_CLIENTS}, not {clients}");
        ensure!(
            seconds > 0.0 && seconds <= MAX_SECONDS,
            "seconds: more than 0 and at most {MAX_SECONDS}, not {seconds}"
        );
        Ok(Self { system, shape, clients, window: Duration::from_secs_f64(seconds) })
    }
}

impl FromStr for Cell {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> Result<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [system, shape, clients, seconds] = words[..] else {
            bail!("a cell is `SYSTEM SHAPE CLIENTS SECONDS`, as in `restate chain:10 64 6`");
        };
        let clients = clients.parse().with_context(|| format!("clients: {clients:?}"))?;
        let seconds = seconds.parse().with_context(|| format!("seconds: {seconds:?}"))?;
        Self::new(system.parse()?, shape.parse()?, clients, seconds)
    }
}

/// A system that can be put under load here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// Restate: its server and handlers by its Rust SDK.
    Restate,
    /// DBOS for Rust: a library, on PostgreSQL.
    Dbos,
}

impl fmt::Display for System {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Restate => "restate",
            Self::Dbos => "dbos",
        })
    }
}

impl FromStr for System {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "restate" => Ok(Self::Restate),
            "dbos" => Ok(Self::Dbos),
            _ => bail!("system: restate or dbos, not {text:?}"),
        }
    }
}

/// The graph of one run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `chain:N`: N steps, one after the other.
    Chain(u32),
    /// `fan:W`: one step, W steps at once, one step that waits for them all.
    Fan(u32),
}

impl Shape {
    /// Durable steps in one run.
    pub fn hops(self) -> u32 {
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
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let parsed =
            text.split_once(':').and_then(|(kind, size)| Some((kind, size.parse::<u32>().ok()?)));
        match parsed {
            Some(("chain", steps)) if (1..=MAX_STEPS).contains(&steps) => Ok(Self::Chain(steps)),
            Some(("fan", width)) if (1..=MAX_STEPS).contains(&width) => Ok(Self::Fan(width)),
            _ => bail!("shape: `chain:N` or `fan:W`, 1 to {MAX_STEPS}, not {text:?}"),
        }
    }
}

/// The answer to a cell, printed as one line of JSON. Times of a run are in milliseconds.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    #[serde(serialize_with = "as_text")]
    system: System,
    #[serde(serialize_with = "as_text")]
    shape: Shape,
    clients: u32,
    /// The window as it was; longer than asked where runs are slow, see [`crate::load`].
    seconds: f64,
    /// Runs that finished in the window; the rates count shares of runs too.
    runs: u64,
    hops: u64,
    runs_per_s: f64,
    hops_per_s: f64,
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    errors: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_error: Option<String>,
}

impl Report {
    /// Puts a sample into the terms of its cell. A sample without a finished run is an error.
    pub fn new(cell: Cell, sample: &Sample) -> Result<Self> {
        let Some(slowest) = sample.latencies.last() else {
            bail!(
                "no run finished in {:.1} s: {}",
                sample.window.as_secs_f64(),
                sample.first_error.as_deref().unwrap_or("all still running")
            );
        };
        let seconds = sample.window.as_secs_f64();
        let runs = sample.latencies.len() as u64;
        let hops = cell.shape.hops();
        Ok(Self {
            system: cell.system,
            shape: cell.shape,
            clients: cell.clients,
            seconds: rounded(seconds),
            runs,
            hops: runs * u64::from(hops),
            runs_per_s: rounded(sample.work / seconds),
            hops_per_s: rounded(sample.work * f64::from(hops) / seconds),
            p50_ms: rounded(milliseconds(sample.percentile(50))),
            p99_ms: rounded(milliseconds(sample.percentile(99))),
            max_ms: rounded(milliseconds(*slowest)),
            errors: sample.errors,
            first_error: sample.first_error.clone(),
        })
    }
}

fn as_text<T: fmt::Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// To a thousandth: a microsecond for times in ms, and more would be noise.
fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_read_from_its_line() {
        let cell: Cell = "restate fan:100 64 6\n".parse().unwrap();
        assert_eq!(cell, Cell::new(System::Restate, Shape::Fan(100), 64, 6.0).unwrap());
        assert_eq!(cell.shape.hops(), 102);
        assert_eq!(cell.shape.to_string(), "fan:100");
    }

    #[test]
    fn what_is_no_cell_is_refused_with_the_rule() {
        for (line, rule) in [
            ("", "a cell is"),
            ("restate chain:1 1", "a cell is"),
            ("temporal chain:1 1 1", "system:"),
            ("dbos chain:0 1 1", "shape:"),
            ("dbos chain 1 1", "shape:"),
            ("dbos star:3 1 1", "shape:"),
            ("dbos fan:10001 1 1", "shape:"),
            ("dbos chain:1 0 1", "clients:"),
            ("dbos chain:1 1001 1", "clients:"),
            ("dbos chain:1 many 1", "clients:"),
            ("dbos chain:1 1 0", "seconds:"),
            ("dbos chain:1 1 NaN", "seconds:"),
            ("dbos chain:1 1 1e9", "seconds:"),
        ] {
            let error = format!("{:#}", line.parse::<Cell>().unwrap_err());
            assert!(error.starts_with(rule), "{line:?}: {error}");
        }
    }

    #[test]
    fn a_report_counts_hops_and_rates() {
        let cell = Cell::new(System::Dbos, Shape::Chain(10), 2, 2.0).unwrap();
        let sample = Sample {
            window: Duration::from_secs(2),
            latencies: vec![Duration::from_millis(1), Duration::from_millis(3)],
            work: 2.5,
            errors: 0,
            first_error: None,
        };
        let line = serde_json::to_value(Report::new(cell, &sample).unwrap()).unwrap();
        assert_eq!(
            line,
            serde_json::json!({
                "system": "dbos", "shape": "chain:10", "clients": 2, "seconds": 2.0,
                "runs": 2, "hops": 20, "runs_per_s": 1.25, "hops_per_s": 12.5,
                "p50_ms": 1.0, "p99_ms": 3.0, "max_ms": 3.0, "errors": 0
            })
        );
    }

    #[test]
    fn a_sample_without_a_run_is_no_report() {
        let cell = Cell::new(System::Dbos, Shape::Chain(1), 1, 1.0).unwrap();
        let sample = Sample {
            window: Duration::from_secs(1),
            latencies: Vec::new(),
            work: 0.0,
            errors: 3,
            first_error: Some("connection refused".into()),
        };
        let error = Report::new(cell, &sample).unwrap_err().to_string();
        assert_eq!(error, "no run finished in 1.0 s: connection refused");
    }
}

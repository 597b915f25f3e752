//! Metrics: one registry, every metric declared once, in `table`.
//!
//! Labels are bounded: what comes from outside is never one. A node type is named only if it is known, else it is
//! `other`.

mod kind;
mod page;
mod process;
mod table;

use std::sync::LazyLock;

pub use kind::{Counter, Gauge, Seconds};
pub use page::page;
pub use table::{Metrics, TABLE};

/// The content type of [`Metrics::text`].
pub const FORMAT: &str = prometheus::TEXT_FORMAT;

/// What is declared of a metric.
#[derive(Debug, Clone, Copy)]
pub struct Declared {
    /// Its name: `aob_runs_started_total`.
    pub name: &'static str,
    /// `counter`, `gauge`, `histogram`.
    pub kind: &'static str,
    /// What one is: `runs`, `seconds`.
    pub unit: &'static str,
    /// Labels, each with its values.
    pub labels: &'static [(&'static str, &'static str)],
    /// What it says.
    pub help: &'static str,
}

/// The metrics of this process.
pub fn metrics() -> &'static Metrics {
    static METRICS: LazyLock<Metrics> = LazyLock::new(|| {
        let metrics = Metrics::new();
        metrics.build_info.set([env!("CARGO_PKG_VERSION")], 1);
        process::begin(&metrics);
        metrics
    });
    &METRICS
}

impl Metrics {
    /// All of them in the format of Prometheus, version 0.0.4.
    pub fn text(&self) -> String {
        process::look(self);
        let mut text = String::new();
        if let Err(error) =
            prometheus::TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text)
        {
            tracing::error!(%error, "metrics cannot be written");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_declared_metric_is_registered_once() {
        let metrics = Metrics::new();
        assert_eq!(metrics.broken(), Vec::<&str>::new());
        let names: BTreeSet<&str> = TABLE.iter().map(|one| one.name).collect();
        assert_eq!(names.len(), TABLE.len());
        for one in TABLE {
            assert!(
                one.name.starts_with("aob_") || one.name.starts_with("process_"),
                "{}",
                one.name
            );
            assert_eq!(one.kind == "counter", one.name.ends_with("_total"), "{}", one.name);
            assert_eq!(
                one.kind == "histogram",
                one.name.ends_with("_seconds") && one.kind != "gauge",
                "{}",
                one.name
            );
            assert!(one.help.ends_with('.'), "{}", one.name);
        }
    }

    #[test]
    fn what_is_counted_is_shown() {
        let metrics = Metrics::new();
        metrics.runs_ended.one(["failed"]);
        metrics.runs_ended.add(["failed"], 2);
        metrics.tasks_waiting.set(["other"], 4);
        metrics.commit_seconds.observe([], Duration::from_micros(700));
        let text = metrics.text();
        for line in [
            "# TYPE aob_runs_ended_total counter",
            "aob_runs_ended_total{outcome=\"failed\"} 3",
            "aob_tasks_waiting{type=\"other\"} 4",
            "aob_commit_seconds_bucket{le=\"0.0005\"} 0",
            "aob_commit_seconds_bucket{le=\"0.001\"} 1",
            "aob_commit_seconds_count 1",
            "aob_hops_total 0",
        ] {
            assert!(text.lines().any(|other| other == line), "{line} is not in\n{text}");
        }
        metrics.tasks_waiting.clear();
        assert!(!metrics.text().contains("aob_tasks_waiting{"));
    }

    #[test]
    fn a_count_kept_elsewhere_only_rises() {
        let metrics = Metrics::new();
        metrics.store_calls.raise(["answered"], 5);
        metrics.store_calls.raise(["answered"], 3);
        assert!(metrics.text().contains("aob_store_calls_total{what=\"answered\"} 5"));
    }
}

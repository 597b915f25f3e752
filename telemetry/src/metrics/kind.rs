//! Kinds of metrics. The number of labels is part of the type, so that no call can miss one.

use std::time::Duration;

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry};

use super::Declared;

/// Bounds of a histogram, in seconds: from half a millisecond, which a commit takes, to what a person waits.
const BOUNDS: [f64; 16] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0,
    3_600.0,
];

/// What only rises.
pub struct Counter<const N: usize>(Option<IntCounterVec>);

/// What rises and falls.
pub struct Gauge<const N: usize>(Option<IntGaugeVec>);

/// How long something takes.
pub struct Seconds<const N: usize>(Option<HistogramVec>);

impl<const N: usize> Counter<N> {
    pub(super) const KIND: &'static str = "counter";

    pub(super) fn new(about: &Declared, registry: &Registry) -> Self {
        Self(vector(about, registry, IntCounterVec::new))
    }

    #[cfg(test)]
    pub(super) fn is_there(&self) -> bool {
        self.0.is_some()
    }

    /// One more.
    pub fn one(&self, labels: [&str; N]) {
        self.add(labels, 1);
    }

    /// So many more.
    pub fn add(&self, labels: [&str; N], by: u64) {
        if let Some(one) =
            self.0.as_ref().and_then(|all| all.get_metric_with_label_values(&labels).ok())
        {
            one.inc_by(by);
        }
    }

    /// Follows a count that is kept elsewhere.
    pub fn raise(&self, labels: [&str; N], to: u64) {
        if let Some(one) =
            self.0.as_ref().and_then(|all| all.get_metric_with_label_values(&labels).ok())
        {
            one.inc_by(to.saturating_sub(one.get()));
        }
    }
}

impl<const N: usize> Gauge<N> {
    pub(super) const KIND: &'static str = "gauge";

    pub(super) fn new(about: &Declared, registry: &Registry) -> Self {
        Self(vector(about, registry, IntGaugeVec::new))
    }

    #[cfg(test)]
    pub(super) fn is_there(&self) -> bool {
        self.0.is_some()
    }

    /// It is this now.
    pub fn set(&self, labels: [&str; N], to: u64) {
        if let Some(one) =
            self.0.as_ref().and_then(|all| all.get_metric_with_label_values(&labels).ok())
        {
            one.set(i64::try_from(to).unwrap_or(i64::MAX));
        }
    }

    /// So many more, or fewer.
    pub fn add(&self, labels: [&str; N], by: i64) {
        if let Some(one) =
            self.0.as_ref().and_then(|all| all.get_metric_with_label_values(&labels).ok())
        {
            one.add(by);
        }
    }

    /// Nothing is known of any label.
    pub fn clear(&self) {
        if let Some(all) = &self.0 {
            all.reset();
        }
    }
}

impl<const N: usize> Seconds<N> {
    pub(super) const KIND: &'static str = "histogram";

    pub(super) fn new(about: &Declared, registry: &Registry) -> Self {
        let make = |options: Opts, labels: &[&str]| {
            HistogramVec::new(HistogramOpts::from(options).buckets(BOUNDS.to_vec()), labels)
        };
        Self(vector(about, registry, make))
    }

    #[cfg(test)]
    pub(super) fn is_there(&self) -> bool {
        self.0.is_some()
    }

    /// It took so long once.
    pub fn observe(&self, labels: [&str; N], took: Duration) {
        if let Some(one) =
            self.0.as_ref().and_then(|all| all.get_metric_with_label_values(&labels).ok())
        {
            one.observe(took.as_secs_f64());
        }
    }
}

/// A registered metric; none if it is not declared as it must be, which a test finds.
fn vector<V: prometheus::core::Collector + Clone + 'static>(
    about: &Declared,
    registry: &Registry,
    make: impl FnOnce(Opts, &[&str]) -> prometheus::Result<V>,
) -> Option<V> {
    let labels: Vec<&str> = about.labels.iter().map(|(name, _)| *name).collect();
    let vector = make(Opts::new(about.name, about.help), &labels).ok()?;
    registry.register(Box::new(vector.clone())).ok()?;
    Some(vector)
}

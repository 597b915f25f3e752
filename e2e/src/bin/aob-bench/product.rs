//! AOB under load: a store, and in the same process those who execute and those who ask.

use std::sync::Arc;
use std::time::Duration;

use aob_engine::check::Ceiling;
use aob_engine::registry::Registry;
use aob_engine::state::RunOutcome;
use aob_runner::node::{self, Policy};
use aob_runner::runs::{Runs, StartOptions};
use aob_runner::secret::Secrets;
use aob_runner::service::{Service, ServiceOptions};
use aob_store::Store;
use serde_json::json;

use crate::Result;
use crate::cell::Shape;
use crate::graph::{self, TENANT};
use crate::load::{Client, Sample, closed_loop};

/// What a process of AOB is set to.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub(crate) struct Settings {
    /// Lanes of each shard.
    pub(crate) lanes: usize,
    /// Tasks at once in each lane.
    pub(crate) slots: usize,
}

/// One process of AOB on a store.
pub(crate) struct Product {
    pub(crate) runs: Arc<Runs>,
    policy: Arc<Policy>,
    nodes: Arc<node::Registry>,
    settings: Settings,
}

impl Product {
    pub(crate) fn new(store: Arc<dyn Store>, settings: Settings) -> Self {
        let policy = Arc::new(Policy::default());
        let nodes = Arc::new(node::Registry::built_in(&policy));
        Self {
            runs: Runs::new(store, Registry::builtin(), Ceiling::default()),
            policy,
            nodes,
            settings,
        }
    }

    pub(crate) fn settings(&self) -> Settings {
        self.settings
    }

    /// The node types that it executes.
    pub(crate) fn types(&self) -> Vec<Arc<str>> {
        self.nodes.allowed(&self.policy).map(Arc::from).collect()
    }

    /// Measures a cell; before and after it the process does nothing.
    pub(crate) async fn measure(
        &self,
        shape: Shape,
        clients: u32,
        window: Duration,
    ) -> Result<Sample> {
        self.measure_as(&self.options(shape).await?, shape, clients, window).await
    }

    /// The same with runs that are started so.
    pub(crate) async fn measure_as(
        &self,
        options: &StartOptions,
        shape: Shape,
        clients: u32,
        window: Duration,
    ) -> Result<Sample> {
        let service = self.serve();
        let one = || Loop {
            runs: self.runs.clone(),
            options: options.clone(),
            bytes: graph::bytes(shape),
        };
        let sample = closed_loop((0..clients).map(|_| one()).collect(), window).await;
        service.stop().await;
        sample
    }

    /// How a run of this shape is started.
    pub(crate) async fn options(&self, shape: Shape) -> Result<StartOptions> {
        let published = self.runs.publish(TENANT, &graph::workflow(shape), None).await?;
        Ok(StartOptions::new(TENANT, published.digest, json!({}), "user:bench"))
    }

    fn serve(&self) -> Service {
        Service::spawn(&ServiceOptions {
            runs: self.runs.clone(),
            types: self.types(),
            nodes: self.nodes.clone(),
            policy: self.policy.clone(),
            secrets: Arc::new(Secrets::none()),
            coordinate: true,
            lanes: self.settings.lanes,
            slots: self.settings.slots,
            lease: Duration::from_secs(30),
            sweep: Duration::from_millis(100),
            idle: Duration::from_secs(1),
            drain: Duration::from_secs(10),
        })
    }
}

struct Loop {
    runs: Arc<Runs>,
    options: StartOptions,
    bytes: u64,
}

impl Client for Loop {
    async fn run(&mut self) -> Result<()> {
        let (_, mut ending) = self.runs.start_followed(&self.options).await?;
        let state = ending.state().await;
        let head = &state.head;
        if head.outcome == Some(RunOutcome::Succeeded) && head.bytes == self.bytes {
            return Ok(());
        }
        Err(format!(
            "{} ended {} with {} bytes, not {}",
            head.run,
            state.status(),
            head.bytes,
            self.bytes
        )
        .into())
    }
}

#[cfg(test)]
mod tests {
    use aob_store::embedded::Embedded;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn runs_of_every_shape_end_with_all_their_outputs() {
        let settings = Settings { lanes: 1, slots: 64 };
        let product = Product::new(Arc::new(Embedded::volatile()), settings);
        for shape in [Shape::Chain(1), Shape::Chain(3), Shape::Fan(70)] {
            let sample = product.measure(shape, 4, Duration::from_millis(100)).await.unwrap();
            assert_eq!((sample.errors, sample.first_error), (0, None), "{shape}");
            assert!(sample.latencies.len() >= 4, "{shape}");
        }
    }
}

//! One process's part in moving runs, with the waits of a test.

use std::sync::Arc;
use std::time::Duration;

use aob_runner::node::{self, Policy};
use aob_runner::runs::Runs;
use aob_runner::secret::Secrets;
use aob_runner::service::ServiceOptions;

/// Executes every type that the rules allow, coordinates and sweeps: one lane of each shard, 16 tasks at once, a
/// lease of 30 s.
pub fn options(runs: &Arc<Runs>, nodes: node::Registry, policy: Policy) -> ServiceOptions {
    let policy = Arc::new(policy);
    let nodes = Arc::new(nodes);
    ServiceOptions {
        runs: runs.clone(),
        types: nodes.allowed(&policy).map(Arc::from).collect(),
        nodes,
        policy,
        secrets: Arc::new(Secrets::none()),
        coordinate: true,
        lanes: 1,
        slots: 16,
        lease: Duration::from_secs(30),
        sweep: Duration::from_millis(20),
        idle: Duration::from_millis(200),
        drain: Duration::from_secs(5),
    }
}

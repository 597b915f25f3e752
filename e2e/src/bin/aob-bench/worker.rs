//! Steps that a customer's workers do: the same process with a gateway, and workers that ask it over HTTP on loopback.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use aob_gateway::caller::open::Open;
use aob_gateway::client::{Client, Proof};
use aob_gateway::http::{Limits, ServeOptions, Server};
use aob_gateway::operation::{About, Asked, Next, Request};
use aob_gateway::perform::Performer;
use aob_gateway::problem::Problem;
use aob_runner::remote::Handed;
use aob_runner::runs::StartOptions;
use serde::Deserialize;
use serde_json::json;
use tokio::task::JoinSet;

use crate::Result;
use crate::cell::Shape;
use crate::graph::{self, TENANT};
use crate::load::Sample;
use crate::product::Product;

/// The type that the workers serve.
const STEP: &str = "bench.step";
/// Most workers, each with a task at a time.
const MOST: u32 = 64;

/// A process of AOB whose steps are others' work.
pub(crate) struct Worker {
    product: Product,
    server: Server,
}

#[derive(Deserialize)]
struct Tasks {
    #[serde(default)]
    tasks: Vec<Handed>,
}

impl Worker {
    /// Opens the gateway, for whoever is on this machine.
    pub(crate) async fn open(product: Product) -> Result<Self> {
        let document = json!({
            "apiVersion": "aob.dev/v1alpha1",
            "kind": "NodeType",
            "metadata": {"name": STEP},
            "spec": {"config": {"type": "object"}, "effect": "Idempotent", "run": {"worker": {}}},
        });
        product.runs.put_type(&document, None).await?;
        let performer = Performer::new(product.runs.clone(), About::this(None));
        let limits = Limits { rate: 1_000_000, burst: 1_000_000, ..Limits::default() };
        let options = ServeOptions::all(performer, Arc::new(Open::new("user:bench")), limits);
        let server = Server::on_address((Ipv4Addr::LOCALHOST, 0).into(), None, options).await;
        Ok(Self { product, server: server.map_err(told)? })
    }

    /// Measures a cell with a worker for each client.
    pub(crate) async fn measure(
        &self,
        shape: Shape,
        clients: u32,
        window: Duration,
    ) -> Result<Sample> {
        let address = self.server.address().ok_or("the gateway has no address")?;
        let mut workers = JoinSet::new();
        for _ in 0..clients.min(MOST) {
            let proof = Proof::User("bench".to_owned());
            let client = Client::at(&format!("http://{address}"), proof, Some(TENANT.into()), None);
            let gateway: Asked = Arc::new(client.map_err(told)?);
            workers.spawn(work(gateway));
        }
        let mut document = graph::workflow(shape);
        for node in document["spec"]["nodes"].as_array_mut().into_iter().flatten() {
            node["type"] = STEP.into();
        }
        let published = self.product.runs.publish(TENANT, &document, None).await?;
        let options = StartOptions::new(TENANT, published.digest, json!({}), "user:bench");
        let sample = self.product.measure_as(&options, shape, clients, window).await;
        // No run is under way any more: what they wait for will not come.
        workers.abort_all();
        while let Some(ended) = workers.join_next().await {
            if let Ok(Err(why)) = ended {
                return Err(format!("a worker could not go on: {why}").into());
            }
        }
        sample
    }

    /// Ends the gateway.
    pub(crate) async fn end(self) {
        self.server.end().await;
    }
}

/// A worker as `docs/workers.md` has it: an answer says what would be done next.
async fn work(gateway: Asked) -> std::result::Result<(), String> {
    let next = || Next { types: vec![STEP.to_owned()], runners: None, max: 1 };
    let mut tasks: Vec<Handed> = Vec::new();
    loop {
        let request = match tasks.pop() {
            Some(task) => Request::Complete {
                output: task.input["value"].clone(),
                task: task.task,
                fence: task.fence,
                patch: None,
                next: Some(next()),
            },
            None => Request::Claim {
                types: next().types,
                runners: None,
                max: 1,
                wait: Some("30s".to_owned()),
            },
        };
        let answer: Tasks = gateway.ask(request).await.map_err(told)?;
        tasks.extend(answer.tasks);
    }
}

fn told(problem: Problem) -> String {
    problem.findings.iter().map(|finding| finding.text(false)).collect()
}

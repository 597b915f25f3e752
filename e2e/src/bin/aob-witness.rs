//! `aob-witness`: the process that crash tests kill. On Redis it is `aob-runner` with two more node types, which
//! leave a line for each execution; on a folder it starts runs too, and ends once they have.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use aob_e2e::answer::{self, TENANT};
use aob_e2e::{serve, witness};
use aob_engine::check::Ceiling;
use aob_runner::node::Policy;
use aob_runner::runs::{Runs, StartOptions, Tagged};
use aob_runner::service::{Service, ServiceOptions};
use aob_store::Store;
use aob_store::embedded::{self, Embedded};
use aob_store::redis::{self, RedisStore};
use clap::Parser;
use serde_json::{Value, json};

/// Executes runs and leaves a trace of it.
#[derive(Debug, Parser)]
struct Args {
    /// The server to serve until it is killed
    #[arg(long, conflicts_with = "folder")]
    redis: Option<String>,
    /// The data directory to run in
    #[arg(long, required_unless_present = "redis", requires = "workflow")]
    folder: Option<PathBuf>,
    /// Where executions are written down
    #[arg(long)]
    witness: PathBuf,
    /// With --folder: the workflow to run, as JSON
    #[arg(long)]
    workflow: Option<PathBuf>,
    /// With --folder: the number of the first run; the same number is the same run
    #[arg(long, default_value = "0")]
    first: u32,
    /// With --folder: how many runs
    #[arg(long, default_value = "1")]
    runs: u32,
    /// Milliseconds
    #[arg(long, default_value = "2000")]
    lease: u64,
    /// Tasks at once, for each shard
    #[arg(long, default_value = "16")]
    slots: usize,
}

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let args = Args::parse();
    aob_telemetry::log(aob_telemetry::Format::Text, "warn");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(act(&args)),
        Err(error) => Err(error.into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "aob-witness ends");
            ExitCode::FAILURE
        }
    }
}

async fn act(args: &Args) -> Outcome {
    let lease = Duration::from_millis(args.lease);
    match (&args.redis, &args.folder) {
        (Some(url), _) => {
            let options = redis::Options { lease, ..redis::Options::default() };
            let (_, service) = serve(args, Arc::new(RedisStore::open_with(url, options).await?))?;
            aob_telemetry::stopped().await?;
            service.stop().await;
        }
        (None, Some(folder)) => {
            let store = Arc::new(Embedded::open(folder, embedded::Options::default())?);
            let (runs, service) = serve(args, store.clone())?;
            run(args, &runs).await?;
            service.stop().await;
            store.close().await?;
        }
        (None, None) => {}
    }
    Ok(())
}

fn serve(args: &Args, store: Arc<dyn Store>) -> Outcome<(Arc<Runs>, Service)> {
    let runs = Runs::new(store, witness::registry()?, Ceiling::default());
    let policy = Policy::default();
    let nodes = witness::nodes(&policy, &args.witness)?;
    let options = ServiceOptions {
        slots: args.slots,
        lease: Duration::from_millis(args.lease),
        sweep: Duration::from_millis(100),
        ..serve::options(&runs, nodes, policy)
    };
    Ok((runs, Service::spawn(&options)))
}

/// Starts the runs that are not there yet, and waits for the end of all.
async fn run(args: &Args, runs: &Runs) -> Outcome {
    let document: Value = serde_json::from_slice(&std::fs::read(
        args.workflow.as_deref().unwrap_or_else(|| Path::new("")),
    )?)?;
    let digest = runs
        .publish(TENANT, &document, Some(Tagged { tag: "main", by: "user:witness" }))
        .await?
        .digest;
    let mut open = Vec::new();
    for number in args.first..args.first + args.runs {
        let options = StartOptions {
            key: Some(format!("run-{number}")),
            ..StartOptions::new(TENANT, &digest, json!({}), "user:witness")
        };
        open.push(runs.start(&options).await?.run);
    }
    while let Some(run) = open.last() {
        if runs.wait(run, Duration::from_millis(100)).await?.is_ended() {
            open.pop();
        } else {
            answer::unknown_outcomes(runs).await?;
        }
    }
    Ok(())
}

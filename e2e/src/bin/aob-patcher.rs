//! `aob-patcher`: a process that patches runs when it is told to, so that two of them can race. A line of standard
//! input is `{"run", "id", "request"}`; the line that answers it is the kept record, or `{"error"}`.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use aob_engine::check::Ceiling;
use aob_engine::registry::Registry;
use aob_runner::runs::{PatchAsk, Runs, What};
use aob_store::redis::RedisStore;
use clap::Parser;
use serde::Deserialize;
use serde_json::{Value, json};

/// Patches runs, one line of standard input after the other.
#[derive(Debug, Parser)]
struct Args {
    /// The server that has the runs
    #[arg(long)]
    redis: String,
}

/// One thing to do.
#[derive(Debug, Deserialize)]
struct Told {
    run: String,
    id: String,
    request: Value,
}

fn main() -> ExitCode {
    let args = Args::parse();
    aob_telemetry::log(aob_telemetry::Format::Text, "warn");
    match serve(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "aob-patcher ends");
            ExitCode::FAILURE
        }
    }
}

fn serve(args: &Args) -> Result<(), Box<dyn std::error::Error>> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let store = Arc::new(runtime.block_on(RedisStore::open(&args.redis))?);
    let runs = Runs::new(store, Registry::builtin(), Ceiling::default());
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lines() {
        let Told { run, id, request } = serde_json::from_str(&line?)?;
        let ask = PatchAsk {
            id: id.into(),
            what: What::Request(request),
            by: "user:ada".to_owned(),
            groups: Vec::new(),
            approves: Vec::new(),
            dry_run: false,
        };
        let answer = match runtime.block_on(runs.patch(&run, &ask)) {
            Ok(done) => serde_json::to_value(&done.record)?,
            Err(error) => json!({"error": error.to_string()}),
        };
        writeln!(out, "{answer}")?;
        out.flush()?;
    }
    Ok(())
}

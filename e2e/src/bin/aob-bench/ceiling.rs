//! The ceiling: commits of real runs, recorded once and then sent as bytes, over and over, by callers that do
//! nothing else. What remains is the server's work, its disk and the wire.
//!
//! Runs of a cell go in step: each call commits one step of all runs of its caller, and claims what that
//! published. A run is dropped with its last commit, so that the same bytes begin it again.

mod record;
mod wire;

use std::time::Duration;

use crate::Result;
use crate::cell::Shape;
use crate::load::{Client, Sample, closed_loop};
use crate::product::Product;
use record::{Recorded, Recorder};
use wire::Wire;

/// Most items of a call, as a worker lane sends them.
const MOST_ITEMS: usize = 64;
/// How many callers of each shard are tried.
const CALLERS: [usize; 3] = [1, 2, 4];
/// How long each number of callers is tried.
const TRIAL: Duration = Duration::from_millis(400);

/// Measures the best that prebuilt commits get out of the server at `port`, on which `product` was opened.
pub(crate) async fn measure(
    product: &Product,
    port: u16,
    shape: Shape,
    clients: u32,
    window: Duration,
) -> Result<Sample> {
    let mut recorder = Recorder::attach(product, port, shape).await?;
    let mut runs = Vec::new();
    for _ in 0..clients {
        runs.push(recorder.record().await?);
    }
    drop(recorder);
    let mut best: (f64, Vec<Vec<Vec<u8>>>) = (-1.0, Vec::new());
    for wanted in CALLERS {
        let scripts = scripts(&runs, wanted);
        if scripts.len() == best.1.len() {
            continue;
        }
        let sample = closed_loop(callers(port, &scripts).await?, TRIAL).await?;
        let rate = sample.work / sample.window.as_secs_f64();
        if rate > best.0 {
            best = (rate, scripts);
        }
    }
    closed_loop(callers(port, &best.1).await?, window).await
}

/// The commits of each caller; `wanted` callers for each shard, more where a call would have too many items.
fn scripts(runs: &[Recorded], wanted: usize) -> Vec<Vec<Vec<u8>>> {
    let mut shards: Vec<&[u8]> = runs.iter().map(Recorded::shard).collect();
    shards.sort_unstable();
    shards.dedup();
    let mut scripts = Vec::new();
    for shard in shards {
        let own: Vec<&Recorded> = runs.iter().filter(|run| run.shard() == shard).collect();
        let callers = wanted.max(own.len().div_ceil(MOST_ITEMS)).min(own.len());
        let per = own.len().div_ceil(callers);
        for group in own.chunks(per) {
            scripts.push(record::script(group, &format!("ceiling-{}", scripts.len())));
        }
    }
    scripts
}

async fn callers(port: u16, scripts: &[Vec<Vec<u8>>]) -> Result<Vec<Caller>> {
    let mut callers = Vec::new();
    for script in scripts {
        // The first commit starts each run; its items are counted in its bytes.
        let width = record::items(&script[0])?;
        callers.push(Caller { wire: Wire::connect(port).await?, script: script.clone(), width });
    }
    Ok(callers)
}

/// Runs in step.
struct Caller {
    wire: Wire,
    script: Vec<Vec<u8>>,
    width: u32,
}

impl Client for Caller {
    fn width(&self) -> u32 {
        self.width
    }

    async fn run(&mut self) -> Result<()> {
        for commit in &self.script {
            self.wire.commit(commit).await?;
        }
        Ok(())
    }
}

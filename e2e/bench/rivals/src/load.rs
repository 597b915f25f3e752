//! The closed loop: each client has one run in flight and starts the next when it ends.
//!
//! 1. Warm-up, [`WARM_UP`]: all clients run, nothing is counted.
//! 2. The window. Latencies are those of the runs that finish in it, whole, also where they
//!    began in the warm-up. Where fewer runs than clients have finished at its end, it goes
//!    on until they have, up to [`MAX_STRETCH`] times its length; otherwise a window shorter
//!    than a run would see nothing.
//! 3. Drain: clients end what they have in flight, so that the next cell starts on an idle
//!    system.
//!
//! Throughput counts every run by the share of its time that lies in the window. Counting
//! whole runs would be off by up to one per client, and is: clients that start together
//! stay in step, so that a window sees N or 2 N ends and nothing between.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Time before the window.
pub const WARM_UP: Duration = Duration::from_millis(500);
/// Most that a window grows, as a multiple of what was asked for.
pub const MAX_STRETCH: u32 = 4;
/// Time that runs in flight have to end.
const MAX_DRAIN: Duration = Duration::from_secs(120);
/// Pause of a client after a failed run, so that a dead server is not stormed.
const ERROR_PAUSE: Duration = Duration::from_millis(10);
/// How often a stretched window looks at its count.
const STRETCH_STEP: Duration = Duration::from_millis(10);

/// One client of a system.
pub trait Client: Send + 'static {
    /// Does one run to its end and checks its result.
    fn run(&mut self) -> impl Future<Output = Result<()>> + Send;
}

/// What a window saw.
#[derive(Debug)]
pub struct Sample {
    /// The window's real length.
    pub window: Duration,
    /// Latencies of the runs that finished in the window, ascending.
    pub latencies: Vec<Duration>,
    /// Runs done in the window, each by the share of its time that lies in it.
    pub work: f64,
    /// Failed runs from warm-up to drain.
    pub errors: u64,
    /// The first failure of some client.
    pub first_error: Option<String>,
}

impl Sample {
    /// The nearest-rank percentile of the latencies; zero where there are none.
    pub fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.latencies.len() * percent).div_ceil(100).max(1);
        self.latencies.get(rank - 1).copied().unwrap_or_default()
    }
}

/// Runs the clients in a closed loop and counts what finishes in the window.
///
/// Errors where a run is still in flight two minutes after the window's end.
pub async fn closed_loop<C: Client>(clients: Vec<C>, window: Duration) -> Result<Sample> {
    let count = clients.len() as u64;
    let state = Arc::new(State::default());
    let mut tasks = JoinSet::new();
    for client in clients {
        tasks.spawn(repeat(client, Arc::clone(&state)));
    }

    tokio::time::sleep(WARM_UP).await;
    let opened = Instant::now();
    let already = state.finished.load(Ordering::Relaxed);
    tokio::time::sleep_until(opened + window).await;
    while state.finished.load(Ordering::Relaxed) - already < count
        && opened.elapsed() < window * MAX_STRETCH
    {
        tokio::time::sleep(STRETCH_STEP).await;
    }
    let closed = Instant::now();
    state.stop.store(true, Ordering::Relaxed);

    let mut sample = Sample {
        window: closed - opened,
        latencies: Vec::new(),
        work: 0.0,
        errors: 0,
        first_error: None,
    };
    let drained = tokio::time::timeout(MAX_DRAIN, async {
        while let Some(joined) = tasks.join_next().await {
            sample.take_in(joined?, opened, closed);
        }
        anyhow::Ok(())
    });
    match drained.await {
        Ok(joined) => joined?,
        Err(_) => bail!("runs still in flight {} s after the window", MAX_DRAIN.as_secs()),
    }
    sample.latencies.sort_unstable();
    Ok(sample)
}

#[derive(Default)]
struct State {
    stop: AtomicBool,
    finished: AtomicU64,
}

/// What one client did.
#[derive(Default)]
struct Log {
    /// Start and end of each run that went well.
    runs: Vec<(Instant, Instant)>,
    errors: u64,
    first_error: Option<String>,
}

async fn repeat<C: Client>(mut client: C, state: Arc<State>) -> Log {
    let mut log = Log::default();
    while !state.stop.load(Ordering::Relaxed) {
        let start = Instant::now();
        match client.run().await {
            Ok(()) => {
                log.runs.push((start, Instant::now()));
                state.finished.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                log.errors += 1;
                log.first_error.get_or_insert_with(|| format!("{error:#}"));
                tokio::time::sleep(ERROR_PAUSE).await;
            }
        }
    }
    log
}

impl Sample {
    fn take_in(&mut self, log: Log, opened: Instant, closed: Instant) {
        for (start, end) in log.runs {
            if (opened..=closed).contains(&end) {
                self.latencies.push(end - start);
            }
            let inside = end.min(closed).saturating_duration_since(start.max(opened));
            if !inside.is_zero() {
                self.work += inside.as_secs_f64() / (end - start).as_secs_f64();
            }
        }
        self.errors += log.errors;
        if self.first_error.is_none() {
            self.first_error = log.first_error;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A system whose runs take a fixed time, the first `failures` of which fail.
    struct Fixed {
        run: Duration,
        failures: u32,
    }

    impl Client for Fixed {
        async fn run(&mut self) -> Result<()> {
            tokio::time::sleep(self.run).await;
            if self.failures > 0 {
                self.failures -= 1;
                bail!("refused");
            }
            Ok(())
        }
    }

    fn fixed(count: usize, run: u64, failures: u32) -> Vec<Fixed> {
        (0..count).map(|_| Fixed { run: Duration::from_millis(run), failures }).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn counts_what_finishes_in_the_window_and_nothing_else() {
        let sample = closed_loop(fixed(3, 30, 0), Duration::from_secs(3)).await.unwrap();
        // Runs end at multiples of 30 ms; the window is 500 ms to 3,500 ms: 510 to 3,480.
        assert_eq!(sample.window, Duration::from_secs(3));
        assert_eq!(sample.latencies.len(), 3 * 100);
        assert!((sample.work - 300.0).abs() < 1e-6, "{}", sample.work);
        assert_eq!(sample.percentile(50), Duration::from_millis(30));
        assert_eq!(sample.errors, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_window_shorter_than_a_run_stretches_until_each_client_could_finish() {
        let sample = closed_loop(fixed(5, 2_500, 0), Duration::from_secs(1)).await.unwrap();
        assert_eq!(sample.latencies.len(), 5);
        // The ends, at 2,500 ms, are seen at the look after them.
        assert_eq!(sample.window, Duration::from_millis(2_010));
        assert!((sample.work - 5.0 * 2.01 / 2.5).abs() < 1e-6, "{}", sample.work);
    }

    #[tokio::test(start_paused = true)]
    async fn a_window_stretches_no_further_than_its_limit() {
        let sample = closed_loop(fixed(2, 60_000, 0), Duration::from_secs(1)).await.unwrap();
        assert_eq!(sample.latencies.len(), 0);
        assert_eq!(sample.window, Duration::from_secs(4));
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_never_ends_is_an_error() {
        let error = closed_loop(fixed(1, 1_000_000, 0), Duration::from_secs(1)).await.unwrap_err();
        assert_eq!(error.to_string(), "runs still in flight 120 s after the window");
    }

    #[tokio::test(start_paused = true)]
    async fn failed_runs_are_reported_and_not_counted() {
        let sample = closed_loop(fixed(2, 600, 1), Duration::from_secs(1)).await.unwrap();
        assert_eq!(sample.errors, 2);
        assert_eq!(sample.first_error.as_deref(), Some("refused"));
        assert_eq!(sample.latencies.len(), 2, "one run each: 610 to 1,210 ms");
    }

    #[test]
    fn percentiles_are_nearest_rank() {
        let sample = Sample {
            window: Duration::from_secs(1),
            latencies: (1..=200).map(Duration::from_millis).collect(),
            work: 200.0,
            errors: 0,
            first_error: None,
        };
        assert_eq!(sample.percentile(50), Duration::from_millis(100));
        assert_eq!(sample.percentile(99), Duration::from_millis(198));
        assert_eq!(sample.percentile(100), Duration::from_millis(200));
    }
}

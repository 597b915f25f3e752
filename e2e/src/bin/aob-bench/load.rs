//! The closed loop, measured as the rivals are: each client begins its next run when the last one has ended.
//!
//! Nothing is counted for [`WARM_UP`]. The window then stays open until each client could have ended a run, at
//! most [`STRETCH`] times as long as asked for. A rate counts every run by the share of its time that lies in the
//! window, since clients that began together stay in step; latencies are those of runs that end in it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::Result;

/// Time before the window.
pub(crate) const WARM_UP: Duration = Duration::from_millis(500);
/// Most that a window grows.
pub(crate) const STRETCH: u32 = 4;
/// Longest wait for what is under way after the window.
const DRAIN: Duration = Duration::from_secs(120);
/// How often a stretched window looks whether it is enough.
const LOOK: Duration = Duration::from_millis(10);
/// Pause after a failure.
const PAUSE: Duration = Duration::from_millis(10);

/// Something that does runs.
pub(crate) trait Client: Send + 'static {
    /// How many runs it does at once.
    fn width(&self) -> u32 {
        1
    }

    /// Does its runs to their end and checks them.
    fn run(&mut self) -> impl Future<Output = Result<()>> + Send;
}

/// What a window saw.
#[derive(Debug)]
pub(crate) struct Sample {
    /// Its real length.
    pub(crate) window: Duration,
    /// Of the runs that ended in it, ascending.
    pub(crate) latencies: Vec<Duration>,
    /// Runs by their share.
    pub(crate) work: f64,
    pub(crate) errors: u64,
    pub(crate) first_error: Option<String>,
}

impl Sample {
    /// By nearest rank; zero if nothing ended.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.latencies.len() * percent).div_ceil(100).max(1);
        self.latencies.get(rank - 1).copied().unwrap_or_default()
    }
}

/// Measures clients for a window.
pub(crate) async fn closed_loop<C: Client>(clients: Vec<C>, length: Duration) -> Result<Sample> {
    let width: u64 = clients.iter().map(|client| u64::from(client.width())).sum();
    let shared = Arc::new(Shared::default());
    let mut tasks = JoinSet::new();
    for client in clients {
        tasks.spawn(again_and_again(client, shared.clone()));
    }
    tokio::time::sleep(WARM_UP).await;
    let opened = Instant::now();
    let before = shared.ended.load(Ordering::Relaxed);
    tokio::time::sleep_until(opened + length).await;
    while shared.ended.load(Ordering::Relaxed) - before < width
        && opened.elapsed() < length * STRETCH
    {
        tokio::time::sleep(LOOK).await;
    }
    let closed = Instant::now();
    shared.stop.store(true, Ordering::Relaxed);
    let mut sample = Sample {
        window: closed - opened,
        latencies: Vec::new(),
        work: 0.0,
        errors: 0,
        first_error: None,
    };
    let drain = async {
        while let Some(log) = tasks.join_next().await {
            sample.add(log?, opened, closed);
        }
        Ok(())
    };
    match tokio::time::timeout(DRAIN, drain).await {
        Ok(drained) => drained.map(|()| {
            sample.latencies.sort_unstable();
            sample
        }),
        Err(_) => {
            Err(format!("runs are still under way {} s after the window", DRAIN.as_secs()).into())
        }
    }
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    ended: AtomicU64,
}

/// What one client did.
struct Log {
    width: u32,
    runs: Vec<(Instant, Instant)>,
    errors: u64,
    first_error: Option<String>,
}

async fn again_and_again<C: Client>(mut client: C, shared: Arc<Shared>) -> Log {
    let mut log = Log { width: client.width(), runs: Vec::new(), errors: 0, first_error: None };
    while !shared.stop.load(Ordering::Relaxed) {
        let begun = Instant::now();
        if let Err(error) = client.run().await {
            log.errors += 1;
            log.first_error.get_or_insert_with(|| error.to_string());
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        log.runs.push((begun, Instant::now()));
        shared.ended.fetch_add(u64::from(log.width), Ordering::Relaxed);
    }
    log
}

impl Sample {
    fn add(&mut self, log: Log, opened: Instant, closed: Instant) {
        for (begun, ended) in log.runs {
            if opened <= ended && ended <= closed {
                self.latencies.extend((0..log.width).map(|_| ended - begun));
            }
            let inside = ended.min(closed).saturating_duration_since(begun.max(opened));
            if !inside.is_zero() {
                self.work +=
                    f64::from(log.width) * inside.as_secs_f64() / (ended - begun).as_secs_f64();
            }
        }
        self.errors += log.errors;
        self.first_error = self.first_error.take().or(log.first_error);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed {
        time: Duration,
        width: u32,
        failures: u32,
    }

    impl Client for Fixed {
        fn width(&self) -> u32 {
            self.width
        }

        async fn run(&mut self) -> Result<()> {
            tokio::time::sleep(self.time).await;
            if self.failures == 0 {
                return Ok(());
            }
            self.failures -= 1;
            Err("refused".into())
        }
    }

    fn fixed(count: usize, ms: u64, width: u32, failures: u32) -> Vec<Fixed> {
        (0..count).map(|_| Fixed { time: Duration::from_millis(ms), width, failures }).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_window_counts_what_lies_in_it() {
        let sample = closed_loop(fixed(2, 40, 3, 0), Duration::from_secs(2)).await.unwrap();
        assert_eq!(sample.window, Duration::from_secs(2));
        assert!((sample.work - 6.0 * 50.0).abs() < 1e-6, "{}", sample.work);
        assert_eq!(sample.percentile(99), Duration::from_millis(40));
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_window_grows_until_every_client_could_end() {
        let sample = closed_loop(fixed(4, 3_000, 1, 0), Duration::from_secs(1)).await.unwrap();
        assert_eq!(sample.latencies.len(), 4);
        assert!((sample.work - 4.0 * sample.window.as_secs_f64() / 3.0).abs() < 1e-6);
        let sample = closed_loop(fixed(1, 50_000, 1, 0), Duration::from_secs(1)).await.unwrap();
        assert_eq!((sample.window, sample.latencies.len()), (Duration::from_secs(4), 0));
    }

    #[tokio::test(start_paused = true)]
    async fn failures_are_told_and_not_counted() {
        let sample = closed_loop(fixed(2, 700, 1, 1), Duration::from_secs(1)).await.unwrap();
        assert_eq!((sample.errors, sample.first_error.as_deref()), (2, Some("refused")));
        assert_eq!(sample.latencies.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_without_an_end_is_an_error() {
        let error =
            closed_loop(fixed(1, 10_000_000, 1, 0), Duration::from_secs(1)).await.unwrap_err();
        assert!(error.to_string().contains("120 s"), "{error}");
    }
}

//! What a process needs to be well, and what of it is missing.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures::future::{BoxFuture, join_all};

/// Longest wait for a check.
const PATIENCE: Duration = Duration::from_secs(2);
/// Longest reason told, in characters.
const LONGEST: usize = 300;

type Check = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;
type Look = Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// The parts of a process, each with a way to ask whether it is well.
#[derive(Default)]
pub struct Health {
    /// Without these a restart helps.
    alive: RwLock<Vec<(&'static str, Check)>>,
    /// Without these the process waits until they are back.
    ready: RwLock<Vec<(&'static str, Check)>>,
    looks: RwLock<Vec<Look>>,
    stopping: AtomicBool,
}

/// A part that is not well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// `store`, `lanes`.
    pub part: &'static str,
    /// Why.
    pub why: String,
}

impl Health {
    /// A part whose loss only a restart mends.
    pub fn alive(
        &self,
        part: &'static str,
        check: impl Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync + 'static,
    ) {
        write(&self.alive).push((part, Arc::new(check)));
    }

    /// A part that may go and come back.
    pub fn ready(
        &self,
        part: &'static str,
        check: impl Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync + 'static,
    ) {
        write(&self.ready).push((part, Arc::new(check)));
    }

    /// Something to look up before metrics are shown.
    pub fn look(&self, look: impl Fn() -> BoxFuture<'static, ()> + Send + Sync + 'static) {
        write(&self.looks).push(Arc::new(look));
    }

    /// The process stops: it is not ready any more.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// Parts that only a restart mends.
    pub async fn dead(&self) -> Vec<Missing> {
        ask(read(&self.alive)).await
    }

    /// Everything that is missing.
    pub async fn missing(&self) -> Vec<Missing> {
        let checks = [read(&self.alive), read(&self.ready)].concat();
        let mut missing = ask(checks).await;
        if self.stopping.load(Ordering::Acquire) {
            missing.insert(0, Missing { part: "process", why: "it stops".to_owned() });
        }
        missing
    }

    /// Looks up what is looked up before metrics are shown; what takes too long is left as it was.
    pub async fn look_all(&self) {
        let looks = read(&self.looks);
        let all = looks.iter().map(|look| tokio::time::timeout(PATIENCE, look()));
        for late in join_all(all).await {
            if late.is_err() {
                tracing::warn!("a metric could not be looked up in time");
            }
        }
    }
}

/// What is missing, in a line.
pub(crate) fn told(missing: &[Missing]) -> String {
    let mut line = String::new();
    for Missing { part, why } in missing {
        let between = if line.is_empty() { "" } else { "; " };
        // Writing to a string cannot fail.
        let _ = write!(line, "{between}{part}: {why}");
    }
    line
}

async fn ask(checks: Vec<(&'static str, Check)>) -> Vec<Missing> {
    let all = checks.into_iter().map(|(part, check)| async move {
        let why = match tokio::time::timeout(PATIENCE, check()).await {
            Ok(Ok(())) => return None,
            Ok(Err(why)) => why.chars().take(LONGEST).collect(),
            Err(_) => format!("no answer within {} s", PATIENCE.as_secs()),
        };
        Some(Missing { part, why })
    });
    join_all(all).await.into_iter().flatten().collect()
}

fn read<T: Clone>(list: &RwLock<Vec<T>>) -> Vec<T> {
    list.read().unwrap_or_else(PoisonError::into_inner).clone()
}

fn write<T>(list: &RwLock<Vec<T>>) -> std::sync::RwLockWriteGuard<'_, Vec<T>> {
    list.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_missing_is_named() {
        let health = Health::default();
        assert_eq!(health.missing().await, []);
        health.alive("lanes", || Box::pin(async { Err("1 of 4 has ended".to_owned()) }));
        health.ready("store", || Box::pin(std::future::pending()));
        health.ready("disk", || Box::pin(async { Ok(()) }));
        assert_eq!(told(&health.dead().await), "lanes: 1 of 4 has ended");
        health.stop();
        let all = told(&health.missing().await);
        assert_eq!(all, "process: it stops; lanes: 1 of 4 has ended; store: no answer within 2 s");
    }
}

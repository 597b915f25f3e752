//! Who waits in this process for the end of a run.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aob_engine::state::State;
use rustc_hash::FxHashMap;
use tokio::sync::oneshot;

/// The end of a run, as the commit of this process that brings it about tells it: without a question to the
/// store, and also where the run is dropped with its end.
#[derive(Debug)]
pub struct Ending {
    run: Arc<str>,
    told: oneshot::Receiver<Arc<State>>,
    endings: Endings,
}

/// Those who wait, by run.
#[derive(Debug, Clone, Default)]
pub(super) struct Endings(Arc<Mutex<Waiting>>);

type Waiting = FxHashMap<Arc<str>, Vec<oneshot::Sender<Arc<State>>>>;

impl Ending {
    /// The run's last state. Never, if another process ends it: [`super::Runs::wait`] waits for that too.
    pub async fn state(&mut self) -> Arc<State> {
        match (&mut self.told).await {
            Ok(state) => state,
            // Its sender goes only with what it sends.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.told.close();
        let mut all = self.endings.lock();
        if let Some(senders) = all.get_mut(&self.run) {
            senders.retain(|sender| !sender.is_closed());
            if senders.is_empty() {
                all.remove(&self.run);
            }
        }
    }
}

impl Endings {
    /// A handle on the end of a run; what ended before it was made is not told.
    pub(super) fn of(&self, run: &Arc<str>) -> Ending {
        let (sender, told) = oneshot::channel();
        self.lock().entry(run.clone()).or_default().push(sender);
        Ending { run: run.clone(), told, endings: self.clone() }
    }

    /// Tells a run's end.
    pub(super) fn tell(&self, state: &Arc<State>) {
        let senders = self.lock().remove(&state.head.run);
        for sender in senders.into_iter().flatten() {
            // Whoever has gone does not need to know.
            drop(sender.send(state.clone()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! The accepted patches of runs that this process patches, so that not each request reads all of them again. What they
//! lead to is compared with the run's head: another past of the same run is another trail.

use std::sync::{Arc, Mutex, PoisonError};

use aob_engine::patch::Overlay;
use aob_engine::state::Head;

use super::super::recent::Recent;

/// Most patches kept of all runs, in each of two generations.
const MOST: usize = 4_000;

/// By run: the revision and graph that they lead to, and they.
pub(in crate::runs) struct Trails {
    runs: Mutex<Recent<Arc<str>, Trail>>,
}

#[derive(Clone)]
struct Trail {
    revision: u32,
    digest: Arc<str>,
    overlays: Arc<Vec<Overlay>>,
}

impl Default for Trails {
    fn default() -> Self {
        Self { runs: Mutex::new(Recent::new(MOST)) }
    }
}

impl Trails {
    /// Those that lead to where a run stands; none if that is not known here.
    pub(super) fn of(&self, head: &Head) -> Option<Arc<Vec<Overlay>>> {
        let trail = self.lock().get(&head.run)?;
        (trail.revision == head.revision && trail.digest == head.digest).then_some(trail.overlays)
    }

    /// Keeps those that lead to where a run stands.
    pub(super) fn keep(&self, head: &Head, overlays: &Arc<Vec<Overlay>>) {
        let (revision, digest) = (head.revision, head.digest.clone());
        let trail = Trail { revision, digest, overlays: overlays.clone() };
        self.lock().put(head.run.clone(), trail, 1 + overlays.len());
    }

    /// One more patch of a run was accepted.
    pub(super) fn add(&self, before: &Head, after: &Head, overlay: Overlay) {
        let Some(mut overlays) = self.of(before) else { return };
        // So that what only this holds is not copied.
        self.lock().remove(&before.run);
        Arc::make_mut(&mut overlays).push(overlay);
        self.keep(after, &overlays);
    }

    /// The store's past may be another one.
    pub(in crate::runs) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Recent<Arc<str>, Trail>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

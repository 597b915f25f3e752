//! Who waits for a task. A new task wakes one waiter, not all: each is told at most once, and whoever is
//! told but goes away without claiming passes it on.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::{Notify, oneshot};

/// Those who wait, longest first.
#[derive(Default)]
pub(super) struct Waiting {
    waiters: VecDeque<Waiter>,
    next: u64,
}

struct Waiter {
    id: u64,
    types: Arc<[Arc<str>]>,
    max: usize,
    call: oneshot::Sender<()>,
}

/// Calls that are made once the lock is released.
#[derive(Default)]
pub(super) struct Wake {
    calls: Vec<oneshot::Sender<()>>,
    /// Whoever follows a run.
    pub(super) runs: Vec<Arc<Notify>>,
}

impl Waiting {
    /// Waits for tasks of these types.
    pub(super) fn join(
        &mut self,
        types: &Arc<[Arc<str>]>,
        max: usize,
    ) -> (u64, oneshot::Receiver<()>) {
        let (call, called) = oneshot::channel();
        self.next += 1;
        self.waiters.push_back(Waiter { id: self.next, types: types.clone(), max, call });
        (self.next, called)
    }

    /// Waits no longer; false if it has been called.
    pub(super) fn leave(&mut self, id: u64) -> bool {
        let at = self.waiters.iter().position(|waiter| waiter.id == id);
        at.is_some_and(|at| self.waiters.remove(at).is_some())
    }

    /// Calls as many as it takes for so many tasks of a type.
    pub(super) fn call(&mut self, node_type: &Arc<str>, mut tasks: usize, wake: &mut Wake) {
        let mut at = 0;
        while tasks > 0 && at < self.waiters.len() {
            if !self.waiters[at].types.contains(node_type) {
                at += 1;
                continue;
            }
            let Some(waiter) = self.waiters.remove(at) else { return };
            if !waiter.call.is_closed() {
                tasks = tasks.saturating_sub(waiter.max);
                wake.calls.push(waiter.call);
            }
        }
    }
}

impl Wake {
    /// Makes the calls.
    pub(super) fn run(self) {
        for call in self.calls {
            // Whoever went away meanwhile has passed it on.
            let _ = call.send(());
        }
        for run in self.runs {
            run.notify_waiters();
        }
    }
}

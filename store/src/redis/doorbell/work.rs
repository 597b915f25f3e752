//! Who waits for tasks of tenants' queues. A task calls one of them: the one that waits longest.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, PoisonError};

use tokio::sync::oneshot;

use super::Shared;
use crate::WorkBell;

/// Those who wait.
#[derive(Default)]
pub(super) struct Work {
    next: u64,
    waiters: BTreeMap<u64, Waiter>,
    /// Waiters by queue, longest first.
    queues: BTreeMap<Arc<str>, VecDeque<u64>>,
}

struct Waiter {
    queues: Vec<Arc<str>>,
    call: oneshot::Sender<u32>,
}

impl Work {
    pub(super) fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    fn join(&mut self, queues: &[Arc<str>]) -> (u64, oneshot::Receiver<u32>) {
        let (call, called) = oneshot::channel();
        self.next += 1;
        for queue in queues {
            self.queues.entry(queue.clone()).or_default().push_back(self.next);
        }
        self.waiters.insert(self.next, Waiter { queues: queues.to_vec(), call });
        (self.next, called)
    }

    fn leave(&mut self, id: u64) -> Option<oneshot::Sender<u32>> {
        let Waiter { queues, call } = self.waiters.remove(&id)?;
        for queue in queues {
            if let Some(ids) = self.queues.get_mut(&queue) {
                ids.retain(|other| *other != id);
                if ids.is_empty() {
                    self.queues.remove(&queue);
                }
            }
        }
        Some(call)
    }

    /// Calls the one that waits longest for a task of this queue.
    fn call(&mut self, queue: &str, shard: u32) {
        while let Some(id) = self.queues.get(queue).and_then(|ids| ids.front().copied()) {
            // One that has gone away meanwhile takes no task.
            if self.leave(id).is_some_and(|call| call.send(shard).is_ok()) {
                return;
            }
        }
    }
}

/// A place among those who wait; it is given up with the bell.
pub(super) fn join(shared: &Arc<Shared>, queues: &[Arc<str>]) -> WorkBell {
    let (id, called) = shared.work.lock().unwrap_or_else(PoisonError::into_inner).join(queues);
    let place = Place { shared: shared.clone(), id };
    Box::pin(async move {
        let called = called.await;
        drop(place);
        called.unwrap_or(0)
    })
}

/// A message of the channel `wf.work`: the name of a queue.
pub(super) fn ring(message: &[u8], shard: u32, shared: &Shared) {
    if let Ok(queue) = std::str::from_utf8(message) {
        shared.work.lock().unwrap_or_else(PoisonError::into_inner).call(queue, shard);
    }
}

struct Place {
    shared: Arc<Shared>,
    id: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(self.shared.work.lock().unwrap_or_else(PoisonError::into_inner).leave(self.id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_calls_one_and_who_left_is_passed_over() {
        let mut work = Work::default();
        let queues = [Arc::from("a@t"), Arc::from("b@t")];
        let (_, gone) = work.join(&queues);
        let (_, mut first) = work.join(&queues);
        let (second, mut later) = work.join(&queues[..1]);
        drop(gone);
        work.call("a@t", 3);
        assert_eq!((first.try_recv(), later.try_recv().is_err()), (Ok(3), true));
        work.call("b@t", 1);
        assert!(later.try_recv().is_err());
        assert!(work.leave(second).is_some());
        assert!(work.is_empty() && work.queues.is_empty());
    }
}

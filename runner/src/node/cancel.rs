//! The word to stop, from a lane to the task it runs.

use std::future::pending;

use aob_engine::catalogue::{NODE_CANCELLED, NODE_LOST, NODE_TIMEOUT};
use tokio::sync::watch;

use super::Failure;

/// Both ends of a new cancellation.
#[must_use]
pub fn cancellation() -> (Canceller, Cancel) {
    let (sender, receiver) = watch::channel(None);
    (Canceller(sender), Cancel(Some(receiver)))
}

/// Why a task is to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The run or the scope was cancelled.
    Cancelled,
    /// The attempt's time is over.
    Timeout,
    /// Another worker holds the attempt now: whatever this one returns does not count.
    Lost,
}

impl Reason {
    /// What an attempt that stopped for this reason returns.
    #[must_use]
    pub fn failure(self) -> Failure {
        match self {
            Self::Cancelled => Failure::new(&NODE_CANCELLED, "the attempt was cancelled"),
            Self::Timeout => {
                Failure::new(&NODE_TIMEOUT, "the attempt took longer than the node's timeout")
                    .retryable()
            }
            Self::Lost => Failure::new(&NODE_LOST, "another worker holds the attempt now"),
        }
    }
}

/// The lane's end. Dropping it cancels nothing.
#[derive(Debug)]
pub struct Canceller(watch::Sender<Option<Reason>>);

impl Canceller {
    /// Tells the task to stop. The first reason stays.
    pub fn cancel(&self, reason: Reason) {
        self.0.send_if_modified(|now| {
            let first = now.is_none();
            if first {
                *now = Some(reason);
            }
            first
        });
    }
}

/// The task's end.
#[derive(Debug, Clone)]
pub struct Cancel(Option<watch::Receiver<Option<Reason>>>);

impl Cancel {
    /// One that is never told to stop.
    #[must_use]
    pub const fn never() -> Self {
        Self(None)
    }

    /// The reason, if the word has been given.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        self.0.as_ref().and_then(|receiver| *receiver.borrow())
    }

    /// Waits for the word to stop; for ever if it never comes.
    pub async fn cancelled(&self) -> Reason {
        let Some(mut receiver) = self.0.clone() else { return pending().await };
        let told = receiver.wait_for(Option::is_some).await.ok().and_then(|reason| *reason);
        match told {
            Some(reason) => reason,
            None => pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    #[tokio::test]
    async fn the_first_reason_stays() {
        let (canceller, cancel) = cancellation();
        assert_eq!((cancel.reason(), cancel.cancelled().now_or_never()), (None, None));
        canceller.cancel(Reason::Timeout);
        canceller.cancel(Reason::Lost);
        drop(canceller);
        assert_eq!(
            (cancel.reason(), cancel.cancelled().await),
            (Some(Reason::Timeout), Reason::Timeout)
        );
    }

    #[tokio::test]
    async fn without_a_word_it_goes_on() {
        let (canceller, cancel) = cancellation();
        drop(canceller);
        assert_eq!(cancel.cancelled().now_or_never(), None);
        assert_eq!(Cancel::never().cancelled().now_or_never(), None);
    }

    #[test]
    fn only_a_timeout_is_worth_another_attempt() {
        assert!(Reason::Timeout.failure().retryable);
        assert!(!Reason::Cancelled.failure().retryable && !Reason::Lost.failure().retryable);
    }
}

//! What is done on the wire, one step after the other.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use hyper::body::Frame;
use tokio::sync::Notify;

use super::{Fault, speak};
use crate::settings::Dialect;

/// One step of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Wait(Duration),
    Send(Bytes),
    /// Says that the connection will be closed.
    Leave,
    /// Never goes on.
    Silence,
    /// Tears the stream.
    Tear,
}

/// A body of steps.
pub(super) type Body = BoxStream<'static, Result<Frame<Bytes>, std::io::Error>>;

/// The steps of an answer with these events.
pub(super) fn steps(dialect: Dialect, events: &[String], fault: &Fault) -> VecDeque<Step> {
    let mut steps = VecDeque::new();
    let mut room = fault.cut_at_byte.or(fault.end_at_byte).unwrap_or(usize::MAX);
    for (at, event) in events.iter().enumerate() {
        if fault.between_ms > 0 {
            steps.push_back(Step::Wait(Duration::from_millis(fault.between_ms)));
        }
        let piece = event.as_bytes().get(..room.min(event.len())).unwrap_or_default();
        if !piece.is_empty() {
            steps.push_back(Step::Send(Bytes::copy_from_slice(piece)));
        }
        room -= piece.len();
        if piece.len() < event.len() {
            if fault.cut_at_byte.is_some() {
                steps.push_back(Step::Tear);
            }
            return steps;
        }
        let n = at + 1;
        if fault.goaway_after == Some(n) {
            steps.push_back(Step::Leave);
        }
        if fault.error_after == Some(n) {
            steps.push_back(Step::Send(speak::broken(dialect, fault).into()));
            return steps;
        }
        if fault.silent_after == Some(n) {
            steps.push_back(Step::Silence);
            return steps;
        }
    }
    steps
}

/// A body that takes these steps; `leave` is told when the connection is to be closed.
pub(super) fn body(steps: VecDeque<Step>, leave: Arc<Notify>) -> Body {
    stream::unfold((steps, leave), |(mut steps, leave)| async move {
        loop {
            match steps.pop_front()? {
                Step::Wait(time) => tokio::time::sleep(time).await,
                Step::Leave => leave.notify_one(),
                Step::Silence => futures::future::pending().await,
                Step::Send(bytes) => return Some((Ok(Frame::data(bytes)), (steps, leave))),
                Step::Tear => {
                    // What was sent goes out first.
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    steps.clear();
                    let torn = std::io::Error::other("torn, as the script says");
                    return Some((Err(torn), (steps, leave)));
                }
            }
        }
    })
    .boxed()
}

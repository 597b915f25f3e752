//! Connections to providers: few, kept, each with many calls at once.

mod connect;
mod pool;

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;

pub(crate) use connect::Target;
pub(crate) use pool::{Lease, Pool};

/// Why no answer began.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotSent {
    /// Nothing stands at the other end.
    #[error("{0}")]
    Unreachable(String),
    /// The question never left, or the provider said that it did not look at it.
    #[error("the connection ended before the question was taken")]
    NotTaken,
    /// It left, and nobody knows what became of it.
    #[error("the connection was lost before an answer began: {0}")]
    Lost(String),
    /// Nothing came in time.
    #[error("no answer began within {}", seconds(.0))]
    Silent(Duration),
    /// Every connection is in use.
    #[error("no connection was free within {}", seconds(.0))]
    Full(Duration),
}

pub(crate) fn seconds(time: &Duration) -> String {
    format!("{} s", time.as_secs_f64())
}

/// Sends a question and waits until its answer begins; `has_left` is set when it goes.
pub(crate) async fn send(
    pool: &Pool,
    request: Request<Full<Bytes>>,
    longest: Duration,
    has_left: &mut bool,
) -> Result<(Response<Incoming>, Lease), NotSent> {
    let lease =
        tokio::time::timeout(longest, pool.lease()).await.map_err(|_| NotSent::Full(longest))??;
    *has_left = true;
    match tokio::time::timeout(longest, lease.send(request)).await {
        Ok(answered) => Ok((answered?, lease)),
        Err(_) => Err(NotSent::Silent(longest)),
    }
}

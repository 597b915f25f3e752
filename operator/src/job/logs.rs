//! What a Job's container prints, into the run's log.

use std::time::Duration;

use aob_runner::node::{LogSink, Stream};
use futures::{AsyncBufReadExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, LogParams};
use kube::{Api, ResourceExt as _};

use crate::error::told;

/// How often it is looked for a pod whose container has begun.
const LOOK: Duration = Duration::from_secs(1);
/// Most bytes read of a log.
const MOST: i64 = 256 * 1024;

/// Follows the log of a Job's pod from its begin to its end.
pub(super) async fn follow(pods: Api<Pod>, job: String, log: LogSink) {
    loop {
        tokio::time::sleep(LOOK).await;
        let listed = pods.list(&ListParams::default().labels(&format!("job-name={job}"))).await;
        let Ok(listed) = listed else { continue };
        let has_begun = |pod: &&Pod| {
            let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
            matches!(phase, Some("Running" | "Succeeded" | "Failed"))
        };
        if let Some(pod) = listed.items.iter().find(has_begun) {
            return lines(&pods, &pod.name_any(), &log).await;
        }
    }
}

async fn lines(pods: &Api<Pod>, name: &str, log: &LogSink) {
    let parameters = LogParams { follow: true, limit_bytes: Some(MOST), ..LogParams::default() };
    let read = match pods.log_stream(name, &parameters).await {
        Ok(stream) => {
            let mut lines = stream.lines();
            loop {
                match lines.try_next().await {
                    Ok(Some(line)) => log.line(Stream::Stdout, &line),
                    Ok(None) => break Ok(()),
                    Err(error) => break Err(error.to_string()),
                }
            }
        }
        Err(error) => Err(told(&error)),
    };
    if let Err(error) = read {
        log.line(Stream::Node, &format!("the log of {name} cannot be read: {error}"));
    }
}

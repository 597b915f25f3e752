//! Log lines of an attempt, on their way to the gateway.

use std::sync::Arc;
use std::time::Duration;

use aob_telemetry::metrics::metrics;
use serde_json::json;
use tokio::sync::mpsc;

use super::ask::{Error, Gateway};
use crate::node::{LogLine, Stream};
use crate::remote::{Handed, Line, Said};

/// Most lines of one request.
const MOST: usize = 256;
/// How long lines are gathered.
const GATHER: Duration = Duration::from_millis(100);
/// Tries of one request.
const TRIES: u32 = 3;

/// Sends lines until their attempt writes no more.
pub(super) async fn forward(
    gateway: Arc<Gateway>,
    task: Handed,
    mut lines: mpsc::Receiver<LogLine>,
) {
    let mut batch = Vec::new();
    while lines.recv_many(&mut batch, MOST).await > 0 {
        // A command that prints a line at a time makes few requests.
        if batch.len() < MOST && !lines.is_closed() {
            tokio::time::sleep(GATHER).await;
            while batch.len() < MOST
                && let Ok(line) = lines.try_recv()
            {
                batch.push(line);
            }
        }
        let said: Vec<Line> = batch.drain(..).map(line).collect();
        send(&gateway, &task, &said).await;
    }
}

fn line(line: LogLine) -> Line {
    let from = match line.stream {
        Stream::Stdout => Said::Out,
        Stream::Stderr => Said::Err,
        Stream::Node => Said::Aob,
    };
    Line { from, text: line.text }
}

async fn send(gateway: &Gateway, task: &Handed, lines: &[Line]) {
    let body = json!({"task": task.task, "fence": task.fence, "lines": lines});
    for attempt in 1..=TRIES {
        match gateway.post("log", &body).await {
            Ok(_) => return,
            Err(Error::Away(_)) if attempt < TRIES => {
                tokio::time::sleep(GATHER * attempt).await;
            }
            Err(error) => {
                metrics().log_lines_dropped.add([], lines.len() as u64);
                tracing::warn!(run_id = task.run, %error, "log lines could not be kept");
                return;
            }
        }
    }
}

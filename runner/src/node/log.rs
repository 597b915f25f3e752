//! Log lines of running tasks: bounded, redacted, never in a task's way.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use aob_telemetry::metrics::metrics;
use tokio::sync::mpsc;

use super::Task;
use crate::secret::Redactor;

/// The longest line, in bytes; what is longer is cut.
pub(super) const LINE: usize = 8 * 1024;
/// How much one attempt may write, in bytes.
const ATTEMPT: usize = 256 * 1024;

/// Which of a task's streams a line is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// What a command printed.
    Stdout,
    /// What a command said about itself.
    Stderr,
    /// What the node type itself has to say.
    Node,
}

/// Where a line comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The run's id.
    pub run: String,
    /// The instance's path.
    pub instance: String,
    /// From 1.
    pub attempt: u32,
}

/// One line, at most 8 KiB, without its line end and without secrets. It is the node's text: who shows it
/// on a terminal escapes control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Whose line it is.
    pub origin: Arc<Origin>,
    /// Which stream it was on.
    pub stream: Stream,
    /// The text.
    pub text: String,
}

/// Takes lines and never waits: when the reader is too slow, lines are dropped and counted; after 256 KiB
/// of one attempt the rest is left out. Both are said in a line.
#[derive(Clone)]
pub struct LogSink {
    lines: Option<mpsc::Sender<LogLine>>,
    origin: Arc<Origin>,
    redactor: Arc<Redactor>,
    left: Arc<AtomicUsize>,
    dropped: Arc<AtomicU64>,
}

impl LogSink {
    /// A sink and its reader; `capacity` lines may wait (at least 1).
    #[must_use]
    pub fn channel(capacity: usize) -> (Self, mpsc::Receiver<LogLine>) {
        let (sender, receiver) = mpsc::channel(capacity.max(1));
        (Self::new(Some(sender)), receiver)
    }

    /// A sink that keeps nothing.
    #[must_use]
    pub fn discard() -> Self {
        Self::new(None)
    }

    /// Writes a line.
    pub fn line(&self, stream: Stream, text: &str) {
        self.put(stream, self.shown(text));
    }

    fn new(lines: Option<mpsc::Sender<LogLine>>) -> Self {
        Self {
            lines,
            origin: Arc::default(),
            redactor: Arc::default(),
            left: Arc::new(AtomicUsize::new(ATTEMPT)),
            dropped: Arc::default(),
        }
    }

    /// The same reader, for one attempt of `task`, with a fresh allowance.
    pub(super) fn of(&self, task: &Task, redactor: &Arc<Redactor>) -> Self {
        let origin = Origin {
            run: task.run.clone(),
            instance: task.instance.clone(),
            attempt: task.attempt,
        };
        let fresh = Self::new(self.lines.clone());
        Self { origin: Arc::new(origin), redactor: Arc::clone(redactor), ..fresh }
    }

    /// `text` as its line will show it.
    pub(super) fn shown(&self, text: &str) -> String {
        let mut out = self.redactor.text(text).into_owned();
        if out.len() > LINE {
            out.truncate(out.floor_char_boundary(LINE));
            out.push('…');
        }
        out
    }

    /// Writes a line that [`LogSink::shown`] has made.
    pub(super) fn put(&self, stream: Stream, text: String) {
        let Some(lines) = &self.lines else { return };
        let size = text.len() + 1;
        let before = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            Some(left.saturating_sub(size))
        });
        let left = before.unwrap_or(0);
        if left == 0 {
            return;
        }
        let text = if size < left {
            text
        } else {
            format!("[log cut: an attempt may write {} KiB]", ATTEMPT / 1024)
        };
        let send = |stream, text| {
            lines.try_send(LogLine { origin: Arc::clone(&self.origin), stream, text })
        };
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0
            && send(
                Stream::Node,
                format!("[{dropped} lines dropped: the log's reader was too slow]"),
            )
            .is_err()
        {
            self.dropped.fetch_add(dropped, Ordering::Relaxed);
        }
        if send(stream, text).is_err() {
            metrics().log_lines_dropped.one([]);
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for LogSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogSink({:?})", self.origin)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::task;
    use super::*;
    use serde_json::Value;

    fn sink(capacity: usize) -> (LogSink, mpsc::Receiver<LogLine>) {
        let (sink, reader) = LogSink::channel(capacity);
        (sink.of(&task("exec", Value::Null), &Arc::default()), reader)
    }

    #[test]
    fn lines_say_where_they_are_from() {
        let (sink, mut reader) = sink(4);
        sink.line(Stream::Stderr, "hello");
        let line = reader.try_recv().unwrap();
        let origin = Origin { run: "run_1".into(), instance: "n".into(), attempt: 1 };
        assert_eq!(
            (line.stream, line.text.as_str(), &*line.origin),
            (Stream::Stderr, "hello", &origin)
        );
        LogSink::discard().line(Stream::Node, "nowhere");
    }

    #[test]
    fn a_slow_reader_loses_lines_and_is_told_how_many() {
        let (sink, mut reader) = sink(2);
        for n in 0..5 {
            sink.line(Stream::Stdout, &n.to_string());
        }
        let seen = [reader.try_recv().unwrap().text, reader.try_recv().unwrap().text];
        assert_eq!(seen, ["0", "1"]);
        sink.line(Stream::Stdout, "5");
        assert!(reader.try_recv().unwrap().text.starts_with("[3 lines dropped"));
        assert_eq!(reader.try_recv().unwrap().text, "5");
    }

    #[test]
    fn an_attempt_has_its_allowance() {
        let (sink, mut reader) = sink(1000);
        for _ in 0..1000 {
            sink.line(Stream::Stdout, &"ä".repeat(5000));
        }
        let lines: Vec<String> =
            std::iter::from_fn(|| reader.try_recv().ok().map(|line| line.text)).collect();
        assert!(lines.iter().all(|line| line.len() <= LINE + '…'.len_utf8()));
        assert!(lines.last().unwrap().starts_with("[log cut"));
        assert_eq!(lines.iter().filter(|line| line.starts_with("[log cut")).count(), 1);
        assert!(lines.iter().map(String::len).sum::<usize>() <= ATTEMPT + 64);
    }
}

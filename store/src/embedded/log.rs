//! The log of one run: the youngest lines, counted from the first.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::LogLine;

/// Most bytes of a run's log.
const MOST: usize = 1024 * 1024;

/// Longest text of a line, in bytes.
const LONGEST: usize = 8 * 1024;

/// A run's log.
#[derive(Default)]
pub(super) struct Log {
    lines: VecDeque<Arc<LogLine>>,
    /// How many have gone.
    base: u64,
    bytes: usize,
}

impl Log {
    /// Appends a line; the oldest go.
    pub(super) fn push(&mut self, line: Arc<LogLine>) {
        self.bytes += size(&line);
        self.lines.push_back(line);
        while self.bytes > MOST {
            let Some(oldest) = self.lines.pop_front() else { return };
            self.bytes -= size(&oldest);
            self.base += 1;
        }
    }

    /// Lines from a position on, at most `most`, and the position after them.
    pub(super) fn page(&self, after: u64, most: usize) -> (Vec<Arc<LogLine>>, u64) {
        let skip = usize::try_from(after.saturating_sub(self.base)).unwrap_or(usize::MAX);
        let lines: Vec<_> = self.lines.iter().skip(skip).take(most).cloned().collect();
        let end = self.base + self.lines.len() as u64;
        let next = if lines.is_empty() { end } else { self.base + (skip + lines.len()) as u64 };
        (lines, next)
    }

    /// Bytes of the lines that are kept.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many lines have gone.
    pub(super) fn base(&self) -> u64 {
        self.base
    }

    /// So many lines have gone.
    pub(super) fn set_base(&mut self, base: u64) {
        self.base = base;
    }
}

/// A line within its limit.
pub(super) fn bounded(line: &LogLine) -> Arc<LogLine> {
    let mut line = line.clone();
    if line.text.len() > LONGEST {
        line.text.truncate(line.text.floor_char_boundary(LONGEST));
    }
    Arc::new(line)
}

fn size(line: &LogLine) -> usize {
    line.text.len() + line.at.len() + line.from.len() + 24
}

//! Events in a row, ready to be sent: one piece of memory, of which all who are sent some of them hold a part.

use std::collections::VecDeque;

use bytes::Bytes;

/// Most events of a block.
pub(super) const EVENTS: usize = 64;
/// A block of news that has so many bytes takes in no more.
const BYTES: usize = 16 << 10;

/// Some events in a row.
#[derive(Debug, Default)]
pub(super) struct Block {
    /// The event before the first one in it.
    pub(super) before: u64,
    /// Where each event ends in the bytes.
    ends: Vec<usize>,
    bytes: Bytes,
}

/// What a follower is sent at once: whole events, as they are sent.
#[derive(Debug)]
pub(in crate::http::follow) struct Chunk {
    /// The last event in it.
    pub(in crate::http::follow) last: u64,
    pub(in crate::http::follow) bytes: Bytes,
}

/// Blocks in a row, the newest at the end: the last events of a run.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    blocks: VecDeque<Block>,
    /// The last event that was taken in.
    last: u64,
    events: usize,
    bytes: usize,
}

impl Block {
    /// A block of the events after `before`, each as the store has it.
    pub(super) fn of(before: u64, lines: &[Vec<u8>]) -> Self {
        let empty = Self { before, ..Self::default() };
        empty.with(lines)
    }

    /// The same with more events at its end. Whoever holds a part of the old one keeps it.
    fn with(&self, lines: &[Vec<u8>]) -> Self {
        let mut bytes = self.bytes.to_vec();
        let mut ends = self.ends.clone();
        for (n, line) in (self.last() + 1..).zip(lines) {
            bytes.extend_from_slice(format!("id: {n}\ndata: ").as_bytes());
            bytes.extend_from_slice(line);
            bytes.extend_from_slice(b"\n\n");
            ends.push(bytes.len());
        }
        Self { before: self.before, ends, bytes: bytes.into() }
    }

    /// All of its events after one; nothing if it has none of them.
    pub(super) fn after(&self, at: u64) -> Option<Chunk> {
        let skip = usize::try_from(at.checked_sub(self.before)?).ok()?;
        let begin = match skip.checked_sub(1) {
            None => 0,
            Some(before) => *self.ends.get(before)?,
        };
        let bytes = self.bytes.slice(begin..);
        (!bytes.is_empty()).then(|| Chunk { last: self.last(), bytes })
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    fn last(&self) -> u64 {
        self.before + self.ends.len() as u64
    }

    /// How many more events it takes in.
    fn room(&self) -> usize {
        if self.bytes.len() < BYTES { EVENTS.saturating_sub(self.ends.len()) } else { 0 }
    }
}

impl Blocks {
    pub(super) fn begin(last: u64) -> Self {
        Self { last, ..Self::default() }
    }

    /// Takes in the events that follow, and lets go of the oldest beyond so many events or bytes.
    pub(super) fn push(&mut self, mut lines: &[Vec<u8>], events: usize, bytes: usize) {
        while !lines.is_empty() {
            let tail = self.blocks.pop_back_if(|block| block.room() > 0);
            let tail = tail.unwrap_or_else(|| Block { before: self.last, ..Block::default() });
            let (now, later) = lines.split_at(tail.room().min(lines.len()));
            let grown = tail.with(now);
            self.events += now.len();
            self.bytes += grown.len() - tail.len();
            self.last = grown.last();
            self.blocks.push_back(grown);
            lines = later;
        }
        while self.events > events || self.bytes > bytes {
            let Some(gone) = self.blocks.pop_front() else { break };
            self.events -= gone.ends.len();
            self.bytes -= gone.len();
        }
    }

    /// Events after one; nothing if the first of them is not here (any more, or yet).
    pub(super) fn after(&self, at: u64) -> Option<Chunk> {
        let place = self.blocks.partition_point(|block| block.last() <= at);
        self.blocks.get(place)?.after(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(from: u64, to: u64) -> Vec<Vec<u8>> {
        (from..=to).map(|n| format!("{{\"n\":{n}}}").into_bytes()).collect()
    }

    /// Reads everything after an event; the numbers that were seen.
    fn read(blocks: &Blocks, mut at: u64) -> Vec<u64> {
        let mut seen = Vec::new();
        while let Some(chunk) = blocks.after(at) {
            let text = std::str::from_utf8(&chunk.bytes).unwrap();
            for frame in text.split_terminator("\n\n") {
                let n = frame.strip_prefix("id: ").unwrap().split_once('\n').unwrap().0;
                assert!(frame.ends_with(&format!("data: {{\"n\":{n}}}")), "{frame}");
                seen.push(n.parse().unwrap());
            }
            assert_eq!(seen.last(), Some(&chunk.last));
            at = chunk.last;
        }
        seen
    }

    #[test]
    fn from_everywhere_all_that_follows_is_read_once() {
        let mut blocks = Blocks::begin(5);
        let mut last = 5;
        for count in [1, 1, 3, 64, 200, 7, 63, 1, 65] {
            blocks.push(&lines(last + 1, last + count), 1_000, 1 << 20);
            last += count;
            for at in 5..=last {
                assert_eq!(read(&blocks, at), (at + 1..=last).collect::<Vec<_>>());
            }
        }
        assert!(blocks.after(4).is_none(), "what was before it is not here");
        assert!(blocks.after(last + 1).is_none());
    }

    #[test]
    fn the_oldest_go_first_and_a_chunk_that_was_taken_stays() {
        let mut blocks = Blocks::begin(0);
        blocks.push(&lines(1, 10), 500, 1 << 20);
        let early = blocks.after(0).unwrap();
        blocks.push(&lines(11, 2_000), 500, 1 << 20);
        assert_eq!((early.last, &early.bytes[..21]), (10, &b"id: 1\ndata: {\"n\":1}\n\n"[..]));
        assert!(blocks.after(0).is_none());
        let kept = read(&blocks, 1_600);
        assert_eq!(kept, (1_601..=2_000).collect::<Vec<_>>());
        blocks.push(&[vec![b' '; 2 << 20]], 500, 1 << 20);
        assert!(blocks.after(2_000).is_none(), "more than all may have");
        blocks.push(&lines(2_002, 2_002), 500, 1 << 20);
        assert_eq!(read(&blocks, 2_001), [2_002]);
    }

    #[test]
    fn large_events_share_no_block() {
        let mut blocks = Blocks::begin(0);
        for _ in 0..3 {
            blocks.push(&[vec![b' '; BYTES]], 500, 1 << 20);
        }
        assert_eq!(blocks.after(0).unwrap().last, 1);
        assert_eq!(blocks.after(1).unwrap().last, 2);
    }
}

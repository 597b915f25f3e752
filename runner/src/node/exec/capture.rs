//! Reads what a command prints: its beginning for the output, its lines for the log.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::node::log::{LINE, LogSink, Stream};
use crate::secret::Redactor;

/// How much is read at once, in bytes.
const CHUNK: usize = 8 * 1024;
/// How much of its last line a failure shows, in bytes.
const LAST: usize = 512;

/// One stream of a command.
pub(super) struct Capture<'a> {
    log: &'a LogSink,
    redactor: &'a Redactor,
    stream: Stream,
    /// How much of the beginning is kept, in bytes.
    keep: usize,
    head: Vec<u8>,
    seen: usize,
    line: Vec<u8>,
    last: String,
}

/// What was read, without secrets.
pub(super) struct Captured {
    head: String,
    seen: usize,
    cut: bool,
    last: String,
}

impl<'a> Capture<'a> {
    pub(super) fn new(
        log: &'a LogSink,
        redactor: &'a Redactor,
        stream: Stream,
        keep: usize,
    ) -> Self {
        Self {
            log,
            redactor,
            stream,
            keep,
            head: Vec::new(),
            seen: 0,
            line: Vec::new(),
            last: String::new(),
        }
    }

    /// Reads to the end. What was read so far stays if it is dropped before.
    pub(super) async fn pump(&mut self, mut pipe: impl AsyncRead + Unpin) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK];
        loop {
            let length = pipe.read(&mut chunk).await?;
            if length == 0 {
                return Ok(());
            }
            self.take(chunk.get(..length).unwrap_or_default());
        }
    }

    /// What was read, and the last line to the log even if it has no end.
    pub(super) fn finish(mut self) -> Captured {
        if !self.line.is_empty() {
            self.end_line();
        }
        // More than `keep` was held, so that a secret lying across the end is whole, and goes.
        let mut head = self.redactor.text(&String::from_utf8_lossy(&self.head)).into_owned();
        let cut = self.seen > self.keep;
        head.truncate(head.floor_char_boundary(self.keep));
        Captured { head, seen: self.seen, cut, last: self.last }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.seen += bytes.len();
        extend(&mut self.head, bytes, self.keep + self.redactor.longest());
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let text = part.strip_suffix(b"\n").unwrap_or(part);
            // A line is shown when its end is here; of a very long one the beginning.
            extend(&mut self.line, text, LINE + self.redactor.longest() + 1);
            if text.len() < part.len() {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&line);
        let shown = self.log.shown(text.trim_end_matches('\r'));
        if !shown.trim().is_empty() {
            self.last =
                shown.get(..shown.floor_char_boundary(LAST)).unwrap_or_default().trim().to_owned();
        }
        self.log.put(self.stream, shown);
    }
}

impl Captured {
    /// Whether more was printed than is kept.
    pub(super) const fn is_cut(&self) -> bool {
        self.cut
    }

    /// How many bytes were printed.
    pub(super) const fn seen(&self) -> usize {
        self.seen
    }

    /// The last line that is not empty.
    pub(super) fn last_line(&self) -> &str {
        &self.last
    }

    /// The beginning, at most `room` bytes of JSON; a note at its end tells if there was more.
    pub(super) fn text(&self, room: usize) -> String {
        if !self.cut && json_size(&self.head) <= room {
            return self.head.clone();
        }
        let note = format!("\n[cut: {} bytes in all]", self.seen);
        let mut left = room.saturating_sub(json_size(&note));
        let end = self.head.char_indices().find(|(_, c)| {
            let size = json_size(c.encode_utf8(&mut [0; 4]));
            let fits = size <= left;
            left = left.saturating_sub(size);
            !fits
        });
        let kept = self.head.get(..end.map_or(self.head.len(), |(at, _)| at)).unwrap_or_default();
        format!("{kept}{note}")
    }
}

/// How many bytes a string takes inside JSON's quotes.
pub(super) fn json_size(text: &str) -> usize {
    text.bytes()
        .map(|byte| match byte {
            b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0C => 2,
            0..0x20 => 6,
            _ => 1,
        })
        .sum()
}

fn extend(to: &mut Vec<u8>, bytes: &[u8], most: usize) {
    let room = most.saturating_sub(to.len());
    to.extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secrets;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn captured(chunks: &[&[u8]], keep: usize) -> (Captured, Vec<String>) {
        let (log, mut lines) = LogSink::channel(1000);
        let redactor = Redactor::default();
        let mut capture = Capture::new(&log, &redactor, Stream::Stdout, keep);
        chunks.iter().for_each(|chunk| capture.take(chunk));
        let captured = capture.finish();
        (captured, std::iter::from_fn(|| lines.try_recv().ok().map(|line| line.text)).collect())
    }

    #[test]
    fn lines_go_to_the_log_whatever_the_chunks() {
        let (all, lines) = captured(&[b"on", b"e\ntw", b"o\r\n\n", b"thr", b"ee"], 100);
        assert_eq!(lines, ["one", "two", "", "three"]);
        assert_eq!(
            (all.text(100).as_str(), all.last_line(), all.is_cut()),
            ("one\ntwo\r\n\nthree", "three", false)
        );
        let (_, lines) = captured(&[&[b'x'; 100_000], b"\nnext\n"], 10);
        assert_eq!(
            (lines.len(), lines[0].len(), lines[1].as_str()),
            (2, LINE + '…'.len_utf8(), "next")
        );
    }

    #[test]
    fn what_is_kept_is_bounded_and_says_so() {
        let (all, _) = captured(&[&[b'x'; 1000]], 600);
        assert_eq!(all.text(usize::MAX), format!("{}\n[cut: 1000 bytes in all]", "x".repeat(600)));
        assert_eq!(all.text(100).len() + 1, 100);
        let (controls, _) = captured(&[&[1; 500]], 600);
        assert!(!controls.is_cut() && json_size(&controls.text(1000)) <= 1000);
        assert_eq!(captured(&["ä".as_bytes()], 1).0.text(usize::MAX), "\n[cut: 2 bytes in all]");
    }

    proptest! {
        /// However a stream is cut into chunks and to whatever length, no secret shows, whole or in part.
        #[test]
        fn no_part_of_a_secret_shows(before in 0_usize..40, keep in 1_usize..60, chunk in 1_usize..20, newline: bool) {
            let dir = tempfile::tempdir().unwrap();
            std::fs::create_dir(dir.path().join("n")).unwrap();
            std::fs::write(dir.path().join("n/k"), "QWERTYUIOP").unwrap();
            let (_, redactor) = Secrets::in_folder(dir.path()).resolve(&json!("\u{E000}secret:n/k\u{E001}")).unwrap();
            let redactor = std::sync::Arc::new(redactor);
            let (log, mut lines) = LogSink::channel(1000);
            let log = log.of(&crate::node::tests::task("exec", Value::Null), &redactor);
            let text = format!("{}QWERTYUIOP{}rest", "-".repeat(before), if newline { "\n" } else { "" });
            let mut capture = Capture::new(&log, &redactor, Stream::Stdout, keep);
            text.as_bytes().chunks(chunk).for_each(|part| capture.take(part));
            let mut shown = capture.finish().text(usize::MAX);
            while let Ok(line) = lines.try_recv() {
                shown.push_str(&line.text);
            }
            prop_assert!(!shown.contains('Q') && !shown.contains('P'), "{shown}");
        }

        /// The size is that of what is written.
        #[test]
        fn sizes_are_those_of_json(text: String) {
            prop_assert_eq!(json_size(&text) + 2, Value::from(text).to_string().len());
        }
    }
}

//! Commands and commits in an append-only file.

use std::path::Path;

pub(super) struct Log {
    pub(super) bytes: Vec<u8>,
    /// Where each command ends.
    pub(super) borders: Vec<usize>,
    /// Where each commit of an event ends: the transaction that a function's effects are written as.
    pub(super) commits: Vec<usize>,
}

impl Log {
    pub(super) fn read(path: &Path) -> Self {
        Self::parse(std::fs::read(path).unwrap())
    }

    /// The same commands without what holds those of a commit together.
    pub(super) fn without_transactions(&self) -> Self {
        let mut bytes = Vec::new();
        let mut at = 0;
        for &end in &self.borders {
            let (command, _) = command(&self.bytes, at);
            if !matches!(&*command[0].to_ascii_uppercase(), b"MULTI" | b"EXEC") {
                bytes.extend_from_slice(&self.bytes[at..end]);
            }
            at = end;
        }
        Self::parse(bytes)
    }

    fn parse(bytes: Vec<u8>) -> Self {
        let (mut borders, mut commits) = (Vec::new(), Vec::new());
        let (mut at, mut open, mut has_event) = (0, false, false);
        while at < bytes.len() {
            let (command, end) = command(&bytes, at);
            let name = command[0].to_ascii_uppercase();
            match &*name {
                b"MULTI" => (open, has_event) = (true, false),
                b"EXEC" => open = false,
                b"RPUSH" => has_event |= command[1].windows(8).any(|part| part == b":events:"),
                _ => {}
            }
            if !open && std::mem::take(&mut has_event) {
                commits.push(end);
            }
            borders.push(end);
            at = end;
        }
        Self { bytes, borders, commits }
    }
}

/// The command at a place, and where it ends.
fn command(bytes: &[u8], at: usize) -> (Vec<&[u8]>, usize) {
    let (count, mut at) = number(bytes, at, b'*');
    let mut words = Vec::new();
    for _ in 0..count {
        let (length, begin) = number(bytes, at, b'$');
        words.push(&bytes[begin..begin + length]);
        at = begin + length + 2;
    }
    (words, at)
}

/// A number in a line of its own behind a mark, and where the next line begins.
fn number(bytes: &[u8], at: usize, mark: u8) -> (usize, usize) {
    assert_eq!(bytes[at], mark, "at byte {at}");
    let length = bytes[at..].windows(2).position(|pair| pair == b"\r\n").unwrap();
    let text = std::str::from_utf8(&bytes[at + 1..at + length]).unwrap();
    (text.parse().unwrap(), at + length + 2)
}

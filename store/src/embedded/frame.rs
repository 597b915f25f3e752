//! Frames: what is written and synced at once. A frame is valid as a whole or not at all, so that a torn
//! write takes no commit that was acknowledged.
//!
//! File: 24 bytes of header (magic, version; a number; CRC-32 of both), then frames, then zeros.
//! Frame: payload length, CRC-32 of everything after it, number of its first record, count of records,
//! flags (all little-endian), then the records, each with its length before it.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::FileExt as _;

use super::codec::{Bad, In, Out};

/// Bytes before the first frame.
pub(super) const FILE_HEADER: u64 = 24;
/// Bytes of a frame before its payload.
pub(super) const HEADER: usize = 24;
/// Largest payload: one record of [`LARGEST_RECORD`] and what may share its frame.
pub(super) const LARGEST: usize = LARGEST_RECORD + 16 * 1024 * 1024;
/// Largest record.
pub(super) const LARGEST_RECORD: usize = 64 * 1024 * 1024;
/// Everything before the frame was on disk before the frame was written.
const SYNCED: u32 = 1;

/// What a file is; part of its magic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileKind {
    /// Its number: of the last record before it.
    Journal,
    /// Its number: of itself.
    Snapshot,
}

/// What comes after a place in a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A frame: the number of its first record and its length in the file; its payload is in the buffer.
    Frame(u64, u64),
    /// Nothing but zeros.
    End,
    /// Something that is not a frame.
    Damage(&'static str),
}

/// The header of a file.
pub(super) fn file_header(kind: FileKind, number: u64) -> [u8; FILE_HEADER as usize] {
    let mut header = [0; FILE_HEADER as usize];
    header[..8].copy_from_slice(kind.magic());
    header[8..16].copy_from_slice(&number.to_le_bytes());
    let crc = crc32fast::hash(&header[..16]);
    header[16..20].copy_from_slice(&crc.to_le_bytes());
    header
}

/// The number in a file's header; none if there is no valid one.
pub(super) fn read_file_header(kind: FileKind, mut file: &File) -> std::io::Result<Option<u64>> {
    let mut header = [0; FILE_HEADER as usize];
    match file.read_exact(&mut header) {
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let number = u64::from_le_bytes(number_at(&header, 8));
    Ok((header == file_header(kind, number)).then_some(number))
}

/// Puts records into a frame; `out` is emptied first.
pub(super) fn write(out: &mut Vec<u8>, first: u64, records: &[Vec<u8>], synced: bool) {
    let mut frame = Out { bytes: std::mem::take(out), too_deep: false };
    frame.bytes.clear();
    frame.bytes.extend_from_slice(&[0; HEADER]);
    records.iter().for_each(|record| frame.blob(record));
    let mut bytes = frame.bytes;
    let length = (bytes.len() - HEADER) as u32;
    bytes[..4].copy_from_slice(&length.to_le_bytes());
    bytes[8..16].copy_from_slice(&first.to_le_bytes());
    bytes[16..20].copy_from_slice(&(records.len() as u32).to_le_bytes());
    bytes[20..24].copy_from_slice(&if synced { SYNCED } else { 0 }.to_le_bytes());
    let crc = crc32fast::hash(&bytes[8..]);
    bytes[4..8].copy_from_slice(&crc.to_le_bytes());
    *out = bytes;
}

/// The records of a payload.
pub(super) fn records(payload: &[u8]) -> impl Iterator<Item = Result<&[u8], Bad>> {
    let mut from = In::new(payload);
    std::iter::from_fn(move || {
        if from.is_empty() {
            return None;
        }
        let record = from.blob();
        if record.is_err() {
            from = In::new(&[]);
        }
        Some(record)
    })
}

/// Looks at what is at `at` in a file of `length` bytes; a frame must begin with record `expected`.
pub(super) fn next(
    file: &File,
    at: u64,
    length: u64,
    expected: u64,
    payload: &mut Vec<u8>,
) -> std::io::Result<Next> {
    let mut header = [0; HEADER];
    let left = length.saturating_sub(at);
    if left < HEADER as u64 {
        return Ok(if is_zero(file, at, length)? {
            Next::End
        } else {
            Next::Damage("it ends within a header")
        });
    }
    file.read_exact_at(&mut header, at)?;
    if header == [0; HEADER] {
        return Ok(if is_zero(file, at, length)? {
            Next::End
        } else {
            Next::Damage("a header is missing")
        });
    }
    let Some(size) = fits(&header, left) else {
        return Ok(Next::Damage("its length is not possible"));
    };
    if u64::from_le_bytes(number_at(&header, 8)) != expected {
        return Ok(Next::Damage("its number is not the next"));
    }
    if !read_payload(file, at, &header, size, payload)? {
        return Ok(Next::Damage("its checksum is wrong"));
    }
    Ok(Next::Frame(expected, (HEADER + size) as u64))
}

/// Whether after damage at `at` a frame follows that was written when the damaged place was on disk already:
/// then it is no torn write. Frames there have numbers of `expected` or above.
pub(super) fn synced_frame_after(
    file: &File,
    at: u64,
    length: u64,
    expected: u64,
) -> std::io::Result<bool> {
    const WINDOW: usize = 1024 * 1024;
    let mut window = vec![0; WINDOW + HEADER];
    let mut payload = Vec::new();
    // Damage could look like many overlapping frames; no more is read of them than this.
    let mut budget = 4 * length.max(LARGEST as u64);
    let mut from = at + 1;
    while from + HEADER as u64 <= length {
        let end = (length - from).min(window.len() as u64) as usize;
        file.read_exact_at(&mut window[..end], from)?;
        let places = (end + 1 - HEADER).min(WINDOW);
        for place in 0..places {
            let Some(header) = window[place..].first_chunk::<HEADER>() else { break };
            let here = from + place as u64;
            let Some(size) = fits(header, length - here) else { continue };
            let first = u64::from_le_bytes(number_at(header, 8));
            let near = expected..=expected.saturating_add(length);
            if !near.contains(&first) || u32::from_le_bytes(number_at(header, 20)) != SYNCED {
                continue;
            }
            budget = budget.saturating_sub(size as u64);
            if budget == 0 || read_payload(file, here, header, size, &mut payload)? {
                return Ok(true);
            }
        }
        from += places as u64;
    }
    Ok(false)
}

impl FileKind {
    fn magic(self) -> &'static [u8; 8] {
        match self {
            Self::Journal => b"AOBJRNL\x01",
            Self::Snapshot => b"AOBSNAP\x01",
        }
    }
}

/// The length of the payload, if it is possible.
fn fits(header: &[u8; HEADER], left: u64) -> Option<usize> {
    let size = u32::from_le_bytes(number_at(header, 0)) as usize;
    let count = u32::from_le_bytes(number_at(header, 16)) as usize;
    let possible = size > 0
        && size <= LARGEST
        && (1..=size).contains(&count)
        && (HEADER + size) as u64 <= left;
    possible.then_some(size)
}

fn read_payload(
    file: &File,
    at: u64,
    header: &[u8; HEADER],
    size: usize,
    payload: &mut Vec<u8>,
) -> std::io::Result<bool> {
    payload.resize(size, 0);
    file.read_exact_at(payload, at + HEADER as u64)?;
    let mut crc = crc32fast::Hasher::new();
    crc.update(&header[8..]);
    crc.update(payload);
    Ok(crc.finalize() == u32::from_le_bytes(number_at(header, 4)))
}

fn is_zero(file: &File, mut at: u64, length: u64) -> std::io::Result<bool> {
    let mut window = vec![0; 256 * 1024];
    while at < length {
        let end = (length - at).min(window.len() as u64) as usize;
        file.read_exact_at(&mut window[..end], at)?;
        if window[..end].iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        at += end as u64;
    }
    Ok(true)
}

fn number_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..at + N).and_then(|bytes| bytes.try_into().ok()).unwrap_or([0; N])
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use super::{FILE_HEADER, HEADER, Next, next, records, synced_frame_after, write};

    /// Three frames behind a header that nobody looks at: of 2, 1 and 1 records.
    fn file(synced: [bool; 3]) -> (std::fs::File, Vec<u64>, u64) {
        let file = tempfile::tempfile().unwrap();
        let (mut ends, mut at, mut frame) = (Vec::new(), FILE_HEADER, Vec::new());
        let groups = [vec![vec![1; 40], vec![2]], vec![vec![3; 300]], vec![vec![4; 9]]];
        let mut first = 11;
        for (records, synced) in groups.iter().zip(synced) {
            write(&mut frame, first, records, synced);
            file.write_all_at(&frame, at).unwrap();
            at += frame.len() as u64;
            first += records.len() as u64;
            ends.push(at);
        }
        file.set_len(at + 5_000).unwrap();
        (file, ends, at + 5_000)
    }

    #[test]
    fn frames_come_back_and_zeros_end_them() {
        let (file, ends, length) = file([true; 3]);
        let (mut at, mut expected, mut payload) = (FILE_HEADER, 11, Vec::new());
        let mut seen = Vec::new();
        while let Next::Frame(first, size) =
            next(&file, at, length, expected, &mut payload).unwrap()
        {
            assert_eq!(first, expected);
            let lengths: Vec<usize> =
                records(&payload).map(|record| record.unwrap().len()).collect();
            expected += lengths.len() as u64;
            at += size;
            seen.push((at, lengths));
        }
        assert_eq!(seen, [(ends[0], vec![40, 1]), (ends[1], vec![300]), (ends[2], vec![9])]);
        assert_eq!(next(&file, at, length, expected, &mut payload).unwrap(), Next::End);
        assert_eq!(next(&file, ends[2], ends[2], expected, &mut payload).unwrap(), Next::End);
    }

    #[test]
    fn a_frame_counts_only_in_its_place() {
        let (file, ends, length) = file([true; 3]);
        let mut payload = Vec::new();
        assert!(matches!(
            next(&file, FILE_HEADER, length, 12, &mut payload).unwrap(),
            Next::Damage(_)
        ));
        let short = ends[0] - 1;
        assert!(matches!(
            next(&file, FILE_HEADER, short, 11, &mut payload).unwrap(),
            Next::Damage(_)
        ));
        let header = FILE_HEADER + HEADER as u64 - 1;
        assert!(matches!(
            next(&file, FILE_HEADER, header, 11, &mut payload).unwrap(),
            Next::Damage(_)
        ));
    }

    #[test]
    fn damage_before_a_synced_frame_is_no_torn_write() {
        for (synced, lost) in [([true; 3], true), ([false; 3], false), ([false, false, true], true)]
        {
            let (file, ends, length) = file(synced);
            file.write_all_at(b"x", FILE_HEADER + 30).unwrap();
            let mut payload = Vec::new();
            assert!(matches!(
                next(&file, FILE_HEADER, length, 11, &mut payload).unwrap(),
                Next::Damage(_)
            ));
            assert_eq!(synced_frame_after(&file, FILE_HEADER, length, 11).unwrap(), lost);
            assert!(
                !synced_frame_after(&file, ends[1], length, 14).unwrap(),
                "nothing follows the last"
            );
        }
    }
}

//! A run as one object: pieces behind one another, packed with zstd, which knows if something is missing or wrong.
//!
//! A piece is a letter, its length (4 bytes, the first the lowest) and its bytes:
//!
//! | letter | holds |
//! |---|---|
//! | `r` | `{"aob": 1, "run": ...}`, first |
//! | `s` | a field of the state: its name, a NUL, its value |
//! | `e` | an event, byte for byte as it was chained |
//! | `c` | an entry of the context: `[key, envelope]` |
//! | `l` | a line of the log: `[position, line]` |
//! | `p` | the record of a patch |
//! | `b` | the document of a revision that others are built on: `revision`, a space, the document |
//! | `z` | how many pieces came before, last |

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use aob_engine::state::{Fields, decode, encode};
use serde::Serialize;
use serde_json::json;

use super::past::Past;
use crate::{Error, Result, Store};

/// How hard it is packed: as zstd does when nobody says.
const LEVEL: i32 = 3;
/// Most bytes of a run that is read back.
const LONGEST: u64 = 1 << 30;
/// What is asked of the store at once.
const PAGE: usize = 1_000;

/// Everything of a run. None: it is not in the store, or has left it meanwhile.
pub(super) async fn pack(store: &dyn Store, run: &str) -> Result<Option<Vec<u8>>> {
    let Some(state) = store.load(run).await? else { return Ok(None) };
    let mut out = Packer::new()?;
    out.json(b'r', &json!({"aob": 1, "run": run}))?;
    for (name, value) in encode(&state) {
        out.piece(b's', &[name.as_bytes(), b"\0", &value])?;
    }
    let mut seen = 0;
    while seen < state.head.seq {
        let lines = store.events(run, seen, PAGE).await?;
        if lines.is_empty() {
            break;
        }
        seen += lines.len() as u64;
        for line in lines {
            out.piece(b'e', &[&line])?;
        }
    }
    for keys in store.context_keys(run).await?.chunks(PAGE) {
        for entry in store.context(run, keys).await? {
            out.json(b'c', &entry)?;
        }
    }
    let mut after = 0;
    loop {
        let (lines, next) = store.logs(run, after, PAGE).await?;
        if lines.is_empty() {
            break;
        }
        // The oldest may be gone: they are counted from the end of the page.
        let first = next.saturating_sub(lines.len() as u64);
        for (at, line) in (first..).zip(&lines) {
            out.json(b'l', &(at, line))?;
        }
        after = next;
    }
    for record in store.patches(run).await? {
        out.json(b'p', &record)?;
    }
    let mut revision = state.head.revision;
    while let Some((base, document)) = store.chain(run, revision).await?.base {
        out.piece(b'b', &[format!("{base} ").as_bytes(), &document])?;
        match base.checked_sub(1) {
            Some(before) if before > 0 => revision = before,
            _ => break,
        }
    }
    // If it is still there, nothing that was read before was half gone.
    let still = store.load(run).await?;
    if still.is_none() || seen < state.head.seq {
        return Ok(None);
    }
    out.end().map(Some)
}

/// A run as it was packed.
///
/// # Errors
/// [`Error::Corrupt`] with what is wrong.
pub(super) fn unpack(run: &str, packed: &[u8]) -> Result<Past> {
    let corrupt = |why: String| Error::Corrupt(format!("{run} in the archive: {why}"));
    let packer = zstd::Decoder::new(packed).map_err(|error| corrupt(error.to_string()))?;
    let mut packer = packer.take(LONGEST);
    let (mut past, mut fields, mut count) = (Parts::default(), Fields::new(), 0_u64);
    loop {
        let mut head = [0; 5];
        packer.read_exact(&mut head).map_err(|error| corrupt(error.to_string()))?;
        let [kind, a, b, c, d] = head;
        let length = u64::from(u32::from_le_bytes([a, b, c, d]));
        let mut bytes = Vec::new();
        // Memory for what is there, whatever length is written.
        let read = packer.by_ref().take(length).read_to_end(&mut bytes);
        if read.map_err(|error| corrupt(error.to_string()))? as u64 != length {
            return Err(corrupt("a piece is not whole".to_owned()));
        }
        let wrong = |error: serde_json::Error| corrupt(error.to_string());
        match kind {
            b'r' if count == 0 => {
                let told: serde_json::Value = serde_json::from_slice(&bytes).map_err(wrong)?;
                if told["aob"] != 1 || told["run"] != run {
                    return Err(corrupt("it is of another version, or another run".to_owned()));
                }
            }
            _ if count == 0 => return Err(corrupt("it does not begin as one".to_owned())),
            b's' => {
                let (name, value) =
                    split(&bytes, 0).ok_or_else(|| corrupt("a field".to_owned()))?;
                fields.insert(name, value);
            }
            b'e' => past.events.push(bytes),
            b'c' => {
                let (key, entry) = serde_json::from_slice(&bytes).map_err(wrong)?;
                past.context.insert(key, entry);
            }
            b'l' => past.logs.push(serde_json::from_slice(&bytes).map_err(wrong)?),
            b'p' => past.patches.push(serde_json::from_slice(&bytes).map_err(wrong)?),
            b'b' => {
                let found = split(&bytes, b' ');
                let base = found.and_then(|(name, rest)| Some((name.parse().ok()?, rest)));
                past.bases.push(base.ok_or_else(|| corrupt("a document".to_owned()))?);
            }
            b'z' => {
                if bytes != count.to_string().as_bytes() {
                    return Err(corrupt(format!("{count} pieces are not all")));
                }
                // At the end of all bytes, and not before, it is known whether they are what was packed.
                match packer.read(&mut [0]) {
                    Ok(0) => {}
                    Ok(_) => return Err(corrupt("something follows its end".to_owned())),
                    Err(error) => return Err(corrupt(error.to_string())),
                }
                let state = decode(&fields).map_err(|error| corrupt(error.to_string()))?;
                return Ok(past.of(Arc::new(state)));
            }
            // A later version may keep more.
            _ => {}
        }
        count += 1;
    }
}

/// What was read so far.
type Parts = super::past::Parts;

fn split(bytes: &[u8], at: u8) -> Option<(String, Vec<u8>)> {
    let place = bytes.iter().position(|byte| *byte == at)?;
    let (name, rest) = bytes.split_at_checked(place)?;
    Some((String::from_utf8(name.to_vec()).ok()?, rest.get(1..)?.to_vec()))
}

/// Pieces on their way into one object.
struct Packer {
    out: zstd::Encoder<'static, Vec<u8>>,
    count: u64,
}

impl Packer {
    fn new() -> Result<Self> {
        let mut out = zstd::Encoder::new(Vec::new(), LEVEL).map_err(disk)?;
        out.include_checksum(true).map_err(disk)?;
        Ok(Self { out, count: 0 })
    }

    fn json(&mut self, kind: u8, value: &impl Serialize) -> Result<()> {
        let bytes = serde_json::to_vec(value).map_err(|error| Error::Corrupt(error.to_string()))?;
        self.piece(kind, &[&bytes])
    }

    fn piece(&mut self, kind: u8, parts: &[&[u8]]) -> Result<()> {
        let length: usize = parts.iter().map(|part| part.len()).sum();
        let length = u32::try_from(length)
            .map_err(|_| Error::Limit("a piece of more than 4 GiB".to_owned()))?;
        self.out.write_all(&[kind]).map_err(disk)?;
        self.out.write_all(&length.to_le_bytes()).map_err(disk)?;
        for part in parts {
            self.out.write_all(part).map_err(disk)?;
        }
        self.count += 1;
        Ok(())
    }

    fn end(mut self) -> Result<Vec<u8>> {
        let count = self.count.to_string();
        self.piece(b'z', &[count.as_bytes()])?;
        self.out.finish().map_err(disk)
    }
}

fn disk(error: std::io::Error) -> Error {
    Error::Disk("packing a run".to_owned(), error)
}
